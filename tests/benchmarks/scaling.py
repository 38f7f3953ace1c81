"""Time linear in pixels, memory flat: one method on images of 1 to 400 megapixels. By hand:

    .venv/bin/python tests/benchmarks/scaling.py [--method fast] [--sizes 1 4 16 64 100 400]
        [--memory 0.5] [--plot docs/benchmarks/scaling.svg]

Each size runs in a process of its own: a 16-bit array on the disk, read where it lies, denoised
with that many GB at most into a file. CPU seconds are those of the render alone, all threads; peak
is the process's own memory (RssAnon: pages of mapped files do not count). Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

WIDTH, HEIGHT = 640, 400  # of the plot


def one(megapixels: float, method: str, memory: float, folder: Path) -> dict[str, float]:
    """Simulate, denoise, measure: runs in a process of its own."""
    from core import files
    from core.cache import Cache
    from core.desk import Desk
    from core.image import Image
    from core.job import denoised
    from core.noise.model import PoissonGaussian
    from core.recipe import Recipe, Step

    files.IN_PLACE = 1
    path, rows = folder / "stored.npy", round((megapixels * 1e6 / 1.5) ** 0.5)
    stored = np.lib.format.open_memmap(path, "w+", np.uint16, (rows, rows * 3 // 2))
    rng = np.random.default_rng(0)
    for y in range(0, rows, 256):
        part = stored[y : y + 256]
        part[:] = rng.normal(2000, 50, part.shape)
    del stored, part
    limit = int(memory * 2**30)
    desk = Desk(cache=Cache(limit // 4), memory=limit)
    image = files.open_image(desk.registry, path)
    recipe = Recipe((Step(desk.registry.methods[method]()),))
    noise, peak, done = PoissonGaussian((0.0,), (50.0,)), [0], threading.Event()

    small = Image(np.zeros((64, 64), np.uint16))  # loads the kernels
    for _ in denoised(small, noise, recipe, desk, lambda: False):
        pass

    def watch() -> None:
        while not done.wait(0.02):
            rows = Path("/proc/self/status").read_text("ascii").splitlines()
            own = next(int(row.split()[1]) for row in rows if row.startswith("RssAnon"))
            peak[0] = max(peak[0], own)

    thread = threading.Thread(target=watch)
    thread.start()
    begin, wall = time.process_time(), time.perf_counter()
    for _ in denoised(image, noise, recipe, desk, lambda: False):
        pass
    spent, took = time.process_time() - begin, time.perf_counter() - wall
    done.set()
    thread.join()
    desk.close()
    return {"megapixels": image.megapixels, "cpu": spent, "wall": took, "peak": peak[0] / 1024}


def plot(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """CPU seconds and peak memory over megapixels, both axes logarithmic, as SVG."""
    x = np.log10([row["megapixels"] for row in rows])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{WIDTH / 2}" y="18" text-anchor="middle">{title}</text>'
    ]
    left, right, top, bottom = 60, WIDTH - 20, 30, HEIGHT - 40
    low, high = -1.0, 4.0  # decades shown: 0.1 to 10,000

    def at(u: float, v: float) -> tuple[float, float]:
        across = left + (u - x.min()) / max(np.ptp(x), 1e-9) * (right - left)
        return across, bottom - (v - low) / (high - low) * (bottom - top)

    for decade in range(int(low), int(high) + 1):
        y = at(x.min(), decade)[1]
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#ddd"/>')
        label = f"{10.0**decade:g}"
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for u, row in zip(x, rows, strict=True):
        across = at(u, low)[0]
        parts.append(f'<text x="{across:.1f}" y="{bottom + 18}" text-anchor="middle">'
                     f"{row['megapixels']:.0f}</text>")  # fmt: skip
    for key, color, words in (("cpu", "#1f6fb4", "CPU seconds"), ("peak", "#c04a2f", "peak MiB")):
        points = [at(u, float(np.log10(row[key]))) for u, row in zip(x, rows, strict=True)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{color}"/>' for a, b in points]
        a, b = points[1]
        parts.append(f'<text x="{a:.1f}" y="{b - 10:.1f}" fill="{color}">{words}</text>')
    parts.append(f'<text x="{(left + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
                 "megapixels</text></svg>")  # fmt: skip
    path.write_text("\n".join(parts) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="fast")
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 4, 16, 64, 100, 400])
    parser.add_argument("--memory", type=float, default=0.5, help="GB at most")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(one(args.one, args.method, args.memory, Path(folder))))
        return
    print("| MP | CPU s | CPU s/MP | wall s | peak MiB |\n" + "|---" * 5 + "|")
    rows: list[dict[str, float]] = []
    for size in args.sizes:
        command = [sys.executable, __file__, "--one", str(size), "--method", args.method]
        command += ["--memory", str(args.memory)]
        row = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        rows.append(row)
        print(f"| {row['megapixels']:.0f} | {row['cpu']:.2f} | {row['cpu'] / row['megapixels']:.3f}"
              f" | {row['wall']:.1f} | {row['peak']:.0f} |", flush=True)  # fmt: skip
    if args.plot:
        title = f"{args.method}, at most {args.memory:g} GB: time and memory over image size"
        plot(rows, args.plot, title)


if __name__ == "__main__":
    main()
