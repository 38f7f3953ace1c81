"""Weights as safetensors: eight bytes of length, a JSON header, plain numbers. Nothing to execute.

The format is that of https://github.com/huggingface/safetensors, as its README describes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.image import Array

KINDS = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"),
         "I64": np.dtype("<i8"), "BF16": np.dtype("<u2")}  # fmt: skip
LARGEST = 2 << 30  # bytes
HEADER = 16 << 20


def save(path: Path, tensors: Mapping[str, Array], about: Mapping[str, str] | None = None) -> None:
    """Write arrays by name, and words about them. Raises OSError, ValueError (another dtype)."""
    names = {kind: name for name, kind in KINDS.items()}
    header: dict[str, Any] = {"__metadata__": dict(about)} if about else {}
    parts: list[bytes] = []
    at = 0
    for name, array in tensors.items():
        kind = array.dtype.newbyteorder("<")
        if kind not in names:
            raise ValueError(f"{name}: weights of {array.dtype} cannot be written")
        parts.append(np.ascontiguousarray(array, kind).tobytes())
        span = [at, at + len(parts[-1])]
        header[name] = {"dtype": names[kind], "shape": list(array.shape), "data_offsets": span}
        at = span[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def load(path: Path, sha256: str = "") -> dict[str, Array]:
    """Arrays by name, as they are stored. `sha256`: of the whole file, checked where it is given.

    Raises ValueError in one sentence for a file that is damaged or not the one that was meant.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} is too large for weights.")
    data = path.read_bytes()
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path.name} is damaged: install Sordino again.")
    try:
        return _parsed(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path.name} holds no weights in safetensors: {error}") from None


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _parsed(data: bytes) -> dict[str, Array]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(HEADER, len(data) - 8):
        raise ValueError("its header is cut off")
    header, body = json.loads(data[8 : 8 + size]), memoryview(data)[8 + size :]
    found: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (int(n) for n in entry["data_offsets"])
        kind, shape = KINDS[entry["dtype"]], tuple(int(n) for n in entry["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        if not 0 <= begin <= end <= len(body) or end - begin != count * kind.itemsize:
            raise ValueError(f"{name} lies outside the file")
        array = np.frombuffer(body[begin:end], kind).reshape(shape)
        if entry["dtype"] == "BF16":  # the upper half of float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
        if kind.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are no numbers")
        found[name] = array
    return found
