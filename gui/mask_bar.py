"""The mask of a step: a button in the panel that tells of it, and the tools over the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from core.mask import WIDEST, Mask
from core.method import Control
from gui import theme
from gui.mask_tool import MaskTool
from gui.rows import NumberRow

BRUSH = Control("brush", "Brush", "float", 60.0, 1.0, 4000.0, "px",
                "How wide the brush paints, in image pixels  ([ and ])", log=True)  # fmt: skip
FEATHER = Control("feather", "Feather", "float", 0.0, 0.0, 1000.0, "px",
                  "Over how many pixels the edges fall off.", log=True)  # fmt: skip
SHAPES = {
    "rectangle": ("square", "Rectangle  (Ctrl+Alt+R)",
                  "Drag a rectangle in the picture (Shift: a square), or press Enter."),
    "ellipse": ("circle", "Ellipse  (Ctrl+Alt+E)",
                "Drag an ellipse in the picture (Shift: a circle), or press Enter."),
    "polygon": ("polygon", "Polygon  (Ctrl+Alt+P)",
                "Click the corners; a double click or Enter closes it, Esc begins anew."),
    "gradient": ("gradient", "Gradient  (Ctrl+Alt+G)",
                 "Drag from where the step works fully to where it does not (Shift: straight)."),
    "stroke": ("brush", "Brush  (Ctrl+Alt+B)",
               "Paint; X paints out, [ and ] change the size, Shift+click draws a line, Esc ends."),
}  # fmt: skip
EMPTY = "Choose a tool and draw where the step shall work; without a mask it works everywhere."
SHAPED = (
    "Click a shape to change it: drag it or its handles, arrows move, Ctrl+arrows resize, "
    "Delete removes. Esc ends."
)


def summary(mask: Mask | None) -> str:
    """`2 shapes, inverted`."""
    if mask is None:
        return "Whole picture"
    count = len(mask.shapes)
    parts = [Path(mask.image.path).name] if mask.image else []
    parts += [f"{count} shape{'s' * (count > 1)}"] if count else []
    parts = parts or ["Whole picture"]
    parts += [f"{axis} {first + 1} to {end}" for axis, first, end in mask.slices]
    parts += ["inverted"] if mask.invert else []
    return ", ".join(parts)


class MaskButton(QPushButton):
    """Says where a step works; pressed while that is edited."""

    def __init__(self) -> None:
        super().__init__(theme.icon("pencil", 14), summary(None))
        self.setCheckable(True)
        self.setIconSize(QSize(20, 14))
        self.setAccessibleName("Mask")
        self.setToolTip("Where this step works: draw it on the picture  (Q)")

    def set_mask(self, mask: Mask | None, editing: bool) -> None:
        """Show a mask; silent."""
        self.setText(summary(mask))
        self.setChecked(editing)


class MaskBar(QFrame):
    """Buttons for a MaskTool, brush, feather; says what the user changes in the mask."""

    edited = Signal(object, bool)  # Mask or None, final
    editingWanted = Signal(bool)
    imageWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "bar")
        self.shown: Mask | None = None
        self.tool: MaskTool | None = None
        self._slice = "", 0, 0  # the axis of the stack, which of its slices is seen, of how many
        self.buttons: dict[str, QToolButton] = {}
        for kind, (icon, tip, _) in SHAPES.items():
            self._button(kind, icon, tip, True)
        for name, icon, tip, checks in (
            ("image", "image", "An image as mask: white works, black not  (Ctrl+Alt+M)", False),
            ("subtract", "cut-out", "Cut out instead of adding  (X, Ctrl+Alt+S)", True),
            ("invert", "contrast", "Invert the mask  (Ctrl+Alt+I)", True),
            ("first", "slice-first", "Begin with this slice; again: no longer  (Ctrl+Alt+[)", True),
            ("last", "slice-last", "End with this slice; again: no longer  (Ctrl+Alt+])", True),
            ("tint", "eye", "Show in red where the step works  (Shift+Q)", True),
            ("remove", "trash-2", "Remove the chosen shape, or else the mask  (Del)", False),
        ):  # fmt: skip
            self._button(name, icon, tip, checks)
        self.brush, self.feather = NumberRow(BRUSH, inline=True), NumberRow(FEATHER, inline=True)
        self.done = QPushButton("Done")
        self.done.setToolTip("End editing the mask  (Esc, Q)")
        self.hint = QLabel(EMPTY)
        self.hint.setProperty("role", "soft")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 5, 10, 5)
        whole.setSpacing(3)
        whole.addLayout(self._line())
        whole.addWidget(self.hint)
        self.brush.edited.connect(self._widen)
        self.feather.edited.connect(self._feather)
        self.done.clicked.connect(lambda: self.editingWanted.emit(False))
        self.hide()

    def _button(self, name: str, icon: str, tip: str, checks: bool) -> None:
        button = QToolButton()
        button.setIcon(theme.icon(icon, 16))
        button.setIconSize(QSize(16, 16))
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("  ")[0])
        button.setCheckable(checks)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setProperty("flat", True)
        button.clicked.connect(lambda on: self.do(name, on if checks else None))
        self.buttons[name] = button

    def _line(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        for name, button in self.buttons.items():
            if name in ("subtract", "remove"):
                row.addWidget(_seam())
            if name == "remove":
                for number in (self.feather, self.brush):
                    number.setMinimumWidth(180)
                    number.setMaximumWidth(270)
                    row.addWidget(number, 1)
                    row.addSpacing(8)
                row.addStretch()
            row.addWidget(button)
        row.addSpacing(6)
        row.addWidget(self.done)
        return row

    def set_tool(self, tool: MaskTool) -> None:
        """The hand in the picture that the buttons are for."""
        self.tool = tool
        tool.changed.connect(self._show)
        self._show()

    def set_mask(self, mask: Mask | None, axis: str = "", at: int = 0, count: int = 0) -> None:
        """Show a mask, and the slice of a stack that is seen along an axis; silent."""
        self.shown, self._slice = mask, (axis, at, count)
        if not self.feather.held:
            self.feather.set_value(mask.feather if mask else 0.0)
        self._show()

    def do(self, name: str, on: bool | None = None) -> None:
        """What a button or a command does; `on` None turns a switch over."""
        tool = self.tool
        if tool is None:
            return
        calls: dict[str, Callable[[], object]] = {
            "image": self.imageWanted.emit,
            "edit": lambda: self.editingWanted.emit(not tool.active),
            "subtract": lambda: tool.turn(not tool.subtract),
            "tint": lambda: tool.tint(not tool.tinted),
            "invert": self._invert,
            "first": lambda: self._bound(0),
            "last": lambda: self._bound(1),
            "remove": self._remove,
        }
        if name in calls:
            calls[name]()
        else:
            self.editingWanted.emit(True)
            tool.arm("" if on is False or (on is None and tool.armed == name) else name)
        self._show()

    def _invert(self) -> None:
        if self.shown is not None:
            self.edited.emit(replace(self.shown, invert=not self.shown.invert), True)

    def _bound(self, end: int) -> None:
        """The mask begins (0) or ends (1) with the slice that is seen, or no longer does."""
        axis, at, count = self._slice
        if not axis:
            return
        mask, bounds = self.shown or Mask(), self._bounds()
        outermost = (0, count)[end]
        bounds[end] = outermost if bounds[end] == at + end else at + end
        if bounds[0] >= bounds[1]:
            bounds[1 - end] = (0, count)[1 - end]
        others = tuple(each for each in mask.slices if each[0] != axis)
        mine = () if bounds == [0, count] else ((axis, bounds[0], bounds[1]),)
        mask = replace(mask, slices=others + mine)
        empty = not (mask.shapes or mask.image or mask.invert or mask.slices)
        self.edited.emit(None if empty else mask, True)

    def _bounds(self) -> list[int]:
        """First slice and end along the axis that is seen."""
        axis, _, count = self._slice
        known = {letter: [a, b] for letter, a, b in self.shown.slices} if self.shown else {}
        return known.get(axis, [0, count])

    def _remove(self) -> None:
        if self.tool is not None and self.tool.shape is not None:
            self.tool.remove()
        elif self.shown is not None:
            self.edited.emit(None, True)

    def _feather(self, value: float, final: bool) -> None:
        if self.shown is not None:
            self.edited.emit(replace(self.shown, feather=min(value, WIDEST)), final)

    def _widen(self, value: float, final: bool) -> None:
        if self.tool is not None:
            self.tool.widen(value, final)

    def _show(self) -> None:
        tool, has = self.tool, self.shown is not None
        if tool is None:
            return
        self.setVisible(tool.active)
        for kind in SHAPES:
            self.buttons[kind].setChecked(tool.armed == kind)
        self.buttons["subtract"].setChecked(tool.subtract)
        self.buttons["tint"].setChecked(tool.tinted)
        self.buttons["invert"].setChecked(self.shown is not None and self.shown.invert)
        for name in ("invert", "remove", "tint"):
            self.buttons[name].setEnabled(has)
        for end, name in enumerate(("first", "last")):
            self.buttons[name].setVisible(bool(self._slice[0]))
            self.buttons[name].setChecked(self._bounds()[end] != (0, self._slice[2])[end])
        self.feather.setEnabled(has)
        self.brush.setVisible(tool.brushes)
        if tool.width and not self.brush.held:
            self.brush.set_value(tool.width)
        shaped = SHAPED if self.shown is not None and self.shown.shapes else EMPTY
        self.hint.setText(SHAPES[tool.armed][2] if tool.armed else shaped)


def _seam() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.VLine)
    line.setProperty("role", "seam")
    line.setFixedWidth(13)
    return line
