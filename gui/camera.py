"""Camera: which part of the picture is seen, how large, which way up. Arithmetic only, no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from core.image import Array
from core.tiles import Region

LARGEST = 32.0  # device pixels per sensor pixel


@dataclass(frozen=True, eq=False)
class Frame:
    """A box of device pixels and the 3x3 map from device (x, y, 1) to sensor (x, y, 1)."""

    box: Region
    scale: float
    to_sensor: Array
    square: bool = True  # are sensor pixels?

    def sensor(self, y: float, x: float) -> tuple[float, float]:
        """Sensor (y, x) of a device position."""
        point = self.to_sensor @ (x, y, 1.0)
        return float(point[1]), float(point[0])

    def device(self, y: float, x: float) -> tuple[float, float]:
        """Device (y, x) of a sensor position."""
        point = np.linalg.solve(self.to_sensor, (x, y, 1.0))
        return float(point[1]), float(point[0])

    def region(self, height: int, width: int) -> Region:
        """The sensor pixels that the box shows, of a sensor of this size."""
        box = self.box
        (ya, xa), (yb, xb) = self.sensor(box.y0, box.x0), self.sensor(box.y1, box.x1)
        cover = _outward(min(ya, yb), min(xa, xb), max(ya, yb), max(xa, xb))
        return cover.meet(Region.whole(height, width))

    def box_of(self, region: Region) -> Region:
        """The device pixels that a sensor region touches."""
        (ya, xa), (yb, xb) = self.device(region.y0, region.x0), self.device(region.y1, region.x1)
        return _outward(min(ya, yb), min(xa, xb), max(ya, yb), max(xa, xb))

    def coarser(self, factor: int) -> Frame:
        """The same view with `factor` times fewer pixels each way, its box moved to (0, 0)."""
        box = Region.whole(-(-self.box.height // factor), -(-self.box.width // factor))
        grow = np.array([[factor, 0, self.box.x0], [0, factor, self.box.y0], [0, 0, 1.0]])
        return Frame(box, self.scale / factor, self.to_sensor @ grow, self.square)


@dataclass(frozen=True)
class Camera:
    """A view of a sensor of height x width pixels.

    `scale` is device pixels per sensor pixel; `centre` is the point (down, right) of the upright
    picture in the middle of the pane, in sensor pixels. A pane is a box of device pixels. Where
    pixels are not square, the shorter edge of `pixel` is 1 and counts as a sensor pixel there.
    """

    height: int
    width: int
    orientation: int = 1  # EXIF 1..8
    scale: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    pixel: tuple[float, float] = (1, 1)  # height and width of a sensor pixel

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of the upright picture."""
        height, width = self.height * self.pixel[0], self.width * self.pixel[1]
        return (width, height) if self.orientation >= 5 else (height, width)

    def fit_scale(self, pane: Region) -> float:
        """The scale at which the whole picture just fills the pane."""
        height, width = self.size
        return min(pane.height / height, pane.width / width, LARGEST)

    def scaled(self, scale: float, pane: Region) -> Camera:
        """Another scale, as small as may be: the whole picture at `fit_scale`."""
        return self._moved(scale, self.centre, pane)

    def panned(self, dy: float, dx: float, pane: Region) -> Camera:
        """The picture moved by so many device pixels."""
        v, u = self.centre
        return self._moved(self.scale, (v - dy / self.scale, u - dx / self.scale), pane)

    def zoomed(
        self, scale: float, pane: Region, point: tuple[float, float] | None = None
    ) -> Camera:
        """Another scale; what is at device `point` (y, x), else in the middle, stays there.

        Unless the picture's edge forbids: it is never dragged into the pane without need.
        """
        scale = min(max(scale, min(self.fit_scale(pane), 1.0)), LARGEST)
        centre = self.centre
        if point:
            top, left = self._origin(pane)
            (y, x), (middle_y, middle_x) = point, _middle(pane)
            centre = (
                (y - top) / self.scale + (middle_y - y) / scale,
                (x - left) / self.scale + (middle_x - x) / scale,
            )
        return self._moved(scale, centre, pane)

    def looking_at(self, y: float, x: float, scale: float) -> Camera:
        """Sensor (y, x) in the middle, at any scale, over the edge if need be."""
        u, v, _ = self._upright() @ (x, y, 1.0)
        return replace(self, scale=scale, centre=(float(v), float(u)))

    def sensor(self, down: float, right: float) -> tuple[float, float]:
        """Sensor (y, x) of a point of the upright picture."""
        x, y, _ = np.linalg.solve(self._upright(), (right, down, 1.0))
        return float(y), float(x)

    def frame(self, pane: Region, clip: Region) -> Frame | None:
        """What to paint of the picture in `pane`, inside `clip`; None where it does not reach."""
        height, width = self.size
        top, left = self._origin(pane)
        picture = Region(
            top, left, top + _round(height * self.scale), left + _round(width * self.scale)
        )
        box = picture.meet(pane).meet(clip)
        if not box.area:
            return None
        return Frame(box, self.scale, self._to_sensor(top, left), self.pixel == (1, 1))

    def view(self, pane: Region) -> Frame:
        """The map for the whole pane, also where the picture does not reach."""
        return Frame(pane, self.scale, self._to_sensor(*self._origin(pane)), self.pixel == (1, 1))

    def _origin(self, pane: Region) -> tuple[int, int]:
        # Whole device pixels: at 100 % every sensor pixel is shown as it is, never half a pixel
        # off, and noise does not shimmer while the picture is dragged.
        (v, u), (y, x) = self.centre, _middle(pane)
        return _round(y - v * self.scale), _round(x - u * self.scale)

    def _moved(self, scale: float, centre: tuple[float, float], pane: Region) -> Camera:
        def keep(point: float, size: float, room: int) -> float:
            half = room / scale / 2
            return size / 2 if 2 * half >= size else min(max(point, half), size - half)

        height, width = self.size
        v, u = keep(centre[0], height, pane.height), keep(centre[1], width, pane.width)
        return replace(self, scale=scale, centre=(v, u))

    def _upright(self) -> Array:
        """3x3: sensor (x, y, 1) to upright (right, down, 1)."""
        turned = self.orientation >= 5
        along = np.array([0.0, 1.0, 0.0] if turned else [1.0, 0.0, 0.0])
        down = np.array([1.0, 0.0, 0.0] if turned else [0.0, 1.0, 0.0])
        height, width = self.size
        if self.orientation in (2, 3, 6, 7):
            along = np.array([0, 0, width]) - along
        if self.orientation in (3, 4, 7, 8):
            down = np.array([0, 0, height]) - down
        tall, wide = self.pixel
        return np.array([along, down, [0, 0, 1.0]]) @ np.diag([wide, tall, 1.0])

    def _to_sensor(self, top: float, left: float) -> Array:
        place = np.array([[self.scale, 0, left], [0, self.scale, top], [0, 0, 1.0]])
        return np.linalg.inv(place @ self._upright())


def _middle(pane: Region) -> tuple[float, float]:
    return (pane.y0 + pane.y1) / 2, (pane.x0 + pane.x1) / 2


def _outward(y0: float, x0: float, y1: float, x1: float) -> Region:
    tiny = 1e-6  # rounding errors must not add a row
    ends = math.ceil(y1 - tiny), math.ceil(x1 - tiny)
    return Region(math.floor(y0 + tiny), math.floor(x0 + tiny), *ends)


def _round(value: float) -> int:
    return math.floor(value + 0.5)  # not to even: two panes must round alike
