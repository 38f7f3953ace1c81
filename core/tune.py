"""Tune: the settings of a method that leave the least error, found without a clean picture.

Where the noise is known, by Stein's unbiased risk estimate in its general form: the expected error
is what the result differs from the noisy picture, less the noise, plus twice the covariance of the
two, and that is found by denoising once more with a little of the model's own noise on top (S.
Ramani, T. Blu and M. Unser, IEEE TIP 17(9), 2008; B. Efron, JASA 99, 2004). Correlated noise is
met by a probe with the same correlation. Where the noise is not known, by self-supervision: pixels
are replaced from their neighbours, and the result there is compared with what they were (J. Batson
and L. Royer, ICML 2019). All pixels come from the renderer, as those of the picture.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, prod, sqrt
from typing import Any, ClassVar

import numpy as np

from core.desk import Desk
from core.image import Array, Image
from core.job import Progress, Stop, Told, told
from core.method import Control, Method
from core.noise.correlated import Correlated
from core.noise.model import Noise
from core.probe import Probe, Shaken, Veil, probes, veil
from core.recipe import BadRecipe, Recipe
from core.tiles import Region

SAMPLES = 600_000  # that are looked at, about
SECONDS = 30.0  # of one core, that a slow method may take: it then looks at less
FEWEST = 120_000
HALO = 2.0  # times as much is computed of small tiles
EDGE = 192  # of a tile, in pixels of one colour
SMALLEST = 48
LEAST = 0.1  # no strength below this is tried
RATIOS = {"strength": 1.3, "chroma": 1.6}  # from one value tried to the next
UNSURE = (  # what is to be removed there was measured, not the noise that is there
    "The noise of a developed photograph is not known well enough to tune to: set it by eye."
)
FINE = ("strength",)  # looked at twice as closely around the best
UNIT = "×"  # of settings that are relative to the noise
CLEARLY = 0.97  # of the error: what another setting has to come down to


@dataclass(frozen=True)
class Tuned:
    """A method with the settings found, and what is expected of them.

    `before` and `after` are the mean squared errors of its defaults and of these, as multiples of
    the noise's variance; by self-supervision with the noise itself in them.
    """

    method: Method
    before: float
    after: float
    known: bool  # by SURE, else by self-supervision
    tries: int

    @property
    def gain(self) -> float:
        """How much better than its defaults, in dB."""
        return 10 * log(max(self.before, 1e-9) / max(self.after, 1e-9)) / log(10)

    @property
    def settings(self) -> dict[str, Any]:
        """What was tuned."""
        return {c.name: getattr(self.method, c.name) for c in tunable(type(self.method))}

    @property
    def words(self) -> str:
        """One sentence for the user."""
        found = ", ".join(
            f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.settings.items()
        )
        how = "from the noise model" if self.known else "by hiding pixels, as the noise is unknown"
        better = f"{self.gain:.1f} dB better than" if self.gain > 0.05 else "as good as"
        return f"Suggested {how}: {found} ({better} the default)."

    def record(self) -> dict[str, Any]:
        """Plain data for a file."""
        by = "sure" if self.known else "self-supervision"
        return {"by": by, "settings": self.settings, "gain_db": round(self.gain, 3)}


def tunable(method: type[Method]) -> tuple[Control, ...]:
    """What can be tuned: numbers relative to the noise, then settings that name values."""
    found = [c for c in method.controls() if c.type == "float" and c.unit == UNIT]
    found += [c for c in method.controls() if c.tune] if found else []
    by_model = method.domain == "white" or method.develops  # others measure what they remove
    return tuple(found) if by_model else ()


def megasamples(method: Method, image: Image) -> float:
    """How much is computed for it, about, halos included, in millions."""
    return 2 * HALO * _tries(method) * min(_samples(method) / 1e6, image.megapixels)


def seconds(method: Method, image: Image, threads: int) -> float:
    """About how long tuning takes, from the tables of the benchmarks."""
    return 0.5 + megasamples(method, image) * method.cpu_seconds / max(threads, 1)


@dataclass(frozen=True)
class Tune:
    """Find the settings of one step of a recipe; yields Progress, last a Tuned.

    `known`: is the noise model to be trusted? That of a mosaic always is: hidden sites are too far
    from others of their colour. Raises BadRecipe where there is nothing to tune.
    """

    image: Image
    noise: Noise
    recipe: Recipe
    index: int = -1
    known: bool = True
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Told | Tuned]:
        method = self.recipe.steps[self.index].method
        names = tunable(type(method))
        if not names:
            title = method.title or method.id()
            raise BadRecipe(f"{title} has no strength to tune: it measures what it removes.")
        if isinstance(self.noise, Correlated) and self.image.kind == "display":
            raise BadRecipe(UNSURE)
        yield Progress(0.0, None, "tune")
        known = self.known or self.image.cfa is not None
        search = _Search(self, known, desk, cancelled)
        best = _with(method, {c.name: c.default for c in names})
        first = after = yield from search.risk(best)
        for control in names:
            if control.name == "chroma" and not search.colored:
                continue
            by = _among if control.tune else _least
            before, (best, after) = best, (yield from by(search, best, control, after))
            if control.tune and best != before:  # what was found for another one
                best, after = yield from _least(search, best, names[0], after)
        yield Progress(1.0, None, "tune")
        yield Tuned(best, first, after, known, search.tries)


def _with(method: Method, settings: Mapping[str, Any]) -> Method:
    """The same with some settings changed."""
    found: Method = type(method).make({**method.settings(), **settings})
    return found


Risks = Generator[Progress | Told, None, float]


def _least(
    search: _Search, method: Method, control: Control, risk: float
) -> Generator[Progress | Told, None, tuple[Method, float]]:
    """Downhill by equal ratios until it rises, then the vertex of the parabola."""
    low, high = max(control.minimum or 0.0, LEAST), control.maximum or 3.0
    start = float(getattr(method, control.name))
    step = log(RATIOS.get(control.name, 1.3))
    known = {log(start): risk}

    def at(place: float) -> Method:
        return _with(method, {control.name: round(exp(place), 3)})

    def look(place: float) -> Generator[Progress | Told, None, float]:
        if log(low) - 1e-9 <= place <= log(high) + 1e-9:
            known[place] = yield from search.risk(at(place))
            return known[place]
        return float("inf")

    for way in (step, -step):
        place = log(start) + way
        while (yield from look(place)) <= min(known.values()):
            place += way
        if min(known, key=lambda p: known[p]) != log(start):
            break  # found on this side
    if control.name in FINE:  # too little is punished harder than too much: no parabola as yet
        step /= 2
        best = min(known, key=lambda p: known[p])
        for place in (best - step, best + step):
            yield from look(place)
    vertex, least = _vertex(known, step)
    return at(vertex), least


def _among(
    search: _Search, method: Method, control: Control, risk: float
) -> Generator[Progress | Told, None, tuple[Method, float]]:
    """The best of the values that a setting names, where it is clearly better."""
    found, now = (method, risk), getattr(method, control.name)
    for value in control.tune:
        if value != now:
            other = _with(method, {control.name: value})
            known = yield from search.risk(other)
            if known < CLEARLY * found[1]:
                found = other, known
    return found


def _vertex(known: Mapping[float, float], step: float) -> tuple[float, float]:
    """The least point of the parabola around the least known one, and the value there."""
    best = min(known, key=lambda p: known[p])
    near = sorted(p for p in known if abs(p - best) < 1.01 * step)
    if len(near) < 3:
        return best, known[best]
    below, above = known[near[0]], known[near[-1]]
    bend = below - 2 * known[best] + above
    shift = float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend > 0 else 0.0
    return best + shift * step, known[best] - 0.25 * (below - above) * shift


class _Search:
    """The picture's tiles that are looked at, and the probes that never change."""

    def __init__(self, tune: Tune, known: bool, desk: Desk, cancelled: Stop) -> None:
        from core.plan import plan

        self.tune, self.known, self.desk, self.cancelled = tune, known, desk, cancelled
        self.tries = 0
        self._expected = _tries(tune.recipe.steps[tune.index].method)
        image, method = tune.image, tune.recipe.steps[tune.index].method
        laid = plan(method, image)
        self.colored = len(set(laid.packing.planes)) > 1
        depth = prod(axis.edge for axis in laid.stack) * laid.channels
        period, wanted = laid.packing.period, _samples(method)
        edge = sqrt(wanted / 4 / depth) / period
        edge = int(np.clip(edge, SMALLEST, EDGE)) * period
        self.edge = -(-edge // laid.align) * laid.align
        self.regions = representative(image, replace(laid, tile=self.edge).cells(), wanted)
        self._probes: Sequence[Probe] = ()
        self._veils: Sequence[Veil] = ()

    def risk(self, method: Method) -> Risks:
        """The estimated error of these settings, over the noise's variance."""
        self.tries += 1
        steps = list(self.tune.recipe.steps)
        steps[self.tune.index] = replace(steps[self.tune.index], method=method)
        recipe = Recipe(tuple(steps)).active
        image = self.tune.image
        if self.known:
            plain = yield from self._render(image, recipe)
            if not self._probes:
                self._probes = probes(image, self.tune.noise, self.regions, plain)
            shaken = replace(image, pixels=Shaken.of(image, self._probes, "probe"))
            other = yield from self._render(shaken, recipe)
            pairs = zip(self._probes, plain, other, strict=True)
            parts = [probe.risk(a, b) for probe, a, b in pairs]
        else:
            if not self._veils:
                self._veils = veil(image, self.tune.noise, self.regions)
            veiled = replace(image, pixels=Shaken.of(image, self._veils, "veil"))
            found = yield from self._render(veiled, recipe)
            parts = [v.risk(a) for v, a in zip(self._veils, found, strict=True)]
        total = sum(count for _, count in parts)
        if not total:
            raise BadRecipe("There is no noise to go by: measure or type its model first.")
        return sum(error for error, _ in parts) / total

    def _render(
        self, image: Image, recipe: Recipe
    ) -> Generator[Progress | Told, None, list[Array]]:
        """What becomes of each region: float32, stored units."""
        from core.render import Renderer, Tile

        noise, axes = self.tune.noise, image.axes
        renderer = Renderer(image, noise, recipe, self.desk, self.cancelled, tile=self.edge)
        found: list[Array] = []
        for region in self.regions:
            made = np.empty(region.shape(axes, image.pixels.shape), np.float32)
            for tile in renderer.tiles(region):
                if isinstance(tile, str):
                    yield told(renderer, tile)
                elif isinstance(tile, Tile):
                    part = tile.region.meet(region)
                    here = tile.after[part.inside(tile.region, axes)]
                    made[part.inside(region, axes)] = here
                yield Progress(min(self.tries / self._expected, 0.95), None, "tune")
            found.append(made)
        return found


def _tries(method: Method) -> int:
    """Settings that are tried, about."""
    named = [len(control.tune) for control in tunable(type(method)) if control.tune]
    return 2 + 3 * (len(tunable(type(method))) - len(named)) + sum(named)


def _samples(method: Method) -> float:
    """How much is looked at: of a slow method less."""
    affordable = SECONDS / (2 * HALO * _tries(method) * method.cpu_seconds) * 1e6
    return float(np.clip(affordable, FEWEST, SAMPLES))


def representative(image: Image, cells: Sequence[Region], samples: float) -> list[Region]:
    """Some of the cells, from the flattest to the busiest, dark and bright ones in turn."""
    if image.megapixels * 1e6 <= samples:
        return list(cells)
    whole = max(cell.area for cell in cells)
    cells = [cell for cell in cells if cell.area >= 0.5 * whole]
    cells = cells[:: -(-len(cells) // 150)]
    size = prod(cells[0].shape(image.axes, image.pixels.shape))
    count = max(round(samples / size), 2)
    if len(cells) <= count:
        return list(cells)
    busy, bright = np.array([_content(image, cell) for cell in cells]).T
    fine = np.flatnonzero(np.isfinite(busy))
    order = fine[np.argsort(busy[fine])]
    found: list[Region] = []
    for at, some in enumerate(np.array_split(order, count)):
        if len(some):
            by_light = some[np.argsort(bright[some])]
            found.append(cells[int(by_light[len(some) // 4 if at % 2 else 3 * len(some) // 4])])
    return found or list(cells[:count])


def _content(image: Image, cell: Region) -> tuple[float, float]:
    """How much happens in a cell beyond single pixels, and how bright it is; NaN: nothing there."""
    pixels = np.asarray(image.samples[cell.index(image.axes)])
    pixels = np.abs(pixels).astype(np.float32).reshape(-1, cell.height, cell.width)
    pixels = pixels[:: max(len(pixels) // 4, 1)]
    height, width = cell.height // 12 * 12, cell.width // 12 * 12
    blocks = pixels[:, :height, :width].reshape(len(pixels), height // 12, 12, width // 12, 12)
    means = blocks.mean((2, 4))
    steps = np.abs(np.diff(means, axis=1)).mean() + np.abs(np.diff(means, axis=2)).mean()
    alive = pixels.size and pixels.max() > pixels.min()
    return float(steps) if alive else float("nan"), float(means.mean())


__all__ = ["Tune", "Tuned", "megasamples", "representative", "seconds", "tunable"]
