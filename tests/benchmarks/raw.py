"""How well and how fast are RAW files denoised? Sordino and other programs, one table. By hand:

    python tests/benchmarks/raw.py [--photos FOLDER] [--count 6] [--out FOLDER] [--peers NAME...]

Photographs of at least 8 megapixels are reduced 2x, linearised, mirrored up to a camera's 12
megapixels, made into Bayer mosaics and given a camera's noise, each of another ISO. Every program
develops the noisy file with its noise reduction and without ("off"), and the clean file without.
Gain: PSNR with noise reduction minus PSNR off, both against the program's own clean picture, so
that no program is judged by another's colours. CPU: user + system seconds of all its processes,
beyond off; how each program is called: peers.py. Needs Linux or macOS; programs that are not
installed are skipped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image as Pil

sys.path[:0] = [str(Path(__file__).resolve().parents[at]) for at in (2, 0)]

from peers import (
    ROOT,
    Develop,
    versions,
    with_darktable,
    with_dcraw,
    with_rawpy,
    with_rawtherapee,
    with_sordino,
)

from core.format import Output
from core.image import Cfa, Color, Image, Levels
from core.noise.simulate import mosaic, sensor
from core.registry import load
from plugins.formats.raw import Raw

ISOS = (3200, 6400, 10000, 12800, 25600, 51200)
GAIN, READ = 0.19, 2.0  # stored units per electron at ISO 100, read noise in electrons
BLACK, WHITE = 600.0, 15520.0
FULL = 12e6  # pixels at least: what a camera's file has, so that costs are like a camera's
SMALL = 384  # edge of the file on which the cost of starting is measured
BORDER = 8  # pixels that the comparison leaves out
# A sensor's usual crosstalk: without it colour noise would be too easy.
MATRIX = ((1.75, -0.60, -0.15), (-0.20, 1.50, -0.30), (0.0, -0.45, 1.45))
COLOR = Color(wb=(2.0, 1.0, 1.5), daylight=(2.0, 1.0, 1.5), matrix=MATRIX)


@dataclass(frozen=True)
class Row:
    """One program on one photograph."""

    program: str
    photo: str
    iso: int
    megapixels: float
    off: float
    psnr: float
    cpu: float
    start: float
    peak: float


def programs(peers: list[str]) -> dict[str, tuple[Develop, dict[str, Develop]]]:
    """Per developer: itself without noise reduction, and with, by the name of the table's row."""
    ours = {f"Sordino {name}": with_sordino(name) for name in load().methods}
    fbdd = {"rawpy FBDD light": with_rawpy(1), "rawpy FBDD full": with_rawpy(2)}
    table = {
        "rawpy": (with_rawpy(), ours | (fbdd if "rawpy" in peers else {})),
        "dcraw_emu": (
            with_dcraw(),
            {f"dcraw_emu -n {n}": with_dcraw(n) for n in (200, 500, 1000, 2000)},
        ),
        "darktable-cli": (
            with_darktable(False),
            {"darktable denoise (profiled)": with_darktable(True)},
        ),
        "rawtherapee-cli": (
            with_rawtherapee(),
            {f"RawTherapee NR {luma}, 50": with_rawtherapee(luma) for luma in (40, 80)},
        ),
    }
    for name in list(table)[1:]:
        if name in peers and not shutil.which(name):
            print(f"{name} is not installed: skipped", file=sys.stderr)
        if name not in peers or not shutil.which(name):
            del table[name]
    return table


def photographs(folder: Path, count: int) -> list[Path]:
    """`count` photographs of at least 8 megapixels, evenly spaced in the sorted list."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif"):
            with Pil.open(path) as picture:
                if math.prod(picture.size) >= 8e6 and picture.mode == "RGB":
                    found.append(path)
    return [found[i * len(found) // count] for i in range(min(count, len(found)))]


def shot(path: Path) -> np.ndarray[Any, Any]:
    """A photograph as camera RGB, 0..1, (3, H, W): linear, white balance and matrix undone."""
    with Pil.open(path) as picture:
        size = (picture.width // 4 * 2, picture.height // 4 * 2)
        srgb = np.asarray(picture.resize(size, Pil.Resampling.LANCZOS), np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    camera = linear @ np.linalg.inv(np.asarray(MATRIX)).T / np.asarray(COLOR.wb)
    return np.moveaxis(camera, -1, 0)


def mirrored(camera: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The photograph continued by its own reflections, in whichever direction is shorter, until
    it has FULL pixels. Even sizes stay even.
    """
    while camera[0].size < FULL:
        axis = 1 if camera.shape[1] <= camera.shape[2] else 2
        want = math.ceil(FULL / camera[0].size * camera.shape[axis])
        more = min(camera.shape[axis], want + want % 2 - camera.shape[axis])
        camera = np.pad(camera, [(0, more if a == axis else 0) for a in range(3)], "symmetric")
    return camera


def write_pair(camera: np.ndarray[Any, Any], iso: int, folder: Path, seed: int) -> None:
    """clean.dng and noisy.dng: 14 bits, sensor noise of an ISO."""
    cfa, gain = Cfa(((0, 1), (1, 2))), GAIN * iso / 100
    signal = mosaic(camera, cfa) * (WHITE - BLACK)
    rng = np.random.default_rng(seed)
    noisy = sensor(signal, gain, READ * gain, rng, quantise=1, black=BLACK, white=WHITE)
    exif = {"make": "NIKON CORPORATION", "model": "NIKON D750", "iso": iso}
    for name, pixels in (("clean", np.rint(signal + BLACK)), ("noisy", noisy)):
        values = pixels.astype(np.uint16)
        levels = Levels(((BLACK,),), WHITE)
        image = Image(values, "yx", "mosaic", levels, cfa, COLOR, meta={"exif": exif})
        Raw().write(folder / f"{name}.dng", image, image, Output(overwrite=True))


def read(path: Path) -> np.ndarray[Any, Any]:
    """A developed picture, 0..1, without its border."""
    pixels = tifffile.imread(path)
    inner = pixels[BORDER:-BORDER, BORDER:-BORDER, :3].astype(np.float32)
    return inner / np.float32(np.iinfo(pixels.dtype).max)


def psnr(picture: np.ndarray[Any, Any], clean: np.ndarray[Any, Any]) -> float:
    """Peak signal-to-noise ratio in dB."""
    return -10 * math.log10(float(np.mean((picture - clean) ** 2, dtype=np.float64)))


def compare(
    table: dict[str, tuple[Develop, dict[str, Develop]]], photo: Path, iso: int, work: Path
) -> list[Row]:
    """All programs on one photograph."""
    camera = shot(photo)
    small, full = work / "small", work / "full"
    corner, camera = camera[:, :SMALL, :SMALL], mirrored(camera)
    for folder, pixels in ((small, corner), (full, camera)):
        folder.mkdir(exist_ok=True)
        write_pair(pixels, iso, folder, iso)
    size = camera[0].size / 1e6
    rows: list[Row] = []
    for off, variants in table.values():
        off(full / "clean.dng", full / "clean.tif", work)
        base = off(full / "noisy.dng", full / "off.tif", work)
        tiny = _least(off, small, work)
        clean = read(full / "clean.tif")
        before = psnr(read(full / "off.tif"), clean)
        for name, develop in variants.items():
            target = full / f"{name.replace(' ', '_')}.tif"
            try:
                start = _least(develop, small, work) - tiny
                cost = develop(full / "noisy.dng", target, work)
            except RuntimeError as error:
                print(f"{name} failed: {error}", file=sys.stderr)
                continue
            after = psnr(read(target), clean)
            extra = cost.cpu - base.cpu
            row = Row(name, photo.name, iso, size, before, after, extra, start, cost.peak)
            print(f"{photo.stem[:20]:20} ISO {iso:5} {name:30} {after - before:6.2f} dB"
                  f" {extra / size:6.2f} s/MP  start {start:5.2f} s", flush=True)  # fmt: skip
            rows.append(row)
    return rows


def _least(develop: Develop, folder: Path, work: Path) -> float:
    """CPU seconds on the small file; of two runs, so that caches are full as in daily use."""
    source, target = folder / "noisy.dng", folder / "small.tif"
    return min(develop(source, target, work).cpu for _ in range(2))


def markdown(rows: list[Row]) -> str:
    """Means per program, best gain first; ratios to RawTherapee; then the gain by photograph."""
    names = list(dict.fromkeys(row.program for row in rows))
    mean = {name: _means([row for row in rows if row.program == name]) for name in names}
    names.sort(key=lambda name: -mean[name]["gain"])
    rival = next((name for name in names if name.startswith("RawTherapee")), None)
    text = "| program | off, dB | NR, dB | gain, dB | CPU s/MP | without start-up | start-up, s |"
    text += " peak MiB | gain / RT's | CPU / RT's |\n" + "|---" * 10 + "|\n"
    for name in names:
        m = mean[name]
        ratios = " | "
        if rival:
            r = mean[rival]
            ratios = f"{m['gain'] / r['gain']:.2f} | {m['cpu'] / r['cpu']:.2f}"
        text += (
            f"| {name} | {m['off']:.2f} | {m['psnr']:.2f} | **{m['gain']:.2f}** | {m['cpu']:.2f}"
            f" | {m['slope']:.2f} | {m['start']:.1f} | {m['peak']:.0f} | {ratios} |\n"
        )
    photos = list(dict.fromkeys((row.photo, row.iso, row.megapixels) for row in rows))
    heads = [f"{name[:14]} ISO {iso}, {size:.1f} MP" for name, iso, size in photos]
    text += f"\n| gain, dB | {' | '.join(heads)} |\n" + "|---" * (len(photos) + 1) + "|\n"
    for name in names:
        gains = {(r.photo, r.iso): r.psnr - r.off for r in rows if r.program == name}
        cells = [f"{gains.get((p, i), math.nan):.2f}" for p, i, _ in photos]
        text += f"| {name} | {' | '.join(cells)} |\n"
    return text


def _means(rows: list[Row]) -> dict[str, float]:
    size = sum(row.megapixels for row in rows)
    found = {key: float(np.mean([getattr(r, key) for r in rows])) for key in ("off", "psnr")}
    cpu, start = sum(row.cpu for row in rows), sum(row.start for row in rows)
    return found | {
        "gain": found["psnr"] - found["off"],
        "cpu": cpu / size,
        "slope": (cpu - start) / size,
        "start": start / len(rows),
        "peak": max(row.peak for row in rows),
    }


def machine() -> str:
    """Processor, number of cores, and how many programs wait for them."""
    cpu = "unknown processor"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), cpu)
    return f"{cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"


def main() -> None:
    known = ["rawpy", "dcraw_emu", "darktable-cli", "rawtherapee-cli"]
    options = argparse.ArgumentParser(description="Benchmark RAW denoising.")
    options.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "data" / "train")
    options.add_argument("--count", type=int, default=len(ISOS))
    options.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options.add_argument("--peers", nargs="*", default=known, choices=known)
    options.add_argument("--keep", type=Path, help="a folder for the developed pictures")
    args = options.parse_args()
    photos = photographs(args.photos, args.count)
    if not photos:
        options.error(f"no photograph of at least 8 megapixels in {args.photos}")
    table, rows, where = programs(args.peers), list[Row](), machine()
    begin = time.monotonic()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sordino-raw-") as scratch:
        for index, photo in enumerate(photos):
            work = (args.keep or Path(scratch)) / photo.stem
            work.mkdir(parents=True, exist_ok=True)
            rows += compare(table, photo, ISOS[index % len(ISOS)], work)
            (args.out / "raw.json").write_text(json.dumps([asdict(r) for r in rows], indent=1))
            head = f"{date.today()}, {where}. {versions(table)}.\n"
            command = "`python tests/benchmarks/raw.py`\n\n"
            (args.out / "raw.md").write_text(head + command + markdown(rows))
            if not args.keep:
                shutil.rmtree(work)
    print((args.out / "raw.md").read_text())
    print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
