"""Volumes, MR and CT, with known noise: Sordino and other programs. By hand:

    python tests/benchmarks/volumes.py [--t1 FILE] [--cases head_3 belly ...]
        [--methods dct3d bm4d ...] [--peer-python PYTHON] [--picture FILE]

head: the phantom of resources/samples with Rician noise of 3, 9 and 15 % of its brightest; belly:
its low-dose CT. t1: the middle 96 x 112 x 96 voxels of a T1 template (`--t1`, NIfTI: ICBM 152,
1 mm), Rician noise likewise. All get the true sigma (in CT the mean one; ours measures a map and
the correlation there), on the same arrays (fixed seeds, nothing clipped), each in a process of its
own on one thread. PSNR (peak: the brightest; belly: 400 HU) and SSIM (7x7x7) in the mask: above a
tenth of the brightest, in CT the body. CPU: user + system seconds of the call per million voxels.
`--peer-python` names an interpreter that has the peers (bm4d, whose licence is non-commercial,
dipy, SimpleITK, medpy, scikit-image); `--picture` draws the fronts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

LEVELS = (3, 9, 15)  # per cent of the brightest
CASES = (*(f"t1_{n}" for n in LEVELS), *(f"head_{n}" for n in LEVELS), "belly")
OURS = ("dct", "dct3d", "blockmatch3d")
PEERS = ("sk_tv", "medpy_aniso", "sitk_curvature", "dipy_nlmeans", "dipy_ascm", "bm4d")
CROP = (96, 112, 96)
ONE_THREAD = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
ONE_THREAD["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"


def make(case: str, t1: Path | None, folder: Path) -> dict[str, Any]:
    """Write truth.npy, noisy.npy, mask.npy for a case; what is known of it."""
    from core.noise.simulate import magnitude
    from resources.samples.phantoms import belly, brain, low_dose

    name, _, level = case.partition("_")
    rng = np.random.default_rng(7)
    if name == "belly":
        truth = belly((24, 160, 208), seed=11)
        noisy = low_dose(truth, 3e4, 1.8, 180, rng)
        mask, peak = truth > -300, 400.0
        sigma = float((noisy - truth)[mask].std())
    else:
        truth = _template(t1) if name == "t1" else brain((64, 112, 96), seed=11)
        truth = (truth / truth.max()).astype(np.float32)
        sigma = int(level) / 100
        noisy = magnitude(truth, sigma, rng)
        mask, peak = truth > 0.1, 1.0
    for part, array in {"truth": truth, "noisy": noisy, "mask": mask}.items():
        np.save(folder / f"{part}.npy", array)
    return {"sigma": sigma, "peak": peak, "magnitude": name != "belly"}


def _template(path: Path | None) -> Any:
    if path is None:
        raise SystemExit("t1 cases need --t1 FILE")
    from core.files import open_image
    from core.registry import load

    whole = np.asarray(open_image(load(), path).pixels[...], np.float32)
    starts = [(n - size) // 2 for n, size in zip(whole.shape, CROP, strict=True)]
    return whole[tuple(slice(a, a + n) for a, n in zip(starts, CROP, strict=True))]


def ours(name: str, noisy: Any, known: dict[str, Any]) -> Any:
    """A method of Sordino through the whole render path, one thread."""
    from core.cache import Cache
    from core.desk import Desk
    from core.image import Image
    from core.noise.estimate import measure
    from core.noise.model import PoissonGaussian, Rician
    from core.recipe import Recipe, Step
    from core.render import Renderer, assemble
    from core.tiles import Region

    method = Desk().registry.methods[name]()
    sigma = known["sigma"]
    noise: Any = Rician(sigma) if known["magnitude"] else PoissonGaussian((0.0,), (sigma,))
    image = Image(noisy, "zyx", "scan")
    if not known["magnitude"]:  # CT: the map of sigmas and the correlation are measured
        image = replace(image, meta={"scale": (1.0, 0.0, "HU")})
        noise = measure(image).model
    renderer = Renderer(image, noise, Recipe((Step(method),)), Desk(cache=Cache(0), threads=1))
    return assemble(renderer, Region.whole(*noisy.shape[-2:]))


def peer(name: str, noisy: Any, known: dict[str, Any]) -> Any:
    """Another program at the strength that suits it best on average (see the design notes)."""
    sigma, rician = known["sigma"], known["magnitude"]
    lift = np.float32(0 if rician else 2000)  # dipy takes negative numbers for none
    if name == "bm4d":
        import bm4d

        return bm4d.bm4d(noisy, 1.2 * sigma)
    if name.startswith("dipy"):
        from dipy.denoise.adaptive_soft_matching import adaptive_soft_matching
        from dipy.denoise.nlmeans import nlmeans

        options = {"block_radius": 2, "rician": rician, "num_threads": 1}
        lifted = noisy + lift
        small = nlmeans(lifted, sigma, patch_radius=1, **options)
        if name == "dipy_nlmeans":
            return small - lift
        large = nlmeans(lifted, sigma, patch_radius=2, **options)
        return adaptive_soft_matching(lifted.astype(np.float64), small, large, sigma) - lift
    if name == "sitk_curvature":
        import SimpleITK as sitk

        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        run = sitk.CurvatureAnisotropicDiffusion
        found = run(sitk.GetImageFromArray(noisy), 0.0625, 3.0 if sigma > 0.05 else 1.0, 1, 5)
        return sitk.GetArrayFromImage(found)
    if name == "medpy_aniso":
        from medpy.filter.smoothing import anisotropic_diffusion

        unit = noisy / sigma
        return anisotropic_diffusion(unit, niter=5, kappa=5 if sigma < 0.12 else 10) * sigma
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(noisy, weight=(0.4 + 4 * min(sigma, 0.15)) * sigma)


def one(name: str, folder: Path, known: dict[str, Any]) -> dict[str, float]:
    """Runs in a process of its own: writes found.npy; CPU s/Mvoxel, peak MiB."""
    import resource
    import time

    noisy = np.load(folder / "noisy.npy")
    run = ours if name in OURS else peer
    if name != "bm4d":
        run(name, noisy[:8, :40, :40].copy(), known)  # loads and compiles
    begin = time.process_time()
    found = run(name, noisy, known)
    cpu = (time.process_time() - begin) / noisy.size * 1e6
    np.save(folder / "found.npy", np.asarray(found, np.float32))
    return {"cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def scores(folder: Path, peak: float, what: str = "found") -> tuple[float, float]:
    """PSNR in dB and mean SSIM inside the mask."""
    truth, found, mask = (np.load(folder / f"{part}.npy") for part in ("truth", what, "mask"))
    error = np.square(truth.astype(np.float64) - found)[mask].mean()
    a, b = (np.clip(v.astype(np.float64) / peak, -10, 10) for v in (truth, found))
    mean_a, mean_b = _box(a), _box(b)
    var_a, var_b = _box(a * a) - mean_a**2, _box(b * b) - mean_b**2
    both = _box(a * b) - mean_a * mean_b
    ssim = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    ssim /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    return float(10 * np.log10(peak**2 / error)), float(ssim[mask].mean())


def _box(values: Any, size: int = 7) -> Any:
    """Mean over size^3 voxels, continued by reflection."""
    for axis in range(3):
        pads = [(size // 2 + (axis == i), size // 2) if axis == i else (0, 0) for i in range(3)]
        sums = np.cumsum(np.pad(values, pads, mode="symmetric"), axis)
        low, high = (np.take(sums, np.arange(values.shape[axis]) + k, axis) for k in (0, size))
        values = (high - low) / size
    return values


def front(rows: dict[str, tuple[float, float]]) -> set[str]:
    """Who is ahead of all that need no more CPU: name -> (dB, CPU)."""
    return {
        n
        for n, (quality, cpu) in rows.items()
        if not any(q >= quality and c < cpu for m, (q, c) in rows.items() if m != n)
    }


def draw(path: Path, cases: dict[str, dict[str, tuple[float, float]]]) -> None:
    """Quality over CPU time of every case, an SVG: those on the front are filled."""
    parts: list[str] = []
    for column, (case, rows) in enumerate(cases.items()):
        best, x0 = front(rows), 330 * column + 45
        decibels = [q for q, _ in rows.values()]
        low, span = min(decibels) - 0.5, max(decibels) - min(decibels) + 1
        parts.append(f'<text x="{x0}" y="18">{case}: dB over CPU s/Mvoxel</text>')
        parts.append(f'<path d="M{x0} 25V265H{x0 + 270}" fill="none" stroke="#888"/>')
        for name, (quality, cpu) in rows.items():
            x = x0 + 67 * (np.log10(max(cpu, 0.01)) + 2)
            y, ink = 265 - 240 * (quality - low) / span, "#c33" if name in OURS else "#357"
            fill = ink if name in best else "none"
            parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" stroke="{ink}" fill="{fill}"/>')
            parts.append(f'<text x="{x + 6:.0f}" y="{y + 4:.0f}">{name} {quality:.1f}</text>')
        for power in range(-2, 3):
            parts.append(f'<text x="{x0 + 67 * (power + 2)}" y="280">{10.0**power:g}</text>')
    size = f'width="{330 * len(cases) + 60}" height="290" font-family="sans-serif" font-size="11"'
    body = '<rect width="100%" height="100%" fill="white"/>' + "".join(parts)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--t1", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--methods", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], Path(args.one[1]), json.loads(args.one[2]))))
        return
    cases: dict[str, dict[str, tuple[float, float]]] = {}
    for case in args.cases:
        with tempfile.TemporaryDirectory() as name:
            cases[case] = table(case, Path(name), args)
    if args.picture:
        draw(args.picture, cases)


def table(case: str, folder: Path, args: Any) -> dict[str, tuple[float, float]]:
    """Print the table of a case; name -> (dB, CPU) of all that ended."""
    known = make(case, args.t1, folder)
    psnr, ssim = scores(folder, known["peak"], "noisy")
    print(f"\n| {case} | PSNR, dB | SSIM | CPU s/Mvoxel | peak MiB |\n|---|---|---|---|---|")
    print(f"| noisy | {psnr:.2f} | {ssim:.3f} | | |", flush=True)
    rows: dict[str, tuple[float, float]] = {}
    for method in args.methods:
        python = sys.executable if method in OURS else args.peer_python
        command = [python, __file__, "--one", method, str(folder), json.dumps(known)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD}
        )
        if done.returncode:
            print(f"| {method} | failed: {done.stderr.strip().splitlines()[-1]} |")
            continue
        cost = json.loads(done.stdout.splitlines()[-1])
        psnr, ssim = scores(folder, known["peak"])
        rows[method] = psnr, cost["cpu"]
        print(
            f"| {method} | {psnr:.2f} | {ssim:.3f} | {cost['cpu']:.2f} | {cost['peak']:.0f} |",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
