"""Damaged files of every format, made at random: each is read, or refused in one sentence.

    python tests/fuzz.py --minutes 10 --seed 3 [FOLDER…]

Files of all formats that can be written, and the small ones in the folders named, are mutated by
Hypothesis and opened as the window opens them. Wrong are a crash, a hang, more than 10 s of CPU or
1 GiB, a sentence that does not name the file, or anything left on the disk. What was found wrong is
made small by Hypothesis, kept beside, and told.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from core.format import Output  # noqa: E402
from core.registry import Registry, load  # noqa: E402
from tests.contract.test_formats import sample  # noqa: E402
from tests.judge import Judge  # noqa: E402

LARGE = 400_000  # bytes of a file that is too slow to mutate
HEAD = 600  # bytes in which headers lie: half of the damage is done there
SOME = 60  # cases until the clock is looked at
WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Damage:
    """One thing done to a file: where (0..1 of it, or of its head), what, with which number."""

    what: str
    place: float
    head: bool
    number: int

    def __call__(self, data: bytes) -> bytes:
        """The damaged bytes."""
        at = int(self.place * (min(HEAD, len(data)) if self.head else len(data)))
        if self.what == "flip" and at < len(data):
            return data[:at] + bytes([data[at] ^ (1 << self.number % 8)]) + data[at + 1 :]
        if self.what == "word":
            word = WORDS[self.number % len(WORDS)].to_bytes(4, "little" if self.head else "big")
            return data[:at] + word + data[at + 4 :]
        if self.what == "digit":  # of headers in words
            digits = [i for i in range(min(len(data), HEAD)) if 48 <= data[i] <= 57]
            if digits:
                at = digits[int(self.place * (len(digits) - 1))]
                return data[:at] + b"-99999999999"[self.number % 12 :] + data[at + 1 :]
        if self.what == "cut":
            return data[:at]
        if self.what == "lose":
            return data[:at] + data[at + 1 + self.number % 64 :]
        if self.what == "twice":
            return data[:at] + data[at : at + 1 + self.number % 256] + data[at:]
        return data


DAMAGES = st.builds(
    Damage,
    st.sampled_from(("flip", "word", "digit", "cut", "lose", "twice")),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 1000),
)


def written(registry: Registry, folder: Path) -> list[Path]:
    """A file of every format and suffix that can be written, and an archive of one."""
    made: list[Path] = []
    for one in registry.formats:
        for suffix in one.writes:
            image = sample(one.takes[0])
            path = folder / f"{one.title.split()[0].lower()}-{len(made)}{suffix}"
            one.write(path, image, image, Output())
            made.append(path)
    scan = next(path for path in made if path.suffix == ".dcm")
    made.append(folder / "archive.zip")
    with zipfile.ZipFile(made[-1], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(scan, "a.dcm")
    return made


def real(registry: Registry, folders: list[Path]) -> list[Path]:
    """Small files of known suffixes, at most three of each."""
    known = {suffix for one in registry.formats for suffix in one.suffixes}
    counts: Counter[str] = Counter()
    found: list[Path] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        suffix = path.suffix.lower()
        if path.is_file() and suffix in known and 0 < path.stat().st_size < LARGE:
            counts[suffix] += 1
            if counts[suffix] <= 3:
                found.append(path)
    return found


class Fuzz:
    """Opens damaged copies in a folder of its own."""

    def __init__(self, folder: Path, judge: Judge) -> None:
        self._folder, self._judge = folder, judge
        self.opened: Counter[bool] = Counter()  # read in spite of all?
        self.bad: Path | None = None

    def __call__(self, source: Path, damages: list[Damage]) -> None:
        """Damage a copy and open it. Raises AssertionError where that goes wrong."""
        place = self._folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for beside in source.parent.glob(f"{source.stem}.*"):  # the data of a header, or its header
            shutil.copy(beside, place)
        path = place / source.name
        data = source.read_bytes()
        for damage in damages:
            data = damage(data)
        path.write_bytes(data)
        temporary = self._folder / "temporary"
        temporary.mkdir(exist_ok=True)
        self.bad = path
        sentence = self._judge(path, temporary)
        self.bad = None
        self.opened[not sentence] += 1


def run(files: list[Path], fuzz: Fuzz, count: int, number: int) -> None:
    """So many cases. What goes wrong is made small."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

    @seed(number)
    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=quiet,
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(st.sampled_from(files), st.lists(DAMAGES, min_size=1, max_size=4))
    def each(source: Path, damages: list[Damage]) -> None:
        fuzz(source, damages)

    each()


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Open damaged files of every format.")
    parser.add_argument("folders", nargs="*", type=Path, help="real files to be damaged as well")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    registry = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        files = written(registry, folder / "whole") + real(registry, options.folders)
        judge = Judge()
        fuzz = Fuzz(folder, judge)
        until = time.monotonic() + 60 * options.minutes
        try:
            number = options.seed
            while time.monotonic() < until:
                run(files, fuzz, SOME, number)
                number += 1
        except AssertionError as error:
            kept = Path(tempfile.mkdtemp(prefix="fuzz-"))
            if fuzz.bad is not None:
                shutil.copytree(fuzz.bad.parent, kept, dirs_exist_ok=True)
            print(f"WRONG: {error}\nkept in {kept}")
            return 1
        finally:
            judge.close()
        total = fuzz.opened.total()
    print(f"{total} damaged files of {len(files)}: {fuzz.opened[True]} read, the others refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
