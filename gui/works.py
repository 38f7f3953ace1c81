"""The window's own Works: what it needs behind the first paint, on workers.

SPARE is a thread for what may take long and nobody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from core.desk import Desk
from core.files import Decoder

SPARE = "spare"
WORKERS = "compute", "light", "files", "batch", SPARE
Stop = Callable[[], bool]


@dataclass(frozen=True)
class GetReady:
    """What the first file needs and the first paint does not: a decoder that waits, OpenCV."""

    worker: ClassVar[str] = "files"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[object]:
        desk.decoder = Decoder(warm=True)
        import cv2  # what is painted is resampled with it

        yield cv2.__version__


@dataclass(frozen=True)
class LoadPlots:
    """Import what plots are drawn with, which takes half a second; yields the module."""

    worker: ClassVar[str] = SPARE

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        import pyqtgraph

        yield pyqtgraph
