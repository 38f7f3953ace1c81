"""The `sordino` command: a subcommand runs without Qt, everything else opens the window."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of the console script and of the bundle."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first == "--child":
        from core.child import main as child

        return child()
    from core import COMMANDS

    if first in COMMANDS or first in ("-h", "--help", "--version"):
        from core.cli import main as command

        return command(sys.argv[1:])
    from gui.app import run

    return run(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
