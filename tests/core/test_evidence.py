"""The bound that teaches a network how far it may be from the truth: against sampling."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.distributions import InverseGamma, Normal

from core.learn import evidence


def exact(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(("scale", "prior"), [(0.7, 0.3), (0.2, 0.9), (0.5, 0.5)])
def test_the_closed_forms_are_what_sampling_finds(scale: float, prior: float) -> None:
    torch.manual_seed(0)
    told = InverseGamma(exact(evidence.POSTERIOR), exact(scale))
    before = InverseGamma(exact(evidence.PRIOR), exact(prior))
    drawn: Any = told.sample(torch.Size((400_000,)))
    apart = (told.log_prob(drawn) - before.log_prob(drawn)).mean()
    closed = evidence.divergence(exact(scale), exact(prior))
    assert float(closed) == pytest.approx(float(apart), abs=0.01)
    error = exact(0.9)
    bound = apart - Normal(0, drawn.sqrt()).log_prob(error).mean()
    widths = ((scale * 2) ** 0.5, (prior * 2) ** 0.5)
    found = evidence.bound(error, *map(exact, widths))
    assert float(found) == pytest.approx(float(bound), abs=0.02)


def test_the_best_deviation_is_that_of_the_errors() -> None:
    errors = 1.1 * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    told = torch.linspace(0.5, 2, 151)
    bound = evidence.bound(errors[:, None], told, torch.tensor(0.3)).mean(0)
    best = float(told[bound.argmin()])
    assert best == pytest.approx((float(errors.square().mean()) + 0.3**2) ** 0.5, abs=0.02)


def test_training_moves_the_deviation_alone_and_bears_outliers() -> None:
    error = torch.tensor([0.1, 2.0, 1e6], requires_grad=True)
    told = torch.ones(3, requires_grad=True)
    evidence.loss(error, told, torch.tensor(0.05)).sum().backward()
    assert error.grad is None
    assert told.grad is not None
    assert told.grad[0] > 0 > told.grad[1]
    assert -80 < float(told.grad[2]) < float(told.grad[1])
