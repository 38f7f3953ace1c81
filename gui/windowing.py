"""Window and level of scans: rows for the panel, keys, and the drag over the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.develop import Look
from core.develop.store import PEDESTAL
from core.develop.window import dragged, ends, least, level_and_width, presets, real, scale
from core.image import Array, Image
from core.method import Control
from gui import compression
from gui.numbers import text
from gui.session import Session
from gui.viewer import Viewer

CUSTOM = "Custom"
KEYS = {"soft": "Soft tissue", "lung": "Lung", "bone": "Bone", "brain": "Brain", "liver": "Liver"}


def controls(image: Image, look: Look) -> list[Control]:
    """Rows for a scan's window: a preset, level, width, and whether more is darker."""
    if look.window is None or look.extent is None:
        return []
    unit, known = scale(image)[2], presets(image)
    level, width, inverted = level_and_width(image, look.window)
    low, high = sorted(real(image, end) for end in look.extent)
    levels = [low, high, level, *(one.level for one in known)]
    widest = max(high - low, width, *(one.width for one in known), 0.0)
    names = tuple(one.name for one in known)
    rows = [
        Control("level", "Level", "float", level, min(levels), max(levels), unit,
                "The value shown as middle grey.  (right-drag up and down)"),
        Control("width", "Width", "float", width, max(least(image), widest / 1000), widest, unit,
                "How many values lie between black and white.  (right-drag across)", True),
        Control("inverted", "Inverted", "bool", inverted, help="More is darker, as on a film."),
    ]  # fmt: skip
    if names:
        chosen = preset_of(image, look)
        rows.insert(0, Control("preset", "Window", "choice", chosen, choices=(*names, CUSTOM),
                               help="A window by its name."))  # fmt: skip
    return rows


def preset_of(image: Image, look: Look) -> str:
    """The name of the preset that the look's window is."""
    level, width, _ = level_and_width(image, look.window or (0.0, 1.0))
    for one in presets(image):
        alike = np.allclose((one.level, one.width), (level, width), rtol=1e-3, atol=1e-3)
        if alike and one.curve == look.curve:
            return one.name
    return CUSTOM


def value(name: str, image: Image, look: Look) -> object:
    """What a row shows of a look."""
    if name == "preset":
        return preset_of(image, look)
    at = ("level", "width", "inverted").index(name)
    return level_and_width(image, look.window or (0.0, 1.0))[at]


def edited(name: str, value: object, image: Image, look: Look) -> Look:
    """The look after a row was changed."""
    level, width, inverted = level_and_width(image, look.window or (0.0, 1.0))
    curve = look.curve
    if name == "preset":
        for one in presets(image):
            if one.name == value:
                level, width, curve = one.level, one.width, one.curve
    elif name == "inverted":
        inverted = bool(value)
    elif name == "level":
        level = float(value)  # type: ignore[arg-type]
    else:
        width = float(value)  # type: ignore[arg-type]
    return replace(look, window=ends(image, level, width, inverted), curve=curve)


def words(image: Image, look: Look) -> str:
    """`W 400  L 40 HU  Soft tissue`: for a corner of the picture."""
    if look.window is None:
        return ""
    if image.kind == "rf":
        return compression.words(look)
    level, width, inverted = level_and_width(image, look.window)
    name = preset_of(image, look)
    parts = [f"W {text(width, '', 4)}  L {text(level, scale(image)[2], 4)}"]
    parts += [name] if name != CUSTOM else []
    parts += ["inverted"] if inverted else []
    return "  ".join(parts)


class Windowing(QObject):
    """Changes the window of the open image by hand and by key; one drag is one undo step."""

    said = Signal(str)

    def __init__(self, session: Session, viewer: Viewer) -> None:
        super().__init__()
        self._session, self._viewer = session, viewer
        viewer.windowDragged.connect(self.drag)

    def drag(self, right: float, down: float, final: bool) -> None:
        """The hand moved so many pixels."""
        found = self._open()
        if found is not None:
            image, look = found
            assert look.window is not None
            window = dragged(image, look.window, right, down)
            self._session.edit(look=replace(look, window=window), final=final)

    def preset(self, name: str) -> None:
        """A window by its name."""
        found = self._open()
        if found is None:
            return
        image, look = found
        if all(one.name != name for one in presets(image)):
            self.said.emit(
                f"{name} is a window of CT: these numbers are no Hounsfield units. "
                "Drag with the right button instead."
            )
            return
        self._session.edit(look=edited("preset", name, image, look))

    def own(self) -> None:
        """The window that the file asks for; the next one, where that is shown and it has more."""
        found = self._open()
        if found is None:
            return
        image, look = found
        count = len(image.meta.get("windows") or ()) or int("window" in image.meta)
        names = [one.name for one in presets(image)[:count]]
        if not names:
            self.said.emit("The file names no window: press F3 for one that fits what is seen.")
            return
        shown = preset_of(image, look)
        at = (names.index(shown) + 1) % count if shown in names else 0
        self._session.edit(look=edited("preset", names[at], image, look))

    def automatic(self) -> None:
        """From the darkest to the brightest half per cent of the slice that is seen."""
        found, store = self._open(), self._viewer.values("before")
        if found is None or not store.size:
            return
        look = found[1]
        assert look.extent is not None and look.window is not None
        low, high = (float(end) for end in np.percentile(_stored(store, look.extent), (0.5, 99.5)))
        window = (low, high) if high > low else (low - 0.5, high + 0.5)
        turned = look.window[1] < look.window[0]
        window = window[::-1] if turned else window
        self._session.edit(look=replace(look, window=window, curve=None))

    def invert(self) -> None:
        """Black for white."""
        found = self._open()
        if found is not None and found[1].window is not None:
            self._session.edit(look=replace(found[1], window=found[1].window[::-1]))

    def _open(self) -> tuple[Image, Look] | None:
        d = self._session.document
        return (d.image, d.look) if d is not None and d.look.window and d.look.extent else None


def _stored(store: Array, extent: tuple[float, float]) -> Array:
    """A store's values in stored numbers."""
    share = (store.astype(np.float32) - PEDESTAL) / (65535 - PEDESTAL)
    return extent[0] + share * (extent[1] - extent[0])
