"""Edits: what commands and panels do to the document, and to how it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.noise.model import Noise
from core.tiles import Region, Span
from gui.bridge import Bridge
from gui.session import Origin, Session
from gui.viewer import Viewer

GAINS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
BACKGROUNDS = ("black", "grey", "white")
EXPOSURES = 5.0  # EV up or down, at most


class Edits:
    """Verbs of the window. `picking(on)` shows whether the next rectangle is a flat area."""

    def __init__(
        self,
        session: Session,
        viewer: Viewer,
        bridge: Bridge,
        say: Callable[[str], None],
        picking: Callable[[bool], None],
    ) -> None:
        self._session, self._viewer, self._bridge = session, viewer, bridge
        self._say, self._show_picking = say, picking
        self._picking = False

    # The document

    def nudge_exposure(self, by: float) -> None:
        """A brighter or darker view."""
        d = self._session.document
        if d is not None:
            exposure = min(max(d.look.exposure + by, -EXPOSURES), EXPOSURES)
            self._session.edit(look=replace(d.look, exposure=exposure))

    def noise(self, model: Noise) -> None:
        """A noise model that was typed."""
        self._session.edit(noise=model, origin=Origin.TYPED)

    def lock(self, on: bool) -> None:
        """Keep the noise model as it is."""
        self._session.edit(locked=on)

    # How it is looked at

    def slice(self, front: tuple[Span, ...]) -> None:
        """Another slice of a stack."""
        d, view = self._session.document, self._session.state.view
        stack = d.image.stack if d is not None else ""
        moved = replace(view, front=front).front_of(stack, view.across)
        self._session.look_at(visible=replace(view.visible, front=moved), front=front)

    def nudge_gain(self, by: int) -> None:
        """Amplify the difference more or less."""
        at = GAINS.index(min(GAINS, key=lambda g: abs(g - self._viewer.difference_gain)))
        self._viewer.difference_gain = GAINS[min(max(at + by, 0), len(GAINS) - 1)]
        self._say(f"Difference amplified {self._viewer.difference_gain:g} times")

    def next_background(self) -> None:
        """Black, grey, white around the picture."""
        at = BACKGROUNDS.index(self._viewer.background)
        self._viewer.background = BACKGROUNDS[(at + 1) % len(BACKGROUNDS)]

    def pick(self, on: bool) -> None:
        """The next rectangle is a flat area for the noise model, or no longer."""
        self._picking = on
        self._show_picking(on)
        if on:
            self._say("Draw a rectangle over a flat, even area.")
            self._viewer.start_roi()

    def roi_drawn(self, region: Region | None) -> None:
        """A rectangle was drawn in the picture, or cleared."""
        if self._picking and region is not None:
            self.pick(False)
            self._bridge.measure(region)
            self._viewer.set_roi(None)
            return
        self._session.look_at(roi=region, roi_across=self._session.state.view.across)

    def cancel(self) -> None:
        """Stop what computes for the open image."""
        if self._picking:
            self.pick(False)
        self._bridge.interrupt()
        self._say("Cancelled.")
