"""Devices: what they are, what one can hold, and what their errors mean. Workers import torch.

A Device is a value. Tests pass devices with a Fault: those compute on the CPU and fail as told.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

T = TypeVar("T")
Failure = Literal["", "memory", "unsupported", "lost"]
SHARE = 0.5, 0.8  # of the memory that is free: on the CPU, where others live, and elsewhere
LEAST = 2 << 30  # bytes that any device has


@dataclass(frozen=True)
class Fault:
    """How a device of a test fails. `kind` "" is no fault and costs nothing."""

    kind: Literal["", "slow", "wrong", "out-of-memory", "lost", "unsupported", "crash", "hang"] = ""
    every: int = 1  # out-of-memory: each call whose number (from 1) this divides
    after: int = 0  # lost, unsupported: all calls but the first so many
    seconds: float = 0.01  # slow: what each call takes longer

    def __bool__(self) -> bool:
        return bool(self.kind)


@dataclass(frozen=True)
class Device:
    """Where methods compute."""

    name: str = "cpu"  # "cuda:0", "mps", "xpu:0": in settings and on the command line
    title: str = "CPU"  # for people: "NVIDIA GeForce RTX 4090"
    torch: str = "cpu"  # what torch calls it
    driver: str = ""  # another driver is tested again
    fault: Fault = Fault()
    free: int = field(default=0, compare=False)  # bytes of its memory when it was found
    total: int = field(default=0, compare=False)  # (0: nobody knows)

    @property
    def kind(self) -> str:
        """Devices of one kind give equal pixels: "cpu", "cuda"."""
        return self.name.partition(":")[0]

    @property
    def label(self) -> str:
        """Short, for the status line: CPU, CUDA:0."""
        return self.name.upper()


CPU = Device()


def check(name: str) -> str:
    """Why a device cannot be used, in one sentence; "" when it can."""
    import torch

    try:
        torch.ones(4, device=name).sum().item()
    except Exception as error:
        return f"the device {name!r} cannot be used: {_line(error)}"
    return ""


def possible() -> bool:
    """Was torch built for more than the CPU? Read from its version file: importing takes 1 s."""
    if sys.platform == "darwin":
        return True
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    except OSError:  # in a bundle there is no source
        import torch

        versions: Any = torch.version
        return bool(versions.cuda or versions.hip or getattr(versions, "xpu", None))
    return bool(re.search(r"^(cuda|hip|xpu)\b[^=\n]*= *['\"]", text, re.MULTILINE))


def found() -> tuple[Device, ...]:
    """CPU first, then what torch offers. Wakes drivers, which may crash: see `core.selftest`."""
    import torch

    devices = [CPU]
    if torch.cuda.is_available():
        from core import cuda

        devices += [
            Device(f"cuda:{index}", title, f"cuda:{index}", cuda.driver())
            for index, title in enumerate(cuda.titles())
        ]
    if torch.backends.mps.is_available():
        import platform

        devices.append(Device("mps", "Apple GPU", "mps", platform.mac_ver()[0]))
    xpu: Any = getattr(torch, "xpu", None)
    if xpu is not None and xpu.is_available():
        for index in range(xpu.device_count()):
            properties = xpu.get_device_properties(index)
            driver = str(getattr(properties, "driver_version", ""))
            devices.append(Device(f"xpu:{index}", properties.name, f"xpu:{index}", driver))
    return CPU, *(_measured(device) for device in devices[1:])


def apply_fault(fault: Fault, number: int, call: Callable[[], T]) -> T:
    """Call number `number` (from 0) on a device with this fault. The only place of injection."""
    if fault.kind == "slow":
        time.sleep(fault.seconds)
    if fault.kind == "out-of-memory" and (number + 1) % fault.every == 0:
        raise _out_of_memory()
    if fault.kind == "lost" and number >= fault.after:
        raise RuntimeError("CUDA error: unspecified launch failure")
    if fault.kind == "unsupported" and number >= fault.after:
        raise NotImplementedError("The operator is not currently implemented for the MPS device.")
    if fault.kind == "crash":
        os.abort()
    if fault.kind == "hang":
        while True:
            time.sleep(1)
    result = call()
    if fault.kind == "wrong":
        wrong: Any = result
        if isinstance(wrong, dict):  # a method's layers
            layers = cast("dict[str, Any]", wrong)
            return cast("T", {name: layer * 1.1 + 0.1 for name, layer in layers.items()})
        return wrong * 1.1 + 0.1
    return result


def failure(error: BaseException) -> Failure:
    """What an error says of the device it came from; "" when it is the method's own."""
    text, name = str(error), type(error).__name__
    lower = text.lower()
    if isinstance(error, MemoryError) or name == "OutOfMemoryError":
        return "memory"
    if not isinstance(error, RuntimeError):  # NotImplementedError is one
        return ""
    if "out of memory" in lower or "can't allocate memory" in lower:
        return "memory"
    if "no kernel image" in lower or name == "AcceleratorError":
        return "lost"
    if "not currently implemented for the" in lower or "not implemented for '" in lower:
        return "unsupported"
    if "could not run" in lower and "backend" in lower:
        return "unsupported"
    backend = r"\b(cuda|cudnn|cublas|hip|miopen|mps|xpu|level[ _-]zero|sycl|nccl)"
    return "lost" if re.search(backend + r".*(error|fail|lost|status)", lower) else ""


def limit(device: Device) -> int:
    """Bytes that tiles in work may take on a device, from what is free now."""
    if device.torch == "cpu":
        from core.desk import free_memory

        return int(SHARE[0] * free_memory())
    return int(SHARE[1] * (memory(device.torch)[0] or LEAST))


def memory(name: str) -> tuple[int, int]:
    """Free and total bytes of what torch calls `name`; zeros where nobody knows."""
    import torch

    try:
        if name.startswith("cuda"):
            from core import cuda

            return cuda.memory(name)
        if name == "mps":
            mps: Any = torch.mps
            most = int(mps.recommended_max_memory())
            return most - int(mps.driver_allocated_memory()), most
        if name.startswith("xpu"):
            xpu: Any = torch.xpu
            free, total = xpu.mem_get_info(name)
            return int(free), int(total)
    except (AttributeError, RuntimeError):  # older torch or driver
        pass
    return 0, 0


def _measured(device: Device) -> Device:
    free, total = memory(device.torch)
    return replace(device, free=free, total=total)


def in_flight(limit: int, bytes_per_tile: int, cost: float, workers: int) -> int:
    """How many tiles may be worked on at once, at least 1.

    `cost` is what one takes at its peak, as a multiple of its own bytes (Needs.cost). The number
    decides only how fast it goes, never the result.
    """
    each = max(bytes_per_tile * max(cost, 1.0), 1.0)
    return max(1, min(workers, int(limit / each)))


def _out_of_memory() -> BaseException:
    try:
        import torch
    except ImportError:
        return MemoryError("out of memory")
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
