"""Scans: planes, crosshair and window of medical volumes; whether the patient is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.anatomy import medical
from core.image import Image
from core.planes import VIEWS, planes
from core.tiles import Span
from gui.annotations import Notes
from gui.info_panel import InfoPanel
from gui.session import Session, State
from gui.slices import Slices
from gui.viewer import Viewer
from gui.windowing import KEYS, Windowing, words

ALL = "zyx"


class Scans(QObject):
    """Between session, picture and sliders; makes the Notes that are written over the picture."""

    identifiersShown = Signal(bool)  # whether who the patient is may be seen

    def __init__(
        self, session: Session, viewer: Viewer, slices: Slices, say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._session, self._viewer, self._slices, self._say = session, viewer, slices, say
        self.windowing = Windowing(session, viewer)
        self.windowing.said.connect(say)
        self.identifiers, self.info = False, InfoPanel()
        session.changed.connect(self._show)
        viewer.crosshairMoved.connect(self._move_to)
        viewer.planeActivated.connect(self._activate)
        viewer.planeEnlarged.connect(self.show)
        slices.crossed.connect(self._step_to)

    def calls(self) -> dict[str, Callable[..., object]]:
        """What the commands of the menu Scan do."""
        found: dict[str, Callable[..., object]] = {
            "window_file": self.windowing.own,
            "window_auto": self.windowing.automatic,
            "invert": self.windowing.invert,
            "mpr": lambda: self.show(ALL),
            "identifiers": self._show_identifiers,
        }
        for key, name in KEYS.items():
            found[f"window_{key}"] = partial(self.windowing.preset, name)
        for name in ("axial", "coronal", "sagittal"):
            found[name] = partial(self._show_named, name.capitalize())
        return found

    def title(self, image: Image) -> str:
        """Of the window: the file, and the patient where that is to be seen."""
        told = image.meta.get("identifiers") or {}
        parts = [str(told[name]) for name in ("PatientName", "PatientID") if told.get(name)]
        who = [" ".join(parts)] if parts and self.identifiers else []
        return " — ".join([*who, Path(image.path).name, "Sordino"])

    # Planes

    def show(self, shown: str) -> None:
        """One plane by the axis it lies across, or all three."""
        d, view = self._session.document, self._session.state.view
        if d is None:
            return
        known = "".join(plane.across for plane in planes(d.image))
        if any(letter not in known for letter in shown):
            self._say("This is no volume: there is one plane only.")
            return
        across = view.across if view.across in shown else shown[0]
        self._session.look_at(planes=shown, across=across)

    def _show_named(self, name: str) -> None:
        d = self._session.document
        found = planes(d.image) if d is not None else ()
        plane = next((each for each in found if each.name == name), None)
        if plane is None and len(found) > 1:  # not known where the patient lies: as it is stored
            plane = found[("Axial", "Coronal", "Sagittal").index(name)]
        if plane is not None:
            self.show(plane.across)

    def _activate(self, across: str) -> None:
        view = self._session.state.view
        wanted = self._viewer.wanted(across)
        stack = self._session.document.image.stack if self._session.document else ""
        visible = wanted[0][0] if wanted else view.visible
        visible = replace(visible, front=view.front_of(stack, across))
        self._session.look_at(across=across, visible=visible)

    def _move_to(self, across: str, row: int, column: int) -> None:
        """The crosshair is at another place of a plane."""
        _, down, right = VIEWS[across]
        self.go({down: row, right: column})

    def _step_to(self, axis: str, at: int) -> None:
        self.go({axis: at})

    def go(self, to: Mapping[str, int]) -> None:
        """Look at another place: the slice by axis; along y and x where the crosshair is."""
        d, view = self._session.document, self._session.state.view
        if d is None:
            return
        stack = d.image.stack
        front: tuple[Span, ...] = tuple(
            (to[axis], to[axis] + 1) if axis in to else span
            for axis, span in zip(stack, view.front, strict=False)
        )
        at = view.at(stack) | dict(to)
        cross = at["y"], at["x"]
        moved = replace(view, front=front, cross=cross)
        visible = replace(view.visible, front=moved.front_of(stack, view.across))
        self._session.look_at(front=front, cross=cross, visible=visible)

    # What is seen

    def _show(self, old: State, new: State) -> None:
        d, view = new.document, new.view
        if d is None:
            self._viewer.set_notes(Notes())
            self.info.show_image(None, False)
            return
        image = d.image
        changed = old.document is None or old.document.image is not image
        if changed:
            self.info.show_image(image, self.identifiers)
            patient, was = medical(image), old.document and medical(old.document.image)
            if patient != bool(was):  # radiologists look at pictures on black
                self._viewer.background = "black" if patient else "grey"
        if changed or old.view.planes != view.planes or old.view.across != view.across:
            self._slices.show_planes(view.planes, view.across)
            self._viewer.show_planes(view.planes, view.across)
        at = view.at(image.stack)
        self._slices.set_cross(at)
        self._viewer.set_notes(
            Notes(
                medical=medical(image),
                window=words(image, d.look) if image.numbers else "",
                wheel=image.kind == "scan" and bool(image.stack),
                at=at,
                first=view.planes[0],
                crosshair=len(view.planes) > 1,
            )
        )

    def _show_identifiers(self, on: bool) -> None:
        self.identifiers = on
        d = self._session.document
        self.info.show_image(d.image if d is not None else None, on)
        self.identifiersShown.emit(on)
