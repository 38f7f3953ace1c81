"""What a measurement of noise found: a model, how far to trust it, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.noise.model import Noise

GOOD, DOUBTFUL, CANNOT_TELL = "good", "doubtful", "can't tell"


@dataclass(frozen=True)
class ChannelFit:
    """One channel's measured model, with what it rests on."""

    name: str
    gain: float
    read: float
    read_range: tuple[float, float] | None  # interval of the read noise; None = can't tell
    verdict: str  # GOOD, DOUBTFUL or CANNOT_TELL
    why: str  # one sentence for the user
    points: tuple[tuple[float, float], ...] = field(default=(), repr=False)  # (mean, variance)


@dataclass(frozen=True)
class Measured:
    """What a measurement of an image's noise found."""

    model: Noise
    channels: tuple[ChannelFit, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict of the channels."""
        order = (GOOD, DOUBTFUL, CANNOT_TELL)
        return max((c.verdict for c in self.channels), key=order.index, default=CANNOT_TELL)
