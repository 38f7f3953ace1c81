"""The model of noise that near pixels share: developed photographs, resampled and smoothed ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.noise.model import F32, Floats, Noise, PoissonGaussian
from core.noise.spectrum import EDGE, WHITE, Spectrum, binned, coarse, halved
from core.tiles import Region

if TYPE_CHECKING:
    from core.ops.vst import Curve


@dataclass(frozen=True)
class Correlated:
    """Noise with a power spectrum, stronger at some brightness than at others.

    `deviation` is the standard deviation of a pixel at each `signal` (rising, above black), linear
    in between and constant outside, for all channels. `spectra` are the standard deviations (64)
    of the 8x8 DCT coefficients of such noise of deviation 1, luma and chroma: at full size, then at
    half of it and so on, as `core.ops.scales.halve` makes them; sizes that are not given follow
    from the last. They tell what is to be removed, which may be more than a flat area shows (see
    core.noise.developed).
    """

    signal: tuple[float, ...]
    deviation: tuple[float, ...]
    spectra: tuple[Spectrum, ...] = (WHITE,)
    kind: ClassVar[str] = "correlated"

    def __post_init__(self) -> None:
        if not self.signal or len(self.signal) != len(self.deviation):
            raise ValueError("correlated noise has a deviation for each signal")
        if not np.isfinite(self.signal).all() or not all(np.diff(self.signal) > 0):
            raise ValueError("the signals of correlated noise must rise")
        if not all(np.isfinite(v) and v >= 0 for v in self.deviation):
            raise ValueError("deviations must be finite and not negative")
        if not self.spectra or any(len(each) != EDGE**2 for each in self.spectra):
            raise ValueError("a noise power spectrum has 64 deviations")
        if not all(np.isfinite(v) and v > 0 for each in self.spectra for v in each):
            raise ValueError("the deviations of a noise power spectrum are finite and above 0")

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma."""
        return np.interp(signal, self.signal, self.deviation).astype(np.float32)

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean."""
        return signal

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: pixels get deviation 1; the spectrum is left to the methods."""
        from core.ops.vst import vst
        from core.ops.vst_table import table

        if len(set(self.deviation)) == 1 or min(self.deviation) <= 0:
            return vst(0.0, max(self.deviation))
        return table(self.signal, self.deviation)

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Correlated:
        """See Noise.over: it is the same everywhere."""
        return self

    def averaged(self, counts: tuple[float, ...]) -> Correlated:
        """See Noise.averaged: over squares of so many pixels."""
        factor = max(round(sqrt(counts[0])), 1)
        octaves = factor.bit_length() - 1
        share, spectrum = binned(self.spectra[0], factor)
        if 2**octaves == factor and octaves < len(self.spectra):  # what was measured there
            known = self.spectra[octaves:]
            return replace(self, deviation=self._times(1 / factor), spectra=known)
        return replace(self, deviation=self._times(share), spectra=(spectrum,))

    def _times(self, factor: float) -> tuple[float, ...]:
        return tuple(v * factor for v in self.deviation)

    @property
    def unit(self) -> Correlated:
        """As methods see it where the variance is stabilised: deviation 1 everywhere."""
        return Correlated((0.0,), (1.0,), self.spectra)


def spectra_of(noise: Noise | None, scales: int = 0) -> tuple[Spectrum, ...]:
    """The spectra of a model at full size and `scales` coarser ones; white for any other model."""
    known = noise.spectra if isinstance(noise, Correlated) else (WHITE,)
    while len(known) <= scales:
        known = (*known, halved(known[-1]))
    return known[: scales + 1]


def stabilised(noise: Noise, planes: tuple[int, ...], packed: bool) -> Noise:
    """What is left once the variance is 1: white, or correlated as it was, but in packed planes."""
    if isinstance(noise, Correlated) and not packed:
        return noise.unit
    count = max(planes) + 1
    return PoissonGaussian((0.0,) * count, (1.0,) * count)


def like_white(noise: Noise | None) -> float:
    """For methods that know white noise only: how many times its deviation to assume of it."""
    return coarse(noise.spectra[0]) if isinstance(noise, Correlated) else 1.0
