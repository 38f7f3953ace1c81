"""Noise models: how far a pixel strays from its true value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Noise(Protocol):
    """A noise model of an image. Hashable, so that it can stand in a cache key."""

    @property
    def kind(self) -> str:
        """Short name, as on the command line: `poisson-gaussian`."""
        ...

    def sigma(self, signal: NDArray[np.floating[Any]], channel: int) -> NDArray[np.float32]:
        """Standard deviation at a signal above black, same shape and units."""
        ...


@dataclass(frozen=True)
class PoissonGaussian:
    """var = gain * max(signal, 0) + read**2, signal above black in the file's own units.

    One gain and one read noise per channel of the image (see `Image.channels`). Gaussian noise of
    one sigma is gain 0. Model: A. Foi et al., IEEE TIP 17(10), 2008.
    """

    gain: tuple[float, ...]
    read: tuple[float, ...]
    kind = "poisson-gaussian"

    def __post_init__(self) -> None:
        values = (*self.gain, *self.read)
        if len(self.gain) != len(self.read) or not all(np.isfinite(v) and v >= 0 for v in values):
            raise ValueError("gain and read noise must be finite, not negative, and as many")

    def sigma(self, signal: NDArray[np.floating[Any]], channel: int) -> NDArray[np.float32]:
        """See Noise.sigma."""
        gain, read = self.of(channel)
        return np.sqrt(gain * np.maximum(signal, 0) + read**2).astype(np.float32)

    def of(self, channel: int) -> tuple[float, float]:
        """Gain and read noise of a channel (the last one serves all further channels)."""
        at = min(channel, len(self.gain) - 1)
        return self.gain[at], self.read[at]


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

    model: PoissonGaussian
    channels: tuple[ChannelFit, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict of the channels."""
        order = (GOOD, DOUBTFUL, CANNOT_TELL)
        return max((c.verdict for c in self.channels), key=order.index, default=CANNOT_TELL)
