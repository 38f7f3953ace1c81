"""NumPy arrays (.npy, .npz): plain numbers, kept as they are."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.format import Format, Output, Rounded, UnreadableFile, arrange, file_order, ordered
from core.image import Array, Image, Pixels
from core.lazy import slabs

MAGIC = b"\x93NUMPY"
ORDERS = {2: "yx", 3: "zyx", 4: "tzyx"}
COLOURS = {2: "yx", 3: "yxc", 4: "zyxc"}  # where the last axis has 3 or 4 entries


class Npy(Format):
    """One array of 2 to 4 dimensions, of any number type; nothing is scaled.

    Complex numbers (IQ of ultrasound) become two channels, real and imaginary part, and complex
    again. Of several arrays in an .npz the one called "image" is taken, else the largest.
    """

    title = "NumPy array"
    suffixes = (".npy", ".npz")
    writes = (".npy", ".npz")
    takes = ("array", "mosaic", "linear", "display", "cube", "scan", "clip", "rf")

    def sniff(self, head: bytes, name: str) -> bool:
        zipped = head[:2] == b"PK" and name.lower().endswith(".npz")
        return head.startswith(MAGIC) or zipped

    def header(self, path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            found, extra = _find(file, path)
        shape, dtype = found[:2]
        order = _order(shape)
        if dtype.kind == "c":
            shape, dtype, order = (*shape, 2), _part(dtype), order + "c"
            extra = {**extra, "complex": True}
        _, axes = arrange(np.empty((1,) * len(shape)), order)
        sizes = [shape[order.index(letter)] for letter in axes]
        kind = "rf" if extra.get("complex") else "array"
        return {"kind": kind, "axes": axes, "shape": sizes, "dtype": str(dtype), **extra}

    def read(self, path: Path) -> Image:
        with path.open("rb") as file:
            (shape, dtype, fortran, offset), extra = _find(file, path)
        order = "F" if fortran else "C"
        if "array" in extra:
            with zipfile.ZipFile(path) as archive, archive.open(extra["member"]) as stream:
                stream.read(offset)
                data = np.frombuffer(_exactly(stream, shape, dtype, path), dtype)
            pixels: Array = _parts(data).reshape(_flat(shape, dtype, fortran), order=order)
        else:
            sizes = _flat(shape, dtype, fortran)
            pixels = np.memmap(path, _part(dtype), "r", offset, sizes, order)
        if dtype.kind == "b":
            pixels = pixels.view(np.uint8)
        elif not dtype.isnative:
            pixels = pixels.astype(pixels.dtype.newbyteorder("="))
        letters, kind = _order(shape), "array"
        if dtype.kind == "c":
            pixels = np.moveaxis(pixels, 0, -1) if fortran else pixels
            letters, kind, extra = letters + "c", "rf", {**extra, "complex": True}
        view, axes = arrange(pixels, letters)
        return Image(view, axes, kind, meta={"order": letters, **extra})

    def stored(self, image: Image, output: Output) -> Pixels:
        if image.meta.get("complex") and image.pixels.dtype.kind in "iu":
            return Rounded(image.pixels, "float32")  # there is no complex integer
        return image.pixels

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        if path.suffix.lower() == ".npz":
            pixels, order = ordered(image, source, np.asarray(self.stored(image, output)[...]))
            if _is_complex(image, order):
                pixels = np.ascontiguousarray(pixels).view(_whole(pixels.dtype))[..., 0]
            with path.open("wb") as file:
                _zip(file, str(source.meta.get("array", "image")), pixels, output.compress)
            return
        order = file_order(image, source)
        axes = [image.axes.index(letter) for letter in order]
        held = self.stored(image, output)
        shape, dtype = tuple(held.shape[axis] for axis in axes), held.dtype
        if _is_complex(image, order):
            shape, dtype = shape[:-1], _whole(dtype)
        known = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**known, "shape": shape})
            for part in slabs(held, axes[0]):  # it may not fit into memory
                key = [slice(None)] * len(axes)
                key[axes[0]] = part
                block = np.asarray(held[tuple(key)])
                file.write(np.ascontiguousarray(block.transpose(axes)).data)


def _zip(file: IO[bytes], name: str, pixels: Array, compress: bool) -> None:
    way = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    member = f"{name}.npy"
    with (
        zipfile.ZipFile(file, "w", way) as archive,
        archive.open(member, "w", force_zip64=True) as stream,
    ):
        np.lib.format.write_array(stream, pixels, allow_pickle=False)


Found = tuple[tuple[int, ...], np.dtype[Any], bool, int]  # shape, dtype, Fortran order, offset


def _find(file: IO[bytes], path: Path) -> tuple[Found, dict[str, Any]]:
    """The array's header, and for an .npz its name, the member's and all names."""
    if file.read(2) == b"PK":
        return _find_member(file, path)
    size = file.seek(0, 2)
    file.seek(0)
    return _parse(file, size, path.name), {}


def _find_member(file: IO[bytes], path: Path) -> tuple[Found, dict[str, Any]]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise UnreadableFile(f"{path.name} is a damaged archive: save it again.") from None
    with archive:
        members = {
            info.filename.removesuffix(".npy"): info
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }
        if not members:
            raise UnreadableFile(f"{path.name} holds no array: save one called image.")
        name = "image"
        if name not in members:
            name = max(members, key=lambda one: members[one].file_size)
        with archive.open(members[name]) as stream:
            found = _parse(stream, members[name].file_size, path.name)
        return found, {"array": name, "arrays": list(members), "member": members[name].filename}


def _parse(file: IO[bytes], size: int, name: str) -> Found:
    """Shape, dtype, order, offset of the data. Everything is checked before memory is taken."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):  # 3.0 differs from 2.0 for field names only
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:
        reason = str(error).splitlines()[0][:100]
        raise UnreadableFile(f"{name} has a damaged header ({reason}): save it again.") from None
    if dtype.kind not in "biufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise UnreadableFile(f"{name} holds {dtype} values: save it as numbers, such as float32.")
    if len(shape) not in ORDERS:
        raise UnreadableFile(f"{name} has {len(shape)} dimensions: save an array of 2 to 4.")
    if min(shape) < 1:
        raise UnreadableFile(f"{name} has the shape {shape}, which holds no pixels: save it again.")
    offset = file.tell()
    if math.prod(shape) * dtype.itemsize > size - offset:
        raise UnreadableFile(f"{name} is shorter than its shape {shape} says: copy it again.")
    return shape, dtype, bool(fortran), offset


def _exactly(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> bytes:
    need = math.prod(shape) * dtype.itemsize
    try:
        data = stream.read(need)
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        raise UnreadableFile(f"{path.name} is damaged ({error}): save it again.") from None
    if len(data) != need:
        raise UnreadableFile(f"{path.name} ends too early: copy it again.")
    return data


def _order(shape: tuple[int, ...]) -> str:
    return (COLOURS if shape[-1] in (3, 4) else ORDERS)[len(shape)]


def _part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Of the two numbers that make a complex one."""
    if dtype.kind != "c":
        return dtype
    return np.dtype(f"{dtype.str[0]}f{dtype.itemsize // 2}")


def _whole(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The complex number of two of these."""
    return np.dtype(f"{dtype.str[0]}c{dtype.itemsize * 2}")


def _parts(data: Array) -> Array:
    return data.view(_part(data.dtype))


def _flat(shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> tuple[int, ...]:
    """The shape with an axis for real and imaginary part, where they lie."""
    if dtype.kind != "c":
        return shape
    return (2, *shape) if fortran else (*shape, 2)


def _is_complex(image: Image, order: str) -> bool:
    """Are the two channels to be one complex number again?"""
    two = order.endswith("c") and image.pixels.shape[image.axes.index("c")] == 2
    return two and bool(image.meta.get("complex"))
