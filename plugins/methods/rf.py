"""Echoes before detection: a Wiener filter of the local spectrum."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any

import numpy as np

from core.image import Array, Image
from core.method import Context, Method, Needs, Planes, Slider

FRAMES = 4  # of a clip, that the noise is measured in
FEW = 40  # blocks that are too few to measure it


class Rf(Method):
    """For RF lines and IQ: the amplifier's noise goes from deep and dark tissue, speckle stays."""

    title = "RF Wiener"
    cpu_seconds = 0.2
    assumption = (
        "Noise independent from line to line, while a beam covers several lines; its spectrum is"
        " measured (it works on the echoes before detection)."
    )
    paper = "Wiener, 1949; Welch, IEEE Trans. Audio Electroacoust. 15(2), 1967"
    kinds = ("ultrasound",)
    domain = "signal"
    tensors = False
    cpu_only = True

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of what was measured.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """Blocks and their neighbours."""
        from core.ops import echoes

        return Needs(halo=echoes.reach(), align=echoes.ALIGN, tile=512, cost=24.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Spectra of the noise (bands of depth, frequencies), of all planes together."""
        from core.ops import echoes

        yield 0.0
        height, width = image.pixels.shape[-2:]
        if image.cfa is not None or height < echoes.ROWS or width < echoes.LINES:
            return None
        pair = _pair(image)
        found: list[Array] = []
        count = 0
        for y in range(0, height - echoes.ROWS + 1, echoes.BAND):
            ctx.check()
            last = height if y + echoes.BAND + echoes.ROWS > height else y + echoes.BAND
            blocks = [
                echoes.spectra(plane).reshape(-1, echoes.ROWS, _count(pair))
                for plane in _planes(image, y, max(last, y + echoes.ROWS), pair)
            ]
            every = np.concatenate(blocks)
            fine = np.isfinite(every).all((1, 2))
            if not fine.any():  # no-data: it stays as it is, whatever is said here
                every, fine = np.zeros_like(every[:1]), np.ones(1, bool)
            count += int(fine.sum())
            found.append(echoes.noise(every[fine], not pair))
        return (np.array(found), pair) if count >= FEW else None

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import echoes

        if not self.strength or state is None or not _noisy(ctx):
            return tile
        bands, pair = state
        y0 = ctx.region.y0 if ctx.region else 0
        rows = y0 + (np.arange(tile.shape[-2] // echoes.ALIGN) + 1) * echoes.ALIGN
        place = np.clip(rows / echoes.BAND - 0.5, 0, len(bands) - 1)
        low = place.astype(int)
        part = (place - low)[:, None].astype(np.float32)
        power = bands[low] * (1 - part) + bands[np.minimum(low + 1, len(bands) - 1)] * part
        found = np.empty_like(tile)
        for planes, made in zip(tile, found, strict=True):
            if pair:
                whole = (planes[0] + 1j * planes[1]).astype(np.complex64)
                done: Any = echoes.denoise(whole, power, self.strength, ctx.check)
                made[0], made[1] = done.real, done.imag
                continue
            for plane, out in zip(planes, made, strict=True):
                out[:] = echoes.denoise(plane, power, self.strength, ctx.check)
        return found


def _pair(image: Image) -> bool:
    """Are the two channels I and Q of complex numbers?"""
    return bool(image.meta.get("complex")) and image.axes[-3:-2] == "c" and \
        image.pixels.shape[-3] == 2  # fmt: skip


def _count(pair: bool) -> int:
    from core.ops import echoes

    return echoes.LINES if pair else echoes.LINES // 2 + 1


def _planes(image: Image, y0: int, y1: int, pair: bool) -> list[Array]:
    """Rows of a few frames, (y1 - y0, width) each, complex for I and Q."""
    lead = image.pixels.shape[:-3] if pair else image.pixels.shape[:-2]
    places = list(np.ndindex(*lead))
    found: list[Array] = []
    for at in places[:: max(len(places) // FRAMES, 1)]:
        rows = np.asarray(image.samples[(*at, ..., slice(y0, y1), slice(None))], np.float32)
        found.append((rows[0] + 1j * rows[1]).astype(np.complex64) if pair else rows)
    return found


def _noisy(ctx: Context) -> bool:
    """Does the noise model leave anything to do?"""
    if ctx.noise is None:
        return True
    return bool(ctx.noise.sigma(np.ones(1, np.float32), 0)[0] > 0)
