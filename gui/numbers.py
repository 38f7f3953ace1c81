"""Numbers as people read, type and slide them. No Qt."""

from __future__ import annotations

import math
import re

from core.method import Control

SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def text(value: float, unit: str = "", digits: int = 3, zeros: bool = False) -> str:
    """`0.024`, `21 px`, `1.2×10⁻⁵ DN`: so many significant digits, never a false 0.000.

    `zeros` keeps those at the end, so that numbers in a table line up: 13.0 under 14.2.
    """
    size = abs(value)
    if value != value:
        return "–"
    if size == math.inf:
        words = "∞"
    elif size and not 1e-3 <= size < 1e6:
        mantissa, _, power = f"{size:.{digits - 1}e}".partition("e")
        if "." in mantissa and not zeros:
            mantissa = mantissa.rstrip("0").rstrip(".")
        words = f"{mantissa}×10{str(int(power)).translate(SUPER)}"
    elif size >= 10 ** (digits - 1):
        words = f"{size:.0f}"
    else:
        words = f"{size:#.{digits}g}" if zeros and size else f"{size:.{digits}g}"
    sign = "−" if value < 0 and words != "0" else ""
    return f"{sign}{words} {unit}".rstrip()


def parse(typed: str, unit: str = "") -> float:
    """The number in what a person typed: with unit or not, comma or point, 2e-5 or 2×10⁻⁵."""
    words = typed.strip().removesuffix(unit).strip().translate(PLAIN).replace(",", ".")
    words = re.sub(r"\s*[×x*·]\s*10\^?", "e", words)
    try:
        return float(words)
    except ValueError:
        raise ValueError(f"{typed.strip() or 'nothing'!r} is not a number") from None


class Scale:
    """Between a setting's values and positions 0..1 on its slider, linear or logarithmic."""

    def __init__(self, control: Control) -> None:
        self.low = float(control.minimum if control.minimum is not None else 0.0)
        self.high = float(control.maximum if control.maximum is not None else 1.0)
        self.log = control.log
        self.whole = control.type == "int"
        # a logarithmic slider that begins at zero spans three decades, bent to reach zero
        self.shift = 0.0 if self.low > 0 else self.high / 1000 - self.low

    def position(self, value: float) -> float:
        """Where a value lies on the slider."""
        if self.high <= self.low:
            return 0.0
        value = min(max(float(value), self.low), self.high)
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        first, last = self.low + self.shift, self.high + self.shift
        return math.log((value + self.shift) / first) / math.log(last / first)

    def value(self, position: float) -> float:
        """The value at a position, rounded to what a slider can tell apart."""
        if not self.log:
            return self.snap(self.low + position * (self.high - self.low))
        first, last = self.low + self.shift, self.high + self.shift
        return self.snap(first * (last / first) ** position - self.shift)

    def snap(self, value: float) -> float:
        """Rounded to about a five-hundredth of the slider, and inside the range."""
        if self.whole:
            return int(min(max(round(value), self.low), self.high))
        reach = max(abs(value), self.shift / 2) if self.log else (self.high - self.low) / 2
        places = 2 - math.floor(math.log10(reach)) if reach > 0 else 0
        return min(max(round(value, places), self.low), self.high)

    def step(self, value: float, steps: int) -> float:
        """The value some steps on: a hundredth of the slider, more on few whole numbers."""
        moved = self.value(min(max(self.position(value) + steps / 100, 0.0), 1.0))
        least = max(min(steps, 5), -5)
        return self.snap(value + least) if self.whole and abs(moved - value) < abs(least) else moved
