"""Clarius raw data: five numbers, then frames of a time stamp and lines of samples.

Colour Doppler's packages call each of the pulses sent along one line a line, too (the .yml lists it
as often), and in the file the pulses lie beside each other, sample by sample: that is not in
Clarius' description, but only so do neighbours in depth and in slow time resemble each other.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from core.format import UnreadableFile, UnwritableFile, arrange, file_order
from core.image import Image, Levels, Pixels
from plugins.formats.echoes.depth import coordinates

HEADER = struct.Struct("<5i")
KINDS = {1: "uint8", 2: "int16", 4: "int16"}  # bytes of a sample; of 4, two numbers: I and Q
LINE = re.compile(r"^ *- *(\{rx element:[^}\n]*\})", re.MULTILINE)
MHZ = 1e6


@dataclass(frozen=True)
class Head:
    """What the file begins with; `size` is that of a sample in bytes.

    `pulses` of the lines go along the same way.
    """

    id: int
    frames: int
    lines: int
    samples: int
    size: int
    pulses: int = 1

    @classmethod
    def of(cls, data: bytes) -> Head | None:
        """None: it is none."""
        if len(data) < HEADER.size + 8:
            return None
        found = cls(*HEADER.unpack_from(data))
        stamp = struct.unpack_from("<q", data, HEADER.size)[0]
        sane = 0 < found.frames < 1 << 20 and 0 < found.lines < 1 << 16 and stamp >= 0
        return found if sane and 0 < found.samples < 1 << 17 and found.size in KINDS else None

    @property
    def order(self) -> str:
        """Axes in the file's order."""
        return "txy" + ("q" if self.pulses > 1 else "") + ("c" if self.size == 4 else "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in the file's order."""
        several = (self.pulses,) if self.pulses > 1 else ()
        parts = (2,) if self.size == 4 else ()
        return self.frames, self.lines // self.pulses, self.samples, *several, *parts

    @property
    def frame(self) -> np.dtype[Any]:
        """A frame in the file."""
        return np.dtype([("time", "<i8"), ("data", KINDS[self.size], self.shape[1:])])


def header(path: Path) -> dict[str, Any]:
    """See Format.header."""
    head = _head(path)
    axes = "".join(letter for letter in head.order if letter not in "yx") + "yx"
    shape = [head.shape[head.order.index(letter)] for letter in axes]
    meta = {**_meta(head, path), **({"complex": True} if head.size == 4 else {})}
    return {"kind": _kind(head), "axes": axes, "shape": shape, "dtype": KINDS[head.size], **meta}


def read(path: Path) -> Image:
    """See Format.read."""
    head = _head(path)
    frames = np.memmap(path, head.frame, "r", HEADER.size, (head.frames,))
    view, axes = arrange(np.asarray(frames["data"]), head.order)
    stamps = np.asarray(frames["time"])
    meta = {**_meta(head, path), "order": head.order}
    if head.size == 4:
        meta["complex"] = True
    meta["clarius"]["times"] = stamps.tolist()
    said = meta["echoes"]
    delay = said.get("delay", 0)
    coords = coordinates(said, head.samples, delay)
    coords["t"] = (stamps - stamps[0]) / 1e9
    white = 255.0 if head.size == 1 else float("inf")
    return Image(view, axes, _kind(head), Levels(white=white), coords=coords, meta=meta)


def write(path: Path, image: Image, pixels: Pixels, source: Image) -> None:
    """See Format.write."""
    own = source.meta.get("clarius", {})
    parts = "c" in image.axes
    order = file_order(image, source) if own else "txyc" if parts else "txy"
    size = {("uint8", False): 1, ("int16", False): 2, ("int16", True): 4}.get(
        (str(pixels.dtype), parts)
    )
    fits = order in ("txy", "txyc") or (own and order in ("txyq", "txyqc"))
    if sorted(order) != sorted(image.axes) or size is None or not fits:
        raise UnwritableFile(
            f"{path.suffix} files can hold frames of lines, 8 or 16 bits, only: choose .npy or .h5."
        )
    at = [image.axes.index(letter) for letter in order]
    sizes = {letter: pixels.shape[image.axes.index(letter)] for letter in order}
    if parts and sizes["c"] != 2:
        raise UnwritableFile(f"{path.name} can hold I and Q, not other channels: choose .npy.")
    count, pulses = sizes["t"], sizes.get("q", 1)
    head = Head(int(own.get("id", 0)), count, sizes["x"] * pulses, sizes["y"], size, pulses)
    stamps = own.get("times", ())
    if len(stamps) != count:
        seconds = np.asarray(image.coords.get("t", np.arange(count) / 20.0), float)
        stamps = [round(1e9 * float(one)) for one in seconds]
    with path.open("wb") as file:
        file.write(HEADER.pack(head.id, count, head.lines, head.samples, size))
        for number, stamp in enumerate(stamps):
            block = np.asarray(pixels[number : number + 1]).transpose(at)
            file.write(struct.pack("<q", stamp))
            file.write(np.ascontiguousarray(block, KINDS[size]).data)
    text = own.get("yml") or _described(head, source)
    path.with_suffix(".yml").write_bytes(text if isinstance(text, bytes) else text.encode())


def _head(path: Path) -> Head:
    with path.open("rb") as file:
        head = Head.of(file.read(HEADER.size + 8))
    if head is None:
        raise UnreadableFile(f"{path.name} does not begin as Clarius raw data: copy it again.")
    need = HEADER.size + head.frames * head.frame.itemsize
    if path.stat().st_size != need:
        raise UnreadableFile(
            f"{path.name} says it has {need} bytes and has {path.stat().st_size}: copy it again."
        )
    return replace(head, pulses=_pulses(_text(path).decode("utf-8", "replace"), head.lines))


def _text(path: Path) -> bytes:
    """The .yml, where there is one."""
    beside = path.with_suffix(".yml")
    fine = beside.is_file() and beside.stat().st_size < 8 << 20
    return beside.read_bytes() if fine else b""


def _pulses(text: str, lines: int) -> int:
    """How often each line is listed one after the other, when all are equally often."""
    listed = LINE.findall(text)
    runs = [len(list(run)) for _, run in groupby(listed)]
    same = len(listed) == lines and len(set(runs)) == 1
    return runs[0] if same else 1


def _kind(head: Head) -> str:
    return "clip" if head.size == 1 else "rf"


def _meta(head: Head, path: Path) -> dict[str, Any]:
    """What the .yml says, and all of it for the writer."""
    found: dict[str, Any] = {"clarius": {"id": head.id}, "echoes": {"dtype": KINDS[head.size]}}
    data = _text(path)
    if not data:
        return found
    found["clarius"]["yml"] = data
    text = data.decode("utf-8", "replace")

    def number(name: str) -> float | None:
        hit = re.search(rf"^{name}: *([-+.\deE]+)", text, re.MULTILINE)
        try:
            return float(hit[1]) if hit else None
        except ValueError:
            return None

    said = {
        "sampling": (number("sampling rate"), MHZ),
        "centre": (number("transmit frequency"), MHZ),
        "rate": (number("frame rate"), 1.0),
        "delay": (number("delay samples"), 1.0),
    }
    for name, (value, unit) in said.items():
        if value is not None and np.isfinite(value):
            found["echoes"][name] = value * unit
    if hit := re.search(r"^type: *(.+?) *$", text, re.MULTILINE):
        found["echoes"]["type"] = hit[1]
    return found


def _described(head: Head, source: Image) -> str:
    """A short .yml for echoes that come from elsewhere."""
    said = source.meta.get("echoes", {})
    lines = ["# raw data parameters", "", f"frames: {head.frames}"]
    if "rate" in said:
        lines.append(f"frame rate: {said['rate']:g} Hz")
    if "centre" in said:
        lines.append(f"transmit frequency: {said['centre'] / MHZ:g} MHz")
    sizes = f"samples per line: {head.samples}, number of lines: {head.lines}"
    lines.append(f"size: {{{sizes}, sample size: {head.size} bytes}}")
    lines.append(f"type: {({1: 'B pre-scan', 2: 'RF', 4: 'IQ'})[head.size]}")
    if "sampling" in said:
        lines.append(f"sampling rate: {said['sampling'] / MHZ:g} MHz")
    return "\n".join([*lines, f"delay samples: {said.get('delay', 0):g}", ""])
