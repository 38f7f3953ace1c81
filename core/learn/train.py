"""Training of a denoising network: seeded, resumable, annealed at the end of a fixed budget.

Equal photographs, seed and budget give equal weights on one machine, however often a run was
interrupted: every batch follows from the seed and its number alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from core.image import Array
from core.learn.muon import Muon
from core.learn.patches import Pairs, Patches, Photograph, shrunk
from core.ops.unet import Shape, UNet, balanced, fresh, grown

EDGE = 64
EMA = 0.998
WARM = 0.04  # of the budget: the learning rate rises, then falls as a cosine
FLOOR = 5 / 255  # added to sigma in the loss, or noise-free patches would be all that counts
LEVELS = 15 / 255, 25 / 255, 50 / 255  # of the validation
CROP = 192
SAVE = 60.0  # seconds from one checkpoint to the next

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """All that decides what weights come out, besides the photographs."""

    shape: Shape
    samples: int  # patches in all
    seed: int = 0
    batch: int = 32
    rate: float = 4e-3
    muon: bool = True
    start: str = ""  # SHA-256 of the smaller network's weights that it grew from


class Batch(NamedTuple):
    """What Pairs.batch gives, on the device."""

    noisy: torch.Tensor
    clean: torch.Tensor
    guide: torch.Tensor
    sigma: torch.Tensor


class Training:
    """A network on its way. `step()` until `done`; `state()` is all that is needed to go on."""

    levels: ClassVar[tuple[float, ...]] = LEVELS  # of the validation
    share: ClassVar[float] = 1.0  # see core.ops.unet.grown
    floor: ClassVar[float] = FLOOR
    extras: ClassVar[int] = 0  # of the network's shape

    def __init__(
        self,
        run: Run,
        files: Sequence[Photograph],
        device: str = "cpu",
        start: Mapping[str, Array] | None = None,
    ) -> None:
        self.run, self.device = run, device
        self.net, self.ema = (self._begun(start).to(device) for _ in range(2))
        channels = run.shape.channels
        self._source = self.pairs(
            [s for f in files if not f.held for s in shrunk(f.path, channels)]
        )
        self._held = [shrunk(f.path, channels)[-1] for f in files if f.held]
        self._optimiser = self._steps()
        self._type = half(device)
        self.number, self.seconds, self.curve = 0, 0.0, list[dict[str, float]]()

    def _begun(self, start: Mapping[str, Array] | None) -> UNet:
        run = self.run
        return (
            grown(run.shape, start, run.seed, self.share) if start else fresh(run.shape, run.seed)
        )

    @property
    def seen(self) -> int:
        """Patches so far."""
        return self.number * self.run.batch

    @property
    def done(self) -> bool:
        """Is the budget spent?"""
        return self.seen >= self.run.samples

    def step(self) -> float:
        """One batch; returns its loss."""
        began = time.process_time()
        spent = self.seen / self.run.samples
        warm = min(1.0, (spent + 1e-9) / WARM)
        rate = self.run.rate * warm * 0.5 * (1 + math.cos(math.pi * spent))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        given = self._source.batch(self.number, self.run.batch)
        batch = Batch(*(torch.as_tensor(each).to(self.device) for each in given))
        with torch.autocast(torch.device(self.device).type, self._type, self._type is not None):
            parts = self.net.parts(batch.noisy, batch.guide)
        loss: Any = self.loss(batch, parts)
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self._optimiser.step()
        self.number += 1
        keep = min(EMA, (1 + self.number) / (10 + self.number))
        with torch.no_grad():
            for slow, fast in zip(self.ema.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        self.seconds += time.process_time() - began
        return float(loss.detach())

    def pairs(self, pictures: Sequence[Array]) -> Pairs:
        """What gives the batches."""
        return Patches(pictures, EDGE, self.run.seed)

    def loss(self, batch: Batch, parts: torch.Tensor) -> torch.Tensor:
        """What is to become small, from a batch and `UNet.parts` of it."""
        error = batch.noisy - parts - batch.clean
        return (error / (batch.sigma + self.floor)).square().mean()

    def spoiled(self, clean: Array, level: float, seed: int) -> tuple[Array, Array, Array]:
        """Of a clean picture (1, C, H, W): noisy and clean, and the guide."""
        noise = np.random.default_rng(seed).standard_normal(clean.shape, np.float32)
        noisy = clean + np.float32(level) * noise
        return noisy, clean, np.full((1, 1, 1, 1), level, np.float32)

    def validate(self) -> list[float]:
        """Mean PSNR in dB at each of `levels`, of the averaged weights, on pictures held back."""
        sums = [0.0] * len(self.levels)
        for seed, picture in enumerate(self._held):
            _, height, width = picture.shape
            edges = [min(CROP, size // self.run.shape.align * self.run.shape.align)
                     for size in (height, width)]  # fmt: skip
            y, x = (height - edges[0]) // 2, (width - edges[1]) // 2
            clean = picture[None, :, y : y + edges[0], x : x + edges[1]] * np.float32(1 / 255)
            for index, level in enumerate(self.levels):
                noisy, truth, *rest = self.spoiled(clean, level, seed)
                given = (torch.as_tensor(each).to(self.device) for each in (noisy, *rest))
                with torch.inference_mode():
                    found: Array = self.ema(*given).cpu().numpy()
                sums[index] -= 10 * math.log10(float(np.mean((found - truth) ** 2)))
        return [total / max(len(self._held), 1) for total in sums]

    def weights(self) -> dict[str, np.ndarray]:
        """The averaged weights, float16, the head's kernels with sum zero."""
        found = {name: each.detach().cpu() for name, each in self.ema.state_dict().items()}
        shape = self.run.shape
        found["head.weight"] = balanced(found["head.weight"], shape.channels, shape.guides)
        return {name: each.contiguous().numpy().astype(np.float16) for name, each in found.items()}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "run": asdict(self.run), "number": self.number, "seconds": self.seconds,
            "curve": self.curve, "net": self.net.state_dict(), "ema": self.ema.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was made."""
        self.number, self.seconds = state["number"], state["seconds"]
        self.curve = list(state["curve"])
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _steps(self) -> torch.optim.Optimizer:
        named = dict(self.net.named_parameters())
        if not self.run.muon:
            return torch.optim.Adam(named.values(), self.run.rate, betas=(0.9, 0.99))
        matrices = [each for name, each in named.items() if not name.startswith("tail")]
        return Muon(matrices, [named["tail.weight"]], self.run.rate)


def half(device: str) -> torch.dtype | None:
    """bfloat16 where the device has it, or None: emulated it is slow."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    known = dict(torch.cpu.get_capabilities())
    fast = any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return torch.bfloat16 if fast else None


def saved(checkpoint: Path) -> dict[str, Any] | None:
    """What a checkpoint holds, or None where there is none."""
    if not checkpoint.exists():
        return None
    return torch.load(checkpoint, map_location="cpu", weights_only=True)


def planned(state: dict[str, Any]) -> Run:
    """The run that a checkpoint belongs to."""
    rest: dict[str, Any] = dict(state["run"])
    return Run(Shape(**rest.pop("shape")), **rest)


def train(training: Training, checkpoint: Path, say: Say, stop: Callable[[], bool]) -> None:
    """Until the budget is spent or `stop()`; a checkpoint and a line of progress every minute."""
    last, loss = time.monotonic(), 0.0
    while not training.done and not stop():
        loss = training.step()
        if training.number <= 3 or time.monotonic() - last >= SAVE:
            _kept(training, checkpoint, say, loss)
            last = time.monotonic()
    _kept(training, checkpoint, say, loss)


def _kept(training: Training, checkpoint: Path, say: Say, loss: float) -> None:
    psnr = training.validate()
    row = {"samples": training.seen, "seconds": training.seconds, "loss": loss}
    row |= {f"{255 * sigma:.0f}": dB for sigma, dB in zip(training.levels, psnr, strict=True)}
    training.curve.append(row)
    partial = checkpoint.with_suffix(".part")
    torch.save(training.state(), partial)
    partial.replace(checkpoint)
    rate = training.seen / max(training.seconds, 1e-9)
    decibels = " / ".join(f"{dB:.2f}" for dB in psnr)
    say(
        f"{training.seen:>9} of {training.run.samples} patches, {training.seconds:.0f} CPU s, "
        f"{rate:.0f} a second, loss {loss:.4f}, PSNR {decibels}"
    )
