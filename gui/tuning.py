"""Tuning: settings for the open picture, as marks on the sliders. It changes nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.method import Method
from core.noise.measured import CANNOT_TELL
from core.recipe import Recipe, Step
from core.tune import Tune, Tuned, megasamples, seconds, tunable
from gui.asking import Asking
from gui.bridge import Bridge
from gui.panel import MethodPanel
from gui.rates import duration
from gui.session import Document, Origin, Session, State


class Tuning(Asking):
    """Asks a worker for the settings of the step in hand; marks what it found."""

    failed = "No suggestion"

    def __init__(
        self,
        session: Session,
        panel: MethodPanel,
        bridge: Bridge,
        say: Callable[[str], None],
        show: Callable[[object, str], None],
    ) -> None:
        super().__init__(session, panel, bridge, say, show)
        self.found: Tuned | None = None
        panel.tuneWanted.connect(self.start)
        session.changed.connect(self._on_change)
        bridge.progressed.connect(lambda *_: self._show())  # its cost may be known better by now

    def start(self) -> None:
        """Find settings; asked again while it runs, stop."""
        state = self._session.state
        d = state.document
        if self._job is not None:
            self.cancel()
            return
        if d is None or d.noise is None or _method(state) is None:
            return
        self._forget()
        self._ask(Tune(d.image, d.noise, d.recipe, state.at, _known(d)), "tune")

    def take(self) -> Method | None:
        """The settings in hand with what was found; None where nothing was."""
        method = _method(self._session.state)
        if self.found is None or method is None:
            return None
        return replace(method, **self._values())  # type: ignore[type-var]

    def cancel(self) -> None:
        """Stop; what is marked stays."""
        if self.running:
            self._stop()
            self._show()

    def _values(self) -> dict[str, float]:
        """What is marked, as the sliders have it."""
        rows = self._panel.rows
        found = self.found.settings if self.found else {}
        return {name: getattr(rows.get(name), "suggestion", None) or found[name] for name in found}

    def _answer(self, value: object) -> None:
        if isinstance(value, Tuned):
            self.found = value
            for name, setting in value.settings.items():
                self._panel.set_suggestion(name, setting)
            self._say(value.words)

    def _on_change(self, old: State, new: State) -> None:
        if _key(old) != _key(new):
            self.cancel()
            self._forget()
        self._show()

    def _forget(self) -> None:
        for name in self.found.settings if self.found else ():
            self._panel.set_suggestion(name, None)
        self.found = None

    def _show(self) -> None:
        state = self._session.state
        d, method = state.document, _method(state)
        if self.running:
            self._panel.set_tuning("Cancel", True)
        elif d is None or method is None:
            self._panel.set_tuning("", False)
        else:
            rate = self._bridge.rates.seconds(Recipe((Step(method),)), megasamples(method, d.image))
            spent = rate or seconds(method, d.image, self._bridge.threads)
            self._panel.set_tuning(f"Suggest, {duration(spent)}", d.noise is not None)


def _method(state: State) -> Method | None:
    """That of the step in hand, where it can be tuned."""
    step = state.step
    return step.method if step and step.enabled and tunable(type(step.method)) else None


def _known(d: Document) -> bool:
    """Is the noise model more than a guess?"""
    measured = d.origin in (Origin.MEASURED, Origin.PICKED) and d.measured is not None
    return not (measured and d.measured and d.measured.verdict == CANNOT_TELL)


def _key(state: State) -> tuple[object, ...]:
    """What a suggestion is true of: everything but the settings that it is for."""
    d, at, method = state.document, state.at, _method(state)
    if d is None or method is None:
        return (d and d.image,)
    names = {control.name for control in tunable(type(method))}
    fixed = tuple((k, v) for k, v in method.settings().items() if k not in names)
    others = tuple(step.work for n, step in enumerate(d.recipe.steps) if n != at and step.enabled)
    return d.image, d.noise, at, type(method), fixed, others
