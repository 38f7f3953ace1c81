"""What a measurement of noise found: a model, how far to trust it, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

from core.noise.model import Noise

GOOD, DOUBTFUL, CANNOT_TELL = "good", "doubtful", "can't tell"


def figure(value: float) -> str:
    """For sentences: three figures, and no power of ten up to a million."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


@dataclass(frozen=True)
class ChannelFit:
    """One channel's measured model (or one band's), with what it rests on.

    Where the model is not a `PoissonGaussian`, `gain` is 0 and `read` its sigma.
    """

    name: str
    gain: float
    read: float
    read_range: tuple[float, float] | None  # interval of the read noise; None = can't tell
    verdict: str  # GOOD, DOUBTFUL or CANNOT_TELL
    why: str  # one sentence for the user
    points: tuple[tuple[float, float], ...] = field(default=(), repr=False)  # (mean, variance)


@dataclass(frozen=True)
class Pattern:
    """How the noise of neighbouring pixels is related: its autocorrelation.

    `correlation[dy][dx]` from lag 0 on along y and x (both directions averaged), 1 at lag 0. White
    noise has 0 everywhere else; its Fourier transform is the noise power spectrum.
    """

    correlation: tuple[tuple[float, ...], ...]

    @property
    def size(self) -> tuple[float, float]:
        """Over how many pixels along y and x the noise is one: 1 where it is white.

        The side of a square in which independent samples would have the same spectrum at zero.
        """
        column = [row[0] for row in self.correlation]
        return _extent(column), _extent(self.correlation[0])

    @property
    def clump(self) -> float:
        """Pixels that tell as much of the noise's variance as one independent sample does."""
        rows = enumerate(self.correlation)
        sides = (
            (1 + (dy > 0)) * (1 + (dx > 0)) * v * v for dy, r in rows for dx, v in enumerate(r)
        )
        return max(sum(sides), 1.0)

    @property
    def white(self) -> bool:
        """May methods for white noise be used as they are?"""
        return max(self.correlation[0][1], self.correlation[1][0]) < 0.12

    @property
    def words(self) -> str:
        """One sentence for the user."""
        if self.white:
            return "The noise is independent from pixel to pixel."
        height, width = self.size
        if max(height, width) < 1.3 * min(height, width):
            return f"The noise is correlated over about {sqrt(height * width):.1f} px."
        return f"The noise is correlated over about {height:.1f} px down and {width:.1f} px across."


def _extent(line: list[float] | tuple[float, ...]) -> float:
    total = 1.0
    for value in line[1:]:
        if value < 0.05:
            break
        total += 2 * value
    return total


@dataclass(frozen=True)
class Chart:
    """What a measurement rests on, to be drawn: axes with units, measured points, the fitted line.

    `bars`: the points are a histogram.
    """

    title: str
    x: tuple[str, str]
    y: tuple[str, str]
    points: tuple[tuple[float, float], ...] = field(repr=False)
    line: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    bars: bool = False


@dataclass(frozen=True)
class Measured:
    """What a measurement of an image's noise found.

    `summary` is one sentence on the model in the words of its kind, `notes` are further ones:
    correlation, stripes, dead lines. `judged` is the verdict where it is not the worst channel's.
    """

    model: Noise
    channels: tuple[ChannelFit, ...]
    summary: str = ""
    notes: tuple[str, ...] = ()
    pattern: Pattern | None = None
    chart: Chart | None = None
    judged: str = ""
    correlated: bool = False  # is the noise seen to be so, where there is no pattern?
    calibrated: bool = False  # not from this image: by the profile of its camera

    @property
    def white(self) -> bool:
        """Is the noise independent from pixel to pixel, as far as anybody knows?"""
        return self.pattern.white if self.pattern is not None else not self.correlated

    @property
    def verdict(self) -> str:
        """The worst verdict of the channels, unless it was judged as a whole."""
        order = (GOOD, DOUBTFUL, CANNOT_TELL)
        worst = max((c.verdict for c in self.channels), key=order.index, default=CANNOT_TELL)
        return self.judged or worst
