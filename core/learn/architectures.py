"""Architectures: which network given weights belong to, told by the names and shapes of tensors.

Chains of convolutions (DnCNN: Zhang et al., IEEE TIP 2017; FFDNet and FDnCNN: Zhang, Zuo and Zhang,
IEEE TIP 2018) and our own U-Net are built here; spandrel, an optional extra, knows many more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from core.ops.unet import Shape, UNet

Tensors = Mapping[str, torch.Tensor]
Call = Callable[[torch.Tensor, float], torch.Tensor]  # (N, C, H, W) of about 0..1, sigma of 1
EXTRA = "pip install 'sordino[networks]'"
WRAPPERS = ("params_ema", "params", "state_dict", "model", "net", "netG")
_NUMBERED = re.compile(r"^(.*?)(\d+)\.(weight|bias|running_mean|running_var|num_batches_tracked)$")


@dataclass(frozen=True)
class Known:
    """A network that can be called, and what tiles need to know of it."""

    name: str
    channels: int  # 1 or 3
    told: bool  # is it told how much noise there is?
    call: Call
    halo: int = 0  # pixels that it looks far; 0: to be measured
    align: int = 1  # edges are multiples of this many pixels
    edge: int = 0  # it takes pictures of this size only; 0: of any


def plain(found: Any) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, out of the dictionaries that trainers put them into."""
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        table: Mapping[str, Any] = found  # pyright: ignore[reportUnknownVariableType]
        inner = next((table[n] for n in WRAPPERS if isinstance(table.get(n), Mapping)), None)
        if inner is None:
            tensors = {str(n): t for n, t in table.items() if isinstance(t, torch.Tensor)}
            if tensors:
                return {name.removeprefix("module."): t for name, t in tensors.items()}
            break
        found = inner
    raise ValueError("it holds no weights: a dictionary of tensors is needed")


def recognised(tensors: Tensors) -> Known:
    """The network of these weights. Raises ValueError in one sentence."""
    for look in (_own, _chain):
        found = look(tensors)
        if found is not None:
            return found
    return _by_spandrel(tensors)


def _own(tensors: Tensors) -> Known | None:
    """Our U-Net: core.ops.unet."""
    if "head.weight" not in tensors or "tail.weight" not in tensors:
        return None
    if any(name.endswith("bias") for name in tensors):
        return None
    levels = len({n.split(".")[1] for n in tensors if n.startswith("down.")}) + 1
    blocks = len({n.split(".")[2] for n in tensors if n.startswith("down.0.")})
    cells, width = tensors["tail.weight"].shape[:2]
    guides = tensors["head.weight"].shape[1] - cells
    shape = Shape(3 if cells % 3 == 0 else 1, width, blocks, 1 if cells in (1, 3) else 2, levels)
    try:
        net = UNet(shape)
        net.load_state_dict({name: t.float() for name, t in tensors.items()})
    except RuntimeError:
        return None
    net.requires_grad_(False).eval()
    if guides != 1:
        return None
    return Known(
        "unet", shape.channels, True, lambda x, s: net.denoise(x, s, _nothing),
        shape.reach, shape.align,
    )  # fmt: skip


class Chain(nn.Module):
    """Convolutions with ReLU between them; normalisation is folded into them."""

    def __init__(self, kernels: list[tuple[torch.Tensor, torch.Tensor | None]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for weight, bias in kernels:
            out, into, size, _ = weight.shape
            layer = nn.Conv2d(into, out, size, padding=size // 2, bias=bias is not None)
            layer.weight = nn.Parameter(weight)
            if bias is not None:
                layer.bias = nn.Parameter(bias)
            self.layers.append(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to as many channels as the last layer has."""
        for number, layer in enumerate(self.layers):
            x = layer(F.relu(x) if number else x)
        return x


def _chain(tensors: Tensors) -> Known | None:
    """DnCNN, FDnCNN or FFDNet, told by the channels that go in and come out."""
    kernels = _convolutions(tensors)
    if len(kernels) < 2:
        return None
    into, out = kernels[0][0].shape[1], kernels[-1][0].shape[0]
    net = Chain(kernels).requires_grad_(False).eval()
    reach = sum(weight.shape[2] // 2 for weight, _ in kernels)
    if into == out and out in (1, 3):
        return Known("dncnn", out, False, lambda x, _: x - net(x), reach)
    if into == out + 1 and out in (1, 3):
        return Known("fdncnn", out, True, lambda x, s: net(_with(x, s)), reach)
    if into == out + 1 and out in (4, 12):

        def call(x: torch.Tensor, sigma: float) -> torch.Tensor:
            return F.pixel_shuffle(net(_with(F.pixel_unshuffle(x, 2), sigma)), 2)

        return Known("ffdnet", out // 4, True, call, 2 * reach, 2)
    return None


def _with(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """A plane more, which says how much noise there is."""
    return torch.cat((x, torch.full_like(x[:, :1], sigma)), 1)


def _convolutions(tensors: Tensors) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Kernels and biases in order, normalisation folded in; none where it is no mere chain."""
    layers: dict[int, dict[str, torch.Tensor]] = {}
    prefixes: set[str] = set()
    for name, tensor in tensors.items():
        found = _NUMBERED.match(name)
        if found is None:
            return []
        prefixes.add(found[1])
        layers.setdefault(int(found[2]), {})[found[3]] = tensor.float()
    if len(prefixes) != 1:
        return []
    made: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for _, parts in sorted(layers.items()):
        weight, bias = parts.get("weight"), parts.get("bias")
        if weight is not None and weight.ndim == 4 and weight.shape[2] % 2:
            if made and made[-1][0].shape[0] != weight.shape[1]:
                return []
            made.append((weight, bias))
        elif "running_var" in parts and weight is not None and made:
            scale = weight / torch.sqrt(parts["running_var"] + 1e-5)
            kernel, before = made[-1]
            shift = (bias if bias is not None else 0) - parts["running_mean"] * scale
            shift = shift + (before * scale if before is not None else 0)
            made[-1] = kernel * scale[:, None, None, None], shift
        else:
            return []
    return made


def _by_spandrel(tensors: Tensors) -> Known:
    try:
        spandrel: Any = import_module("spandrel")
    except ImportError:
        raise ValueError(
            f"its architecture is not known here: {EXTRA} adds spandrel, which knows more"
        ) from None
    try:
        loaded = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(tensors))
    except Exception as error:
        raise ValueError(f"no architecture fits its tensors ({type(error).__name__})") from None
    told = loaded.architecture.name == "DRUNet"
    channels = loaded.output_channels
    if loaded.scale != 1 or channels not in (1, 3) or loaded.input_channels != channels:
        raise ValueError(f"it is no denoiser of grey or RGB pictures ({loaded.architecture.name})")
    net, size = loaded.model.requires_grad_(False).eval(), loaded.size_requirements
    align = max(size.multiple_of or 1, size.minimum or 1, 64 if size.square else 1)

    def call(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return net(_with(x, sigma) if told else x)

    return Known(loaded.architecture.name, channels, told, call, 0, align)


def _nothing() -> None:
    """Nobody asks within a layer: a tile's process is ended instead."""
