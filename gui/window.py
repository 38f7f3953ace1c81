"""The window: docks, menus, status line. Everything it shows comes from the session's State."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QMainWindow,
    QMenu,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

import resources
from core.develop import to_screen
from core.develop.window import scale
from core.registry import Registry
from gui import actions, frame, pointer
from gui.background import Background
from gui.batch import OVER, Batch, Settings, guess
from gui.bridge import Bridge
from gui.calls import calls
from gui.cubes import Cubes
from gui.documents import Documents, readable, writable
from gui.edits import Edits
from gui.files import Memory, Recent
from gui.inspector import Inspector
from gui.look_panel import LookPanel
from gui.monitor import Monitor
from gui.noise_panel import NoisePanel
from gui.panel import MethodPanel
from gui.quality_panel import QualityPanel
from gui.rates import duration
from gui.recipes import Recipes
from gui.scans import Scans
from gui.session import Document, Session, State
from gui.slices import Slices
from gui.start import StartPage
from gui.statistics import StatisticsPanel
from gui.status import Status
from gui.trouble import Trouble
from gui.turns import Turns
from gui.viewer import Compare, Viewer

QUEUE = 2  # its page in the upper dock


class Window(QMainWindow):
    """Puts the parts together; decides nothing about pixels."""

    def __init__(
        self,
        session: Session,
        viewer: Viewer,
        bridge: Bridge,
        background: Background,
        recent: Recent,
        memory: Memory,
        monitor: Monitor,
    ) -> None:
        super().__init__()
        self.session, self.viewer, self.bridge, self.monitor = session, viewer, bridge, monitor
        self.background = background
        self.panel, self.noise, self.look = MethodPanel(), NoisePanel(), LookPanel(monitor)
        self.statistics, self.status = StatisticsPanel(), Status(bridge.cancel)
        say = self.status.say
        self.documents = Documents(self, session, viewer, bridge, recent, memory, say)
        self.edits = Edits(session, viewer, bridge, say, self._show_picking)
        self.recipes = Recipes(self, session, say)
        self._queue_page = QVBoxLayout()  # filled after the first paint
        self._turns = Turns(self)
        self.start = StartPage(resources.samples(), recent.paths())
        self.pages_by_dock: dict[str, QTabWidget] = {}
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start)
        self.pages.addWidget(viewer)
        self.trouble = Trouble(self.pages)
        self.slices = Slices()
        self.scans = Scans(session, viewer, self.slices, say)
        self.cubes = Cubes(self)
        self.inspector, self.quality = Inspector(session, viewer, bridge), QualityPanel()
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.pages, 1)
        column.addWidget(self.slices)
        self.setCentralWidget(central)
        self.actions_by_id = actions.build(self, calls(self))
        self._lay_out()
        self._connect()
        self.setWindowTitle("Sordino")
        self.setAcceptDrops(True)
        self.resize(1600, 1000)
        self._enable()

    @property
    def registry(self) -> Registry | None:
        """Methods and formats, once they are loaded."""
        return self.documents.registry

    def begin(self, paths: list[str]) -> None:
        """After the first paint: load plugins, then open what was named."""
        from gui.queue_panel import QueuePanel

        self.batch = Batch(self.bridge, self)
        self.queue = QueuePanel(self.batch, self._settings)
        self._queue_page.addWidget(self.queue)
        self.batch.moved_on.connect(self._queue_moved_on)
        self.documents.begin(paths)
        self.bridge.start()
        self.background.begin()
        self.monitor.begin(self)

    def open(self, path: str) -> None:
        """Open a file, once the plugins are there."""
        self.documents.open(path)

    # Building

    def _lay_out(self) -> None:
        menus = frame.menus(self, self.actions_by_id)
        self._recent_menu = QMenu("Open recent", self)
        menus["File"].insertMenu(self.actions_by_id["export"], self._recent_menu)
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        self._preset_menu = menus["Edit"].addMenu("Presets")
        self._preset_menu.aboutToShow.connect(partial(self.recipes.fill, self._preset_menu))
        frame.tool_bar(self, self.actions_by_id)
        queue = QWidget()
        queue.setLayout(self._queue_page)
        self._queue_page.setContentsMargins(0, 0, 0, 0)
        look, noise = frame.scrolled(self.look), frame.scrolled(self.noise)
        info = frame.scrolled(self.scans.info)
        measure = {"Statistics": self.statistics, "Noise": noise}
        measure |= {"Areas": self.quality, "Info": info}
        docks = [
            frame.dock(self, "Denoise", {"Denoise": self.panel, "View": look, "Queue": queue}),
            frame.dock(self, "Measure", measure),
        ]
        self.resizeDocks(docks, [380, 380], Qt.Orientation.Horizontal)
        self.resizeDocks(docks, [430, 520], Qt.Orientation.Vertical)
        menus["View"].addSeparator()
        for dock in docks:
            pages = dock.widget()
            assert isinstance(pages, QTabWidget)
            self.pages_by_dock[dock.objectName()] = pages
            menus["View"].addAction(dock.toggleViewAction())
        self.setStatusBar(self.status)

    def _connect(self) -> None:
        session, bridge, edits = self.session, self.bridge, self.edits
        session.changed.connect(self._show)
        session.history_changed.connect(self._enable)
        self.start.openWanted.connect(self.documents.ask)
        self.start.pathWanted.connect(self.open)
        self.documents.coming.connect(lambda: self.pages.setCurrentWidget(self.viewer))
        bridge.methods_loaded.connect(self._methods_loaded)
        bridge.progressed.connect(self._progressed)
        bridge.judged.connect(self._judged)
        for source in (bridge, self.background):
            source.failed.connect(self._failed)
        bridge.stopped.connect(lambda what: self.trouble.show_stopped(f"Cancelled: {what}."))
        bridge.recovered.connect(self.trouble.hide)
        self.trouble.retryWanted.connect(bridge.retry)
        self.trouble.dismissed.connect(bridge.forget)
        self.background.plots_loaded.connect(self.statistics.set_library)
        self.background.plots_loaded.connect(self.noise.plot.set_library)
        self.background.plots_loaded.connect(self.quality.set_library)
        self.inspector.measured.connect(self.quality.show_quality)
        self.background.said.connect(self.status.say)
        bridge.told.connect(self.status.show_device)
        self.panel.methodEdited.connect(edits.method)
        self.panel.amountEdited.connect(edits.amount)
        self.noise.measureRequested.connect(bridge.measure)
        self.noise.pickToggled.connect(edits.pick)
        self.noise.lockToggled.connect(edits.lock)
        self.noise.modelEdited.connect(edits.noise)
        self.look.edited.connect(lambda look, final: session.edit(look=look, final=final))
        self.viewer.roiChanged.connect(edits.roi_drawn)
        self.viewer.pointerMoved.connect(self._pointed)
        self.viewer.sliceStepped.connect(self.slices.step)
        self.slices.moved.connect(edits.slice)
        self.monitor.changed.connect(self.viewer.update)
        self.scans.identifiersShown.connect(self._show_title)
        self.scans.info.identifiersWanted.connect(self.actions_by_id["identifiers"].trigger)

    # Showing the state

    def _show(self, old: State, new: State) -> None:
        """The picture at once; the panels of another image one after the other."""
        d, before = new.document, old.document
        if d is None or before is None or before.image is not d.image:
            self.slices.set_image(d.image if d else None)
        self.slices.set_front(new.view.front)
        if d is None:
            if before is not None:
                self.pages.setCurrentWidget(self.start)
                self._show_title()
                self._enable()
            return
        if before is None or before.image is not d.image:
            before = None
        if before is None or before.look != d.look:
            image, look = d.image, d.look
            self.viewer.set_screen(
                lambda store: to_screen(store, image, replace(look, profile=self.monitor.profile))
            )
        if before is None:
            self._show_title()
            self._enable()
            self.statistics.show_statistics(None, "")
            self._turns.add(self._show_rows, self._show_look, self._show_step, self._show_noise)
            return
        for part, changed in (
            (self._show_look, before.look != d.look),
            (self._show_step, before.recipe != d.recipe),
            (self._show_noise, _noise_of(before) != _noise_of(d)),
        ):
            if changed and not self._turns.waits(part):
                part()

    def _show_title(self) -> None:
        d = self.session.document
        self.setWindowTitle(self.scans.title(d.image) if d is not None else "Sordino")

    def _show_rows(self) -> None:
        d = self.session.document
        if d is not None:
            self.look.set_image(d.image, d.look)

    def _show_look(self) -> None:
        d = self.session.document
        if d is not None:
            self.look.set_look(d.look)

    def _show_step(self) -> None:
        d = self.session.document
        if d is not None:
            step = d.recipe.steps[-1] if d.recipe.steps else None
            self.panel.set_recipe_step(step.method if step else None, step.amount if step else 1.0)
            self._show_cost()

    def _show_noise(self) -> None:
        d = self.session.document
        if d is not None:
            self.noise.set_value(d.noise, d.measured, d.origin.value, d.image.channels)
            self.noise.set_locked(d.locked)
            self.actions_by_id["lock"].setChecked(d.locked)

    def _show_cost(self) -> None:
        """How long the whole image would take, and what is seen of it."""
        d = self.session.document
        if d is None:
            self.status.expect(None)
            return
        rates, size = self.bridge.rates, d.image.megapixels
        seen = self.session.state.view.visible.area / (d.image.height * d.image.width)
        whole = rates.seconds(d.recipe, size)
        words = f"whole image about {duration(whole)}" if whole else ""
        self.status.expect(rates.seconds(d.recipe, size * seen), words)

    def _enable(self) -> None:
        has = self.session.document is not None
        for parts in actions.MENUS.values():
            for command in (c for part in parts for c in part):
                self.actions_by_id[command.id].setEnabled(has or not command.needs_image)
        self.actions_by_id["undo"].setEnabled(self.session.can_undo)
        self.actions_by_id["redo"].setEnabled(self.session.can_redo)

    # What others tell

    def _methods_loaded(self, registry: Registry) -> None:
        self.recipes.methods = registry.methods
        self.panel.set_methods(registry.methods)
        self.queue.set_suffixes(readable(registry), writable(registry))
        self.batch.guess = partial(guess, registry.methods)
        for sentence in registry.broken.values():
            self.status.say(sentence)
        self.documents.set_registry(registry)

    def _queue_moved_on(self) -> None:
        """The tab tells how far the queue is, whatever page is open."""
        pages = self.pages_by_dock["Denoise"]
        done, total = self.batch.count(*OVER), len(self.batch.entries)
        words = f"Queue {done}/{total}" if total else "Queue"
        pages.setTabText(QUEUE, words)

    def _failed(self, what: str, why: str) -> None:
        self.status.say("")
        self.trouble.show_failure(f"{what} failed: {why}")

    def _progressed(self, progress: object, what: str) -> None:
        self.status.show_progress(progress, what)
        d = self.session.document
        state = self.viewer.state_at_view() if d is not None and d.recipe.steps else ""
        self.status.show_state(state, self.viewer.scale if d else 0.0)
        if progress is None:
            self._show_cost()

    def _judged(self, region: object, found: object) -> None:
        d = self.session.document
        roi = d is not None and self.session.state.view.roi is not None
        title = f"{'Drawn area' if roi else 'Visible region'}, {_size(region)}"
        unit = scale(d.image)[2] if d is not None and d.image.kind == "scan" else "DN"
        self.statistics.show_statistics(found, title, unit)  # type: ignore[arg-type]

    def _pointed(self, place: object) -> None:
        self.status.show_pointer(pointer.words(self.session.state, self.viewer, place))

    def compare(self, mode: Compare) -> None:
        """Another way of comparing."""
        self.viewer.compare = mode
        self.actions_by_id[mode.name.lower()].setChecked(True)

    def _show_picking(self, on: bool) -> None:
        self.actions_by_id["pick"].setChecked(on)
        self.noise.set_picking(on)

    def show_devices(self) -> None:
        """The dialog about devices and memory."""
        from gui.devices_dialog import DevicesDialog  # not needed for the first paint

        methods = self.registry.methods if self.registry else {}
        self.devices = DevicesDialog(self, self.background, methods)
        self.devices.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.devices.show()

    # The queue

    def _settings(self) -> Settings | None:
        """Those of the open picture; its noise model only where that is locked."""
        d = self.session.document
        if d is None:
            return None
        return Settings(d.recipe, d.noise if d.locked else None, d.look)

    def show_queue(self) -> None:
        """Its page, and the keyboard on it."""
        dock = self.pages_by_dock["Denoise"]
        dock.setCurrentIndex(QUEUE)
        self.queue.list.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def enqueue(self) -> None:
        """The open picture, as it is set now."""
        d = self.session.document
        if d is not None and d.image.path:
            self.batch.add([d.image.path], self._settings())
            self.status.say(f"{Path(d.image.path).name} is in the queue with its settings.")

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in self.documents.recent.paths():
            self._recent_menu.addAction(path, partial(self.open, path))

    # Events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """One file is opened, several are put into the queue."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if len(paths) == 1 and not Path(paths[0]).is_dir():
            self.open(paths[0])
        elif paths:
            count = self.queue.add_paths(paths)
            self.show_queue()
            self.status.say(f"{count} files are in the queue.")

    def closeEvent(self, event: QCloseEvent) -> None:
        self.documents.remember()
        self.bridge.close()
        super().closeEvent(event)


def _noise_of(d: Document) -> tuple[object, ...]:
    return d.image, d.noise, d.measured, d.origin, d.locked


def _size(region: object) -> str:
    slices = "".join(f", slice {at + 1}" for at, _ in getattr(region, "front", ()))
    return f"{getattr(region, 'width', 0)} × {getattr(region, 'height', 0)} px{slices}"
