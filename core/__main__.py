"""`python -m core`: the command line without the window's packages."""

import sys

from core.cli import main

sys.exit(main())
