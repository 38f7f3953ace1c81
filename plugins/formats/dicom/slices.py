"""A DICOM series or file written as one derived from its source: new names, all else kept."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import __version__
from core.byproducts import Counted, counted
from core.format import Output, Rounded, UnwritableFile
from core.image import Array, Image, Pixels
from plugins.formats.dicom.about import IDENTIFIERS, KEPT_WHEN_STRIPPED
from plugins.formats.dicom.head import BIG, EXPLICIT, parse, text
from plugins.formats.dicom.products import describe

if TYPE_CHECKING:
    from pydicom import Dataset

OURS = "2.25.203911216540273012417935812846133017543"  # implementation class
VERSION = f"SORDINO_{__version__}"[:16]
LOSSY = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
STALE = (
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "DigitalSignaturesSequence",
    "MACParametersSequence", "DataSetTrailingPadding",
)  # fmt: skip
PALETTE = range(0x00281101, 0x00281224)
ROOT = "1.2.840.10008.5.1.4.1.1"
ENHANCED = {f"{ROOT}.{last}" for last in ("2.1", "2.2", "4.1", "4.3", "4.4", "6.2", "12.1.1",
            "12.2.1", "30", "66.4", "128.1", "130")}  # fmt: skip
FRAME_TYPES = (
    "CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence",
    "XAXRFFrameCharacteristicsSequence", "ParametricMapFrameTypeSequence",
)  # fmt: skip


@dataclass(frozen=True)
class Refit:
    """Numbers in their unit as slices with slopes of their own hold them; see Series.varying."""

    pixels: Pixels
    slopes: Array  # (*stack, 2): slope and intercept
    kind: np.dtype[Any]
    ends: tuple[float, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """What reading them gives."""
        return np.dtype(np.float32)

    def _line(self, key: Any) -> tuple[Array, Array]:
        a, b = (self.slopes[..., i][..., None, None] for i in (0, 1))
        return np.broadcast_to(a, self.shape)[key], np.broadcast_to(b, self.shape)[key]

    def whole(self, key: Any) -> Array:
        """A part as it is stored."""
        slope, intercept = self._line(key)
        values = (np.asarray(self.pixels[key], np.float64) - intercept) / slope
        return np.clip(np.rint(np.nan_to_num(values)), *self.ends).astype(self.kind)

    def __getitem__(self, key: Any, /) -> Array:
        slope, intercept = self._line(key)
        return (self.whole(key).astype(np.float64) * slope + intercept).astype(np.float32)


def as_files(image: Image) -> Pixels:
    """The pixels as DICOM files will hold them. Raises UnwritableFile for what they cannot."""
    kept = image.meta.get("dicom_files")
    kind = np.dtype(str(image.meta.get("dtype") or image.pixels.dtype))
    if kept is not None and "byproduct" in image.meta:
        return counted(image)
    if kept is None:
        if kind.kind not in "iu" or kind.itemsize > 2:
            raise UnwritableFile(
                f"A new DICOM file holds whole numbers of 8 or 16 bits, not {kind}: choose .nii."
            )
        return Rounded(image.pixels, str(kind), image.nodata)
    ends = tuple(kept["range"])
    if kept["slopes"]:
        slopes = np.asarray(kept["slopes"]).reshape(*image.pixels.shape[:-2], 2)
        return Refit(image.pixels, slopes, kind, (ends[0], ends[1]))
    if image.kind == "display":
        ends = (0.0, image.levels.white)
    return Rounded(image.pixels, str(kind), image.nodata, ends or None)


def write_copy(path: Path, image: Image, source: Image, output: Output, folder: bool) -> None:
    """One file, or a folder of as many as were read."""
    from pydicom.uid import generate_uid

    kept: Mapping[str, Any] = source.meta["dicom_files"]
    starts, series = [0, *kept["ends"]], generate_uid(None)
    names = _names(kept["names"]) if folder else [path.name]
    stored = as_files(image)
    if isinstance(stored, Counted):
        kept = {**kept, "element": "PixelData", "allocated": 16}
    if len(kept["names"]) > 1 and not folder:
        raise UnwritableFile(f"{path.name} would be one file of a series: name a folder.")
    if folder:
        path.mkdir()
    places = np.argsort(kept["order"])
    for i, name in enumerate(names):
        data = parse(io.BytesIO(kept["elements"][starts[i] : starts[i + 1]].tobytes()), name)
        mine = places if len(names) == 1 else [i]
        frames = (_frame(stored, image, int(place)) for place in mine)
        _renew(data, image, kept, output, series)
        if isinstance(stored, Counted):
            describe(data, image, stored)
        try:
            _save(path / name if folder else path, data, frames, len(mine), image, kept)
        except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
            why = str(error).splitlines()[0][:100].rstrip(".")
            raise UnwritableFile(
                f"{kept['names'][i]} has elements that cannot be written again ({why})."
            ) from None


def _names(names: list[str]) -> list[str]:
    plain = [Path(name).name for name in names]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{i:05d}.dcm" for i in range(len(plain))]


def _frame(stored: Pixels, image: Image, place: int) -> Array:
    """One picture as a file holds it: (y, x) or (y, x, c)."""
    axes = image.axes
    lead = [size for size, a in zip(stored.shape, axes, strict=True) if a not in "cyx"]
    index = iter(np.unravel_index(place, lead) if lead else ())
    key = tuple(slice(None) if a in "cyx" else int(next(index)) for a in axes)
    block = stored.whole(key) if isinstance(stored, Refit) else np.asarray(stored[key])
    left = axes.translate({ord(a): None for a in axes if a not in "cyx"})
    return np.moveaxis(block, left.index("c"), -1) if "c" in left else block


def _renew(
    data: Dataset, image: Image, kept: Mapping[str, Any], output: Output, series: str
) -> None:
    """Names, type and history of a derived object."""
    from pydicom.uid import generate_uid

    now = datetime.datetime.now()
    old = text(data, "SOPClassUID"), text(data, "SOPInstanceUID")
    if kept["syntax"] == BIG:
        _turned(data)
    for name in STALE:
        if name in data:
            del data[name]
    for tag in tuple(data.keys()):
        if tag.element == 0 or tag.group == 0xFFFE:
            del data[tag]  # lengths of groups, retired; items that belong to nothing
    for element in data.iterall():
        if " or " in element.VR and isinstance(element.value, bytes):
            element.VR = "OW"
    data.SOPInstanceUID = generate_uid(None)
    data.SeriesInstanceUID = series
    data.InstanceCreationDate = now.strftime("%Y%m%d")
    data.InstanceCreationTime = now.strftime("%H%M%S")
    if kept["syntax"] in LOSSY and text(data, "LossyImageCompression") != "01":
        data.LossyImageCompression = "01"
        if "LossyImageCompressionMethod" not in data:
            data.LossyImageCompressionMethod = LOSSY[kept["syntax"]]
    _described(data, image, kept)
    if output.note:
        _derived(data, output.note, old)
    if output.strip:
        _stripped(data)


def _described(data: Dataset, image: Image, kept: Mapping[str, Any]) -> None:
    """The elements that say how the pixels lie."""
    data.Rows, data.Columns = image.height, image.width
    if kept["element"] != "PixelData":
        return
    if "BitsStored" in data:
        data.HighBit = int(data.BitsStored) - 1
    if "c" not in image.axes:
        return
    bits = np.dtype(str(image.meta["dtype"])).itemsize * 8
    if kept["photometric"] == "PALETTE COLOR":
        for tag in [tag for tag in tuple(data.keys()) if tag in PALETTE]:
            del data[tag]
        data.BitsStored, data.HighBit = bits, bits - 1
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PhotometricInterpretation = "RGB"
    data.BitsAllocated, data.PixelRepresentation = bits, 0


def _derived(data: Dataset, note: Mapping[str, Any], old: tuple[str, str]) -> None:
    """What the standard asks of an image that was computed from another."""
    from pydicom import Dataset
    from pydicom.sequence import Sequence

    enhanced = old[0] in ENHANCED or "SharedFunctionalGroupsSequence" in data
    data.ImageType = _type(data.get("ImageType"), enhanced)
    groups = [*(data.get("SharedFunctionalGroupsSequence") or ())]
    groups += data.get("PerFrameFunctionalGroupsSequence") or ()
    for group in groups:
        for name in FRAME_TYPES:
            for item in group.get(name) or ():
                item.FrameType = _type(item.get("FrameType"), True)
    told = text(data, "DerivationDescription")
    data.DerivationDescription = "; ".join(filter(None, (sentence(note), told)))[:1024]
    described = text(data, "SeriesDescription")
    data.SeriesDescription = f"{described[:53]} (denoised)".strip()
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = old
    source.PurposeOfReferenceCodeSequence = Sequence([purpose])
    if all(old):
        data.SourceImageSequence = Sequence([source])
    for name in ("SmallestImagePixelValue", "LargestImagePixelValue"):
        if name in data:
            del data[name]


def _type(values: Any, enhanced: bool) -> list[str]:
    """DERIVED\\SECONDARY; the second of enhanced objects may only be PRIMARY."""
    known = [values] if isinstance(values, str) else [str(value) for value in values or ()]
    second = known[1] if enhanced and len(known) > 1 else "SECONDARY"
    return ["DERIVED", second, *known[2:]]


def sentence(note: Mapping[str, Any]) -> str:
    """What was done, for DerivationDescription."""
    steps: list[str] = []
    for step in note.get("recipe", {}).get("steps", ()):
        settings = ", ".join(f"{name}={value}" for name, value in step["settings"].items())
        amount = f", amount {step['amount']:g}" if step.get("amount", 1) != 1 else ""
        steps.append(f"{step['method']} version {step['version']} ({settings}{amount})")
    text = " then ".join(steps) or "an unnamed method"
    return f"Denoised by Sordino {__version__}: {text}. Not for diagnosis."


def _stripped(data: Dataset) -> None:
    """Empty who the patient is and who looked after them, at every depth."""
    for element in list(data.iterall()):
        if element.keyword in IDENTIFIERS and element.keyword not in KEPT_WHEN_STRIPPED:
            element.value = [] if element.VR == "SQ" else ""


def _turned(data: Dataset) -> None:
    """Words of a big-endian file, which are kept as bytes, in the order of the new one."""
    sizes = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
    for element in data.iterall():
        size = sizes.get(element.VR)
        if size and isinstance(element.value, bytes) and len(element.value) % size == 0:
            element.value = np.frombuffer(element.value, f"u{size}").byteswap().tobytes()


def _save(
    path: Path, data: Dataset, frames: Iterator[Array], count: int, image: Image,
    kept: Mapping[str, Any],
) -> None:  # fmt: skip
    """Elements, then the pixels frame by frame, then what comes after them."""
    behind = [tag for tag in tuple(data.keys()) if tag > 0x7FE00010]
    after = data[behind[0] :] if behind else None
    for tag in behind:
        del data[tag]
    first = next(frames)
    save(path, data, _chain(first, frames, kept["allocated"] == 1, count),
         -(-first.size * count // 8) if kept["allocated"] == 1 else first.nbytes * count,
         kept["element"], first.dtype.itemsize, after)  # fmt: skip


def _chain(first: Array, rest: Iterator[Array], bits: bool, count: int) -> Iterator[bytes]:
    if bits:  # of all frames in one go: a frame need not end with a byte
        every = np.concatenate([first.ravel(), *(frame.ravel() for frame in rest)])
        yield np.packbits(every, bitorder="little").tobytes()
        return
    for frame in (first, *rest) if count == 1 else _each(first, rest):
        little = frame.astype(frame.dtype.newbyteorder("<"), copy=False)
        yield np.ascontiguousarray(little).tobytes()


def _each(first: Array, rest: Iterator[Array]) -> Iterator[Array]:
    yield first
    yield from rest


def save(
    path: Path, data: Dataset, chunks: Iterator[bytes], size: int, element: str, item: int,
    after: Dataset | None = None,
) -> None:  # fmt: skip
    """Write a file of explicit little endian; the pixels come in chunks of `size` bytes in all."""
    from pydicom import Dataset, config
    from pydicom.dataset import FileMetaDataset
    from pydicom.filewriter import dcmwrite
    from pydicom.uid import UID

    if size >= 0xFFFFFFFE:
        raise UnwritableFile(f"{path.name} would hold more than 4 GB: DICOM cannot.")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = UID(EXPLICIT)
    meta.ImplementationClassUID = UID(OURS)
    meta.ImplementationVersionName = VERSION
    data.file_meta = meta
    data.preamble = bytes(128)
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        dcmwrite(path, data, implicit_vr=False, little_endian=True, enforce_file_format=True)
        tag, vr = {
            "PixelData": (0x0010, b"OW" if item > 1 else b"OB"),
            "FloatPixelData": (0x0008, b"OF"),
            "DoubleFloatPixelData": (0x0009, b"OD"),
        }[element]
        with path.open("ab") as file:
            file.write(b"\xe0\x7f" + tag.to_bytes(2, "little") + vr + b"\0\0")
            file.write((size + size % 2).to_bytes(4, "little"))
            for chunk in chunks:
                file.write(chunk)
            file.write(bytes(size % 2))
            if isinstance(after, Dataset) and len(after):
                tail = io.BytesIO()
                dcmwrite(tail, after, implicit_vr=False, little_endian=True)
                file.write(tail.getvalue())
    finally:
        config.settings.writing_validation_mode = before
