"""Settings tuned without a clean picture, against the best ones found with it. By hand:

    python tests/benchmarks/tune.py [--photos FOLDER] [--colour FOLDER] [--raw FOLDER]
        [--cases set12 cbsd68 raw cube mr ct speckle] [--methods dct ...]

Set12 and CBSD68 (three pictures each, Gaussian noise of 15 and 50, told), RAW pairs (noise
measured blind; PSNR of the square root of the signal), the synthetic cube (MPSNR), MR head (Rician
9 %, told) and low-dose CT (measured), B-mode phantoms (measured). *best* tries a grid
with the truth, one setting after the other, and the strength again at the end. *tuned* is what
`sordino denoise --tune` does; *hidden* the same
where the noise model is not trusted. Loss: best minus tuned, in dB. CPU: user + system seconds of
tuning.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.cache import Cache
from core.desk import Desk
from core.files import open_image
from core.image import Image
from core.method import Method
from core.noise.estimate import measure
from core.noise.model import Noise, PoissonGaussian, Rician
from core.noise.simulate import cube as noisy_cube
from core.noise.simulate import magnitude
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region
from core.tune import Tune, Tuned, tunable

GRIDS = {"strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.9, 2.3),
         "chroma": (0.5, 0.7, 1.0, 1.3, 1.7)}  # fmt: skip
SLOW = {"strength": (0.7, 0.85, 1.0, 1.15, 1.35), "chroma": (0.7, 1.0, 1.4)}
PHOTO = ("fast", "dct", "nlm", "blockmatch", "unet")
METHODS = {"set12": PHOTO, "cbsd68": PHOTO, "raw": ("fast", "dct", "nlm", "blockmatch"),
           "cube": ("subspace", "otvca", "wsrrr", "hyres"),
           "mr": ("dct3d", "blockmatch3d"), "ct": ("dct3d",),
           "speckle": ("speckle", "local")}  # fmt: skip
HIDDEN = ("set12", "cbsd68")


@dataclass(frozen=True)
class Case:
    """A noisy picture, its model, and how good a result is, in dB."""

    name: str
    image: Image
    noise: Noise
    score: Callable[[Any], float]


def cases(kind: str, args: argparse.Namespace) -> Iterator[Case]:
    if kind == "raw":
        return raws(args.raw)
    if kind in ("set12", "cbsd68"):
        return photos(args.colour if kind == "cbsd68" else args.photos, kind == "cbsd68")
    return others(kind)


def photos(folder: Path, colour: bool) -> Iterator[Case]:
    from PIL import Image as Pil

    files = sorted(folder.iterdir())
    for at in (0, len(files) // 2, len(files) - 1):
        clean = np.asarray(Pil.open(files[at]).convert("RGB" if colour else "L"), np.float32)
        clean = np.ascontiguousarray(clean.transpose(2, 0, 1)) if colour else clean
        for sigma in (15.0, 50.0):
            rng = np.random.default_rng(at)
            noisy = clean + np.float32(sigma) * rng.standard_normal(clean.shape).astype(np.float32)
            image = Image(noisy, "cyx" if colour else "yx")
            noise = PoissonGaussian((0.0,), (sigma,))
            yield Case(f"{files[at].stem} {sigma:g}", image, noise, _psnr(clean, 255.0))


def raws(folder: Path) -> Iterator[Case]:
    from core.registry import load

    registry = load()
    for noisy in sorted(folder.rglob("*_noisy.dng")):
        image = open_image(registry, noisy)
        truth = open_image(registry, noisy.with_name(noisy.name.replace("noisy", "clean")))
        black = image.levels.black_map(0, 0, image.height, image.width)

        def root(stored: Any, black: Any = black) -> Any:
            return np.sqrt(np.maximum(np.asarray(stored, np.float32) - black, 0))

        clean, peak = root(truth.pixels[...]), float(np.sqrt(image.levels.span))
        score = _psnr(clean, peak)
        yield Case(noisy.stem, image, measure(image).model, lambda x, s=score, r=root: s(r(x)))


def others(kind: str) -> Iterator[Case]:
    if kind == "cube":
        from resources.samples import spectral

        truth = spectral.truth(128, 128, 60)
        for name, levels in (("iid", np.full(60, 0.1)), ("non-iid", np.geomspace(0.05, 0.2, 60))):
            noisy = noisy_cube(truth, levels, np.random.default_rng(3))
            image = Image(noisy, "byx", "cube")
            yield Case(name, image, measure(image).model, _mpsnr(truth))
        return
    if kind == "speckle":
        from tests.benchmarks.speckle import phantoms

        for name, (noisy, truth) in phantoms(0).items():
            image = Image(noisy, "yx", "clip")
            yield Case(name, image, measure(image).model, _psnr(truth, 255.0))
        return
    from resources.samples.phantoms import belly, brain, low_dose

    rng = np.random.default_rng(7)
    if kind == "ct":
        truth = belly((24, 160, 208), seed=11)
        meta = {"scale": (1.0, 0.0, "HU")}
        image = Image(low_dose(truth, 3e4, 1.8, 180, rng), "zyx", "scan", meta=meta)
        yield Case("belly", image, measure(image).model, _psnr(truth, 400.0, truth > -300))
        return
    truth = brain((64, 112, 96), seed=11)
    truth = (truth / truth.max()).astype(np.float32)
    image = Image(magnitude(truth, 0.09, rng), "zyx", "scan")
    yield Case("head 9 %", image, Rician(0.09), _psnr(truth, 1.0, truth > 0.1))


def _psnr(truth: Any, peak: float, mask: Any = None) -> Callable[[Any], float]:
    def score(found: Any) -> float:
        apart = np.square(np.asarray(found, np.float64) - truth)
        return float(10 * np.log10(peak**2 / np.mean(apart[mask] if mask is not None else apart)))

    return score


def _mpsnr(truth: Any) -> Callable[[Any], float]:
    def score(found: Any) -> float:
        errors = np.mean(np.square(np.asarray(found, np.float64) - truth), (1, 2))
        return float(np.mean(-10 * np.log10(errors)))

    return score


def scored(case: Case, method: Method, desk: Desk) -> float:
    """The whole picture with a method, in dB."""
    renderer = Renderer(case.image, case.noise, Recipe((Step(method),)), desk)
    return case.score(assemble(renderer, Region.whole(case.image.height, case.image.width)))


def best(case: Case, method: Method, desk: Desk) -> tuple[Method, float]:
    """The best settings of a grid, found with the truth."""
    found = method, scored(case, method, desk)
    grids = SLOW if method.id() in ("blockmatch", "blockmatch3d") else GRIDS
    for control in tunable(type(method)):
        if control.name == "chroma" and case.image.channels == "Y":
            continue
        for value in control.tune or grids.get(control.name, ()):
            other = replace(found[0], **{control.name: value})  # type: ignore[type-var]
            if other != found[0]:
                found = max(found, (other, scored(case, other, desk)), key=lambda each: each[1])
    strengths = SLOW if grids is SLOW else GRIDS
    for value in strengths["strength"]:  # again: the others may have changed it
        other = replace(found[0], strength=value)  # type: ignore[type-var]
        if other != found[0]:
            found = max(found, (other, scored(case, other, desk)), key=lambda each: each[1])
    return found


def tuned(case: Case, method: Method, desk: Desk, known: bool) -> tuple[Tuned, float, float]:
    """What tuning finds, its quality in dB, and its CPU seconds."""
    begin = time.process_time()
    *_, found = Tune(case.image, case.noise, Recipe((Step(method),)), known=known)(
        desk, lambda: False
    )
    spent = time.process_time() - begin
    assert isinstance(found, Tuned)
    return found, scored(case, found.method, desk), spent


def words(method: Method) -> str:
    found = [getattr(method, control.name) for control in tunable(type(method))]
    return " / ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in found)


def main() -> None:
    data = ROOT.parents[1] / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=data / "photo" / "Set12")
    parser.add_argument("--colour", type=Path, default=data / "photo" / "CBSD68")
    parser.add_argument("--raw", type=Path, default=data / "raw" / "synthetic")
    parser.add_argument("--cases", nargs="+", default=list(METHODS))
    parser.add_argument("--methods", nargs="+")
    args = parser.parse_args()
    desk = Desk(cache=Cache(0), threads=1)
    losses: dict[str, list[float]] = {"default": [], "tuned": [], "hidden": []}
    heads = ("case", "method", "default, dB", "best", "best, dB", "tuned", "tuned, dB",
             "hidden, dB", "CPU s")  # fmt: skip
    print(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
    for kind in args.cases:
        for case in cases(kind, args):
            for name in METHODS[kind]:
                if args.methods and name not in args.methods:
                    continue
                method = desk.registry.methods[name]()
                plain, (top, peak) = scored(case, method, desk), best(case, method, desk)
                found, decibels, spent = tuned(case, method, desk, True)
                cells = [f"{kind} {case.name}", name, f"{plain:.2f}", words(top), f"{peak:.2f}",
                         words(found.method), f"{decibels:.2f}"]  # fmt: skip
                losses["default"].append(peak - plain)
                losses["tuned"].append(peak - decibels)
                hidden = "-"
                if kind in HIDDEN:
                    value = tuned(case, method, desk, False)[1]
                    losses["hidden"].append(peak - value)
                    hidden = f"{value:.2f}"
                print(f"| {' | '.join([*cells, hidden, f'{spent:.1f}'])} |", flush=True)
    for name, values in losses.items():
        if values:
            print(f"{name}: median {np.median(values):.2f}, worst {max(values):.2f} dB below best")


if __name__ == "__main__":
    main()
