"""Cubes: spectra under the pointer and of areas, ways to look at many bands, a guarded target.

Between session, picture and the dock Spectrum, which is made when the first cube is opened. What
is computed goes through the engine, behind the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QDockWidget, QVBoxLayout

from core.cube import (
    CubeStatistics,
    JudgeCube,
    ReadSpectra,
    Spectra,
    Target,
    title,
    without_map,
)
from core.develop import Look
from core.develop.falsecolor import usable
from core.engine import Event, Finished, Work
from core.image import Image
from core.job import sentence
from core.library import Spectrum, bands
from core.method import Cancelled
from core.tiles import Region, Span
from gui import theme
from gui.session import State
from gui.turns import Turns, timer

if TYPE_CHECKING:
    from gui.bands import Bands, Wanted
    from gui.spectrum import Line, SpectrumPanel
    from gui.window import Window

MANY = 5  # spectra that are kept
ENOUGH = 4  # pixels a band that a drawn area needs for its noise to be told
REST = 120  # ms that the pointer rests before its spectrum is read
POINTER, AREA = "pixel", "area"


class Cubes(QObject):
    """Everything of the window that matters for cubes only."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._viewer, self._bridge = window.viewer, window.bridge
        self.panel: SpectrumPanel | None = None
        self.bands: Bands | None = None
        self.dock: QDockWidget | None = None
        self._plots: Any = None  # the library, once it is there
        self._found: dict[str, Spectra] = {}  # by the place they are of
        self._kept: list[tuple[str, Region]] = []
        self._compared: list[Spectrum] = []
        self._statistics: CubeStatistics | None = None
        self._alarmed = False
        self._turns = Turns(self)
        self._place: tuple[int, int] | None = None
        self._rest: QTimer = timer(REST, self._read_pointer)
        self._session.changed.connect(self._show)
        self._viewer.pointerMoved.connect(self._pointed)
        self._bridge.judged.connect(lambda *_: self._judge())
        window.background.plots_loaded.connect(self._set_library)

    def calls(self) -> dict[str, Callable[..., object]]:
        """What the commands of the menu Cube do."""
        return {"keep_spectrum": self._keep, "protect": self._protect, "colours": self._colours}

    @property
    def image(self) -> Image | None:
        """The open cube."""
        d = self._session.document
        return d.image if d is not None and _is_cube(d.image) else None

    # What is shown

    def _show(self, old: State, new: State) -> None:
        d, before = new.document, old.document
        other = d is None or before is None or before.image is not d.image
        if other:
            self._turns.add(self._change_image)  # the window shows the picture first
        if (
            self._turns.waits(self._change_image)
            or self.image is None
            or self.panel is None
            or self.bands is None
            or d is None
        ):
            return
        a, b = before if not other else None, d
        looks = a is None or a.look != b.look or old.view.front != new.view.front
        if looks or (a is not None and a.target != b.target):
            self._show_look()
        if a is not None and new.view.front and d.look.map is not None:
            self._leave_map(d.look)
        if a is not None and (a.recipe, a.noise) != (b.recipe, b.noise):
            self._found = {k: Spectra(s.region, s.before, None) for k, s in self._found.items()}
            self._draw()
        if old.view.roi != new.view.roi:
            self._read_area()
        if a is not None and a.target != b.target:
            self._alarmed = False
            self.panel.alarm.hide()
            self._draw()
            self._judge()

    def _change_image(self) -> None:
        self._found, self._kept, self._statistics = {}, [], None
        self._place, self._alarmed = None, False
        if self.image is not None:
            if self.panel is None:
                self._build()
            assert self.panel is not None and self.bands is not None
            self.bands.set_image(self.image)
            self.panel.show_statistics(None)
            self.panel.alarm.hide()
            self._show_look()
        for part in (self.dock, self.bands):
            if part is not None:
                part.setVisible(self.image is not None)

    def _build(self) -> None:
        from gui.bands import Bands  # not needed for the first paint
        from gui.spectra_files import SpectraFiles
        from gui.spectrum import SpectrumPanel

        self.bands, self.panel = Bands(), SpectrumPanel()
        self.bands.wanted.connect(self._look)
        centre = self._window.centralWidget()
        column = centre.layout() if centre is not None else None
        assert isinstance(column, QVBoxLayout)
        column.insertWidget(column.indexOf(self._window.slices), self.bands)
        self.dock = QDockWidget("Spectrum", self._window)
        self.dock.setObjectName("Spectrum")
        self.dock.setWidget(self.panel)
        self._window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.dock)
        self._window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self._window.resizeDocks([self.dock], [290], Qt.Orientation.Vertical)
        panel = self.panel
        panel.pinWanted.connect(self._keep)
        panel.clearWanted.connect(self._clear)
        files = SpectraFiles(self._window, self._run)
        panel.saveWanted.connect(lambda: files.save(self.image, self._lines()))
        panel.compareWanted.connect(lambda: files.load(self.image, self._compare))
        panel.targetWanted.connect(self._protect)
        panel.libraryWanted.connect(lambda: files.load(self.image, self._protect_spectrum))
        panel.releaseWanted.connect(lambda: self._session.edit(target=None))
        if self._plots is not None:
            panel.set_library(self._plots)

    def _set_library(self, library: Any) -> None:
        self._plots = library
        if self.panel is not None:
            self.panel.set_library(library)

    def _show_look(self) -> None:
        from gui.bands import shown
        from gui.spectrum import Axis

        d, image = self._session.document, self.image
        if d is None or image is None or self.panel is None or self.bands is None:
            return
        front = self._session.state.view.front
        self.bands.set_value(shown(d.look, front), d.target is not None)
        x, unit = bands(image)
        good = np.zeros(len(x), bool)
        good[usable(image)] = True
        seen: tuple[tuple[int, str], ...] = ()
        if front:
            seen = ((front[0][0], theme.CHANNELS["Y"]),)
        elif d.look.map is None or len(d.look.map.bands) <= 3:
            listed = d.look.map.bands if d.look.map else d.look.bands or ()
            colors = theme.CHANNELS
            names = "RGB" if len(listed) == 3 else "Y"
            seen = tuple((band, colors[name]) for band, name in zip(listed, names, strict=False))
        self.panel.set_axis(Axis(x, unit, "stored", good, seen))
        row = self._window.slices.rows[0]
        last = max(len(x) - 1, 1)
        row.slider.set_ticks(() if front else tuple((band / last, c) for band, c in seen))
        self._draw()

    def _draw(self) -> None:
        d = self._session.document
        if self.panel is not None and d is not None:
            target = d.target.spectrum if d.target else None
            self.panel.show_lines(self._lines(), self._compared, target)

    def _lines(self) -> list[Line]:
        from gui.spectrum import COLORS, Line

        names = [POINTER, AREA, *(name for name, _ in self._kept)]
        return [
            Line(name, COLORS[at % len(COLORS)], self._found[name])
            for at, name in enumerate(names)
            if name in self._found
        ]

    # Ways to look

    def _look(self, wanted: Wanted) -> None:
        from gui.ways import way

        d = self._session.document
        if d is None or self.image is None:
            return
        front = self._session.state.view.front
        first = (d.look.bands or (0,))[0]
        wish: tuple[Span, ...] = ((first, first + 1),) if wanted.mode == "band" else ()
        if wish != front and (not wish or not front):
            self._window.slices.moved.emit(wish)
        found = way(wanted, d, self._statistics)
        if isinstance(found, Look):
            self._session.edit(look=found)
        elif found is not None:
            self._run(found, "look", self._set_look)

    def _set_look(self, look: object) -> None:
        if isinstance(look, Look) and self.image is not None:
            self._session.edit(look=look)

    def _colours(self) -> None:
        if self.image is not None:
            self._window.slices.moved.emit(())

    def _leave_map(self, look: Look) -> None:
        """A band is asked for: it is shown in the window of bands."""
        self._session.edit(look=without_map(look))

    # Spectra

    def _pointed(self, place: object) -> None:
        if self.image is not None and isinstance(place, tuple):
            self._place = int(place[0]), int(place[1])
            self._rest.start()

    def _read_pointer(self) -> None:
        if self._place is not None and self.image is not None:
            y, x = self._place
            self._read(POINTER, Region(y, x, y + 1, x + 1))

    def _read_area(self) -> None:
        roi = self._session.state.view.roi
        if roi is not None:
            self._read(AREA, roi)
        elif self._found.pop(AREA, None) is not None:
            self._draw()

    def _read(self, name: str, region: Region) -> None:
        d = self._session.document
        if d is not None and self._visible:
            work = ReadSpectra(d.image, d.noise, d.recipe, region)
            self._run(work, f"spectrum {name}", lambda found: self._take(name, work, found), 4)

    def _take(self, name: str, work: ReadSpectra, found: object) -> None:
        d = self._session.document
        if d is None or not isinstance(found, Spectra) or d.image is not work.image:
            return
        if (d.recipe, d.noise) == (work.recipe, work.noise):
            old = self._found.get(name)
            if found.after is None and old is not None and old.region == found.region:
                found = Spectra(found.region, found.before, old.after)  # until the new one is there
            self._found[name] = found
            self._draw()

    def _judge(self) -> None:
        """The picture is done: now all bands of it, and the spectra of what was computed anew."""
        d, view = self._session.document, self._session.state.view
        if d is None or self.image is None or not (self._visible or d.target):
            return
        for name, found in list(self._found.items()):
            if found.after is None and d.recipe.steps:
                self._read(name, replace(found.region, front=()))
        region = replace(view.visible, front=())
        roi = (
            view.roi if view.roi is not None and view.roi.area >= ENOUGH * _count(d.image) else None
        )
        for lane, place, target in (("view", region, d.target), ("area", roi, None)):
            if place is not None and place.area:
                work = JudgeCube(d.image, d.noise, d.recipe, place, target)
                self._run(work, lane, partial(self._judged, work, lane, roi is not None), 6)

    def _judged(self, work: JudgeCube, lane: str, drawn: bool, found: object) -> None:
        """Noise is told in the drawn area if that is large enough, a target in all that is seen."""
        d, panel = self._session.document, self.panel
        if not isinstance(found, CubeStatistics) or d is None or panel is None:
            return
        if (d.image, d.recipe, d.noise) != (work.image, work.recipe, work.noise):
            return
        if lane == "area" or not drawn:
            of = "drawn area" if lane == "area" else "visible region"
            self._statistics = found
            panel.show_statistics(found, f"{of}, {found.pixels} pixels")
            self._draw()
        if lane == "area" or d.target is None or d.target != work.target:
            return
        guarded = found.guarded
        panel.show_guarded(guarded)
        alarm = guarded is not None and guarded.alarm
        if alarm and not self._alarmed and guarded is not None:
            self._window.status.say(f"The target was not kept: {guarded.why}", True)
        self._alarmed = alarm

    @property
    def _visible(self) -> bool:
        return self.dock is not None and self.dock.isVisible()

    def _keep(self) -> None:
        """Keep the spectrum of the drawn area, else of the pixel under the pointer."""
        source = AREA if AREA in self._found else POINTER
        if source not in self._found:
            self._window.status.say("Move the pointer over the picture, or draw an area, first.")
            return
        region = self._found[source].region
        name = title(region)
        if name not in self._found:
            self._kept.append((name, region))
            self._found[name] = self._found[source]
            for gone, _ in self._kept[:-MANY]:
                self._found.pop(gone, None)
            self._kept = self._kept[-MANY:]
        self._draw()

    def _clear(self) -> None:
        for name, _ in self._kept:
            self._found.pop(name, None)
        self._kept, self._compared = [], []
        self._draw()

    # The target

    def _protect(self) -> None:
        """Guard the spectrum of the drawn area, else of the pixel under the pointer."""
        image = self.image
        name = AREA if AREA in self._found else POINTER
        if image is None or name not in self._found:
            self._window.status.say("Move the pointer over the picture, or draw an area, first.")
            return
        x, unit = bands(image)
        found = self._found[name]
        y = tuple(found.before.tolist())
        spectrum = Spectrum(title(found.region), tuple(x.tolist()), y, unit)
        self._session.edit(target=Target(spectrum, found.region))

    def _protect_spectrum(self, spectrum: Spectrum) -> None:
        image = self.image
        if image is not None:
            self._session.edit(target=Target(spectrum))

    def _compare(self, spectrum: Spectrum) -> None:
        self._compared = [*self._compared, spectrum][-3:]
        self._draw()

    def _run(self, work: Work, lane: str, take: Callable[[object], None], rank: int = 0) -> None:
        def receive(event: Event) -> None:
            if not isinstance(event, Finished):
                if not event.job.stopped:
                    take(event.value)
            elif event.error is not None and not isinstance(event.error, Cancelled):
                self._window.status.say(sentence(event.error), True)

        if not self._bridge.closed:
            self._bridge.run(work, f"cube {lane}", rank, receive)


def _is_cube(image: Image) -> bool:
    return image.kind == "cube" and image.axes == "byx"


def _count(image: Image) -> int:
    return image.pixels.shape[image.axes.index("b")]
