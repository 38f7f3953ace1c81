"""Composition root: builds every object and wires them, in one visible place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QWidget

from core.places import cache_folder
from core.roster import Roster
from gui import actions, frame
from gui.automatic import Automatic
from gui.background import Background
from gui.batch import Batch
from gui.bridge import Bridge
from gui.calls import calls
from gui.chain import Chain
from gui.clips import Clips
from gui.cubes import Cubes
from gui.documents import Documents
from gui.edits import Edits
from gui.files import Memory
from gui.inputs import Fetch
from gui.inspector import Inspector
from gui.layer_choice import LayerChoice
from gui.learning import Learning
from gui.linked import Linked
from gui.look_panel import LookPanel
from gui.machine import Machine
from gui.mask_bar import MaskBar
from gui.monitor import Monitor
from gui.noise_panel import NoisePanel
from gui.over_time import OverTime
from gui.panel import MethodPanel
from gui.presenter import Presenter
from gui.quality_panel import QualityPanel
from gui.queue_panel import QueuePanel
from gui.rates import Rates
from gui.recent import Recent
from gui.recipes import Recipes
from gui.scans import Scans
from gui.series import SeriesMenu
from gui.session import Session
from gui.slices import Slices
from gui.statistics import StatisticsPanel
from gui.status import Status
from gui.trouble import Trouble
from gui.tuning import Tuning
from gui.viewer import Viewer
from gui.window import Window


def furnish(
    window: Window,
    settings: QSettings,
    memory: Path,
    roster: Roster | None = None,
    group: Linked | None = None,
) -> None:
    """The whole program into its window. Close the window to end its threads.

    `roster`: devices instead of those of this machine. `group`: the windows it is linked to.
    """
    roster = roster or Roster(folder=cache_folder())

    def another(group: Linked) -> Window:
        made = Window(Recent(settings).paths())
        furnish(made, settings, memory, roster, group)
        return made

    w, session, viewer = window, Session(), Viewer()
    machine = Machine(settings)
    w.linked = group or Linked(another, machine.cache(), settings)
    desk = machine.desk(roster, w.linked.cache)
    w.session, w.viewer = session, viewer
    w.bridge = bridge = Bridge(session, viewer, desk, Rates(settings))
    w.background, w.monitor = Background(bridge, viewer, machine), Monitor(settings)
    w.status = Status(lambda: (bridge.cancel(), w.tuning.cancel(), w.learning.cancel()))
    say, kept = w.status.say, Memory(memory)
    fetch, recent = Fetch(bridge, say), Recent(settings)
    w.automatic = auto = Automatic(session, settings, say)
    w.documents = Documents(w, session, viewer, bridge, recent, kept, fetch, auto, say)
    w.edits = Edits(session, viewer, bridge, say, w.show_picking)
    w.recipes, w.batch = Recipes(w, session, fetch, say), Batch(bridge, w)
    w.batch.share = desk.roster.share
    w.slices, w.trouble = Slices(), Trouble(w.pages)
    w.scans = Scans(session, viewer, w.slices, say)
    w.series = SeriesMenu(w.series_menu, session, w.open)
    w.presenter = Presenter(w)
    _place(w)
    w.chain = Chain(w, session, w.panel, w.masks, viewer, w.documents, fetch, say)
    w.cubes, w.clips = Cubes(w), Clips(w)
    w.panel.auto.setMenu(frame.menu(w, [w.actions_by_id[c.id] for c in actions.AUTOMATIC]))
    w.tuning = Tuning(session, w.panel, bridge, say, w.presenter.progressed)
    w.learning = Learning(session, w.panel, bridge, say, w.presenter.progressed, w.chain.method)
    w.linked.add(w)
    _connect(w)
    w.presenter.enable()
    w.furnished = True


def _place(w: Window) -> None:
    """Every part where it is seen."""
    w.panel, w.noise, w.look = MethodPanel(), NoisePanel(), LookPanel(w.monitor)
    w.statistics, w.queue = StatisticsPanel(), QueuePanel(w.batch, w.presenter.settings)
    w.inspector, w.quality = Inspector(w.session, w.viewer, w.bridge), QualityPanel()
    w.layer = LayerChoice(w.session, w.viewer, w.monitor)
    w.layer.set_action(frame.beside(w.tools, w.actions_by_id["difference"], w.layer))
    w.over_time = OverTime(w.session, w.bridge, w.quality.strip)
    w.pages.addWidget(w.viewer)
    w.masks = MaskBar()
    w.column.insertWidget(0, w.masks)
    w.column.addWidget(w.slices)
    w.setStatusBar(w.status)
    parts: dict[str, tuple[QWidget, ...]] = {
        "Denoise": (w.panel, frame.scrolled(w.look), w.queue),
        "Measure": tuple(map(frame.scrolled, (w.statistics, w.noise, w.quality, w.scans.info))),
    }
    for dock, widgets in parts.items():
        frame.fill(w.pages_by_dock[dock], widgets)


def _connect(w: Window) -> None:
    p, session, bridge, edits = w.presenter, w.session, w.bridge, w.edits
    session.changed.connect(p.show)
    session.history_changed.connect(p.enable)
    w.start.openWanted.connect(w.documents.ask)
    w.start.pathWanted.connect(w.open)
    w.documents.coming.connect(lambda: w.pages.setCurrentWidget(w.viewer))
    bridge.methods_loaded.connect(p.methods_loaded)
    bridge.progressed.connect(p.progressed)
    bridge.judged.connect(p.judged)
    for source in (bridge, w.background):
        source.failed.connect(p.failed)
    bridge.stopped.connect(lambda what: w.trouble.show_stopped(f"Cancelled: {what}."))
    bridge.recovered.connect(w.trouble.hide)
    w.trouble.retryWanted.connect(bridge.retry)
    w.trouble.dismissed.connect(bridge.forget)
    w.background.plots_loaded.connect(w.statistics.set_library)
    w.background.plots_loaded.connect(w.noise.plot.set_library)
    w.background.plots_loaded.connect(w.quality.set_library)
    w.inspector.measured.connect(w.quality.show_quality)
    w.background.said.connect(w.status.say)
    bridge.told.connect(w.status.show_device)
    bridge.after_shown.connect(w.layer.hear)
    w.noise.measureRequested.connect(bridge.measure)
    w.noise.pickToggled.connect(edits.pick)
    w.noise.lockToggled.connect(edits.lock)
    w.noise.modelEdited.connect(edits.noise)
    w.look.edited.connect(lambda look, final: session.edit(look=look, final=final))
    w.viewer.roiChanged.connect(edits.roi_drawn)
    w.viewer.pointerMoved.connect(p.pointed)
    w.viewer.sliceStepped.connect(w.slices.step)
    w.slices.moved.connect(edits.slice)
    w.monitor.changed.connect(w.viewer.update)
    w.scans.identifiersShown.connect(p.show_title)
    w.scans.info.identifiersWanted.connect(w.actions_by_id["identifiers"].trigger)
    w.batch.moved_on.connect(p.queue_moved_on)
    w.preset_menu.aboutToShow.connect(partial(w.recipes.fill, w.preset_menu))
    w.actions_by_id[f"budget_{w.automatic.budget}"].setChecked(True)
    actions.connect(w.actions_by_id, calls(w))
