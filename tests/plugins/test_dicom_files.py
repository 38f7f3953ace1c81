"""Real DICOM files: all open or say why not; pixels and copies as SimpleITK sees them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.cli import main
from core.files import open_image, save_image
from core.format import UnreadableFile
from core.image import Image
from core.registry import load

REGISTRY = load()
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = sorted(
    path
    for place in ("medical/dicom/dwv", "medical/dicom/fo-dicom", "medical/dicom/pydicom",
                  "medical/dicom/pydicom-data", "ultrasound/dicom")
    for path in (SHARED / place).glob("*.dcm")
)  # fmt: skip
REFUSED = {
    "rtplan.dcm": "without a picture (RTPLAN)",
    "rtstruct.dcm": "without a picture (RTSTRUCT)",
    "test-SR.dcm": "without a picture (SR)",
    "waveform_ecg.dcm": "without a picture (ECG)",
}
RENEWED = {
    "SOPInstanceUID", "SeriesInstanceUID", "InstanceCreationDate", "InstanceCreationTime",
    "PixelData", "HighBit", "DataSetTrailingPadding",
}  # fmt: skip
COLOURS = {
    "PhotometricInterpretation", "PlanarConfiguration", "SamplesPerPixel", "BitsAllocated",
    "BitsStored", "PaletteColorLookupTableUID",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not FILES, reason="no ../shared/data beside the repository")


def alone(path: Path, folder: Path) -> Path:
    """A file in a folder of its own, so that it is no part of a series."""
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(path, folder))


def by_itk(path: Path) -> np.ndarray | None:
    sitk = pytest.importorskip("SimpleITK")
    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError:
        return None


def as_itk(image: Image) -> np.ndarray:
    """Pixels as SimpleITK shows them: in their unit, colours last, always a third axis.

    It does not sort frames, shows masks in white, knows no scale of doses, turns MONOCHROME1 round.
    """
    pixels, kept = np.asarray(image.pixels), image.meta["dicom_files"]
    if kept["allocated"] == 1:
        pixels = 255 * pixels
    if len(kept["order"]) > 1:
        pixels = pixels[np.argsort(kept["order"])]
    if kept["photometric"] == "MONOCHROME1":
        pixels = int(kept["range"][1]) - pixels
    if "c" in image.axes:
        pixels = np.moveaxis(pixels, image.axes.index("c"), -1)
    elif "scale" in image.meta and image.meta["dicom"]["Modality"] != "RTDOSE":
        slope, intercept, _ = image.meta["scale"]
        pixels = pixels * np.float64(slope) + intercept
    return pixels if len(image.axes.replace("c", "")) > 2 else pixels[None]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_opens_and_copies(path: Path, tmp_path: Path) -> None:
    source = alone(path, tmp_path / "in")
    if path.name in REFUSED:
        with pytest.raises(UnreadableFile) as caught:
            open_image(REGISTRY, source)
        assert REFUSED[path.name] in str(caught.value)
        return
    image = open_image(REGISTRY, source)
    theirs = by_itk(source)
    kept = image.meta["dicom_files"]
    if theirs is not None and kept["photometric"] != "PALETTE COLOR":
        close = 2.0 if kept["photometric"].startswith("YBR") else 1e-3
        assert np.allclose(as_itk(image), theirs, atol=close, rtol=1e-5)
    copy = save_image(REGISTRY, tmp_path / "copy.dcm", image, image)
    if theirs is not None and kept["photometric"] != "PALETTE COLOR":
        again = by_itk(copy)
        assert again is not None
        assert np.allclose(again, theirs, atol=close, rtol=1e-5)
    old, new = pydicom.dcmread(source), pydicom.dcmread(copy)
    for element in (old[tag] for tag in tuple(old.keys()) if tag.group != 0xFFFE):
        name = element.keyword
        palette = "Palette" in name or (name in COLOURS and "c" in image.axes)
        if name in RENEWED or palette or element.tag.element == 0:
            continue
        assert element.tag in new, name
        if not (element.VR == "OW" and kept["syntax"] == "1.2.840.10008.1.2.2"):
            assert new[element.tag].value == element.value, name


@pytest.mark.parametrize(("name", "count"), [("ct_abdomen_series", 8), ("mr_t1_series", 14)])
def test_series_are_denoised(name: str, count: int, tmp_path: Path) -> None:
    source, out = SHARED / "medical" / "dicom" / name, tmp_path / "out"
    args = ["denoise", str(source), "-o", str(out), "--method", "fast", "--device", "cpu"]
    assert main(args) == 0
    assert len(list(out.iterdir())) == count
    for path in out.iterdir():
        old, new = pydicom.dcmread(source / path.name), pydicom.dcmread(path)
        assert new.pixel_array.dtype == old.pixel_array.dtype
        assert 0 < np.std(new.pixel_array - old.pixel_array.astype(float)) < 60
        changed = {e.keyword for e in old if e.tag not in new or new[e.tag].value != e.value}
        assert changed <= RENEWED | {
            "ImageType", "SeriesDescription", "DerivationDescription", "SourceImageSequence",
            "SmallestImagePixelValue", "LargestImagePixelValue",
        } | {""}  # fmt: skip


def test_a_damaged_slice_leaves_the_series(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    shutil.copytree(SHARED / "medical" / "dicom" / "ct_abdomen_series", folder)
    damaged = folder / "000124.dcm"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:9000])
    assert open_image(REGISTRY, folder).pixels.shape == (7, 512, 512)
