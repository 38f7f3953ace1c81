"""Presenter: what the parts of the window show, of the session's state and of what others tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.choose import suited
from core.develop import to_screen
from core.develop.window import scale
from core.registry import Registry
from gui import actions, pointer
from gui.batch import OVER, Settings
from gui.chain import shown
from gui.documents import readable, writable
from gui.rates import duration
from gui.session import Document, State
from gui.turns import Turns
from gui.window import QUEUE

if TYPE_CHECKING:
    from gui.window import Window


class Presenter:
    """Puts values into the window's parts; decides nothing about pixels."""

    def __init__(self, window: Window) -> None:
        self._w = window
        self._turns = Turns(window)

    def settings(self) -> Settings | None:
        """Those of the open picture; its noise model only where that is locked."""
        d = self._w.session.document
        if d is None:
            return None
        return Settings(d.recipe, d.noise if d.locked else None, d.look)

    # Showing the state

    def show(self, old: State, new: State) -> None:
        """The picture at once; the panels of another image one after the other."""
        d, before = new.document, old.document
        if d is None or before is None or before.image is not d.image:
            self._w.slices.set_image(d.image if d else None)
            self._w.status.show_pointer("")  # what was there
        self._w.slices.set_front(new.view.front)
        if d is None:
            if before is not None:
                self._w.pages.setCurrentWidget(self._w.start)
                self.show_title()
                self.enable()
            return
        if before is None or before.image is not d.image:
            before = None
        if before is None or before.look != d.look:
            image, look = d.image, d.look
            self._w.viewer.set_screen(
                lambda store: to_screen(
                    store, image, replace(look, profile=self._w.monitor.profile)
                )
            )
        if before is None:
            self.show_title()
            self.enable()
            self._w.statistics.show_statistics(None, "")
            self._turns.add(self._show_rows, self._show_look, self._show_step, self._show_noise)
            return
        for part, changed in (
            (self._show_look, before.look != d.look),
            (self._show_step, shown(old) != shown(new)),
            (self._show_noise, _noise_of(before) != _noise_of(d)),
        ):
            if changed and not self._turns.waits(part):
                part()

    def show_title(self) -> None:
        d = self._w.session.document
        self._w.setWindowTitle(self._w.scans.title(d.image) if d is not None else "Sordino")

    def _show_rows(self) -> None:
        d = self._w.session.document
        if d is not None:
            self._w.look.set_image(d.image, d.look)
            self._show_methods()

    def _show_methods(self) -> None:
        """Those made for what is open come first."""
        d, known = self._w.session.document, self._w.recipes.methods
        first = {n: known[n] for n in known if d is None or suited(known[n], d.image)}
        self._w.panel.set_methods(first, {n: known[n] for n in known if n not in first})

    def _show_look(self) -> None:
        d = self._w.session.document
        if d is not None:
            self._w.look.set_look(d.look)

    def _show_step(self) -> None:
        d = self._w.session.document
        if d is not None:
            self._w.chain.show()
            self._show_cost()

    def _show_noise(self) -> None:
        d = self._w.session.document
        if d is not None:
            stored = d.image.meta.get("scale", (1.0,))[0] == 1  # else a model of stored numbers
            unit = scale(d.image)[2] if stored and d.image.kind == "scan" else "DN"
            channels = d.image.channels
            self._w.noise.set_value(d.noise, d.measured, d.origin.value, channels, unit)
            self._w.noise.set_locked(d.locked)
            self._w.actions_by_id["lock"].setChecked(d.locked)

    def _show_cost(self) -> None:
        """How long the whole image would take, and what is seen of it."""
        d = self._w.session.document
        if d is None:
            self._w.status.expect(None)
            return
        rates, size = self._w.bridge.rates, d.image.megapixels
        seen = self._w.session.state.view.visible.area / (d.image.height * d.image.width)
        whole = rates.seconds(d.recipe, size)
        words = f"whole image about {duration(whole)}" if whole else ""
        self._w.status.expect(rates.seconds(d.recipe, size * seen), words)

    def enable(self) -> None:
        has = self._w.session.document is not None
        for parts in actions.MENUS.values():
            for command in (c for part in parts for c in part):
                self._w.actions_by_id[command.id].setEnabled(has or not command.needs_image)
        self._w.actions_by_id["undo"].setEnabled(self._w.session.can_undo)
        self._w.actions_by_id["redo"].setEnabled(self._w.session.can_redo)

    def methods_loaded(self, registry: Registry) -> None:
        self._w.recipes.methods = self._w.automatic.methods = registry.methods
        self._show_methods()
        self._w.queue.set_suffixes(readable(registry), writable(registry))
        self._w.batch.guess = self._w.automatic.guess
        self._w.batch.budget = lambda: self._w.automatic.budget
        for sentence in registry.broken.values():
            self._w.status.say(sentence)
        self._w.documents.set_registry(registry)

    def queue_moved_on(self) -> None:
        """The tab tells how far the queue is, whatever page is open."""
        pages = self._w.pages_by_dock["Denoise"]
        done, total = self._w.batch.count(*OVER), len(self._w.batch.entries)
        words = f"Queue {done}/{total}" if total else "Queue"
        pages.setTabText(QUEUE, words)

    def failed(self, what: str, why: str) -> None:
        self._w.status.say("")
        self._w.trouble.show_failure(f"{what} failed: {why}")

    def progressed(self, progress: object, what: str) -> None:
        self._w.status.show_progress(progress, what)
        d = self._w.session.document
        state = self._w.viewer.state_at_view() if d is not None and d.recipe.active.steps else ""
        self._w.status.show_state(state, self._w.viewer.scale if d else 0.0)
        if progress is None:
            self._show_cost()

    def judged(self, region: object, found: object) -> None:
        d = self._w.session.document
        roi = d is not None and self._w.session.state.view.roi is not None
        title = f"{'Drawn area' if roi else 'Visible region'}, {_size(region)}"
        unit = scale(d.image)[2] if d is not None and d.image.kind == "scan" else "DN"
        self._w.statistics.show_statistics(found, title, unit)  # type: ignore[arg-type]

    def pointed(self, place: object) -> None:
        self._w.status.show_pointer(pointer.words(self._w.session.state, self._w.viewer, place))


def _noise_of(d: Document) -> tuple[object, ...]:
    return d.image, d.noise, d.measured, d.origin, d.locked


def _size(region: object) -> str:
    slices = "".join(f", slice {at + 1}" for at, _ in getattr(region, "front", ()))
    return f"{getattr(region, 'width', 0)} × {getattr(region, 'height', 0)} px{slices}"
