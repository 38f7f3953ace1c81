"""What is shown as "after": the picture, or another layer that the last step has found."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtGui import QAction

from core.develop import Look, to_screen
from core.image import Image
from core.show import IMAGE, Shown, numbers
from gui.controls import Combo
from gui.monitor import Monitor
from gui.numbers import text
from gui.session import Session, State
from gui.viewer import Compare, Viewer


class LayerChoice(Combo):
    """A small list beside the ways of comparing; hidden where there is nothing to choose."""

    def __init__(self, session: Session, viewer: Viewer, monitor: Monitor) -> None:
        super().__init__()
        self._session, self._viewer, self._monitor = session, viewer, monitor
        self._names: tuple[str, ...] = ()
        self._look: Look | None = None
        self.setAccessibleName("Layer")
        self.setToolTip("Shown as after: the picture, or what the method found besides  (Y)")
        self.setMinimumContentsLength(9)
        self.activated.connect(lambda at: self.choose(self.itemData(at)))
        session.changed.connect(self._changed)
        self._action: QAction | None = None  # of the tool bar, which hides it
        self._fill()

    def set_action(self, action: QAction) -> None:
        """What the tool bar shows and hides it by."""
        self._action = action
        self._fill()

    @property
    def names(self) -> tuple[str, ...]:
        """The layers besides the image."""
        return self._names

    def hear(self, shown: Shown) -> None:
        """A piece of "after" came: which layers there are, and how its numbers are shown."""
        if shown.names != self._names:
            self._names = shown.names
            self._fill()
        if shown.look != self._look:
            self._look = shown.look
            document = self._session.document
            self._show(document.image if document else None)
        if shown.look is None and self._session.state.view.layer != IMAGE:
            self._session.look_at(layer=IMAGE)  # there is no such layer any more

    def choose(self, name: str) -> None:
        """Show another layer; its difference from the picture would mean nothing."""
        if name != IMAGE and self._viewer.compare is Compare.DIFFERENCE:
            self._viewer.compare = Compare.AFTER
        self._session.look_at(layer=name)

    def next(self) -> None:
        """The next one, round and round."""
        if self._names:
            every = (IMAGE, *self._names)
            at = every.index(self._session.state.view.layer)
            self.choose(every[(at + 1) % len(every)])

    def _changed(self, old: State, new: State) -> None:
        a, b = old.document, new.document
        if (a and a.image) is not (b and b.image):
            self._names, self._look = (), None
            self._fill()
            self._show(None)
        if old.view.layer != new.view.layer:
            self._fill()

    def _fill(self) -> None:
        self.clear()
        for name in (IMAGE, *self._names):
            self.addItem("Picture" if name == IMAGE else name.replace("_", " ").capitalize(), name)
        self.setCurrentIndex(max(self.findData(self._session.state.view.layer), 0))
        if self._action is not None:
            self._action.setVisible(bool(self._names))

    def _show(self, image: Image | None) -> None:
        """How the numbers become grey; the range is written where "after" would be."""
        look = self._look
        if look is None or image is None:
            self._viewer.set_other(None)
            return
        plain, profile = numbers(image), self._monitor.profile
        low, high = look.window or (0.0, 1.0)
        name = self._session.state.view.layer.replace("_", " ")
        words = f"{name}: {text(low)} black, {text(high)} white"
        self._viewer.set_other(
            lambda store: to_screen(store, plain, replace(look, profile=profile)), words
        )
