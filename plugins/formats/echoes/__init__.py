"""Ultrasound before the picture: RF and IQ echoes of Clarius scanners and in HDF5."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.format import Format, Output, Rounded
from core.image import Image, Pixels
from plugins.formats.echoes import clarius, hdf

NAMED = re.compile(rb"\0(?:rf|iq)(?:_?(?:data|frames|lines))?\0", re.IGNORECASE)


class Clarius(Format):
    """Raw data of Clarius scanners: RF, IQ, or detected lines, with the .yml beside it.

    Kept as they lie: lines of depth samples ("t x y", IQ with two channels at the end), Doppler's
    with the pulses of each line as axis "q". Time stamps, header and .yml are written again as
    they were.
    """

    title = "Clarius raw"
    suffixes = (".raw",)
    writes = (".raw",)
    takes = ("rf", "clip")

    def sniff(self, head: bytes, name: str) -> bool:
        return name.lower().endswith(".raw") and clarius.Head.of(head) is not None

    def companions(self, path: Path) -> tuple[Path, ...]:
        return (path.with_suffix(".yml"),)

    def header(self, path: Path) -> dict[str, Any]:
        return clarius.header(path)

    def read(self, path: Path) -> Image:
        return clarius.read(path)

    def stored(self, image: Image, output: Output) -> Pixels:
        return _rounded(image)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        clarius.write(path, image, self.stored(image, output), source)


class EchoHdf5(Format):
    """HDF5 whose data set is called rf or iq (or rf_data...), also one for each frame (PyBF).

    Of the axes the longest is depth and the last of the others are lines or elements; PyBF's
    are known. Written as a copy of its file with other echoes, or in PyBF's layout.
    """

    title = "Ultrasound HDF5"
    suffixes = (".h5", ".hdf5")
    writes = (".h5", ".hdf5")
    takes = ("rf",)

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(hdf.MAGIC) and NAMED.search(head) is not None

    def header(self, path: Path) -> dict[str, Any]:
        return hdf.header(path)

    def read(self, path: Path) -> Image:
        return hdf.read(path)

    def stored(self, image: Image, output: Output) -> Pixels:
        own = "names" in image.meta.get("echoes", {})
        if image.meta.get("complex") and not own and image.pixels.dtype != "float64":
            return Rounded(image.pixels, "float32")  # there is no complex integer
        return _rounded(image)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        hdf.write(path, image, self.stored(image, output), source)


def _rounded(image: Image) -> Pixels:
    """Computed echoes in the type they had."""
    kind = str(image.meta.get("echoes", {}).get("dtype", image.pixels.dtype))
    return Rounded(image.pixels, kind) if image.pixels.dtype.kind == "f" else image.pixels
