"""How long a person waits: the real window, offscreen, on one file. Prints a table.

    .venv/bin/python tests/benchmarks/window.py FILE [--method fast]

before: from the wish to open until the visible region is painted. after, cold: from the start of
the process (kernels load meanwhile). plots: their library loads, once, when nothing else is to do.
after, warm: opened again. slider: from a change of strength to the last visible tile at 100 %. gap:
time between two turns of the event loop, a 5 ms timer being due all the while.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

BEGIN = time.perf_counter()
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QCoreApplication, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from gui import theme
from gui.window import Window


class Gaps:
    """Times between the turns of the event loop, in ms."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.found.append(1000 * (now - self._last))
        self._last = now

    def take(self) -> str:
        """95th percentile and maximum since the last call."""
        values, self.found = sorted(self.found or [0.0]), []
        late = values[int(0.95 * (len(values) - 1))]
        return f"gap p95 {late:.0f} ms, max {values[-1]:.0f} ms"


def wait(done, seconds: float = 120.0) -> None:
    end = time.perf_counter() + seconds
    while not done():
        if time.perf_counter() > end:
            raise SystemExit("timed out")
        QCoreApplication.processEvents()
        time.sleep(0.001)


def full(window: Window, layer: str) -> bool:
    states = {window.viewer.state_of(layer, level, r) for r, level in window.viewer.wanted()}
    return states == {"full"}


def measure(window: Window, file: str, method: str) -> None:
    from core.recipe import Recipe, Step  # after the first paint

    gaps, plots = Gaps(), []
    window.background.plots_loaded.connect(plots.append)
    wait(lambda: window.registry is not None)
    opening = time.perf_counter()
    window.open(file)
    wait(lambda: window.session.document is not None and full(window, "before"))
    print(f"viewer:                 {window.viewer.width()} x {window.viewer.height()}")
    print(f"before:                 {time.perf_counter() - opening:.2f} s from the wish, "
          f"{time.perf_counter() - BEGIN:.2f} s from the start   {gaps.take()}")  # fmt: skip
    window.viewer.zoom_to(1.0)
    wait(lambda: full(window, "after"))
    print(f"after, cold:            {time.perf_counter() - BEGIN:.2f} s from the start   "
          f"{gaps.take()}")  # fmt: skip
    wait(lambda: plots and not window.bridge.busy)
    print(f"plots:                  {gaps.take()}")
    window.actions_by_id["close"].trigger()
    window.bridge._desk.cache.clear()
    gaps.take()
    again = time.perf_counter()
    window.open(file)
    wait(lambda: window.session.document is not None)
    window.viewer.zoom_to(1.0)
    wait(lambda: full(window, "after"))
    print(f"after, warm:            {time.perf_counter() - again:.2f} s from the wish   "
          f"{gaps.take()}")  # fmt: skip
    assert window.registry is not None
    kind = window.registry.methods[method]
    for strength in (0.9, 1.1, 1.3):
        wait(lambda: not window.bridge.busy)
        gaps.take()
        moved = time.perf_counter()
        window.session.edit(recipe=Recipe((Step(kind(strength=strength)),)))
        wait(lambda: full(window, "after"))
        print(f"slider to {strength} ({method}):   {time.perf_counter() - moved:.2f} s   "
              f"{gaps.take()}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--method", default="fast")
    parser.add_argument("--size", type=int, nargs=2, default=(1980, 1130), metavar=("W", "H"))
    args = parser.parse_args()
    sys.setswitchinterval(0.0005)
    app = QApplication([])
    theme.apply(app)
    with tempfile.TemporaryDirectory() as private:
        settings = QSettings(f"{private}/s.ini", QSettings.Format.IniFormat)
        window = Window([])
        window.resize(*args.size)
        window.show()
        QCoreApplication.processEvents()
        print(f"first paint:            {time.perf_counter() - BEGIN:.2f} s from the start")
        from gui.compose import furnish

        furnish(window, settings, Path(private))
        window.begin([])
        try:
            measure(window, args.file, args.method)
        finally:
            window.close()


if __name__ == "__main__":
    main()
