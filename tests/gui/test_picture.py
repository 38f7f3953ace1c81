import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtWidgets import QWidget

from core.tiles import Region
from gui.layers import Layers
from gui.viewer import Compare

pytestmark = pytest.mark.tiny
GREY = (118, 118, 118)


def chart(height, width):
    """Every pixel another colour: its row, its column, and both beyond 256."""
    y, x = np.mgrid[:height, :width]
    planes = y % 256, x % 256, y // 256 * 16 + x // 256
    return (np.stack(planes, -1) * 257).astype(np.uint16)


def flat(height, width, value):
    return np.full((height, width, 3), value * 257, np.uint16)


# --- what is painted -----------------------------------------------------------------------------


def test_full_size_shows_every_pixel_as_it_is(viewer, load, seen):
    store = chart(700, 900)
    load(store)
    viewer.zoom_to(1)
    region, level = viewer.wanted()[0]
    assert (region.height, region.width, level) == (300, 400, 1)
    assert np.array_equal(seen(), (store >> 8)[region.slices])


def test_full_size_stays_exact_wherever_it_is_panned(viewer, load, seen):
    store = chart(700, 900)
    load(store)
    viewer.zoom_to(1)
    viewer.pan_by(13.37, -41.6)
    region, _ = viewer.wanted()[0]
    assert np.array_equal(seen(), (store >> 8)[region.slices])


@pytest.mark.parametrize("zoom", [2, 3, 4])
def test_large_pixels_are_squares(viewer, load, seen, zoom):
    store = chart(700, 900)
    load(store, levels=(1, 2))
    viewer.zoom_to(zoom)
    shown = seen()
    for y, x in ((0, 0), (3, 8), (150, 200), (299, 399), (17, 120)):
        row, column = (int(v) for v in viewer.sensor_at(QPointF(x + 0.5, y + 0.5)))
        assert tuple(shown[y, x]) == tuple(store[row, column] >> 8)
    assert np.unique(shown.reshape(-1, 3), axis=0).shape[0] <= (300 // zoom + 2) * (400 // zoom + 2)


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_while_painting_only(viewer, load, seen, orientation):
    store = chart(120, 200)
    load(store, orientation=orientation)
    viewer.zoom_to(1)
    expected = TURNED[orientation](store >> 8)
    top, left = (300 - expected.shape[0]) // 2, (400 - expected.shape[1]) // 2
    shown = seen()
    inside = shown[top : top + expected.shape[0], left : left + expected.shape[1]]
    assert np.array_equal(inside, expected)
    assert tuple(shown[0, 0]) == GREY
    y, x = viewer.sensor_at(QPointF(left + 30.5, top + 20.5))
    assert tuple(store[int(y), int(x)] >> 8) == tuple(expected[20, 30])
    assert viewer.wanted() == [(Region.whole(120, 200), 1)]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (613, 817), (299, 401), (5, 3000)])
def test_odd_sizes_fill_their_place_in_every_mode(viewer, load, seen, size):
    load(flat(*size, 200), levels=(1, 2, 4))
    for mode in Compare:
        viewer.compare = mode
        viewer.fit()
        frame = viewer._panes()[0].frame()
        if frame is None:  # less than half a device pixel high
            continue
        middle = seen()[(frame.box.y0 + frame.box.y1) // 2, frame.box.x0 + 1]
        expected = 128 if mode is Compare.DIFFERENCE else 200
        assert abs(int(middle[2]) - expected) <= 1, mode


def test_zoomed_out_noise_is_averaged_not_picked(viewer, load, seen):
    noise = np.random.default_rng(3).normal(128 * 257, 6000, (900, 1200, 3)).astype(np.uint16)
    load(noise, levels=(1, 3))
    viewer.zoom_to(0.34)
    assert viewer.wanted()[0][1] == 1
    shown = seen()
    assert abs(shown.mean() - 127.5) < 0.5
    assert shown.std() < 0.55 * 6000 / 257


def test_wanted_level_is_never_enlarged(viewer, load):
    load(chart(900, 1200), levels=(1, 2, 4))
    for scale, level in ((2, 1), (1, 1), (0.8, 1), (0.5, 2), (0.34, 2)):
        viewer.zoom_to(scale)
        assert viewer.wanted()[0][1] == level


def test_parts_are_painted_like_the_whole(viewer, load, seen):
    load(chart(700, 900), 65535 - chart(700, 900), orientation=6, levels=(1, 2))
    viewer.compare = Compare.WIPE
    viewer.zoom_to(0.77)
    whole = seen()
    part = QRect(150, 40, 120, 90)
    image = QImage(120, 90, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    viewer.render(painter, QPoint(), QRegion(part), QWidget.RenderFlag.DrawChildren)
    painter.end()
    assert np.array_equal(seen(image), whole[40:130, 150:270])


def test_background(viewer, load, seen):
    load(flat(100, 100, 50))
    for name, grey in (("black", 0), ("grey", 118), ("white", 255)):
        viewer.background = name
        assert tuple(seen()[5, 5]) == (grey,) * 3
    with pytest.raises(ValueError, match="one of black, grey, white"):
        viewer.background = "pink"


def test_look_is_a_repaint(viewer, load, seen, qtbot):
    load(flat(300, 400, 50))
    with qtbot.assertNotEmitted(viewer.viewChanged):
        viewer.set_screen(lambda store: np.full(store.shape, 9, np.uint8))
    assert (seen() == 9).all()


# --- what is there -------------------------------------------------------------------------------


def test_stale_pixels_stay_until_they_are_replaced(viewer, load, seen):
    load(flat(300, 400, 10), flat(300, 400, 20))
    assert viewer.state_at_view() == "full"
    viewer.begin("after")
    assert viewer.state_at_view() == "partial"
    assert (seen() == 20).all()
    viewer.put("after", 1, Region(0, 0, 300, 200), flat(300, 200, 30))
    shown = seen()
    assert (shown[:, :200] == 30).all() and (shown[:, 200:] == 20).all()
    viewer.put("after", 1, Region(0, 200, 300, 400), flat(300, 200, 30), proxy=True)
    assert viewer.state_at_view() == "proxy"
    viewer.put("after", 1, Region(0, 200, 300, 400), flat(300, 200, 30))
    assert viewer.state_at_view() == "full"


def test_fresh_coarse_pixels_win_over_stale_fine_ones(viewer, load, seen):
    load(flat(300, 400, 10), flat(300, 400, 20), levels=(1, 4))
    viewer.begin("after")
    viewer.put("after", 4, Region.whole(300, 400), flat(75, 100, 40), proxy=True)
    assert viewer.state_at_view() == "proxy"
    assert (seen() == 40).all()
    viewer.put("after", 1, Region(0, 0, 128, 128), flat(128, 128, 50))
    shown = seen()
    assert (shown[:127, :127] == 50).all() and (shown[130:] == 40).all()


def test_no_dark_seam_around_lone_tiles(viewer, seen):
    viewer.set_image(600, 800, 1, (1, 2, 4))
    viewer.put("before", 4, Region.whole(600, 800), flat(150, 200, 100))
    viewer.put("before", 1, Region(256, 256, 384, 512), flat(128, 256, 100))
    viewer.compare = Compare.BEFORE
    for scale in (0.7, 1.3, 2.0):
        viewer.zoom_to(scale)
        assert (seen()[60:] == 100).all()  # the word "before" is above


def test_holes_show_before_then_the_background(viewer, seen):
    viewer.set_image(300, 400, 1, (1,))
    assert (seen() == 118).all()
    viewer.put("after", 1, Region(0, 0, 100, 400), flat(100, 400, 200))
    viewer.put("before", 1, Region(0, 0, 200, 400), flat(200, 400, 60))
    shown = seen()
    assert (
        (shown[:100] == 200).all() and (shown[100:200] == 60).all() and (shown[200:] == 118).all()
    )
    assert viewer.state_at_view() == "partial"
    viewer.compare = Compare.DIFFERENCE
    shown = seen()[:, 200:]
    assert (shown[:100] == 255).all() and (shown[100:] == 118).all()


def test_zooming_out_shows_finer_pixels_until_coarse_ones_come(viewer, seen):
    viewer.set_image(600, 800, 1, (1, 2))
    viewer.put("before", 1, Region.whole(600, 800), flat(600, 800, 77))
    viewer.compare = Compare.BEFORE
    assert viewer.wanted()[0][1] == 2
    assert (seen()[60:] == 77).all()


def test_a_thousand_renewals():
    layers = Layers(64, 64, (1,))
    whole = Region.whole(64, 64)
    for _ in range(1000):
        layers.put("after", 1, whole, flat(64, 64, 1), False)
        assert layers.state("after", 1, whole) == "full"
        layers.begin("after")
        assert layers.state("after", 1, whole) == "partial"


def test_unknown_binning_is_refused(viewer):
    viewer.set_image(64, 64, 1, (1, 2))
    with pytest.raises(ValueError, match="binning 3"):
        viewer.put("after", 3, Region.whole(64, 64), flat(22, 22, 1))


def test_a_new_image_forgets_the_old(viewer, load, seen):
    load(flat(300, 400, 90))
    viewer.set_roi(Region(1, 1, 5, 5))
    viewer.set_image(300, 400, 1, (1,))
    assert viewer.roi is None and (seen() == 118).all()
    viewer.clear()
    assert viewer.wanted() == [] and (seen() == 118).all()
    viewer.put("before", 1, Region.whole(2, 2), flat(2, 2, 1))  # a late tile: no image, no harm


# --- comparing -----------------------------------------------------------------------------------


def test_side_by_side_shows_the_same_pixels(viewer, load, seen):
    load(chart(700, 900), levels=(1, 2))
    viewer.compare = Compare.SIDE
    for move in (
        lambda: viewer.zoom_to(1),
        lambda: viewer.pan_by(31, 7),
        lambda: viewer.zoom_to(2.5),
    ):
        move()
        shown = seen()[40:]
        assert np.array_equal(shown[:, 1:199], shown[:, 201:399])
    region, _ = viewer.wanted()[0]
    assert abs(region.width - 200 / 2.5) <= 1


def test_side_by_side_zoom_under_the_right_pointer(viewer, load):
    load(chart(700, 900))
    viewer.compare = Compare.SIDE
    viewer.zoom_to(1)
    point = QPointF(333, 120)
    before = viewer.sensor_at(point)
    viewer.zoom_to(3.7, point)
    assert np.allclose(viewer.sensor_at(point), before, atol=0.5)


def test_difference_is_centred_on_grey(viewer, load, seen):
    before, after = flat(300, 400, 100), flat(300, 400, 100)
    after[:, 100:200] += 257 * 2
    after[:, 200:300] -= 257 * 2
    load(before, after)
    viewer.compare, viewer.difference_gain = Compare.DIFFERENCE, 10
    row = seen()[150, :, 0]
    assert set(row[:100]) == {128} and set(row[100:200]) == {148}
    assert set(row[200:300]) == {108} and set(row[300:]) == {128}
    viewer.difference_gain = 1000
    assert set(seen()[150, :, 0]) == {128, 255, 0}
