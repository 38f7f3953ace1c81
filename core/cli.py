"""The command line: its commands, on the same core as the window.

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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import COMMANDS, catalogue
from core.byproducts import What
from core.desk import Desk
from core.folders import series_name, series_root
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.noise import text as noise_text
from core.noise.calibrate import Profile
from core.noise.measured import CANNOT_TELL, Measured
from core.noise.model import Noise, PoissonGaussian
from core.options import Usage, make_desk, make_recipe, open_file, parser, targets
from core.precision import FULL
from core.recipe import BadRecipe, Recipe
from core.registry import user_folder

if TYPE_CHECKING:
    from core.tune import Tuned

MANY = 8  # channels; of more not each is printed
OK, FAILED, USAGE, SOME, INTERRUPTED = 0, 1, 2, 3, 130


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


def _info(args: argparse.Namespace) -> int:
    from core.files import read_header

    header = read_header(Desk().registry, Path(args.input))
    if not args.identifiers:
        header.pop("identifiers", None)
    if args.json:
        print(json.dumps(header, ensure_ascii=False, default=str))
        return OK
    for line in _series(Path(args.input), header.pop("series", ())):
        print(line)
    for key, value in header.items():
        for name, item in value.items() if isinstance(value, dict) else ((None, value),):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            print(f"{key}{'.' + str(name) if name is not None else ''}: {item}")  # pyright: ignore[reportUnknownArgumentType]
    return OK


def _series(path: Path, listing: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each series of a folder or archive, with what opens it."""
    root = series_root(path, listing)
    return [f"series: {series_name(one)}: {root / str(one['file'])}" for one in listing]


def _noise(args: argparse.Namespace) -> int:
    desk = Desk()
    found = _measured(open_file(desk, args.input))
    if args.json:
        print(json.dumps(noise_report(found), ensure_ascii=False))
        return OK
    for line in noise_words(found):
        print(line)
    return OK


def noise_words(found: Measured) -> list[str]:
    """A measurement in words, a line each."""
    lines = [found.summary] if found.summary else []
    if len(found.channels) > MANY:
        verdicts = [c.verdict for c in found.channels]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        lines.append(f"{len(verdicts)} bands: {counts} (each of them: --json).")
    elif found.summary or not isinstance(found.model, PoissonGaussian):
        lines += [f"{c.verdict}: {c.why}" for c in found.channels]
    else:
        for c in found.channels:
            low, high = c.read_range or (None, None)
            read = f"{c.read:.4g} (between {low:.4g} and {high:.4g})" if low else "can't tell"
            lines.append(f"{c.name}: gain {c.gain:.4g}, read noise {read}: {c.verdict}. {c.why}")
    return [*lines, *found.notes]


def noise_report(found: Measured) -> dict[str, Any]:
    """A measurement as `sordino noise --json` prints it; `noise` is what `--noise FILE` reads."""
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
    pattern = found.pattern
    return {
        "model": found.model.kind,
        "noise": noise_text.to_json(found.model),
        "verdict": found.verdict,
        "summary": found.summary,
        "notes": list(found.notes),
        "channels": channels,
        "correlation": pattern and {"size": pattern.size, "at_lags": pattern.correlation},
        "unit": "stored values above black",
    }


def _measured(image: Image) -> Measured:
    from core.noise.estimate import measure

    return measure(image)


def _convert(args: argparse.Namespace) -> int:
    from core.job import Export

    desk = Desk()
    image = open_file(desk, args.input)
    output = Output(overwrite=args.overwrite)
    work = Export(image, PoissonGaussian((0.0,), (0.0,)), Recipe(), args.output, output=output)
    for _ in work(desk, lambda: False):
        pass
    return OK


def _denoise(args: argparse.Namespace) -> int:
    desk = make_desk(args)
    recipe, noise = make_recipe(args, desk)
    pairs = targets(args, desk)
    if len(pairs) > 1 and (args.residual or args.noise_map):
        raise Usage("--residual and --noise-map are for one file at a time")
    results: list[dict[str, Any]] = []
    errors: list[str] = []
    for source, target in pairs:
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


def _denoise_one(
    args: argparse.Namespace,
    desk: Desk,
    recipe: Recipe,
    given: Noise | Profile | None,
    source: str,
    target: Path,
) -> dict[str, Any]:
    from core.choose import choose
    from core.job import Export, Exported, Progress, Told

    image = open_file(desk, source, args.axes)
    why, measured, noise = "", None, None
    if given is None or isinstance(given, Profile):
        measured = _by_camera(image, given)
        noise = measured.model
    else:
        noise = given
    if not recipe.steps:
        methods, threads = desk.registry.methods, desk.threads
        recipe, why = choose(methods, image, measured, args.budget, threads)
        if args.amount is not None:
            recipe = recipe.with_amount(args.amount)
    known = measured is None or measured.verdict != CANNOT_TELL
    tuned = _tuned(image, noise, recipe, known, desk) if args.tune else None
    if tuned is not None:
        last = replace(recipe.steps[-1], method=tuned.method)
        recipe = Recipe((*recipe.steps[:-1], last))
    record = (("tuned", tuned.record()),) if tuned else ()
    output = Output(overwrite=args.overwrite, strip=args.strip)
    more: list[tuple[What, str | None]] = [
        ("residual", args.residual), ("noise", args.noise_map)
    ]  # fmt: skip
    work = Export(
        image, noise, recipe, str(target), output=output, record=record,
        byproducts=tuple((what, path) for what, path in more if path),
    )  # fmt: skip
    show = _Bar(f"{Path(source).name} -> {target}")
    done: Exported | None = None
    device, precision = "cpu", FULL
    for event in work(desk, lambda: False):
        if isinstance(event, Progress):
            show(event.done)
        elif isinstance(event, Told):
            device, precision = event.device, event.precision
            if event.news:
                print(f"sordino: {event.news}", file=sys.stderr)
        else:
            done = event
    show.end()
    assert done is not None
    if why:
        print(f"sordino: {why}", file=sys.stderr)
    last = recipe.steps[-1].method
    return {
        "file": str(done.path),
        "method": last.id(),
        "version": last.version,
        "settings": last.settings(),
        "amount": recipe.amount,
        "chosen": why,
        "tuned": tuned and tuned.record(),
        "noise": noise_text.to_json(noise),
        "device": device,
        "precision": precision,
        "seconds": round(done.seconds, 3),
        "megapixels_per_second": round(done.rate, 3),
        "peak_memory": _peak(),
    }


def _by_camera(image: Image, profile: Profile | None) -> Measured:
    """The noise by a profile, by the user's own one of this camera, or measured. Raises Usage."""
    from core.noise.profiles import calibrated

    found = calibrated(image, profile)
    if found is None and profile is not None:
        raise Usage(f"the profile of {profile.camera} does not fit {Path(image.path).name}")
    return found or _measured(image)


def _calibrate(args: argparse.Namespace) -> int:
    from core.calibration import Calibrate
    from core.noise import profiles
    from core.noise.calibrate import BadFrames

    show = _Bar(f"{len(args.frames)} frames")
    found: Profile | None = None
    work = Calibrate(tuple(args.frames), args.camera, args.iso)
    try:
        for event in work(Desk(), lambda: False):
            if isinstance(event, Profile):
                found = event
            else:
                show(event.done)
    except BadFrames as error:
        raise UnreadableFile(str(error)) from None
    assert found is not None
    target = Path(args.output) if args.output else profiles.path_of(found.camera)
    profiles.write(found, target)
    show.end()
    if args.json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
        return OK
    print(f"{found.camera}: {target}")
    for sensor in found.sensors:
        print(f"ISO {sensor.iso:g}: {sensor.words} {sensor.verdict}. {sensor.why}")
    return OK


def _weights(args: argparse.Namespace) -> int:
    from core.learn import imported

    if not (path := Path(args.input)).is_file():
        raise UnreadableFile(f"{path.name} does not exist: check the name and the folder.")
    try:
        low, high = imported.noise_range(args.noise)
        given = imported.Foreign(args.title, args.licence, low, high, args.domain)
        plugin, found = imported.take(path, given, user_folder())
    except ValueError as error:
        raise Usage(str(error)) from None
    if args.json:
        print(json.dumps({"method": plugin.stem, **asdict(found)}, ensure_ascii=False))
        return OK
    print(f"{plugin.stem}: {found.words}")
    return OK


def _tuned(image: Image, noise: Noise, recipe: Recipe, known: bool, desk: Desk) -> Tuned | None:
    """Settings of the last step for this picture; says how long that takes, and what it found.

    None where there is nothing to tune, or nothing to go by; it says so.
    """
    from core.tune import Tune, Tuned, seconds

    about = seconds(recipe.steps[-1].method, image, desk.threads)
    print(f"sordino: tuning, about {about:.0f} s", file=sys.stderr)
    try:
        *_, found = Tune(image, noise, recipe, known=known)(desk, lambda: False)
    except BadRecipe as error:
        print(f"sordino: not tuned. {error}", file=sys.stderr)
        return None
    assert isinstance(found, Tuned)
    print(f"sordino: {found.words}", file=sys.stderr)
    return found


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


RUN = dict(
    zip(
        COMMANDS,
        (_denoise, _convert, catalogue.methods, _noise, _info, _calibrate, _weights),
        strict=True,
    )
)
