"""Files of several named variables, one of which is the image: MATLAB, HDF5, NetCDF-4."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.format import Format, Output, Rounded, UnreadableFile, UnwritableFile, file_order
from core.image import Array, Image, Pixels
from plugins.formats.variables import hdf, mat5
from plugins.formats.variables.pick import Variable, bands, choose, order

LINES = ("lines", "rows", "nrow", "nrows", "height")
COLUMNS = ("cols", "columns", "samples", "ncol", "ncols", "width")
NUMBERS = {"bool": "uint8", "float16": "float32"}


class Hdf5(Format):
    """The largest array of three dimensions (see `pick`), with scale, no-data and wavelengths.

    Written as a copy of its file in which only that variable has other numbers. Arrays that lie
    in other files (external, virtual) are left alone. Classic NetCDF is refused.
    """

    title = "HDF5 or NetCDF-4"
    suffixes = (".h5", ".hdf5", ".nc", ".he5")
    writes = (".h5", ".nc", ".hdf5", ".he5")
    takes = ("cube", "array")
    rank = -1  # formats that are HDF5 inside know better

    def sniff(self, head: bytes, name: str) -> bool:
        return hdf.is_hdf(head) or _classic(head)

    def header(self, path: Path) -> dict[str, Any]:
        with hdf.opened(_not_classic(path)) as file:
            chosen, axes, meta, coords, nodata = _look(file, path, False)
        return _header(chosen, axes, meta, coords, nodata)

    def read(self, path: Path) -> Image:
        with hdf.opened(_not_classic(path)) as file:
            chosen, axes, meta, coords, nodata = _look(file, path, False)
            pixels = hdf.load(file, path, chosen.name, False)
        return _image(pixels, chosen, axes, meta, coords, nodata)

    def stored(self, image: Image, output: Output) -> Pixels:
        return _stored(image)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        pixels, note = self.stored(image, output), hdf.noted(output.note)
        if source.meta.get("container") == "hdf5":
            _replace(path, source, _turned(pixels, image, source), note)
            return
        if set(image.axes) - set(hdf.NAMES):
            raise UnwritableFile(f"{path.name} cannot hold the axes {image.axes}: choose .npy.")
        hdf.create(path, image, pixels, output.compress, note)


class Matlab(Format):
    """The largest array of three dimensions (see `pick`), or pixels in a row beside their sizes.

    Level 5 files (v5 to v7) are read and written here, all other variables copied byte for byte;
    v7.3 is HDF5 and stays it. Integers that MATLAB stores for doubles stay integers until they
    are computed with.
    """

    title = "MATLAB"
    suffixes = (".mat",)
    writes = (".mat",)
    takes = ("cube", "array")

    def sniff(self, head: bytes, name: str) -> bool:
        if mat5.order_of(head):
            return True
        named = name.lower().endswith(".mat")
        return named and (hdf.is_hdf(head) or _level4(head) or head.startswith(b"MATLAB"))

    def header(self, path: Path) -> dict[str, Any]:
        if _is_hdf(path):
            with hdf.opened(path) as file:
                chosen, axes, meta, coords, nodata = _look(file, path, True)
        else:
            _, chosen, axes, meta, coords = _look5(path)
            nodata = None
        return _header(chosen, axes, meta, coords, nodata)

    def read(self, path: Path) -> Image:
        if _is_hdf(path):
            with hdf.opened(path) as file:
                chosen, axes, meta, coords, nodata = _look(file, path, True)
                pixels = hdf.load(file, path, chosen.name, True)
            return _image(pixels, chosen, axes, meta, coords, nodata)
        element, chosen, axes, meta, coords = _look5(path)
        return _image(mat5.load(path, element), chosen, axes, meta, coords, None)

    def stored(self, image: Image, output: Output) -> Pixels:
        return _stored(image)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        pixels = self.stored(image, output)
        if source.meta.get("container") == "matlab 7.3":
            _replace(path, source, _turned(pixels, image, source, True), "")
            return
        if len(image.axes) > 3 or set(image.axes) - set("byx"):
            raise UnwritableFile(f"{path.name} cannot hold the axes {image.axes}: choose .npy.")
        if source.meta.get("container") == "matlab 5":
            _write5(path, _turned(pixels, image, source), source)
            return
        turned = _turned(pixels, image, source, default="yxb"[: len(image.axes)])
        with path.open("wb") as file:
            file.write(mat5.new_head())
            lists = {"wavelength": image.coords.get("b"), "fwhm": image.meta.get("fwhm"),
                     "bbl": image.meta.get("bbl")}  # fmt: skip
            for name, values in lists.items():
                if values is not None:
                    row = np.asarray(values, np.float64).reshape(1, -1)
                    mat5.put(file, "<", name, row, mat5.DOUBLE, 0, False, row.shape)
            _put(file, "<", "data", turned, output.compress)


def _stored(image: Image) -> Pixels:
    kind = str(image.meta.get("dtype") or image.pixels.dtype.newbyteorder("="))
    return Rounded(image.pixels, NUMBERS.get(kind, kind), image.nodata)


class _Turned:
    """Pixels with their axes in another order, still sliced lazily."""

    def __init__(self, pixels: Pixels, axes: list[int]) -> None:
        self.pixels, self.axes = pixels, axes
        self.shape = tuple(pixels.shape[axis] for axis in axes)
        self.dtype = pixels.dtype

    def __getitem__(self, key: Any, /) -> Array:
        keys = list(key) if isinstance(key, tuple) else [key]
        if keys[0] is Ellipsis:
            keys = [slice(None)] * (len(self.axes) - len(keys) + 1) + keys[1:]
        keys += [slice(None)] * (len(self.axes) - len(keys))
        found = self.pixels[tuple(keys[self.axes.index(axis)] for axis in range(len(keys)))]
        return np.asarray(found).transpose(self.axes)


def _turned(
    pixels: Pixels, image: Image, source: Image, backwards: bool = False, default: str = ""
) -> Pixels:
    """Pixels as they lay in the source's file."""
    letters = file_order(image, source) if "order" in source.meta else default or image.axes
    axes = [image.axes.index(letter) for letter in letters]
    return _Turned(pixels, axes[::-1] if backwards else axes)


def _header(
    chosen: Variable, axes: str, meta: dict[str, Any], coords: dict[str, Any], nodata: Any
) -> dict[str, Any]:
    shown = "byx" if "b" in axes else "yx"
    kind = "cube" if "b" in axes else "array"
    shape = [chosen.sizes[axes.index(letter)] for letter in shown]
    dtype = NUMBERS.get(chosen.dtype, chosen.dtype) if chosen.dtype == "bool" else chosen.dtype
    found = {"kind": kind, "axes": shown, "shape": shape, **meta, "dtype": dtype}
    if nodata is not None:
        found["nodata"] = nodata
    if "b" in coords:
        found |= {"wavelengths": coords["b"].tolist(), "wavelength_units": coords["units"]["b"]}
    return found


def _image(
    pixels: Array, chosen: Variable, axes: str, meta: dict[str, Any], coords: dict[str, Any],
    nodata: float | None,
) -> Image:  # fmt: skip
    shown = "byx" if "b" in axes else "yx"
    pixels = pixels.reshape(chosen.sizes, order="A")
    view = pixels.transpose([axes.index(letter) for letter in shown])
    kind = "cube" if "b" in axes else "array"
    return Image(view, shown, kind, coords=coords, meta=meta, nodata=nodata)


def _look(
    file: Any, path: Path, matlab: bool
) -> tuple[Variable, str, dict[str, Any], dict[str, Any], float | None]:
    """The variable, its axes, meta, coords and no-data of an HDF5 file."""
    if "minc-2.0" in file:
        raise UnreadableFile(f"{path.name} is a MINC volume: give it the suffix .mnc.")
    found = hdf.variables(file, matlab)
    chosen = choose(found, path.name)
    axes = order(chosen, found)
    meta, nodata = hdf.attributes(file, chosen.name)
    coords: dict[str, Any] = {}
    if "b" in axes:
        count = chosen.sizes[axes.index("b")]
        lists, coords, name = bands(
            found, count, lambda one: hdf.load(file, path, one.name, matlab)
        )
        meta |= lists
        if name and hdf.text(file[name], "units") and not matlab:
            coords["units"] = {"b": hdf.text(file[name], "units")}
    meta |= _names(chosen, axes, [one.name for one in found])
    meta["container"] = "matlab 7.3" if matlab else "hdf5"
    return chosen, axes, meta, coords, nodata


def _names(chosen: Variable, axes: str, names: list[str]) -> dict[str, Any]:
    others = [name for name in names if name != chosen.name]
    dtype = NUMBERS.get(chosen.dtype, chosen.dtype) if chosen.dtype == "bool" else chosen.dtype
    return {"variable": chosen.name, "variables": others, "order": axes, "dtype": dtype}


def _look5(
    path: Path,
) -> tuple[mat5.Element, Variable, str, dict[str, Any], dict[str, Any]]:
    """The element, the variable, its axes, meta and coords of a level 5 file."""
    with path.open("rb") as file:
        head = file.read(mat5.START)
    if not mat5.order_of(head):
        what = "is a MATLAB 4 file" if _level4(head) else "is a damaged MATLAB file"
        raise UnreadableFile(f"{path.name} {what}: save it again with -v7.")
    every = mat5.elements(path)
    real = {one.name: one for one in every if one.code and not one.complex}
    found = [Variable(one.name, one.shape, one.dtype) for one in real.values()]
    cubes = [one for one in found if len(one.sizes) == 3]
    row = None if cubes else _pixels_in_a_row(path, real, found)
    chosen, axes = row or (choose(found, path.name), "")
    axes = axes or order(chosen, found)
    element = real[chosen.name]
    mat5.check(element, path)
    meta: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    if "b" in axes:
        count = chosen.sizes[axes.index("b")]
        meta, coords, _ = bands(found, count, lambda one: mat5.load(path, real[one.name]))
    meta |= _names(chosen, axes, [one.name for one in every])
    meta["container"] = "matlab 5"
    if element.code == mat5.DOUBLE and np.dtype(element.stored).kind in "iu":
        meta["dtype"] = ""  # MATLAB's own type is double: a result needs no rounding
    if row:
        meta["warnings"] = [
            f"{chosen.name} holds its pixels in a row: they are taken column by column, as MATLAB"
            " counts."
        ]
    return element, chosen, axes, meta, coords


def _pixels_in_a_row(
    path: Path, real: dict[str, mat5.Element], found: list[Variable]
) -> tuple[Variable, str] | None:
    """Bands x pixels, where two numbers in the file say how many lines and columns there are."""

    def number(names: tuple[str, ...]) -> int:
        for one in found:
            if one.word in names and math.prod(one.shape) == 1:
                value = float(mat5.load(path, real[one.name]).reshape(-1)[0])
                return int(value) if value.is_integer() and 1 < value < 1e6 else 0
        return 0

    lines, columns = number(LINES), number(COLUMNS)
    flat = [one for one in found if len(one.sizes) == 2 and len(one.shape) == 2]
    able = [one for one in flat if lines and columns and lines * columns in one.sizes]
    if not able:
        return None
    chosen = max(able, key=lambda one: math.prod(one.shape))
    if chosen.sizes[1] == lines * columns:
        return replace(chosen, shape=(chosen.sizes[0], lines, columns)), "byx"
    return replace(chosen, shape=(lines, columns, chosen.sizes[1])), "yxb"


def _replace(path: Path, source: Image, pixels: Pixels, note: str) -> None:
    if not source.path:
        raise UnwritableFile(f"{path.name} needs the file it was opened from: open it again.")
    hdf.replace(path, Path(source.path), str(source.meta["variable"]), pixels, note)


def _write5(path: Path, pixels: Pixels, source: Image) -> None:
    """The source's elements in their order, one of them with other numbers."""
    origin, name = Path(source.path), str(source.meta["variable"])
    try:
        every = mat5.elements(origin)
        with origin.open("rb") as file:
            head = file.read(mat5.START)
    except (OSError, UnreadableFile) as error:
        raise UnwritableFile(f"{path.name} needs {origin.name} as it was: {error}") from None
    count = math.prod(pixels.shape)
    if not any(one.name == name and math.prod(one.shape) == count for one in every):
        raise UnwritableFile(f"{origin.name} has changed on the disk: open it again.")
    # A table of objects, if there is one, is an element named "" which the head points at.
    moved = head[116:124] not in (b" " * 8, b"\0" * 8)
    with path.open("wb") as file:
        file.write(head[:116] + b"\0" * 8 + head[124:] if moved else head)
        for one in every:
            if moved and int.from_bytes(head[116:124], _ENDS[mat5.order_of(head)]) == one.at:
                _point(file, head)
            if one.name != name:
                mat5.copy(file, origin, one)
                continue
            code = one.code if one.code != mat5.DOUBLE else 0
            order_ = mat5.order_of(head)
            _put(file, order_, name, pixels, one.packed, one.shape, code, one.flags & 0x600)


_ENDS: dict[str, Any] = {"<": "little", ">": "big"}


def _point(file: Any, head: bytes) -> None:
    """Write into the head where the table of objects begins."""
    at = file.tell()
    file.seek(116)
    file.write(at.to_bytes(8, _ENDS[mat5.order_of(head)]))
    file.seek(at)


def _put(
    file: Any, order_: str, name: str, pixels: Pixels, compress: bool,
    shape: tuple[int, ...] = (), code: int = 0, flags: int = 0,
) -> None:  # fmt: skip
    """Append an array: a double of what it is made of, where MATLAB's class is double."""
    kinds = {kind: number for number, kind in mat5.CLASSES.items()}
    fresh = kinds[str(pixels.dtype)] if not shape else mat5.DOUBLE
    mat5.put(file, order_, name, pixels, code or fresh, flags, compress, shape or pixels.shape)


def _is_hdf(path: Path) -> bool:
    with path.open("rb") as file:
        return hdf.is_hdf(file.read(4096))


def _level4(head: bytes) -> bool:
    """MATLAB 4 begins with a number of four digits that each say little."""
    if len(head) < 20:
        return False
    little, big = (int.from_bytes(head[:4], order_) for order_ in ("little", "big"))
    number = min(little, big)
    return number < 5000 and number // 10 % 100 < 6 and number % 10 < 3


def _classic(head: bytes) -> bool:
    return head[:3] == b"CDF" and head[3:4] in (b"\1", b"\2", b"\5")


def _not_classic(path: Path) -> Path:
    with path.open("rb") as file:
        if _classic(file.read(4)):
            raise UnreadableFile(
                f"{path.name} is a classic NetCDF file: convert it with nccopy -k nc4."
            )
    return path
