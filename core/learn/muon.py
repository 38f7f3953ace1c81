"""Muon: momentum whose matrices are made orthogonal before each step; Adam for what is small.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the scale of the
steps: Liu et al., "Muon is scalable for LLM training", 2025.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

QUINTIC = 3.4445, -4.7750, 2.0315  # drives singular values near 1 in five iterations
STEPS = 5
MOMENTUM = 0.95
SCALE = 0.2  # root mean square of an update, as Adam's are
BETAS = 0.9, 0.99
TINY = 1e-8


class Muon(torch.optim.Optimizer):
    """Kernels (out, in, h, w) count as matrices (out, in h w). `adam`: parameters left to Adam."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        adam: Iterable[torch.nn.Parameter] = (),
        lr: float = 4e-3,
    ) -> None:
        groups = [
            {"params": list(matrices), "whiten": True},
            {"params": list(adam), "whiten": False},
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step with the gradients that are there."""
        for group in self.param_groups:
            take = self._whitened if group["whiten"] else self._adam
            for kernels in group["params"]:
                if kernels.grad is not None:
                    kernels.sub_(take(kernels), alpha=group["lr"])

    def _whitened(self, kernels: torch.Tensor) -> torch.Tensor:
        state, slope = self.state[kernels], kernels.grad
        assert slope is not None
        if "mean" not in state:
            state["mean"] = torch.zeros_like(kernels)
        state["mean"].mul_(MOMENTUM).add_(slope)
        ahead = slope.add(state["mean"], alpha=MOMENTUM)
        matrix = orthogonal(ahead.flatten(1))
        return matrix.mul_(SCALE * max(matrix.shape) ** 0.5).view_as(kernels)

    def _adam(self, kernels: torch.Tensor) -> torch.Tensor:
        state, slope = self.state[kernels], kernels.grad
        assert slope is not None
        if "mean" not in state:
            state["mean"], state["power"] = torch.zeros_like(kernels), torch.zeros_like(kernels)
            state["count"] = 0
        state["count"] += 1
        state["mean"].lerp_(slope, 1 - BETAS[0])
        state["power"].lerp_(slope.square(), 1 - BETAS[1])
        first, second = (1 - beta ** state["count"] for beta in BETAS)
        return state["mean"] / first / ((state["power"] / second).sqrt() + TINY)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with orthonormal rows (or columns), roughly: Newton-Schulz."""
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.t() if tall else matrix
    found = found / (found.square().sum().sqrt() + TINY)
    for _ in range(STEPS):
        gram = found @ found.t()
        found = a * found + (b * gram + c * (gram @ gram)) @ found
    return found.t() if tall else found
