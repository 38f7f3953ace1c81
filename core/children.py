"""Child processes that host methods: start them, talk to them, end them.

The parent sends JSON lines, `core.guest` answers. Tiles lie in one mapped file per child that both
see, images in files; all of it in a private folder. Nothing is ever pickled.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, NoReturn

from core.child import pack
from core.files import make_folder
from core.guest import Reply
from core.image import Array, Image
from core.method import Cancelled, Method
from core.sheet import Sheet, make_map
from core.spawn import start_child

POLL = 0.02  # seconds between two looks at `cancelled`
GRACE = 0.2  # seconds that a cancelled method has to answer before its process is ended
LOG = 16 << 20  # bytes of printed text that are kept at most
LOAD = 300.0  # seconds to import a plugin and its libraries


class MethodCrashed(Exception):
    """A method took its process down. One sentence; `log` is the end of what it printed."""

    def __init__(self, sentence: str, log: str = "") -> None:
        super().__init__(sentence)
        self.log = log


@dataclass(frozen=True)
class Plugin:
    """Where a child finds a method's class."""

    module: str
    file: str
    name: str
    title: str

    @staticmethod
    def of(method: Method) -> Plugin:
        """The plugin of a method."""
        cls = type(method)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        return Plugin(cls.__module__, file, cls.__qualname__, cls.title or cls.id())


class Children:
    """Child processes by plugin, kept warm. Shared by all threads; close() ends them all."""

    def __init__(self, most: int = 0, memory: int = 0) -> None:
        self.most = most or os.cpu_count() or 1  # that wait for work
        self.memory = memory  # bytes that each may allocate on the CPU (Linux; 0: no bound)
        self._idle: list[Child] = []  # the one used last is at the end
        self._busy: list[Child] = []
        self._closed = False
        self._changed = threading.Condition()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Child]:
        with self._changed:
            return iter((*self._idle, *self._busy))

    def take(self, plugin: Plugin, key: str, cancelled: Callable[[], bool]) -> Child:
        """A child for one request; with a `key` the one that holds this state, if any does."""
        with self._changed:
            while True:
                if self._closed:
                    raise RuntimeError("The children are closed.")
                self._bury()
                mine = [child for child in self._idle if child.plugin == plugin]
                holds = [child for child in mine if not key or key in child.states]
                if holds or not any(key and key in child.states for child in self._busy):
                    break
                if cancelled():
                    raise Cancelled
                self._changed.wait(POLL)
            found = holds or mine
            child = found[-1] if found else Child(plugin, self.memory)
            if found:
                self._idle.remove(child)
            if not holds and key:
                child.states = (*child.states, key)  # who wants it, too, waits for this child
            self._busy.append(child)
            return child

    def give(self, child: Child) -> None:
        """Return a child; one that ended is forgotten, one too many ended."""
        with self._changed:
            self._busy.remove(child)
            self._idle.append(child)
            self._bury()
            while self._idle and (self._closed or len(self._idle) > self.most):
                self._idle.pop(0).end()
            self._changed.notify_all()

    def close(self) -> None:
        """End those that wait now, those at work when they are given back. No more after this."""
        with self._changed:
            self._closed = True
            while self._idle:
                self._idle.pop().end()
            self._changed.notify_all()

    def _bury(self) -> None:
        for child in [child for child in self._idle if not child.alive]:
            child.end()
            self._idle.remove(child)


class Child:
    """One child process with its folder. One thread at a time; `end()` leaves nothing behind."""

    def __init__(self, plugin: Plugin, memory: int) -> None:
        self.plugin = plugin
        self.states: tuple[str, ...] = ()
        self.folder = make_folder()
        self._given, self._found = Sheet(self.folder, "given"), Sheet(self.folder, "found")
        self._number = 0
        self._replies: SimpleQueue[Reply | None] = SimpleQueue()
        try:
            (self.folder / "log").touch()
            self._wish = make_map(self.folder / "cancel", 8)
            self.process, lifeline = _started()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        pipes = self.process.stdout, self._replies
        threading.Thread(target=_listen, args=pipes, name="child", daemon=True).start()
        maps = self._wish, self._given, self._found
        self.end = weakref.finalize(self, _end, self.process, self.folder, maps, lifeline)
        self._begun, self._loaded = time.monotonic(), False
        where = {"module": plugin.module, "file": plugin.file, "class": plugin.name}
        place = {"folder": str(self.folder), "lifeline": lifeline[:1]}
        self._send({"what": "method", "memory": memory, **place, **where})

    @property
    def alive(self) -> bool:
        """Can it be asked?"""
        return self.end.alive and self.process.poll() is None and self.folder.is_dir()

    def load(self, cancelled: Callable[[], bool]) -> Reply:
        """Wait until the plugin is loaded. Cancelled, it goes on loading, for the next who asks."""
        if self._loaded:
            return {}
        reply = self._next(self._number, cancelled, self._begun + LOAD - time.monotonic())
        self._loaded = True
        return reply

    def ask(
        self, request: Mapping[str, Any], cancelled: Callable[[], bool], seconds: float
    ) -> Generator[float, None, Reply]:
        """The reply to a request; yields progress before. `seconds`: for each of them.

        Raises Cancelled and MethodCrashed. Left before its end, the child is told to stop, and
        ended when it does not within GRACE.
        """
        number, done = self._send(request), False
        try:
            while True:
                reply = self._next(number, cancelled, seconds)
                if "progress" not in reply:
                    done = True
                    return reply
                yield float(reply["progress"])
        finally:
            if not done and self.end.alive:
                self._stop(number)

    def put(self, arrays: Sequence[Array]) -> dict[str, Any]:
        """Lay arrays where the child finds them; returns where, as JSON."""
        with self._room():
            return self._given.lay(arrays)

    def get(self, laid: Mapping[str, Any]) -> list[Array]:
        """Copies of the arrays that the child laid."""
        return [view.copy() for view in self._found.see(laid)]

    @contextlib.contextmanager
    def shown(self, image: Image) -> Generator[Path]:
        """A folder that holds an image. POSIX removes it while a state may still map it."""
        folder = self.folder / f"image{self._number}"
        try:
            with self._room():
                folder.mkdir()
                (folder / "image.json").write_text(json.dumps(pack(image, folder)), "utf-8")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _room(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            place = tempfile.gettempdir()
            raise OSError(
                f"{self.plugin.title} needs room in {place}: free some disk space"
            ) from None

    def _send(self, request: Mapping[str, Any]) -> int:
        self._number += 1
        line = json.dumps({**request, "number": self._number}).encode() + b"\n"
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # a child that died says so by its exit status
            self.process.stdin.write(line)
            self.process.stdin.flush()
        return self._number

    def _next(self, number: int, cancelled: Callable[[], bool], seconds: float) -> Reply:
        """The next reply to a request. Raises Cancelled as soon as it is wished."""
        begin = time.monotonic()
        while True:
            if cancelled():
                raise Cancelled
            with contextlib.suppress(Empty):
                reply = self._replies.get(timeout=POLL)
                if reply is None:
                    self._crashed()
                if reply["number"] == number:
                    return reply
                continue
            if self.process.poll() is not None and self._replies.empty():
                self._crashed()  # though a process it started holds the pipe
            if time.monotonic() - begin > seconds:
                log = self._log()
                self.end()
                what = f"{self.plugin.title} did not answer for {seconds / 60:.0f} minutes"
                raise MethodCrashed(f"{what} and was ended: choose another method.", log)
            self._trim()

    def _stop(self, number: int) -> None:
        struct.pack_into("q", self._wish, 0, number)
        until = time.monotonic() + GRACE
        with contextlib.suppress(Empty):
            while (left := until - time.monotonic()) > 0:
                reply = self._replies.get(timeout=left)
                if reply is None:
                    break
                if reply["number"] == number and "progress" not in reply:
                    return
        self.end()

    def _crashed(self) -> NoReturn:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it closed its pipe, yet lives
            self.process.wait(1.0)
        status, log = self.process.poll(), self._log()
        self.end()
        raise MethodCrashed(_obituary(self.plugin.title, status), log)

    def _trim(self) -> None:
        """Cut what the child printed when it is too much (it appends)."""
        with contextlib.suppress(OSError):
            if (self.folder / "log").stat().st_size > LOG:
                os.truncate(self.folder / "log", 0)

    def _log(self) -> str:
        with contextlib.suppress(OSError), (self.folder / "log").open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 4096, 0))
            return file.read().decode("utf-8", "replace")
        return ""


def _started() -> tuple[subprocess.Popen[bytes], tuple[int, ...]]:
    """A child, and the two ends of its lifeline: a pipe that says nothing and ends with us.

    (Not the pipe of requests: the kernel tells of what is written only after the reader may have
    taken it, so that a signal about a request could come while it is worked on.)
    """
    if sys.platform == "win32":
        return start_child(subprocess.PIPE), ()
    theirs, ours = os.pipe()
    try:
        process = start_child(subprocess.PIPE, (theirs,))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return process, (theirs, ours)


def _obituary(title: str, status: int | None) -> str:
    if status is not None and status < 0:
        if sys.platform != "win32" and -status == signal.SIGKILL:
            return (
                f"{title} was ended by the system, most likely because memory ran out: "
                "close other programs, then try again."
            )
        name = signal.strsignal(-status) or f"signal {-status}"
        return f"{title} crashed ({name}): try again, or choose another method."
    return f"{title} ended its process (status {status}): try again, or choose another method."


def _listen(pipe: IO[bytes], replies: SimpleQueue[Reply | None]) -> None:
    with pipe:
        for line in pipe:
            with contextlib.suppress(ValueError):
                replies.put(json.loads(line))
    replies.put(None)


def _end(
    process: subprocess.Popen[bytes],
    folder: Path,
    maps: Sequence[mmap | Sheet],
    lifeline: Sequence[int],
) -> None:
    """End a child and all it started; remove its folder."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    process.wait()
    for ours in lifeline[1:]:
        os.close(ours)
    for each in maps:
        with contextlib.suppress(BufferError):
            each.close()
    shutil.rmtree(folder, ignore_errors=True)
