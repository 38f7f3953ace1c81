"""From a noisy mosaic to three colours: denoise and demosaic, or both at once. By hand:

    python tests/benchmarks/colours.py PHOTO... [--methods dct unet blockmatch] [--isos 800 ...]

Photographs as they are, linearised, white balance and matrix undone, are made into Bayer and
X-Trans mosaics with a camera's noise of an ISO; the noise model is given. Every method's mosaic is
demosaiced by Sordino, that of Bayer by LibRaw's AHD and DHT as well; the network for RAW gives its
colours itself. PSNR of the developed picture (matrix, sRGB curve) against the photograph, means
over the photographs; CPU: user + system seconds of the method per megapixel of the mosaic, one
thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rawpy

sys.path[:0] = [str(Path(__file__).resolve().parents[at]) for at in (2, 0)]

from raw import BLACK, COLOR, MATRIX, WHITE

from core.cache import Cache
from core.desk import Desk
from core.develop.demosaic import bayer_name, demosaic
from core.format import Output
from core.image import Cfa, Image, Levels
from core.job import denoised
from core.learn.mosaics import RGGB, XTRANS
from core.noise.model import PoissonGaussian
from core.noise.simulate import mosaic, sensor
from core.recipe import Recipe, Step
from plugins.formats.raw import Raw

GAIN, READ = 0.19, 2.0  # of tests/benchmarks/raw.py
RIM = 12
LIFT, SPAN = 4000, 40000  # of the 16 bits that Sordino's demosaicing works on
Floats = np.ndarray[Any, Any]


def shot(path: Path) -> Floats:
    """Camera RGB 0..1, (3, H, W), edges multiples of both patterns' periods."""
    srgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float64) / 255
    srgb = srgb[: srgb.shape[0] // 12 * 12, : srgb.shape[1] // 12 * 12]
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.moveaxis(linear @ np.linalg.inv(MATRIX).T / np.asarray(COLOR.wb), -1, 0)


def shown(balanced: Floats) -> Floats:
    """White-balanced camera RGB (H, W, 3) as sRGB, 0..1."""
    linear = np.clip(balanced @ np.asarray(MATRIX).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def ours(values: Floats, cfa: Cfa) -> Floats:
    """A mosaic, stored units, by Sordino's own demosaicing."""
    balanced = (values - BLACK) / (WHITE - BLACK) * np.asarray(COLOR.wb)[cfa.colors(*values.shape)]
    found = demosaic(np.clip(balanced * SPAN + LIFT, 0, 65535).astype(np.uint16), cfa, "still")
    return shown((found.astype(np.float64) - LIFT) / SPAN)


def theirs(image: Image, algorithm: Any, work: Path) -> Floats:
    """A mosaic by LibRaw: linear camera colours, white balance ours."""
    path = work / "one.dng"
    Raw().write(path, image, image, Output(overwrite=True))
    with rawpy.imread(str(path)) as raw:
        found = raw.postprocess(
            demosaic_algorithm=algorithm, output_color=rawpy.ColorSpace.raw, gamma=(1, 1),
            no_auto_bright=True, adjust_maximum_thr=0.0, output_bps=16, user_flip=0,
            user_wb=[COLOR.wb[0], COLOR.wb[1], COLOR.wb[2], COLOR.wb[1]],
        )  # fmt: skip
    return shown(found.astype(np.float64) / 65535)


def psnr(a: Floats, b: Floats) -> float:
    """dB, without the rim."""
    inner = slice(RIM, -RIM)
    return float(-10 * np.log10(np.mean((a - b)[inner, inner] ** 2)))


def rows(camera: Floats, cfa: Cfa, iso: int, names: list[str], work: Path) -> dict[str, Any]:
    """PSNR of every way, and CPU seconds per megapixel."""
    gain = GAIN * iso / 100
    signal = mosaic(camera, cfa) * (WHITE - BLACK)
    noise = PoissonGaussian((gain,) * 3, (READ * gain,) * 3)
    rng = np.random.default_rng(iso)
    noisy = sensor(signal, gain, READ * gain, rng, quantise=1, black=BLACK, white=WHITE)
    image = Image(noisy.astype(np.uint16), "yx", "mosaic", Levels(((BLACK,),), WHITE), cfa, COLOR)
    truth = shown(np.moveaxis(camera, 0, -1) * np.asarray(COLOR.wb))
    desk = Desk(cache=Cache(0), threads=1)
    desk.roster.pin_precision("float32")
    algorithms = {"AHD": rawpy.DemosaicAlgorithm.AHD, "DHT": rawpy.DemosaicAlgorithm.DHT}
    found: dict[str, Any] = {}
    for name in ["off", *names, "mosaic"]:
        recipe = Recipe((Step(desk.registry.methods[name]()),)) if name != "off" else Recipe()
        begin = time.process_time()
        *_, result = denoised(image, noise, recipe, desk, lambda: False)
        cpu = (time.process_time() - begin) / image.megapixels
        values = np.rint(np.clip(np.asarray(result.pixels), 0, 65535))
        found[f"{name}, Sordino"] = psnr(ours(values, cfa), truth), cpu
        stored = Image(values.astype(np.uint16), "yx", "mosaic", image.levels, cfa, COLOR)
        for label, algorithm in algorithms.items() if bayer_name(cfa) else ():
            found[f"{name}, {label}"] = psnr(theirs(stored, algorithm, work), truth), cpu
        if name == "mosaic":
            *_, result = denoised(image, noise, recipe, desk, lambda: False, True)
            balanced = np.moveaxis(np.asarray(result.pixels, np.float64), 0, -1) / (WHITE - BLACK)
            found["mosaic, its own colours"] = psnr(shown(balanced * COLOR.wb), truth), cpu
    return found


def main() -> None:
    options = argparse.ArgumentParser(description="Benchmark denoising and demosaicing.")
    options.add_argument("photos", type=Path, nargs="+")
    options.add_argument("--methods", nargs="*", default=["dct", "unet", "blockmatch"])
    options.add_argument("--isos", type=int, nargs="*", default=[800, 3200, 12800, 51200])
    args = options.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="sordino-colours-") as folder:
        for label, cfa in (("Bayer", RGGB), ("X-Trans", XTRANS)):
            table: dict[str, list[list[tuple[float, float]]]] = {}
            for iso in args.isos:
                for path in args.photos:
                    made = rows(shot(path), cfa, iso, args.methods, Path(folder))
                    for name, pair in made.items():
                        columns = table.setdefault(name, [[] for _ in args.isos])
                        columns[args.isos.index(iso)].append(pair)
            heads = " | ".join(f"ISO {iso}" for iso in args.isos)
            print(f"\n| {label}: method, demosaicing | {heads} | CPU s/MP |")
            print("|---" * (len(args.isos) + 2) + "|")
            for name, columns in table.items():
                cells = " | ".join(f"{np.mean([p for p, _ in c]):.2f}" for c in columns)
                cpu = np.median([s for c in columns for _, s in c])
                print(f"| {name} | {cells} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
