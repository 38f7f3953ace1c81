"""Noise models as text for the command line, and as plain data for recipes and sidecars."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from core.noise.correlated import Correlated
from core.noise.model import LogSpeckle, Mapped, Noise, PoissonGaussian, Rician, Sliced, Speckle
from core.noise.spectrum import EDGE, Spectrum, of_pulse

SYNTAX = (
    "gaussian:SIGMA, poisson-gaussian:GAIN,READ, rician:SIGMA, chi:SIGMA,COILS, "
    "correlated:SIGMA,SIZE, speckle:LOOKS[,FLOOR], envelope:LOOKS[,FLOOR] or log-speckle:SIGMA"
)


def parse(text: str) -> Noise:
    """A model from text such as `rician:12`. Raises ValueError for anything else."""
    kind, _, rest = text.partition(":")
    numbers = [float(part) for part in rest.split(",")]
    match kind, numbers:
        case "gaussian", [sigma]:
            return PoissonGaussian((0.0,), (sigma,))
        case "poisson-gaussian", [gain, read]:
            return PoissonGaussian((gain,), (read,))
        case "rician", [scale]:
            return Rician(scale)
        case "chi", [scale, coils] if coils == int(coils):
            return Rician(scale, int(coils))
        case "correlated", [sigma, size] if 0 <= size <= EDGE:
            return Correlated((0.0,), (sigma,), (of_pulse(size),))
        case (("speckle" | "envelope"), [looks, *floor]) if len(floor) < 2:
            return Speckle(looks, kind == "envelope", *floor)
        case "log-speckle", [scale]:
            return LogSpeckle(scale)
        case _:
            raise ValueError(f"{text!r} is no noise model")


def per_slice(values: np.ndarray) -> Noise:
    """Gaussian noise of each slice of a stack, from one sigma for each."""
    return Sliced(tuple(PoissonGaussian((0.0,), (float(v),)) for v in np.ravel(values)))


def mapped(values: np.ndarray, axis: str = "") -> Noise:
    """Gaussian noise from a map of its sigma."""
    return Mapped(PoissonGaussian((0.0,), (1.0,)), np.asarray(values, np.float32), axis)


def to_json(noise: Noise | None) -> dict[str, Any] | None:
    """A noise model as plain data (None: to be measured)."""
    match noise:
        case PoissonGaussian():
            return {"model": noise.kind, "gain": list(noise.gain), "read": list(noise.read)}
        case Correlated():
            spectra = [_brief(each) for each in noise.spectra]
            curve = {"signal": list(noise.signal), "sigma": list(noise.deviation)}
            return {"model": noise.kind, **curve, "spectra": spectra}
        case Rician():
            more = {"averages": noise.averages} if noise.averages != 1 else {}
            return {"model": noise.kind, "sigma": noise.scale, "coils": noise.coils, **more}
        case Speckle():
            shape = {"looks": noise.looks, "envelope": noise.envelope, "floor": noise.floor}
            return {"model": noise.kind, **shape}
        case LogSpeckle():
            return {"model": noise.kind, "sigma": noise.scale, "size": list(noise.size)}
        case Sliced():
            slices = [to_json(model) for model in noise.models]
            return {"model": noise.kind, "axis": noise.axis, "slices": slices}
        case Mapped():
            packed = base64.b64encode(zlib.compress(noise.map.tobytes())).decode("ascii")
            shape = {"axis": noise.axis, "shape": list(noise.map.shape), "map": packed}
            return {"model": noise.kind, "of": to_json(noise.model), **shape}
        case _:
            return None


def from_json(data: Mapping[str, Any] | None) -> Noise | None:
    """The reverse of to_json(). Raises ValueError, KeyError or TypeError."""
    if data is None:
        return None
    match data.get("model"):
        case PoissonGaussian.kind if "channels" in data:  # what `sordino noise --json` printed
            pairs = [(float(c["gain"]), float(c["read"])) for c in data["channels"]]
            return PoissonGaussian(tuple(g for g, _ in pairs), tuple(r for _, r in pairs))
        case PoissonGaussian.kind:
            return PoissonGaussian(tuple(map(float, data["gain"])), tuple(map(float, data["read"])))
        case Correlated.kind:
            signal, sigma = (tuple(map(float, data[name])) for name in ("signal", "sigma"))
            return Correlated(signal, sigma, tuple(_whole(each) for each in data["spectra"]))
        case Rician.kind:
            coils, averages = int(data.get("coils", 1)), float(data.get("averages", 1))
            return Rician(float(data["sigma"]), coils, averages)
        case Speckle.kind:
            floor = float(data.get("floor", Speckle.floor))
            return Speckle(float(data["looks"]), bool(data.get("envelope")), floor)
        case LogSpeckle.kind:
            rows, cols = map(float, data.get("size", (1.0, 1.0)))
            return LogSpeckle(float(data["sigma"]), (rows, cols))
        case Sliced.kind:
            found = tuple(from_json(each) for each in data["slices"])
            return Sliced(cast("tuple[Noise, ...]", found), str(data.get("axis", "")))
        case Mapped.kind:
            return _unpacked(data)
        case other:
            raise ValueError(f"unknown noise model {other!r}")


def _brief(spectrum: Spectrum) -> list[float]:
    """A spectrum that is the same everywhere is one number."""
    return [spectrum[0]] if len(set(spectrum)) == 1 else list(spectrum)


def _whole(given: Sequence[float]) -> Spectrum:
    values = tuple(map(float, given))
    return values * EDGE**2 if len(values) == 1 else values


def _unpacked(data: Mapping[str, Any]) -> Noise:
    shape = tuple(int(n) for n in data["shape"])
    size = int(np.prod(shape)) * 4
    if not 0 < size < 2**30:
        raise ValueError("the noise map has no size, or too large a one")
    reader = zlib.decompressobj()
    values = reader.decompress(base64.b64decode(data["map"]), size)
    model = from_json(data["of"])
    if model is None or len(values) != size:
        raise ValueError("the noise map is incomplete")
    return Mapped(model, np.frombuffer(values, np.float32).reshape(shape), str(data["axis"]))
