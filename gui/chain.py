"""Chain: what the user does to the steps of a recipe, their masks and their further images.

Every change is an edit of the session, hence undone, copied, kept and exported with the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from core.image import Image
from core.mask import Mask
from core.method import Method
from core.recipe import BadRecipe, Recipe, Step
from core.registry import Registry
from gui.documents import Documents
from gui.inputs import Fetch
from gui.mask_bar import MaskBar
from gui.mask_tool import MaskTool
from gui.panel import MethodPanel
from gui.session import Session, State
from gui.viewer import Viewer


class Chain(QObject):
    """Verbs on the steps; shows those of the session in the panel and in the picture."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        panel: MethodPanel,
        masks: MaskBar,
        viewer: Viewer,
        documents: Documents,
        fetch: Fetch,
        say: Callable[..., None],
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._panel = window, session, panel
        self._documents, self._fetch, self._say = documents, fetch, say
        self._masks = masks
        self.tool = MaskTool(viewer)
        panel.methodEdited.connect(self.method)
        panel.amountEdited.connect(self.amount)
        steps = panel.steps
        steps.chosen.connect(self.choose)
        steps.switched.connect(self.switch)
        steps.moved.connect(self.move)
        steps.added.connect(self.add)
        steps.duplicated.connect(self.duplicate)
        steps.removed.connect(self.remove)
        panel.inputs.wanted.connect(self.ask_input)
        panel.inputs.cleared.connect(lambda name: self._input(name, None))
        panel.where.clicked.connect(self.edit_mask)
        masks.set_tool(self.tool)
        masks.edited.connect(self.mask)
        masks.editingWanted.connect(self.edit_mask)
        masks.imageWanted.connect(self.ask_mask)
        self.tool.edited.connect(self.mask)
        self.tool.left.connect(partial(self.edit_mask, False))

    @property
    def registry(self) -> Registry | None:
        """Methods and formats, once they are loaded."""
        return self._documents.registry

    def show(self) -> None:
        """The step in hand, in the panel and in the picture."""
        state = self._session.state
        step, steps = state.step, state.document.recipe.steps if state.document else ()
        self._panel.steps.set_steps(steps, state.at)
        self._panel.set_recipe_step(step.method if step else None, step.amount if step else 1.0)
        self._panel.inputs.set_step(step)
        mask, editing = step.mask if step else None, state.view.masking and step is not None
        self._panel.where.set_mask(mask, editing)
        image = state.document.image if state.document else None
        seen = state.view.slices_of(image.stack) if image else {}
        self.tool.set_mask(mask, editing, mask is None or mask.holds(seen))
        axis = image.stack[-1:] if image and seen else ""
        count = image.pixels.shape[image.axes.index(axis)] if image and axis else 0
        self._masks.set_mask(mask, axis, seen.get(axis, 0), count)

    # The steps

    def choose(self, at: int) -> None:
        """Another step in hand."""
        if at != self._session.state.at:
            self._session.look_at(step=at)

    def next(self, by: int) -> None:
        """A later or an earlier one."""
        last = len(self._steps) - 1
        self.choose(min(max(self._session.state.at + by, 0), last))

    def ask(self) -> None:
        """For the method of a new step."""
        self._panel.steps.ask()

    def add(self, name: str) -> None:
        """A step more behind the one in hand; first, where it takes a series like the file."""
        if self.registry is not None and self._session.document is not None:
            method = self.registry.methods[name]
            self._insert(_whole(Step(method())), 0 if method.series else None)

    def duplicate(self) -> None:
        """The step in hand once more."""
        if step := self._session.state.step:
            self._insert(step)

    def remove(self) -> None:
        """Without the step in hand."""
        at = self._session.state.at
        if at >= 0:
            self._edit((*self._steps[:at], *self._steps[at + 1 :]), at=max(at - 1, 0))

    def move(self, source: int, target: int) -> None:
        """A step to another place; it is then the one in hand."""
        steps = list(self._steps)
        if 0 <= source < len(steps) and 0 <= target < len(steps):
            steps.insert(target, steps.pop(source))
            self._edit(steps, at=target)

    def shift(self, by: int) -> None:
        """The step in hand earlier or later."""
        self.move(self._session.state.at, self._session.state.at + by)

    def switch(self, at: int, on: bool) -> None:
        """A step on or off; one that lacks an image stays off."""
        step = self._steps[at]
        if on and step.missing:
            self._say(f"Choose the {step.missing[0]} image first.", True)
            self.show()
            return
        self._put(replace(step, enabled=on), at)

    def switch_this(self) -> None:
        """The step in hand on, or off."""
        if step := self._session.state.step:
            self.switch(self._session.state.at, not step.enabled)

    # The step in hand

    def method(self, method: Method, final: bool) -> None:
        """Other settings, or another method: further images stay where the next asks for them."""
        step = self._session.state.step
        if step is None:
            self._edit((_whole(Step(method)),), final)
            return
        names = (*method.inputs, *method.series)
        given = tuple((name, image) for name, image in step.inputs if name in names)
        other = replace(step, method=method, inputs=given)
        if type(method) is not type(step.method):
            other = _whole(other, step)
        self._put(other, final=final)

    def amount(self, amount: float, final: bool) -> None:
        """Another blend, 0..1."""
        if step := self._session.state.step:
            self._put(replace(step, amount=amount), final=final)

    def nudge_amount(self, by: float) -> None:
        """A little more or less of it."""
        if step := self._session.state.step:
            self.amount(round(min(max(step.amount + by, 0.0), 1.0), 3), True)

    def mask(self, mask: Mask | None, final: bool) -> None:
        """Another mask, or none."""
        if step := self._session.state.step:
            self._put(replace(step, mask=mask), final=final)

    def edit_mask(self, on: bool) -> None:
        """Show and edit the mask in the picture, or no longer."""
        self._session.look_at(masking=on)

    def ask_mask(self) -> None:
        """For an image as mask."""
        self._ask("The mask image", self._mask_image)

    def ask_input(self, name: str) -> None:
        """For a further image of the step, or those of a series."""
        step = self._session.state.step
        if step is None or name not in step.method.series:
            self._ask(f"The {name} image", partial(self._input, name))
            return
        self.fetch(self._several(f"The {name}"), partial(self._images, name))

    def merge(self, name: str, what: str) -> None:
        """A step before all others, with the series that its method takes."""
        if self._session.document is not None and self.registry is not None:
            method = self.registry.methods[name]
            self.fetch(self._several(what), partial(self._merged, Step(method())))

    # Inside

    @property
    def _steps(self) -> tuple[Step, ...]:
        document = self._session.document
        return document.recipe.steps if document else ()

    def _insert(self, step: Step, at: int | None = None) -> None:
        at = self._session.state.at + 1 if at is None else at
        self._edit((*self._steps[:at], step, *self._steps[at:]), at=at)

    def _put(self, step: Step, at: int | None = None, final: bool = True) -> None:
        at = self._session.state.at if at is None else at
        self._edit((*self._steps[:at], step, *self._steps[at + 1 :]), final)

    def _edit(self, steps: Any, final: bool = True, at: int | None = None) -> None:
        if at is not None:
            self._session.look_at(step=at)
        self._session.edit(recipe=Recipe(tuple(steps)), final=final)

    def _several(self, what: str) -> list[str]:
        folder, kinds = self._documents.folder(), self._documents.kinds()
        return QFileDialog.getOpenFileNames(self._window, what, folder, kinds)[0]

    def _ask(self, what: str, then: Callable[[Image], None]) -> None:
        folder, kinds = self._documents.folder(), self._documents.kinds()
        path, _ = QFileDialog.getOpenFileName(self._window, what, folder, kinds)
        if path:
            self.fetch([path], lambda images: then(images[0]))

    def fetch(self, paths: Sequence[str], then: Callable[[Sequence[Image]], None]) -> None:
        """Open files for the step in hand; nothing happens where another one is by then."""
        before, at = self._session.document, self._session.state.at

        def got(found: dict[str, Image]) -> None:
            now = self._session.document
            same = before is not None and now is not None and now.image is before.image
            if same and self._session.state.at == at:
                then([found[path] for path in paths])

        if paths:
            self._fetch.get(paths, got)

    def _mask_image(self, image: Image) -> None:
        if step := self._session.state.step:
            self._try(replace(step, mask=replace(step.mask or Mask(), image=image)))

    def _input(self, name: str, image: Image | None) -> None:
        if step := self._session.state.step:
            self._try(_whole(step.with_input(name, image), step))

    def _images(self, name: str, images: Sequence[Image]) -> None:
        """All of a series; the picture itself is none of it."""
        document, step = self._session.document, self._session.state.step
        if document is not None and step is not None:
            others = [image for image in images if image.path != document.image.path]
            self._try(step.with_series(name, others))

    def _merged(self, step: Step, images: Sequence[Image]) -> None:
        if document := self._session.document:
            others = [image for image in images if image.path != document.image.path]
            self._try(step.with_series(step.method.series[0], others), partial(self._insert, at=0))

    def _try(self, step: Step, put: Callable[[Step], None] | None = None) -> None:
        """The step, unless its images do not fit the picture."""
        document = self._session.document
        if document is None:
            return
        try:
            if step.enabled:
                step.check(document.image)
        except BadRecipe as error:
            self._say(str(error), True)
            return
        (put or self._put)(step)


def _whole(step: Step, before: Step | None = None) -> Step:
    """Off while it lacks an image; on again when it has all and was off for that reason."""
    if step.missing:
        return replace(step, enabled=False)
    return replace(step, enabled=True) if before is not None and before.missing else step


def shown(state: State) -> tuple[object, ...]:
    """What the panel of steps depends on."""
    d, masking = state.document, state.view.masking
    return d and d.recipe, state.at, masking, state.view.front if masking else ()
