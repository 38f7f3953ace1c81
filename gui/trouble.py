"""Trouble: what failed, in one sentence over the picture, until it succeeds or is put away."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from gui import theme

MARGIN = 12


class Trouble(QFrame):
    """A strip at the lower edge of `over`; it lies on top, so that nothing moves for it."""

    retryWanted = Signal()
    dismissed = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setProperty("role", "alarm")
        self.setAccessibleName("What failed")
        self._icon, self._label = QLabel(), QLabel()
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.retry = QPushButton(theme.icon("rotate-ccw", 15), "Retry")
        self.retry.setToolTip("Do the same again")
        self.retry.clicked.connect(self._again)
        self.close_button = QToolButton()
        self.close_button.setIcon(theme.icon("x", 15))
        self.close_button.setProperty("flat", True)
        self.close_button.setToolTip("Leave it as it is")
        self.close_button.setAccessibleName("Put the message away")
        self.close_button.clicked.connect(self._dismiss)
        line = QHBoxLayout(self)
        line.setContentsMargins(10, 8, 8, 8)
        line.setSpacing(8)
        line.addWidget(self._icon)
        line.addWidget(self._label, 1)
        line.addWidget(self.retry)
        line.addWidget(self.close_button)
        over.installEventFilter(self)
        self.hide()

    @property
    def words(self) -> str:
        """What it says; "" while there is no trouble."""
        return "" if self.isHidden() else self._label.text()

    def show_failure(self, words: str) -> None:
        """Something failed."""
        self._show("triangle-alert", theme.colors().alarm, words)

    def show_stopped(self, words: str) -> None:
        """The user has stopped something, which can go on."""
        self._show("info", theme.colors().text, words)

    def _show(self, icon: str, color: str, words: str) -> None:
        self._icon.setPixmap(theme.pixmap(icon, 18, self.devicePixelRatioF(), color))
        self._label.setText(words)
        self.retry.setEnabled(True)
        self.show()
        self.raise_()
        self._place()

    def _again(self) -> None:
        self.retry.setEnabled(False)
        self._label.setText("Trying again …")
        self.retryWanted.emit()

    def _dismiss(self) -> None:
        self.hide()
        self.dismissed.emit()

    def _place(self) -> None:
        over = self._over
        width = min(over.width() - 2 * MARGIN, 760)
        height = max(self.heightForWidth(width), self.minimumSizeHint().height())
        left = (over.width() - width) // 2
        self.setGeometry(left, over.height() - height - MARGIN, width, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt: stay at the lower edge."""
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return super().eventFilter(watched, event)
