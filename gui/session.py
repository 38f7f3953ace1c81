"""State: what the window shows, as one frozen value. Session: the only owner of it, with undo."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.cube import Target
from core.develop import Look
from core.image import Image
from core.noise.measured import Measured
from core.noise.model import Noise
from core.planes import cuttable
from core.recipe import Recipe, Step
from core.show import IMAGE
from core.tiles import Region, Span

NOWHERE = Region(0, 0, 0, 0)


class Origin(Enum):
    """Where the noise model came from."""

    MEASURED = "measured from this image"
    PICKED = "measured in the picked area"
    TYPED = "typed"
    FILE = "loaded"
    CALIBRATED = "calibrated for this camera"


@dataclass(frozen=True)
class Document:
    """An open image and all decisions about it: what undo goes back through."""

    image: Image
    recipe: Recipe = field(default_factory=Recipe)
    noise: Noise | None = None  # None: not measured yet
    measured: Measured | None = None
    origin: Origin = Origin.MEASURED
    locked: bool = False  # the noise model stays as it is
    look: Look = field(default_factory=Look)
    target: Target | None = None  # a spectrum that denoising must keep


@dataclass(frozen=True)
class View:
    """What part of it is looked at. Never an undo step."""

    visible: Region = NOWHERE
    level: int = 1
    roi: Region | None = None
    second: Region | None = None  # another area, which the first one is compared with
    line: tuple[float, float, float, float] | None = None  # across an edge: y0 x0 y1 x1
    front: tuple[Span, ...] = ()  # which slice of a stack, in stored axes
    planes: str = "z"  # which planes of a volume are shown, by the axes they lie across
    across: str = "z"  # the one that `visible` is in and that keys act on
    roi_across: str = "z"  # the one that `roi`, `second` and `line` are in
    cross: tuple[int, int] = (0, 0)  # row and column that the planes across y and x show
    held: bool = False  # a slider is being dragged
    playing: bool = False  # frames come one after the other: see gui/clips.py
    step: int = 0  # of the recipe: the one that the panel shows (see State.step)
    masking: bool = False  # its mask is being edited in the picture
    layer: str = IMAGE  # of what the last step found: what is shown as "after"

    def front_at(self, stack: str, axis: str, at: int) -> tuple[Span, ...]:
        """The same slices with another one along an axis of the stack."""
        spans = zip(stack, self.front, strict=True)
        return tuple((at, at + 1) if letter == axis else span for letter, span in spans)

    def front_of(self, stack: str, across: str) -> tuple[Span, ...]:
        """The slice that a plane shows, as its regions name it: see planes.reformatted."""
        if across == "z" or not self.front:  # no slice: the colours of a cube
            return self.front
        at = self.cross["yx".index(across)]
        return tuple(
            (at, at + 1) if axis == "z" else span
            for axis, span in zip(stack, self.front, strict=True)
        )

    def slices_of(self, stack: str) -> dict[str, int]:
        """Which slice is seen along each axis of the stack; none where several are seen at once."""
        return {letter: first for letter, (first, _) in zip(stack, self.front, strict=False)}

    def at(self, stack: str) -> dict[str, int]:
        """The index of what is looked at along z, y and x."""
        deep = dict(zip(stack, self.front, strict=False))
        return {"z": deep.get("z", (0, 1))[0], "y": self.cross[0], "x": self.cross[1]}


@dataclass(frozen=True)
class State:
    """The window is a function of this."""

    document: Document | None = None
    view: View = field(default_factory=View)

    @property
    def at(self) -> int:
        """Which step of the recipe is in hand; -1 where there is none."""
        count = len(self.document.recipe.steps) if self.document else 0
        return min(self.view.step, count - 1)

    @property
    def step(self) -> Step | None:
        """The step in hand: what the panel shows and edits."""
        return self.document.recipe.steps[self.at] if self.document and self.at >= 0 else None


class Session(QObject):
    """Holds the State. `changed(old, new)` tells everybody else; lives on the main thread."""

    changed = Signal(object, object)
    history_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = State()
        self._undo: list[Document] = []
        self._redo: list[Document] = []
        self._open_edit = False  # a drag has begun: its further changes belong to the same step

    @property
    def document(self) -> Document | None:
        """The open document."""
        return self.state.document

    def open(self, document: Document | None) -> None:
        """Show another image; its history begins here."""
        self._undo.clear()
        self._redo.clear()
        self._open_edit = False
        front, cross = _first(document.image) if document else ((), (0, 0))
        visible = replace(self.state.view.visible, front=front)
        view = replace(
            self.state.view, visible=visible, roi=None, second=None, line=None, front=front,
            held=False, playing=False, planes="z", across="z", roi_across="z", cross=cross,
            step=len(document.recipe.steps) - 1 if document else 0, masking=False, layer=IMAGE,
        )  # fmt: skip
        self._replace(State(document, view))
        self.history_changed.emit()

    def edit(self, *, final: bool = True, **changes: Any) -> None:
        """Change the document: one undo step; one for a whole drag (final=False until its end)."""
        before = self.document
        if before is None:
            return
        after = replace(before, **changes)
        if after != before or self._open_edit:
            if not self._open_edit and after != before:
                self._undo.append(before)
                self._redo.clear()
            self._open_edit = not final
        self._replace(State(after, replace(self.state.view, held=not final)))
        self.history_changed.emit()

    def take_noise(self, found: Measured, flat: bool) -> None:
        """What was measured, blind or in a `flat` area the user picked.

        The first model holds for all of the history, another is an edit.
        """
        origin = Origin.PICKED if flat else Origin.MEASURED
        origin = Origin.CALIBRATED if found.calibrated else origin
        changes = {"noise": found.model, "measured": found, "origin": origin}
        if self.document is not None and self.document.noise is None:
            self._learn(**changes)
        else:
            self.edit(**changes)

    def take_recipe(self, recipe: Recipe) -> None:
        """What was chosen once the noise was known: true of all of the history."""
        self._learn(recipe=recipe)

    def _learn(self, **changes: Any) -> None:
        if self.document is not None:
            steps = self._undo, self._redo
            self._undo, self._redo = ([replace(d, **changes) for d in step] for step in steps)
            self._replace(replace(self.state, document=replace(self.document, **changes)))

    def look_at(self, **changes: Any) -> None:
        """Change the view: pan, zoom, ROI."""
        self._replace(replace(self.state, view=replace(self.state.view, **changes)))

    @property
    def can_undo(self) -> bool:
        """Is there a step to take back?"""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Is there a step to do again?"""
        return bool(self._redo)

    def undo(self) -> None:
        """Back by one step."""
        self._swap(self._undo, self._redo)

    def redo(self) -> None:
        """Forward by one step."""
        self._swap(self._redo, self._undo)

    def _swap(self, source: list[Document], target: list[Document]) -> None:
        if not source or self.document is None:
            return
        target.append(self.document)
        self._open_edit = False
        self._replace(replace(self.state, document=source.pop()))
        self.history_changed.emit()

    def _replace(self, state: State) -> None:
        old, self.state = self.state, state
        if old != state:
            self.changed.emit(old, state)


def _first(image: Image) -> tuple[tuple[Span, ...], tuple[int, int]]:
    """What a stack is first seen at: the middle of a scan, of others the beginning.

    A cube is seen in false colour until a band is asked for.
    """
    cross = image.height // 2, image.width // 2
    if image.kind == "cube":
        return (), cross
    middle = [n // 2 if axis == "z" and cuttable(image) and image.kind == "scan" else 0
              for axis, n in zip(image.stack, stack_sizes(image), strict=True)]  # fmt: skip
    return tuple((at, at + 1) for at in middle), cross


def stack_sizes(image: Image) -> list[int]:
    """How many slices there are along each axis of the stack."""
    return [image.pixels.shape[image.axes.index(axis)] for axis in image.stack]
