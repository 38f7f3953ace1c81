"""How fast slices follow each other: the real window, offscreen, on a synthetic volume.

    .venv/bin/python tests/benchmarks/scrub.py [--slices 60] [--method fast]

Of 512 x 512 slices, and of the planes across y and x: from the step of a key to the slice being
there and painted, "before" alone, and "before" with an "after" that was computed already. CPU
seconds are those of all threads.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PySide6.QtCore import QCoreApplication, QSettings
from PySide6.QtWidgets import QApplication

from core.develop import Look, settle
from core.image import Image
from core.job import Opened
from core.recipe import Recipe, Step
from gui import theme
from gui.app import build
from gui.window import Window


def volume(slices: int) -> Image:
    """A CT-like volume: 12 bits, voxels of 0.7 mm in slices 3 mm apart."""
    rng = np.random.default_rng(2)
    pixels = rng.normal(1050, 20, (slices, 512, 512)).astype(np.uint16)
    affine = np.diag((0.7, 0.7, 3.0, 1.0)).tolist()
    coords = {"spacing": {"z": 3.0, "y": 0.7, "x": 0.7}, "affine": affine}
    return Image(pixels, "zyx", "scan", coords=coords, meta={"scale": (1.0, -1000.0, "HU")})


def wait(done, seconds: float = 300.0) -> None:
    end = time.perf_counter() + seconds
    while not done():
        if time.perf_counter() > end:
            raise SystemExit("timed out")
        QCoreApplication.processEvents()


def scrub(window: Window, layers: tuple[str, ...], steps: int) -> tuple[float, float, float]:
    """Median and 95th percentile in ms of a step, and its CPU ms."""
    viewer, found, cpu = window.viewer, list[float](), time.process_time()

    def there() -> bool:
        return all(
            viewer.state_of(layer, level, region) == "full"
            for layer in layers
            for region, level in viewer.wanted()
        )

    for _ in range(steps):
        begin = time.perf_counter()
        viewer.sliceStepped.emit(1)
        wait(there)
        viewer.repaint()
        found.append(1000 * (time.perf_counter() - begin))
    spent = 1000 * (time.process_time() - cpu) / steps
    return float(np.median(found)), float(np.percentile(found, 95)), spent


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--method", default="fast")
    args = parser.parse_args()
    sys.setswitchinterval(0.0005)
    app = QApplication(sys.argv[:1])
    theme.apply(app)
    with tempfile.TemporaryDirectory() as private:
        settings = QSettings(f"{private}/s.ini", QSettings.Format.IniFormat)
        window = build(settings, Path(private))
        window.resize(1500, 1000)
        window.show()
        window.begin([])
        wait(lambda: window.registry is not None)
        image = volume(args.slices)
        window.bridge.opened.emit(Opened(image, settle(image, Look())))
        wait(lambda: window.session.document is not None)
        step = Step(window.registry.methods[args.method]())
        window.session.edit(recipe=Recipe((step,)))
        print(
            "| plane | shown | ms a slice | 95 % | slices/s | CPU ms |\n|---|---|---|---|---|---|"
        )
        for plane, across in (("axial", "z"), ("coronal", "y"), ("sagittal", "x")):
            window.actions_by_id[plane].trigger()
            steps = args.slices // 2 - 2
            for layers, name in ((("before",), "before"), (("before", "after"), "both, cached")):
                if len(layers) > 1:
                    window.scans._go({across: 0})
                    for _ in range(steps + 1):  # compute what is scrubbed through
                        wait(lambda: not window.bridge.busy)
                        window.viewer.sliceStepped.emit(1)
                wait(lambda: not window.bridge.busy)
                window.scans._go({across: 0})
                wait(lambda: not window.bridge.busy)
                middle, high, cpu = scrub(window, layers, steps)
                words = f"{middle:.1f} | {high:.1f} | {1000 / middle:.0f} | {cpu:.0f}"
                print(f"| {plane} | {name} | {words} |")
        window.close()


if __name__ == "__main__":
    main()
