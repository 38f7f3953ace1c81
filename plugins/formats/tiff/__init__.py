"""TIFF: 8, 16 and 32 bits, integer and float, pages and channels, in and out."""

from __future__ import annotations

import json
import logging
import math
import struct
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from core import __version__, exif
from core.develop import complaint
from core.format import (
    Format,
    Output,
    Rounded,
    UnreadableFile,
    UnwritableFile,
    arrange,
    encoded,
    ordered,
)
from core.image import Array, Image, Levels, Pixels
from plugins.formats.tiff import bands, pages

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PLAIN = {1: 1, 8: 1040, 32946: 1040, 32773: 64, 34925: 8000}  # compression -> most it can pack
OPENCV = {5: 1400, 7: 2000}  # LZW, JPEG: tifffile needs another package, OpenCV has them
PACKED = {**PLAIN, **OPENCV}
RGB, PALETTE, SEPARATED, YCBCR = 2, 3, 5, 6
HISTORY = 0x9213  # ImageHistory
XMP, ICC = 700, 34675
GREY = (0, 1)
LETTERS = {"Y": "y", "X": "x", "S": "c", "C": "c", "Z": "z", "T": "t"}


class Tiff(Format):
    """Grey, RGB and RGBA photographs, stacks of pages, cubes of bands.

    Stacks have the axes, distances and times that ImageJ or OME say, else pages are "z"; the
    description is written again as it was. Without one a stack gets ImageJ's.
    Cubes (more than 4 samples, or 3 and more that are no colours) keep their layout: planar or
    chunky, tiles or strips, packed or not. ICC, EXIF, XMP, resolution, IPTC, GeoTIFF and GDAL tags
    are kept, and the order of the samples. Transparency waits in meta["alpha"] and goes back into
    a TIFF of the same size. Compressed files are read with deflate, PackBits, LZMA, LZW and JPEG;
    written with deflate.
    """

    title = "TIFF"
    suffixes = (".tif", ".tiff")
    writes = (".tif", ".tiff")
    takes = ("display", "linear", "array", "cube", "scan", "clip", "rf")

    def sniff(self, head: bytes, name: str) -> bool:
        return head[:4] in MAGIC

    def header(self, path: Path) -> dict[str, Any]:
        with _open(path) as file:
            series = _series(file, path)
            shape, dtype, order = _layout(series)
            kind = _kind(file, order)
            meta = _meta(file, path, kind)
            nodata, coords = _numbers(file, series, kind, order, meta)
        _, axes = arrange(np.empty((1,) * len(order)), order)
        sizes = [shape[order.index(letter)] for letter in axes]
        if kind == "display" and len(axes) == 3:
            sizes[0] = 3
        if meta["tiff"].get("palette"):
            axes, sizes, dtype = "c" + axes, [3, *sizes], np.dtype(np.uint16)
        if nodata is not None:
            meta["nodata"] = nodata
        if "stack" in meta:
            meta["stack"] = pages.brief(meta["stack"])
        if "b" in coords:
            meta["wavelengths"] = coords["b"].tolist()
            meta["wavelength_units"] = coords["units"]["b"]
        return {"kind": kind, "axes": axes, "shape": sizes, **meta, "dtype": str(dtype)}

    def read(self, path: Path) -> Image:
        with _open(path) as file:
            series = _series(file, path)
            shape, dtype, order = _layout(series)
            kind = _kind(file, order)
            meta = _meta(file, path, kind)
            nodata, coords = _numbers(file, series, kind, order, meta)
            page = file.pages.first
            numbers = kind == "cube" or "stack" in meta
            lying = bands.mapped(path, file, series) if numbers else None
            pixels = (_pixels(path, series) if lying is None else lying).reshape(shape)
            if page.colormap is not None and "palette" in meta["tiff"]:
                pixels, order = np.moveaxis(page.colormap[:, pixels], 0, -1), order + "c"
                dtype = pixels.dtype
        if dtype.kind == "b":
            pixels = pixels.astype(np.uint8)
        elif not dtype.isnative and lying is None:
            pixels = pixels.astype(dtype.newbyteorder("="))
        view, axes = arrange(pixels, order)
        white = math.inf
        if kind == "display":
            white = 65535.0 if "palette" in meta["tiff"] else 2.0**page.bitspersample - 1
            if axes == "cyx" and view.shape[0] == 4:
                view, meta["alpha"] = view[:3], view[3]
        meta["order"] = order
        turn = exif.orientation(meta["exif"])
        return Image(view, axes, kind, Levels(white=white), orientation=turn, coords=coords,
                     meta=meta, nodata=nodata)  # fmt: skip

    def stored(self, image: Image, output: Output) -> Pixels:
        if image.kind == "cube" or "stack" in image.meta:
            kind = str(image.meta.get("dtype", image.pixels.dtype.newbyteorder("=")))
            kind = {"float16": "float32", "bool": "uint8"}.get(kind, kind)
            return Rounded(image.pixels, kind, image.nodata)
        if image.kind == "display" and not _as_is(image, output):
            return encoded(image, output.bits)
        pixels = np.asarray(image.pixels[...])
        return pixels.astype(np.float32) if pixels.dtype == np.float16 else pixels

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        import tifffile

        options: dict[str, Any] = {
            "metadata": None,
            "software": f"Sordino {__version__}",
            "byteorder": "<",
        }
        meta = {**source.meta, **image.meta}
        if "dpi" in meta:
            options |= {"resolution": tuple(meta["dpi"]), "resolutionunit": "INCH"}
        if meta.get("icc"):
            options["iccprofile"] = meta["icc"]
        if meta.get("tiff", {}).get("big"):
            options["bigtiff"] = True
        _, camera, place = directories = exif.directories(
            exif.for_export(image, source, output.strip)
        )
        tags = _tags(directories[0], meta, output)
        links = [(exif.EXIF_IFD, camera), (exif.GPS_IFD, place)]
        stored = self.stored(image, output)
        try:
            if _is_cube(image):
                if "tags" not in meta.get("tiff", {}):
                    tags += [(*row, True) for row in bands.tags_of(image)]
                bands.write(path, image, source, stored, output.compress,
                            options | {"extratags": tags})  # fmt: skip
            elif pages.takes(image, source):
                pages.write(path, image, source, stored, output.compress,
                            options | {"extratags": tags})  # fmt: skip
            else:
                pixels, order = _stacked(np.asarray(stored[...]), image, source)
                options |= _layout_of(pixels, order, output)
                tifffile.imwrite(path, pixels, extratags=tags, **options)
        except ValueError as error:
            raise UnwritableFile(f"{path.name} does not fit into a TIFF ({error}).") from None
        with path.open("rb") as file:
            big = file.read(4)[2:3] == b"+"
        _link(path, [] if big else [link for link in links if link[1]])  # BigTIFF: other layout


def _is_cube(image: Image) -> bool:
    return image.kind == "cube" and image.axes == "byx"


def _layout_of(pixels: Array, order: str, output: Output) -> dict[str, Any]:
    """How pictures and arrays are laid out, as options of tifffile."""
    rgb = order.endswith("c") and pixels.shape[-1] in (3, 4)
    rgb = rgb or (order.startswith("cyx") and pixels.shape[0] in (3, 4))
    options: dict[str, Any] = {
        "photometric": "rgb" if rgb else "minisblack",
        "planarconfig": None,
    }
    if "c" in order or "b" in order:
        options["planarconfig"] = "contig" if order[-1] in "cb" else "separate"
    if rgb and 4 in (pixels.shape[-1], pixels.shape[0]):
        options["extrasamples"] = ["unassalpha"]
    if output.compress:
        options["compression"] = "zlib"
        options["predictor"] = 2 if pixels.dtype.kind in "iu" else None
    return options


def _open(path: Path) -> TiffFile:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        # OME descriptions may name other files: only this one is read.
        return tifffile.TiffFile(path, _multifile=False)
    except Exception as error:
        raise UnreadableFile(f"{path.name} is a damaged TIFF ({error}): copy it again.") from None


def _series(file: TiffFile, path: Path) -> TiffPageSeries:
    """The first image of the file, judged before anything is decoded."""
    name, size = path.name, path.stat().st_size
    try:
        series = file.series[0]
        pages = [page for page in series.pages if page is not None]
        page = series.keyframe
        spans = [
            span for one in pages for span in zip(one.dataoffsets, one.databytecounts, strict=True)
        ]
    except Exception as error:
        raise UnreadableFile(f"{name} is a damaged TIFF ({error}): copy it again.") from None
    packing = int(page.compression)
    if packing not in PACKED:
        raise UnreadableFile(
            f"{name} is compressed as {getattr(page.compression, 'name', packing)}: save it"
            " uncompressed or with deflate."
        )
    if int(page.photometric) == SEPARATED:
        raise UnreadableFile(f"{name} is a CMYK picture: convert it to RGB.")
    if series.dtype is None or series.dtype.kind not in "buif" or not math.prod(series.shape):
        raise UnreadableFile(f"{name} holds no numbers Sordino can use: save it as float32.")
    if not 2 <= len(series.shape) <= 5 or not {"Y", "X"} <= set(series.axes):
        raise UnreadableFile(f"{name} has {len(series.shape)} dimensions: save 2 to 5 of them.")
    if any(start + count > size for start, count in spans):
        raise UnreadableFile(f"{name} ends too early: copy it again.")
    bits = math.prod(series.shape) * page.bitspersample
    if bits / 8 > PACKED[packing] * min(size, sum(count for _, count in spans)) + 64:
        raise UnreadableFile(f"{name} is shorter than its size {series.shape} says: copy it again.")
    return series


def _layout(series: TiffPageSeries) -> tuple[tuple[int, ...], np.dtype[Any], str]:
    """Shape, dtype and our letters of the axes, in the file's order."""
    order, page = "", series.keyframe
    grey = int(page.photometric) in GREY and page.samplesperpixel > 2
    for letter, size in zip(series.axes, series.shape, strict=True):
        ours = LETTERS.get(letter, "z")
        if ours == "c" and (size > 4 or (grey and letter == "S")):
            ours = "b"
        order += ours if ours not in order else next(o for o in "ztqbc" if o not in order)
    assert series.dtype is not None
    return series.shape, series.dtype, order


def _kind(file: TiffFile, order: str) -> str:
    """Photographs are for the eye; pages, bands, floats and microscopes' files are numbers."""
    page = file.pages.first
    if sorted(order) == ["b", "x", "y"] and page.samplesperpixel > 2:
        return "cube"
    photo = page.dtype in (np.uint8, np.uint16) and sorted(order) in (["x", "y"], ["c", "x", "y"])
    colours = page.samplesperpixel == 1 or int(page.photometric) in (RGB, YCBCR)
    microscope = file.is_imagej or file.is_ome
    return "display" if photo and colours and not microscope else "array"


def _numbers(
    file: TiffFile, series: TiffPageSeries, kind: str, order: str, meta: dict[str, Any]
) -> tuple[float | None, dict[str, Any]]:
    """No-data and coords of plain numbers; what the file says of them goes into `meta`."""
    tags = meta["tiff"].get("tags", [])
    nodata = None if kind == "display" else bands.nodata(tags, str(series.dtype))
    if pages.is_stack(file, series, kind):
        meta["stack"], coords = pages.said(file, series, order)
        meta["dtype"] = str(series.dtype)
        if len(file.series) > 1:
            meta["warnings"] = ["The file holds further images: the first is shown, and written."]
        return nodata, coords
    if kind != "cube":
        return nodata, {}
    more, coords = bands.said(tags, series.shape[order.index("b")])
    lying = bands.layout(series)
    meta |= {**more, "dtype": lying.pop("dtype")}
    meta["tiff"] |= lying
    return nodata, coords


def _pixels(path: Path, series: TiffPageSeries) -> Array:
    page = series.keyframe
    name = path.name
    try:
        if int(page.compression) in PLAIN and page.predictor in (1, 2):
            return series.asarray(maxworkers=1)
        import cv2

        done, pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)
    except Exception as error:
        reason = str(error).splitlines()[0][:100]
        raise UnreadableFile(f"{name} is damaged ({reason}): copy it again.") from None
    like = [one for one in pages if one.shape == pages[0].shape and one.dtype == pages[0].dtype]
    if not done or sum(one.size for one in like) != math.prod(series.shape):
        raise UnreadableFile(f"{name} is damaged or unusually packed: save it uncompressed.")
    if like[0].ndim == 3:
        colours = [2, 1, 0, 3][: like[0].shape[2]]
        like = [one[..., colours] for one in like]
        if "S" in series.axes and series.axes[-1] != "S":
            like = [np.moveaxis(one, -1, 0) for one in like]
    return np.stack(like)


def _meta(file: TiffFile, path: Path, kind: str) -> dict[str, Any]:
    page = file.pages.first
    meta: dict[str, Any] = {"tiff": {"big": file.is_bigtiff}, "exif": {}}
    if page.photometric == PALETTE and page.colormap is not None:
        meta["tiff"]["palette"] = True
    if not file.is_bigtiff and path.stat().st_size < bands.HUGE:  # a map must fit the limits
        image, camera, place = exif.directories(np.memmap(path, np.uint8, "r").data)
        own = [row for row in image if row[0] in exif.IMAGE_TAGS]
        if own or camera or place:
            meta["exif_raw"] = exif.assemble(own, camera, place)
            meta["exif"] = exif.parse(meta["exif_raw"])
        others = [list(row) for row in image if row[0] in bands.KEPT]
    else:
        others = [list(row) for row in bands.rows(file)]
    if others:
        meta["tiff"]["tags"] = others
    for name, tag in (("icc", ICC), ("xmp", XMP)):
        value = page.tags.valueof(tag)
        if isinstance(value, bytes) and value:
            meta[name] = value
    if kind == "display" and "icc" in meta and (why := complaint(meta["icc"])):
        meta["warnings"] = [why]
    x, y = (page.tags.valueof(tag) for tag in (282, 283))
    inch = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof(296, 2) or 2))
    if isinstance(x, tuple) and isinstance(y, tuple) and x[1] and y[1] and inch:
        meta["dpi"] = (x[0] / x[1] * inch, y[0] / y[1] * inch)
    return meta


def _as_is(image: Image, output: Output) -> bool:
    """Integers of the wanted width, such as 12 bits in 16, need no scaling in a TIFF."""
    return image.pixels.dtype == (np.uint8 if output.bits == 8 else np.uint16)


def _stacked(pixels: Array, image: Image, source: Image) -> tuple[Array, str]:
    """Pixels in the order of the file, with the source's transparency."""
    alpha = source.meta.get("alpha")
    pixels, order = ordered(image, source, pixels)
    if image.axes == "cyx" and "tiff" not in source.meta:
        pixels, order = np.moveaxis(pixels, [order.index(one) for one in "yxc"], [0, 1, 2]), "yxc"
    if order in ("yxc", "cyx") and isinstance(alpha, np.ndarray) and image.kind == "display":
        axis = order.index("c")
        if alpha.shape == (image.height, image.width):
            ratio = np.iinfo(pixels.dtype).max / np.iinfo(alpha.dtype).max
            alpha = np.rint(alpha * ratio).astype(pixels.dtype)
            pixels = np.concatenate([pixels, np.expand_dims(alpha, axis)], axis)
    return np.ascontiguousarray(pixels), order


def _tags(image: list[exif.Row], meta: dict[str, Any], output: Output) -> list[Any]:
    """Tags of the first directory, in tifffile's form. Its own (software) are left to it."""
    tags: list[Any] = [(*row, True) for row in image if row[0] in exif.IMAGE_TAGS and row[0] != 305]
    kept = meta.get("tiff", {}).get("tags", ())
    tags += [(*row, True) for row in kept if not output.strip or row[0] == bands.NODATA]
    if not output.strip and "xmp" in meta:
        tags.append((XMP, 1, len(meta["xmp"]), meta["xmp"], True))
    if output.note:
        note = json.dumps(dict(output.note)).encode() + b"\0"
        tags.append((HISTORY, exif.ASCII, len(note), note, True))
    return tags


def _link(path: Path, links: list[tuple[int, list[exif.Row]]]) -> None:
    """Append EXIF and GPS directories, and the first directory again with links to them."""
    if not links:
        return
    with path.open("r+b") as file:
        first = struct.unpack("<4xI", file.read(8))[0]
        file.seek(first)
        count = struct.unpack("<H", file.read(2))[0]
        entries = [file.read(12) for _ in range(count)]
        after = file.read(4)  # where the second page is described
        for tag, rows in links:
            at = _end(file)
            file.write(exif.directory(rows, at))
            entries.append(struct.pack("<HHII", tag, exif.LONG, 1, at))
        entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
        at = _end(file)
        file.write(struct.pack("<H", len(entries)) + b"".join(entries) + after)
        file.seek(4)
        file.write(struct.pack("<I", at))


def _end(file: IO[bytes]) -> int:
    """Go to the end, at an even offset as TIFF wants it."""
    at = file.seek(0, 2)
    return at + file.write(b"\0" * (at % 2))
