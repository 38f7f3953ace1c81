"""The parts that settings are set with: a slider, a typed number, a drop-down list."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QToolTip,
    QWidget,
)

from core.method import Control
from gui import theme
from gui.numbers import parse, text

STEPS = {
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_PageUp: 10,
    Qt.Key.Key_PageDown: -10,
}
ACROSS = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1}
ENDS = {Qt.Key.Key_Home: -1000, Qt.Key.Key_End: 1000}


def wheel_steps(event: QWheelEvent, widget: QWidget) -> int:
    """Notches of a wheel turned over a focused widget; else 0, and the event scrolls the panel."""
    if not widget.hasFocus():
        event.ignore()
        return 0
    event.accept()
    turned = event.angleDelta().y()
    return (turned > 0) - (turned < 0)


class Track(QSlider):
    """A slider of positions 0..1 that jumps to the pointer and can mark a suggested position."""

    dragged = Signal(float)  # position, while held
    released = Signal()
    stepped = Signal(int)  # keys and wheel: 1 is a small step, 10 a large one
    resetWanted = Signal()

    EDGE = 7  # room for the handle at both ends

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, 10000)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(19)
        self.setMinimumWidth(60)
        self._grip = 0.0
        self._mark: float | None = None
        self._origin = 0.0
        self._ticks: tuple[tuple[float, str], ...] = ()
        self._done: tuple[tuple[float, float], ...] = ()
        self._range: tuple[float, float] | None = None
        self._empty = False

    def set_position(self, position: float | None) -> None:
        """None: there is no position, and no handle."""
        if (position is None) != self._empty:
            self._empty = position is None
            self.update()
        if position is not None:
            self.setValue(round(position * self.maximum()))

    def set_ticks(self, ticks: tuple[tuple[float, str], ...]) -> None:
        """Places that are marked, each in a colour."""
        if ticks != self._ticks:
            self._ticks = ticks
            self.update()

    def set_done(self, spans: tuple[tuple[float, float], ...]) -> None:
        """Parts of the slider that are underlined: what is ready."""
        if spans != self._done:
            self._done = spans
            self.update()

    def set_range(self, span: tuple[float, float] | None) -> None:
        """A part of the slider between brackets."""
        if span != self._range:
            self._range = span
            self.update()

    def set_mark(self, position: float | None) -> None:
        self._mark = position
        self.update()

    def set_origin(self, position: float) -> None:
        """Where the filled part begins: the position of zero."""
        self._origin = position

    def _x(self, position: float) -> float:
        return self.EDGE + position * (self.width() - 2 * self.EDGE)

    def _drag_to(self, x: float) -> None:
        position = (x - self.EDGE) / max(self.width() - 2 * self.EDGE, 1)
        self.dragged.emit(min(max(position, 0.0), 1.0))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self.setSliderDown(True)
        x = event.position().x()
        self._grip = x - self._x(self.value() / self.maximum())
        if abs(self._grip) > self.EDGE:  # beside the handle: it comes to the pointer
            self._grip = 0.0
            self._drag_to(x)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._drag_to(event.position().x() - self._grip)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.isSliderDown():
            self.setSliderDown(False)
            self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.resetWanted.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = (STEPS | ACROSS | ENDS).get(Qt.Key(event.key()))
        if steps is None:
            event.ignore()
        else:
            self.stepped.emit(steps)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if steps := wheel_steps(event, self):
            self.stepped.emit(steps)

    def event(self, event: QEvent) -> bool:
        """Qt: keys that move the handle do not go to commands of the window."""
        if event.type() == QEvent.Type.ShortcutOverride:
            assert isinstance(event, QKeyEvent)
            plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            if not plain and Qt.Key(event.key()) in (STEPS | ACROSS | ENDS):
                event.accept()
                return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme.colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, x = self.height() / 2, self._x(self.value() / self.maximum())
        on = self.isEnabled()

        def bar(x0: float, x1: float, color: str) -> None:
            painter.setBrush(QColor(color))
            painter.drawRoundedRect(QRectF(min(x0, x1), middle - 1.5, abs(x1 - x0), 3), 1.5, 1.5)

        painter.setPen(QPen(QColor(look.edge), 1))
        bar(1, self.width() - 1, look.base)
        painter.setPen(Qt.PenStyle.NoPen)
        if not self._empty:
            bar(self._x(self._origin) if self._origin else 1, x, look.strong if on else look.edge)
        self._paint_marks(painter, middle)
        if self._mark is not None:
            at = self._x(self._mark)
            tip = QPolygonF([QPointF(at, middle + 3), QPointF(at - 4, middle + 9)])
            tip.append(QPointF(at + 4, middle + 9))
            painter.setBrush(QColor(look.text))
            painter.drawPolygon(tip)
        held = self.isSliderDown() or self.underMouse()
        if self.hasFocus():
            painter.setPen(QPen(QColor(look.accent), 2))
        if self._empty:
            if self.hasFocus():
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 2, -1, -2), 3, 3)
            return
        painter.setBrush(QColor((look.bright if held else look.text) if on else look.dim))
        painter.drawEllipse(QPointF(x, middle), 6, 6)

    def _paint_marks(self, painter: QPainter, middle: float) -> None:
        look = theme.colors()
        painter.setBrush(QColor(look.text))
        for start, stop in self._done:
            left, right = self._x(start), self._x(stop)
            painter.drawRect(QRectF(left, self.height() - 3, max(right - left, 1.0), 2))
        for position, color in self._ticks:
            painter.setBrush(QColor(color))
            painter.drawRect(QRectF(self._x(position) - 1.5, middle - 6, 3, 12))
        if self._range is not None:
            painter.setBrush(QColor(look.bright))
            for position, way in zip(self._range, (1, -1), strict=True):
                x = self._x(position)
                painter.drawRect(QRectF(x - 1, 1, 2, self.height() - 2))
                for y in (1, self.height() - 3):
                    painter.drawRect(QRectF(min(x, x + 4 * way), y, 4, 2))


class NumberEdit(QLineEdit):
    """A typed number. Shows `1.2 px`; while edited, only the digits. Bad text keeps the old one."""

    edited = Signal(float)
    stepped = Signal(int)

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.value = float(control.default)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(self.fontMetrics().horizontalAdvance("2.44×10⁻⁵ px") + 16)
        self.setAccessibleName(control.label)
        self.textEdited.connect(self._judge)
        self.editingFinished.connect(self._finish)
        self._write()

    def set_value(self, value: float) -> None:
        self.value = value
        if not (self.hasFocus() and self.isModified()):
            self._write()

    def _write(self) -> None:
        plain = self.hasFocus()
        self.setText(f"{self.value:.6g}" if plain else text(self.value, self.control.unit, 4))
        self._mark("")

    def _mark(self, error: str) -> None:
        if bool(self.property("invalid")) != bool(error):
            self.setProperty("invalid", bool(error))
            self.style().polish(self)

    def _error(self) -> str:
        try:
            self.control.parse(parse(self.text(), self.control.unit))
        except ValueError as error:
            return str(error)
        return ""

    def _judge(self) -> None:
        self._mark(self._error())

    def _finish(self) -> None:
        if not self.isModified():
            return
        error = self._error()
        if error:
            below = self.mapToGlobal(self.rect().bottomLeft())
            QToolTip.showText(below, f"{error}. Kept {text(self.value, self.control.unit, 4)}.")
        else:
            self.value = float(self.control.parse(parse(self.text(), self.control.unit)))
        self.setModified(False)
        self._write()
        self.selectAll()
        if not error:
            self.edited.emit(self.value)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._write()
        self.selectAll()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._write()
        self.deselect()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if not self.hasSelectedText() and not self.isModified():
            self.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = None if self.isReadOnly() else STEPS.get(Qt.Key(event.key()))
        if steps is not None:
            self._finish()
            self.stepped.emit(steps)
        elif event.key() == Qt.Key.Key_Escape and self.isModified():
            self.setModified(False)
            self._write()
            self.selectAll()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        steps = wheel_steps(event, self)
        if steps and not self.isReadOnly():
            self._finish()
            self.stepped.emit(steps)


class Combo(QComboBox):
    """A drop-down list that the wheel changes only while it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumContentsLength(8)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
