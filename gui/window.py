"""The window: its frame at once, and what fills it a turn later."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow, QMenu, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

import resources
from gui import actions, frame
from gui.start import StartPage

if TYPE_CHECKING:
    from core.learn.imported import Foreign
    from core.noise.calibrate import Profile
    from core.registry import Registry
    from gui.automatic import Automatic
    from gui.background import Background
    from gui.batch import Batch
    from gui.bridge import Bridge
    from gui.chain import Chain
    from gui.clips import Clips
    from gui.cubes import Cubes
    from gui.documents import Documents
    from gui.edits import Edits
    from gui.inspector import Inspector
    from gui.layer_choice import LayerChoice
    from gui.learning import Learning
    from gui.linked import Linked
    from gui.look_panel import LookPanel
    from gui.mask_bar import MaskBar
    from gui.monitor import Monitor
    from gui.noise_panel import NoisePanel
    from gui.over_time import OverTime
    from gui.panel import MethodPanel
    from gui.presenter import Presenter
    from gui.quality_panel import QualityPanel
    from gui.queue_panel import QueuePanel
    from gui.recipes import Recipes
    from gui.scans import Scans
    from gui.series import SeriesMenu
    from gui.session import Session
    from gui.slices import Slices
    from gui.statistics import StatisticsPanel
    from gui.status import Status
    from gui.trouble import Trouble
    from gui.tuning import Tuning
    from gui.viewer import Compare, Viewer

QUEUE = 2  # its page in the upper dock
DOCKS = {
    "Denoise": ("Denoise", "View", "Queue"),
    "Measure": ("Statistics", "Noise", "Areas", "Info"),
}


class Window(QMainWindow):
    """Menus, tools, docks and the start page; `compose.furnish` puts the parts into it.

    Nothing but Qt is imported for the frame, so that it is painted at once.
    """

    session: Session
    viewer: Viewer
    bridge: Bridge
    background: Background
    monitor: Monitor
    documents: Documents
    edits: Edits
    recipes: Recipes
    chain: Chain
    masks: MaskBar
    layer: LayerChoice
    panel: MethodPanel
    look: LookPanel
    noise: NoisePanel
    statistics: StatisticsPanel
    status: Status
    slices: Slices
    linked: Linked
    scans: Scans
    series: SeriesMenu
    cubes: Cubes
    clips: Clips
    inspector: Inspector
    quality: QualityPanel
    over_time: OverTime
    trouble: Trouble
    presenter: Presenter
    batch: Batch
    queue: QueuePanel
    tuning: Tuning
    learning: Learning
    automatic: Automatic

    def __init__(self, recent: list[str]) -> None:
        super().__init__()
        self.furnished = False
        self.start = StartPage(resources.sample_files(), recent)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start)
        central = QWidget()
        self.column = QVBoxLayout(central)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(0)
        self.column.addWidget(self.pages, 1)
        self.setCentralWidget(central)
        self.actions_by_id = actions.build(self)
        self.pages_by_dock: dict[str, QTabWidget] = {}
        self._lay_out()
        self.statusBar()
        self.setWindowTitle("Sordino")
        self.setAcceptDrops(True)
        self.resize(1600, 1000)

    def _lay_out(self) -> None:
        menus = frame.menus(self, self.actions_by_id)
        self._recent_menu = QMenu("Open recent", self)
        menus["File"].insertMenu(self.actions_by_id["export"], self._recent_menu)
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        self.preset_menu = menus["Edit"].addMenu("Presets")
        self.series_menu = menus["Scan"].addMenu("Series")
        self.tools = frame.tool_bar(self, self.actions_by_id)
        docks = [frame.dock(self, title, pages) for title, pages in DOCKS.items()]
        self.resizeDocks(docks, [380, 380], Qt.Orientation.Horizontal)
        self.resizeDocks(docks, [430, 476], Qt.Orientation.Vertical)
        menus["View"].addSeparator()
        for dock in docks:
            pages = dock.widget()
            assert isinstance(pages, QTabWidget)
            self.pages_by_dock[dock.objectName()] = pages
            menus["View"].addAction(dock.toggleViewAction())

    @property
    def registry(self) -> Registry | None:
        """Methods and formats, once they are loaded."""
        return self.documents.registry

    def begin(self, paths: list[str]) -> None:
        """Once it is furnished: load plugins, then open what was named."""
        self.documents.begin(paths)
        self.bridge.start()
        self.background.begin()
        self.monitor.begin(self)

    def open(self, path: str) -> None:
        """Open a file, once the plugins are there."""
        self.documents.open(path)

    def compare(self, mode: Compare) -> None:
        """Another way of comparing; again the same turns it."""
        self.viewer.show_as(mode)
        self.actions_by_id[mode.name.lower()].setChecked(True)

    def show_picking(self, on: bool) -> None:
        self.actions_by_id["pick"].setChecked(on)
        self.noise.set_picking(on)

    def show_devices(self) -> None:
        """The dialog about devices and memory."""
        from gui.devices_dialog import DevicesDialog  # not needed for the first paint

        methods = self.registry.methods if self.registry else {}
        self.devices = DevicesDialog(self, self.background, methods)
        self.devices.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.devices.show()

    def cancel(self) -> None:
        """Stop what computes for the open image."""
        self.tuning.cancel()
        self.learning.cancel()
        self.edits.cancel()

    def take_suggestion(self) -> None:
        """The settings that are marked on the sliders."""
        method = self.tuning.take()
        if method is None:
            self.status.say("Nothing is suggested yet: U looks for it.")
        else:
            self.chain.method(method, True)

    def calibrate(self) -> None:
        """The dialog that calibrates a camera; the open picture is measured by it at once."""
        from gui.calibrate_dialog import CalibrateDialog  # not needed for the first paint

        def kept(profile: Profile) -> None:
            self.status.say(f"{profile.camera} is calibrated: its files are opened with it.")
            self.bridge.measure(profiled=True)

        d = self.documents
        self.calibration = CalibrateDialog(
            self, self.bridge, d.kinds(), d.folder(), self.noise.plot.library, kept
        )
        self.calibration.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.calibration.show()

    def import_network(self, path: Path | None = None) -> None:
        """The dialog that takes in a network of others."""
        from gui.weights_dialog import WeightsDialog, ask  # not needed for the first paint

        def kept(found: Foreign, registry: Registry) -> None:
            self.bridge.methods_loaded.emit(registry)
            self.status.say(found.words)

        path = path or ask(self, self.documents.folder())
        if path is not None:
            self.weights = WeightsDialog(self, self.bridge, path, kept)
            self.weights.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            self.weights.show()

    # The queue

    def show_queue(self) -> None:
        """Its page, and the keyboard on it."""
        dock = self.pages_by_dock["Denoise"]
        dock.setCurrentIndex(QUEUE)
        self.queue.list.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def enqueue(self) -> None:
        """The open picture, as it is set now."""
        d = self.session.document
        if d is not None and d.image.path:
            self.batch.add([d.image.path], self.presenter.settings())
            self.status.say(f"{Path(d.image.path).name} is in the queue with its settings.")

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in self.documents.recent.paths():
            self._recent_menu.addAction(path, partial(self.open, path))

    # Events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.furnished and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """One file, or a folder that is one image, is opened; several are put into the queue."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if len(paths) == 1 and self.documents.one_image(Path(paths[0])):
            self.open(paths[0])
        elif paths:
            count = self.queue.add_paths(paths)
            self.show_queue()
            self.status.say(f"{count} files are in the queue.")

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.furnished:
            self.documents.remember()
            self.hide()  # its threads end with what they are at, which may take a moment
            self.bridge.close()
            self.linked.remove(self)
        super().closeEvent(event)
