"""What the shapes of a mask cover."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from core.image import Image, Levels
from core.mask import Mask, Shape
from core.tiles import Region, tiles


@pytest.mark.parametrize("feather", [31.0, 40.0, 100.0, 300.0])
def test_a_wide_feather_is_nearly_exact(feather: float) -> None:
    shapes = (Shape("ellipse", ((60.0, 80.0), (300.0, 500.0))),
              Shape("polygon", ((100.0, 90.0), (200.0, 400.0), (120.0, 300.0)), True))  # fmt: skip
    shade = Image(np.random.default_rng(1).random((320, 560), np.float32), levels=Levels(white=1))
    mask, area = Mask(shapes, feather, image=shade), Region.whole(320, 560)
    full = mask.weights(area)
    for part in tiles(area, 150, 320, 560):
        np.testing.assert_array_equal(mask.weights(part), full[part.slices])
    import cv2

    reach = int(np.ceil(2 * feather))
    wide = area.grow(reach)
    covered = mask._covered(wide)  # pyright: ignore[reportPrivateUsage]
    edge = 2 * reach + 1
    exact = cv2.GaussianBlur(covered, (edge, edge), feather / 2)[area.within(wide)]
    assert np.abs(full - exact).max() < 2e-3


def test_shapes_add_and_subtract_in_their_order() -> None:
    big = Shape("rectangle", ((0.0, 0.0), (10.0, 10.0)))
    hole = Shape("rectangle", ((2.0, 2.0), (6.0, 6.0)), True)
    area = Region.whole(10, 12)
    found = Mask((big, hole)).weights(area)
    assert found[0, 0] == 1 and found[3, 3] == 0 and found[0, 11] == 0
    assert Mask((hole, big)).weights(area)[3, 3] == 1
    alone = Mask((hole,)).weights(area)  # cut out of the whole picture
    assert alone[3, 3] == 0 and alone[0, 11] == 1
    assert Mask((hole,), invert=True).weights(area)[3, 3] == 1


def test_a_stroke_covers_what_is_near_its_way() -> None:
    dot, way = ((20.0, 30.0),), ((10.0, 10.0), (10.0, 50.0), (40.5, 61.25))
    area = Region.whole(64, 80)
    rows, cols = np.mgrid[:64, :80] + 0.5
    np.testing.assert_array_equal(
        Mask((Shape("stroke", dot, width=9.0),)).weights(area),
        np.hypot(rows - 20, cols - 30) <= 4.5,
    )
    found = Mask((Shape("stroke", way, width=8.0),)).weights(area)
    apart = np.full(found.shape, np.inf)
    for share in np.linspace(0, 1, 2001)[:, None, None]:  # as it would be painted, dab by dab
        for (ya, xa), (yb, xb) in itertools.pairwise(way):
            dab = np.hypot(rows - ya - share * (yb - ya), cols - xa - share * (xb - xa))
            np.minimum(apart, dab, out=apart)
    sure = abs(apart - 4) > 0.01
    np.testing.assert_array_equal(found[sure], (apart <= 4)[sure])
    for part in tiles(area, 17, 64, 80):
        np.testing.assert_array_equal(
            Mask((Shape("stroke", way, width=8.0),)).weights(part), found[part.slices]
        )


def test_a_gradient_falls_from_one_end_to_the_other() -> None:
    found = Mask((Shape("gradient", ((10.0, 7.0), (30.0, 7.0))),)).weights(Region.whole(40, 20))
    assert (found == found[:, :1]).all()  # the same across
    np.testing.assert_allclose(
        found[:, 0], np.clip(1 - (np.arange(40) - 9.5) / 20, 0, 1), atol=1e-6
    )
    slanted = Shape("gradient", ((0.0, 0.0), (30.0, 40.0)))
    half = Mask((slanted,)).weights(Region(14, 19, 16, 21))
    assert half.mean() == pytest.approx(0.5) and half[0, 0] > half[1, 1]
    both = Mask((slanted, replace(slanted, points=slanted.points[::-1], subtract=True)))
    assert both.weights(Region.whole(40, 50)).max() <= 1  # what is cut out leaves the rest of 1
    small = both.coarser(2, lambda image: image).weights(Region.whole(20, 25))
    full = both.weights(Region.whole(40, 50)).reshape(20, 2, 25, 2).mean((1, 3))
    np.testing.assert_allclose(small, full, atol=0.03)


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "stroke", "points": [[1, 1]]},
        {"kind": "stroke", "points": [], "width": 3},
        {"kind": "rectangle", "points": [[1, 1], [2, 2]], "width": 3},
        {"kind": "gradient", "points": [[1, 1]]},
        {"kind": "star", "points": [[1, 1], [2, 2]]},
    ],
)
def test_shapes_that_make_no_sense_are_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="mask"):
        Mask.from_json({"shapes": [entry]}, {})


def test_slices_bound_a_mask() -> None:
    mask = Mask((Shape("rectangle", ((2.0, 2.0), (6.0, 9.0))),), slices=(("z", 1, 3),))
    flat, part = Mask(mask.shapes), Region(0, 0, 8, 12, ((4, 5), (0, 4)))
    found = mask.over(part, "tzcyx")
    assert found.shape == (4, 1, 8, 12)
    for at, works in enumerate((0, 1, 1, 0)):
        np.testing.assert_array_equal(found[at, 0], works * flat.weights(part))
    inverted = replace(mask, invert=True).over(part, "tzyx")
    assert inverted[1].max() == 1 and not inverted[0].any()
    alone = Mask(slices=(("t", 4, 9),))
    assert (alone.over(part, "tzyx") == 1).all()
    assert alone.holds({"t": 4, "z": 0}) and not alone.holds({"t": 9}) and alone.key != Mask().key
    assert Mask.from_json(mask.to_json(), {}) == mask
    assert mask.to_json()["slices"] == {"z": [1, 3]} and "slices" not in flat.to_json()
    for bad in ((("z", 3, 3),), (("z", -1, 2),), (("z", 0, 1), ("z", 2, 3))):
        with pytest.raises(ValueError, match="slices of a mask"):
            Mask(slices=bad)
