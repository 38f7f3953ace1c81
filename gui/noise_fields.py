"""The numbers of a noise model that the user may type, in the words of its kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import cast

from core.noise.correlated import Correlated
from core.noise.model import LogSpeckle, Mapped, Noise, PoissonGaussian, Rician, Sliced, Speckle

PER_CHANNEL = ("Gain", "Read noise")
HELP = {
    "poisson-gaussian": "",
    "rician": "Rician: magnitudes of MR, also in the dark. More coils: noncentral chi.",
    "correlated": "Near pixels share their noise, as in developed photographs: of one pixel.",
    "speckle": "Speckle: a factor on the signal; more looks, less of it.",
    "log-speckle": "Speckle of a log-compressed image: as strong in bright as in dark tissue.",
    "per-slice": "Each band or slice has a sigma of its own; a typed one scales them all.",
    "mapped": "The sigma differs from place to place; a typed one scales the whole map.",
}


@dataclass(frozen=True)
class Field:
    """A number: its heading, value, range, and whether it has the unit of the pixels."""

    label: str
    value: float
    minimum: float = 0.0
    maximum: float = 1e12
    in_pixels: bool = True


def fields(noise: Noise, channel: int = 0) -> tuple[Field, ...]:
    """The numbers of a model, of one channel of it."""
    match noise:
        case PoissonGaussian():
            gain, read = noise.of(channel)
            return Field(PER_CHANNEL[0], gain), Field(PER_CHANNEL[1], read)
        case Rician():
            coils = Field("Coils", noise.coils, 1, 64, in_pixels=False)
            return Field("Sigma", noise.scale), coils
        case Speckle():
            looks = Field("Looks", noise.looks, 0.05, 1e5, in_pixels=False)
            return looks, Field("Floor", noise.floor, 1e-12)
        case LogSpeckle():
            return (Field("Sigma", noise.scale),)
        case Correlated():
            return (Field("Sigma", median(noise.deviation)),)
        case Sliced() | Mapped():
            return (Field("Sigma (median)", typical(noise)),)
        case _:
            return ()


def changed(noise: Noise, values: tuple[float, ...]) -> Noise:
    """The model with these numbers instead. Raises ValueError where they make none.

    Of a `PoissonGaussian` they are gain and read noise of one channel after the other.
    """
    match noise:
        case PoissonGaussian():
            return PoissonGaussian(values[::2], values[1::2])
        case Rician():
            return replace(noise, scale=values[0], coils=max(round(values[1]), 1))
        case Speckle():
            return replace(noise, looks=values[0], floor=values[1])
        case LogSpeckle():
            return replace(noise, scale=values[0])
        case _:
            usual = typical(noise)
            return _scaled(noise, values[0] / usual) if usual > 0 else noise


def typical(noise: Noise) -> float:
    """A sigma that stands for those of all slices or places."""
    match noise:
        case Sliced():
            return median(typical(model) for model in noise.models)
        case Mapped():
            middle = float(median(noise.map.ravel().tolist()))
            return typical(noise.model) * middle
        case Speckle():
            return noise.contrast
        case _:
            return fields(noise)[-1 if isinstance(noise, PoissonGaussian) else 0].value


def _scaled(noise: Noise, factor: float) -> Noise:
    """The same noise, so many times as strong."""
    match noise:
        case PoissonGaussian():
            gain = tuple(g * factor**2 for g in noise.gain)
            return PoissonGaussian(gain, tuple(r * factor for r in noise.read))
        case Rician() | LogSpeckle():
            return replace(noise, scale=noise.scale * factor)
        case Correlated():
            return replace(noise, deviation=tuple(v * factor for v in noise.deviation))
        case Sliced():
            return replace(noise, models=tuple(_scaled(m, factor) for m in noise.models))
        case Mapped():
            return Mapped(_scaled(noise.model, factor), noise.map, noise.axis)
        case _:
            return cast("Noise", noise)
