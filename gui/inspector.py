"""Inspector: asks for the figures of what is drawn, whenever one of them may have changed."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.engine import Event, Finished, Job
from core.image import Image
from core.inspection import Inspect, echoing
from core.method import Cancelled
from core.quality import Quality
from core.tiles import Region
from gui.bridge import Bridge
from gui.session import Session, State
from gui.turns import timer
from gui.viewer import Viewer

REST = 200  # ms without a change before it is measured


class Inspector(QObject):
    """`measured` tells a Quality, or None where nothing is drawn."""

    measured = Signal(object)

    def __init__(self, session: Session, viewer: Viewer, bridge: Bridge) -> None:
        super().__init__()
        self._session, self._bridge = session, bridge
        self._job: Job | None = None
        self._rest = timer(REST, self._ask)
        session.changed.connect(self._on_change)
        viewer.marksChanged.connect(self._drawn)

    def _drawn(self, second: Region | None, line: object) -> None:
        view = self._session.state.view
        self._session.look_at(second=second, line=line, roi_across=view.across)

    def _on_change(self, old: State, new: State) -> None:
        if _key(old) != _key(new):
            self._rest.start()

    def _ask(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None
        if self._bridge.closed:
            return
        state = self._session.state
        d, view = state.document, state.view
        drawn = tuple(area for area in (view.roi, view.second) if area is not None)
        if d is None or d.noise is None or not able(d.image) or not (drawn or view.line):
            self.measured.emit(None)
            return
        front = view.front_of(d.image.stack, view.roi_across)
        ask = Inspect(
            d.image, d.noise, d.recipe, front, drawn, view.line, view.roi_across
        )  # after the picture: what it shows is then in the cache
        self._job = self._bridge.run(ask, "inspect", 6, self._hear)

    def _hear(self, event: Event) -> None:
        if event.job is not self._job:
            return
        if isinstance(event, Finished):
            self._job = None
            if event.error is not None and not isinstance(event.error, Cancelled):
                self.measured.emit(None)
        elif isinstance(event.value, Quality):
            self.measured.emit(event.value)


def able(image: Image) -> bool:
    """Is there one number at each place, whose areas can be compared? Of ultrasound there is."""
    return echoing(image) or (image.numbers and "c" not in image.axes)


def _key(state: State) -> tuple[object, ...]:
    d, v = state.document, state.view
    image = (d.image, d.noise, d.recipe) if d is not None else ()
    return *image, v.roi, v.second, v.line, v.roi_across, v.front, v.cross
