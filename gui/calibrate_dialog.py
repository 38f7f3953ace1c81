"""The dialog that calibrates a camera: choose frames, wait, see graphs and a verdict, keep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.calibration import Calibrate
from core.engine import Event, Finished, Job
from core.job import Progress, sentence
from core.method import Cancelled
from core.noise import profiles
from core.noise.calibrate import BadFrames, Profile, Sensor
from gui.bridge import Bridge
from gui.noise_panel import Verdict
from gui.numbers import text
from gui.plots import Curve, Dots, Plot, Sketch
from gui.statistics import channel_color
from gui.turns import Turns

RANK = 2
HOW = (
    "For each ISO you use: four or more evenly lit frames (a white wall out of focus, a screen) at"
    " different exposures, and four or more with the lens cap on at the shortest exposure. RAW"
    " files of one camera; which is which is found by itself."
)
HEADS = ("ISO", "Gain", "Read noise", "Row noise", "Tails", "Verdict")


class CalibrateDialog(QDialog):
    """Frames in, a profile out; nothing is kept before the user says so."""

    def __init__(
        self,
        parent: QWidget,
        bridge: Bridge,
        kinds: str,
        folder: str,
        library: object,
        kept: Callable[[Profile], None],
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Calibrate a camera")
        self.setMinimumWidth(720)
        self._bridge, self._kinds, self._folder, self._kept = bridge, kinds, folder, kept
        self._job: Job | None = None
        self.profile: Profile | None = None
        self.state = QLabel(HOW)
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.choose = QPushButton("Choose frames…")
        self.choose.clicked.connect(self._ask)
        self._table = QFrame()
        self._table.setProperty("role", "card")
        self._table.hide()
        self.transfer = Plot("Variance against mean", Turns(self), "Flat frames appear here.")
        self.speeds = Plot("Read noise against ISO", Turns(self), "Read noise appears here.")
        for plot in (self.transfer, self.speeds):
            plot.setMinimumHeight(220)
            plot.set_library(library)
        plots = QHBoxLayout()
        plots.addWidget(self.transfer)
        plots.addWidget(self.speeds)
        self.buttons = QDialogButtonBox()
        self.keep = self.buttons.addButton(
            "Keep for this camera", QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.keep.setEnabled(False)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Close)
        self.buttons.accepted.connect(self._keep)
        self.buttons.rejected.connect(self.reject)
        whole = QVBoxLayout(self)
        whole.setSpacing(10)
        whole.addWidget(self.state)
        whole.addWidget(self.choose, 0, Qt.AlignmentFlag.AlignLeft)
        whole.addWidget(self.bar)
        whole.addWidget(self._table)
        whole.addLayout(plots, 1)
        whole.addWidget(self.buttons)
        self.finished.connect(lambda _: self._stop())

    def begin(self, paths: Sequence[str]) -> None:
        """Measure these frames."""
        self._stop()
        self._folder = str(Path(paths[0]).parent)
        self.state.setText(f"{len(paths)} frames are measured.")
        self.bar.setValue(0)
        self.bar.show()
        work = Calibrate(tuple(paths))
        self._job = self._bridge.run(work, "calibrate", RANK, self._hear)

    @property
    def running(self) -> bool:
        """Are frames being measured?"""
        return self._job is not None

    def _ask(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Flat and bias frames", self._folder, self._kinds
        )
        if paths:
            self.begin(paths)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None
        self.bar.hide()

    def _hear(self, event: Event) -> None:
        if event.job is not self._job:
            return
        if isinstance(event, Finished):
            self._job = None
            self.bar.hide()
            if event.error is not None and not isinstance(event.error, Cancelled):
                known = isinstance(event.error, BadFrames)
                self.state.setText(str(event.error) if known else sentence(event.error))
        elif isinstance(event.value, Progress):
            self.bar.setValue(round(1000 * event.value.done))
        elif isinstance(event.value, Profile):
            self.show_profile(event.value)

    def show_profile(self, profile: Profile) -> None:
        """What was measured, with graphs."""
        self.profile = profile
        worst = next((s for s in profile.sensors if s.verdict != "good"), profile.sensors[0])
        self.state.setText(f"{profile.camera}: {worst.verdict}. {worst.why}")
        self.keep.setEnabled(True)
        self._fill(profile)
        self._draw(profile)

    def _fill(self, profile: Profile) -> None:
        table = QFrame()
        table.setProperty("role", "card")
        grid = QGridLayout(table)
        grid.setContentsMargins(10, 8, 10, 8)
        grid.setHorizontalSpacing(18)
        for column, head in enumerate(HEADS):
            grid.addWidget(_soft(head), 0, column)
            grid.setColumnStretch(column, 1)
        for line, sensor in enumerate(profile.sensors, 1):
            for column, words in enumerate(row_of(sensor)):
                mark = f'<span style="color:{_color(line - 1)}">●</span> ' if not column else ""
                grid.addWidget(QLabel(mark + words), line, column)
            verdict = Verdict()
            verdict.set_value(sensor.verdict, sensor.why)
            grid.addWidget(verdict, line, len(HEADS) - 1)
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.replaceWidget(self._table, table)
        self._table.hide()
        self._table.deleteLater()
        self._table = table

    def _draw(self, profile: Profile) -> None:
        marks: list[Curve | Dots] = []
        for at, sensor in enumerate(profile.sensors):
            color = _color(at)
            x, y = np.array(sensor.points, np.float64).reshape(-1, 2).T
            order = np.argsort(x)
            gain = float(np.mean(sensor.gain))
            line = gain * x[order] + (sensor.uneven * x[order]) ** 2
            line += float(np.mean(np.square(sensor.read))) + sensor.row**2
            marks = [Dots(x, y, color, "●", 5.0, 0.6), *marks, Curve(x[order], line, color)]
        top = max((float(y) for s in profile.sensors for _, y in s.points), default=1.0)
        right = max((float(x) for s in profile.sensors for x, _ in s.points), default=1.0)
        axes = ("Signal above black", "DN"), ("Variance", "DN²")
        self.transfer.draw(Sketch(tuple(marks), *axes, reach=(right * 1.02, top * 1.08)))
        isos = np.array([s.iso for s in profile.sensors])
        reads = np.array([float(np.mean(s.read)) for s in profile.sensors])
        color = channel_color("G")
        dots = Dots(isos, reads, color, "●", 9.0)
        between = np.geomspace(isos[0] / 2, isos[-1] * 2, 60)
        model = [float(np.mean(profile.at(float(iso)).read)) for iso in between]
        line = Curve(between, np.array(model), color, dotted=True)
        self.speeds.draw(Sketch((line, dots), ("ISO", ""), ("Read noise", "DN")))

    def _keep(self) -> None:
        if self.profile is None:
            return
        try:
            profiles.write(self.profile, profiles.path_of(self.profile.camera))
        except OSError as error:
            self.state.setText(f"The profile could not be kept: {error}.")
            return
        self._kept(self.profile)
        self.accept()


def row_of(sensor: Sensor) -> tuple[str, ...]:
    """A sensor in words, a cell each, without its verdict."""
    gain, read = float(np.mean(sensor.gain)), float(np.mean(sensor.read))
    tails = "Gaussian" if sensor.tail > 0.08 else f"heavy (λ {sensor.tail:.2f})"
    row = text(sensor.row, "DN", 3) if sensor.row else "none"
    return f"{sensor.iso:g}", text(gain, "DN", 4), text(read, "DN", 4), row, tails


def _color(at: int) -> str:
    """Of an ISO in the graph."""
    return channel_color("GRBY"[at % 4])


def _soft(words: str) -> QLabel:
    label = QLabel(words)
    label.setProperty("role", "soft")
    return label
