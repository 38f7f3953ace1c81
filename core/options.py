"""What the command line understands, and what its options mean."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from core import __version__
from core.choose import BEST, BUDGETS
from core.desk import Desk
from core.format import UnreadableFile, UnwritableFile, suffix_of
from core.image import Image
from core.noise import text as noise_text
from core.noise.calibrate import Profile
from core.noise.model import Noise
from core.noise.text import SYNTAX
from core.places import cache_folder
from core.recipe import Recipe, Step, parse
from core.roster import Roster


class Usage(Exception):
    """Wrong usage; the message is one sentence."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message} (see: {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """Everything the command line understands."""
    top = _Parser(prog="sordino", description="Interactive image denoising.")
    top.add_argument("--version", action="version", version=f"sordino {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser("denoise", help="denoise files with a recipe")
    run.add_argument("inputs", nargs="+", metavar="IN")
    run.add_argument("-o", "--output", required=True, metavar="OUT_OR_FOLDER")
    run.add_argument(
        "--method", default=None, metavar="ID", help="a method, several as steps (a+b), or auto"
    )
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE",
        dest="further",
        help="a further image of the step that asks for it; of a series repeatedly",
    )
    run.add_argument(
        "--budget", default="balanced", choices=list(BUDGETS), help="time that auto may take"
    )
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    run.add_argument(
        "--tune", action="store_true", help="find the settings of the last step for this picture"
    )
    run.add_argument("--amount", type=float, default=None, help="blend of the result, 0..1")
    run.add_argument("--recipe", metavar="R.json", help="a recipe saved by the window")
    run.add_argument(
        "--noise",
        default="auto",
        metavar="MODEL",
        help=f"auto, {SYNTAX}; or a FILE (`noise --json`, a profile of `calibrate`, a sigma per"
        " slice, a map of sigmas)",
    )
    run.add_argument("--residual", metavar="FILE", help="write what was removed, too")
    run.add_argument("--noise-map", metavar="FILE", help="write the noise's sigma, too")
    run.add_argument("--axes", default="", help="axis letters of a plain array, such as zyx")
    run.add_argument(
        "--device", default="auto", help="auto: the faster; cpu, cuda, cuda:1, mps, xpu"
    )
    run.add_argument(
        "--precision", default="auto", help="auto: the faster that agrees; float32, bfloat16"
    )
    run.add_argument("--threads", type=int, metavar="N")
    run.add_argument("--tile", type=int, metavar="N", help="edge of a tile in pixels")
    run.add_argument(
        "--memory",
        metavar="GB",
        help="at most, of this machine and of each device; or by device: cpu=8,cuda:0=6",
    )
    run.add_argument("--overwrite", action="store_true")
    run.add_argument("--strip", action="store_true", help="leave out GPS, serials and owner")
    run.add_argument("--json", action="store_true")
    copy = commands.add_parser("convert", help="read and write: values and metadata unchanged")
    copy.add_argument("input", metavar="IN")
    copy.add_argument("output", metavar="OUT")
    copy.add_argument("--overwrite", action="store_true")
    listing = commands.add_parser("methods", help="list the methods and their settings")
    listing.add_argument("--json", action="store_true")
    _add_weights(commands)
    frames = commands.add_parser("calibrate", help="a camera's noise, from flat and bias frames")
    frames.add_argument("frames", nargs="+", metavar="FRAME", help="lit evenly, and without light")
    frames.add_argument(
        "-o", "--output", metavar="PROFILE.json", help="else it is kept for files of this camera"
    )
    frames.add_argument("--camera", default="", help="its name, where the files do not say it")
    frames.add_argument("--iso", type=float, default=0.0, help="where the files do not say it")
    frames.add_argument("--json", action="store_true")
    for name, text in (("noise", "measure the noise of a file"), ("info", "what a file is")):
        one = commands.add_parser(name, help=text)
        one.add_argument("input", metavar="IN")
        one.add_argument("--json", action="store_true")
        if name == "info":
            one.add_argument("--identifiers", action="store_true", help="show names of patients")
    return top


def _add_weights(commands: Any) -> None:
    """`weights import FILE`."""
    take = commands.add_parser("weights", help="networks of others as methods")
    take.add_argument("action", choices=["import"])
    take.add_argument("input", metavar="FILE", help=".safetensors, .pth, .ckpt or .onnx")
    take.add_argument("--licence", required=True, help="of the weights, as their maker says it")
    take.add_argument("--noise", required=True, metavar="SIGMA|LOW-HIGH",
                      help="noise that it was trained for, of 255")  # fmt: skip
    take.add_argument("--domain", default="white", choices=["white", "display"],
                      help="white Gaussian noise; or pictures as a screen shows them")  # fmt: skip
    take.add_argument("--title", default="", help="its name in the list; else that of the file")
    take.add_argument("--json", action="store_true")


def make_desk(args: argparse.Namespace) -> Desk:
    """Devices, threads, tile, memory. Raises Usage."""
    desk = Desk(roster=Roster(folder=cache_folder()))
    if args.threads is not None:
        if args.threads < 1:
            raise Usage("--threads is at least 1")
        desk.threads = args.threads
    if args.tile is not None:
        if args.tile < 16:
            raise Usage("--tile is at least 16")
        desk.tile = args.tile
    _choose_device(args.device, desk)
    if args.memory is not None:
        _allow(args.memory, desk)
    try:
        desk.roster.pin_precision("" if args.precision == "auto" else args.precision)
    except ValueError as error:
        raise Usage(str(error)) from None
    return desk


def _choose_device(name: str, desk: Desk) -> None:
    """Use the device that was named; without a name test what is there and take the faster."""
    if name == "auto":
        for sentence in desk.roster.look():
            print(f"sordino: {sentence}", file=sys.stderr)
        return
    if name != "cpu":
        from core.devices import check

        if reason := check(name):
            raise Usage(reason)
        for _ in desk.roster.look():
            pass
    try:
        desk.roster.pin(name)
    except ValueError as error:
        raise Usage(str(error)) from None


def _allow(text: str, desk: Desk) -> None:
    """Bound the memory of all devices ("8"), or of those that are named ("cpu=8,cuda:0=6")."""
    if "=" in text:
        given = [part.partition("=")[::2] for part in text.split(",")]
    else:
        given = [(device.name, text) for device in desk.roster.devices]
    limits: dict[str, int] = {}
    for name, number in given:
        if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d+)?", name := name.strip().lower()):
            raise Usage(f"--memory names devices as cpu, cuda:0, mps or xpu:0, not {name!r}")
        try:
            size = int(float(number) * 2**30)
        except (ValueError, OverflowError):
            raise Usage(f"--memory is a number of GB, not {number!r}") from None
        if size <= 0:
            raise Usage("--memory is more than 0")
        limits[f"{name}:0" if name in ("cuda", "xpu") else name] = size
    desk.memory = limits.pop("cpu", 0)
    desk.limits = limits
    if desk.memory:
        desk.cache.budget = min(desk.cache.budget, desk.memory // 4)


def make_recipe(args: argparse.Namespace, desk: Desk) -> tuple[Recipe, Noise | Profile | None]:
    """What the options ask for; the empty recipe stands for auto. `--set` wins over `--recipe`.

    The noise may be that of a camera, of which each file's ISO tells the model.
    """
    methods = desk.registry.methods
    recipe = Recipe()
    noise: Noise | Profile | None = None
    if args.recipe:
        try:
            text = Path(args.recipe).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise Usage(f"the recipe {args.recipe} cannot be read") from None
        recipe, noise = parse(text, methods, lambda path: open_file(desk, path))
    if args.method not in (None, "auto"):
        names = args.method.split("+")
        for name in names:
            if name not in methods:
                raise Usage(f"no method {name!r}; there are: {', '.join(methods)}, auto")
        recipe = Recipe(tuple(Step(methods[name]()) for name in names))
    if args.further:
        recipe = _with_inputs(args.further, recipe, lambda path: open_file(desk, path))
    if args.settings:
        recipe = _with_settings(args.settings, recipe, methods)
    if args.amount is not None:
        if not 0 <= args.amount <= 1:
            raise Usage("--amount lies between 0 and 1")
        recipe = recipe.with_amount(args.amount)
    if args.noise != "auto":
        noise = _noise_option(args.noise, lambda path: open_file(desk, path))
    return recipe, noise


def _with_inputs(further: list[str], recipe: Recipe, load: Callable[[str], Image]) -> Recipe:
    """The further images that were named, each for the first step whose method asks for it."""
    steps, given = list(recipe.steps), dict[str, list[str]]()
    for text in further:
        name, equals, path = text.partition("=")
        if not equals:
            raise Usage(f"--input takes NAME=FILE, not {text!r}")
        given.setdefault(name, []).append(path)
    for name, paths in given.items():
        asks = [n for n, s in enumerate(steps) if name in (*s.method.inputs, *s.method.series)]
        if not asks:
            raise Usage(f"no step asks for an image {name!r}: name its method by --method")
        if len(paths) > 1 and name not in steps[asks[0]].method.series:
            raise Usage(f"only one {name} image can be used")
        steps[asks[0]] = steps[asks[0]].with_series(name, map(load, paths))
    return Recipe(tuple(steps))


def _with_settings(settings: list[str], recipe: Recipe, methods: Any) -> Recipe:
    if not recipe.steps:
        recipe = Recipe((Step(methods[BEST]()),))
    last = recipe.steps[-1]
    values = last.method.settings()
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"--set takes NAME=VALUE, not {text!r}")
        values[name] = value
    try:
        method = type(last.method).make(values)
    except ValueError as error:
        raise Usage(str(error)) from None
    return Recipe((*recipe.steps[:-1], replace(last, method=method)))


def _noise_option(text: str, load: Callable[[str], Image]) -> Noise | Profile:
    """A model that was typed, or from a file: JSON, one sigma for each slice, or a map."""
    kinds = SYNTAX.replace(" or ", ", ").split(", ")
    if any(text.startswith(kind.partition(":")[0] + ":") for kind in kinds):
        try:
            return noise_text.parse(text)
        except ValueError as error:
            raise Usage(f"--noise {text!r} cannot be used: {error}") from None
    try:
        if Path(text).suffix.lower() not in (".json", ".txt", ".csv"):
            return _noise_image(load(text))
        given = Path(text).read_text("utf-8")
        if Path(text).suffix.lower() == ".json":
            data = json.loads(given)
            if "sordino-camera" in data:
                return Profile.from_json(data)
            found = noise_text.from_json(data.get("noise", data))
            if found is not None:
                return found
        else:
            return noise_text.per_slice(np.array(given.replace(",", " ").split(), np.float64))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnreadableFile):
        pass
    raise Usage(f"--noise {text!r} is neither auto, {SYNTAX}, nor a file with a noise model")


def _noise_image(image: Image) -> Noise:
    """Sigmas: one for each slice, a picture of them, or a volume of them."""
    values = np.asarray(image.samples[...], np.float32)
    if 1 in values.shape[-2:]:
        return noise_text.per_slice(values)
    if values.ndim > 3:
        raise ValueError("a noise map has at most three axes")
    return noise_text.mapped(values, image.axes[0] if values.ndim == 3 else "")


def targets(args: argparse.Namespace, desk: Desk) -> list[tuple[str, Path]]:
    """Sources and where their results go. Raises Usage or UnwritableFile."""
    out = Path(args.output)
    folder = len(args.inputs) > 1 or out.is_dir() or args.output.endswith("/") or not out.suffix
    if len(args.inputs) == 1 and Path(args.inputs[0]).is_dir() and not args.output.endswith("/"):
        folder = False  # a series becomes a series
    if not folder:
        return [(args.inputs[0], out)]
    if out.exists() and not out.is_dir():
        raise Usage(f"{out} is a file; several inputs need a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise UnwritableFile(f"The folder {out} cannot be made: choose another.") from None
    written = {suffix for f in desk.registry.formats for suffix in f.writes}
    pairs: list[tuple[str, Path]] = []
    for source in args.inputs:
        path = Path(source)
        own = suffix_of(path)
        suffix = own.lower() if own.lower() in written else _writable(path, desk)
        if path.is_dir():
            own = suffix = ""
        pairs.append((source, out / (path.name.removesuffix(own) + "-sordino" + suffix)))
    if len({target for _, target in pairs}) < len(pairs):
        raise Usage("two inputs have the same name: denoise them into different folders")
    return pairs


def _writable(path: Path, desk: Desk) -> str:
    """The suffix of a result where the source's own cannot be written: a RAW file's is a DNG."""
    from core.files import find_format

    try:
        return (find_format(desk.registry, path).writes or (".dng",))[0]
    except UnreadableFile:  # it says so when it is opened
        return ".dng"


def open_file(desk: Desk, path: str, axes: str = "") -> Image:
    """The image in a file. Raises UnreadableFile."""
    from core.job import Open

    return next(Open(path, axes)(desk, lambda: False)).image
