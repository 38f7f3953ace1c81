"""The window: docks, menus, status line. Everything it shows comes from the session's State."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QMainWindow,
    QMenu,
    QMessageBox,
    QScrollArea,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QWidget,
)

import resources
from core.choose import choose
from core.develop import levels, to_screen
from core.job import Exported, Opened
from core.method import Method
from core.recipe import Recipe, Step
from core.registry import Registry
from gui import actions
from gui.bridge import Bridge
from gui.files import ExportDialog, Memory, Recent
from gui.look_panel import LookPanel
from gui.noise_panel import NoisePanel
from gui.panel import MethodPanel
from gui.recipes import Recipes
from gui.session import Document, Origin, Session, State
from gui.start import StartPage
from gui.statistics import StatisticsPanel
from gui.status import Status
from gui.viewer import Compare, Viewer

PAN = 120  # logical pixels that an arrow key moves the picture
GAINS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
BACKGROUNDS = ("black", "grey", "white")


class Window(QMainWindow):
    """Puts the parts together; decides nothing about pixels."""

    def __init__(
        self, session: Session, viewer: Viewer, bridge: Bridge, recent: Recent, memory: Memory
    ) -> None:
        super().__init__()
        self.session, self.viewer, self.bridge = session, viewer, bridge
        self.recent, self.memory = recent, memory
        self.registry: Registry | None = None
        self._waiting: list[str] = []  # files named before the plugins were loaded
        self._picking = False  # the next rectangle is a flat area for the noise model
        self.panel, self.noise, self.look = MethodPanel(), NoisePanel(), LookPanel()
        self.statistics, self.status = StatisticsPanel(), Status(bridge.cancel)
        samples = sorted(resources.path("samples").glob("*.dng"))
        self.start = StartPage(samples, recent.paths())
        self.pages_by_dock: dict[str, QTabWidget] = {}
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start)
        self.pages.addWidget(viewer)
        self.setCentralWidget(self.pages)
        self.recipes = Recipes(self, session, self.status.say)
        self.actions_by_id = actions.build(self, self._calls())
        self._lay_out()
        self._connect()
        self.setWindowTitle("Sordino")
        self.setAcceptDrops(True)
        self.resize(1600, 1000)
        self._enable()

    def begin(self, paths: list[str]) -> None:
        """After the first paint: load plugins, then open what was named."""
        self._waiting = paths
        self.bridge.start()

    # Building

    def _lay_out(self) -> None:
        for title, parts in actions.MENUS.items():
            menu = self.menuBar().addMenu(title)
            for part in parts:
                menu.addSeparator()
                for command in part:
                    menu.addAction(self.actions_by_id[command.id])
            if title == "File":
                self._recent_menu = QMenu("Open recent", self)
                menu.insertMenu(self.actions_by_id["export"], self._recent_menu)
                self._recent_menu.aboutToShow.connect(self._fill_recent)
            if title == "Edit":
                self._preset_menu = menu.addMenu("Presets")
                self._preset_menu.aboutToShow.connect(partial(self.recipes.fill, self._preset_menu))
        bar = QToolBar("Tools")
        bar.setObjectName("tools")
        bar.setMovable(False)
        groups = (("open", "export"), ("undo", "redo"), [c.id for c in actions.COMPARE],
                  ("fit", "full", "zoom_in", "zoom_out", "loupe"),
                  ("measure", "pick", "roi"))  # fmt: skip
        for group in groups:
            bar.addSeparator()
            for name in group:
                bar.addAction(self.actions_by_id[name])
        self.addToolBar(bar)
        docks = [
            self._dock("Denoise", {"Denoise": self.panel, "View": self.look}),
            self._dock("Measure", {"Statistics": self.statistics, "Noise": self.noise}),
        ]
        self.resizeDocks(docks, [380, 380], Qt.Orientation.Horizontal)
        self.resizeDocks(docks, [430, 520], Qt.Orientation.Vertical)
        view = self.menuBar().actions()[2].menu()
        assert isinstance(view, QMenu)
        view.addSeparator()
        for dock in docks:
            view.addAction(dock.toggleViewAction())
        self.setStatusBar(self.status)

    def _dock(self, title: str, contents: dict[str, QWidget]) -> QDockWidget:
        """A dock with a page for each content. (Qt's own tabbed docks leave a stray tab bar.)"""
        dock, pages = QDockWidget(title, self), QTabWidget()
        dock.setObjectName(title)
        dock.setTitleBarWidget(QWidget())  # the pages' tabs are title enough
        for name, content in contents.items():
            page = content
            if content in (self.look, self.noise):
                page = QScrollArea()
                page.setWidgetResizable(True)
                page.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
                page.setWidget(content)
            pages.addTab(page, name)
        dock.setWidget(pages)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        self.pages_by_dock[title] = pages
        return dock

    def _connect(self) -> None:
        self.session.changed.connect(self._show)
        self.session.history_changed.connect(self._enable)
        self.start.openWanted.connect(self._open)
        self.start.pathWanted.connect(self.open)
        self.bridge.opened.connect(self._opened)
        self.bridge.methods_loaded.connect(self._methods_loaded)
        self.bridge.progressed.connect(self._progressed)
        self.bridge.judged.connect(self._judged)
        self.bridge.exported.connect(self._exported)
        self.bridge.failed.connect(self._failed)
        self.panel.methodEdited.connect(self._method_edited)
        self.panel.amountEdited.connect(self._amount_edited)
        self.noise.measureRequested.connect(self.bridge.measure)
        self.noise.pickToggled.connect(self._pick)
        self.noise.lockToggled.connect(self._lock)
        self.noise.modelEdited.connect(
            lambda model: self.session.edit(noise=model, origin=Origin.TYPED)
        )
        self.look.edited.connect(lambda look, final: self.session.edit(look=look, final=final))
        self.viewer.roiChanged.connect(self._roi_drawn)
        self.viewer.pointerMoved.connect(self._pointed)

    def _calls(self) -> dict[str, Callable[..., object]]:
        """What every command does."""
        v, s, r = self.viewer, self.session, self.recipes
        calls: dict[str, Callable[..., object]] = {
            "open": self._open, "export": self._export, "close": self._close_image,
            "load_recipe": r.load, "save_recipe": r.save,
            "quit": self.close, "undo": s.undo, "redo": s.redo, "copy": r.copy,
            "paste": r.paste, "save_preset": r.save_preset, "reset": self._reset,
            "more": partial(self._nudge_amount, 0.05), "less": partial(self._nudge_amount, -0.05),
            "fit": v.fit, "full": partial(v.zoom_to, 1.0), "double": partial(v.zoom_to, 2.0),
            "zoom_in": partial(v.zoom_by, 1.25), "zoom_out": partial(v.zoom_by, 0.8),
            "left": partial(v.pan_by, PAN, 0), "right": partial(v.pan_by, -PAN, 0),
            "up": partial(v.pan_by, 0, PAN), "down": partial(v.pan_by, 0, -PAN),
            "loupe": lambda on: setattr(v, "loupe", on),
            "brighter": partial(self._nudge_exposure, 0.5),
            "darker": partial(self._nudge_exposure, -0.5),
            "gain_up": partial(self._nudge_gain, 1), "gain_down": partial(self._nudge_gain, -1),
            "background": self._next_background, "measure": self.bridge.measure,
            "pick": self._pick, "lock": self._lock, "roi": v.start_roi,
            "clear_roi": lambda: v.set_roi(None), "cancel": self._cancel,
            "keys": self._keys, "about": self._about,
        }  # fmt: skip
        for command in actions.COMPARE:
            calls[command.id] = partial(self._compare, Compare[command.id.upper()])
        return calls

    # Showing the state

    def _show(self, old: State, new: State) -> None:
        d, before = new.document, old.document
        if d is None:
            if before is not None:
                self.pages.setCurrentWidget(self.start)
            return
        if before is None or before.image is not d.image:
            self.look.set_image(d.image, d.look)
            self.statistics.show_statistics(None, "")
        step = d.recipe.steps[-1] if d.recipe.steps else None
        if before is None or before.recipe != d.recipe or before.image is not d.image:
            self.panel.set_recipe_step(step.method if step else None, step.amount if step else 1.0)
        if before is None or before.look != d.look or before.image is not d.image:
            self.look.set_look(d.look)
            image, look = d.image, d.look
            self.viewer.set_screen(lambda store: to_screen(store, image, look))
        if before is None or _noise_of(before) != _noise_of(d):
            self.noise.set_value(d.noise, d.measured, d.origin.value, d.image.channels)
            self.noise.set_locked(d.locked)
            self.actions_by_id["lock"].setChecked(d.locked)

    def _enable(self) -> None:
        has = self.session.document is not None
        for parts in actions.MENUS.values():
            for command in (c for part in parts for c in part):
                self.actions_by_id[command.id].setEnabled(has or not command.needs_image)
        self.actions_by_id["undo"].setEnabled(self.session.can_undo)
        self.actions_by_id["redo"].setEnabled(self.session.can_redo)

    # Opening and saving

    def open(self, path: str) -> None:
        """Open a file, once the plugins are there."""
        if self.registry is None:
            self._waiting = [path]
            return
        self.status.say(f"Opening {Path(path).name} …")
        self.bridge.open(path)

    def _open(self) -> None:
        recent = self.recent.paths()
        start = str(Path(recent[0]).parent) if recent else ""
        suffixes = sorted({s for f in self.registry.formats for s in f.suffixes}) if (
            self.registry) else []  # fmt: skip
        kinds = f"Images ({' '.join(f'*{s} *{s.upper()}' for s in suffixes)});;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Open", start, kinds)
        if path:
            self.open(path)

    def _methods_loaded(self, registry: Registry) -> None:
        self.registry = registry
        self.recipes.methods = registry.methods
        self.panel.set_methods(registry.methods)
        for sentence in registry.broken.values():
            self.status.say(sentence)
        if self._waiting:
            self.open(self._waiting[0])

    def _opened(self, opened: Opened) -> None:
        assert self.registry is not None
        self._remember()
        image = opened.image
        recipe, why = choose(self.registry.methods, image)
        document = Document(image, recipe, look=opened.look)
        kept = self.memory.load(image, self.registry.methods)
        if kept is not None:
            document = replace(document, recipe=kept[0])
            if kept[1] is not None:
                document = replace(document, noise=kept[1], origin=Origin.TYPED, locked=True)
        self.pages.setCurrentWidget(self.viewer)
        self.viewer.set_image(image.height, image.width, image.orientation, levels(image))
        self.session.open(document)
        self._enable()
        self.recent.add(image.path)
        self.setWindowTitle(f"{Path(image.path).name} — Sordino")
        size = f"{image.width} × {image.height}"
        words = [Path(image.path).name, f"{image.kind}, {size}", why]
        words += [str(w) for w in image.meta.get("warnings", ())]
        self.status.say("   ".join(words))
        self.viewer.setFocus()

    def _close_image(self) -> None:
        self._remember()
        self.bridge.cancel()
        self.viewer.clear()
        self.session.open(None)
        self.setWindowTitle("Sordino")
        self._enable()

    def _remember(self) -> None:
        d = self.session.document
        if d is not None and self.session.can_undo:
            self.memory.save(d.image, d.recipe, d.noise if d.locked else None)

    def _export(self) -> None:
        d = self.session.document
        if d is None or self.registry is None:
            return
        kinds = {d.image.kind} | ({"display"} if d.image.color else set())
        found = sorted({s for f in self.registry.formats if kinds & set(f.takes) for s in f.writes})
        source = Path(d.image.path)
        preferred = ".dng" if ".dng" in found else source.suffix.lower()
        suffix = preferred if preferred in found else (found or [".npy"])[0]
        start = source.with_name(f"{source.stem}-sordino{suffix}")
        dialog = ExportDialog(self, d.image, found, start)
        if dialog.exec():
            self.bridge.export(dialog.path, dialog.output)

    def _exported(self, done: Exported) -> None:
        self.status.say(f"Written: {done.path}   ({done.seconds:.1f} s)")

    def _failed(self, what: str, why: str) -> None:
        self.status.say(f"{what} failed: {why}", alarm=True)

    def _progressed(self, progress: object, what: str) -> None:
        self.status.show_progress(progress, what)
        d = self.session.document
        state = self.viewer.state_at_view() if d is not None and d.recipe.steps else ""
        self.status.show_state(state, self.viewer.scale if d else 0.0)

    def _judged(self, region: object, found: object) -> None:
        d = self.session.document
        roi = d is not None and self.session.state.view.roi is not None
        title = f"{'Drawn area' if roi else 'Visible region'}, {_size(region)}"
        self.statistics.show_statistics(found, title)  # type: ignore[arg-type]

    # Editing

    def _method_edited(self, method: Method, final: bool) -> None:
        d = self.session.document
        if d is not None:
            earlier, amount = d.recipe.steps[:-1], d.recipe.amount if d.recipe.steps else 1.0
            self.session.edit(recipe=Recipe((*earlier, Step(method, amount))), final=final)

    def _amount_edited(self, amount: float, final: bool) -> None:
        d = self.session.document
        if d is not None:
            self.session.edit(recipe=d.recipe.with_amount(amount), final=final)

    def _nudge_amount(self, by: float) -> None:
        d = self.session.document
        if d is not None:
            self._amount_edited(round(min(max(d.recipe.amount + by, 0.0), 1.0), 3), True)

    def _nudge_exposure(self, by: float) -> None:
        d = self.session.document
        if d is not None:
            exposure = min(max(d.look.exposure + by, -5.0), 5.0)
            self.session.edit(look=replace(d.look, exposure=exposure))

    def _nudge_gain(self, by: int) -> None:
        at = GAINS.index(min(GAINS, key=lambda g: abs(g - self.viewer.difference_gain)))
        self.viewer.difference_gain = GAINS[min(max(at + by, 0), len(GAINS) - 1)]
        self.status.say(f"Difference amplified {self.viewer.difference_gain:g} times")

    def _next_background(self) -> None:
        at = BACKGROUNDS.index(self.viewer.background)
        self.viewer.background = BACKGROUNDS[(at + 1) % len(BACKGROUNDS)]

    def _compare(self, mode: Compare) -> None:
        self.viewer.compare = mode
        self.actions_by_id[mode.name.lower()].setChecked(True)

    def _pick(self, on: bool) -> None:
        self._picking = on
        self.actions_by_id["pick"].setChecked(on)
        self.noise.set_picking(on)
        if on:
            self.status.say("Draw a rectangle over a flat, even area.")
            self.viewer.start_roi()

    def _lock(self, on: bool) -> None:
        self.session.edit(locked=on)

    def _roi_drawn(self, region: object) -> None:
        if self._picking and region is not None:
            self._pick(False)
            self.bridge.measure(region)  # type: ignore[arg-type]
            self.viewer.set_roi(None)
            return
        self.session.look_at(roi=region)

    def _cancel(self) -> None:
        if self._picking:
            self._pick(False)
        self.bridge.cancel()
        self.status.say("Cancelled.")

    def _pointed(self, place: object) -> None:
        d = self.session.document
        self.status.show_pointer(d.image if d else None, place)

    def _reset(self) -> None:
        d = self.session.document
        if d is not None and self.registry is not None:
            self.session.edit(recipe=choose(self.registry.methods, d.image)[0])

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in self.recent.paths():
            self._recent_menu.addAction(path, partial(self.open, path))

    # Help and events

    def _keys(self) -> None:
        rows = "".join(
            f"<tr><td>{c.text.rstrip('…')}</td><td>&nbsp;&nbsp;<b>{', '.join(c.keys)}</b></td></tr>"
            for parts in actions.MENUS.values() for part in parts for c in part if c.keys
        )  # fmt: skip
        held = "<tr><td>Blink before/after, held</td><td>&nbsp;&nbsp;<b>B</b></td></tr>"
        held += "<tr><td>Loupe, held</td><td>&nbsp;&nbsp;<b>L</b></td></tr>"
        QMessageBox.information(self, "Keyboard shortcuts", f"<table>{rows}{held}</table>")

    def _about(self) -> None:
        from core import __version__

        QMessageBox.about(
            self,
            "About Sordino",
            f"<b>Sordino {__version__}</b><br>Interactive image denoising.<br>Apache-2.0",
        )

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self.open(paths[0])

    def closeEvent(self, event: QCloseEvent) -> None:
        self._remember()
        self.bridge.close()
        super().closeEvent(event)


def _noise_of(d: Document) -> tuple[object, ...]:
    return d.image, d.noise, d.measured, d.origin, d.locked


def _size(region: object) -> str:
    return f"{getattr(region, 'width', 0)} × {getattr(region, 'height', 0)} px"
