"""Format: what a file format is. One file in plugins/formats is a reader, perhaps a writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.image import Image


class UnreadableFile(Exception):
    """A file could not be read. The message is one sentence for the user."""


class UnwritableFile(Exception):
    """A file could not be written. The message is one sentence for the user."""


@dataclass(frozen=True)
class Output:
    """How to write: what the user chose in the export dialog or on the command line."""

    bits: int = 16  # 8 or 16, where the format has both
    quality: int = 95  # JPEG
    compress: bool = True  # lossless compression where the format has it
    strip: bool = False  # leave out GPS position, serial numbers and owner names
    overwrite: bool = False
    note: Mapping[str, Any] | None = None  # the recipe and noise model, for history tags


class Format:
    """Subclass in plugins/formats = a file format. No state: all methods are pure or static."""

    title: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()  # lower case, with the dot
    writes: ClassVar[tuple[str, ...]] = ()  # suffixes it can write
    takes: ClassVar[tuple[str, ...]] = ()  # kinds of Image it can write: mosaic, linear, ...
    rank: ClassVar[int] = 0  # asked first when several sniff a file as theirs

    def sniff(self, head: bytes, name: str) -> bool:
        """Is this ours? Judged by the first 4 KiB (and the name, where content cannot tell)."""
        raise NotImplementedError

    def header(self, path: Path) -> dict[str, Any]:
        """Kind, axes, shape, dtype and metadata without decoding pixels. Raises UnreadableFile."""
        raise NotImplementedError

    def read(self, path: Path) -> Image:
        """The whole file. Raises UnreadableFile. Runs in a child process with limits."""
        raise NotImplementedError

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        """Write `image`; `source` is the image it came from, whose metadata is kept.

        `path` is a new, temporary name beside the target: the caller reads it back, compares and
        renames. Raises UnwritableFile.
        """
        raise UnwritableFile(f"{self.title} files cannot be written.")
