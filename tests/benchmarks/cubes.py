"""Hyperspectral cubes with known noise: Sordino and other programs. By hand:

    python tests/benchmarks/cubes.py [--methods ...] [--peer-python PYTHON] [--real FILE.mat]
        [--peers FILE.json] [--picture FILE.svg]

The cube of resources/samples/spectral.py, 256x256 pixels and 100 bands, and with `--real` another
one (MATLAB, its largest array, counts over their maximum), whose own noise is part of what counts
as truth. Three noises each, fixed seeds, neither clipped nor quantised. Every method runs in a
process of its own on the same arrays, on one thread. Sordino measures the noise blind and goes
through its whole render path, which counts. CPU: user + system seconds of the call, without
start-up. `--peer-python` names an interpreter with hyde-images, pytorch_wavelets and bm3d (a
non-commercial licence: no part of Sordino's environment). `--peers` keeps the peers' rows in a
dated file: they run once, with `--peer-python`, and are read from it without.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pareto

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from resources.samples import spectral

OURS = ("subspace", "subspace:images=best", "otvca", "wsrrr", "hyres")
HYDE = ("FastHyDe", "FastHyDe_noniid", "HyRes", "HyMiNoR", "WSRRR", "OTVCA", "FORPDN_SURE",
        "L1HyMixDe")  # fmt: skip
KINDS = ("iid", "noniid", "mixed")
RANK = 10  # of the peers that must be told
PATIENCE = 400  # wall seconds
Row = dict[str, Any]


def ours(name: str) -> Callable[[Any], Any]:
    """A method of Sordino through the whole render path, the noise measured, one thread."""
    from core.cache import Cache
    from core.desk import Desk
    from core.image import Image
    from core.noise.estimate import measure
    from core.recipe import Recipe, Step
    from core.render import Renderer, assemble
    from core.tiles import Region

    method, _, settings = name.partition(":")
    given = dict(pair.split("=") for pair in settings.split(",") if pair)
    step = Step(Desk().registry.methods[method].make(given))

    def run(noisy: Any) -> Any:
        image, desk = Image(noisy, "byx", "cube"), Desk(cache=Cache(0), threads=1)
        renderer = Renderer(image, measure(image).model, Recipe((step,)), desk)
        return assemble(renderer, Region.whole(*noisy.shape[-2:]))

    return run


def hyde(name: str) -> Callable[[Any], Any]:
    """hyde-images: rows x columns x bands, its defaults."""
    import hyde
    import torch

    torch.set_num_threads(1)
    calls: dict[str, Callable[[Any], Any]] = {
        "FastHyDe": lambda x: hyde.FastHyDe()(x, "additive", True, RANK),
        "FastHyDe_noniid": lambda x: hyde.FastHyDe()(x, "additive", False, RANK),
        "HyRes": lambda x: hyde.HyRes()(x),
        "HyMiNoR": lambda x: hyde.HyMiNoR()(x),
        "WSRRR": lambda x: hyde.WSRRR()(x, RANK),
        "OTVCA": lambda x: hyde.OTVCA()(x, RANK),
        "FORPDN_SURE": lambda x: hyde.FORPDN_SURE()(x),
        "L1HyMixDe": lambda x: hyde.L1HyMixDe()(x, RANK),
    }

    def run(noisy: Any) -> Any:
        found = calls[name](torch.from_numpy(np.ascontiguousarray(np.moveaxis(noisy, 0, -1))))
        found = found[0] if isinstance(found, tuple | list) else found
        return np.moveaxis(found.numpy(), -1, 0)

    return run


def one(name: str, noisy: Path, target: Path) -> Row:
    """CPU seconds and peak MiB; the result goes to `target`: runs in a process of its own."""
    cube = np.load(noisy)
    run = hyde(name) if name in HYDE else ours(name)
    try:
        run(np.ascontiguousarray(cube[:, :48, :48]))  # loads and compiles
    except Exception as error:
        print(f"warming: {error}", file=sys.stderr)
    begin = time.process_time()
    found = run(cube)
    cpu = time.process_time() - begin
    np.save(target, np.asarray(found, np.float32))
    return {"cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def scored(found: Any, truth: Any) -> Row:
    """MPSNR (peak 1), MSSIM (Gaussian window of sigma 1.5), mean spectral angle in degrees."""
    import cv2

    a, b = found.astype(np.float64), truth.astype(np.float64)
    psnr = np.mean(-10 * np.log10(np.mean((a - b) ** 2, (1, 2))))
    length = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    angle = np.degrees(np.arccos(np.clip((a * b).sum(0) / length, -1, 1))).mean()
    similar: list[float] = []
    for x, y in zip(a, b, strict=True):
        mx, my, xx, yy, xy = (
            cv2.GaussianBlur(v, (11, 11), 1.5) for v in (x, y, x * x, y * y, x * y)
        )
        c1, c2 = 1e-4, 9e-4
        up = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
        similar.append(float((up / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean()))
    return {"psnr": float(psnr), "ssim": float(np.mean(similar)), "sam": float(angle)}


def real(path: Path) -> Any:
    """The largest array of a MATLAB file as (bands, rows, columns), maximum 1."""
    from core.files import open_image
    from core.registry import load

    image = open_image(load(), path)
    cube = np.asarray(image.pixels[...], np.float32)
    cube = np.moveaxis(cube, [image.axes.index(letter) for letter in "byx"], [0, 1, 2])
    return np.ascontiguousarray(cube / cube.max())


def rows(name: str, python: str, truth: Any, folder: Path) -> Row:
    """Figures of one method on the three noises."""
    found: Row = {"noise": {}}
    for kind in KINDS:
        noisy, target = folder / f"{kind}.npy", folder / "found.npy"
        if name == "noisy":
            found["noise"][kind] = scored(np.load(noisy), truth)
            continue
        command = [python, "-W", "ignore", __file__, "--one", name, str(noisy), str(target)]
        single = {key: "1" for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE,
                env={**os.environ, **single},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            found["note"] = f"stopped after {PATIENCE} s"
            break
        if done.returncode:
            found["note"] = f"failed: {done.stderr.strip().splitlines()[-1][:60]}"
            break
        cost = json.loads(done.stdout.splitlines()[-1])
        found["noise"][kind] = scored(np.load(target), truth) | cost
    return found


def line(name: str, row: Row) -> str:
    """A row of the table."""
    cells = [
        f"{one['psnr']:.2f} {one['ssim']:.3f} {one['sam']:.2f}" if (one := row["noise"].get(k))
        else "" for k in KINDS
    ]  # fmt: skip
    costs = [one for one in row["noise"].values() if "cpu" in one]
    cpu = f"{np.mean([one['cpu'] for one in costs]):.2f}" if costs else ""
    peak = f"{max(one['peak'] for one in costs):.0f}" if costs else ""
    return f"| {name} | " + " | ".join([*cells, cpu, peak, row.get("note", "")]) + " |"


def drawn(table: dict[str, Row], path: Path) -> None:
    """Mean MPSNR of the three noises against CPU seconds, as SVG."""
    points = [
        (float(np.mean([n["cpu"] for n in row["noise"].values()])),
         float(np.mean([n["psnr"] for n in row["noise"].values()])), name)
        for name, row in table.items()
        if len(row["noise"]) == len(KINDS) and name != "noisy"
    ]  # fmt: skip
    ends = min(p[1] for p in points) - 2, max(p[1] for p in points) + 2
    words = "CPU seconds a cube", "MPSNR, dB, mean of the three noises"
    pareto.draw(points, OURS, path, words, ends, step=5)


def table(title: str, truth: Any, args: argparse.Namespace, kept: dict[str, Any]) -> dict[str, Row]:
    """Measure and print one table."""
    found: dict[str, Row] = {}
    head = "| method | i.i.d. | non-i.i.d. | mixed | CPU s | peak MiB | |\n" + "|---" * 7 + "|"
    print(f"\n{title}\n\n{head}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in KINDS:
            np.save(folder / f"{kind}.npy", spectral.noisy(truth, kind, 1)[0])
        known: dict[str, Row] = kept.setdefault(title, {})
        peers = [m for m in args.methods if m in HYDE]
        for method in ["noisy", *(m for m in args.methods if m not in peers), *peers]:
            if method in peers and not args.peer_python:
                if method not in known:
                    continue
                found[method] = known[method]
            else:
                python = args.peer_python if method in peers else sys.executable
                found[method] = rows(method, python, truth, folder)
                if method in peers:
                    known[method] = found[method]
            print(line(method, found[method]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=[*OURS, *HYDE])
    parser.add_argument("--peer-python")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], Path(args.one[1]), Path(args.one[2]))))
        return
    kept: dict[str, Any] = {}
    if args.peers and args.peers.exists():
        kept = json.loads(args.peers.read_text())
    truth = spectral.truth(256, 256, 100)
    found = table("Six materials, 256x256, 100 bands", truth / truth.max(), args, kept)
    if args.picture:
        drawn(found, args.picture)
    if args.real:
        table(f"{args.real.stem}, its own noise in the truth", real(args.real), args, kept)
    if args.peers and args.peer_python:
        kept["date"] = datetime.date.today().isoformat()
        args.peers.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
