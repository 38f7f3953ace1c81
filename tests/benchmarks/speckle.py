"""Ultrasound: Sordino and other programs on synthetic echoes and real pictures. By hand:

    python tests/benchmarks/speckle.py [--peer-python PYTHON] [--real FOLDER] [--plot FILE.svg]
        [--seeds 2] [--only NAME ...]

Pictures: two phantoms of 320 x 320 pixels (`resources/samples/echoes.py`), an even one of discs and
strips and one with texture and fine fibres; log-compressed, 60 dB in 255 steps, neither clipped nor
rounded, Rayleigh speckle 3 pixels high and 6 wide. Clips: eight frames that move. RF: echoes before
detection with amplifier noise. Every method runs in a process of its own on the same arrays. Ours
measure the noise blind, within the time; others have the strength that was best for them on
phantoms of another seed. PSNR and edge preservation (EPI) of the compressed picture against the
truth; speckle SNR, CNR and gCNR of the envelope, as a scanner's lines would have it. Real: how much
speckle is left in the evenest tenth of the picture, and how alike its larger edges are. CPU: user +
system seconds of the calls per megapixel, one thread. Small pictures pay most for halos.

`--peer-python` names an interpreter with opencv-python-headless, scikit-image, SimpleITK, medpy,
findpeaks.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core import contrast
from resources.samples import echoes

Run = Callable[[Any], Any]

OURS = {
    "speckle": ("speckle", {}), "speckle, near": ("speckle", {"search": 10}),
    "Frost": ("local", {}), "Lee": ("local", {"filter": "Lee"}),
    "Kuan": ("local", {"filter": "Kuan"}),
    "enhanced Lee": ("local", {"filter": "Enhanced Lee"}), "dct": ("dct", {}), "nlm": ("nlm", {}),
    "clip": ("clip", {}), "clip, temporal": ("clip", {"within": False, "frames": 5}),
    "rf": ("rf", {}),
}  # fmt: skip
TASKS = {
    "picture": (
        "noisy", "speckle", "speckle, near", "Frost", "Lee", "Kuan", "enhanced Lee", "dct", "nlm",
        "gauss 4", "cv2 median 9", "cv2 nlmeans", "sk nlm 35", "sk nlm 50", "sk tv 80",
        "sk tv 130", "sk wavelet", "sk bilateral", "sitk curvature", "medpy anisotropic",
        "fp lee", "fp enhanced lee", "fp frost",
    ),
    "clip": ("noisy", "clip", "clip, temporal", "speckle", "cv2 nlmeans multi", "sk nlm 35",
             "sk tv 130", "sk nlm 3-D"),
    "rf": ("noisy", "rf", "dct", "sk wavelet rf", "sk tv rf"),
}  # fmt: skip
SIDE, FRAMES = 320, 8
AREAS = {  # two of each phantom: rows, columns
    "even": ((slice(130, 180), slice(130, 190)), (slice(66, 107), slice(66, 107))),
    "textured": ((slice(10, 60), slice(100, 220)), (slice(130, 165), slice(205, 240))),
}


def phantoms(seed: int) -> dict[str, tuple[Any, Any]]:
    """Noisy pictures and their truths."""
    flat = echoes.scan(echoes.even, SIDE, SIDE, 300 + seed)[0]
    real = echoes.scan(echoes.textured, SIDE, SIDE, 400 + seed, targets=echoes.TARGETS)[0]
    return {
        name: tuple(echoes.grey(v).astype(np.float32) for v in (one.decibels, one.expected))
        for name, one in (("even", flat), ("textured", real))
    }


def clips(seed: int) -> tuple[Any, Any]:
    """Eight frames (t, y, x); three tenths of the scatterers are new in each."""
    seen = echoes.scan(
        echoes.textured, 220, 240, 500 + seed, FRAMES, echoes.breathing, echoes.TARGETS,
        renewed=0.3,
    )  # fmt: skip
    values = [[getattr(one, what) for one in seen] for what in ("decibels", "expected")]
    return tuple(echoes.grey(np.stack(v)).astype(np.float32) for v in values)


def lines(seed: int) -> tuple[Any, Any]:
    """RF with noise 12 dB below tissue, and without."""
    found = [
        echoes.scan(echoes.textured, 240, 256, 600 + seed, probe=echoes.Probe(floor=floor))[0].rf()
        for floor in (-12.0, -200.0)
    ]
    return found[0], found[1]


def ours(name: str, task: str) -> Run:
    """A method of Sordino through the whole render path, noise measured blind, one thread."""
    from core.cache import Cache
    from core.desk import Desk
    from core.image import Image
    from core.noise.estimate import measure
    from core.recipe import Recipe, Step
    from core.render import Renderer, assemble
    from core.tiles import Region

    method, settings = OURS[name]
    step = Step(Desk().registry.methods[method](**settings))

    def run(noisy: Any) -> Any:
        image = Image(noisy, "tyx" if noisy.ndim == 3 else "yx", "rf" if task == "rf" else "clip")
        noise = measure(image).model
        renderer = Renderer(image, noise, Recipe((step,)), Desk(cache=Cache(0), threads=1))
        return assemble(renderer, Region.whole(*noisy.shape[-2:]))

    return run


def peer(name: str) -> Run:
    """Another program at the strength that suits it; frames one by one unless it says 3-D."""
    if name == "noisy":
        return lambda noisy: noisy
    if name.startswith("cv2") or name.startswith("gauss"):
        return _opencv(name)
    if name.startswith("sk"):
        return _skimage(name)
    if name.startswith("fp"):
        return _findpeaks(name)
    if name.startswith("medpy"):
        from medpy.filter.smoothing import anisotropic_diffusion

        return lambda noisy: anisotropic_diffusion(noisy, niter=150, kappa=40)
    import SimpleITK as sitk

    def curvature(noisy: Any) -> Any:
        found = sitk.CurvatureAnisotropicDiffusion(
            sitk.GetImageFromArray(noisy), 0.0625, 9.0, 1, 60
        )
        return sitk.GetArrayFromImage(found)

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return curvature


def _bytes(noisy: Any) -> Any:
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _opencv(name: str) -> Run:
    import cv2

    cv2.setNumThreads(1)
    if name == "cv2 nlmeans multi":

        def multi(noisy: Any) -> Any:
            frames, found = list(_bytes(noisy)), []
            for at in range(len(frames)):
                width = 2 * min(at, len(frames) - 1 - at, 2) + 1
                found.append(cv2.fastNlMeansDenoisingMulti(frames, at, width, None, 30.0, 7, 23))
            return np.stack(found).astype(np.float32)

        return multi
    table: dict[str, Run] = {
        "gauss 4": lambda noisy: cv2.GaussianBlur(noisy, (0, 0), 4),
        "cv2 median 9": lambda noisy: cv2.medianBlur(_bytes(noisy), 9).astype(np.float32),
        "cv2 nlmeans": lambda noisy: cv2.fastNlMeansDenoising(
            _bytes(noisy), None, 30.0, 7, 23
        ).astype(np.float32),
    }
    return table[name]


def _skimage(name: str) -> Run:
    from skimage import restoration as sk

    if name == "sk nlm 3-D":
        return lambda noisy: sk.denoise_nl_means(
            noisy, patch_size=5, patch_distance=4, h=30.0, fast_mode=True
        )
    if name.startswith("sk nlm"):
        h = float(name.split()[-1])
        return _each(lambda noisy: sk.denoise_nl_means(
            noisy, patch_size=7, patch_distance=11, h=h, fast_mode=True))  # fmt: skip
    if name == "sk tv rf":
        return lambda noisy: sk.denoise_tv_chambolle(noisy, weight=0.15)
    if name.startswith("sk tv"):
        weight = float(name.split()[-1]) / 255
        return _each(lambda noisy: sk.denoise_tv_chambolle(noisy / 255, weight=weight) * 255)
    if name == "sk bilateral":
        return lambda noisy: sk.denoise_bilateral(
            noisy / 255, sigma_color=60 / 255, sigma_spatial=5
        ) * 255  # fmt: skip
    sigma = 3 * 23.7 if name == "sk wavelet" else None
    return lambda noisy: sk.denoise_wavelet(
        noisy, sigma=sigma, method="BayesShrink", rescale_sigma=True
    )


def _findpeaks(name: str) -> Run:
    if name == "fp frost":
        from findpeaks.filters.frost import frost_filter

        return lambda noisy: frost_filter(noisy, damping_factor=1.0, win_size=9)
    if name == "fp lee":
        from findpeaks.filters.lee import lee_filter

        return lambda noisy: lee_filter(noisy, win_size=9, cu=0.5)
    from findpeaks.filters.lee_enhanced import lee_enhanced_filter

    return lambda noisy: lee_enhanced_filter(noisy, win_size=9, k=1.0, cu=0.25, cmax=1.73)


def _each(run: Run) -> Run:
    return lambda noisy: np.stack([run(f) for f in noisy]) if noisy.ndim == 3 else run(noisy)


def figures(found: Any, truth: Any, areas: Any) -> dict[str, float]:
    """What a compressed picture is worth."""
    found = np.asarray(found, np.float64)
    first, other = (contrast.linear(found[area], echoes.RANGE / 255) for area in areas)
    return {
        "psnr": float(20 * np.log10(255 / np.sqrt(np.mean((found - truth) ** 2)))),
        "ssnr": contrast.speckle_snr(first),
        "cnr": contrast.cnr(first, other),
        "gcnr": contrast.gcnr(first, other),
        "epi": contrast.edge_preservation(truth, found),
    }


def real(found: Any, noisy: Any) -> dict[str, float]:
    """Speckle left in the evenest tenth of blocks, likeness of edges wider than speckle."""

    def blocks(image: Any) -> Any:
        rows, columns = (n // 12 for n in image.shape)
        cut = image[: rows * 12, : columns * 12].reshape(rows, 12, columns, 12)
        return cut.transpose(0, 2, 1, 3).reshape(-1, 144)

    def wide(image: Any) -> Any:
        spectrum = np.fft.rfft2(image)
        y, x = np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])
        return np.fft.irfft2(spectrum * np.exp(-2 * np.pi**2 * 9 * (y**2 + x**2)), image.shape)

    before = blocks(noisy)
    spread, level = before.std(1), before.mean(1)
    seen = (level > 30) & (level < 220)  # neither black nor white
    even = seen & (spread <= np.quantile(spread[seen], 0.1))
    left = blocks(np.asarray(found, np.float64))[even].std(1) / spread[even]
    return {"left": float(left.mean()),
            "edges": contrast.edge_preservation(wide(noisy), wide(found))}  # fmt: skip


def one(name: str, task: str, seeds: int, folder: Path | None) -> dict[str, float]:
    """Runs in a process of its own."""
    run = ours(name, task) if name in OURS else peer(name)
    rows: list[dict[str, float]] = []
    spent = size = 0.0

    def timed(noisy: Any) -> Any:
        nonlocal spent, size
        begin = time.process_time()
        found = run(noisy)
        spent += time.process_time() - begin
        size += noisy.size / 1e6
        return found

    small = {"picture": (96, 96), "clip": (3, 96, 96), "rf": (192, 96)}[task]
    run(np.random.default_rng(0).normal(100, 20, small).astype(np.float32))  # loads and compiles
    for seed in range(seeds):
        row: dict[str, float] = {}
        if task == "picture":
            for kind, (noisy, truth) in phantoms(seed).items():
                row |= {f"{kind} {k}": v for k, v in figures(
                    timed(noisy), truth, AREAS[kind]).items()}  # fmt: skip
        elif task == "clip":
            noisy, truth = clips(seed)
            areas = (slice(8, 40), slice(80, 160)), (slice(90, 112), slice(158, 178))
            each = [figures(*pair, areas) for pair in zip(timed(noisy), truth, strict=True)]
            row = {k: float(np.mean([one[k] for one in each])) for k in each[0]}
        else:
            noisy, truth = lines(seed)
            error = np.mean((np.asarray(timed(noisy), np.float64) - truth) ** 2)
            row = {"snr": float(10 * np.log10(np.mean(truth.astype(np.float64) ** 2) / error))}
        rows.append(row)
    found = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    found |= {
        "cpu": spent / size,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if folder and task == "picture":
        from PIL import Image as Pil

        pictures = [np.asarray(Pil.open(p).convert("L"), np.float32) for p in
                    sorted(folder.glob("*.png"))]  # fmt: skip
        each = [real(run(picture), picture) for picture in pictures]
        found |= {key: float(np.mean([row[key] for row in each])) for key in each[0]}
    return found


def plot(rows: dict[str, dict[str, float]], path: Path) -> None:
    """PSNR of the textured phantom over CPU seconds, as SVG; what is not beaten is filled."""
    width, height, left, right, top, bottom = 760, 460, 60, 730, 30, 410
    shown = {name: row for name, row in rows.items() if name != "noisy"}
    cpu = {name: np.log10(max(row["cpu"], 1e-3)) for name, row in shown.items()}
    low, high = min(cpu.values()) - 0.2, max(cpu.values()) + 0.7
    values = [row["textured psnr"] for row in shown.values()]
    least, most = np.floor(min(values)), np.ceil(max(values))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" '
             'fill="#fff"/><text x="380" y="18" text-anchor="middle">Textured phantom: PSNR in dB '
             "over CPU seconds per megapixel</text>"]  # fmt: skip
    for decade in range(int(np.ceil(low)), int(high) + 1):
        x = left + (decade - low) / (high - low) * (right - left)
        parts.append(f'<line x1="{x:.0f}" y1="{top}" x2="{x:.0f}" y2="{bottom}" stroke="#ddd"/>'
                     f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">'
                     f"{10.0**decade:g}</text>")  # fmt: skip
    for level in range(int(least), int(most) + 1):
        y = bottom - (level - least) / (most - least) * (bottom - top)
        parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{right}" y2="{y:.0f}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">'
                     f"{level}</text>")  # fmt: skip
    for name, row in shown.items():
        x = left + (cpu[name] - low) / (high - low) * (right - left)
        y = bottom - (row["textured psnr"] - least) / (most - least) * (bottom - top)
        beaten = any(o["cpu"] < row["cpu"] and o["textured psnr"] > row["textured psnr"]
                     for o in shown.values())  # fmt: skip
        color = "#1f6fb4" if name in OURS else "#c04a2f"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{color}" '
                     f'fill="{"#fff" if beaten else color}"/><text x="{x + 7:.1f}" '
                     f'y="{y + 4:.1f}" fill="{color}">{name}</text>')  # fmt: skip
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(*args.one, args.seeds, args.real)))
        return
    for task in args.tasks:
        rows: dict[str, dict[str, float]] = {}
        for name in args.only or TASKS[task]:
            python = sys.executable if name in OURS else args.peer_python
            command = [python, __file__, "--one", name, task, "--seeds", str(args.seeds)]
            command += ["--real", str(args.real)] if args.real else []
            threads = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "OPENBLAS", "MKL")}
            done = subprocess.run(
                command, capture_output=True, text=True, env={**os.environ, **threads}
            )
            if done.returncode:
                print(f"| {name} | failed: {(done.stderr.strip().splitlines() or ['?'])[-1]} |")
                continue
            rows[name] = row = json.loads(done.stdout.splitlines()[-1])
            if len(rows) == 1:
                print(f"\n| {task} | {' | '.join(row)} |\n" + "|---" * (len(row) + 1) + "|")
            cells = [f"{v:.3g}" if v < 1 else f"{v:.2f}" for v in row.values()]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
        if args.plot and task == "picture":
            plot(rows, args.plot)


if __name__ == "__main__":
    main()
