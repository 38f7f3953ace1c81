"""Ultrasound of SYNTHETIC tissue: scatterers moved, seen through a pulse, detected, compressed.

Point scatterers of random sign lie at random places, several in each resolution cell, so that
speckle arises as in a scanner and is correlated as the pulse is wide. They are summed in baseband
(IQ) with the phase of their true depth, blurred by the pulse and the beam, and given the
amplifier's noise; RF is the same on its carrier. Images have axes "yx", y the depth. Model:
R. F. Wagner et al., "Statistics of speckle in ultrasound B-scans", IEEE Trans. Sonics Ultrason.
30(3), 1983.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
F32 = NDArray[np.float32]
Tissue = Callable[[Floats, Floats], Floats]  # echo strength in dB at depth y, across x (0..1)

SPEED = 1540.0  # m/s
RANGE = 60.0  # dB that a B-mode picture shows, in 255 steps
TOP = 22.0  # dB at which it is white; tissue is around 0
EULER = 10 / np.log(10) * np.euler_gamma  # dB by which the mean of log speckle lies below its log
MARGIN = 24  # pixels simulated beyond every side
FINER = 4  # RF samples to a pixel of depth


@dataclass(frozen=True)
class Probe:
    """What the echoes are seen with: standard deviations of the pulse and the beam in pixels."""

    axial: float = 1.4
    lateral: float = 2.4
    pixel: float = 0.115e-3  # m, both ways
    centre: float = 5e6  # Hz
    density: float = 0.8  # scatterers to a pixel
    floor: float = -38.0  # amplifier's noise, dB below tissue


@dataclass(frozen=True)
class Echoes:
    """A scan and its truth. `iq` is complex, (y, x); `truth` the mean intensity in dB."""

    iq: NDArray[np.complex64]
    truth: F32
    probe: Probe

    @property
    def envelope(self) -> F32:
        """Detected: Rayleigh where tissue is even."""
        return np.abs(self.iq)

    @property
    def decibels(self) -> F32:
        """Log-compressed, not clipped."""
        return (20 * np.log10(np.maximum(self.envelope, 1e-6))).astype(np.float32)

    @property
    def expected(self) -> F32:
        """The mean of `decibels`: what is left when all speckle is gone."""
        return (self.truth - EULER).astype(np.float32)

    def rf(self) -> F32:
        """Echoes before detection: FINER samples to a pixel of depth, on the carrier."""
        return modulated(self.iq, self.probe)


def modulated(iq: NDArray[np.complexfloating[Any, Any]], probe: Probe) -> F32:
    """IQ (y, x) on its carrier, FINER samples to each of depth."""
    height = iq.shape[0]
    spectrum = np.fft.fftshift(np.fft.fft(iq, axis=0), 0)
    wide = np.zeros((FINER * height, iq.shape[1]), complex)
    start = FINER * height // 2 - height // 2
    wide[start : start + height] = spectrum
    fine = np.fft.ifft(np.fft.ifftshift(wide, 0), axis=0) * FINER
    depth = np.arange(len(fine)) / FINER
    return np.real(fine * np.exp(1j * _wave(probe) * depth)[:, None]).astype(np.float32)


def sampling(probe: Probe) -> float:
    """Of the RF, in Hz."""
    return SPEED / (2 * probe.pixel) * FINER


def grey(decibels: Floats) -> Floats:
    """Steps of a B-mode picture, 0 to 255, neither clipped nor rounded."""
    return (decibels - (TOP - RANGE)) * (255 / RANGE)


def even(y: Floats, x: Floats) -> Floats:
    """Flat discs and strips: what published comparisons use; rewards mere smoothing."""
    found = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    discs = (
        (0.27, 0.27, 0.13, -12.0), (0.27, 0.72, 0.13, 9.0), (0.72, 0.27, 0.12, -30.0),
        (0.62, 0.62, 0.05, -8.0), (0.62, 0.82, 0.035, 8.0), (0.82, 0.62, 0.02, 10.0),
    )  # fmt: skip
    for row, column, radius, level in discs:
        found = np.where((y - row) ** 2 + (x - column) ** 2 < radius**2, level, found)
    strip = (y > 0.90) & (y < 0.93)
    return np.where(strip, 6.0, np.where((x > 0.86) & (x < 0.90) & (y > 0.72), -8.0, found))


def textured(y: Floats, x: Floats) -> Floats:
    """Fat, fascia, muscle of fine fibres, a vessel with walls, a cyst, a rough lesion."""
    bend = y + 0.03 * np.sin(5 * x + 0.7) + 0.012 * np.sin(17 * x)
    lobes = 2.5 * np.sin(23 * x + 9 * np.sin(11 * y)) * np.sin(31 * y + 5 * np.sin(7 * x))
    fat = -4 + lobes
    slant = bend + 0.22 * x
    fibres = 5 * np.maximum(np.cos(2 * np.pi * 27 * slant + 2 * np.sin(9 * x)), -0.4)
    bundles = 2 * np.sin(2 * np.pi * 5 * slant + 1.5 * np.sin(6 * x))
    muscle = -2 + fibres + bundles
    deep = -5 + 3 * np.sin(2 * np.pi * (9 * x + 3 * bend)) * np.sin(2 * np.pi * 8 * bend)
    found = np.where(bend < 0.24, fat, np.where(bend < 0.74, muscle, deep))
    for place, half, level in ((0.24, 0.007, 11.0), (0.74, 0.008, 13.0), (0.255, 0.003, 7.0)):
        found = np.where(np.abs(bend - place) < half, level, found)
    ring = np.hypot((y - 0.50) / 0.8, x - 0.24)
    found = np.where(ring < 0.095, 8.0, found)
    found = np.where(ring < 0.083, -34.0, found)
    angle = np.arctan2(y - 0.46, x - 0.70)
    rim = 0.105 + 0.012 * np.sin(7 * angle) + 0.006 * np.sin(19 * angle)
    lesion = np.hypot((y - 0.46) / 0.8, x - 0.70)
    found = np.where(lesion < rim, -11 + 2 * np.sin(40 * x) * np.sin(36 * y), found)
    cyst = np.hypot(y - 0.86, x - 0.60) < 0.055
    return np.where(cyst, -36.0, found)


TARGETS = tuple((row, 0.88, 25.0) for row in (0.30, 0.38, 0.46, 0.54, 0.62)) + tuple(
    (0.86, column, 24.0) for column in (0.10, 0.14, 0.20, 0.28, 0.38)
)  # point reflectors: depth, across, dB above the speckle's mean


def still(y: Floats, x: Floats, phase: float) -> tuple[Floats, Floats]:
    """No motion."""
    return np.zeros_like(y), np.zeros_like(x)


def breathing(y: Floats, x: Floats, phase: float) -> tuple[Floats, Floats]:
    """Displacement (down, across) at a phase 0..1 of the cycle: pressed, sheared, a pulsing vessel.

    In the same units as the places: the height and the width of the picture are 1.
    """
    wave = np.sin(2 * np.pi * phase)
    down = 0.020 * wave * (1 - 0.6 * y) + 0.004 * np.sin(2 * np.pi * (2 * phase + x))
    across = 0.010 * wave * (y - 0.3) + 0.004 * np.cos(2 * np.pi * phase) * np.sin(3 * y)
    dy, dx = y - 0.50, x - 0.24
    near = np.exp(-(dy**2 + dx**2) / 0.012) * 0.06 * np.sin(4 * np.pi * phase)
    return down + near * dy, across + near * dx


def scan(
    tissue: Tissue,
    height: int,
    width: int,
    seed: int,
    frames: int = 1,
    motion: Callable[[Floats, Floats, float], tuple[Floats, Floats]] = still,
    targets: tuple[tuple[float, float, float], ...] = (),
    probe: Probe | None = None,
    renewed: float = 0.0,
) -> list[Echoes]:
    """Frames of one cycle of motion. The noise is new in each, and a share `renewed` of scatterers.

    Tissue that moves through the plane of the picture brings other speckle.
    """
    probe = probe or Probe()
    rng = np.random.default_rng(seed)
    tall, wide = height + 2 * MARGIN, width + 2 * MARGIN
    count = round(probe.density * tall * wide)
    y = (rng.uniform(0, tall, count) - MARGIN) / height
    x = (rng.uniform(0, wide, count) - MARGIN) / width
    strength = rng.choice((-1.0, 1.0), count) * 10 ** (tissue(y, x) / 20) / np.sqrt(probe.density)
    power, amplitude = _blur(tall, wide, probe)
    points = np.array(targets).reshape(-1, 3).T
    peak = 10 ** (points[2] / 20) / np.abs(np.fft.ifft2(amplitude)).max()
    rest = np.meshgrid(
        (np.arange(tall) - MARGIN + 0.5) / height, (np.arange(wide) - MARGIN + 0.5) / width,
        indexing="ij",
    )  # fmt: skip
    floor = 10 ** (probe.floor / 10)
    inner = slice(MARGIN, MARGIN + height), slice(MARGIN, MARGIN + width)
    found: list[Echoes] = []
    for frame in range(frames):
        phase = frame / frames
        if frame and renewed:
            strength *= np.where(rng.random(count) < renewed / 2, -1.0, 1.0)
        at_y, at_x = np.append(y, points[0]), np.append(x, points[1])
        down, across = motion(at_y, at_x, phase)
        rows, columns = (at_y + down) * height + MARGIN, (at_x + across) * width + MARGIN
        field = _splat(np.append(strength, peak), rows, columns, tall, wide, probe)
        echoes = np.fft.ifft2(np.fft.fft2(field) * amplitude)
        noise = rng.standard_normal((2, tall, wide)) * np.sqrt(floor / 2)
        down, across = motion(*rest, phase)  # small and smooth: its own inverse but for the sign
        level = 10 ** (tissue(rest[0] - down, rest[1] - across) / 10)
        mean = np.real(np.fft.ifft2(np.fft.fft2(level) * power))
        mean += _bright(points, rows[count:], columns[count:], tall, wide, probe)
        found.append(
            Echoes(
                (echoes + noise[0] + 1j * noise[1])[inner].astype(np.complex64),
                (10 * np.log10(np.maximum(mean, 0) + floor))[inner].astype(np.float32),
                probe,
            )
        )
    return found


def _wave(probe: Probe) -> float:
    """Radians of the carrier to a pixel of depth, there and back."""
    return 4 * np.pi * probe.centre / SPEED * probe.pixel


def _blur(tall: int, wide: int, probe: Probe) -> tuple[Floats, Floats]:
    """Transfer of the mean intensity (gain 1), and of amplitude with the same gain for noise."""
    fy, fx = np.fft.fftfreq(tall)[:, None], np.fft.fftfreq(wide)[None]
    axial, lateral = probe.axial, probe.lateral
    square = (fy * axial) ** 2 + (fx * lateral) ** 2
    amplitude = np.exp(-2 * np.pi**2 * square)
    amplitude /= np.sqrt(np.mean(amplitude**2))
    return np.exp(-(np.pi**2) * square), amplitude


def _splat(
    strength: Floats, rows: Floats, columns: Floats, tall: int, wide: int, probe: Probe
) -> NDArray[np.complex128]:
    """Scatterers on the grid, each shared by four pixels, with the phase of its own depth."""
    phase = strength * np.exp(-1j * _wave(probe) * (rows - MARGIN))
    y0, x0 = np.floor(rows - 0.5).astype(int), np.floor(columns - 0.5).astype(int)
    fy, fx = rows - 0.5 - y0, columns - 0.5 - x0
    found = np.zeros(tall * wide, complex)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.abs(1 - dy - fy) * np.abs(1 - dx - fx)
        at = (y0 + dy) % tall * wide + (x0 + dx) % wide
        for part, unit in ((np.real, 1), (np.imag, 1j)):
            found += unit * np.bincount(at, part(phase) * share, tall * wide)
    return found.reshape(tall, wide)


def _bright(
    points: Floats, rows: Floats, columns: Floats, tall: int, wide: int, probe: Probe
) -> Floats:
    """Mean intensity of the point reflectors alone, whose echo is no speckle."""
    y, x = np.arange(tall)[:, None] + 0.5, np.arange(wide)[None] + 0.5
    axial, lateral = (width**2 + 1 / 6 for width in (probe.axial, probe.lateral))  # of `_splat`
    found = np.zeros((tall, wide))
    for level, row, column in zip(points[2], rows, columns, strict=True):
        found += 10 ** (level / 10) * np.exp(
            -((y - row) ** 2) / axial - (x - column) ** 2 / lateral
        )
    return found
