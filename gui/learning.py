"""Learning: the method in hand learns from what is seen of the picture; Cancel keeps the best."""

from __future__ import annotations

from collections.abc import Callable

from core.learn.lesson import Learned, Lesson
from core.method import Method
from core.planes import stored
from core.recipe import Recipe
from core.study import PER_STEP, STEPS, Study, teachable
from gui.asking import Asking
from gui.bridge import Bridge
from gui.panel import MethodPanel
from gui.rates import duration
from gui.rows import LessonRow
from gui.session import Session, State
from gui.wishes import here


class Learning(Asking):
    """Asks a worker to learn; what helps becomes a setting of the step, hence undone and kept."""

    failed = "Nothing was learned"

    def __init__(
        self,
        session: Session,
        panel: MethodPanel,
        bridge: Bridge,
        say: Callable[[str], None],
        show: Callable[[object, str], None],
        put: Callable[[Method, bool], None],
    ) -> None:
        super().__init__(session, panel, bridge, say, show)
        self._put = put
        self._study: Study | None = None
        self._words: dict[tuple[object, ...], str] = {}  # what came of each lesson
        self.found: Learned | None = None
        panel.learnWanted.connect(self.start)
        panel.settingsBuilt.connect(self._show)
        session.changed.connect(self._on_change)

    def start(self) -> None:
        """Learn from what is seen; asked again while it runs, keep the best so far."""
        state = self._session.state
        d = state.document
        if self._job is not None:
            self.cancel()
            return
        if d is None or d.noise is None:
            return
        if _method(state) is None:
            self._say("This method does not learn from an image: choose Network.")
            return
        across = state.view.across
        region = stored(here(state, state.view.visible, across), d.image.stack, across)
        self.found = None
        self._words.pop(_key(state, ""), None)
        self._study = Study(d.image, d.noise, d.recipe, state.at, region)
        self._ask(self._study, "learn")

    def cancel(self) -> None:
        """It is enough: the best network so far is judged, and kept if it is better."""
        if self._study is not None:
            self._study.enough.set()
            self._show()

    def _end(self) -> None:
        self._study = None
        super()._end()

    def _answer(self, value: object) -> None:
        if isinstance(value, Learned):
            self._take(value)

    def _take(self, found: Learned) -> None:
        """It becomes the step's setting, unless it did not help."""
        state, self.found = self._session.state, found
        method = _method(state)
        if method is None:
            return
        text = str(found.lesson) if found.verdict.better else _lesson(method)
        self._words[_key(state, text)] = found.words
        self._say(found.words)
        if found.verdict.better:
            self._put(type(method).make({**method.settings(), "learn": text}), True)

    def _on_change(self, old: State, new: State) -> None:
        if _key(old, "") != _key(new, ""):
            self._stop()
        self._show()

    def _show(self) -> None:
        rows = [row for row in self._panel.rows.values() if isinstance(row, LessonRow)]
        state = self._session.state
        method = _method(state)
        if not rows or method is None:
            return
        lesson = _lesson(method)
        words = self._words.get(_key(state, lesson), "")
        if lesson and not words:
            words = f"Learned: {Lesson.parse(lesson).words}."
        if self._study is None:
            ready = state.document is not None and state.document.noise is not None
            rows[0].show_state(f"Learn from this image, {duration(STEPS * PER_STEP)}", ready, words)
        elif self._study.enough.is_set():
            rows[0].show_state("Keeping the best…", False, words)
        else:
            rows[0].show_state("Cancel, keep the best", True, words)


def _method(state: State) -> Method | None:
    """That of the step in hand, where it can learn."""
    step = state.step
    return step.method if step and step.enabled and teachable(type(step.method)) else None


def _lesson(method: Method) -> str:
    return str(method.settings()["learn"])


def _key(state: State, lesson: str) -> tuple[object, ...]:
    """What learning is about: not the other settings of the step."""
    d, method = state.document, _method(state)
    if d is None or method is None:
        return (d and d.image,)
    earlier = Recipe(d.recipe.steps[: state.at]).active
    done = tuple(step.key for step in earlier.steps)
    return d.image.id, d.noise, state.at, type(method), done, lesson
