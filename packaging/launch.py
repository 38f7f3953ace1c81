"""Where the bundle begins: the same as the `sordino` command, decoding children included."""

import sys

from gui.__main__ import main

sys.exit(main())
