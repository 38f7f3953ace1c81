"""Opening and saving: every file is decoded by a child process, every export is read back."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from core.child import rich, samples, unpack
from core.folders import (
    find_folder_format,
    flush,
    flush_names,
    may_write,
    no_room,
    on_disk,
    remove,
    take_names,
)
from core.format import (
    Format,
    Output,
    UnreadableFile,
    UnwritableFile,
    arrange,
    file_order,
    suffix_of,
)
from core.image import Array, Image, Pixels
from core.lazy import FilePixels, slabs
from core.method import Cancelled
from core.registry import Registry
from core.spawn import start_child

PREFIX = "sordino-decode-"
SECONDS = 20.0  # of wall time for a decode, and two more per megapixel
DAY = 86400.0
IN_PLACE = 1 << 30  # bytes of samples from which an uncompressed file is not copied

Cancel = Callable[[], bool]


def never() -> bool:
    """Nobody cancels."""
    return False


class Decoder:
    """Runs decodes in child processes. `warm` keeps one started, so that files open sooner.

    Each child decodes one file: what one file broke no other file meets. Use as a context manager
    or close() it.
    """

    def __init__(self, warm: bool = False) -> None:
        self._warm = warm
        self._ready: subprocess.Popen[bytes] | None = start_child() if warm else None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the waiting child."""
        ready, self._ready, self._warm = self._ready, None, False
        if ready is not None:
            _end(ready)

    def decode(self, request: Mapping[str, Any], folder: Path, cancelled: Cancel) -> dict[str, Any]:
        """The child's reply to one request. Raises UnreadableFile or Cancelled."""
        process, self._ready = self._ready, None
        if process is None or process.poll() is not None:
            process = start_child()
        try:
            _wait(process, request, folder, cancelled)
            name = Path(request["path"]).name
            reply = _reply(process.returncode, folder, name)
        finally:
            _end(process)
        if self._warm:
            self._ready = start_child()
        if "error" in reply:
            raise UnreadableFile(str(reply["error"]))
        return reply


def find_format(registry: Registry, path: Path) -> Format:
    """Who reads this file, judged by its first 4 KiB. Raises UnreadableFile."""
    name = path.name or str(path)
    try:
        if path.is_dir():
            return find_folder_format(registry, path)
        if path.exists() and not path.is_file():
            raise UnreadableFile(f"{name} is not a regular file: copy its contents to one first.")
        held = on_disk(path)
        with held.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise UnreadableFile(f"{name} does not exist: check the name and the folder.") from None
    except PermissionError:
        raise UnreadableFile(f"{name} may not be read: ask its owner for permission.") from None
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{name} could not be opened: {_why(error)}.") from None
    if not head:
        raise UnreadableFile(f"{name} is empty: copy it again from where it came from.")
    for found in registry.formats:
        with contextlib.suppress(Exception):  # a plugin that stumbles does not know the file
            if (held == path or found.archives) and found.sniff(head, held.name):
                return found
    if held != path:
        raise UnreadableFile(f"{name} does not exist, {held.name} is a file: check the name.")
    for found in registry.formats:
        with contextlib.suppress(Exception):
            if found.describes(path):
                return found
    known = ", ".join(found.title for found in registry.formats)
    raise UnreadableFile(f"{name} is of no known format: convert it to one of {known}.")


def read_header(
    registry: Registry, path: Path, cancelled: Cancel = never, decoder: Decoder | None = None
) -> dict[str, Any]:
    """Kind, axes, shape, dtype and metadata without the pixels. Raises UnreadableFile."""
    with _folder() as folder:
        request = _request(find_format(registry, path), path, folder, "header")
        reply = (decoder or Decoder()).decode(request, folder, cancelled)
        return cast("dict[str, Any]", rich(reply["header"], _nothing))


def open_image(
    registry: Registry,
    path: Path,
    cancelled: Cancel = never,
    decoder: Decoder | None = None,
    axes: str = "",
) -> Image:
    """The image in a file, decoded by a child process; its pixels are mapped, read-only.

    `axes` names the dimensions in the file's order where the file cannot say it ("tyx" for an
    array). Raises UnreadableFile, and Cancelled when `cancelled()` became true.
    """
    image = _decode(find_format(registry, path), path, cancelled, decoder)
    return relabel(image, axes) if axes else image


def relabel(image: Image, axes: str) -> Image:
    """The same numbers with other axes, given in the file's order. Raises UnreadableFile."""
    order = str(image.meta.get("order", image.axes))
    lazy = isinstance(image.pixels, FilePixels)
    pixels: Any = image.pixels if lazy else np.asarray(image.pixels[...])
    pixels = pixels.transpose([image.axes.index(letter) for letter in order])
    try:
        view, found = arrange(pixels, axes)
    except ValueError as error:
        raise UnreadableFile(f"{Path(image.path).name} cannot be opened so: {error}.") from None
    meta = {**image.meta, "order": axes}
    return replace(image, pixels=view, axes=found, meta=meta)


def save_image(
    registry: Registry,
    path: Path,
    image: Image,
    source: Image,
    output: Output | None = None,
    cancelled: Cancel = never,
) -> Path:
    """Write an image beside its target, read it back, compare, then rename; returns the path.

    `source` is what the image was made from: its metadata is kept and its file never touched.
    On any failure nothing is left. Raises UnwritableFile, or Cancelled.
    """
    output = output or Output()
    writer = find_writer(registry, path, image)
    folder = writer.folder_for(path, image)
    path = folder or path
    paths = (*writer.companions(path), path)
    sources = _sources(writer, image, source)
    for one in paths:
        may_write(one, sources, output, writer if folder else None)
    expected = writer.stored(image, output)
    size = math.prod(expected.shape) * expected.dtype.itemsize
    need = 1.1 * size / (4 if writer.tolerance else 1) + (4 << 20)
    if shutil.disk_usage(path.parent).free < need:
        raise UnwritableFile(f"{path.name} needs {need / 1e6:.0f} MB: free that much on the disk.")
    suffix = "" if folder else suffix_of(path)
    part = path.with_name(f".{path.name.removesuffix(suffix)}.part-{os.getpid()}{suffix}")
    parts = (*writer.companions(part), part)
    try:
        writer.write(part, image, source, output)
        if cancelled():
            raise Cancelled
        back = _decode(writer, part, cancelled)
        if not _same(back, expected, file_order(image, source), writer.tolerance):
            raise UnwritableFile(f"{path.name} read back differently: try another format.")
        for one, other in zip(paths, parts, strict=True):
            flush(other)
            may_write(one, sources, output, writer if folder else None)  # as it is by now
        take_names(parts, paths)
        flush_names(path.parent)
    except (UnreadableFile, UnwritableFile, OSError, RuntimeError) as error:
        if no_room(error, part):
            free = f"free {need / 1e6:.0f} MB or choose another disk"
            raise UnwritableFile(
                f"{path.name} was not written, the disk is full: {free}."
            ) from None
        if isinstance(error, UnreadableFile):
            said = f"{path.name} was written but not readable: {error}"
            raise UnwritableFile(said) from None
        if isinstance(error, OSError):
            raise UnwritableFile(f"{path.name} could not be written: {_why(error)}.") from None
        raise
    finally:
        for one in parts:
            remove(one)
    return path


def _sources(writer: Format, *images: Image) -> tuple[Path, ...]:
    """The files that images came from, and what belongs to them: none may be written to."""
    found = [on_disk(Path(image.path)) for image in images if image.path]
    ours = [one for one in found if suffix_of(one).lower() in writer.suffixes]
    return (*found, *(other for one in ours for other in writer.companions(one)))


def find_writer(registry: Registry, path: Path, image: Image) -> Format:
    """Who writes this kind of image under this suffix. Raises UnwritableFile."""
    suffix = suffix_of(path).lower()
    able = [found for found in registry.formats if suffix in found.writes]
    if not able:  # a folder has any name
        able = [found for found in registry.formats if found.folder_for(path, image)]
    for found in able:
        if image.kind in found.takes:
            return found
    if able:
        others = {name for found in registry.formats if image.kind in found.takes
                  for name in found.writes}  # fmt: skip
        hint = f"choose one of {', '.join(sorted(others))}" if others else "no format takes it"
        raise UnwritableFile(f"{suffix} files cannot hold such pixels ({image.kind}): {hint}.")
    known = ", ".join(sorted({name for found in registry.formats for name in found.writes}))
    raise UnwritableFile(f"{path.name} has no suffix that can be written: choose one of {known}.")


def _same(found: Image, expected: Pixels, order: str, tolerance: float) -> bool:
    """Are these the pixels? Where a file cannot name its axes, `order` does."""
    pixels = found.pixels
    if pixels.shape == expected.shape and pixels.dtype == expected.dtype:
        if tolerance:
            apart = [
                np.abs(pixels[part].astype(np.float32) - expected[part]).sum(dtype=np.float64)
                for part in slabs(pixels)
            ]
            return float(np.sum(apart)) <= tolerance * math.prod(pixels.shape)
        nan = expected.dtype.kind == "f"
        if all(np.array_equal(pixels[p], expected[p], equal_nan=nan) for p in slabs(pixels)):
            return True
    if len(pixels.shape) != len(order) or found.meta.get("order", order) == order:
        return False
    return _same(relabel(found, order), expected, order, tolerance)


def _decode(reader: Format, path: Path, cancelled: Cancel, decoder: Decoder | None = None) -> Image:
    name = path.name
    with _folder() as folder:
        request = _request(reader, path, folder, "image")
        reply = (decoder or Decoder()).decode(request, folder, cancelled)
        try:
            image = unpack(reply["image"], lambda number: _map(folder, number, path))
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise UnreadableFile(f"{name} was decoded to nonsense: {_why(error)}.") from None
    return replace(image, path=str(path))


def _request(reader: Format, path: Path, folder: Path, what: str) -> dict[str, str]:
    cls = type(reader)
    file = getattr(sys.modules[cls.__module__], "__file__", None) or ""
    return {
        "what": what,
        "path": str(path.resolve()),
        "folder": str(folder),
        "module": cls.__module__,
        "file": file,
        "format": cls.__name__,
        "in_place": str(IN_PLACE),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    if process.poll() is None:
        process.kill()
    process.wait()


def _wait(
    process: subprocess.Popen[bytes], request: Mapping[str, Any], folder: Path, cancelled: Cancel
) -> None:
    begin = time.monotonic()
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # a child that died says so by its exit status
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
    allowed, header = SECONDS, folder / "header.json"
    while process.poll() is None:
        if cancelled():
            raise Cancelled
        if allowed == SECONDS and header.exists():
            count = samples(json.loads(header.read_text(encoding="utf-8")))
            allowed = SECONDS + max(2 * count / 1e6, 1e-3)
        if time.monotonic() - begin > allowed:
            name = Path(request["path"]).name
            raise UnreadableFile(f"{name} takes too long to decode: it is probably damaged.")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def _reply(status: int, folder: Path, name: str) -> dict[str, Any]:
    reply = folder / "reply.json"
    if status == 0 and reply.exists():
        return json.loads(reply.read_text(encoding="utf-8"))
    if "No space left" in _log(folder):
        raise UnreadableFile(f"{name} needs room in {tempfile.gettempdir()}: free some disk space.")
    raise UnreadableFile(f"{name} made its decoder stop (status {status}): it is probably damaged.")


def _log(folder: Path) -> str:
    with contextlib.suppress(OSError), (folder / "log").open("rb") as file:
        return file.read(65536).decode("utf-8", "replace")
    return ""


def _map(folder: Path, number: int, path: Path) -> Array | FilePixels:
    """A read-only array on a file that is removed with it (on POSIX at once, when mapped).

    Large ones that lie in the source as they are stay there.
    """
    place = folder / f"{number}.json"
    if place.exists():
        known = json.loads(place.read_text(encoding="utf-8"))
        path = Path(known["file"])
        now = path.stat()
        stored, stamp = tuple(known["stored"]), (now.st_size, now.st_mtime_ns)
        order = tuple(range(len(stored)))
        return FilePixels(str(path), known["offset"], known["kind"], stored, order, stamp)
    mapped = np.load(folder / f"{number}.npy", mmap_mode="r", allow_pickle=False)
    if sys.platform == "win32":
        weakref.finalize(mapped._mmap, shutil.rmtree, folder, ignore_errors=True)
    return np.asarray(mapped)


def _nothing(number: int) -> Array:
    raise UnreadableFile("The header holds arrays, which it may not.")


def make_folder() -> Path:
    """A private folder on a disk; a 64 MB /dev/shm, usual in containers, ends in a bus error."""
    base = Path(tempfile.gettempdir())
    if base.is_relative_to("/dev/shm"):
        base = Path("/var/tmp")
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))


@contextlib.contextmanager
def _folder() -> Generator[Path]:
    folder = make_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Remove what runs that crashed have left: folders of a day ago (in use they live minutes)."""
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX) and entry.stat().st_mtime < time.time() - DAY:
                shutil.rmtree(entry.path, ignore_errors=True)


def _why(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
