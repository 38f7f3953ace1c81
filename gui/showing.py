"""Showing: which layer is on screen, what divides before and after, which area is measured.

The state of the picture's widget that does not depend on an image; view.py adds the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.tiles import Region
from gui.panes import Compare, Pane

Spot = tuple[str, float, float]  # across which plane, sensor y and x
BACKGROUNDS = {"black": 0, "grey": 118, "white": 255}  # 118: 18 % of white's light in sRGB


class Tool(Protocol):
    """Draws in the picture with mouse and keys."""

    def grasp(self, point: QPointF, shift: bool) -> Callable[[QPointF], None] | None:
        """What a drag that begins here does; None where that is the picture's business."""
        ...

    def release(self) -> None:
        """The drag is over."""
        ...

    def double(self, point: QPointF) -> bool:
        """A double click; was it for the tool?"""
        ...

    def cursor(self, point: QPointF) -> Qt.CursorShape | None:
        """The pointer's look at a place; None where that is the picture's business."""
        ...

    def takes(self, event: QKeyEvent) -> bool:
        """Is this key for the tool rather than for a command of the window?"""
        ...

    def key(self, event: QKeyEvent) -> bool:
        """A key; was it for the tool?"""
        ...

    def paint(self, painter: QPainter, pane: Pane, ratio: float) -> None:
        """Over a pane of the picture, in logical pixels."""
        ...


class Showing(QWidget):
    """How the picture is shown; every change repaints."""

    roiChanged = Signal(object)  # Region or None
    marksChanged = Signal(object, object)  # the second area, the line across an edge; or None
    wipeMoved = Signal(float)
    showingChanged = Signal()  # another way of comparing: its mode, divider, gain, or blinking

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._compare = Compare.AFTER
        self._blinking = self._loupe = self._over = False
        self._wipe, self._gain, self._background = 0.5, 8.0, "grey"
        self._roi: Region | None = None
        self._second: Region | None = None
        self._line: tuple[float, float, float, float] | None = None
        self._marked = "z"  # the plane that areas and line are drawn in
        self._outline: Region | None = None  # the area while it is drawn
        self._pointer: QPointF | None = None
        self._ghost: Spot | None = None  # the pointer of a linked window, in sensor pixels here
        self.tool: Tool | None = None  # what has the hand before all else: see mask_tool.py
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Picture")
        self.setAccessibleDescription("The image before and after denoising")

    def _lay_out(self) -> None:
        """What is shown where may have changed."""
        raise NotImplementedError

    def _view_moved(self) -> None:
        """Other pixels may be wanted."""
        raise NotImplementedError

    def _extent(self) -> Region | None:
        """All pixels of the plane that an area is drawn in; None without an image."""
        raise NotImplementedError

    def _alone(self) -> bool:
        """Does one plane fill the widget?"""
        raise NotImplementedError

    @property
    def pointer(self) -> QPointF | None:
        """Where it is, in logical pixels; None where that is elsewhere."""
        return self._pointer

    @property
    def compare(self) -> Compare:
        """What is shown when nothing blinks."""
        return self._compare

    @compare.setter
    def compare(self, mode: Compare) -> None:
        self._compare = mode
        self._lay_out()
        self.showingChanged.emit()

    def show_as(self, mode: Compare) -> None:
        """Another way of comparing; again the same: before over after, or to the left of it."""
        if mode is self._compare and mode in (Compare.WIPE, Compare.SIDE):
            self._over = not self._over
        self.compare = mode

    @property
    def blinking(self) -> bool:
        """The other picture for a moment: before, or after where before is what is shown.

        Side by side there is nothing to blink.
        """
        return self._blinking

    @blinking.setter
    def blinking(self, on: bool) -> None:
        changed, self._blinking = on != self._blinking, on
        self.update()
        if changed:
            self.showingChanged.emit()

    @property
    def shown(self) -> Compare:
        """What is shown now, blinking or not."""
        if not self._blinking or self._compare is Compare.SIDE:
            return self._compare
        return Compare.AFTER if self._compare is Compare.BEFORE else Compare.BEFORE

    @property
    def over(self) -> bool:
        """Does before lie over after, with a level divider, and not to the left of it?"""
        return self._over

    @over.setter
    def over(self, on: bool) -> None:
        self._over = on
        self._lay_out()

    @property
    def wipe(self) -> float:
        """Where the divider stands, 0 (left or upper edge) to 1."""
        return self._wipe

    @wipe.setter
    def wipe(self, value: float) -> None:
        value = min(max(value, 0.0), 1.0)
        if value == self._wipe:
            return
        size = self.height() if self._over else self.width()
        first, last = sorted((value * size, self._wipe * size))
        self._wipe = value
        place = QRectF(first - 16, 0, last - first + 32, self.height())
        if self._over:
            place = QRectF(0, first - 16, self.width(), last - first + 32)
        self.update(place.toAlignedRect() if self._alone() else self.rect())
        self.wipeMoved.emit(value)
        self.showingChanged.emit()

    @property
    def difference_gain(self) -> float:
        """How much the difference is amplified."""
        return self._gain

    @difference_gain.setter
    def difference_gain(self, value: float) -> None:
        self._gain = value
        self.update()
        self.showingChanged.emit()

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
        whole = self._extent()
        if region is not None and whole is not None:
            region = region.meet(whole)
        region = region if region is not None and region.area else None
        self._outline = None
        self.update()
        if region != self._roi:
            self._roi = region
            self.roiChanged.emit(region)

    def set_marks(
        self, second: Region | None, line: tuple[float, float, float, float] | None
    ) -> None:
        """Another second area, or another line across an edge (y0, x0, y1, x1)."""
        whole = self._extent()
        if second is not None and whole is not None:
            second = second.meet(whole)
        second = second if second is not None and second.area else None
        self.update()
        if (second, line) != (self._second, self._line):
            self._second, self._line = second, line
            self.marksChanged.emit(second, line)

    def clear_marks(self) -> None:
        """Nothing is drawn."""
        self.set_roi(None)
        self.set_marks(None, None)
