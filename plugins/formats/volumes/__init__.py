"""NRRD and MetaImage: a text header, then the numbers, bare or compressed, or in a file beside."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core import anatomy
from core.format import Format, Output, Rounded, arrange, encoded
from core.image import Image, Levels, Pixels
from plugins.formats.volumes import metaimage, nrrd
from plugins.formats.volumes.head import Head, numbers, scale_of, write_numbers

SHOWN = 60  # fields of a header that `info` prints


class _Volume(Format):
    """What both have in common."""

    takes = ("scan", "clip", "rf", "display", "array")
    name: ClassVar[str]  # of what meta keeps
    load: ClassVar[Callable[[Path], Head]]

    def header(self, path: Path) -> dict[str, Any]:
        head = type(self).load(path)
        _, axes = arrange(np.empty((1,) * len(head.order)), head.order)
        sizes = [head.sizes[head.order.index(letter)] for letter in axes]
        return {"kind": head.image_kind, "axes": axes, "shape": sizes, **self._meta(head)}

    def read(self, path: Path) -> Image:
        head = type(self).load(path)
        view, axes = arrange(numbers(head), head.order)
        coords, kind = head.coords, head.image_kind
        turn = anatomy.upright(coords["affine"]) if "affine" in coords else 1
        white = float(np.iinfo(head.kind).max) if kind == "display" else math.inf
        meta = {
            **self._meta(head),
            self.name + "_header": head.raw,
            "order": head.order,
            "packed": head.packing != "raw",
        }
        return Image(view, axes, kind, Levels(white=white), orientation=turn, coords=coords,
                     meta=meta)  # fmt: skip

    def stored(self, image: Image, output: Output) -> Pixels:
        if image.kind == "display":
            return encoded(image, 8 * min(np.dtype(_kind(image)).itemsize, 2))
        return Rounded(image.pixels, _kind(image), image.nodata)

    def _meta(self, head: Head) -> dict[str, Any]:
        plain = {k: v for k, v in head.shown.items() if not k.lower().startswith("seq_frame")}
        shown = dict(list(plain.items())[:SHOWN])
        kind = str(head.kind.newbyteorder("="))
        return {"dtype": kind, self.name: shown, **scale_of(head.shown)}

    def _known(self, image: Image, source: Image) -> bytes | None:
        """The source's header, where it fits to what is written."""
        known = source.meta.get(self.name + "_header")
        fits = sorted(str(source.meta.get("order"))) == sorted(image.axes)
        return bytes(known) if known is not None and fits else None


def _kind(image: Image) -> str:
    kind = np.dtype(str(image.meta.get("dtype") or image.pixels.dtype))
    right = kind.kind in "iuf" and kind != np.float16
    return str(kind.newbyteorder("=") if right else np.dtype(np.float32))


def _packs(source: Image, known: bytes | None, output: Output) -> bool:
    """A file that lay bare stays so, and can be mapped again."""
    return output.compress and (known is None or bool(source.meta.get("packed")))


class Nrrd(_Volume):
    """NRRD with 2 to 6 dimensions; data raw, gzip, bzip2 or text, also in a file beside (.nhdr).

    All fields and keys are kept; written are .nrrd, raw or gzip.
    """

    title = "NRRD"
    suffixes = (".nrrd", ".nhdr")
    writes = (".nrrd",)
    name = "nrrd"
    load = staticmethod(nrrd.load)

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(nrrd.MAGIC)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        stored, known = self.stored(image, output), self._known(image, source)
        packed = "gzip" if _packs(source, known, output) else "raw"
        order = str(source.meta["order"]) if known is not None else nrrd.order_of(image)
        with path.open("wb") as file:
            file.write(nrrd.header(image, stored, known, packed))
            write_numbers(file, stored, image.axes, order, packed)


class MetaImage(_Volume):
    """MetaImage with 2 to 5 dimensions; data raw, zlib or text, also in a file beside (.mhd).

    All fields are kept, those of frames, too; written is one file, raw or zlib.
    """

    title = "MetaImage"
    suffixes = (".mha", ".mhd")
    writes = (".mha", ".mhd")
    name = "metaimage"
    load = staticmethod(metaimage.load)

    def sniff(self, head: bytes, name: str) -> bool:
        return metaimage.looks_like(head)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        stored, known = self.stored(image, output), self._known(image, source)
        packed = _packs(source, known, output)
        order = str(source.meta["order"]) if known is not None else metaimage.order_of(image)
        header = metaimage.header(image, stored, known, packed)
        with path.open("wb") as file:
            file.write(header)
            size = write_numbers(file, stored, image.axes, order, "zlib" if packed else "raw")
            if packed:
                file.seek(metaimage.place_of_size(header))
                file.write(str(size).encode())
