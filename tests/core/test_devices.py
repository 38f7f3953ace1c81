from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.devices import CPU, Device, Fault, apply_fault, check, failure, found, in_flight, limit

REPO = Path(__file__).resolve().parents[2]


def test_devices_are_values_and_the_cpu_is_first() -> None:
    devices = found()
    assert devices[0] == CPU
    assert len(set(devices)) == len(devices)
    assert all(check(device.torch) == "" for device in devices)
    assert not any(device.fault for device in devices)
    assert Device("cuda:1").kind == "cuda"
    assert Device("cuda:1").label == "CUDA:1"


def test_check_says_why() -> None:
    assert check("cpu") == ""
    reason = check("nonsense")
    assert reason.startswith("the device 'nonsense' cannot be used: ")
    assert "\n" not in reason


def test_importing_devices_loads_no_torch() -> None:
    code = "import core.roster, core.cuda, core.isolate, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True, timeout=120)


def calls(fault: Fault, count: int) -> list[Any]:
    """What `count` calls on a device with this fault give: numbers or the names of errors."""
    results: list[Any] = []
    for number in range(count):
        try:
            results.append(apply_fault(fault, number, lambda: 10.0))
        except Exception as error:
            results.append(failure(error))
    return results


def test_faults_strike_when_they_should() -> None:
    assert calls(Fault(), 2) == [10, 10]
    assert calls(Fault("slow", seconds=0.0), 2) == [10, 10]
    assert calls(Fault("out-of-memory", every=3), 6) == [10, 10, "memory", 10, 10, "memory"]
    assert calls(Fault("out-of-memory"), 2) == ["memory", "memory"]
    assert calls(Fault("lost", after=2), 4) == [10, 10, "lost", "lost"]
    assert calls(Fault("unsupported", after=1), 3) == [10, "unsupported", "unsupported"]
    assert calls(Fault("wrong"), 1) == [pytest.approx(11.1)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), "memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (RuntimeError("CUDA error: device-side assert triggered"), "lost"),
        (RuntimeError("CUDA error: no kernel image is available for execution"), "lost"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "lost"),
        (RuntimeError("level_zero backend failed with error: 20"), "lost"),
        (NotImplementedError("'aten::x' is not currently implemented for the MPS"), "unsupported"),
        (RuntimeError("\"fold\" not implemented for 'Half'"), "unsupported"),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), ""),
        (NotImplementedError(), ""),
        (ValueError("out of memory"), ""),
        (ZeroDivisionError(), ""),
    ],
)
def test_errors_are_told_apart(error: Exception, kind: str) -> None:
    assert failure(error) == kind


def test_memory_decides_how_many_tiles_are_in_flight() -> None:
    assert limit(CPU) > 0
    assert in_flight(1000, 10, 10.0, 4) == 4
    assert in_flight(1000, 10, 50.0, 4) == 2
    assert in_flight(1000, 10, 1e9, 4) == 1
    assert in_flight(0, 10, 8.0, 4) == 1
    assert in_flight(1000, 0, 0.0, 4) == 4
