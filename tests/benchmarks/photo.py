"""Photographs with white noise of known strength: Sordino and other programs. By hand:

    python tests/benchmarks/photo.py FOLDER [--sigmas 15 25 50] [--methods dct bm3d ...]
        [--color] [--every N] [--precision float32] [--peer-python PYTHON]
        [--rows FILE.json] [--picture FILE.svg]

Every method runs in a process of its own, on the same noisy arrays (fixed seeds, not clipped, not
quantised), with the true sigma; `--color`: as RGB, where only Sordino's take part. CPU: user +
system seconds of the calls per megapixel, without start-up. `--peer-python` names an interpreter
that has the peers (bm3d, opencv-python-headless, scikit-image): bm3d's licence is non-commercial,
so it is no part of Sordino's environment. `--rows` keeps what was measured: methods that are in the
file already are not run again. `--picture` draws mean PSNR against CPU. Ratios of one run on one
machine are what counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pareto

OURS = ("fast", "dct", "nlm", "blockmatch", "unet")
PEERS = ("cv2_nlmeans", "sk_nlm", "sk_wavelet_cyc", "sk_tv", "bm3d")


def ours(name: str, precision: str = "") -> Callable[[Any, float], Any]:
    """A method of Sordino through the whole render path, one thread."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from core.cache import Cache
    from core.desk import Desk
    from core.image import Image
    from core.noise.model import PoissonGaussian
    from core.recipe import Recipe, Step
    from core.render import Renderer, assemble
    from core.tiles import Region

    desk = Desk(cache=Cache(0), threads=1)
    desk.roster.pin_precision(precision)
    method = desk.registry.methods[name]()

    def run(noisy: Any, sigma: float) -> Any:
        image = Image(noisy, "cyx" if noisy.ndim == 3 else "yx")
        noise = PoissonGaussian((0.0,), (sigma,))
        renderer = Renderer(image, noise, Recipe((Step(method),)), desk)
        found = assemble(renderer, Region.whole(*noisy.shape[-2:]))
        run.precision = renderer.runners[-1].precision  # type: ignore[attr-defined]
        return found

    return run


def peer(name: str) -> Callable[[Any, float], Any]:
    """Another program, with the strength that suits it best on average (see the design notes)."""
    if name == "bm3d":
        import bm3d

        return lambda noisy, sigma: bm3d.bm3d(noisy / 255, sigma / 255) * 255
    if name == "cv2_nlmeans":
        import cv2

        def run(noisy: Any, sigma: float) -> Any:
            bytes_ = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
            return cv2.fastNlMeansDenoising(bytes_, None, float(0.9 * sigma)).astype(np.float32)

        return run
    from skimage import restoration as sk

    if name == "sk_nlm":
        return lambda noisy, sigma: sk.denoise_nl_means(
            noisy, patch_size=5, patch_distance=6, h=0.65 * sigma, sigma=sigma, fast_mode=True
        )
    if name == "sk_tv":
        return lambda noisy, sigma: (
            sk.denoise_tv_chambolle(noisy / 255, weight=0.85 * sigma / 255) * 255
        )

    def cycle(noisy: Any, sigma: float) -> Any:
        options = {"sigma": sigma, "method": "BayesShrink", "rescale_sigma": True}
        return sk.denoise_wavelet(noisy, **options)

    from skimage.restoration import cycle_spin

    return lambda noisy, sigma: cycle_spin(
        noisy, func=cycle, max_shifts=3, func_kw={"sigma": sigma}, num_workers=1
    )


def one(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """PSNR by sigma, CPU seconds per megapixel, peak MiB: runs in a process of its own."""
    from PIL import Image as Pil

    files, mode = sorted(args.folder.iterdir())[:: args.every], "RGB" if args.color else "L"
    pictures = [np.asarray(Pil.open(path).convert(mode), np.float32) for path in files]
    if args.color:
        pictures = [np.ascontiguousarray(each.transpose(2, 0, 1)) for each in pictures]
    run = ours(name, args.precision) if name in OURS else peer(name)
    run(pictures[0][..., :64, :64].copy(), 25.0)  # loads, compiles, finds the precision
    found: dict[str, Any] = {"psnr": {}, "cpu": 0.0}
    done = 0
    for sigma in args.sigmas:
        decibels: list[float] = []
        for seed, clean in enumerate(pictures):
            rng = np.random.default_rng(seed)
            noisy = clean + np.float32(sigma) * rng.standard_normal(clean.shape).astype(np.float32)
            begin = time.process_time()
            result = np.asarray(run(noisy, sigma), np.float64)
            found["cpu"] += time.process_time() - begin
            done += clean.shape[-1] * clean.shape[-2]
            decibels.append(10 * np.log10(255**2 / np.mean((result - clean) ** 2)))
        found["psnr"][f"{sigma:g}"] = float(np.mean(decibels))
    found["cpu"] /= done / 1e6
    found["precision"] = getattr(run, "precision", "")
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def drawn(rows: dict[str, Any], path: Path) -> None:
    """Mean PSNR against CPU seconds per megapixel, as SVG."""
    points = [
        (row["cpu"], float(np.mean(list(row["psnr"].values()))), name) for name, row in rows.items()
    ]
    ends = np.floor(min(p[1] for p in points)), np.ceil(max(p[1] for p in points))
    words = "CPU seconds a megapixel", "PSNR, dB, mean of all sigmas"
    pareto.draw(points, OURS, path, words, ends)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sigmas", type=float, nargs="+", default=[15, 25, 50])
    parser.add_argument("--methods", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--color", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture")
    parser.add_argument("--precision", default="", help="float32 or bfloat16: not the faster one")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one, args)))
        return
    names = " | ".join(f"PSNR {sigma:g}, dB" for sigma in args.sigmas)
    print(f"| method | {names} | CPU s/MP | peak MiB |\n" + "|---" * (len(args.sigmas) + 3) + "|")
    kept: dict[str, Any] = {}
    if args.rows and args.rows.exists():
        kept = json.loads(args.rows.read_text("utf-8"))
    for name in args.methods:
        if args.color and name not in OURS:
            continue
        row = kept.get(name) or measured(name, args)
        if isinstance(row, str):
            print(f"| {name} | failed: {row} |")
            continue
        kept[name] = row
        psnr = " | ".join(f"{value:.2f}" for value in row["psnr"].values())
        note = f" ({row['precision']})" * (row.get("precision", "") not in ("", "float32"))
        print(f"| {name}{note} | {psnr} | {row['cpu']:.2f} | {row['peak']:.0f} |", flush=True)
    if args.rows:
        args.rows.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if args.picture:
        drawn(kept, args.picture)


def measured(name: str, args: argparse.Namespace) -> dict[str, Any] | str:
    """A row, measured in a process of its own; or what went wrong."""
    python = sys.executable if name in OURS else args.peer_python
    command = [python, __file__, str(args.folder), "--one", name]
    command += ["--sigmas", *map(str, args.sigmas), "--every", str(args.every)]
    command += ["--precision", args.precision] + ["--color"] * args.color
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
