"""Lesson: what a network is to learn from the image at hand, as a recipe says it; what came of it.

With an image a lesson gives one network, however often and wherever it is learned again.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from core.tiles import Region

MOST = 600  # steps
CORRELATED = 0.12  # of neighbours' noise: less is called independent, as core.noise.measured does
GRAMMAR = "STEPS[/PLANNED][@[Z0:Z1,]Y0:Y1,X0:X1][#SEED]"
_TEXT = re.compile(r"(\d+)(?:/(\d+))?(?:@(\d+:\d+(?:,\d+:\d+)+))?(?:#(\d+))?")


@dataclass(frozen=True)
class Lesson:
    """So many steps from a part of the image. Steps 0: nothing is learned.

    `planned` are the steps for which the learning rate falls to zero: where the user had enough
    earlier, `steps` are fewer. `region` is in stored pixels, with its slices; None: all of it.
    """

    steps: int = 0
    planned: int = 0
    region: Region | None = None
    seed: int = 0

    @staticmethod
    def parse(value: object) -> Lesson:
        """From a setting's value: 150, "150", "100/150@0:512,0:768#1". Raises ValueError."""
        text = str(value).strip().replace(" ", "")
        found = _TEXT.fullmatch(text or "0")
        if found is None:
            raise ValueError(f"learn is {GRAMMAR}, for example 150 or 150@0:512,0:768, not {value}")
        steps = int(found[1])
        planned = int(found[2] or steps)
        if not steps <= planned <= MOST:
            raise ValueError(f"learn has at most {MOST} steps, and no more than planned: {value}")
        if not steps:
            return Lesson()
        region = _region(found[3]) if found[3] else None
        return Lesson(steps, planned, region, int(found[4] or 0))

    def __str__(self) -> str:
        """As the setting has it; parse() reads it again."""
        if not self.steps:
            return ""
        words = f"{self.steps}" + (f"/{self.planned}" if self.planned != self.steps else "")
        if self.region:
            r = self.region
            spans = (*r.front, (r.y0, r.y1), (r.x0, r.x1))
            words += "@" + ",".join(f"{a}:{b}" for a, b in spans)
        return words + (f"#{self.seed}" if self.seed else "")

    @property
    def words(self) -> str:
        """For people: how much was learned, from where."""
        steps = f"{self.steps} step" + ("s" if self.steps > 1 else "")
        steps += f" of {self.planned}" if self.planned != self.steps else ""
        if self.region is None:
            return f"{steps}, from the whole image"
        r = self.region
        return f"{steps}, from {r.width} × {r.height} pixels at {r.x0}, {r.y0}"


def _region(text: str) -> Region:
    spans = [(int(a), int(b)) for a, b in (each.split(":") for each in text.split(","))]
    if any(a >= b for a, b in spans):
        raise ValueError(f"learn: a part of the image has its beginning before its end, not {text}")
    *front, (y0, y1), (x0, x1) = spans
    return Region(y0, x0, y1, x1, tuple(front))


@dataclass(frozen=True)
class Verdict:
    """What Stein's risk estimate says: mean squared errors over the noise's variance."""

    change: float  # of the tuned network's risk, less that of the first one
    error: float  # standard error of it
    before: float = 0.0  # risk of the first one

    @property
    def better(self) -> bool:
        """Is the tuned network to be kept?"""
        return self.change < -self.error and self.sound

    @property
    def sound(self) -> bool:
        """No error is below zero: else there is less noise than its model says."""
        return self.before > 0 and self.before + self.change > 0

    @property
    def gain(self) -> float:
        """How much better, in dB."""
        return 10 * math.log10(self.before / (self.before + self.change)) if self.sound else 0.0


@dataclass(frozen=True)
class Learned:
    """How learning went. `lesson`: what gives the best network that was met, kept or not."""

    lesson: Lesson
    verdict: Verdict
    beside: float | None = None  # correlation of the noise of neighbours; None: cannot tell

    @staticmethod
    def nothing(lesson: Lesson) -> Learned:
        """There was too little to learn from."""
        return Learned(lesson, Verdict(0.0, 0.0))

    @property
    def words(self) -> str:
        """What the user is told, with the figures."""
        if self.verdict == Verdict(0.0, 0.0):
            return "There is too little of the image to learn from: choose a larger part of it."
        v, before = self.verdict, self.verdict.before
        if v.better:
            said = (
                f"Learned from the image ({self.lesson.words}): the estimated error fell by "
                f"{v.gain:.2f} dB, from {before:.4f} to {before + v.change:.4f} of the noise's "
                f"variance (±{v.error:.4f})."
            )
        else:
            way = "rose by" if v.change > 0 else "fell by only" if v.sound else "fell by"
            said = (
                f"Learning from the image did not help ({self.lesson.words}): the estimated error, "
                f"{before:.4f} of the noise's variance, {way} {abs(v.change):.4f} "
                f"(±{v.error:.4f}). The network stays as it was."
            )
        return f"{said} {self.warning}".strip()

    @property
    def warning(self) -> str:
        """Where what it assumes does not hold."""
        if not self.verdict.sound:
            return (
                "There is less noise here than the noise model says: the estimate cannot be "
                "trusted: measure the noise of this part, or type its model."
            )
        if self.beside is None or abs(self.beside) < CORRELATED:
            return ""
        return (
            f"But the noise of neighbouring pixels is correlated ({self.beside:.2f}); learning and "
            "this estimate assume that it is not: judge by eye."
        )


__all__ = ["GRAMMAR", "Learned", "Lesson", "Verdict"]
