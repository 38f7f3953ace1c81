"""The noise of the picture: its model, verdict and what it rests on; measured, picked or typed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.method import Control
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD, ChannelFit, Chart, Measured
from core.noise.model import Noise, PoissonGaussian
from gui import theme
from gui.controls import NumberEdit
from gui.noise_fields import HELP, Field, changed, fields, typical
from gui.numbers import text
from gui.plots import SYMBOLS, Curve, Dots, Plot, Sketch, channel_color, mark, steps
from gui.turns import Turns

BY_HAND = "by hand"
PIXELS = ("Sigma", "Level", "Magnitude", "Level less mean")  # axes in the unit of the pixels
ICONS = {
    GOOD: "circle-check",
    DOUBTFUL: "triangle-alert",
    CANNOT_TELL: "circle-help",
    BY_HAND: "sliders-horizontal",
}


class Verdict(QWidget):
    """A word with an icon of its own shape; the sentence is its tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.icon, self.word = QLabel(), QLabel()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.icon)
        line.addWidget(self.word, 1)

    def set_value(self, word: str, why: str) -> None:
        """Show a verdict."""
        self.word.setText(word)
        self.setToolTip(why)
        look = theme.colors()
        color = look.alarm if word in (DOUBTFUL, CANNOT_TELL) else look.text
        name = ICONS.get(word)
        self.icon.setVisible(name is not None)
        if name:
            self.icon.setPixmap(theme.pixmap(name, 14, self.devicePixelRatioF(), color))


class ChannelRow:
    """The widgets of one channel in the table: a number each, the verdict, the range below."""

    def __init__(
        self, panel: NoisePanel, grid: QGridLayout, line: int, name: str, parts: Sequence[Field]
    ) -> None:
        self.name = name
        self.label = QLabel(mark(name))
        self.edits = [self._edit(panel, field, f"{field.label} {name}".strip()) for field in parts]
        self.range = QLabel()
        self.range.setProperty("role", "soft")
        self.range.setToolTip("Where the true value lies, as far as this picture can tell")
        self.range.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.verdict = Verdict()
        for column, part in enumerate((self.label, *self.edits, self.verdict)):
            grid.addWidget(part, line, column)
        self.label.setVisible(bool(name))  # not before: without a parent it would be a window
        grid.addWidget(self.range, line + 1, 1, 1, len(self.edits))

    @property
    def gain(self) -> NumberEdit:
        """The first number."""
        return self.edits[0]

    @property
    def read(self) -> NumberEdit:
        """The last number."""
        return self.edits[-1]

    def _edit(self, panel: NoisePanel, field: Field, label: str) -> NumberEdit:
        unit = panel.unit if field.in_pixels else ""
        edit = NumberEdit(
            Control(field.label.lower(), label, "float", 0.0, field.minimum, field.maximum, unit)
        )
        edit.setMinimumWidth(edit.width() * 3 // 4)
        edit.setMaximumWidth(edit.width() * 3 // 2)
        edit.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        edit.edited.connect(lambda _: panel.tell())
        edit.stepped.connect(lambda steps: panel.nudge(edit, steps))
        return edit

    def set_value(self, values: Sequence[float], fit: ChannelFit | None, own: bool) -> str:
        """Show the numbers and what the measurement says of them; returns the sentence.

        `own`: they are what was measured.
        """
        for edit, value in zip(self.edits, values, strict=True):
            edit.set_value(value)
        unit = self.read.control.unit or self.gain.control.unit
        self.range.setVisible(fit is not None)
        if fit is None:
            word = "" if math.isnan(values[0]) else BY_HAND
            self.verdict.set_value(word, "Nothing was measured in this picture.")
            return ""
        low, high = fit.read_range or (0.0, 0.0)
        span = f"{text(low)} … {text(high, unit)}" if fit.read_range else CANNOT_TELL
        self.range.setText(f"range: {span}")
        if not own:
            why = f"Measured: gain {text(fit.gain, unit)}, read noise {text(fit.read, unit)}."
            if not self.name:
                why = f"Measured: sigma {text(fit.read, unit)}."
            self.verdict.set_value(BY_HAND, why)
            return why
        self.verdict.set_value(fit.verdict, fit.why)
        return fit.why


class NoisePanel(QWidget):
    """The numbers of the noise model, a row a channel. Shows what set_value tells."""

    measureRequested = Signal()
    pickToggled = Signal(bool)  # the user wants to draw a flat area, or no longer
    lockToggled = Signal(bool)
    modelEdited = Signal(object)  # Noise

    def __init__(self) -> None:
        super().__init__()
        self.unit = "DN"
        self.rows: list[ChannelRow] = []
        self._noise: Noise = PoissonGaussian((0.0,), (0.0,))
        self._built: tuple[tuple[str, ...], tuple[str, ...], str] = (), (), ""
        self.source = QLabel()
        self.source.setWordWrap(True)
        self.why = QLabel()
        self.why.setWordWrap(True)
        self.why.setProperty("role", "soft")
        self.why.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.plot = Plot(
            "Variance against mean", Turns(self), "The mean-variance plot appears here."
        )
        self._table = QWidget()
        whole = self._column = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 8)
        whole.setSpacing(8)
        whole.addLayout(self._buttons())
        whole.addWidget(self.source)
        whole.addWidget(self._table)
        whole.addWidget(self.why)
        whole.addWidget(self.plot, 1)
        self.set_value(None)

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setSpacing(6)
        self.measure = self._button("Measure", "activity", "Measure the noise in the whole picture")
        self.pick = self._button(
            "Pick flat area", "pipette", "Draw a rectangle over an evenly lit area without texture"
        )
        self.lock = self._button("Lock", "lock-open", "Keep this model, also for the next pictures")
        self.pick.setCheckable(True)
        self.lock.setCheckable(True)
        self.measure.clicked.connect(self.measureRequested)
        self.pick.clicked.connect(self.pickToggled)
        self.lock.clicked.connect(self._lock)
        for button in (self.measure, self.pick, self.lock):
            line.addWidget(button)
        line.addStretch()
        return line

    def _button(self, words: str, icon: str, tip: str) -> QPushButton:
        button = QPushButton(theme.icon(icon, 15), words)
        button.setToolTip(tip)
        return button

    def set_value(
        self,
        noise: Noise | None,
        measured: Measured | None = None,
        source: str = "",
        channels: str = "",
        unit: str = "DN",
    ) -> None:
        """Show the model in use, what was measured, where the model came from ("typed", "EXIF").

        `channels` has a letter a row (default: the measured channels), `unit` is that of the
        pixels. None: nothing is known yet.
        """
        plain = noise is None or isinstance(noise, PoissonGaussian)
        fits: Sequence[ChannelFit | None] = measured.channels if measured else ()
        names = channels or "".join(fit.name[:1] for fit in fits if fit) or "Y"
        self._noise = noise or PoissonGaussian((0.0,), (0.0,))
        if not plain:
            names = ("",)
            fits = (_whole(measured),) if measured else ()
        heads = tuple(field.label for field in fields(self._noise))
        if (tuple(names), heads, unit) != self._built:
            self.unit = unit
            self._build(tuple(names), heads)
        self._table.setEnabled(noise is not None)
        known = f"Noise model: {source}" if source else "Noise model"
        self.source.setText(known if noise else "The noise was not measured yet.")
        self.source.setToolTip(HELP.get(noise.kind, "") if noise else "")
        said: dict[str, list[str]] = {}
        for at, one in enumerate(self.rows):
            fit = fits[at] if at < len(fits) else None
            values = tuple(field.value for field in fields(self._noise, at))
            own = values == (fit.gain, fit.read) if plain and fit else noise == _model(measured)
            values = values if noise else (math.nan,) * len(values)
            said.setdefault(one.set_value(values, fit, own), []).append(one.name)
        self._explain(said, measured)
        if plain and (measured is None or measured.chart is None):
            self._plot(noise, measured, names)
        else:
            self.plot.draw(
                _sketch(measured.chart, self.unit) if measured and measured.chart else None
            )

    def set_locked(self, on: bool) -> None:
        """Show whether the model is kept; while it is, it cannot be changed."""
        self.lock.setChecked(on)
        self.lock.setIcon(theme.icon("lock" if on else "lock-open", 15))
        self.lock.setText("Locked" if on else "Lock")
        for part in (self.measure, self.pick):
            part.setEnabled(not on)
        for edit in (edit for one in self.rows for edit in one.edits):
            edit.setReadOnly(on)

    def set_picking(self, on: bool) -> None:
        """Show whether the next rectangle drawn in the picture is the flat area."""
        self.pick.setChecked(on)

    def tell(self) -> None:
        """Say the model that the fields show now."""
        values = tuple(edit.value for one in self.rows for edit in one.edits)
        with suppress(ValueError):  # numbers that make no model: the old one stays
            self.modelEdited.emit(changed(self._noise, values))

    def nudge(self, edit: NumberEdit, steps: int) -> None:
        """A step is 2 %: of nothing, nothing."""
        edit.set_value(float(f"{edit.value * 1.02**steps:.4g}"))
        self.tell()

    def _lock(self, on: bool) -> None:
        self.set_locked(on)
        self.lockToggled.emit(on)

    def _build(self, names: tuple[str, ...], heads: tuple[str, ...]) -> None:
        self._built = names, heads, self.unit
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        for column, words in enumerate(("", *heads, "Fit")):
            head = QLabel(words)
            head.setProperty("role", "soft")
            if 0 < column <= len(heads):
                head.setAlignment(Qt.AlignmentFlag.AlignRight)
                grid.setColumnStretch(column, 1)
            grid.addWidget(head, 0, column)
        parts = fields(self._noise)
        self.rows = [
            ChannelRow(self, grid, 1 + 2 * at, name, parts) for at, name in enumerate(names)
        ]
        self._column.replaceWidget(self._table, table)
        self._table.hide()
        self._table.deleteLater()
        self._table = table
        self.set_locked(self.lock.isChecked())

    def _explain(self, said: dict[str, list[str]], measured: Measured | None) -> None:
        who = {why: f"{', '.join(names)}: " for why, names in said.items() if why}
        lines = [(name if len(self.rows) > 1 else "") + why for why, name in who.items()]
        if measured:
            lines = [*([measured.summary] if measured.summary else []), *lines, *measured.notes]
        self.why.setText("\n".join(lines))
        self.why.setVisible(bool(lines))

    def _plot(self, model: Noise | None, measured: Measured | None, names: Sequence[str]) -> None:
        if (
            not isinstance(model, PoissonGaussian)
            or measured is None
            or not any(one.points for one in measured.channels)
        ):
            self.plot.draw(None)
            return
        marks: list[Curve | Dots] = []
        reach = top = 0.0
        for at, (name, fit) in enumerate(zip(names, measured.channels, strict=False)):
            right = max((mean for mean, _ in fit.points), default=0.0)
            spread = sorted(variance for _, variance in fit.points)
            usual = spread[int(len(spread) * 0.97)] if spread else 0.0  # not the outliers
            gain, read = model.of(at)
            marks.append(_scatter(name, fit))
            marks.append(_line(name, gain, read, right))
            if (gain, read) != (fit.gain, fit.read):
                marks.append(_line(name, fit.gain, fit.read, right, dotted=True))
            reach, top = max(reach, right), max(top, gain * right + read**2, usual)
        marks.sort(key=lambda one: isinstance(one, Curve))  # lines above all dots
        square = f"{self.unit}²" if self.unit else ""
        axes = ("Signal above black", self.unit), ("Variance", square)
        self.plot.draw(Sketch(tuple(marks), *axes, reach=(reach * 1.02, top * 1.08)))


def _scatter(name: str, fit: ChannelFit) -> Dots:
    means, variances = np.array(fit.points).reshape(-1, 2).T
    many = len(means) > 50
    look = SYMBOLS.get(name, "●"), 5.0 if many else 8.0, 0.47 if many else 0.86
    return Dots(means, variances, channel_color(name), *look)


def _line(name: str, gain: float, read: float, right: float, dotted: bool = False) -> Curve:
    ends = np.array([0.0, right])
    return Curve(ends, gain * ends + read**2, channel_color(name), dotted=dotted)


def _model(measured: Measured | None) -> Noise | None:
    return measured.model if measured else None


def _whole(measured: Measured) -> ChannelFit:
    """One fit for the whole of a measurement in one row."""
    first, sigma = measured.channels[0], typical(measured.model)
    if len(measured.channels) == 1:
        return first
    good = sum(fit.verdict == GOOD for fit in measured.channels)
    why = f"{good} of {len(measured.channels)} bands or slices are measured well."
    return ChannelFit("", 0.0, sigma, None, measured.verdict, why)


def _sketch(chart: Chart, unit: str) -> Sketch:
    """A chart of a measurement as the plot draws it; bars are steps."""
    color, fitted = channel_color("Y"), channel_color("G")
    x, y = np.array(chart.points, np.float64).reshape(-1, 2).T
    line = np.array(chart.line, np.float64).reshape(-1, 2).T
    marks: list[Curve | Dots] = []
    if chart.bars and len(x) > 1:
        half = (x[1] - x[0]) / 2
        marks.append(steps(np.append(x - half, x[-1] + half), y, color, width=1.0, fill=0.25))
    elif len(x):
        marks.append(Dots(x, y, color, "●", 5.0 if len(x) > 50 else 8.0, 0.6))
    if line.size:
        marks.append(Curve(line[0], line[1], fitted if chart.bars else color))
    x_axis, y_axis = ((n, u or unit if n in PIXELS else u) for n, u in (chart.x, chart.y))
    return Sketch(tuple(marks), x_axis, y_axis)
