from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tiles import Region, cut, mirror, tiles

sizes = st.integers(1, 60)
periods = st.integers(1, 12)


@st.composite
def regions(draw: st.DrawFn, low: int = -70, high: int = 130) -> Region:
    y0, x0 = draw(st.integers(low, high)), draw(st.integers(low, high))
    return Region(y0, x0, y0 + draw(st.integers(1, 70)), x0 + draw(st.integers(1, 70)))


@given(st.integers(-300, 300), st.integers(1, 300), sizes, periods)
def test_mirror_stays_inside_and_keeps_the_inside(
    start: int, count: int, size: int, period: int
) -> None:
    index = mirror(start, start + count, size, period)
    assert index.shape == (count,)
    assert index.min() >= 0
    assert index.max() < size
    wanted = np.arange(start, start + count)
    inside = (wanted >= 0) & (wanted < size)
    np.testing.assert_array_equal(index[inside], wanted[inside])


@given(st.integers(-300, 300), st.integers(1, 300), st.integers(1, 10), periods)
def test_mirror_keeps_the_phase_of_whole_periods(
    start: int, count: int, blocks: int, period: int
) -> None:
    index = mirror(start, start + count, blocks * period, period)
    np.testing.assert_array_equal(index % period, np.arange(start, start + count) % period)


@given(st.integers(-300, 300), st.integers(1, 300), sizes, periods)
def test_mirror_keeps_the_phase_beyond_a_rest_of_a_period(
    start: int, count: int, size: int, period: int
) -> None:
    if size < period:
        return  # not every colour is there: only staying inside is promised
    wanted = np.arange(start, start + count)
    index = mirror(start, start + count, size, period)
    np.testing.assert_array_equal(index % period, wanted % period)


def test_mirror_reflects_at_once_where_there_is_no_cfa() -> None:
    assert mirror(-3, 8, 5, 1).tolist() == [2, 1, 0, 0, 1, 2, 3, 4, 4, 3, 2]


def test_mirror_of_one_pixel() -> None:
    assert mirror(-5, 6, 1, 1).tolist() == [0] * 11
    assert mirror(-5, 6, 1, 2).tolist() == [0] * 11


@given(sizes, sizes, st.data())
def test_cut_inside_is_indexing(height: int, width: int, data: st.DataObject) -> None:
    pixels = np.arange(2 * height * width).reshape(2, height, width)
    y0 = data.draw(st.integers(0, height - 1))
    x0 = data.draw(st.integers(0, width - 1))
    y1 = data.draw(st.integers(y0 + 1, height))
    x1 = data.draw(st.integers(x0 + 1, width))
    part = cut(pixels, Region(y0, x0, y1, x1), 2)
    np.testing.assert_array_equal(part, pixels[:, y0:y1, x0:x1])


@given(sizes, sizes, regions(), periods)
def test_cut_anywhere_takes_the_mirrored_pixels(
    height: int, width: int, region: Region, period: int
) -> None:
    pixels = np.arange(height * width).reshape(height, width)
    rows = mirror(region.y0, region.y1, height, period)
    cols = mirror(region.x0, region.x1, width, period)
    np.testing.assert_array_equal(cut(pixels, region, period), pixels[np.ix_(rows, cols)])


@settings(max_examples=200)
@given(sizes, sizes, regions(), st.integers(1, 40))
def test_tiles_cover_the_region_exactly_once(
    height: int, width: int, region: Region, size: int
) -> None:
    seen = np.zeros((height, width), int)
    for tile in tiles(region, size, height, width):
        seen[tile.slices] += 1
        assert 0 <= tile.y0 < tile.y1 <= height
        assert 0 <= tile.x0 < tile.x1 <= width
        assert tile.meet(region).area > 0
        assert tile.y0 % size == tile.x0 % size == 0
    inside = region.meet(Region.whole(height, width))
    assert seen.max() <= 1
    if inside.area:
        assert (seen[inside.slices] == 1).all()
    else:
        assert not seen.any()


@given(sizes, sizes, regions(), st.integers(1, 40))
def test_tiles_belong_to_the_image_not_to_the_region(
    height: int, width: int, region: Region, size: int
) -> None:
    grid = set(tiles(Region.whole(height, width), size, height, width))
    assert set(tiles(region, size, height, width)) <= grid


def test_tiles_come_centre_first() -> None:
    found = tiles(Region(0, 0, 50, 50), 10, 50, 50)
    assert found[0] == Region(20, 20, 30, 30)
    rim = [max(abs(t.y0 - 20), abs(t.x0 - 20)) for t in found]
    assert rim == sorted(rim)


@pytest.mark.parametrize("region", [Region(5, 5, 5, 9), Region(-9, -9, 0, 0), Region(60, 0, 70, 9)])
def test_no_tiles_for_nothing(region: Region) -> None:
    assert tiles(region, 8, 50, 50) == []


@given(regions(), st.integers(1, 20))
def test_aligned_is_the_smallest_cover(region: Region, step: int) -> None:
    found = region.aligned(step)
    assert all(v % step == 0 for v in (found.y0, found.x0, found.y1, found.x1))
    assert found.meet(region) == region
    assert region.y0 - found.y0 < step
    assert found.y1 - region.y1 < step
    assert region.x0 - found.x0 < step
    assert found.x1 - region.x1 < step


@given(regions(), regions())
def test_meet_is_what_both_cover(one: Region, other: Region) -> None:
    both = one.meet(other)
    assert both.area == other.meet(one).area <= min(one.area, other.area)
    if both.area:
        assert both.meet(one) == both == both.meet(other)


@given(regions(), st.integers(0, 30))
def test_within_finds_the_region_in_its_surroundings(region: Region, halo: int) -> None:
    outer = region.grow(halo)
    rows, cols = np.mgrid[outer.y0 : outer.y1, outer.x0 : outer.x1]
    part = region.within(outer)
    assert rows[part].shape == (region.height, region.width)
    assert (rows[part][0, 0], cols[part][0, 0]) == (region.y0, region.x0)
