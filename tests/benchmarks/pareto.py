"""A picture of quality against time, as SVG: for tables of benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

Point = tuple[float, float, str]  # CPU seconds, dB, name


def draw(
    points: Iterable[Point],
    ours: Collection[str],
    path: Path,
    words: tuple[str, str],
    ends: tuple[float, float],
    step: int = 1,
) -> None:
    """Points over the logarithm of time; dashes join the front, `ours` are red.

    `words`: under the picture (CPU seconds a ...) and above it; `ends`: the dB at bottom and top,
    with a line every `step`.
    """
    points = sorted(points)
    low, high = np.log10(points[0][0] / 2), np.log10(points[-1][0] * 4)
    least, most = ends

    def at(cpu: float, psnr: float) -> tuple[float, float]:
        x = 60 + 620 * (np.log10(cpu) - low) / (high - low)
        return float(x), float(360 - 330 * (psnr - least) / (most - least))

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="410" font-size="13" '
             'font-family="sans-serif"><rect width="720" height="410" fill="white"/>']  # fmt: skip
    for power in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        x, _ = at(10.0**power, least)
        parts.append(f'<path d="M{x:.0f} 30V360" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 8:.0f}" y="378">{10.0**power:g}</text>')
    for level in range(int(np.ceil(least / step) * step), int(most) + 1, step):
        _, y = at(1.0, level)
        parts.append(f'<path d="M60 {y:.0f}H680" stroke="#ddd"/>')
        parts.append(f'<text x="34" y="{y + 4:.0f}">{level}</text>')
    front: list[str] = []
    best = -np.inf
    for cpu, psnr, name in points:
        x, y = at(cpu, psnr)
        if psnr > best:
            best = psnr
            front.append(f"{x:.0f},{y:.0f}")
        color = "#c0392b" if name in ours else "#34495e"
        parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{color}"/>')
        parts.append(f'<text x="{x + 7:.0f}" y="{y + 4:.0f}" fill="{color}">{name}</text>')
    parts.append(f'<polyline points="{" ".join(front)}" fill="none" stroke="#888" '
                 'stroke-dasharray="4"/>')  # fmt: skip
    parts.append(f'<text x="280" y="400">{words[0]}</text>')
    parts.append(f'<text x="20" y="20">{words[1]}</text></svg>')
    path.write_text("\n".join(parts), encoding="utf-8")
