"""The command line that trains a method's networks: each method's train.py says what it trains."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

Make = Callable[..., Any]  # core.learn.train.Training or one derived from it


@dataclass(frozen=True)
class Size:
    """A network's size, and how one of that size is trained."""

    width: int
    blocks: int
    rate: float
    batch: int
    muon: bool


SIZES = {
    "fast": Size(32, 1, 4e-3, 32, True),
    "balanced": Size(48, 2, 1.5e-3, 16, False),
}


def main(
    words: list[str] | None, about: str | None, folder: Path, kinds: Mapping[int, int], make: str
) -> int:
    """Returns the exit status. `kinds`: channels that there are, and how many guides each has;
    `make`: module and name of what trains, imported late.
    """
    args = _read(words, about, kinds)
    import importlib

    import torch

    from core.learn import weights
    from core.learn.patches import photographs
    from core.learn.train import Run, planned, saved, train
    from core.ops.unet import Shape

    torch.set_num_threads(args.threads)
    state = saved(args.out)
    if state is None and not args.samples:
        raise SystemExit("--samples is the budget of a new run")
    size = SIZES[args.size]
    module, name = make.split(":")
    kind = getattr(importlib.import_module(module), name)
    guides = kinds[args.channels]
    shape = Shape(args.channels, size.width, size.blocks, guides=guides, extras=kind.extras)
    start = weights.digest(args.grow) if args.grow else ""
    run = Run(
        shape, args.samples or 0, args.seed, size.batch, args.rate or size.rate, size.muon, start
    )
    if state is not None:
        run = planned(state)
        run = replace(run, samples=args.samples or run.samples)
    kernels = weights.load(args.grow) if args.grow and state is None else None
    files = photographs(args.folder, args.skip)
    training = kind(run, files, args.device, kernels)
    if state is not None:
        training.restore(state)
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    train(training, args.out, lambda line: print(line, flush=True), lambda: bool(stopped))
    if args.ship:
        ship(training, args.ship, folder)
    return 0 if training.done else 1


def _read(words: list[str] | None, about: str | None, kinds: Mapping[int, int]) -> Any:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("train", description=about, formatter_class=layout)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="fast")
    parser.add_argument("--channels", type=int, choices=kinds, default=min(kinds))
    parser.add_argument("--samples", type=int, help="patches in all; needed at the start")
    parser.add_argument("--rate", type=float, help="learning rate; a grown network wants a low one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grow", type=Path, help="weights of a smaller network to begin with")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")
    parser.add_argument("--ship", metavar="NAME", help="weights of the program to replace")
    parser.add_argument("--skip", nargs="*", default=[], help="words of files to leave out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


def ship(training: Any, name: str, folder: Path) -> None:
    """Write weights and their entry in the card; figures of quality belong to other weights."""
    from core.learn import weights
    from core.learn.card import FILE

    file = folder / f"{name}.safetensors"
    weights.save(file, training.weights())
    card = json.loads((folder / FILE).read_text(encoding="utf-8"))
    card["networks"][name] = {
        "file": file.name,
        "sha256": weights.digest(file),
        "shape": asdict(training.run.shape),
        "samples": training.seen,
        "seconds": round(training.seconds),
        "psnr": {},
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")
