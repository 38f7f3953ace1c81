"""Study: the Work in which a step's network learns from the image at hand, while the user watches.

It changes nothing: what was learned is a lesson, the text of a setting, and with it every render of
the image gets the same pixels. The network itself lies in the cache for the next render.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Event
from typing import ClassVar

from core.desk import Desk
from core.image import Image
from core.job import Progress, Stop, Told, told
from core.learn.lesson import Learned, Lesson
from core.method import Method
from core.noise.model import Noise
from core.recipe import Recipe
from core.tiles import Region

STEPS = 150
PER_STEP = 0.045  # CPU seconds, on the machine of the benchmarks


def teachable(method: type[Method]) -> bool:
    """Can it learn from the image: has it a lesson among its settings?"""
    return any(control.type == "lesson" for control in method.controls())


def _taught(method: Method, lesson: str) -> Method:
    found: Method = type(method).make({**method.settings(), "learn": lesson})
    return found


@dataclass(frozen=True)
class Study:
    """Learn from a region, in stored pixels; yields Progress, last a Learned.

    `enough` is set when the user is content with what there is: the best network until then counts.
    """

    image: Image
    noise: Noise
    recipe: Recipe
    index: int
    region: Region
    steps: int = STEPS
    enough: Event = field(default_factory=Event, compare=False)
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Told | Learned]:
        from core.learn.pieces import wanted
        from core.render import Renderer
        from core.runner import one_thread

        yield Progress(0.0, None, "learn")
        step = self.recipe.steps[self.index]
        method = _taught(step.method, "")
        earlier = Recipe(self.recipe.steps[: self.index]).active.steps
        chain = Recipe((*earlier, replace(step, method=method, enabled=True)))
        renderer = Renderer(self.image, self.noise, chain, desk, cancelled)
        for value in renderer.prepared():  # what earlier steps do is what is learned from
            yield told(renderer, value) if isinstance(value, str) else Progress(0.0, None, "learn")
        begin, last = time.perf_counter(), len(chain.steps) - 1
        one_thread(uses_torch=True)
        lesson = Lesson(self.steps, self.steps, wanted(self.region, self.image))
        work = method.study(self.image, renderer.whole(last), lesson, self.enough.is_set)
        while True:
            try:
                yield Progress(next(work), None, "learn")
            except StopIteration as end:
                state, found = end.value
                break
        if found.verdict.better:  # the next render finds it prepared
            taught = _taught(method, str(found.lesson))
            key = renderer.state_key(last, taught.prepares_by)
            desk.cache.put(key, (state,), time.perf_counter() - begin)
        yield found
