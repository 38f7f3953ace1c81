"""Format: what a file format is. One file in plugins/formats is a reader, perhaps a writer."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.image import Array, Image, Pixels


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
    """Subclass in plugins/formats = a file format.

    No state, but for what `header` found, from which the `read` of the same file may go on.
    """

    title: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()  # lower case, with the dot
    writes: ClassVar[tuple[str, ...]] = ()  # suffixes it can write
    takes: ClassVar[tuple[str, ...]] = ()  # kinds of Image it can write: mosaic, linear, ...
    rank: ClassVar[int] = 0  # the highest is asked first when several sniff a file as theirs
    tolerance: ClassVar[float] = 0.0  # mean difference that a lossy format may show
    folders: ClassVar[bool] = False  # reads the files of a folder as one image
    archives: ClassVar[bool] = False  # and a file in an archive: its path goes on in there

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

    def stored(self, image: Image, output: Output) -> Pixels:
        """The pixels that reading back what write() wrote will give, in the axes of `image`."""
        return image.pixels

    def describes(self, path: Path) -> bool:
        """Is this the data file of a header beside it? Asked when no content says what it is."""
        return False

    def companions(self, path: Path) -> tuple[Path, ...]:
        """The other files that belong to `path`: write() makes them as well."""
        return ()

    def folder_for(self, path: Path, image: Image) -> Path | None:
        """The folder that `image` is written into when it is one of several files, else None."""
        return None

    def ours(self, path: Path) -> bool:
        """Did Sordino write this file of a folder? Only then may the folder be overwritten."""
        return False


def suffix_of(path: Path) -> str:
    """The suffix; of a compressed file both, as in .nii.gz."""
    if path.suffix.lower() != ".gz":
        return path.suffix
    return Path(path.stem).suffix + path.suffix


def with_suffix(path: Path, suffix: str) -> Path:
    """The same name with another suffix; of a compressed file both are exchanged."""
    old = suffix_of(path)
    return path.with_name((path.name.removesuffix(old) or path.name) + suffix)


@contextmanager
def undamaged(path: Path, *errors: type[Exception]) -> Generator[None]:
    """What a library raises of a damaged file is UnreadableFile, one sentence."""
    try:
        yield
    except errors as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path.name} is damaged ({reason}): copy it again.") from None


def arrange(pixels: Any, order: str) -> tuple[Any, str]:
    """An array or FilePixels with y, x last, and its axes: (y, x, c), "yxc" becomes "cyx".

    Raises ValueError when `order` does not fit.
    """
    if len(order) != pixels.ndim or len(set(order)) != len(order) or not {"y", "x"} <= set(order):
        raise ValueError(
            f"the axes {order!r} do not fit {pixels.ndim} dimensions: give one letter for each,"
            " among them y and x"
        )
    axes = "".join(letter for letter in order if letter not in "yx") + "yx"
    return pixels.transpose([order.index(letter) for letter in axes]), axes


def file_order(image: Image, source: Image) -> str:
    """The axes in the order of the source's file, where `image` still has the same ones."""
    order = str(source.meta.get("order", ""))
    return order if sorted(order) == sorted(image.axes) else image.axes


def ordered(image: Image, source: Image, pixels: Array) -> tuple[Array, str]:
    """`pixels` of `image` as they lay in the source's file, and that order."""
    order = file_order(image, source)
    return pixels.transpose([image.axes.index(letter) for letter in order]), order


def encoded(image: Image, bits: int) -> Array:
    """Pixels as unsigned integers of 8 or 16 bits: the white level becomes the largest number.

    Rounds and clips, once and here only. 8-bit pixels stay 8-bit: 16 would say nothing more.
    """
    pixels = np.asarray(image.pixels[...])
    bits = 8 if pixels.dtype == np.uint8 else bits
    kind = np.uint8 if bits == 8 else np.uint16
    top = float(np.iinfo(kind).max)
    white = image.levels.white
    if not np.isfinite(white):
        white = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "iu" else 1.0
    if pixels.dtype == kind and white == top:
        return pixels
    scaled = pixels.astype(np.float32)
    scaled *= np.float32(top / white)
    np.rint(scaled, out=scaled)
    return np.clip(np.nan_to_num(scaled, copy=False), 0, top, out=scaled).astype(kind)


def as_stored(values: Array, kind: Any, nodata: float | None = None) -> Array:
    """Computed numbers in the type of a file: rounded and kept in its range, once and here only.

    What is no number becomes `nodata` (0 where there is none and the type knows no NaN).
    """
    dtype = np.dtype(kind)
    if values.dtype == dtype:
        return values
    lost = ~np.isfinite(values) if values.dtype.kind == "f" else np.False_
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        rounded = np.rint(np.where(lost, 0, values).astype(np.float64))
        found = np.clip(rounded, float(ends.min), float(ends.max)).astype(dtype)
    else:
        found = values.astype(dtype)
    if nodata is not None:
        found = np.where(lost, np.asarray(nodata, dtype), found)
    return found


@dataclass(frozen=True)
class Rounded:
    """Computed pixels as a file will hold them (see `as_stored`), made as they are wanted.

    `ends` is the range of a file that uses fewer bits than its type has.
    """

    pixels: Pixels
    kind: str  # dtype
    nodata: float | None = None
    ends: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the file."""
        return np.dtype(self.kind)

    def __getitem__(self, key: Any, /) -> Array:
        """A part, rounded."""
        values = np.asarray(self.pixels[key])
        if values.dtype == self.dtype:
            return values
        if self.ends is not None:
            values = np.clip(values, *self.ends)
        return as_stored(values, self.dtype, self.nodata)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of them, for NumPy."""
        return np.asarray(self[...], dtype)
