"""The child's side of an isolated method: load it, then prepare and run it as often as asked.

Requests and replies are JSON lines; see `core.isolate` for the parent's side. Images and tiles lie
in the folder both know, as plain arrays. What the method prints goes to a log, its standard input
is empty: it cannot reach the protocol by accident.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import struct
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import astuple, fields
from mmap import mmap
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, cast

import numpy as np

from core.child import limit_data, plain, rich, unpack
from core.image import Array, Image
from core.method import Cancelled, Context, Method
from core.noise import text as noise_text
from core.registry import import_plugin
from core.sheet import Sheet
from core.tiles import Region

KEEP = 2  # prepared states that one child holds; the parent asks for an older one again
OFTEN = 0.02  # seconds between two reports of progress
ELSEWHERE = (
    "noise",
    "region",
    "inputs",
    "cancelled",
    "source",
    "say",
    "series",
)  # what is no plain value in a Context
Reply = dict[str, Any]
Say = Callable[[Reply], None]


def context_to_json(ctx: Context) -> dict[str, Any]:
    """A Context without what is ELSEWHERE. Raises ValueError: not every noise travels."""
    noise = noise_text.to_json(ctx.noise)
    if noise is None and ctx.noise is not None:
        raise ValueError(f"Plugins in a process of their own get no {ctx.noise.kind} noise model.")
    region = getattr(ctx, "region", None)
    names = [field.name for field in fields(ctx) if field.name not in ELSEWHERE]
    rest = {name: plain(getattr(ctx, name)) for name in names}
    return {"noise": noise, "region": plain(region and astuple(region)), "rest": rest}


def context_from_json(data: Mapping[str, Any], **more: Any) -> Context:
    """The reverse of context_to_json(), with the fields it leaves out."""
    rest = rich(data["rest"], _nothing)
    if data["region"] is not None:
        rest["region"] = Region(*rich(data["region"], _nothing))
    return Context(noise=noise_text.from_json(data["noise"]), **rest, **more)


def serve(first: Mapping[str, Any], requests: IO[str], replies: int) -> int:
    """Answer one request after the other until the parent closes the pipe."""
    folder = Path(first["folder"])
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests, lines, folder), daemon=True).start()
    _die_first()
    limit_data(int(first.get("memory", 0)))

    def say(reply: Reply) -> None:
        os.write(replies, json.dumps(reply).encode() + b"\n")

    guest = Guest(first, folder)
    request = first
    while True:
        number = request["number"]
        with _lifeline(first["lifeline"]):
            reply = guest.answer(request, lambda part, n=number: say({"number": n, **part}))
        say({"number": number, **reply})
        request = json.loads(lines.get())


def _listen(requests: IO[str], lines: SimpleQueue[str], folder: Path) -> None:
    """Pass requests on; at the pipe's end the parent is gone, and this process goes, too."""
    for line in requests:
        lines.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


@contextlib.contextmanager
def _lifeline(pipes: Sequence[int]) -> Generator[None]:
    """Have Linux end this process when the parent dies, even in a call that keeps the GIL.

    Nothing is ever written to the pipe: a signal about it means that its other end is gone.
    """
    if sys.platform != "linux" or not pipes:
        yield  # _listen() alone watches
        return
    import fcntl

    (pipe,) = pipes
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(pipe, fcntl.F_SETFL, flags)


def _die_first() -> None:
    """When memory runs out Linux shall end this process, not the window."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


class Guest:
    """A plugin's method with its prepared states."""

    def __init__(self, request: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder
        self._plugin: Any = None  # the method's class
        self._states: OrderedDict[str, Any] = OrderedDict()
        self._given, self._found = Sheet(folder, "given"), Sheet(folder, "found")
        with (folder / "cancel").open("r+b") as file:
            self._wish = mmap(file.fileno(), 8)

    def answer(self, request: Mapping[str, Any], say: Say) -> Reply:
        """The last reply to a request; progress is said before."""
        try:
            if request["what"] == "method":
                return self._load(request)
            if request["what"] == "prepare":
                return self._prepare(request, say)
            return self._run(request)
        except Cancelled:
            return {"cancelled": True}
        except BaseException as error:  # SystemExit, too: the method fails, the process goes on
            return {"error": describe(error)}

    def _load(self, request: Mapping[str, Any]) -> Reply:
        module = import_plugin(request["module"], request["file"])
        cls: Any = module
        for name in request["class"].split("."):
            cls = getattr(cls, name)
        if getattr(cls, "tensors", True):
            importlib.import_module("torch")  # now, so that no tile is charged for it
        self._plugin = cls
        return {"loaded": True}

    def _prepare(self, request: Mapping[str, Any], say: Say) -> Reply:
        method, ctx = self._made(request)
        work = method.prepare(self._image(Path(request["image"])), ctx)
        told = -OFTEN
        while True:
            try:
                progress = float(next(work))
            except StopIteration as end:
                self._states[request["key"]] = end.value
                break
            ctx.check()
            if time.monotonic() - told >= OFTEN:
                told = time.monotonic()
                say({"progress": progress})
        while len(self._states) > KEEP:
            self._states.popitem(last=False)
        return {"states": list(self._states)}

    def _run(self, request: Mapping[str, Any]) -> Reply:
        key = request["key"]
        if key and key not in self._states:
            return {"lost": True}
        device = request["context"]["rest"]["device"]
        tensors = device != "cpu" or getattr(self._plugin, "tensors", True)
        tile, *others = (_sent(each, device, tensors) for each in self._given.see(request["given"]))
        more = {"inputs": dict(zip(request["inputs"], others, strict=True))} if others else {}
        method, ctx = self._made(request, **more)
        if key:
            self._states.move_to_end(key)
        ctx.check()
        found = method.run(tile, self._states.get(key), ctx)
        layers: Mapping[str, Any] = {"": found}
        if isinstance(found, Mapping):
            layers = cast("Mapping[str, Any]", found)
        shape = tuple(tile.shape)
        fresh = {
            name: _numbers(layer, method.title, shape if name in ("", "image") else None)
            for name, layer in layers.items()
            if layer is not tile
        }
        laid = self._found.lay(list(fresh.values()))
        return {"names": list(layers), "fresh": list(fresh), "found": laid}

    def _made(self, request: Mapping[str, Any], **more: Any) -> tuple[Method, Context]:
        number = request["number"]

        def cancelled() -> bool:
            return struct.unpack_from("q", self._wish)[0] == number

        ctx = context_from_json(request["context"], cancelled=cancelled, **more)
        _use_threads(ctx.threads)
        return self._plugin.make(request["settings"]), ctx

    def _image(self, folder: Path) -> Image:
        def load(number: int) -> Array:
            return np.load(folder / f"{number}.npy", mmap_mode="r", allow_pickle=False)

        return unpack(json.loads((folder / "image.json").read_text(encoding="utf-8")), load)


def describe(error: BaseException) -> dict[str, str]:
    """An error as type and text; every way to run out of memory is a MemoryError."""
    name, text = type(error).__name__, str(error)[:2000]
    if name == "OutOfMemoryError" or "can't allocate memory" in text:
        name, text = "MemoryError", text.splitlines()[0][:300]
    return {"type": name, "text": text}


def _sent(array: Array, device: str, tensors: bool) -> Any:
    """A plane as the method wants it."""
    if not tensors:
        return array
    import torch

    return torch.as_tensor(array).to(device)


def _numbers(found: Any, title: str, shape: tuple[int, ...] | None) -> Array:
    """What a method returned, as an array of real numbers. Raises ValueError saying what is not."""
    if hasattr(found, "detach"):
        found = found.detach().cpu()
        if str(found.dtype) == "torch.bfloat16":  # which NumPy has not
            found = found.float()
        found = found.numpy()
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{title} gave a {type(found).__name__} instead of a tile")
    result = cast("Array", found)
    if shape is not None and result.shape != shape:
        raise ValueError(f"{title} gave a tile of shape {result.shape} instead of {shape}")
    if result.dtype.kind not in "fiub":
        raise ValueError(f"{title} gave a tile of {result.dtype} instead of float32")
    if shape is not None and not np.isfinite(result).all():
        raise ValueError(f"{title} gave pixels that are no numbers (NaN or infinite)")
    return result


def _use_threads(count: int) -> None:
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(count)


def _nothing(number: int) -> Array:
    raise ValueError("a context holds no arrays")
