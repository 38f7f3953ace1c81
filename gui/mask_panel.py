"""The mask of a step in the settings panel: which shapes, how soft, where to begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from core.mask import Mask
from core.method import Control
from gui import theme
from gui.mask_tool import MaskTool
from gui.rows import NumberRow, Section

FEATHER = Control(
    "feather",
    "Feather",
    "float",
    0.0,
    0.0,
    1000.0,
    "px",
    "How softly the edge falls off.",
    log=True,
)
HINTS = {
    "": "Drag shapes and handles; arrows move, Ctrl+arrows resize, Delete removes, Esc ends.",
    "rectangle": "Drag a rectangle in the picture (Shift: a square), or press Enter.",
    "ellipse": "Drag an ellipse in the picture (Shift: a circle), or press Enter.",
    "polygon": "Click the corners; a double click or Enter closes it, Esc begins anew.",
}


def summary(mask: Mask | None) -> str:
    """`Mask: 2 shapes, inverted`."""
    if mask is None:
        return "Mask: whole picture"
    count = len(mask.shapes)
    parts = [f"{count} shape{'s' * (count > 1)}"] if count else []
    parts += [Path(mask.image.path).name] if mask.image else []
    parts += ["inverted"] if mask.invert else []
    return f"Mask: {', '.join(parts)}"


class MaskPanel(Section):
    """Buttons for a MaskTool, feather and invert; says what the user changes in the mask."""

    edited = Signal(object, bool)  # Mask or None, final
    editingWanted = Signal(bool)
    imageWanted = Signal()

    def __init__(self) -> None:
        super().__init__(summary(None), opened=False)
        self.shown: Mask | None = None
        self.tool: MaskTool | None = None
        self.buttons: dict[str, QToolButton] = {}
        for name, icon, tip, checks in (
            ("rectangle", "square", "Rectangle  (Ctrl+Alt+R)", True),
            ("ellipse", "circle", "Ellipse  (Ctrl+Alt+E)", True),
            ("polygon", "polygon", "Polygon  (Ctrl+Alt+P)", True),
            ("image", "image", "An image as mask: white works, black does not", False),
            ("subtract", "cut-out", "Cut the shape out instead of adding it  (Ctrl+Alt+S)", True),
            ("invert", "contrast", "Invert the mask  (Ctrl+Alt+I)", True),
            ("tint", "eye", "Show in red where the step works  (Shift+Q)", True),
            ("edit", "pencil", "Edit the mask in the picture  (Q)", True),
            ("remove", "trash-2", "Remove the chosen shape, or else the mask", False),
        ):
            self.buttons[name] = self._button(name, icon, tip, checks)
        self.add(self._line())
        self.feather = NumberRow(FEATHER)
        self.add(self.feather)
        self.hint = QLabel(HINTS[""])
        self.hint.setWordWrap(True)
        self.hint.setProperty("role", "soft")
        self.add(self.hint)
        self.feather.edited.connect(self._feather)
        self.head.clicked.connect(lambda on: None if on else self.editingWanted.emit(False))

    def _button(self, name: str, icon: str, tip: str, checks: bool) -> QToolButton:
        button = QToolButton()
        button.setIcon(theme.icon(icon, 15))
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("  ")[0])
        button.setCheckable(checks)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setProperty("flat", True)
        button.clicked.connect(lambda on, name=name: self.do(name, on))
        return button

    def _line(self) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        for name, button in self.buttons.items():
            if name == "tint":
                row.addStretch()
            row.addWidget(button)
        return line

    def set_tool(self, tool: MaskTool) -> None:
        """The hand in the picture that the buttons are for."""
        self.tool = tool
        tool.changed.connect(self._show)
        self._show()

    def set_mask(self, mask: Mask | None) -> None:
        """Show a mask; silent."""
        self.shown = mask
        self.head.setText(summary(mask))
        if not self.feather.held:
            self.feather.set_value(mask.feather if mask else 0.0)
        self._show()

    def do(self, name: str, on: bool | None = None) -> None:
        """What a button does; `on` None turns a switch over."""
        tool = self.tool
        if tool is None:
            return
        on = not self.buttons[name].isChecked() if on is None else on
        calls: dict[str, Callable[[], object]] = {
            "image": self.imageWanted.emit,
            "edit": lambda: self._edit(on),
            "subtract": lambda: tool.turn(on),
            "tint": lambda: tool.tint(on),
            "invert": self._invert,
            "remove": self._remove,
        }
        if name in calls:
            calls[name]()
        else:
            self._edit(True)
            tool.arm(name if on else "")
        self._show()

    def _edit(self, on: bool) -> None:
        if on and not self.head.isChecked():
            self.head.setChecked(True)
        self.editingWanted.emit(on)

    def _invert(self) -> None:
        if self.shown is not None:
            self.edited.emit(replace(self.shown, invert=not self.shown.invert), True)

    def _remove(self) -> None:
        if self.tool is not None and self.tool.shape is not None:
            self.tool.remove()
        elif self.shown is not None:
            self.edited.emit(None, True)

    def _feather(self, value: float, final: bool) -> None:
        if self.shown is not None:
            self.edited.emit(replace(self.shown, feather=value), final)

    def _show(self) -> None:
        tool, has = self.tool, self.shown is not None
        if tool is None:
            return
        for kind in ("rectangle", "ellipse", "polygon"):
            self.buttons[kind].setChecked(tool.armed == kind)
        self.buttons["subtract"].setChecked(tool.subtract)
        self.buttons["tint"].setChecked(tool.tinted)
        self.buttons["edit"].setChecked(tool.active)
        self.buttons["invert"].setChecked(self.shown is not None and self.shown.invert)
        for name in ("invert", "remove", "tint"):
            self.buttons[name].setEnabled(has)
        self.feather.setEnabled(has)
        self.hint.setVisible(tool.active)
        self.hint.setText(HINTS[tool.armed])
