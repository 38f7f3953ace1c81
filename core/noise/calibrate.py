"""Calibrate a camera: its full noise model from flat and bias frames, as a profile over ISO.

Photon transfer of evenly lit frames gives the gain; frames without light give what each colour is
off by, the noise of rows, and the read noise with the weight of its tails (Tukey lambda, by the
probability plot that is straightest). Model: K. Wei et al., IEEE TPAMI 44(11), 2021; J. Janesick,
Photon Transfer, SPIE 2007; J. Filliben, Technometrics 17(1), 1975.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.image import Image
from core.noise.blocks import F64, Energies, names, sample, step_of
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD
from core.noise.model import PoissonGaussian
from core.tiles import Region

FORMAT = 1  # of the profile file
PLOTTED = 8_000  # points of a probability plot
SHOWN = 40  # points of each colour kept for a graph
STEADY = 1.05  # times the variance that chance gives the mean of frames: more is a pattern
UNLIT = 0.005  # of the range: brighter frames have seen light
HEAVIEST = -0.2  # Tukey lambda: below -0.25 the kurtosis is infinite
GAUSSIAN = 0.14  # the Tukey lambda that is next to a Gaussian
POWERS = np.linspace(-0.45, 0.5, 96)  # Tukey lambdas that are tried


def unlit(frame: Image) -> bool:
    """Is it a frame without light: a bias or a dark frame?"""
    black = frame.levels.black_map(0, 0, frame.height, frame.width)
    seen = np.asarray(frame.samples[...], np.float32) - black
    return float(np.median(seen)) < UNLIT * frame.levels.span


class BadFrames(ValueError):
    """Frames that tell no noise. The message is one sentence for the user."""


@dataclass(frozen=True)
class Sensor:
    """The noise of a sensor at one ISO, in stored units, one value per colour where it is a tuple.

    `bias` is how far the mean without light is from the black level; `tail` the Tukey lambda of the
    read noise (0.14: Gaussian, less: heavier tails); `row` the sigma of one offset per row; `step`
    that of stored values. `points` are (mean, variance) of the flat frames, for a graph.
    """

    iso: float
    colors: str
    gain: tuple[float, ...]
    read: tuple[float, ...]
    bias: tuple[float, ...]
    tail: float
    row: float
    step: float
    verdict: str
    why: str
    span: float = 1.0  # white less black
    uneven: float = 0.0  # how far pixels differ in their response, relative
    points: tuple[tuple[float, float], ...] = ()

    @property
    def words(self) -> str:
        """One line."""
        gain = ", ".join(f"{value:.4g}" for value in self.gain)
        read = ", ".join(f"{value:.4g}" for value in self.read)
        row = f"row noise {self.row:.3g}" if self.row else "no row noise"
        return f"gain {gain}; read noise {read}; {row}; Tukey lambda {self.tail:.2f}:"

    @property
    def model(self) -> PoissonGaussian:
        """Gain and read noise, rows and steps included as if they were white."""
        more = self.row**2 + self.step**2 / 12
        read = tuple(float(np.sqrt(r * r + more)) for r in self.read)
        return PoissonGaussian(self.gain, read)


@dataclass(frozen=True)
class Profile:
    """A camera's noise over ISO, lowest first."""

    camera: str
    sensors: tuple[Sensor, ...]

    def at(self, iso: float) -> PoissonGaussian:
        """The model at an ISO: straight lines between the logarithms of those measured.

        Outside of them the gain goes on in proportion to ISO and the read noise with it.
        """
        known = [sensor.model for sensor in self.sensors]
        speeds = np.log([sensor.iso for sensor in self.sensors])
        place = float(np.log(iso))
        beyond = np.exp(place - np.clip(place, speeds[0], speeds[-1]))

        def between(values: Sequence[float]) -> float:
            logs = np.log(np.maximum(values, 1e-12))
            return float(np.exp(np.interp(place, speeds, logs)) * beyond)

        count = range(len(known[0].gain))
        gain = tuple(between([model.gain[c] for model in known]) for c in count)
        return PoissonGaussian(gain, tuple(between([m.read[c] for m in known]) for c in count))

    def with_sensor(self, sensor: Sensor) -> Profile:
        """The profile with one more ISO, or another measurement of one it has."""
        others = [known for known in self.sensors if known.iso != sensor.iso]
        return Profile(self.camera, tuple(sorted([*others, sensor], key=lambda s: s.iso)))

    def to_json(self) -> dict[str, Any]:
        """Plain data for a file."""
        sensors = [asdict(sensor) for sensor in self.sensors]
        return {"sordino-camera": FORMAT, "camera": self.camera, "sensors": sensors}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Profile:
        """The reverse. Raises ValueError, KeyError or TypeError."""
        if data.get("sordino-camera") != FORMAT or not data["sensors"]:
            raise ValueError(f'a camera profile needs "sordino-camera": {FORMAT} at its top')
        lists = ("gain", "read", "bias")
        sensors: list[Sensor] = []
        for entry in data["sensors"]:
            given: dict[str, Any] = dict(entry)
            given |= {name: tuple(map(float, entry[name])) for name in lists}
            given["points"] = tuple((float(x), float(y)) for x, y in entry.get("points", ()))
            sensors.append(Sensor(**given))
        if any(not s.iso > 0 or len(s.gain) != len(sensors[0].gain) for s in sensors):
            raise ValueError("every ISO is above 0 and has the same colours")
        return Profile(str(data["camera"]), tuple(sorted(sensors, key=lambda s: s.iso)))


def calibrate(flats: Sequence[Image], biases: Sequence[Image], iso: float) -> Sensor:
    """The sensor's noise from evenly lit frames of different exposure, and frames without light.

    Two flats of different brightness and one bias frame are the least; soft shading and dust do not
    matter. Raises BadFrames.
    """
    if not biases or len(flats) < 2:
        raise BadFrames("Calibrating takes two flat frames of different exposure and a bias frame.")
    first = biases[0]
    for frame in (*flats, *biases):
        if (frame.pixels.shape, frame.cfa) != (first.pixels.shape, first.cfa) or frame.stack:
            raise BadFrames("All frames must be of one camera and size.")
    dark = _dark(biases)
    points = [_points(flat) for flat in flats]
    colors = names(first)
    gains: list[float] = []
    doubts: list[float] = []
    uneven: list[float] = []
    shown: list[tuple[float, float]] = []
    for channel in range(len(colors)):
        x = np.concatenate([p[channel][0] for p in points]) - dark.bias[channel]
        y = np.concatenate([p[channel][1] for p in points])
        floor = dark.read[channel] ** 2 + dark.row**2 + dark.step**2 / 12
        gain, apart, doubt = _slope(x, y, floor)
        gains.append(gain)
        uneven.append(apart)
        doubts.append(doubt)
        every = max(len(x) // SHOWN, 1)
        shown += zip(x[::every].tolist(), y[::every].tolist(), strict=True)
    if not min(gains) > 0:
        raise BadFrames("The flat frames are no noisier than those without light.")
    verdict, why = _verdict(dark, max(doubts), flats, biases)
    return Sensor(
        float(iso), colors, tuple(gains), dark.read, dark.bias, dark.tail, dark.row, dark.step,
        verdict, why, first.levels.span, float(np.median(uneven)), tuple(shown),
    )  # fmt: skip


def _points(flat: Image) -> list[tuple[F64, F64]]:
    """Mean above black and variance of groups of like blocks of a flat frame, per channel."""
    found = sample(flat, Region.whole(flat.height, flat.width))
    if found is None or len(found.channels[0].mean) < 64:
        raise BadFrames("A flat frame is overexposed, black or too small.")
    result: list[tuple[F64, F64]] = []
    for c in found.channels:
        reach = 4 * np.sqrt(np.maximum(c.high, 0))
        fine = (c.mean + reach < found.top) & (c.mean - reach > found.bottom)
        if np.count_nonzero(fine) < 64:
            raise BadFrames("A flat frame is overexposed, or black.")
        result.append(_groups(c.kept(fine)))
    return result


def _groups(c: Energies) -> tuple[F64, F64]:
    """Means and variances over groups of blocks of like brightness; dust and edges left out."""
    usual = c.high / np.maximum(np.median(c.high), 1e-30)
    c = c.kept((usual < 4) & (c.low < 3 * np.median(c.low)))
    groups = np.array_split(np.argsort(c.mean), int(np.clip(len(c.mean) // 60, 1, 12)))
    mean: F64 = np.array([c.mean[g].mean() for g in groups])
    return mean, np.array([c.high[g].mean() for g in groups])


def _slope(x: F64, y: F64, floor: float) -> tuple[float, float, float]:
    """Gain and unevenness of variance = gain x + (unevenness x)^2 + floor; the gain's doubt.

    Pixels that differ in their response look like noise that grows with the signal itself. The
    doubt is a relative standard error.
    """
    gain, square = float(np.median((y - floor) / np.maximum(x, 1e-9))), 0.0
    doubt = 1.0
    for _ in range(10):
        model = np.maximum(gain * x + square * x * x + floor, 1e-30)
        away = (y - model) / model
        scale = max(1.4826 * float(np.median(np.abs(away))), 1e-6)
        weight = 1 / model**2 / (1 + (away / (3 * scale)) ** 2)
        rest = y - floor
        xx, xxx, xxxx = (float(np.sum(weight * x**n)) for n in (2, 3, 4))
        first, second = (float(np.sum(weight * rest * x**n)) for n in (1, 2))
        split = xx * xxxx - xxx * xxx
        square = (xx * second - xxx * first) / split if split > 1e-9 * xx * xxxx else 0.0
        gain = (first - xxx * square) / xx
        if square < 0 or gain <= 0:
            gain, square = first / xx, 0.0
        if gain > 0:
            doubt = scale / float(np.sqrt(np.sum((gain * x / model) ** 2)))
    return gain, float(np.sqrt(square)), doubt


@dataclass(frozen=True)
class _Dark:
    read: tuple[float, ...]
    bias: tuple[float, ...]
    tail: float
    row: float
    step: float
    straight: float  # correlation of the probability plot


def _dark(biases: Sequence[Image]) -> _Dark:
    """What frames without light tell."""
    image, count = biases[0], len(biases)
    black = image.levels.black_map(0, 0, image.height, image.width)
    frames = [np.asarray(b.samples[...], np.float64) - black for b in biases]
    step = step_of(np.asarray(image.pixels[...])[..., : min(image.width, 512)])
    planes = len(frames[0]) if frames[0].ndim == 3 else 1
    sites = _sites(image)
    bias = tuple(float(np.mean([f[s].mean() for f in frames])) for s in sites)
    mean = _pattern(frames, sites)
    grow = np.sqrt(count / (count - 1)) if mean is not None else 1.0
    rows: list[F64] = []
    rests: list[list[F64]] = [[] for _ in sites]
    for frame in frames:
        left = (frame - mean) * grow if mean is not None else frame.copy()
        for site in sites:
            left[site] -= left[site].mean()
        offsets = left.mean(-1, keepdims=True)
        rows.append(offsets.ravel())
        left = (left - offsets) * np.sqrt(image.width / max(image.width - 1, 1))
        for kept, site in zip(rests, sites, strict=True):
            kept.append(left[site].ravel())
    spread = [np.concatenate(parts) for parts in rests]
    variances = [float(np.mean(np.square(part))) for part in spread]
    row = float(np.mean(np.square(rows))) - float(np.mean(variances)) / image.width
    read = tuple(float(np.sqrt(max(v - step**2 / 12, 0.0))) for v in variances)
    whole = np.concatenate([p / np.sqrt(max(v, 1e-30)) for p, v in zip(spread, variances)])  # noqa: B905
    tail, straight = tukey_lambda(whole)
    tail = tail if mean is None else _untangled(tail, count)
    firm = 3 * float(np.mean(variances)) / image.width / np.sqrt(len(rows) * image.height * planes)
    return _Dark(read, bias, tail, float(np.sqrt(row)) if row > firm else 0.0, step, straight)


def _pattern(frames: Sequence[F64], sites: Sequence[Any]) -> F64 | None:
    """What every frame has, if that is more than chance: a pattern of the sensor, no noise."""
    if len(frames) < 2:
        return None
    mean: F64 = np.mean(frames, 0)
    for site in sites:
        apart = np.mean([np.var(frame[site] - mean[site]) for frame in frames])
        if np.var(mean[site]) > STEADY * apart / (len(frames) - 1):
            return mean
    return None


def _sites(image: Image) -> list[Any]:
    """An index for each channel's samples."""
    if image.cfa is not None:
        colors = image.cfa.colors(image.height, image.width)
        return [colors == index for index in range(len(image.cfa.names))]
    return list(range(len(names(image)))) if "c" in image.axes else [slice(None)]


def tukey_lambda(values: F64) -> tuple[float, float]:
    """The Tukey lambda whose quantiles lie straightest against the values'; the correlation."""
    count = min(len(values), PLOTTED)
    # the outermost samples say little of the whole and would outweigh it
    chance: F64 = (np.arange(count, dtype=np.float64) + 0.5)[1:-1] / count
    given: F64 = np.sort(values)[(chance * len(values)).astype(np.intp)]
    if given.std() == 0:
        return GAUSSIAN, 0.0
    score = [float(np.corrcoef(given, _quantile(chance, p))[0, 1]) for p in POWERS.tolist()]
    best = int(np.clip(np.argmax(score), 1, len(score) - 2))
    low, middle, high = (1 - score[best + k] for k in (-1, 0, 1))
    bend = low - 2 * middle + high
    shift = 0.5 * (low - high) / bend if bend > 0 else 0.0
    step = float(POWERS[1] - POWERS[0])
    return float(POWERS[best]) + float(np.clip(shift, -1, 1)) * step, score[best]


def _untangled(tail: float, frames: int) -> float:
    """The lambda of one frame, from that of frames less their mean: sums have lighter tails."""
    if frames < 3:
        return tail
    share = ((frames - 1) ** 4 + (frames - 1)) / frames**4 * (frames / (frames - 1)) ** 2
    powers: F64 = np.linspace(HEAVIEST, float(POWERS[-1]), 80, dtype=np.float64)
    excess: F64 = np.array([_excess(power) for power in powers.tolist()])
    wanted = _excess(max(tail, HEAVIEST)) / share
    order = np.argsort(excess)
    return float(np.interp(wanted, excess[order], powers[order]))


def _excess(power: float) -> float:
    """Kurtosis above that of a Gaussian."""
    chance: F64 = (np.arange(50_000, dtype=np.float64) + 0.5) / 50_000
    values = _quantile(chance, power)
    return float(np.mean(values**4)) / float(np.mean(values**2)) ** 2 - 3


def _quantile(chance: F64, power: float) -> F64:
    if abs(power) < 1e-6:
        return np.log(chance / (1 - chance))
    return (chance**power - (1 - chance) ** power) / power


def _verdict(
    dark: _Dark, doubt: float, flats: Sequence[Image], biases: Sequence[Image]
) -> tuple[str, str]:
    if min(dark.read) < 0.35 * dark.step:
        return CANNOT_TELL, "The read noise is hidden by the steps of the stored values."
    if doubt > 0.02:
        return DOUBTFUL, "The flat frames do not agree on one gain: take more, evenly lit ones."
    if dark.straight < 0.995:
        return DOUBTFUL, "Noise without light has no simple distribution: are the frames unlit?"
    if len(biases) < 4 or len(flats) < 4:
        return DOUBTFUL, "It rests on few frames: take at least four of each kind."
    return GOOD, "Flat frames agree on one gain, and bias frames on one distribution."
