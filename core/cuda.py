"""What only CUDA (and HIP, which answers to its name) has: pinned copies, streams, free memory."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from core.image import Array


def titles() -> list[str]:
    """What the devices are called, in torch's order."""
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def driver() -> str:
    """Version of the driver as far as it tells, and of the CUDA or HIP that torch was built for."""
    import torch

    versions: Any = torch.version
    built = versions.cuda or f"hip {versions.hip}"
    with contextlib.suppress(OSError):
        line = Path("/proc/driver/nvidia/version").read_text("utf-8").splitlines()[0]
        return f"{built}, {' '.join(line.split())}"
    return str(built)


def memory(device: str) -> tuple[int, int]:
    """Free and total bytes of a device; what torch keeps for itself unused counts as free."""
    import torch

    free, total = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + cached, total


def bound(device: str, size: int) -> None:
    """From now on this process gets no more bytes there than `size` (0: all); then it is told so.

    Asking for more raises OutOfMemoryError as a full device does, which runs less at a time.
    """
    import torch

    cuda: Any = torch.cuda
    total = cuda.mem_get_info(device)[1]
    cuda.set_per_process_memory_fraction(min(size / total, 1.0) if size else 1.0, device)


def release(device: str) -> None:
    """Give back what torch keeps unused: before a retry, and when another program needs it."""
    import torch

    with torch.cuda.device(device):
        torch.cuda.empty_cache()


def wait(device: str) -> None:
    """Until all work on the device is done: for timing."""
    import torch

    torch.cuda.synchronize(device)


class Lane:
    """One worker's way to a device: its own stream and its own pinned memory.

    Copies of one worker run beside kernels of another, and waiting sleeps instead of burning a
    core. Use upload(), the method and download() inside `with lane:`; one thread at a time.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._device = device
        self._stream: Any = torch.cuda.Stream(device)
        self._sent: Any = torch.cuda.Event(blocking=True)
        self._got: Any = torch.cuda.Event(blocking=True)
        self._up: Any = None  # pinned; its last copy must be over before it is written again
        self._down: Any = None
        self._inside = contextlib.ExitStack()

    def __enter__(self) -> Lane:
        import torch

        self._inside.enter_context(torch.cuda.device(self._device))
        self._inside.enter_context(torch.cuda.stream(self._stream))
        return self

    def __exit__(self, *_: object) -> None:
        self._inside.close()

    def upload(self, array: Array) -> Any:
        """A float32 tensor on the device; returns before it is there, as kernels do."""
        values = np.ascontiguousarray(array, np.float32)
        self._sent.synchronize()
        self._up = _room(self._up, values.size)
        pinned = self._up[: values.size].view(values.shape)
        pinned.numpy()[...] = values
        tensor = pinned.to(self._device, non_blocking=True)
        self._sent.record(self._stream)
        return tensor

    def download(self, tensor: Any) -> Array:
        """A float32 array of the device's values; waits for the kernels before it."""
        self._down = _room(self._down, tensor.numel())
        pinned = self._down[: tensor.numel()].view(tensor.shape)
        pinned.copy_(tensor, non_blocking=True)
        self._got.record(self._stream)
        self._got.synchronize()
        return pinned.numpy().copy()


def _room(buffer: Any, count: int) -> Any:
    import torch

    if buffer is not None and buffer.numel() >= count:
        return buffer
    return torch.empty(max(count, 1), dtype=torch.float32, pin_memory=True)
