"""Patches: clean photographs from a folder, and pairs of noisy and clean patches cut from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.image import Array

LARGE = 800_000  # pixels from which a photograph is worth shrinking by four
FLAT = 6.0  # standard deviation, of 255, under which a patch is dull
KEPT = 0.25  # how many of the dull ones are kept
BENT, TURNED = 0.3, 0.1  # how many patches get another tone curve, become negatives
NOISIEST = 75 / 255


@dataclass(frozen=True)
class Photograph:
    """A file, and whether it is kept for validation."""

    path: Path
    held: bool = False


def photographs(folder: Path, skip: Sequence[str] = ()) -> tuple[Photograph, ...]:
    """JPEG and PNG files below a folder, but those with one of `skip` in their path; sorted.

    Every sixteenth is kept for validation.
    """
    kinds = {".jpg", ".jpeg", ".png"}
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in kinds]
    files = [p for p in files if not any(word in str(p.relative_to(folder)) for word in skip)]
    return tuple(Photograph(path, i % 16 == 8) for i, path in enumerate(files))


def shrunk(path: Path, channels: int) -> list[NDArray[np.uint8]]:
    """A photograph at a half, a third and a quarter, (C, H, W): no noise of its own is left.

    Small ones as they are and at a half. Raises ValueError for a file that is no picture.
    """
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB if channels > 1 else cv2.IMREAD_GRAYSCALE)
    if found is None:
        raise ValueError(f"{path.name} is no picture")
    factors = (2, 3, 4) if found.shape[0] * found.shape[1] > LARGE else (1, 2)
    sizes = [(found.shape[1] // f, found.shape[0] // f) for f in factors]
    small = [cv2.resize(found, size, interpolation=cv2.INTER_AREA) for size in sizes]
    return [_planes(s) for s in small]


def _planes(picture: Any) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.atleast_3d(picture).transpose(2, 0, 1), np.uint8)


class Pairs(Protocol):
    """What a network is trained on."""

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        """Noisy and clean patches (N, C, E, E), the network's guide, and sigma (N, 1, 1, 1)."""
        ...


class Patches:
    """Batches of patches, equal for equal seed and step, in whatever order they are asked for."""

    def __init__(self, pictures: Sequence[Array], edge: int, seed: int) -> None:
        self._pictures = [p for p in pictures if min(p.shape[1:]) >= edge]
        self._edge, self._seed = edge, seed
        if not self._pictures:
            raise ValueError(f"There is no photograph of at least {edge} x {edge} pixels.")
        room = np.sqrt([p.shape[1] * p.shape[2] for p in self._pictures])
        self._share = room / room.sum()

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        """See Pairs.batch: in 0..1, not clipped; the guide is sigma itself."""
        rng = np.random.default_rng((self._seed, step))
        clean = np.stack([self._patch(rng) for _ in range(count)])
        sigma = rng.uniform(0, NOISIEST, (count, 1, 1, 1)).astype(np.float32)
        noise = rng.standard_normal(clean.shape, np.float32)
        return clean + sigma * noise, clean, sigma, sigma

    def _patch(self, rng: np.random.Generator) -> Array:
        edge = self._edge
        while True:
            picture: Array = self._pictures[rng.choice(len(self._pictures), p=self._share)]
            high, wide = (int(size) - edge + 1 for size in picture.shape[1:])
            y, x = int(rng.integers(high)), int(rng.integers(wide))
            patch: Array = picture[:, y : y + edge, x : x + edge]
            if rng.random() < KEPT or float(np.std(patch)) >= FLAT:
                break
        found: Array = np.rot90(patch, int(rng.integers(4)), (1, 2))
        found = found[:, :, ::-1] if rng.random() < 0.5 else found
        found = np.float32(1 / 255) * found
        if rng.random() < TURNED:
            found = 1 - found
        if rng.random() < BENT:
            found = found ** np.float32(np.exp(0.3 * rng.standard_normal()))
        return found
