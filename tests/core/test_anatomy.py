from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import anatomy
from core.develop import Look, settle, thumbnail
from core.format import Rounded, suffix_of
from core.image import Image


@pytest.mark.parametrize(
    ("x", "y", "orientation"),
    [
        ((1, 0, 0), (0, 1, 0), 1),  # axial, as DICOM has it
        ((-1, 0, 0), (0, -1, 0), 3),  # axial, right and front: as NIfTI often has it
        ((-2, 0.1, 0), (0, 1, 0), 2),
        ((1, 0, 0), (0, 0, 1), 4),  # coronal, from the feet up
        ((0, 1, 0), (0, 0, -1), 1),  # sagittal, from the head down
    ],
)
def test_slices_are_shown_upright(x: tuple[float], y: tuple[float], orientation: int) -> None:
    z = np.cross(x, y)
    assert anatomy.upright(anatomy.affine_of((x, y, z), (0, 0, 0))) == orientation


def test_systems_are_turned_both_ways() -> None:
    affine = anatomy.affine_of(((0, 2, 0), (3, 0, 0), (0, 0, 4)), (5, 6, 7))
    assert anatomy.steps(affine) == {"x": 2, "y": 3, "z": 4}
    ras = anatomy.turned(affine)
    assert [row[3] for row in ras] == [-5, -6, 7, 1]
    assert anatomy.turned(ras) == affine
    assert anatomy.usable(affine)
    assert not anatomy.usable(np.zeros((4, 4)))
    assert not anatomy.usable(np.full((4, 4), np.nan))


def test_suffixes_of_compressed_files_have_two_parts() -> None:
    names = {
        "a.nii.gz": ".nii.gz",
        "a.b.nii": ".nii",
        "a.gz": ".gz",
        "a.NII.GZ": ".NII.GZ",
        "a": "",
    }
    assert {name: suffix_of(Path(name)) for name in names} == names


def test_results_are_rounded_as_they_are_wanted() -> None:
    values = np.array([[1.4, 1.6, 9e9], [-5, np.nan, 300]], np.float32)
    rounded = Rounded(values, "uint16", nodata=7, ends=(0, 255))
    assert (rounded.shape, rounded.dtype) == ((2, 3), np.dtype(np.uint16))
    assert rounded[1].tolist() == [0, 7, 255]
    assert np.asarray(rounded).tolist() == [[1, 2, 255], [0, 7, 255]]
    same = np.arange(6, dtype=np.uint16).reshape(2, 3) * 60000
    assert np.array_equal(Rounded(same, "uint16", ends=(0, 255))[...], same)  # as it was stored


def test_a_file_names_its_window() -> None:
    pixels = np.linspace(0, 1000, 64 * 64, dtype=np.float32).reshape(64, 64)
    image = Image(pixels, kind="scan", meta={"window": (200.0, 400.0)})
    assert settle(image, Look()).window == (200.0, 400.0)
    assert settle(image, Look(window=(1.0, 2.0))).window == (1.0, 2.0)
    for useless in ((5000.0, 6000.0), (3.0, 3.0), (float("nan"), 1.0)):
        found = settle(Image(pixels, meta={"window": useless}), Look()).window
        assert found is not None and found[1] < 1000


def test_a_window_turned_round_shows_the_negative() -> None:
    pixels = np.linspace(0, 1000, 64 * 64, dtype=np.float32).reshape(64, 64)
    plain, turned = (
        thumbnail(Image(pixels, kind="scan", meta={"window": window}), 64).astype(int)
        for window in ((0.0, 1000.0), (1000.0, 0.0))
    )
    assert np.abs(plain + turned - 255).max() <= 2
    assert turned[0, 0, 0] > turned[-1, -1, 0]


def test_a_voxel_is_found_by_its_millimetres() -> None:
    even = {"affine": anatomy.affine_of(((0, 2, 0), (3, 0.5, 0), (0, 0, -4)), (5, 6, 7))}
    uneven = {
        "directions": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "origin": (5.0, 6.0, 7.0),
        "spacing": {"y": 2.0, "x": 3.0}, "z": [10.0, 11.0, 15.0],
    }  # fmt: skip
    for coords in (even, uneven):
        for place in ((0, 0, 0), (1, 4, 9), (1.5, 3, -2)):
            found = anatomy.voxel(coords, anatomy.point(coords, *place))
            assert found == pytest.approx(place)
    assert anatomy.voxel({}, (1, 2, 3)) is None


def test_what_lies_in_one_room() -> None:
    def volume(edge: int, origin: float, frame: str = "") -> Image:
        affine = anatomy.affine_of(np.eye(3), (origin,) * 3)
        meta = {"identifiers": {anatomy.FRAME: frame}} if frame else {}
        return Image(np.zeros((edge,) * 3), "zyx", "scan", coords={"affine": affine}, meta=meta)

    assert anatomy.same_frame(volume(10, 0), volume(20, -4))
    assert not anatomy.same_frame(volume(10, 0), volume(10, 50))
    assert not anatomy.same_frame(volume(10, 0), volume(10, 7))
    assert anatomy.same_frame(volume(10, 0, "1.2"), volume(10, 50, "1.2"))
    assert not anatomy.same_frame(volume(10, 0, "1.2"), volume(10, 0, "1.3"))
    assert not anatomy.same_frame(volume(10, 0, "1.2"), volume(10, 0))
