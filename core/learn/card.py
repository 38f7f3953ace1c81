"""Card: what a learned method's networks are made from, what they can do, and where they end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "card.json"


@dataclass(frozen=True)
class Network:
    """One file of weights, and how it came about."""

    file: str  # beside the card
    sha256: str
    shape: Mapping[str, int]  # of core.ops.unet.Shape
    samples: int  # patches seen in training
    seconds: int  # of one CPU core
    psnr: Mapping[str, Mapping[str, float]]  # test set -> sigma of 255 -> dB


@dataclass(frozen=True)
class Card:
    """A model card, read from card.json in the method's folder."""

    data: str  # what it was trained on, one sentence
    licence: str
    noise: str  # the range it was trained for, one sentence
    limits: str  # what it cannot do, one sentence
    networks: Mapping[str, Network]
    folder: Path

    @property
    def words(self) -> str:
        """A few lines for people."""
        rows = [f"Trained on {self.data}", self.noise, self.limits, f"Licence: {self.licence}."]
        for name, network in self.networks.items():
            for what, figures in network.psnr.items():
                values = ", ".join(f"{dB:.2f} dB at σ {s}" for s, dB in figures.items())
                rows.append(f"{name}, {what}: {values}.")
        return "\n".join(rows)

    def plain(self) -> dict[str, Any]:
        """As JSON shows it."""
        networks = {name: asdict(network) for name, network in self.networks.items()}
        return {"data": self.data, "licence": self.licence, "noise": self.noise,
                "limits": self.limits, "networks": networks}  # fmt: skip

    def weights(self, name: str) -> tuple[Path, str]:
        """File and SHA-256 of a network's weights."""
        network = self.networks[name]
        return self.folder / network.file, network.sha256


def read(folder: Path) -> Card:
    """The card in a method's folder. Raises OSError, KeyError, TypeError: the plugin is broken."""
    data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    networks = {name: Network(**each) for name, each in data.pop("networks").items()}
    return Card(**data, networks=networks, folder=folder)
