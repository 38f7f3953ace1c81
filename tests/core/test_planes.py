"""Planes of a volume: what is seen of it is what is stored, upright, with the right letters."""

from __future__ import annotations

from itertools import pairwise, permutations, product

import numpy as np
import pytest

from core import anatomy
from core.desk import Desk
from core.develop import Look, settle
from core.image import Image
from core.noise.model import PoissonGaussian, Sliced
from core.planes import UPRIGHT, orientation, planes, reformatted, seen, stored, turned
from core.recipe import Recipe, Step
from core.reformat import noise_of
from core.registry import load
from core.render import Renderer, assemble
from core.show import Judge, ShowAfter, ShowBefore, Shown
from core.tiles import Region

SIZES = 5, 40, 30


def volume(**coords: object) -> Image:
    pixels = np.random.default_rng(3).normal(500, 40, SIZES).astype(np.float32)
    return Image(pixels, "zyx", "scan", coords=coords)


@pytest.mark.parametrize("across", "zyx")
def test_a_plane_is_a_view_of_the_volume(across: str) -> None:
    image, at = volume(), 3
    plane = reformatted(image, across)
    expected = {"z": image.pixels[at], "y": image.pixels[:, at], "x": image.pixels[:, :, at]}
    assert np.array_equal(plane.pixels[at], expected[across])
    assert np.shares_memory(plane.pixels, image.pixels)
    region = Region(1, 2, 4, 9, ((at, at + 1),))
    there = stored(region, "z", across)
    assert seen(there, "z", across) == region
    cut = turned(image.pixels[there.index("zyx")], "zyx", across)
    assert np.array_equal(cut, plane.pixels[region.index("zyx")])


def test_of_a_series_in_time_a_plane_shows_one_moment() -> None:
    pixels = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    image = Image(pixels, "tzyx", "scan")
    region = Region(0, 0, 3, 5, ((1, 2), (2, 3)))  # t 1, y 2
    there = stored(region, "tz", "y")
    assert there == Region(2, 0, 3, 5, ((1, 2), (0, 3)))
    assert np.array_equal(reformatted(image, "y").pixels[1, 2], pixels[1, :, 2])


@pytest.mark.parametrize("across", "yx")
@pytest.mark.parametrize("amount", [1.0, 0.4])
def test_after_of_a_plane_is_what_export_writes(across: str, amount: float) -> None:
    image, noise = volume(), PoissonGaussian((0.0,), (40.0,))
    method = load().methods["fast"]
    recipe, desk = Recipe((Step(method(), amount),)), Desk()
    look = settle(image, Look())
    plane = reformatted(image, across)
    region = Region(0, 0, plane.height, plane.width, ((7, 8),))
    work = ShowAfter(image, noise, recipe, region, 1, look, across=across)
    found = np.zeros((plane.height, plane.width), np.uint16)
    for shown in work(desk, lambda: False):
        if isinstance(shown, Shown):
            assert shown.across == across and shown.region.front == region.front
            found[shown.region.slices] = shown.store[..., 0]
    whole = assemble(Renderer(image, noise, recipe, desk), Region(0, 0, 40, 30, ((0, 5),)))
    twin = Image(whole, "zyx", "scan")
    (before,) = ShowBefore(twin, region, 1, look, across)(desk, lambda: False)
    assert np.array_equal(found, before.store[..., 0])


def test_noise_that_differs_by_slice_differs_by_row_of_a_plane() -> None:
    models = tuple(PoissonGaussian((0.0,), (float(z + 1),)) for z in range(SIZES[0]))
    region = Region(1, 0, 4, 30, ((7, 8),))
    found = noise_of(Sliced(models), volume(), region, "y").sigma(np.zeros((3, 30)), 0)
    assert np.array_equal(found, np.repeat([[2.0], [3.0], [4.0]], 30, 1))


def test_statistics_of_a_plane_are_in_the_unit_of_the_file() -> None:
    pixels = np.random.default_rng(3).normal(500, 40, (40, 60, 50)).astype(np.float32)
    image = Image(pixels, "zyx", "scan", meta={"scale": (2.0, -1000.0, "HU")})
    noise, region = PoissonGaussian((0.0,), (40.0,)), Region(0, 0, 40, 50, ((7, 8),))
    ((_, found),) = Judge(image, noise, Recipe(), region, "y")(Desk(), lambda: False)
    (one,) = found.channels
    assert one.mean_before == pytest.approx(2 * pixels[:, 7].mean() - 1000, abs=0.1)
    assert one.sigma_before == pytest.approx(80, rel=0.1)
    assert one.histogram.edges[0] == pytest.approx(2 * pixels[:, 7].min() - 1000, abs=0.1)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((-1, 1), repeat=3)))
def test_every_way_a_volume_may_lie_is_shown_upright(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    matrix = np.zeros((3, 3))
    for axis, (row, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[row, axis] = sign
    affine = anatomy.affine_of(matrix.T, (0, 0, 0))
    image = volume(affine=affine, spacing={"z": 1.0, "y": 1.0, "x": 1.0})
    found = planes(image)
    assert sorted(plane.name for plane in found) == ["Axial", "Coronal", "Sagittal"]
    expected = {"Axial": "RALP", "Coronal": "RSLI", "Sagittal": "ASPI"}
    for plane in found[1:]:
        assert "".join(plane.edges) == expected[plane.name]


def test_oblique_letters_have_two() -> None:
    assert anatomy.letters((1, 0, 0)) == "L"
    assert anatomy.letters((-0.9, 0.05, 0.4)) == "RS"
    assert anatomy.letters((0.1, -0.99, 0)) == "A"


def test_orientation_of_the_usual_planes() -> None:
    for name, (right, down) in UPRIGHT.items():
        assert orientation(np.array(right), np.array(down), name) == 1
        assert orientation(np.array(down), np.array(right), name) == 5


def test_voxels_keep_their_shape() -> None:
    image = volume(spacing={"z": 5.0, "y": 0.5, "x": 0.5})
    z, y, x = planes(image)
    assert z.pixel == (1, 1) and z.millimetres == 0.5
    assert y.pixel == (10, 1) and x.pixel == (10, 1) and (y.height, y.width) == (5, 30)
    assert (y.count, x.count) == (40, 30)
    assert all(plane.edges == ("",) * 4 for plane in (z, y, x))  # nobody said how it lies


def test_uneven_slices_have_places_too() -> None:
    coords = {
        "directions": np.eye(3).tolist(),
        "origin": [-10.0, -20.0, 3.0],
        "z": np.array([3.0, 5.0, 25.0]),
        "spacing": {"z": 2.0, "y": 0.5, "x": 0.75},
    }
    assert anatomy.point(coords, 2, 4, 8) == (-4.0, -18.0, 25.0)
    affine = {"affine": anatomy.affine_of(((2, 0, 0), (0, 3, 0), (0, 0, 4)), (1, 2, 3))}
    assert anatomy.point(affine, 1, 1, 1) == (3, 5, 7)
    assert anatomy.told((-3.04, 5.0, 7.0)) == "R 3.0  P 5.0  S 7.0 mm"
    assert anatomy.point({}, 0, 0, 0) is None


def test_only_volumes_are_cut() -> None:
    flat = Image(np.zeros((30, 40), np.uint16), "yx", "scan")
    movie = Image(np.zeros((3, 30, 40), np.uint16), "tyx", "clip")
    colours = Image(np.zeros((5, 3, 30, 40), np.uint8), "zcyx", "display")
    for image in (flat, movie, colours):
        assert [plane.across for plane in planes(image)] == ["z"]
    assert all(a != b for a, b in pairwise(p.across for p in planes(volume())))
