"""Stored numbers out of DICOM files: mapped where they lie bare, decoded where they are packed."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from core.format import UnreadableFile
from core.image import Array
from core.lazy import slabs
from plugins.formats.dicom.head import BIG, DEFLATED, Head, inflated
from plugins.formats.dicom.masks import masks
from plugins.formats.dicom.series import Series

IN_MEMORY = 256 << 20  # bytes of a series from which its slices are gathered in a file
RUN_LENGTH = "1.2.840.10008.1.2.5"
EXTENDED = "1.2.840.10008.1.2.4.51"


def shape_of(series: Series) -> tuple[tuple[int, ...], str, np.dtype[Any]]:
    """Sizes, axes in the file's order (colours last) and type of what `read` gives."""
    head = series.head
    sizes, axes = (*series.stack.sizes, head.rows, head.columns), series.stack.axes + "yx"
    if head.colour:
        sizes, axes = (*sizes, 3), axes + "c"
    return sizes, axes, kind_of(series)


def kind_of(series: Series) -> np.dtype[Any]:
    """Type of the numbers: as stored, but for tables of colours and slopes that change."""
    head = series.head
    if head.palette:
        bits = _descriptor(head)
        return np.dtype(np.uint16 if bits > 8 else np.uint8)
    return np.dtype(np.float32) if series.varying else head.kind


def read(series: Series) -> Array:
    """All pixels, in the sizes and the type that `shape_of` tells. Raises UnreadableFile."""
    head = series.head
    sizes, _, kind = shape_of(series)
    order = series.stack.order
    if len(series.heads) == 1:
        bare = _mapped(head)
        if bare is not None and not series.varying and order == tuple(range(len(order))):
            return bare.reshape(sizes)
    single = sizes[len(series.stack.sizes) :]
    out = _room((len(series.frames), *single), kind)
    if len(series.heads) > 1:
        for i, (each, frame) in enumerate(zip(series.heads, series.frames, strict=True)):
            out[i] = _meant(next(iter(_frames(each))), series, frame)
    else:
        places = np.argsort(order)
        count = 0
        for i, pixels in enumerate(_frames(head)):
            if i >= len(places):
                break
            out[places[i]] = _meant(pixels, series, series.frames[i])
            count += 1
        if count < len(places):
            raise UnreadableFile(f"{head.path.name} holds only {count} of {len(places)} frames.")
    return out.reshape(sizes)


def _meant(pixels: Array, series: Series, frame: Any) -> Array:
    """Numbers of one frame, in units where every frame has a slope of its own."""
    if not series.varying:
        return pixels
    return (pixels.astype(np.float64) * frame.slope + frame.intercept).astype(np.float32)


def _room(shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    """An array for a series; a large one lies in a file that nobody else sees."""
    size = prod(shape) * kind.itemsize
    if size < IN_MEMORY:
        return np.empty(shape, kind)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the map)
    file.truncate(size)
    return np.memmap(file, kind, "r+", 0, shape)


def _frames(head: Head) -> Iterator[Array]:
    """The frames of a file, one after the other, (rows, columns) or (rows, columns, 3)."""
    bare = _mapped(head)
    if bare is not None:
        yield from bare.reshape(head.frames, *bare.shape[-2 - (head.samples == 3) :])
        return
    decoded = _decoded(head)
    for pixels in decoded:
        if head.palette:
            from pydicom.pixels.processing import apply_color_lut

            table = apply_color_lut(pixels, head.data)[..., :3]
            yield table >> 8 if _descriptor(head) <= 8 and table.dtype == np.uint16 else table
        else:
            expected = (head.rows, head.columns) + ((3,) if head.samples == 3 else ())
            if pixels.shape != expected:
                raise UnreadableFile(f"{head.path.name} was decoded to another size: damaged.")
            yield pixels.astype(head.kind, copy=False)


def _mapped(head: Head) -> Array | None:
    """Bare numbers where they lie in the file, (frames, rows, columns[, 3]); None if not so."""
    plain = head.photometric in ("MONOCHROME1", "MONOCHROME2", "RGB") or head.samples == 1
    if not head.native or head.syntax == DEFLATED or head.allocated < 8 or not plain:
        return None
    if head.palette or (head.samples == 3 and head.planar):
        return None
    kind = head.kind.newbyteorder(">") if head.syntax == BIG else head.kind
    shape = (head.frames, head.rows, head.columns) + ((3,) if head.samples == 3 else ())
    pixels: Any = np.memmap(head.path, kind, "r", head.offset, shape)
    if head.syntax == BIG and pixels.nbytes < IN_MEMORY:
        pixels = pixels.astype(head.kind)
    return pixels if _tidy(pixels, head) else _cleaned(pixels, head)


def _tidy(pixels: Array, head: Head) -> bool:
    """Are the bits that are not in use empty, or the sign's?"""
    if head.element != "PixelData" or head.stored == head.allocated:
        return True
    if head.high != head.stored - 1:
        return False
    low, high = head.ends
    parts = (pixels[part] for part in slabs(pixels))
    return all(int(part.min()) >= low and int(part.max()) <= high for part in parts)


def _cleaned(pixels: Array, head: Head) -> Array:
    """Numbers without what lies in bits that they do not use (overlays, in files from before)."""
    out = _room(pixels.shape, head.kind)
    unsigned = f"u{head.allocated // 8}"
    up, down = head.allocated - 1 - head.high, head.allocated - head.stored
    for part in slabs(pixels):
        bits = pixels[part].astype(head.kind).view(unsigned) << up
        out[part] = bits.view(head.kind) >> down
    return out


def _decoded(head: Head) -> Iterator[Array]:
    """Frames by the decoders that pydicom knows. Raises UnreadableFile."""
    from pydicom.pixels.utils import iter_pixels, pixel_array
    from pydicom.uid import UID

    name = head.path.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if head.syntax == DEFLATED:
                whole = inflated(head.path).pixel_array
                yield from whole.reshape(head.frames, *whole.shape[-2 - (head.samples == 3) :])
                return
            if head.syntax == EXTENDED and head.stored > 8:
                yield from _twelve(head)
                return
            if head.syntax == RUN_LENGTH and head.allocated == 1:
                yield from masks(head)
                return
            if head.frames == 1:
                yield pixel_array(head.path)
                return
            yield from iter_pixels(head.path)
    except (MemoryError, UnreadableFile):
        raise
    except Exception as error:
        how = UID(head.syntax).name
        why = "" if "plugins" in str(error) else f": {str(error).splitlines()[0][:100]}"
        raise UnreadableFile(
            f"{name} cannot be decoded ({how}{why.rstrip('.: ')}): it is damaged, or save it"
            " uncompressed."
        ) from None


def _twelve(head: Head) -> Iterator[Array]:
    """JPEG of 12 bits, which GDCM decodes and pydicom does not ask it for."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(head.path))
    if not reader.Read():
        raise ValueError("GDCM cannot read it")
    data = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    pixels = np.frombuffer(data, head.kind)
    yield from pixels.reshape(head.frames, head.rows, head.columns)


def _descriptor(head: Head) -> int:
    """Bits of an entry of the table of colours. Raises UnreadableFile."""
    from plugins.formats.dicom.head import numbers

    found = numbers(head.data, "RedPaletteColorLookupTableDescriptor", 3)
    if not found:
        raise UnreadableFile(f"{head.path.name} has no table of its colours: it is damaged.")
    return int(found[2])
