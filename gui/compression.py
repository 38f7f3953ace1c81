"""Dynamic range and gain: how echoes (RF, IQ) are shown as B-mode. The echoes stay as they are."""

from __future__ import annotations

from dataclasses import replace

from core.develop import Look
from core.develop import envelope as bmode
from core.method import Control

RANGE = Control(
    "dynamic_range", "Dynamic range", "float", 60.0, 20.0, 120.0, "dB",
    "From black to white: less gives more contrast.  (right-drag across)",
)  # fmt: skip
GAIN = Control(
    "gain", "Gain", "float", 0.0, -40.0, 60.0, "dB",
    "Lifts all echoes; the strongest go beyond white.  (right-drag up and down)",
)  # fmt: skip
ROWS = (RANGE.name, GAIN.name)


def value(name: str, look: Look) -> float:
    """What a row shows of a settled look."""
    found = bmode.compression(look.window or (0.0, 1.0), look.extent or bmode.ROOM)
    control = (RANGE, GAIN)[ROWS.index(name)]
    low, high = control.minimum or 0.0, control.maximum or 0.0
    return min(max(round(found[ROWS.index(name)], 2), low), high)


def edited(name: str, value: float, look: Look) -> Look:
    """The look after a row was changed; a window that is turned round stays so."""
    shown, extent = look.window or (0.0, 1.0), look.extent or bmode.ROOM
    wide, gain = bmode.compression(shown, extent)
    wide, gain = (value, gain) if name == RANGE.name else (wide, value)
    low, high = bmode.window(extent[0] - bmode.ROOM[0], wide, gain)
    window = (high, low) if shown[0] > shown[1] else (low, high)
    return replace(look, window=window, dynamic_range=wide, gain=gain)


def words(look: Look) -> str:
    """`60 dB  gain +6 dB`: for a corner of the picture."""
    wide, gain = bmode.compression(look.window or (0.0, 1.0), look.extent or bmode.ROOM)
    more = f"  gain {gain:+.3g} dB".replace("-", "\u2212") if abs(gain) >= 0.05 else ""
    turned = "  inverted" if look.window and look.window[0] > look.window[1] else ""
    return f"{wide:.3g} dB{more}{turned}"
