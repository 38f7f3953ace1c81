"""The command line: denoise, convert, methods, noise, info. Same core as the window.

Exit codes: 0 done, 1 a file could not be read or written, 2 wrong usage, 3 some of several files
failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from core import __version__
from core.desk import Desk
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.method import Method
from core.noise.model import Measured, PoissonGaussian
from core.recipe import BadRecipe, Recipe, Step, noise_from_json, noise_to_json, parse
from core.roster import Roster
from core.selftest import cache_folder

COMMANDS = ("denoise", "convert", "methods", "noise", "info")
OK, FAILED, USAGE, SOME, INTERRUPTED = 0, 1, 2, 3, 130


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
    run.add_argument("--method", default=None, metavar="ID", help="a method, or auto (default)")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    run.add_argument("--amount", type=float, default=None, help="blend of the result, 0..1")
    run.add_argument("--recipe", metavar="R.json", help="a recipe saved by the window")
    run.add_argument(
        "--noise",
        default="auto",
        metavar="MODEL",
        help="auto, gaussian:SIGMA, poisson-gaussian:GAIN,READ, or a FILE (`noise --json`)",
    )
    run.add_argument("--axes", default="", help="axis letters of a plain array, such as zyx")
    run.add_argument(
        "--device", default="auto", help="auto: the faster; cpu, cuda, cuda:1, mps, xpu"
    )
    run.add_argument("--threads", type=int, metavar="N")
    run.add_argument("--tile", type=int, metavar="N", help="edge of a tile in pixels")
    run.add_argument("--memory", type=float, metavar="GB", help="for cached tiles, at most")
    run.add_argument("--overwrite", action="store_true")
    run.add_argument("--strip", action="store_true", help="leave out GPS, serials and owner")
    run.add_argument("--json", action="store_true")
    copy = commands.add_parser("convert", help="read and write: values and metadata unchanged")
    copy.add_argument("input", metavar="IN")
    copy.add_argument("output", metavar="OUT")
    copy.add_argument("--overwrite", action="store_true")
    listing = commands.add_parser("methods", help="list the methods and their settings")
    listing.add_argument("--json", action="store_true")
    for name, text in (("noise", "measure the noise of a file"), ("info", "what a file is")):
        one = commands.add_parser(name, help=text)
        one.add_argument("input", metavar="IN")
        one.add_argument("--json", action="store_true")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Never a traceback for a bad file."""
    _terminate_as_interrupt()
    try:
        args = parser().parse_args(argv)
        if args.command is None:
            raise Usage("no command given (see: sordino --help)")
        return RUN[args.command](args)
    except (Usage, BadRecipe) as error:
        print(f"sordino: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        return FAILED
    except (UnreadableFile, UnwritableFile, MemoryError, OSError) as error:
        print(f"sordino: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("sordino: interrupted; nothing partial was left.", file=sys.stderr)
        return INTERRUPTED


def _terminate_as_interrupt() -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not the main thread: the caller handles signals
        signal.signal(signal.SIGTERM, stop)


def _methods(args: argparse.Namespace) -> int:
    registry = Desk().registry
    methods = registry.methods
    for sentence in registry.broken.values():
        print(f"sordino: {sentence}", file=sys.stderr)
    if args.json:
        print(json.dumps({"methods": [describe(m) for m in methods.values()]}, ensure_ascii=False))
        return OK
    for name, method in methods.items():
        print(f"{name}: {method.title}. {_first_line(method)}")
        for c in method.controls():
            bounds = "|".join(c.choices) if c.choices else f"{c.minimum:g}..{c.maximum:g} {c.unit}"
            print(f"    {c.name}={c.default}  [{bounds.strip()}] {c.help}")
    return OK


def _first_line(method: type[Method]) -> str:
    return (method.__doc__ or "").strip().split("\n")[0]


def describe(method: type[Method]) -> dict[str, Any]:
    """A method as `sordino methods --json` prints it."""
    keys = ("name", "type", "default", "minimum", "maximum", "unit", "help")
    settings = [
        {key: getattr(c, key) for key in keys} | ({"choices": c.choices} if c.choices else {})
        for c in method.controls()
    ]
    return {
        "id": method.id(),
        "title": method.title,
        "family": method.family,
        "kinds": list(method.kinds),
        "axes": method.axes,
        "noise": method.assumption,
        "settings": settings,
    }


def _info(args: argparse.Namespace) -> int:
    from core.files import read_header

    header = read_header(Desk().registry, Path(args.input))
    if args.json:
        print(json.dumps(header, ensure_ascii=False, default=str))
        return OK
    for key, value in header.items():
        for name, item in value.items() if isinstance(value, dict) else ((None, value),):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            print(f"{key}{'.' + str(name) if name is not None else ''}: {item}")  # pyright: ignore[reportUnknownArgumentType]
    return OK


def _noise(args: argparse.Namespace) -> int:
    desk = Desk()
    found = _measured(_open(desk, args.input))
    if args.json:
        print(json.dumps(noise_report(found), ensure_ascii=False))
        return OK
    for c in found.channels:
        low, high = c.read_range or (None, None)
        read = "can't tell" if low is None else f"{c.read:.4g} (between {low:.4g} and {high:.4g})"
        print(f"{c.name}: gain {c.gain:.4g}, read noise {read}: {c.verdict}. {c.why}")
    return OK


def noise_report(found: Measured) -> dict[str, Any]:
    """A measurement as `sordino noise --json` prints it: var = gain * signal + read**2."""
    channels = [
        {
            "name": c.name,
            "gain": c.gain,
            "read": c.read,
            "read_range": c.read_range,
            "verdict": c.verdict,
            "why": c.why,
        }
        for c in found.channels
    ]
    return {"model": found.model.kind, "channels": channels, "unit": "stored values above black"}


def _measured(image: Image) -> Measured:
    from core.noise.estimate import measure

    return measure(image)


def _open(desk: Desk, path: str, axes: str = "") -> Image:
    from core.job import Open

    return next(Open(path, axes)(desk, lambda: False)).image


def _convert(args: argparse.Namespace) -> int:
    from core.job import Export

    desk = Desk()
    image = _open(desk, args.input)
    output = Output(overwrite=args.overwrite)
    work = Export(image, PoissonGaussian((0.0,), (0.0,)), Recipe(), args.output, output=output)
    for _ in work(desk, lambda: False):
        pass
    return OK


def _denoise(args: argparse.Namespace) -> int:
    desk = _desk(args)
    recipe, noise = _recipe(args, desk)
    targets = _targets(args, desk)
    results: list[dict[str, Any]] = []
    errors: list[str] = []
    for source, target in targets:
        try:
            results.append(_denoise_one(args, desk, recipe, noise, source, target))
        except (Usage, BadRecipe):
            raise
        except Exception as error:  # of a plugin, too: one file's failure is not the others'
            errors.append(_said(error, source))
            print(f"sordino: {errors[-1]}", file=sys.stderr)
    if args.json:
        report: dict[str, Any] = dict(results[-1]) if results else {}
        report.pop("file", None)
        report |= {"files": [r["file"] for r in results], "errors": errors}
        report["seconds"] = round(sum(r["seconds"] for r in results), 3)
        if len(results) > 1:
            report["results"] = results
        print(json.dumps(report, ensure_ascii=False))
    if not errors:
        return OK
    return FAILED if not results else SOME


def _said(error: Exception, source: str) -> str:
    from core.job import sentence

    text, name = sentence(error), Path(source).name
    return text if name in text else f"{name}: {text}"


def _desk(args: argparse.Namespace) -> Desk:
    desk = Desk(roster=Roster(folder=cache_folder()))
    if args.threads is not None:
        if args.threads < 1:
            raise Usage("--threads is at least 1")
        desk.threads = args.threads
    if args.memory is not None:
        if not args.memory > 0:
            raise Usage("--memory is more than 0")
        desk.memory = int(args.memory * 2**30)
        desk.cache.budget = min(desk.cache.budget, desk.memory // 4)
    if args.tile is not None:
        if args.tile < 16:
            raise Usage("--tile is at least 16")
        desk.tile = args.tile
    _choose_device(args.device, desk)
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


def _recipe(args: argparse.Namespace, desk: Desk) -> tuple[Recipe, PoissonGaussian | None]:
    """What the options ask for; the empty recipe stands for auto. `--set` wins over `--recipe`."""
    methods = desk.registry.methods
    recipe, noise = Recipe(), None
    if args.recipe:
        try:
            text = Path(args.recipe).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise Usage(f"the recipe {args.recipe} cannot be read") from None
        recipe, noise = parse(text, methods, lambda path: _open(desk, path))
    if args.method not in (None, "auto"):
        if args.method not in methods:
            raise Usage(f"no method {args.method!r}; there are: {', '.join(methods)}, auto")
        recipe = Recipe((Step(methods[args.method]()),))
    if args.settings:
        recipe = _with_settings(args.settings, recipe, methods)
    if args.amount is not None:
        if not 0 <= args.amount <= 1:
            raise Usage("--amount lies between 0 and 1")
        recipe = recipe.with_amount(args.amount)
    if args.noise != "auto":
        noise = _noise_option(args.noise)
    return recipe, noise


def _with_settings(settings: list[str], recipe: Recipe, methods: Any) -> Recipe:
    if not recipe.steps:
        from core.choose import BEST

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
    return Recipe((*recipe.steps[:-1], Step(method, last.amount)))


def _noise_option(text: str) -> PoissonGaussian:
    kind, _, numbers = text.partition(":")
    try:
        if kind == "gaussian":
            return PoissonGaussian((0.0,), (float(numbers),))
        if kind == "poisson-gaussian":
            gain, read = map(float, numbers.split(","))
            return PoissonGaussian((gain,), (read,))
        data = json.loads(Path(text).read_text("utf-8"))
        found = noise_from_json(data.get("noise", data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found = None
    if found is None:
        raise Usage(
            f"--noise {text!r} is neither auto, gaussian:SIGMA, poisson-gaussian:GAIN,READ, "
            "nor a file with a noise model"
        )
    return found


def _targets(args: argparse.Namespace, desk: Desk) -> list[tuple[str, Path]]:
    out = Path(args.output)
    folder = len(args.inputs) > 1 or out.is_dir() or args.output.endswith("/") or not out.suffix
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
        suffix = Path(source).suffix.lower()
        name = Path(source).stem + "-sordino" + (suffix if suffix in written else ".dng")
        pairs.append((source, out / name))
    if len({target for _, target in pairs}) < len(pairs):
        raise Usage("two inputs have the same name: denoise them into different folders")
    return pairs


def _denoise_one(
    args: argparse.Namespace,
    desk: Desk,
    recipe: Recipe,
    noise: PoissonGaussian | None,
    source: str,
    target: Path,
) -> dict[str, Any]:
    from core.choose import choose
    from core.job import Export, Exported, Progress, Told

    image = _open(desk, source, args.axes)
    why = ""
    if noise is None:
        noise = _measured(image).model
    if not recipe.steps:
        recipe, why = choose(desk.registry.methods, image)
        if args.amount is not None:
            recipe = recipe.with_amount(args.amount)
    output = Output(overwrite=args.overwrite, strip=args.strip)
    work = Export(image, noise, recipe, str(target), output=output)
    show = _Bar(f"{Path(source).name} -> {target}")
    done: Exported | None = None
    device = "cpu"
    for event in work(desk, lambda: False):
        if isinstance(event, Progress):
            show(event.done)
        elif isinstance(event, Told):
            device = event.device
        else:
            done = event
    show.end()
    assert done is not None
    last = recipe.steps[-1].method
    return {
        "file": str(done.path),
        "method": last.id(),
        "version": last.version,
        "settings": last.settings(),
        "amount": recipe.amount,
        "chosen": why,
        "noise": noise_to_json(noise),
        "device": device,
        "precision": "float32",
        "seconds": round(done.seconds, 3),
        "megapixels_per_second": round(done.rate, 3),
        "peak_memory": _peak(),
    }


def _peak() -> int:
    """Peak resident memory of the largest process in bytes (0 where the system is silent)."""
    try:
        import resource
    except ImportError:
        return 0
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN  # the decoder is a child
    peak = max(resource.getrusage(each).ru_maxrss for each in who)
    return peak if sys.platform == "darwin" else peak * 1024


class _Bar:
    """A progress bar on a terminal, else one line at the end, on stderr."""

    def __init__(self, title: str) -> None:
        self.title, self.live = title, sys.stderr.isatty()
        self.begin = time.monotonic()

    def __call__(self, done: float) -> None:
        if self.live:
            bar = "#" * round(done * 24)
            print(f"\r{self.title} [{bar:<24}] {done:4.0%}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        text = f"{self.title} done in {time.monotonic() - self.begin:.1f} s"
        print(f"\r\x1b[K{text}" if self.live else text, file=sys.stderr)


RUN = dict(zip(COMMANDS, (_denoise, _convert, _methods, _noise, _info), strict=True))
