"""Background: what goes on behind the picture: plots' library, devices, memory. No picture waits.

Nothing here is cancelled by Cancel, and none of it makes the window busy.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.engine import Event, Finished, Work
from core.job import sentence
from core.method import Cancelled
from core.roster import Alarm, Row
from gui.bridge import Bridge
from gui.machine import Machine
from gui.turns import Turns, wake_qt
from gui.viewer import Viewer
from gui.works import Allow, ChooseDevice, ListDevices, LoadPlots, LookForDevices

TASKS = {LoadPlots: "Loading the plots", Allow: "Setting the memory"}


class Background(QObject):
    """Runs the window's own Works and tells what they found."""

    plots_loaded = Signal(object)  # the module that draws them
    devices_changed = Signal(object)  # tuple of Rows
    said = Signal(str, bool)  # a sentence, whether it is bad news
    looking = Signal(bool)  # are devices being looked for?
    failed = Signal(str, str)

    def __init__(self, bridge: Bridge, viewer: Viewer, machine: Machine) -> None:
        super().__init__()
        self._bridge, self._viewer, self.machine = bridge, viewer, machine
        self.owner = f"canvases {id(self)}"  # what the viewer holds, as the cache knows it
        self.windows = 1  # that share the memory
        self.rows: tuple[Row, ...] = ()
        self.busy = False  # looking for devices
        self._plots_wanted = False
        self._turns = Turns(self)
        self._allowed: Allow | None = None
        bridge.progressed.connect(lambda progress, _: None if progress else self._calm())

    def begin(self) -> None:
        """After the first paint."""
        self._look("")

    def again(self, name: str) -> None:
        """Test a device again."""
        self._look(name)

    def choose(self, name: str) -> None:
        """Use this device for everything; "": the faster for each method."""
        self.machine.device = name
        self._run(ChooseDevice(name), "choose")

    def allow(self) -> None:
        """Keep to the bounds that the user has set, and count what the viewer holds."""
        m = self.machine
        bounds = m.memory_bytes, m.limits, m.cache_bytes, m.disk_bytes
        wanted = Allow(*bounds, self._viewer.nbytes, self.owner, self.windows)
        if wanted != self._allowed:
            self._allowed = wanted
            self._run(wanted, "allow")

    def _look(self, again: str) -> None:
        self.busy = True
        self.looking.emit(True)
        self._run(LookForDevices(again, self.machine.device), "devices")

    def _calm(self) -> None:
        """What is more urgent is done."""
        if not self._plots_wanted:
            self._plots_wanted = True
            wake_qt(self._turns, lambda: self._run(LoadPlots(), "plots"))
        self.allow()
        self._run(ListDevices(), "rows")

    def _run(self, work: Work, lane: str) -> None:
        if not self._bridge.closed:
            self._bridge.run(work, lane, 0, self._receive)

    def _receive(self, event: Event) -> None:
        work = event.job.work
        if isinstance(event, Finished):
            if isinstance(work, LookForDevices):
                self.busy = False
                self.looking.emit(False)
            if event.error is None:
                if isinstance(work, ChooseDevice):
                    self._bridge.compute_again()
            elif not isinstance(event.error, Cancelled):
                self.failed.emit(
                    TASKS.get(type(work), "Looking for devices"), sentence(event.error)
                )
        elif isinstance(work, LoadPlots):
            self.plots_loaded.emit(event.value)
        elif isinstance(event.value, str):
            self.said.emit(event.value, isinstance(event.value, Alarm))
        elif isinstance(event.value, tuple) and event.value != self.rows:
            self.rows = event.value
            self.devices_changed.emit(event.value)
