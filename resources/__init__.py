"""Packaged data: icons, theme, samples."""

from pathlib import Path


def path(name: str) -> Path:
    """The file `name` of this package, as in path("icons/open.svg")."""
    return Path(__file__).parent / name
