"""What a series tells besides its pixels: for the window, for `info`, and for the writer."""

from __future__ import annotations

from typing import Any

import numpy as np

from plugins.formats.dicom.geometry import Groups
from plugins.formats.dicom.head import BIG, DEFLATED, UNDEFINED, Head, get, inflated, numbers, text
from plugins.formats.dicom.pixels import kind_of
from plugins.formats.dicom.regions import BURNT, regions_of
from plugins.formats.dicom.series import Series
from plugins.formats.dicom.windows import presets_of, window_of

# Who the patient is and who looked after them: hidden unless asked for, and emptied by --strip.
IDENTIFIERS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime",
    "PatientSex", "PatientAge", "PatientSize", "PatientWeight", "PatientAddress",
    "PatientTelephoneNumbers", "PatientMotherBirthName", "PatientBirthName", "OtherPatientIDs",
    "OtherPatientNames", "OtherPatientIDsSequence", "MedicalRecordLocator", "EthnicGroup",
    "Occupation", "PatientComments", "AdditionalPatientHistory", "PatientReligiousPreference",
    "MilitaryRank", "ResponsiblePerson", "CountryOfResidence", "RegionOfResidence",
    "AccessionNumber", "StudyID", "ReferringPhysicianName", "ReferringPhysicianAddress",
    "ReferringPhysicianTelephoneNumbers", "PerformingPhysicianName", "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy", "OperatorsName", "RequestingPhysician",
    "ScheduledPerformingPhysicianName", "InstitutionName", "InstitutionAddress",
    "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber", "PersonName",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "StudyTime", "AdmissionID",
)  # fmt: skip
KEPT_WHEN_STRIPPED = {
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
    "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "StudyTime", "PatientSex",
    "PatientAge", "PatientSize", "PatientWeight",
}  # fmt: skip
SHOWN = (
    "Modality", "SOPClassUID", "StudyDescription", "SeriesDescription", "ProtocolName",
    "SeriesNumber", "BodyPartExamined", "PatientPosition", "Manufacturer",
    "ManufacturerModelName", "SoftwareVersions", "ImageType", "KVP", "XRayTubeCurrent",
    "ExposureTime", "Exposure", "ConvolutionKernel", "SliceThickness", "SpacingBetweenSlices",
    "PixelSpacing", "ScanningSequence", "MRAcquisitionType", "MagneticFieldStrength",
    "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "NumberOfAverages",
    "TransducerData", "Radiopharmaceutical", "Units", "RescaleType", "WindowCenter",
    "WindowWidth", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation", "PixelPaddingValue", "LossyImageCompression",
    "LossyImageCompressionRatio", "BurnedInAnnotation", "DerivationDescription",
)  # fmt: skip


def about(series: Series) -> dict[str, Any]:
    """All that can be told without the pixels."""
    from pydicom.uid import UID

    head = series.head
    data = head.data
    name = UID(head.syntax).name
    shown: dict[str, Any] = {name: value for name in SHOWN if (value := text(data, name))}
    shown["TransferSyntax"] = name
    meta: dict[str, Any] = {
        "dicom": shown,
        "identifiers": {name: value for name in IDENTIFIERS if (value := text(data, name))},
        "dtype": str(kind_of(series) if head.colour else head.kind),
    }
    if len(series.heads) > 1:
        meta["files"] = [one.path.name for one in series.heads]
    if len(series.listing) > 1:
        meta["series"] = list(series.listing)
    scale = scale_of(series)
    if scale:
        meta["scale"] = scale
    presets = presets_of(series)
    if presets:
        meta["window"] = window_of(series, presets[0])
        meta["windows"] = presets
    regions = regions_of(data)
    if regions:
        meta["regions"] = regions
    warnings = list(series.warnings)
    if text(data, "BurnedInAnnotation") == "YES":
        meta["burnt_in"] = BURNT
        warnings.append(BURNT)
    if get(data, "ModalityLUTSequence"):
        warnings.append(
            "The file's table (Modality LUT) is used for the picture; numbers are the stored ones."
        )
    if warnings:
        meta["warnings"] = warnings
    return meta


def scale_of(series: Series) -> tuple[float, float, str] | None:
    """Slope, intercept and unit of the stored numbers."""
    head, first = series.head, series.frames[0]
    data, modality = head.data, text(head.data, "Modality")
    if head.colour:
        return None
    groups = Groups(data)
    own = groups.of(0, "PixelValueTransformationSequence") if groups else {}
    kind = text(own, "RescaleType") or text(data, "RescaleType") or text(data, "Units")
    unit = {"US": "", "BQML": "Bq/ml", "HU": "HU"}.get(kind, kind)
    if modality == "RTDOSE":
        unit = {"GY": "Gy"}.get(text(data, "DoseUnits"), "")
    told = (get(data, "RescaleSlope"), own, get(data, "DoseGridScaling"))
    if modality == "CT" and not kind and any(one not in (None, {}) for one in told):
        unit = "HU"
    if series.varying:
        return 1.0, 0.0, unit
    if (first.slope, first.intercept) == (1.0, 0.0) and not unit:
        return None
    return first.slope, first.intercept, unit


def nodata_of(head: Head) -> float | None:
    """The number that stands for nothing was measured here."""
    found = numbers(head.data, "PixelPaddingValue")
    if not found or head.colour:
        return None
    low, high = head.ends
    value = found[0]
    if head.signed and value > high:  # an unsigned word in a signed file
        value -= 2.0**head.allocated
    return value if low <= value <= high else None


def kept(series: Series) -> dict[str, Any]:
    """What the writer needs: all elements of all files, as bytes, but the pixels."""
    parts = [elements(head) for head in series.heads]
    ends = np.cumsum([len(part) for part in parts])
    return {
        "elements": np.frombuffer(b"".join(parts), np.uint8),
        "ends": [int(end) for end in ends],
        "names": [head.path.name for head in series.heads],
        "order": list(series.stack.order),
        "folder": series.folder,
        "slopes": [[f.slope, f.intercept] for f in series.frames] if series.varying else [],
        "range": list(series.head.ends) if series.head.element == "PixelData" else [],
        "element": series.head.element,
        "syntax": series.head.syntax,
        "photometric": series.head.photometric,
        "allocated": series.head.allocated,
    }


def elements(head: Head) -> bytes:
    """A file without its pixels."""
    if head.syntax == DEFLATED:
        return _saved(head)
    with head.path.open("rb") as file:
        before = file.read(head.start)
        after = _behind(file, head)
    order = "big" if head.syntax == BIG else "little"
    sane = 0x7FE0 < int.from_bytes(after[:2], order) < 0xFFFA  # else padding, or a stray item
    return before + (after if sane else b"")


def _behind(file: Any, head: Head) -> bytes:
    """The elements after the pixels (some makers have such)."""
    if head.length != UNDEFINED:
        file.seek(head.offset + head.length)
        return file.read()
    file.seek(head.offset)
    order = "big" if head.syntax == BIG else "little"
    while len(item := file.read(8)) == 8:
        tag = int.from_bytes(item[:2], order), int.from_bytes(item[2:4], order)
        if tag == (0xFFFE, 0xE0DD):
            return file.read()
        if tag != (0xFFFE, 0xE000):
            break
        file.seek(int.from_bytes(item[4:], order), 1)
    return b""


def _saved(head: Head) -> bytes:
    import io

    data = inflated(head.path)
    del data[head.element]
    out = io.BytesIO()
    data.save_as(out, implicit_vr=False, little_endian=True)
    return out.getvalue()
