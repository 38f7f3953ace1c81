"""View: what is looked at, and how: the image's pixels, zoom and place, way of comparing.

Regions and positions are in sensor pixels, whatever the zoom, the rotation or the screen's pixel
ratio. Painting is in picture.py, mouse and keys are in viewer.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.image import Array
from core.tiles import Region
from gui.camera import Camera
from gui.layers import Layers
from gui.panes import Compare, Pane, loupe, panes
from gui.render import Screen

BACKGROUNDS = {"black": 0, "grey": 118, "white": 255}  # 118: 18 % of white's light in sRGB
LOUPE = 200  # edge of each of the loupe's halves, logical pixels


class View(QWidget):
    """Shows one image: `set_image`, then `put` its pixels; `viewChanged` says which are wanted."""

    viewChanged = Signal(object, int)  # the visible Region, the binning wanted for it
    roiChanged = Signal(object)  # Region or None
    wipeMoved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: Layers | None = None
        self._camera: Camera | None = None
        self._screen: Screen = _plain
        self._compare = Compare.AFTER
        self._blinking = self._loupe = False
        self._wipe, self._gain, self._background = 0.5, 8.0, "grey"
        self._roi: Region | None = None
        self._outline: Region | None = None  # the area while it is drawn
        self._pointer: QPointF | None = None
        self._fitted = True
        self._asked: list[tuple[Region, int]] = []  # what viewChanged stood for last
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Picture")
        self.setAccessibleDescription("The image before and after denoising")

    # --- pixels --------------------------------------------------------------------------------

    def set_image(
        self, height: int, width: int, orientation: int = 1, levels: Sequence[int] = (1,)
    ) -> None:
        """A new image of height x width sensor pixels; `levels`: the binnings `put` may bring."""
        self._layers = Layers(height, width, levels)
        self._camera = Camera(height, width, orientation)
        self._asked = []
        self.set_roi(None)
        self.fit()

    def clear(self) -> None:
        """No image."""
        self._layers = self._camera = None
        self._asked = []
        self.set_roi(None)
        self.update()

    def begin(self, layer: str) -> None:
        """The pixels of "before" or "after" are stale: drawn until `put` replaces them."""
        if self._layers:
            self._layers.begin(layer)

    def turn(self) -> None:
        """Another slice: its "before" replaces the old one's, of "after" there is nothing yet."""
        if self._layers:
            self._layers.begin("before")
            self._layers.drop("after")
            self.update()

    def put(
        self, layer: str, level: int, region: Region, store: Array, proxy: bool = False
    ) -> None:
        """Developed pixels of a region, uint16 (rows, columns, 3), binned `level` times.

        Raises ValueError for a level that `set_image` did not name.
        """
        if not self._layers:
            return
        self._layers.put(layer, level, region, store, proxy)
        if self._loupe:
            self.update()
            return
        for pane in self._panes():
            self.update(self._logical(pane.view.box_of(region)).toAlignedRect())

    def set_screen(self, to_screen: Screen) -> None:
        """Another look (exposure, curve, monitor profile): a repaint and nothing else."""
        self._screen = to_screen
        self.update()

    def wanted(self) -> list[tuple[Region, int]]:
        """Regions and their binnings, the most wanted first: what is seen, then the loupe's."""
        if not self._layers:
            return []
        found: list[tuple[Region, int]] = []
        whole = Region.whole(self._layers.height, self._layers.width)
        for pane in self._panes()[:1] + self._loupe_panes()[:1]:
            frame = pane.camera.frame(pane.place, pane.place)  # both sides of a divider
            if frame:
                region = frame.region(whole.height, whole.width)
                found.append((region, self._layers.level(frame.scale)))
        if self._fitted and found:  # all of it, though rounding to screen pixels may cut a row
            found[0] = whole, found[0][1]
        return found

    @property
    def levels(self) -> tuple[int, ...]:
        """The binnings of the image, finest first."""
        return self._layers.levels if self._layers else ()

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels held here take."""
        return self._layers.nbytes if self._layers else 0

    def state_of(self, layer: str, level: int, region: Region) -> str:
        """How good a layer is there: "full", "proxy" (current but coarse) or "partial"."""
        return self._layers.state(layer, level, region) if self._layers else "partial"

    def state_at_view(self) -> str:
        """The worst `state_of` of what is seen now: for the status line."""
        wanted = self.wanted()
        if not wanted:
            return "partial"
        region, level = wanted[0]
        both = {Compare.AFTER, Compare.BEFORE}
        states = [self.state_of(each.value, level, region) for each in both & {self.shown} or both]
        return next(state for state in ("partial", "proxy", "full") if state in states)

    # --- how it is shown -----------------------------------------------------------------------

    @property
    def compare(self) -> Compare:
        """What is shown when nothing blinks."""
        return self._compare

    @compare.setter
    def compare(self, mode: Compare) -> None:
        self._compare = mode
        self._lay_out()

    @property
    def blinking(self) -> bool:
        """The other picture for a moment: before, or after where before is what is shown.

        Side by side there is nothing to blink.
        """
        return self._blinking

    @blinking.setter
    def blinking(self, on: bool) -> None:
        self._blinking = on
        self.update()

    @property
    def shown(self) -> Compare:
        """What is shown now, blinking or not."""
        if not self._blinking or self._compare is Compare.SIDE:
            return self._compare
        return Compare.AFTER if self._compare is Compare.BEFORE else Compare.BEFORE

    @property
    def wipe(self) -> float:
        """Where the divider stands, 0 (left edge) to 1."""
        return self._wipe

    @wipe.setter
    def wipe(self, value: float) -> None:
        value = min(max(value, 0.0), 1.0)
        if value == self._wipe:
            return
        ends = sorted((value * self.width(), self._wipe * self.width()))
        self._wipe = value
        self.update(QRectF(ends[0] - 16, 0, ends[1] - ends[0] + 32, self.height()).toAlignedRect())
        self.wipeMoved.emit(value)

    @property
    def difference_gain(self) -> float:
        """How much the difference is amplified."""
        return self._gain

    @difference_gain.setter
    def difference_gain(self, value: float) -> None:
        self._gain = value
        self.update()

    @property
    def background(self) -> str:
        """Around the picture: "black", "grey" (18 %) or "white"."""
        return self._background

    @background.setter
    def background(self, name: str) -> None:
        if name not in BACKGROUNDS:
            raise ValueError(f"the background is one of {', '.join(BACKGROUNDS)}, not {name!r}")
        self._background = name
        self.update()

    @property
    def loupe(self) -> bool:
        """A magnifier under the pointer: before | after, four times larger."""
        return self._loupe

    @loupe.setter
    def loupe(self, on: bool) -> None:
        self._loupe = on
        self._view_moved()

    @property
    def roi(self) -> Region | None:
        """The area to be measured, in sensor pixels."""
        return self._roi

    def set_roi(self, region: Region | None) -> None:
        """Another area to be measured, cut to the image; None: no area."""
        if region is not None and self._camera is not None:
            region = region.meet(Region.whole(self._camera.height, self._camera.width))
        region = region if region is not None and region.area else None
        self._outline = None
        self.update()
        if region != self._roi:
            self._roi = region
            self.roiChanged.emit(region)

    # --- zoom and pan --------------------------------------------------------------------------

    @property
    def scale(self) -> float:
        """Device pixels per sensor pixel: 1.0 is 100 %."""
        return self._camera.scale if self._camera else 1.0

    @property
    def fitted(self) -> bool:
        """Whether the whole picture is shown, and stays so when the window changes its size."""
        return self._fitted

    def fit(self) -> None:
        """The whole picture."""
        self._fitted = True
        self._lay_out()

    def zoom_to(self, scale: float, around: QPointF | None = None) -> None:
        """`scale` device pixels per sensor pixel; the point `around` (default: middle) stays."""
        if not self._camera:
            return
        self._fitted = False
        if around is None:
            self._camera = self._camera.zoomed(scale, self._panes()[0].place)
        else:
            y, x = self._device_point(around)
            self._camera = self._camera.zoomed(scale, self._pane_at(around).place, (y, x))
        self._view_moved()

    def zoom_by(self, factor: float, around: QPointF | None = None) -> None:
        """Larger or smaller; stops at 100 % on the way, where noise is seen as it is."""
        scale = self.scale * factor
        if min(self.scale, scale) < 1 < max(self.scale, scale):
            scale = 1.0
        self.zoom_to(scale, around)

    def pan_by(self, dx: float, dy: float) -> None:
        """Moves the picture by so many logical pixels to the right and down."""
        if self._camera:
            ratio = self.devicePixelRatioF()
            self._camera = self._camera.panned(dy * ratio, dx * ratio, self._panes()[0].place)
            self._view_moved()

    def sensor_at(self, point: QPointF) -> tuple[float, float] | None:
        """Sensor (y, x) under a point of the widget; may lie outside the image."""
        if not self._camera:
            return None
        return self._pane_at(point).view.sensor(*self._device_point(point))

    def _lay_out(self) -> None:
        """Fits the camera to panes that may have changed."""
        if self._camera:
            camera, place = self._camera, self._panes()[0].place
            fitted = self._fitted
            self._camera = camera.fitted(place) if fitted else camera.zoomed(camera.scale, place)
        self._view_moved()

    def _view_moved(self) -> None:
        self.update()
        wanted = self.wanted()
        if wanted and wanted != self._asked:
            self._asked = wanted
            self.viewChanged.emit(*wanted[0])

    # --- panes ---------------------------------------------------------------------------------

    @property
    def _whole(self) -> Region:
        ratio = self.devicePixelRatioF()
        height, width = math.ceil(self.height() * ratio), math.ceil(self.width() * ratio)
        return Region.whole(max(height, 1), max(width, 1))

    def _panes(self) -> list[Pane]:
        if self._camera is None:
            return []
        return panes(self.shown, self._camera, self._whole, self._wipe)

    def _loupe_panes(self) -> list[Pane]:
        if not self._loupe or not self._camera or self._pointer is None:
            return []
        y, x = self._device_point(self._pointer)
        edge = round(LOUPE * self.devicePixelRatioF())
        return loupe(self._pane_at(self._pointer), self._whole, y, x, edge)

    def _pane_at(self, point: QPointF) -> Pane:
        shown, (_, x) = self._panes(), self._device_point(point)
        return ([pane for pane in shown if pane.clip.x0 <= x] or shown)[-1]

    def _device_point(self, point: QPointF) -> tuple[float, float]:
        ratio = self.devicePixelRatioF()
        return point.y() * ratio, point.x() * ratio

    def _device(self, area: QRect) -> Region:
        ratio = self.devicePixelRatioF()
        top, left = math.floor(area.y() * ratio), math.floor(area.x() * ratio)
        bottom, right = area.y() + area.height(), area.x() + area.width()
        return Region(top, left, math.ceil(bottom * ratio), math.ceil(right * ratio))

    def _logical(self, box: Region) -> QRectF:
        ratio = self.devicePixelRatioF()
        return QRectF(box.x0 / ratio, box.y0 / ratio, box.width / ratio, box.height / ratio)

    # --- the window system ---------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt: keep the view in a widget of another size."""
        super().resizeEvent(event)
        self._lay_out()

    def event(self, event: QEvent) -> bool:
        """Qt: another screen may have other pixels."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._lay_out()
        return super().event(event)


def _plain(store: Array) -> Array:
    return (store >> 8).astype(np.uint8)
