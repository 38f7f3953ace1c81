"""Devices that do not exist: they compute on the CPU and fail as told."""

from __future__ import annotations

from core.devices import Device, Fault


def fake(number: int = 0, fault: Fault = Fault("slow", seconds=0.0)) -> Device:  # noqa: B008
    return Device(f"fake:{number}", f"Fake {number}", "cpu", fault=fault)
