"""The noise of developed photographs, blind: what a camera's or a converter's own work left of it.

Demosaicing, noise reduction and JPEG take the high frequencies of noise in flat areas, on which
other estimators rest, and leave the coarse ones. So flat blocks are measured where pictures are:
at two half waves a block, at full size and on two coarser scales. Blocks are chosen by one half of
their DCT coefficients, like the white squares of a chessboard, and measured by the other half, so
that choosing adds no bias; sorting blocks by energy: N. Ponomarenko et al., IGARSS 2007. Texture
is told from noise by what noise has in common everywhere: the flattest blocks of a picture are no
flatter than other flat ones, and its spectrum does not fall as that of pictures does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from core.image import Image
from core.noise.blocks import F32, F64, Bools, step_of
from core.noise.correlated import Correlated
from core.noise.measured import CANNOT_TELL, DOUBTFUL, ChannelFit, Chart, Measured, Pattern, figure
from core.noise.spectrum import EDGE, correlation_of, cosines
from core.ops.scales import halve
from core.tiles import Region

OCTAVES = 3
PATCH = 256  # pixels: what is looked at of large pictures
PATCHES = 16
LEAST = 64  # pixels along a side, below which there is too little to look at
BLOCKS = 20_000  # on each scale
BINS = 6  # of brightness
SHARES = 0.1, 0.05, 0.01  # of a bin's blocks: flat ones, those that are measured, the flattest
FEW = 12  # blocks
STRONG = 0.65  # of the bins' noise: picture and noise are together where the noise is strong
GROWTH = 1.5  # from scale to scale at most; of textures it is 2 and more
# The most of the range that is believed, by how like noise it is everywhere, 0 to 1.
BELIEVED = (0.3, 0.8, 0.85, 0.95), (1 / 32, 1 / 16, 1 / 16, 1 / 4)


@dataclass(frozen=True)
class _Scale:
    """One scale's flat blocks by bins of brightness, rising.

    `power` (bins, shares, 64): mean squares of their coefficients, as a share of the blocks.
    """

    mean: F64
    power: F64

    def at(self, radius: int, share: int = 1) -> F64:
        """Root mean square of the coefficients of so many half waves a block, (bins,)."""
        return np.sqrt(self.power[:, share, _rings() == radius].mean(1))


@cache
def _rings() -> F64:
    at = np.arange(EDGE)
    return np.rint(np.hypot(at[:, None], at)).ravel()


@cache
def _basis() -> F32:
    """The two-dimensional DCT as a matrix (64, 64): a column for each coefficient."""
    line = cosines()
    both = line[None, None] * line[:, :, None, None]  # (ky, y, kx, x)
    return both.transpose(1, 3, 0, 2).reshape(EDGE**2, EDGE**2).astype(np.float32)


def measure_developed(image: Image, area: Region) -> Measured | None:
    """The correlated noise of an area of a developed photograph. None: it is too small."""
    if min(area.height, area.width) < LEAST:
        return None
    planes, step = _lumas(image, area)
    scales: list[_Scale] = []
    for _ in range(OCTAVES):
        found = _flat(planes)
        if found is None:
            return None
        scales.append(found)
        planes = [halve(plane[None, None])[0, 0] for plane in planes]
    return _told(scales, image.levels.span, step)


def _lumas(image: Image, area: Region) -> tuple[list[F32], float]:
    """Luma (H, W) of the whole area, or of squares spread over it; the step of stored values.

    It is scaled so that noise of its own in each channel would stay as strong. NaN: cut off.
    """
    regions = [area]
    if area.area > PATCHES * PATCH**2:
        rows = max(round((PATCHES * area.height / area.width) ** 0.5), 1)
        ys = np.linspace(area.y0, max(area.y1 - PATCH, area.y0), rows).astype(int).tolist()
        xs = np.linspace(area.x0, max(area.x1 - PATCH, area.x0), -(-PATCHES // rows))
        regions = [
            Region(y, x, y + PATCH, x + PATCH).meet(area) for y in ys for x in xs.astype(int)
        ]
    lead = tuple(slice(0, 3) if a == "c" else image.pixels.shape[i] // 2
                 for i, a in enumerate(image.axes[:-2]))  # fmt: skip
    found, step = list[F32](), 0.0
    for region in regions:
        stored = np.real(np.asarray(image.samples[(*lead, *region.slices)]))
        step = step or step_of(stored)
        black = image.levels.black_map(region.y0, region.x0, region.height, region.width)
        channels = (stored.astype(np.float32) - black).reshape(-1, *stored.shape[-2:])
        inside = (channels > 0).any(0) & (channels < image.levels.span).any(0)
        luma = channels.sum(0) / np.float32(len(channels) ** 0.5)
        found.append(np.where(inside, luma, np.float32(np.nan)))
    return found, step


def _flat(planes: list[F32]) -> _Scale | None:
    """The flat blocks of a scale; None where there are too few blocks."""
    count = sum(plane.size for plane in planes)
    stride = max(int(np.ceil((count / BLOCKS) ** 0.5)), 1)
    taken: list[F32] = []
    for plane in planes:
        if min(plane.shape) >= EDGE:
            view = np.lib.stride_tricks.sliding_window_view(plane, (EDGE, EDGE))
            taken.append(view[::stride, ::stride].reshape(-1, EDGE**2))
    blocks = np.concatenate(taken)
    blocks = blocks[np.isfinite(blocks).all(1)]
    if len(blocks) < BINS * 4 * FEW:
        return None
    # einsum, as a BLAS would wake all its threads for so little
    energy = np.square(np.einsum("bn,nk->bk", blocks, _basis()))
    mean = blocks.mean(1)
    bins = np.array_split(np.argsort(mean, kind="stable"), BINS)
    power = np.stack([_chosen(energy[each]) for each in bins])
    return _Scale(np.array([mean[each].mean() for each in bins]), power)


def _chosen(energy: F32) -> F64:
    """Mean energies (shares, 64) of the flattest of some blocks (n, 64)."""
    odd = _odd()
    even = ~odd
    even[0] = False
    power = np.median(energy, 0) / 0.455 + 0.02  # of noise the median of squares is that share
    found = np.empty((len(SHARES), EDGE**2))
    for _ in range(3):
        weight = (1 / power).astype(np.float32)
        by_even = np.argsort(np.einsum("bk,k->b", energy[:, even], weight[even]))
        by_odd = np.argsort(np.einsum("bk,k->b", energy[:, odd], weight[odd]))
        for row, share in zip(found, SHARES, strict=True):
            few = max(int(share * len(energy)), FEW)
            row[odd] = energy[by_even[:few]][:, odd].mean(0)
            row[~odd] = energy[by_odd[:few]][:, ~odd].mean(0)
            row[0] = row[1]
        power = found[1] + 0.02
    return found


@cache
def _odd() -> Bools:
    at = np.arange(EDGE)
    return ((at[:, None] + at) % 2 == 1).ravel()


def _likeness(fine: _Scale, coarser: _Scale) -> tuple[F64, F64]:
    """How much each bin is like noise, 0 to 1, and its growth to the coarser scale."""
    floor = 0.3
    level = np.maximum(fine.at(2), floor)
    growth = coarser.at(2) / level
    flattest = np.maximum(fine.at(2, 2), floor) / np.maximum(fine.at(2, 0), floor)
    fall = fine.at(2) / np.maximum(fine.at(3), floor / 3)
    like = _between(growth, 1.8, 3.5) * _between(flattest, 0.85, 0.6) * _between(fall, 1.5, 2.1)
    return like, growth


def _between(value: F64, good: float, bad: float) -> F64:
    share: F64 = np.clip((bad - value) / (bad - good), 0, 1)
    return share


def _weighted(values: F64, weights: F64, share: float) -> float:
    """A quantile of weighted values."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    at = int(np.count_nonzero(total < share * total[-1]))
    return float(values[order][min(at, len(values) - 1)])


def _told(scales: list[_Scale], span: float, step: float) -> Measured:
    """Model, verdict and sentences."""
    like, growth = _likeness(scales[0], scales[1])
    sure = float(like.mean())
    weight = like + 0.05
    most = float(np.interp(sure, *BELIEVED))
    found = _weighted(scales[0].at(2), weight, STRONG)
    level = max(min(found, most * span), 1e-4 * span)
    grows = min(max(_weighted(growth, weight, 0.5), 1.0), GROWTH)
    share = level / max(found, 1e-30)
    flat: F64 = np.sqrt(scales[0].power[:, 1].mean(1))  # of a pixel, in flat areas
    deviation = float(np.median(flat)) * share
    deviation = min(max(deviation, 0.05 * level), level)
    ratio = level / deviation
    spectra = tuple((ratio * grows**octave,) * EDGE**2 for octave in range(OCTAVES))
    model = Correlated((0.0,), (deviation,), spectra)
    verdict, why = _verdict(deviation, step, sure, found > most * span)
    summary = (
        f"Noise of a developed photograph: sigma {figure(deviation)} in flat areas,"
        f" where it is coarse as strong as white noise of {figure(level)}."
    )
    pattern = _pattern(scales[0], like)
    fit = ChannelFit("Y", 0.0, deviation, None, verdict, why)
    notes = (pattern.words,) if not pattern.white else ()
    return Measured(model, (fit,), summary, notes, pattern, _chart(scales[0], level))


def _verdict(deviation: float, step: float, sure: float, held: bool) -> tuple[str, str]:
    """Never good: how much noise a camera took out of flat areas is not known."""
    if deviation < 0.2 * step:
        return CANNOT_TELL, "There is no noise above the steps of the stored values."
    if held:
        return DOUBTFUL, "Fine texture may pass for noise here: only a little is taken for it."
    if sure < 0.5:
        return DOUBTFUL, "Few areas are flat enough to tell noise from texture."
    return (
        DOUBTFUL,
        "The noise is correlated, as cameras and JPEG leave it; flat areas agree on it.",
    )


def _pattern(scale: _Scale, like: F64) -> Pattern:
    """The autocorrelation in flat blocks, of the bins that are most like noise."""
    power = scale.power[:, 1] / np.maximum(scale.power[:, 1].mean(1), 1e-30)[:, None]
    mean = np.average(power, axis=0, weights=like + 1e-3)
    return Pattern(correlation_of(np.sqrt(mean).tolist()))


def _chart(scale: _Scale, level: float) -> Chart:
    means = scale.mean
    points = tuple(zip(means.tolist(), scale.at(2).tolist(), strict=True))
    line = ((float(means[0]), level), (float(means[-1]), level))
    return Chart("Coarse noise of flat areas", ("Luma", ""), ("Sigma", ""), points, line)
