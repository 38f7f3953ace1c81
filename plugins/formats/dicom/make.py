"""A new DICOM file of pixels that came from elsewhere: a secondary capture, of no patient."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core import __version__
from core.format import UnwritableFile
from core.image import Array, Image, Pixels
from plugins.formats.dicom.regions import put
from plugins.formats.dicom.slices import save

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # a single picture; .1 to .4 are multi-frame ones
FRAME_TIME, PAGES = 0x00181063, 0x00182001


def write_new(path: Path, image: Image, stored: Pixels) -> None:
    """Pixels as they are, with spacing and scale. Raises UnwritableFile for more than one stack."""
    from pydicom import Dataset
    from pydicom.uid import generate_uid

    stack = image.stack
    if len(stack) > 1:
        raise UnwritableFile(f"{path.name} would hold a stack of {stack}: choose .nii.")
    if "c" in image.axes and image.channels != "RGB":
        raise UnwritableFile(f"{path.name} would hold other channels than RGB: choose .tif.")
    now = datetime.datetime.now()
    data = Dataset()
    bits = stored.dtype.itemsize * 8
    signed = stored.dtype.kind == "i"
    sub = "4" if "c" in image.axes else "2" if bits == 8 else "3"
    data.SOPClassUID = f"{CAPTURE}.{sub}" if stack else CAPTURE
    data.SOPInstanceUID, data.StudyInstanceUID = generate_uid(None), generate_uid(None)
    data.SeriesInstanceUID = generate_uid(None)
    data.PatientName = data.PatientID = data.PatientBirthDate = data.PatientSex = ""
    data.StudyDate, data.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    data.ContentDate, data.ContentTime = data.StudyDate, data.StudyTime
    data.AccessionNumber = data.StudyID = data.ReferringPhysicianName = data.PatientOrientation = ""
    data.Modality, data.ConversionType = "US" if image.kind == "clip" else "OT", "WSD"
    data.SeriesNumber = data.InstanceNumber = 1
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.SeriesDescription = f"Sordino {__version__}: not for diagnosis"
    data.BurnedInAnnotation = "NO"
    data.Rows, data.Columns = image.height, image.width
    data.SamplesPerPixel = 3 if "c" in image.axes else 1
    data.PhotometricInterpretation = "RGB" if "c" in image.axes else "MONOCHROME2"
    if "c" in image.axes:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, int(signed)
    _geometry(data, image)
    put(data, image)
    if stack:
        data.NumberOfFrames = image.pixels.shape[image.axes.index(stack)]
    count = int(data.get("NumberOfFrames", 1))
    size = int(np.prod(stored.shape)) * stored.dtype.itemsize
    save(path, data, _chunks(stored, image, count), size, "PixelData", bits // 8)


def _geometry(data: object, image: Image) -> None:
    """Spacing, time between frames and scale, where they are known."""
    from pydicom import Dataset

    assert isinstance(data, Dataset)
    spacing = image.coords.get("spacing") or {}
    if "x" in spacing and "y" in spacing:
        data.PixelSpacing = [f"{spacing[a]:.10g}" for a in "yx"]
    scale = image.meta.get("scale") or ((1.0, 0.0, "") if image.stack else None)
    if image.stack and "c" not in image.axes:  # which multi-frame captures must say
        data.PresentationLUTShape = "IDENTITY"
    if scale and "c" not in image.axes:
        data.RescaleSlope, data.RescaleIntercept = f"{scale[0]:.10g}", f"{scale[1]:.10g}"
        data.RescaleType = str(scale[2] or "US")[:16]
    if image.stack == "t":
        times = np.atleast_1d(np.asarray(image.coords.get("t", ()), float))
        step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
        data.FrameIncrementPointer, data.FrameTime = FRAME_TIME, f"{1000 * step:.10g}"
    elif image.stack:
        data.FrameIncrementPointer = PAGES
        data.PageNumberVector = list(range(1, image.pixels.shape[0] + 1))
        if spacing.get("z"):
            data.SpacingBetweenSlices = f"{spacing['z']:.10g}"


def _chunks(stored: Pixels, image: Image, count: int) -> Iterator[bytes]:
    for i in range(count):
        block: Array = np.asarray(stored[(i,)] if image.stack else stored[...])
        if "c" in image.axes:
            block = np.moveaxis(block, 0, -1)
        little = block.astype(block.dtype.newbyteorder("<"), copy=False)
        yield np.ascontiguousarray(little).tobytes()
