"""Windows that are no straight lines: DICOM's tables and sigmoids, against pydicom's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from core.develop import Look, export_rgb, settle
from core.develop.window import presets
from core.files import open_image
from core.image import Image
from gui import windowing
from tests.plugins.dicoms import REGISTRY, item, save, slice_of

RNG = np.random.default_rng(3)


def shown(image: Image, look: Look | None = None) -> np.ndarray:
    return export_rgb(image, look or Look())[..., 0]


def table(count: int, first: int, bits: int = 12, **more: Any) -> Any:
    """A table that bends and rises to 4095."""
    values = (4095 * np.linspace(0, 1, count) ** 2).astype(np.uint16)
    return item(LUTDescriptor=[count, first, bits], LUTData=values.tobytes(), **more)


def opened(tmp_path: Path, **values: Any) -> tuple[Image, pydicom.Dataset]:
    path = save(tmp_path / "a.dcm", slice_of(0, RescaleIntercept="-800", **values))
    return open_image(REGISTRY, path), pydicom.dcmread(path)


def theirs(data: pydicom.Dataset) -> np.ndarray:
    """0..1 as pydicom has it, before anything is turned round."""
    values = apply_modality_lut(data.pixel_array, data)
    return apply_voi_lut(values, data, prefer_lut=True).astype(float) / 4095


def test_a_table_of_brightness(tmp_path: Path) -> None:
    image, data = opened(
        tmp_path, VOILUTSequence=table(300, 100, LUTExplanation="BONES"), RescaleType="HU"
    )
    assert presets(image)[0].name == "Bones"
    assert np.abs(shown(image) / 255 - theirs(data)).max() < 0.005
    look = settle(image, Look())
    assert windowing.preset_of(image, look) == "Bones"
    straight = windowing.edited("preset", "File 1", image, look)
    assert straight.curve is None
    again = windowing.edited("preset", "Bones", image, straight)
    assert again == look
    wider = windowing.edited("width", 600.0, image, look)  # the curve is stretched with the window
    assert wider.curve == look.curve
    assert windowing.preset_of(image, wider) == windowing.CUSTOM


def test_a_table_that_begins_below_zero(tmp_path: Path) -> None:
    image, _ = opened(tmp_path, VOILUTSequence=table(300, 65536 - 150))
    assert presets(image)[0].level == -0.5


def test_a_table_of_values_below_a_window(tmp_path: Path) -> None:
    data = slice_of(0, ModalityLUTSequence=table(400, 850, 16, ModalityLUTType="OD"))
    for name in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(data, name)
    data.WindowCenter, data.WindowWidth = 1000, 1800
    image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
    expected = (apply_modality_lut(data.pixel_array, data) - 1000.0) / 1800 + 0.5
    assert np.abs(shown(image) / 255 - np.clip(expected, 0, 1)).max() < 0.01
    assert "Modality LUT" in image.meta["warnings"][0]


def test_more_is_darker_through_a_table(tmp_path: Path) -> None:
    image, data = opened(
        tmp_path, VOILUTSequence=table(300, 100), PhotometricInterpretation="MONOCHROME1"
    )
    assert np.abs(shown(image) / 255 - (1 - theirs(data))).max() < 0.005
    look = settle(image, Look())
    turned = windowing.edited("inverted", False, image, look)
    assert np.abs(shown(image, turned) / 255 - theirs(data)).max() < 0.005


def test_a_sigmoid(tmp_path: Path) -> None:
    image, data = opened(tmp_path, VOILUTFunction="SIGMOID", WindowCenter=240, WindowWidth=60)
    values = apply_modality_lut(data.pixel_array, data)
    expected = 1 / (1 + np.exp(-4 * (values - 240) / 60))
    assert np.abs(shown(image) / 255 - expected).max() < 0.006


def test_more_is_darker_and_can_be_adjusted(tmp_path: Path) -> None:
    image, _ = opened(tmp_path, PhotometricInterpretation="MONOCHROME1")
    look = settle(image, Look())
    rows = {row.name for row in windowing.controls(image, look)}
    assert {"level", "width", "inverted"} <= rows
    brighter = windowing.edited("level", windowing.value("level", image, look) + 50, image, look)
    assert shown(image, brighter).mean() > shown(image, look).mean() + 5  # of a film, more is dark
    turned = windowing.edited("inverted", False, image, look)
    assert shown(image, turned).mean() == pytest.approx(255 - shown(image, look).mean(), abs=1)


def test_tables_that_contradict_themselves_are_left_alone(tmp_path: Path) -> None:
    broken = item(LUTDescriptor=[300, 0, 12], LUTData=bytes(20))
    image, _ = opened(tmp_path, VOILUTSequence=broken)
    assert settle(image, Look()).curve is None
