"""Frame: the window's menus, tool bar and docks, built from the list of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QMenu,
    QScrollArea,
    QTabWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from gui import actions

TOOLS = (
    ("open", "export"), ("undo", "redo"), [c.id for c in actions.COMPARE],
    ("fit", "full", "zoom_in", "zoom_out", "loupe"), ("measure", "pick", "roi"),
)  # fmt: skip


def menus(window: QMainWindow, found: Mapping[str, QAction]) -> dict[str, QMenu]:
    """All menus by title."""
    made: dict[str, QMenu] = {}
    for title, parts in actions.MENUS.items():
        menu = made[title] = window.menuBar().addMenu(title)
        for part in parts:
            menu.addSeparator()
            for command in part:
                menu.addAction(found[command.id])
    return made


def menu(window: QMainWindow, commands: Sequence[QAction]) -> QMenu:
    """A menu of some commands, for a button."""
    made = QMenu(window)
    made.addActions(commands)
    return made


def tool_bar(window: QMainWindow, found: Mapping[str, QAction]) -> QToolBar:
    """The commands that deserve a button."""
    bar = QToolBar("Tools")
    bar.setObjectName("tools")
    bar.setMovable(False)
    for group in TOOLS:
        bar.addSeparator()
        for name in group:
            bar.addAction(found[name])
    window.addToolBar(bar)
    return bar


def beside(bar: QToolBar, left: QAction, widget: QWidget) -> QAction:
    """Put a widget to the right of a command's button; what it is shown and hidden by."""
    there = bar.actions()
    return bar.insertWidget(there[there.index(left) + 1], widget)


def dock(window: QMainWindow, title: str, names: Sequence[str]) -> QDockWidget:
    """A dock with an empty page for each name. (Qt's own tabbed docks leave a stray tab bar.)"""
    made, pages = QDockWidget(title, window), QTabWidget()
    made.setObjectName(title)
    made.setTitleBarWidget(QWidget())  # the pages' tabs are title enough
    for name in names:
        pages.addTab(QWidget(), name)
    made.setWidget(pages)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, made)
    return made


def fill(pages: QTabWidget, contents: Sequence[QWidget]) -> None:
    """Put a widget into every page."""
    for index, content in enumerate(contents):
        column = QVBoxLayout()
        page = pages.widget(index)
        assert page is not None
        page.setLayout(column)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(content)


def scrolled(content: QWidget) -> QScrollArea:
    """A page that may be higher than its dock."""
    page = QScrollArea()
    page.setWidgetResizable(True)
    page.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    page.setWidget(content)
    return page
