"""HDF5, which is also NetCDF-4 and MATLAB's v7.3: its arrays by name, one of them replaced."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.format import UnreadableFile, UnwritableFile, undamaged
from core.image import Array, Image, Pixels
from core.lazy import SLAB
from plugins.formats.variables.pick import Variable

if TYPE_CHECKING:
    from h5py import Dataset, File

MAGIC = b"\x89HDF\r\n\x1a\n"
DEFLATE = 1040  # no filter of HDF5 itself packs better
MOST = 10_000  # objects of a file that are looked at
NAMES = {"b": "band", "y": "y", "x": "x"}


def is_hdf(head: bytes) -> bool:
    """HDF5 begins at a power of two from 512 on, where something lies before it."""
    return any(head[at : at + 8] == MAGIC for at in (0, 512, 1024, 2048))


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """The file, for reading. Raises UnreadableFile, also for what goes wrong inside."""
    import h5py

    wrong = OSError, KeyError, RuntimeError, ValueError, TypeError
    with undamaged(path, *wrong), h5py.File(path, "r") as file:
        yield file


def variables(file: File, matlab: bool) -> list[Variable]:
    """The numeric arrays that lie in this file; MATLAB's with their axes as MATLAB has them."""
    import h5py

    found: list[Variable] = []
    count = 0

    def visit(name: str, one: Any) -> bool | None:
        nonlocal count
        count += 1
        if not isinstance(one, h5py.Dataset) or name.startswith("#"):
            return True if count > MOST else None
        if one.dtype.kind in "iufb" and one.shape and not one.is_virtual and not one.external:
            shape, dims = tuple(map(int, one.shape)), _dims(one)
            if matlab:
                shape, dims = shape[::-1], ()
            found.append(Variable(name, shape, str(one.dtype.newbyteorder("=")), dims))
        return True if count > MOST else None

    file.visititems(visit)
    return found


def _dims(one: Dataset) -> tuple[str, ...]:
    """Names of the axes: those of their scales, as in NetCDF, else their labels."""
    names: list[str] = []
    for axis in range(one.ndim):
        try:
            scales: Any = one.dims[axis].values()
            name = scales[0].name.rpartition("/")[2] if len(scales) else one.dims[axis].label
        except (RuntimeError, KeyError, AttributeError):
            name = ""
        names.append(str(name or ""))
    return tuple(names) if any(names) else ()


def load(file: File, path: Path, name: str, matlab: bool) -> Array:
    """An array, mapped where it lies in one piece. Raises UnreadableFile."""
    one: Any = file[name]
    need = math.prod(one.shape) * one.dtype.itemsize
    place = one.id.get_offset() if one.chunks is None else None
    if place is not None and one.dtype.kind != "b":
        if place + need > path.stat().st_size:
            raise UnreadableFile(f"{path.name} ends too early: copy it again.")
        pixels: Array = np.memmap(path, one.dtype, "r", place, one.shape)
    else:
        if need > DEFLATE * one.id.get_storage_size() + (64 << 20):
            raise UnreadableFile(
                f"{path.name} is shorter than the shape {one.shape} of {name} says: copy it again."
            )
        pixels = one[()]
    if pixels.dtype.kind == "b":
        pixels = pixels.view(np.uint8)
    return pixels.transpose() if matlab else pixels


def attributes(file: File, name: str) -> tuple[dict[str, Any], float | None]:
    """What a variable says of its numbers: meta["scale"], meta["long_name"], and no-data."""
    one: Any = file[name]

    def number(*names: str) -> float | None:
        for key in names:
            value = np.asarray(one.attrs.get(key, np.nan))
            if value.size == 1 and value.dtype.kind in "iuf" and np.isfinite(value).all():
                return float(value.reshape(-1)[0])
        return None

    meta: dict[str, Any] = {}
    slope, offset, unit = number("scale_factor"), number("add_offset"), text(one, "units")
    if slope or offset or unit:
        meta["scale"] = (slope or 1.0, offset or 0.0, unit)
    for key in ("long_name", "standard_name"):
        if text(one, key):
            meta[key] = text(one, key)
    nodata = number("_FillValue", "missing_value")
    if nodata is not None and one.dtype.kind in "iu":
        ends = np.iinfo(one.dtype)
        nodata = nodata if nodata.is_integer() and ends.min <= nodata <= ends.max else None
    return meta, nodata


def text(one: Any, name: str) -> str:
    """An attribute that is a text, else ""."""
    value = np.asarray(one.attrs.get(name, "")).reshape(-1)
    if value.size != 1:
        return ""
    found = value[0]
    found = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
    return str(found) if isinstance(found, str) else ""


def replace(path: Path, source: Path, name: str, pixels: Pixels, note: str) -> None:
    """A copy of `source` at `path`, with other numbers in one variable. Raises UnwritableFile.

    `pixels` has the axes as they are stored, without those of one entry.
    """
    import h5py

    try:
        shutil.copyfile(source, path)
        with h5py.File(path, "r+") as file:
            one: Any = file[name]
            if tuple(size for size in one.shape if size != 1) != pixels.shape:
                raise KeyError(name)
            _fill(one, pixels)
            if note:
                file.attrs["sordino"] = note
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        raise UnwritableFile(
            f"{path.name} needs {source.name}, which it was opened from, unchanged ({reason})."
        ) from None


def _fill(one: Any, pixels: Pixels) -> None:
    """Write in slabs of whole chunks, so that each is packed once."""
    axes = [axis for axis, size in enumerate(one.shape) if size != 1]
    rows = one.chunks[axes[0]] if one.chunks else 1
    each = math.prod(pixels.shape[1:]) * pixels.dtype.itemsize
    step = max(SLAB // max(each * rows, 1), 1) * rows
    for at in range(0, pixels.shape[0], step):
        block = np.asarray(pixels[at : at + step])
        key: list[Any] = [0 if size == 1 else slice(None) for size in one.shape]
        key[axes[0]] = slice(at, at + len(block))
        one[tuple(key)] = block.astype(one.dtype, copy=False)


def create(path: Path, image: Image, pixels: Pixels, compress: bool, note: str) -> None:
    """A new file: one variable, its axes named as NetCDF-4 does, wavelengths beside it."""
    import h5py

    nodata, scale = image.nodata, image.meta.get("scale")
    with h5py.File(path, "w") as opened_file:
        file: Any = opened_file
        way = {"compression": "gzip", "shuffle": True} if compress else {}
        value = None if nodata is None else np.asarray(nodata, pixels.dtype)
        one = file.create_dataset("image", pixels.shape, pixels.dtype, fillvalue=value, **way)
        for axis, letter in enumerate(image.axes):
            file[NAMES[letter]] = scale_of(image, letter, pixels.shape[axis])
            file[NAMES[letter]].make_scale(NAMES[letter])
            one.dims[axis].attach_scale(file[NAMES[letter]])
        if value is not None:
            one.attrs["_FillValue"] = value
        if scale:
            one.attrs["scale_factor"], one.attrs["add_offset"] = map(float, scale[:2])
            one.attrs["units"] = str(scale[2])
        if "b" in image.coords:
            file["wavelength"] = np.asarray(image.coords["b"], np.float64)
            file["wavelength"].dims[0].attach_scale(file["band"])
            file["wavelength"].attrs["units"] = str(image.coords.get("units", {}).get("b", ""))
        for name in ("fwhm", "bbl"):
            if image.meta.get(name):
                file[name] = np.asarray(image.meta[name])
                file[name].dims[0].attach_scale(file["band"])
        _fill(one, pixels)
        if note:
            file.attrs["sordino"] = note


def scale_of(image: Image, letter: str, count: int) -> Array:
    """Numbers along an axis: those of the image, else its indices."""
    known = image.coords.get(letter)
    if known is not None and letter != "b" and len(known) == count:
        return np.asarray(known)
    return np.arange(count, dtype=np.int32)


def noted(note: Any) -> str:
    """A note as text, short enough for an attribute."""
    found = json.dumps(dict(note)) if note else ""
    return found if len(found) < 60_000 else ""
