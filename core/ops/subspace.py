"""The subspace in which the spectra of a cube lie, learned in spite of stripes and impulses.

Every band is predicted from all others by regression; what it has beyond the prediction is its
noise (J. M. Bioucas-Dias and J. M. P. Nascimento, "Hyperspectral subspace identification", IEEE
TGRS 46(8), 2008). A band that is off in places cannot predict itself, so impulses, stripes and dead
lines show there, and are replaced by the prediction before the next round. The principal axes of
the whitened spectra span the subspace; noise alone has no eigenvalue above (1 + sqrt(B / n))^2 (V.
Marchenko and L. Pastur, 1967).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.image import Array
from core.method import Planes, is_array
from core.ops.domain import filled
from core.ops.median import median
from core.tiles import Region, mirror

F32, F64 = NDArray[np.float32], NDArray[np.float64]

LOOKED_AT = 2_500_000  # samples that the subspace is learned from
AT_ONCE = 4_000_000  # samples in memory while stripes are looked for
ROUNDS = 3
OUTLIER = 2.5  # sigmas from the prediction while learning: what is lost costs little there
SURE = 4.0  # standard errors of a line's median that make it a stripe
DEAD = -0.5  # change of what is missing with the prediction, from which a line is dead
LONG = 24  # pixels of a line that is judged as a whole
MEDIAN = 1.2533  # standard error of a median of Gaussian values over that of their mean
AGREED = 1.25  # times a band's sigma: as far as the noise model is taken at its word
MARGIN = 1.02  # above the largest eigenvalue of noise
MOST = 20  # dimensions that are found by themselves
FURTHEST = 3e38
WHOLE = 0.25  # of a pixel's bands may lack where others are learned from it
NEARER = 3.0 * np.array((2, 1.75, 1.5, 1.25, 1, 1))  # sigmas: limits of the rounds that follow


@dataclass(frozen=True, eq=False)
class Asked:
    """How to learn: the bands `good` (B,); how many dimensions (0: all above the noise).

    Without `robust` all dimensions are kept, sigmas count as 1 and nothing as an outlier: for few
    bands, where one cannot tell an outlier from a colour.
    """

    good: NDArray[np.bool_]
    rank: int = 0
    robust: bool = True


@dataclass(frozen=True, eq=False)
class Subspace:
    """Spectra are mean + sigma * (basis @ coordinates + stripes + unit white noise).

    `mean` and `sigma` (B,), `basis` (B, K) with orthonormal columns, zero in bands that are not to
    be used; stripes in sigmas, NaN where a line is dead: `across` (B, W) of every column, `down`
    (B, H) of every row, without columns where they were not looked for.
    """

    mean: F32
    sigma: F32
    basis: F32
    across: F32
    down: F32
    robust: bool = False  # are outliers left out?

    def project(self, tile: Planes, region: Region | None, check: Callable[[], None]) -> Planes:
        """(B, H, W) to (K, H, W) coordinates with unit white noise, outliers left out.

        `region` is what the tile covers of the image that this was learned from.
        """
        height, width = tile.shape[1:]
        across, down = self.stripes(tile.shape, region)
        limits = np.concatenate([[FURTHEST], NEARER if self.robust else []]).astype(np.float32)
        if not is_array(tile):
            return self._project_torch(tile, across, down, limits, check)
        from core.ops import subspace_cpu

        tile = np.ascontiguousarray(tile)
        out = np.empty((self.basis.shape[1], height, width), np.float32)
        inverse = np.float32(1) / self.sigma
        for y in range(height):
            if y % 32 == 0:
                check()
            subspace_cpu.project(tile, y, self.mean, inverse, self.basis, limits, across, down, out)
        return out

    def stripes(self, shape: tuple[int, ...], region: Region | None) -> tuple[F32, F32]:
        """Of a tile of this shape (B, H, W): across (B, W or 0) and down (B, H)."""
        if region is None or not self.across.shape[1]:
            return np.zeros((shape[0], 0), np.float32), np.zeros(shape[:2], np.float32)
        columns = mirror(region.x0, region.x1, self.across.shape[1], 1)
        rows = mirror(region.y0, region.y1, self.down.shape[1], 1)
        return (
            np.ascontiguousarray(self.across[:, columns]),
            np.ascontiguousarray(self.down[:, rows]),
        )

    def expand(self, planes: Planes, tile: Planes, check: Callable[[], None]) -> Planes:
        """(K, H, W) coordinates to (B, H, W); bands that are not in the basis are the tile's."""
        if not is_array(planes):
            return self._expand_torch(planes, tile)
        from core.ops import subspace_cpu

        out = np.array(tile, np.float32, order="C")
        for y in range(out.shape[1]):
            if y % 64 == 0:
                check()
            subspace_cpu.expand(planes, y, self.mean, self.sigma, self.basis, out)
        return out

    def _project_torch(
        self, tile: Planes, across: F32, down: F32, limits: F32, check: Callable[[], None]
    ) -> Planes:
        import torch

        def there(values: Array) -> Planes:
            return torch.as_tensor(values).to(tile)

        basis = there(self.basis)
        white = (tile - there(self.mean)[:, None, None]) / there(self.sigma)[:, None, None]
        if across.shape[1]:
            white = white - (there(across)[:, None, :] + there(down)[:, :, None])
        white = white.flatten(1)
        fitted, found = torch.zeros_like(white), white[: basis.shape[1]]
        for limit in limits:
            check()
            near = (white - fitted).abs() <= float(limit)  # never true of NaN
            found = basis.T @ torch.where(near, white, fitted)
            fitted = basis @ found
        return found.unflatten(1, tile.shape[1:])

    def _expand_torch(self, planes: Planes, tile: Planes) -> Planes:
        import torch

        basis, sigma, mean = (
            torch.as_tensor(one).to(tile) for one in (self.basis, self.sigma, self.mean)
        )
        found = (sigma[:, None] * basis @ planes.flatten(1) + mean[:, None]).view_as(tile)
        used = (basis != 0).any(1)[:, None, None]
        return torch.where(used, found, tile)


def identity(bands: int) -> Subspace:
    """Every band by itself."""
    none = np.zeros((bands, 0), np.float32)
    return Subspace(
        np.zeros(bands, np.float32), np.ones(bands, np.float32), np.eye(bands, dtype=np.float32),
        none, none,
    )  # fmt: skip


def learn(
    source: Callable[[Region], Array],
    height: int,
    width: int,
    asked: Asked,
    check: Callable[[], None],
) -> Generator[float, None, Subspace]:
    """Learn from `source(region)`, (N, ..., h, w) of B planes in all; yields progress.

    NaN is no measurement. First some whole rows, evenly spread, as many as LOOKED_AT allows; then
    all rows, some at a time. Raises what `check` raises.
    """
    bands = len(asked.good)
    row = max(width * bands, 1)
    count = int(np.clip(LOOKED_AT // row, 1, height))
    rows = np.unique(np.linspace(0, height - 1, count).round().astype(int))
    parts: list[Array] = []
    for n, y in enumerate(rows):
        if n % 32 == 0:
            check()
            yield 0.3 * n / len(rows)
        parts.append(_bands(source, Region(int(y), 0, int(y) + 1, width)))
    given = np.concatenate(parts, 2)
    stack, _, tall, wide = given.shape
    given = given.transpose(1, 0, 2, 3).reshape(bands, stack * tall, wide)
    found = _learn(given, asked, check)
    yield 0.6
    if not asked.robust or stack > 1 or wide != width or not found.across.shape[1]:
        none = np.zeros((bands, 0), np.float32)
        return replace(found, across=none, down=none)
    return (yield from _refined(source, height, found, asked, check))


def _bands(source: Callable[[Region], Array], region: Region) -> F32:
    """What `source` gives, colours and bands as one axis: (N, B, h, w)."""
    tile = source(region)
    return tile.reshape(len(tile), -1, *tile.shape[-2:]).astype(np.float32, copy=False)


def _learn(given: F32, asked: Asked, check: Callable[[], None]) -> Subspace:
    """Mean, sigma and basis from the samples (B, h, w)."""
    bands = len(given)
    known = np.isfinite(given)
    used = asked.good & known.any((1, 2))
    whole = identity(bands)
    use = np.flatnonzero(used)
    if not len(use):
        return whole
    values = np.where(known, given, np.float32(0))[use]
    seen = known[use]
    if asked.robust:
        mean, sigma, clean, off = _cleaned(values, seen, check)
    else:
        counts = seen.sum((1, 2))
        mean = (values.sum((1, 2), dtype=np.float64) / counts).astype(np.float32)
        sigma, off = np.ones(len(use), np.float32), np.zeros((len(use), 0), np.float32)
        clean = np.where(seen, values - mean[:, None, None], np.float32(0)).reshape(len(use), -1)
    covariance = np.zeros((bands, bands))
    covariance[np.ix_(use, use)] = _covariance(clean / sigma[:, None])
    whole.mean[use], whole.sigma[use] = mean, sigma
    across = np.zeros((bands, off.shape[1]), np.float32)
    across[use] = off / sigma[:, None]
    basis = _axes(covariance, clean.shape[1], asked)
    return replace(whole, basis=basis, across=across, robust=asked.robust)


def _axes(covariance: F64, count: int, asked: Asked) -> F32:
    """The basis (B, K): axes along which `count` white spectra have more than noise."""
    use = np.flatnonzero(np.diag(covariance) > 0)
    power, axes = np.linalg.eigh(covariance[np.ix_(use, use)])
    edge = MARGIN * (1 + np.sqrt(len(use) / count)) ** 2
    kept = asked.rank or int(np.clip(np.count_nonzero(power > edge), 1, MOST))
    kept = min(kept, len(use)) if asked.robust else len(use)
    basis = np.zeros((len(covariance), max(kept, 1)), np.float32)
    basis[use, :kept] = axes[:, ::-1][:, :kept]
    return basis


def _cleaned(
    values: F32, seen: NDArray[np.bool_], check: Callable[[], None]
) -> tuple[F32, F32, F32, F32]:
    """Of samples (B, h, w): mean and sigma (B,), samples (B, n) less mean and outliers, stripes.

    Each round predicts every band from the others, finds lines that are off as a whole and samples
    that are off by themselves, and puts the prediction in their place.
    """
    bands, tall, wide = values.shape
    able = _whole(seen)
    mean = np.stack([median(one[ok]) for one, ok in zip(values, seen, strict=True)])
    mean = mean.astype(np.float32)
    given = values - mean[:, None, None]
    clean = given
    if not seen.all():
        clean = np.nan_to_num(filled(np.where(seen, given, np.float32(np.nan)), 1, LONG))
    off, rest, columns = np.zeros((1, 1, 1), np.float32), given, np.zeros((0, 0), np.float32)
    for _ in range(ROUNDS):
        check()
        flat = clean.reshape(bands, -1)
        predicted = (flat - _alone(flat, able)).reshape(clean.shape)
        rest = np.where(seen, given - predicted, np.float32(0))
        sigma = _spread(rest - np.nan_to_num(off), seen)[:, None, None]
        check()
        columns = np.zeros((bands, wide), np.float32)
        if tall >= LONG:
            columns = _lines(rest / sigma, predicted / sigma, 1) * sigma[:, :, 0]
        off = columns[:, None]
        if wide >= LONG:
            left = (rest - np.nan_to_num(off)) / sigma
            off = off + (_lines(left, predicted / sigma, 2) * sigma[:, :, 0])[:, :, None]
        near = np.abs(rest - off) <= OUTLIER * sigma  # not so of dead lines
        clean = np.where(near & seen, given - off, predicted)
    flat = clean.reshape(bands, -1)[:, able]
    shift = flat.mean(1, dtype=np.float64).astype(np.float32)
    sigma = _spread(rest - np.nan_to_num(off), seen)
    sigma = np.where(np.abs(np.log(sigma)) < np.log(AGREED), np.float32(1), sigma)
    return mean + shift, sigma, flat - shift[:, None], columns


def _covariance(values: F32) -> F64:
    return (values @ values.T).astype(np.float64) / values.shape[1]


def _whole(seen: NDArray[np.bool_]) -> NDArray[np.bool_] | slice:
    """Pixels that have nearly all bands of (B, ...), flat; all, where those are few."""
    lacking = 1 - seen.reshape(len(seen), -1).mean(0)
    able = lacking <= WHOLE
    return able if lacking.any() and able.mean() > WHOLE else slice(None)


def _alone(values: F32, able: NDArray[np.bool_] | slice) -> F32:
    """What each band (B, n) has beyond its regression on all others: noise, mostly."""
    cov = _covariance(values[:, able])
    cov += np.eye(len(cov)) * max(1e-6 * float(np.trace(cov)) / len(cov), 1e-30)
    precise = np.linalg.inv(cov)
    return (precise / np.diag(precise)[:, None]).astype(np.float32) @ values


def _spread(rest: Array, seen: NDArray[np.bool_]) -> F32:
    """Standard deviation (B,) of Gaussian values by their median deviation, never 0."""
    flat, there = (each.reshape(len(rest), -1)[:, ::3] for each in (np.abs(rest), seen))
    if there.all() or not there.any(1).all():
        found = 1.4826 * median(flat)
    else:
        found = 1.4826 * np.stack([median(a[ok]) for a, ok in zip(flat, there, strict=True)])
    top = float(found.max())
    return np.maximum(found, 1e-6 * top if top > 0 else 1.0).astype(np.float32)


def _lines(rest: Array, predicted: F32, axis: int) -> F32:
    """Offsets of whole lines along an axis of (B, h, w), in sigmas; 0: none, NaN: a dead line."""
    count = rest.shape[axis]
    sums = _sums(rest, predicted, axis)
    return _judged(median(rest, axis), sums, count)


def _sums(rest: Array, predicted: F32, axis: int) -> F64:
    """What the slope of `rest` over `predicted` along an axis is made of; adds up over parts."""
    pairs = (rest, predicted, rest * predicted, predicted * predicted)
    return np.stack([one.sum(axis, dtype=np.float64) for one in pairs])


def _judged(off: Array, sums: F64, count: int) -> F32:
    """Offsets that are sure, else 0; NaN where the line is dead.

    A dead line keeps none of the signal, so that what it lacks grows as the prediction does.
    """
    rest, predicted, both, power = sums
    slope = (both - rest * predicted / count) / np.maximum(power - predicted**2 / count, 1e-30)
    sure = np.abs(off) > SURE * MEDIAN / np.sqrt(count)
    return np.where(sure, np.where(slope < DEAD, np.nan, off), 0.0).astype(np.float32)


def _refined(
    source: Callable[[Region], Array],
    height: int,
    found: Subspace,
    asked: Asked,
    check: Callable[[], None],
) -> Generator[float, None, Subspace]:
    """The same from all rows, some at a time: basis, columns' and rows' stripes.

    A column's offset is the mean of the medians of its parts.
    """
    bands, width = found.across.shape
    rows = int(np.clip(AT_ONCE // max(width * bands, 1), 1, height))
    found = replace(found, down=np.zeros((bands, height), np.float32))
    across, down = np.zeros((bands, width)), found.down.copy()
    sums, total, products = np.zeros((4, bands, width)), np.zeros(bands), np.zeros((bands, bands))
    used, count = (found.basis != 0).any(1), 0
    for y in range(0, height, rows):
        yield 0.6 + 0.4 * y / height
        area = Region(y, 0, min(y + rows, height), width)
        tile = _bands(source, area)[0]
        fitted = found.expand(found.project(tile, area, check), tile, check)
        scale = found.sigma[:, None, None]
        rest, signal = (tile - fitted) / scale, (fitted - found.mean[:, None, None]) / scale
        seen = np.isfinite(rest)
        able = _whole(seen[used])
        if not isinstance(able, slice):  # the fit is not sure where much is lacking
            seen &= able.reshape(rest.shape[1:])
        rest[~seen] = 0
        signal[~np.isfinite(signal)] = 0  # of bands that are not used
        check()
        across += median(rest, 1) * area.height
        sums += _sums(rest, signal, 1)
        if width >= LONG:
            left = rest - np.nan_to_num(found.across)[:, None]
            down[:, y : area.y1] = _lines(left, signal, 2)
        check()
        rest -= found.across[:, None]
        near = np.abs(rest) <= NEARER[-1]  # not so of dead lines
        flat = (signal + np.where(near, rest, np.float32(0))).reshape(bands, -1)
        flat = flat[:, able]
        count += flat.shape[1]
        total += flat.sum(1, dtype=np.float64)
        products += flat @ flat.T
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    covariance[~used] = covariance[:, ~used] = 0
    across = _judged(across / height, sums, height) if height >= LONG else found.across * 0
    basis, mean = _axes(covariance, count, asked), found.mean + found.sigma * mean
    return replace(found, mean=mean.astype(np.float32), basis=basis, across=across, down=down)
