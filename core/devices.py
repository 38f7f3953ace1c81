"""Devices that torch offers; imported on workers only."""

from __future__ import annotations

import torch


def check(name: str) -> str:
    """Why a device cannot be used, in one sentence; "" when it can."""
    try:
        torch.ones(4, device=name).sum().item()
    except Exception as error:
        reason = str(error).splitlines()[0].rstrip(".")
        return f"the device {name!r} cannot be used: {reason}"
    return ""
