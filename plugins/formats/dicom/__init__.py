"""DICOM: pictures, volumes and series of slices, read as stored and written as derived ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.format import Format, Output, arrange, encoded
from core.image import Image, Levels, Pixels
from plugins.formats.dicom.archive import packed, unpacked, zipped
from plugins.formats.dicom.head import looks_like

if TYPE_CHECKING:
    from plugins.formats.dicom.series import Series


class Dicom(Format):
    """Single files, multi-frame files, and the series of a folder as one volume.

    A file of a series opens the whole of it, a zip archive what lies in it. Stored numbers stay as
    they are, what they mean is in meta["scale"]; who the patient is in meta["identifiers"]. Slices
    whose slopes differ are read in their unit, as float32, and go back to the very numbers.
    """

    title = "DICOM"
    suffixes = (".dcm", ".dicom", ".ima", ".zip")
    writes = (".dcm", ".dicom", ".ima")
    takes = ("scan", "clip", "display")
    folders = archives = True

    def __init__(self) -> None:
        self._found: tuple[Path, Series] | None = None  # by `header`, for the `read` that follows

    def sniff(self, head: bytes, name: str) -> bool:
        return looks_like(head, name) or zipped(head, name)

    def header(self, path: Path) -> dict[str, Any]:
        from plugins.formats.dicom.about import about
        from plugins.formats.dicom.pixels import shape_of
        from plugins.formats.dicom.series import find

        series = find(path)
        self._found = path, series
        shape, order, dtype = shape_of(series)
        _, axes = arrange(np.empty((1,) * len(shape)), order)
        sizes = [shape[order.index(letter)] for letter in axes]
        return {
            "kind": _kind(series), "axes": axes, "shape": sizes, **about(series),
            "dtype": str(dtype),
        }  # fmt: skip

    def read(self, path: Path) -> Image:
        from plugins.formats.dicom.series import find, largest

        archive, chosen = packed(path)
        found, self._found = self._found, None
        if archive is None:
            return self._image(found[1] if found and found[0] == path else find(path))
        with unpacked(archive) as files:
            return self._image(largest(files, archive.name, chosen))

    def _image(self, series: Series) -> Image:
        from plugins.formats.dicom.about import about, kept, nodata_of
        from plugins.formats.dicom.pixels import read, shape_of
        from plugins.formats.dicom.regions import burnt
        from plugins.formats.dicom.windows import inverted

        _, order, _ = shape_of(series)
        pixels = read(series)
        meta = {**about(series), "dicom_files": kept(series)}
        head = series.head
        if head.photometric == "MONOCHROME1" and "window" not in meta:
            meta["window"] = inverted(pixels)
        words = burnt(head.data, pixels)
        if words and "burnt_in" not in meta:
            meta |= {"burnt_in": words, "warnings": [*meta.get("warnings", ()), words]}
        view, axes = arrange(pixels, order)
        white, nodata = math.inf, nodata_of(head)
        if head.colour:
            top = np.iinfo(pixels.dtype).max
            white = float(top if head.palette else head.ends[1])
        if series.varying:
            nodata = None
        return Image(
            view, axes, _kind(series), Levels(white=white), coords=series.stack.coords,
            meta=meta, nodata=nodata,
        )  # fmt: skip

    def stored(self, image: Image, output: Output) -> Pixels:
        from plugins.formats.dicom.slices import as_files

        if image.kind == "display" and "dicom_files" not in image.meta:
            return encoded(image, 8)
        return as_files(image)

    def folder_for(self, path: Path, image: Image) -> Path | None:
        kept = image.meta.get("dicom_files")
        if not isinstance(kept, dict) or "names" not in kept or not kept["folder"]:
            return None
        known = path.suffix.lower() in self.writes
        if len(kept["names"]) == 1 and known:
            return None
        return path.with_suffix("") if known else path

    def ours(self, path: Path) -> bool:
        from pydicom.filereader import read_file_meta_info

        try:
            meta = read_file_meta_info(path)
        except Exception:  # not DICOM at all
            return False
        return str(meta.get("ImplementationVersionName", "")).startswith("SORDINO")

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        from plugins.formats.dicom.make import write_new
        from plugins.formats.dicom.slices import write_copy

        if "dicom_files" in source.meta:
            write_copy(path, image, source, output, self.folder_for(path, image) is not None)
        else:
            write_new(path, image, self.stored(image, output))


def _kind(series: Series) -> str:
    head = series.head
    if head.colour:
        return "display"
    return "clip" if head.data.get("Modality") in ("US", "IVUS") else "scan"
