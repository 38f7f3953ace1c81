"""Images of many files: which format reads a folder, and how a target takes its name."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.format import Format, Output, UnreadableFile, UnwritableFile
from core.registry import Registry

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
LOOK = 64  # files of a folder that are asked what they are


def inside(folder: Path, most: int) -> Iterator[Path]:
    """Files in a folder and those below it, in order of their names; hidden ones are left out."""
    left = most
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith(".") or not path.is_file():
                continue
            if not left:
                return
            left -= 1
            yield path


def on_disk(path: Path) -> Path:
    """The file or folder that exists: of a path into an archive (`a.zip/series/1.dcm`) that one."""
    for one in (path, *path.parents):
        with contextlib.suppress(OSError):
            if one.is_file():
                return one
            if one.is_dir():
                break
    return path


def series_root(path: Path, listing: Sequence[Mapping[str, Any]]) -> Path:
    """The folder or archive that the files of a listing of series lie in; `path` was opened."""
    held = on_disk(path)
    if held != path or held.is_dir():
        return held
    beside = (held.parent / str(one.get("file") or held.name) for one in listing)
    return held.parent if any(one.exists() and one != held for one in beside) else held


def series_name(one: Mapping[str, Any]) -> str:
    """`3: T1 axial (MR, 24 pictures)`: an entry of a listing in words."""
    name = str(one.get("description") or "without a name")
    number = f"{one['number']}: " if one.get("number") else ""
    count = int(one.get("pictures") or 0)
    pictures = f"{count} picture{'s' if count != 1 else ''}"
    return f"{number}{name} ({', '.join(filter(None, (one.get('modality'), pictures)))})"


def find_folder_format(registry: Registry, folder: Path) -> Format:
    """Who reads the files of this folder as one image. Raises UnreadableFile."""
    able = [found for found in registry.formats if found.folders]
    for path in inside(folder, LOOK):
        with contextlib.suppress(OSError), path.open("rb") as file:
            head = file.read(4096)
            for found in able:
                with contextlib.suppress(Exception):  # a plugin that stumbles does not know it
                    if found.sniff(head, path.name):
                        return found
    name = folder.name or str(folder)
    known = " or ".join(found.title for found in able)
    raise UnreadableFile(
        f"{name} is a folder{f' without {known} files' if known else ''}: name the files in it."
    )


def may_write(path: Path, sources: tuple[Path, ...], output: Output, folder: Format | None) -> None:
    """Raises UnwritableFile where a target may not be made. `folder`: who will make it a folder."""
    if not path.parent.is_dir():
        raise UnwritableFile(f"The folder {path.parent} does not exist: create it first.")
    if not os.access(path.parent, os.W_OK):
        raise UnwritableFile(f"The folder {path.parent} may not be written to: choose another.")
    if not path.exists() and not path.is_symlink():
        return
    for source in sources:
        if source.exists() and path.exists() and os.path.samefile(source, path):
            raise UnwritableFile(f"{path.name} is the source itself: choose another name.")
        if path.is_dir() and source.resolve().is_relative_to(path.resolve()):
            raise UnwritableFile(f"{path.name} holds the source: choose another name.")
    if path.is_dir() and not folder:
        raise UnwritableFile(f"{path.name} is a folder: choose another name.")
    if path.is_dir() and folder and not path.is_symlink():
        held = list(path.iterdir())
        if not held:
            return
        if output.overwrite and not all(one.is_file() and folder.ours(one) for one in held):
            raise UnwritableFile(
                f"{path.name} holds files that Sordino did not write: choose another name."
            )
    elif folder:
        raise UnwritableFile(f"{path.name} is a file, and this needs a folder: choose another.")
    if not output.overwrite:
        raise UnwritableFile(f"{path.name} exists: allow overwriting or choose another name.")


def flush(path: Path) -> None:
    """Have the disk really hold a file, or a folder and its files.

    Windows cannot open a folder to say so.
    """
    if path.is_dir():
        for held in path.iterdir():
            flush(held)
        if sys.platform == "win32":
            return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_names(folder: Path) -> None:
    """Have the disk hold the names in a folder (which Windows cannot open)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_names(parts: tuple[Path, ...], paths: tuple[Path, ...]) -> None:
    """Give what was written its names: all of them, or on failure none.

    A folder, and the files of an image that has several, step aside until that is done.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        parts[0].replace(paths[0])
        return
    done: list[tuple[Path, Path | None]] = []
    try:
        for part, path in zip(parts, paths, strict=True):
            old = path.with_name(f".{path.name}.old-{os.getpid()}") if path.exists() else None
            if old:
                path.rename(old)
            done.append((path, old))
            part.replace(path)
    except OSError:
        for path, old in reversed(done):
            remove(path)
            if old:
                old.rename(path)
        raise
    for _, old in done:
        if old:
            remove(old)


def no_room(error: BaseException, part: Path) -> bool:
    """Did writing fail for want of room? Libraries hide that, or never notice: it is tried."""
    if "No space left" in str(error) or getattr(error, "errno", None) in FULL:
        return True
    try:
        with (part / "more" if part.is_dir() else part).open("ab") as file:
            file.write(bytes(1 << 16))
            os.fsync(file)
    except OSError as found:
        return found.errno in FULL
    return False


def remove(part: Path) -> None:
    """Leave nothing of a file or folder that was not finished."""
    with contextlib.suppress(OSError):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
