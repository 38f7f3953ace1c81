"""DICOM inside a zip archive: told without unpacking, unpacked within bounds to be read."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from core.folders import on_disk
from core.format import UnreadableFile
from plugins.formats.dicom.head import looks_like

MEMBERS = 20_000
UNPACKED = (1 << 30) - 1  # bytes of all pictures of an archive; more stay mapped files, which go
PACKED = 250  # times that a large member may be larger than what is stored of it
LARGE = 32 << 20  # bytes from which that is asked
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


class Member:
    """A file of an archive, read as those of a folder are."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._info = archive, info
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        self.place = "/".join(part for part in parts if part.strip("./") and ":" not in part)
        self.name = PurePosixPath(self.place).name
        self.st_size = info.file_size

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes."""
        return cast(BinaryIO, self._archive.open(self._info))

    def stat(self) -> Member:
        """Its size, by the name that os.stat has for it."""
        return self


def zipped(head: bytes, name: str) -> bool:
    """Is this a zip archive (and no array of NumPy)?"""
    return head[:4] == b"PK\3\4" and name.lower().endswith(".zip")


def packed(path: Path) -> tuple[Path | None, str]:
    """The archive that this is, or that a file of is named, and the name in there."""
    if path.is_dir():
        return None, ""
    held = on_disk(path)
    with held.open("rb") as file:
        if not zipped(file.read(4), held.name):
            return None, ""
    return held, path.relative_to(held).as_posix() if held != path else ""


@contextmanager
def members(path: Path) -> Generator[list[Member]]:
    """The DICOM files of an archive. Raises UnreadableFile for a damaged one, or a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield list(_pictures(path, archive))
    except RuntimeError as error:  # what zipfile raises where a password is wanted
        raise _refusal(path, "is locked with a password", error) from None
    except DAMAGED as error:
        raise _refusal(path, "is a damaged archive", error) from None


@contextmanager
def unpacked(path: Path) -> Generator[list[tuple[str, Path]]]:
    """Places in an archive and the DICOM files from there, for as long as they are needed."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, members(path) as files:
        found: list[tuple[str, Path]] = []
        for at, one in enumerate(files):
            place = Path(name, f"{at:05d}")  # names inside an archive may repeat, or climb
            place.mkdir()
            with one.open() as source, (place / one.name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            found.append((one.place, place / one.name))
        yield found


def _pictures(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    listed = archive.infolist()
    if len(listed) > MEMBERS:
        raise UnreadableFile(f"{path.name} holds more than {MEMBERS} files: unpack it first.")
    total = 0
    for info in listed:
        one = Member(archive, info)
        if info.is_dir() or not one.name or one.name.startswith("."):
            continue
        with one.open() as file:
            if not looks_like(file.read(4096), one.name):
                continue
        total += info.file_size
        if info.file_size > max(LARGE, PACKED * info.compress_size):
            raise UnreadableFile(
                f"{path.name} holds {one.name}, which would grow {PACKED} times and more when it"
                " is unpacked: it is damaged, or meant to do harm."
            )
        if total > UNPACKED:
            raise UnreadableFile(
                f"{path.name} would take more than 1 GB unpacked: unpack it and open the folder."
            )
        yield one


def _refusal(path: Path, what: str, error: Exception) -> UnreadableFile:
    why = (str(error) or type(error).__name__).splitlines()[0][:80].rstrip(".")
    if "password" in what:
        return UnreadableFile(f"{path.name} {what}: unpack it first.")
    return UnreadableFile(f"{path.name} {what} ({why}): copy it again.")
