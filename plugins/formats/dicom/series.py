"""Which files belong together: the series in a folder or an archive, or that of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from core.folders import inside
from core.format import UnreadableFile
from plugins.formats.dicom.archive import members, packed
from plugins.formats.dicom.geometry import Frame, Stack, frames_of, stack
from plugins.formats.dicom.head import Head, is_directory, load, looks_like, numbers, text

MOST = 8000  # files of a folder that are looked at
NEAR = 1 << 16  # bytes of a file within which its series is named
VOLUMES = ("CT", "MR", "PT", "NM")  # whose slices belong together though they do not say where


@dataclass(frozen=True)
class Series:
    """The files that make an image, in order, and what stands in them."""

    heads: tuple[Head, ...]
    frames: tuple[Frame, ...]  # in the order of `heads`, of several in a file all
    stack: Stack
    folder: bool  # was a folder opened, or are there several files?
    listing: tuple[dict[str, Any], ...] = ()  # all series of the folder
    warnings: tuple[str, ...] = ()

    @property
    def head(self) -> Head:
        """Of the first slice."""
        return self.heads[0]

    @property
    def varying(self) -> bool:
        """Does a stored number mean something else in every slice?"""
        return len({(frame.slope, frame.intercept) for frame in self.frames}) > 1


def find(path: Path) -> Series:
    """The series that a folder or archive holds (that with most pictures) or a file is part of.

    A DICOMDIR stands for its folder. Of an archive the pixels are not to be read: see `unpacked`.
    """
    if path.is_dir():
        return largest(_placed(path), path.name)
    archive, chosen = packed(path)
    if archive is not None:
        with members(archive) as files:
            placed = [(one.place, cast("Path", one)) for one in files]
            return largest(placed, archive.name, chosen)
    if is_directory(path):
        return largest(_placed(path.parent), path.parent.name)
    head = load(path)
    others = _siblings(head) if head.frames == 1 else []
    return _made([head, *others], head, bool(others))


def _placed(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in inside(folder, MOST + 1):
        yield file.relative_to(folder).as_posix(), file


def largest(files: Iterable[tuple[str, Path]], name: str, chosen: str = "") -> Series:
    """The series with most pictures among files (with their places) that `name` holds.

    `chosen`: the place of a file; then its series. Raises UnreadableFile.
    """
    groups: dict[str, list[Head]] = {}
    first: dict[str, str] = {}  # place of a file of each series
    refused: list[str] = []
    count, wanted = 0, ""
    for place, file in files:
        count += 1
        if count > MOST:
            raise UnreadableFile(
                f"{name} holds more than {MOST} files: put the series into its own folder."
            )
        try:
            with file.open("rb") as opened:
                ours = looks_like(opened.read(4096), file.name)
            if not ours or is_directory(file):
                continue
            head = load(file)
        except (UnreadableFile, OSError) as error:
            refused.append(str(error))
            continue
        series = text(head.data, "SeriesInstanceUID") or file.name
        groups.setdefault(series, []).append(head)
        first.setdefault(series, place)
        wanted = series if place == chosen else wanted
    if not groups:
        why = refused[0] if refused else "name a file that is one."
        raise UnreadableFile(f"{name} holds no DICOM picture: {why}")
    if chosen and not wanted:
        raise UnreadableFile(f"{name} holds no DICOM picture {chosen}: check the name.")
    biggest = max(groups.values(), key=lambda heads: sum(head.frames for head in heads))
    biggest = groups[wanted] if wanted else biggest
    listing = tuple(_listed(heads, first[series]) for series, heads in groups.items())
    one = max(_alike(biggest).values(), key=len)[0]
    made = _made(biggest if one.frames == 1 else [one], one, True, listing)
    notes: list[str] = []
    if len(groups) > 1 and not wanted:
        notes.append(
            f"{name} holds {len(groups)} series, this is the largest: see the menu Scan, Series."
        )
    broken = [one for one in refused if "without a picture" not in one]
    if broken:
        notes.append(f"Of {len(broken)} files of {name} the first says: {broken[0]}")
    return replace(made, warnings=(*notes, *made.warnings))


def _listed(heads: list[Head], place: str) -> dict[str, Any]:
    """A line of the table of the series in a folder or archive; "file" in there opens it."""
    data = heads[0].data
    return {
        "description": text(data, "SeriesDescription"),
        "modality": text(data, "Modality"),
        "number": text(data, "SeriesNumber"),
        "pictures": sum(head.frames for head in heads),
        "file": place,
    }


def _siblings(head: Head) -> list[Head]:
    """The other files beside one that belong to its series."""
    uid = text(head.data, "SeriesInstanceUID")
    placed = numbers(head.data, "ImagePositionPatient", 3) is not None
    if not uid or not (placed or text(head.data, "Modality") in VOLUMES):
        return []
    found: list[Head] = []
    for count, file in enumerate(sorted(head.path.parent.iterdir())):
        if count >= MOST or file == head.path or file.name.startswith(".") or not file.is_file():
            continue
        try:
            with file.open("rb") as opened:
                named = uid.encode() in opened.read(NEAR)
            if not named:
                continue
            other = load(file)
        except (UnreadableFile, OSError):
            continue  # a series with a damaged slice is still a series
        if text(other.data, "SeriesInstanceUID") == uid and other.frames == 1:
            found.append(other)
    return found


def _alike(heads: list[Head]) -> dict[tuple[Any, ...], list[Head]]:
    """Files whose pictures can lie in one stack."""
    found: dict[tuple[Any, ...], list[Head]] = {}
    for head in heads:
        turn = numbers(head.data, "ImageOrientationPatient", 6) or ()
        key = (
            head.rows, head.columns, head.samples, head.kind, head.ends, head.photometric,
            head.frames == 1 or head.path, tuple(round(value, 2) for value in turn),
        )  # fmt: skip
        found.setdefault(key, []).append(head)
    return found


def _made(
    heads: list[Head], chosen: Head, folder: bool, listing: tuple[dict[str, Any], ...] = ()
) -> Series:
    """The stack of those files that fit to `chosen`."""
    warnings: list[str] = []
    alike = next(group for group in _alike(heads).values() if any(one is chosen for one in group))
    unique = {text(head.data, "SOPInstanceUID") or str(head.path): head for head in reversed(alike)}
    unique[text(chosen.data, "SOPInstanceUID") or str(chosen.path)] = chosen
    kept = {id(head) for head in unique.values()}
    alike = [head for head in alike if id(head) in kept]
    if len(alike) < len(heads):
        left = len(heads) - len(alike)
        warnings.append(f"Left out of the series, as copies or of another size or turn: {left}.")
    frames = [frame for head in alike for frame in frames_of(head)]
    made = stack(frames, alike[0])
    if len(alike) > 1:
        alike = [alike[i] for i in made.order]
        frames = [frames[i] for i in made.order]
        made = Stack(made.axes, made.sizes, tuple(range(len(frames))), made.coords, made.warnings)
    return Series(tuple(alike), tuple(frames), made, folder, listing, (*warnings, *made.warnings))
