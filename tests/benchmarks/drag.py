"""A person drags a slider at 60 Hz: the real window beside a naive one. Prints a table. By hand:

    .venv/bin/python tests/benchmarks/drag.py [FILE] [--method fast] [--seconds 5] [--zoom 1.0]

first: from the first move to the first new pixels of "after". shown: megapixels of sensor that
became visible, and updates, per second of drag. gap: the longest time between two turns of the
event loop (a 5 ms timer is due all the while). rest: from the last move to full detail everywhere.
wasted: CPU seconds of the whole process for each update that was seen. The naive design does what a
script would: every move computes the whole image, the newest wish when the last one is done, by the
same method on the same threads. Without FILE a 24-megapixel Bayer DNG is simulated.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path[:0] = [str(Path(__file__).resolve().parents[at]) for at in (2, 0)]

import numpy as np
from PySide6.QtCore import QCoreApplication, QSettings
from PySide6.QtWidgets import QApplication
from window import Gaps, full, wait

from core.cache import Cache
from core.desk import Desk
from core.develop import develop, region_pixels
from core.files import save_image
from core.image import Cfa, Color, Image, Levels
from core.noise.simulate import sensor
from core.recipe import Recipe, Step
from core.registry import load
from core.tiles import Region
from gui import theme
from gui.app import build
from gui.window import Window

HZ = 60
PATIENCE = 300.0  # seconds for what a naive design may take


def simulated(folder: Path) -> Path:
    """A 24-megapixel Bayer DNG with sensor noise."""
    y, x = np.mgrid[:4000, :6000] / 400.0
    signal = 2500 + 2000 * np.sin(y) * np.cos(x * y / 9) + 300 * np.sin(31 * x)
    pixels = sensor(signal, 12, 24, np.random.default_rng(0), quantise=1, black=600, white=15520)
    color = Color(wb=(2.0, 1.0, 1.5), daylight=(2.0, 1.0, 1.5))
    levels, cfa = Levels(((600.0,),), 15520.0), Cfa(((0, 1), (1, 2)))
    image = Image(pixels.astype(np.uint16), "yx", "mosaic", levels, cfa, color)
    return save_image(load(), folder / "simulated.dng", image, image)


class Seen:
    """What became visible of "after", and when."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.megapixels = 0.0

    def add(self, area: float) -> None:
        self.times.append(time.perf_counter())
        self.megapixels += area / 1e6


def drag(gaps: Gaps, seconds: float, move, finished, seen: Seen) -> dict[str, float]:
    """Move HZ times a second for some seconds, then wait for full detail."""
    gaps.take()
    begin, cpu, moves = time.perf_counter(), time.process_time(), 0
    while (now := time.perf_counter() - begin) < seconds:
        if now * HZ >= moves:
            move(0.6 + 0.8 * abs((now / 2) % 1 - 0.5), False)
            moves += 1
        QCoreApplication.processEvents()
        time.sleep(0.0005)
    ended, spent = time.perf_counter(), time.process_time() - cpu
    during = [t for t in seen.times if t < ended]
    shown = seen.megapixels / seconds
    move(1.05, True)
    wait(finished, PATIENCE)
    return {
        "first": (seen.times[0] if seen.times else time.perf_counter()) - begin,
        "updates": len(during) / seconds,
        "shown": shown,
        "gap": max(gaps.found),
        "rest": time.perf_counter() - ended,
        "cpu": spent / max(len(during), 1),
    }


def in_the_window(window: Window, gaps: Gaps, method: str, seconds: float) -> dict[str, float]:
    """The real window, its session edited as the slider does."""
    assert window.registry is not None
    kind, seen, put = window.registry.methods[method], Seen(), window.viewer.put

    def watched(layer: str, level: int, region: Region, *rest) -> None:
        put(layer, level, region, *rest)
        if layer == "after":
            seen.add(region.area)

    def finished() -> bool:
        return full(window, "after") and not window.bridge.busy

    window.viewer.put = watched  # type: ignore[method-assign]
    try:
        return drag(
            gaps,
            seconds,
            lambda s, final: window.session.edit(
                recipe=Recipe((Step(kind(strength=s)),)), final=final
            ),
            finished,
            seen,
        )
    finally:
        window.viewer.put = put  # type: ignore[method-assign]


def naive(window: Window, gaps: Gaps, method: str, seconds: float) -> dict[str, float]:
    """A thread that computes and develops the whole image for the newest wish, again and again."""
    from core.render import Renderer, assemble

    d = window.session.document
    assert d is not None and d.noise is not None and window.registry is not None
    image, kind, seen = d.image, window.registry.methods[method], Seen()
    wish: list[float | None] = [None]
    working, stop = threading.Event(), threading.Event()
    whole = Region.whole(image.height, image.width)

    def work() -> None:
        while not stop.is_set():
            strength, wish[0] = wish[0], None
            if strength is None:
                working.clear()
                time.sleep(0.001)
                continue
            working.set()
            desk = Desk(cache=Cache(0))
            recipe = Recipe((Step(kind(strength=strength)),))
            pixels = assemble(Renderer(image, d.noise, recipe, desk), whole)
            develop(region_pixels(pixels, image, whole, 1, d.look), image, whole, 1, d.look)
            seen.add(whole.area)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return drag(
            gaps,
            seconds,
            lambda s, _: wish.__setitem__(0, s),
            lambda: wish[0] is None and not working.is_set(),
            seen,
        )
    finally:
        stop.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--method", default="fast")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--zoom", type=float, default=1.0, help="1.0: 100 %%; 0: fit")
    parser.add_argument("--size", type=int, nargs=2, default=(1980, 1130), metavar=("W", "H"))
    args = parser.parse_args()
    sys.setswitchinterval(0.0005)
    app = QApplication([])
    theme.apply(app)
    with tempfile.TemporaryDirectory() as private:
        file = args.file or simulated(Path(private))
        settings = QSettings(f"{private}/s.ini", QSettings.Format.IniFormat)
        window = build(settings, Path(private))
        window.resize(*args.size)
        window.show()
        window.begin([str(file)])
        gaps = Gaps()
        try:
            wait(lambda: window.session.document is not None and not window.bridge.busy, PATIENCE)
            if args.zoom:
                window.viewer.zoom_to(args.zoom)
            wait(lambda: not window.bridge.busy, PATIENCE)
            d = window.session.document
            assert d is not None
            print(f"{args.method}, {d.image.megapixels:.1f} MP, {args.seconds:g} s at {HZ} Hz, "
                  f"view {window.viewer.width()} x {window.viewer.height()}, "
                  f"zoom {window.viewer.scale:.2f}")  # fmt: skip
            print(
                "| design | first, s | updates/s | shown, MP/s | gap, ms | rest, s | CPU s/update |"
            )
            print("|---" * 7 + "|")
            for name, play in (("Sordino", in_the_window), ("naive", naive)):
                r = play(window, gaps, args.method, args.seconds)
                print(f"| {name} | {r['first']:.2f} | {r['updates']:.1f} | {r['shown']:.1f} "
                      f"| {r['gap']:.0f} | {r['rest']:.2f} | {r['cpu']:.3f} |")  # fmt: skip
        finally:
            window.close()


if __name__ == "__main__":
    main()
