"""The settings panel, by mouse and keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal  # noqa: F401

import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QIcon, QRegion, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from core.method import Choice, Control, Method, Slider
from gui import theme
from gui.numbers import Scale, parse, text
from gui.panel import MethodPanel
from gui.rows import ChoiceRow, NumberRow, SwitchRow


class Fancy(Method):
    """For photographs.

    Not shown.
    """

    title = "Fancy"
    assumption = "White noise."
    paper = "Somebody 2011"
    strength: Annotated[float, Slider(0.1, 10, "σ", "Removes noise, and texture.", log=True)] = 1.0
    chroma: Annotated[float, Slider(0, 200, "%", "Colour noise.")] = 100.0
    radius: Annotated[int, Slider(3, 31, "px", "Reach.", advanced=True)] = 21
    twice: Annotated[bool, Choice("Second pass.")] = True
    block: Annotated[Literal["auto", "small_blocks"], Choice("Blocks.")] = "auto"


class Plain(Method):
    """Quick."""

    title = "Plain"
    level: Annotated[float, Slider(0, 3, "", "How much.")] = 1.0


@pytest.fixture
def panel(qtbot, qapp):
    theme.apply(qapp)
    panel = MethodPanel()
    qtbot.addWidget(panel)
    panel.resize(320, 700)
    panel.set_methods({"fancy": Fancy, "plain": Plain})
    panel.set_recipe_step(Fancy(), 1.0)
    panel.show()
    qtbot.waitExposed(panel)
    panel.told = []
    panel.methodEdited.connect(lambda method, final: panel.told.append((method, final)))
    return panel


def handle(row: NumberRow) -> QPoint:
    slider = row.slider
    return QPoint(round(slider._x(slider.value() / slider.maximum())), slider.height() // 2)


def type_in(row: NumberRow, words: str, key: Qt.Key = Qt.Key.Key_Return) -> None:
    row.edit.setFocus()
    row.edit.selectAll()
    QTest.keyClicks(row.edit, words)
    QTest.keyClick(row.edit, key)


def turn_wheel(widget: QWidget) -> None:
    here = QPointF(widget.rect().center())
    buttons, none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        here,
        widget.mapToGlobal(here),
        QPoint(),
        QPoint(0, 120),
        buttons,
        none,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_rows_follow_the_declaration(panel):
    kinds = {name: type(row) for name, row in panel.rows.items()}
    assert kinds == {
        "strength": NumberRow,
        "chroma": NumberRow,
        "radius": NumberRow,
        "twice": SwitchRow,
        "block": ChoiceRow,
    }
    assert panel.rows["strength"].edit.text() == "1 σ"
    assert panel.rows["strength"].toolTip() == "Removes noise, and texture."
    assert "White noise" in panel.assumption.text()
    assert (
        panel.chooser.toolTip() == "For photographs.\nAssumes: White noise.\nPaper: Somebody 2011"
    )


def test_showing_a_value_is_silent(panel, qtbot):
    with qtbot.assertNotEmitted(panel.methodEdited), qtbot.assertNotEmitted(panel.amountEdited):
        panel.set_recipe_step(Fancy(strength=2.5, twice=False, block="small_blocks"), 0.4)
        panel.set_recipe_step(Plain(level=2.0), 0.5)
        panel.set_recipe_step(None, 1.0)
        panel.set_recipe_step(Fancy(radius=5), 0.25)
    assert panel.rows["radius"].edit.text() == "5 px"
    assert panel.amount.value == 25


def test_drag_is_final_on_release_only(panel):
    row = panel.rows["strength"]
    start = handle(row)
    QTest.mousePress(row.slider, Qt.MouseButton.LeftButton, pos=start)
    assert panel.told == []  # pressing the handle moves nothing
    for dx in (20, 40):
        QTest.mouseMove(row.slider, start + QPoint(dx, 0))
    assert [final for _, final in panel.told] == [False, False]
    panel.set_recipe_step(Fancy(), 1.0)  # an old value arrives while it is held
    assert row.value == panel.told[-1][0].strength
    QTest.mouseRelease(row.slider, Qt.MouseButton.LeftButton, pos=start + QPoint(40, 0))
    last, final = panel.told[-1]
    assert final and last == panel.told[-2][0]
    assert last.strength > 1 and last.chroma == 100


def test_click_beside_the_handle_jumps_there(panel):
    row = panel.rows["chroma"]
    at = QPoint(row.slider.width() // 4, row.slider.height() // 2)
    QTest.mouseClick(row.slider, Qt.MouseButton.LeftButton, pos=at)
    assert panel.told[-1][1] is True
    assert panel.told[-1][0].chroma == pytest.approx(50, abs=5)


def test_typed_value_with_unit_and_comma(panel):
    type_in(panel.rows["chroma"], "35,4321 %")
    assert panel.told == [(Fancy(chroma=35.4321), True)]
    assert panel.rows["chroma"].value == 35.4321  # not rounded to the slider's steps


@pytest.mark.parametrize("words", ["nonsense", "99", "-3", "", "nan", "1e400"])
def test_bad_text_keeps_the_old_value(panel, words):
    row = panel.rows["strength"]
    row.edit.setFocus()
    row.edit.selectAll()
    QTest.keyClicks(row.edit, words)
    if not words:
        QTest.keyClick(row.edit, Qt.Key.Key_Delete)
    assert row.edit.property("invalid")
    QTest.keyClick(row.edit, Qt.Key.Key_Return)
    assert not row.edit.property("invalid")
    assert (row.value, row.edit.text(), panel.told) == (1.0, "1", [])


def test_escape_takes_typing_back(panel):
    type_in(panel.rows["strength"], "3", Qt.Key.Key_Escape)
    assert panel.rows["strength"].edit.text() == "1" and panel.told == []


def test_keys_step(panel):
    radius = panel.rows["radius"]
    radius.slider.setFocus()
    QTest.keyClick(radius.slider, Qt.Key.Key_Right)
    assert panel.told[-1] == (Fancy(radius=22), True)
    QTest.keyClick(radius.slider, Qt.Key.Key_PageDown)
    assert panel.told[-1][0].radius in (17, 18, 19)
    QTest.keyClick(radius.slider, Qt.Key.Key_End)
    assert panel.told[-1][0].radius == 31
    chroma = panel.rows["chroma"]
    chroma.edit.setFocus()
    QTest.keyClick(chroma.edit, Qt.Key.Key_Up)
    assert panel.told[-1][0].chroma == 102
    QTest.keyClick(chroma.edit, Qt.Key.Key_PageUp)
    assert panel.told[-1][0].chroma == 122


def test_wheel_only_with_focus(panel):
    row = panel.rows["chroma"]
    for widget in (row.slider, row.edit, panel.rows["block"].box, panel.chooser):
        panel.setFocus()
        turn_wheel(widget)
    assert panel.told == []
    row.slider.setFocus()
    turn_wheel(row.slider)
    assert panel.told == [(Fancy(chroma=102.0), True)]


def test_reset_arrow_is_there_only_when_changed(panel):
    row = panel.rows["strength"]
    assert not row.reset.isVisible()
    type_in(row, "3")
    assert row.reset.isVisible()
    QTest.mouseClick(row.reset, Qt.MouseButton.LeftButton)
    assert panel.told[-1] == (Fancy(), True) and not row.reset.isVisible()


def test_double_click_resets(panel):
    panel.set_recipe_step(Fancy(chroma=30.0), 1.0)
    row = panel.rows["chroma"]
    QTest.mouseDClick(row.slider, Qt.MouseButton.LeftButton, pos=handle(row))
    assert panel.told[-1] == (Fancy(), True)


def test_switch_and_choice(panel):
    box = panel.rows["twice"].box
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Space)
    assert panel.told[-1] == (Fancy(twice=False), True)
    block = panel.rows["block"].box
    assert block.itemText(1) == "Small blocks"
    block.setFocus()
    QTest.keyClick(block, Qt.Key.Key_Down)
    assert panel.told[-1] == (Fancy(twice=False, block="small_blocks"), True)


def test_suggestion_marks_and_waits_for_the_user(panel):
    row = panel.rows["strength"]
    panel.set_suggestion("strength", 1.8)
    assert panel.told == [] and row.value == 1.0
    assert row.hint.isVisible() and row.hint.text() == "use 1.8"
    QTest.mouseClick(row.hint, Qt.MouseButton.LeftButton)
    assert panel.told == [(Fancy(strength=1.8), True)] and not row.hint.isVisible()
    panel.set_suggestion("no such setting", 1.0)
    panel.set_suggestion("strength", None)
    assert row.suggestion is None


def test_choosing_a_method_and_coming_back_keeps_its_settings(panel):
    type_in(panel.rows["strength"], "3")
    panel.chooser.setFocus()
    QTest.keyClick(panel.chooser, Qt.Key.Key_Down)
    assert panel.told[-1] == (Plain(), True) and list(panel.rows) == ["level"]
    QTest.keyClick(panel.chooser, Qt.Key.Key_Up)
    assert panel.told[-1] == (Fancy(strength=3.0), True)


def test_advanced_is_folded_and_opens_by_key(panel):
    radius = panel.rows["radius"]
    assert not radius.isVisible()
    head = next(b for b in panel.findChildren(QWidget) if getattr(b, "text", str)() == "Advanced")
    head.setFocus()
    QTest.keyClick(head, Qt.Key.Key_Space)
    assert radius.isVisible()
    panel.set_recipe_step(Plain(), 1.0)
    panel.set_recipe_step(Fancy(), 1.0)
    assert panel.rows["radius"].isVisible()  # stays as the user left it


def test_amount_is_told_as_a_fraction(panel, qtbot):
    told = []
    panel.amountEdited.connect(lambda amount, final: told.append((amount, final)))
    type_in(panel.amount, "35")
    assert told == [(0.35, True)] and panel.told == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.024, "0.024"),
        (1.2e-5, "1.2×10⁻⁵"),
        (-0.5, "−0.5"),
        (130, "130"),
        (12345, "12345"),
        (2.5e7, "2.5×10⁷"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_never_a_false_zero(value, words):
    assert text(value) == words
    if value == value:
        assert parse(text(value, "px"), "px") == pytest.approx(value)


@pytest.mark.parametrize("low", [0.0, 0.01, 5.0])
@pytest.mark.parametrize("log", [False, True])
def test_scale_goes_there_and_back(low, log):
    scale = Scale(Control("x", "X", "float", low, low, 50.0, log=log))
    assert scale.position(low) == 0 and scale.position(50) == pytest.approx(1)
    assert scale.value(0.0) == low and scale.value(1.0) == 50
    for place in (0.1, 0.37, 0.8):
        assert scale.position(scale.value(place)) == pytest.approx(place, abs=0.005)
    value = low
    for _ in range(100):
        value = scale.step(value, 1)
    assert value == pytest.approx(50, rel=0.01)  # a hundred small steps cross the slider


def test_icons_exist_dim_and_are_sharp(qapp):
    theme.apply(qapp)
    icon = theme.icon("lock", 18)
    for ratio in (1.0, 1.5, 2.0):
        drawn = icon.pixmap(QSize(24, 24), ratio)  # of the size that is asked for, 18 of it inked
        assert drawn.width() == 24 * ratio and drawn.devicePixelRatio() == ratio
        ink = QRegion(drawn.mask()).boundingRect()
        assert 12 * ratio < ink.height() <= 18 * ratio
    usual, dim = (icon.pixmap(QSize(18, 18), 1.0, mode).toImage()
                  for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled))  # fmt: skip
    assert usual != dim
    with pytest.raises(KeyError):
        theme.icon("no such icon")


def test_an_icon_is_drawn_when_it_is_shown(qapp, monkeypatch):
    theme.apply(qapp)
    drawn = []
    monkeypatch.setattr(theme.Ink, "paint", lambda *_: drawn.append(1))
    icon = theme.icon("copy", 17)
    assert not drawn
    icon.pixmap(QSize(17, 17), 1.0)
    assert len(drawn) == 1


@pytest.mark.parametrize("variant", theme.VARIANTS)
def test_theme_is_neutral_and_text_can_be_read(qapp, variant):
    theme.apply(qapp, variant, 1.2)
    look = theme.colors()
    assert look == theme.VARIANTS[variant]
    for grey in (look.window, look.base, look.card, look.button, look.text, look.soft):
        assert grey[1:3] == grey[3:5] == grey[5:7]
    for front, back in ((look.text, look.button), (look.soft, look.window)):
        assert contrast(front, back) >= 4.5
    assert contrast(look.accent, look.window) >= 3
    theme.apply(qapp)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours #rrggbb."""

    def light(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p < 0.04 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_it_fits_a_narrow_dock(panel):
    panel.set_suggestion("strength", 1.8)
    assert panel.minimumSizeHint().width() <= 320
    assert panel.rows["strength"].minimumSizeHint().width() <= 290


def test_style_sheet_is_filled_in(qapp):
    theme.apply(qapp)
    sheet = qapp.styleSheet()
    assert "@" not in sheet
    files = re.findall(r"url\(([^)]+)\)", sheet)
    assert files and all(Path(file).exists() for file in files)
    assert not qapp.windowIcon().isNull()


def test_what_is_made_for_the_image_comes_first(panel):
    panel.set_methods({"plain": Plain}, {"fancy": Fancy})
    chooser = panel.chooser
    assert [chooser.itemData(i) for i in range(chooser.count())] == ["plain", None, "fancy"]
    assert chooser.currentData() == "fancy" and panel.rows["strength"].value == 1.0
    texts = [action.text() for action in panel.steps._menu.actions() if not action.isSeparator()]
    assert texts == [Plain.title, Fancy.title]
    chooser.setCurrentIndex(0)
    chooser.activated.emit(0)
    assert isinstance(panel.told[-1][0], Plain)
