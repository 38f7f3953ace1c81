"""A NIfTI header for pixels that came from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from core import __version__
from core.anatomy import turned
from core.format import UnwritableFile
from core.image import Image, Pixels
from plugins.formats.nifti.head import KINDS, LETTERS, MAGIC_TWO, ONE, RGB, TWO

SCANNER = 1  # code of an affine that is the scanner's
UNITS = 2 | 8  # millimetres, seconds


def order_of(image: Image) -> str:
    """The axes as a new file has them: the slowest first, colours last."""
    plain = [letter for letter in reversed(LETTERS) if letter in image.axes]
    return "".join(plain) + ("c" if "c" in image.axes else "")


def made(image: Image, stored: Pixels) -> bytes:
    """NIfTI-1, where an axis is too long for it NIfTI-2. Raises UnwritableFile."""
    order = order_of(image)
    if "c" in order and (stored.dtype != np.uint8 or image.channels != "RGB"):
        raise UnwritableFile("NIfTI holds colours as RGB of 8 bits only: choose .tif.")
    if len(order) != len(image.axes):
        raise UnwritableFile(f"NIfTI cannot hold the axes {image.axes}: choose .npy.")
    codes = {np.dtype(kind): code for code, kind in KINDS.items() if code != RGB}
    sizes = {letter: stored.shape[image.axes.index(letter)] for letter in order if letter != "c"}
    last = max(LETTERS.index(letter) for letter in sizes)
    dims = [sizes.get(letter, 1) for letter in LETTERS[: last + 1]]
    layout = ONE if max(dims) < 1 << 15 else TWO
    fields: Any = np.zeros((), layout.newbyteorder("<"))
    fields["sizeof_hdr"] = layout.itemsize
    fields["dim"] = [len(dims), *dims, *[1] * (7 - len(dims))]
    fields["datatype"] = RGB if "c" in order else codes[stored.dtype]
    fields["bitpix"] = 24 if "c" in order else 8 * stored.dtype.itemsize
    fields["vox_offset"] = offset = 352 if layout is ONE else 544
    fields["descrip"] = f"Sordino {__version__}".encode()
    _geometry(fields, image)
    scale = image.meta.get("scale")
    fields["scl_slope"] = float(scale[0]) if scale else 1.0
    fields["scl_inter"] = float(scale[1]) if scale else 0.0
    if layout is ONE:
        fields["magic"], fields["regular"] = b"n+1", b"r"
        head = fields.tobytes()
    else:
        head = bytearray(fields.tobytes())
        head[4:12] = b"n+2\0" + MAGIC_TWO
    return bytes(head).ljust(offset, b"\0")


def _geometry(fields: Any, image: Image) -> None:
    spacing = image.coords.get("spacing") or {}
    times = np.atleast_1d(np.asarray(image.coords.get("t", ()), float))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    size = [float(spacing.get(letter, 1.0)) for letter in "xyz"]
    fields["pixdim"] = [1.0, *size, step, 1.0, 1.0, 1.0]
    fields["xyzt_units"] = UNITS
    if "affine" not in image.coords:
        return
    affine = turned(image.coords["affine"])
    fields["sform_code"] = SCANNER
    for axis, row in zip("xyz", affine, strict=False):
        fields[f"srow_{axis}"] = row
