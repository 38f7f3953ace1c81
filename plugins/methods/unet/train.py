"""Train the networks of this method from a folder of photographs:

    python -m plugins.methods.unet.train FOLDER --size fast --channels 1 --samples 600000 \\
        --seed 0 --out grey.ckpt [--ship grey] [--skip cc_by_sa_ ...]

Stopped (Ctrl+C) and called again with the same --out it goes on where it was. The budget is fixed
at the start, as the learning rate falls to zero with it; another --samples later moves the schedule
there, and the weights are then none that can be made again. --ship NAME writes NAME.safetensors
beside this file and its entry in card.json when training ends; with a spent budget, that alone.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "fast": {"width": 32, "blocks": 1, "rate": 4e-3, "batch": 32, "muon": True},
    "balanced": {"width": 48, "blocks": 2, "rate": 2e-3, "batch": 16, "muon": False},
}


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("unet.train", description=__doc__, formatter_class=layout)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="fast")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--samples", type=int, help="patches in all; needed at the start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")
    parser.add_argument("--ship", metavar="NAME", help="weights of the program to replace")
    parser.add_argument("--skip", nargs="*", default=[], help="words of files to leave out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(words)

    import torch

    from core.learn.patches import photographs
    from core.learn.train import Run, Training, planned, saved, train
    from core.ops.unet import Shape

    torch.set_num_threads(args.threads)
    state = saved(args.out)
    if state is None and not args.samples:
        parser.error("--samples is the budget of a new run")
    size = SIZES[args.size]
    shape = Shape(args.channels, size["width"], size["blocks"])
    run = Run(shape, args.samples or 0, args.seed, size["batch"], size["rate"], size["muon"])
    if state is not None:
        run = planned(state)
        run = replace(run, samples=args.samples or run.samples)
    training = Training(run, photographs(args.folder, args.skip), args.device)
    if state is not None:
        training.restore(state)
    stopped: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, _: stopped.append(number))
    train(training, args.out, lambda line: print(line, flush=True), lambda: bool(stopped))
    if args.ship:
        ship(training, args.ship)
    return 0 if training.done else 1


def ship(training: Any, name: str, folder: Path = Path(__file__).parent) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
