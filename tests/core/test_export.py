"""Export: a RAW file developed into a picture says what its numbers mean."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tifffile
from PIL import Image as Pil
from PIL.ImageCms import ImageCmsProfile, getProfileDescription

from core.cli import OK, main

SAMPLE = Path(__file__).resolve().parents[2] / "resources" / "samples" / "bayer_iso12800.dng"


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg"])
def test_developed_pictures_carry_srgb_and_exif(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    assert main(["denoise", str(SAMPLE), "-o", str(target), "--method", "fast"]) == OK
    if suffix == "tif":
        profile = tifffile.TiffFile(target).pages[0].tags["InterColorProfile"].value
    else:
        with Pil.open(target) as picture:
            profile, exif = picture.info["icc_profile"], picture.getexif().get_ifd(0x8769)
        assert exif[34855] == 12800  # ISO speed
    assert getProfileDescription(ImageCmsProfile(io.BytesIO(profile))).strip() == "sRGB"
