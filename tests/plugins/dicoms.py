"""Small DICOM files for tests, made by pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from core.image import Image
from core.registry import load

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
STUDY, SERIES = generate_uid(None), generate_uid(None)
RNG = np.random.default_rng(4)


def item(**values: Any) -> Sequence:
    """A sequence of one item."""
    one = Dataset()
    for name, value in values.items():
        setattr(one, name, value)
    return Sequence([one])


def noise() -> np.ndarray:
    """Pixels of a slice."""
    return RNG.integers(900, 1200, (20, 31)).astype(np.uint16)


def slice_of(place: int, **other: Any) -> Dataset:
    """An axial CT slice at z = 2.5 * place, 12 of 16 bits, with a name in it."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = CT, generate_uid(None)
    data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, SERIES
    data.FrameOfReferenceUID = STUDY
    data.PatientName, data.PatientID, data.PatientBirthDate = "Müller^Eva", "4711", "19610203"
    data.ReferringPhysicianName, data.InstitutionName = "Arzt^Dr", "Klinik"
    data.Modality, data.SeriesDescription = "CT", "Abdomen 2.5 mm"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.BurnedInAnnotation = "NO"
    data.InstanceNumber = 100 - place  # against the order in space
    data.ImagePositionPatient = [-20, -30, 2.5 * place - 7]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [0.5, 0.75], 2.5
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = 20, 31
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", "-1024", "HU"
    data.WindowCenter, data.WindowWidth = [40, 400], [350, 1500]
    private = data.private_block(0x0029, "SOMEBODY", create=True)
    private.add_new(1, "LO", "kept as it is")
    private.add_new(2, "OB", b"\1\2\3\4")
    pixels = noise()
    for name, value in other.items():
        if name == "pixels":
            pixels = value
        elif value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    return data


def save(path: Path, data: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write it."""
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.preamble = bytes(128)
    data.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, count: int = 5, **other: Any) -> list[Dataset]:
    """A folder of slices in an order that is not theirs in space."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [slice_of(place, **other) for place in range(count)]
    for place, data in enumerate(made):
        save(folder / f"IM{(place * 3) % count:04d}", data)
    return made


def enhanced(path: Path, places: list[float], **other: Any) -> Path:
    """An enhanced file whose frames lie at the places given, in that order."""
    count = len(places)
    pixels = np.stack([np.full((20, 31), 10 * i + 7, np.uint16) for i in range(count)])
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    gone = dict.fromkeys((*names, "RescaleSlope", "RescaleIntercept", "RescaleType"))
    data = slice_of(0, pixels=pixels, NumberOfFrames=count, SOPClassUID=ENHANCED_CT, **gone)
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=[0.5, 0.75], SliceThickness=2.5)
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.CTImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames: list[Dataset] = []
    for i, place in enumerate(places):
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=[-20, -30, place])
        slope = other.get("slopes", [1.0] * count)[i]
        frame.PixelValueTransformationSequence = item(
            RescaleSlope=slope, RescaleIntercept=-1000, RescaleType="HU"
        )
        frame.FrameContentSequence = item(TemporalPositionIndex=1 + i // len(set(places)))
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return save(path, data)


REGISTRY = load()
NOTE = {"recipe": {"steps": [{"method": "dct", "version": 3, "settings": {"strength": 1.5}}]}}
# What a derived object says differently; each is checked by name below.
CHANGED = {
    "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "SeriesDescription",
    "DerivationDescription", "SourceImageSequence", "InstanceCreationDate",
    "InstanceCreationTime", "PixelData",
}  # fmt: skip


def itk(path: Path) -> Any:
    """An image by SimpleITK, of a folder the series."""
    sitk = pytest.importorskip("SimpleITK")
    if not path.is_dir():
        return sitk.ReadImage(str(path))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    return reader.Execute()


def values(path: Path) -> np.ndarray:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(itk(path))


def denoised(image: Image, by: float = 3.4) -> Image:
    from dataclasses import replace

    return replace(image, pixels=np.asarray(image.pixels, np.float32) + np.float32(by))


def elements(data: pydicom.Dataset) -> dict[str, Any]:
    return {str(e.tag): e for e in data if e.keyword not in CHANGED}
