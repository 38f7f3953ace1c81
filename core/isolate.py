"""Methods in a child process: what a plugin breaks there, the window never feels.

A crash, a hang, a leak or a flood of output costs one process. Children stay warm from one tile,
and from one render, to the next; see `core.children` and, for the other side, `core.guest`.
"""

from __future__ import annotations

import builtins
import contextlib
import secrets
import weakref
from collections.abc import Generator, Mapping
from typing import Any, NoReturn

import numpy as np

from core.children import Child, Children, MethodCrashed, Plugin
from core.guest import Reply, context_to_json
from core.image import Array, Image
from core.method import Cancelled, Context, Method
from core.registry import Registry

# Who watches a hang cancels it, but a batch at night has nobody: far above any honest method.
RUN, PER_MEGAPIXEL = 300.0, 600.0  # seconds for a tile, and more for each million samples
SILENT = 3600.0  # seconds between two reports of progress while preparing


def apart(method: Method, registry: Registry) -> bool:
    """Does this method run in a child process: because it asks, or because it is not our own?"""
    return bool(getattr(method, "isolated", False)) or method.id() in registry.outside


class Isolated:
    """A method that runs in child processes; used from several threads at once.

    Cheap to make. `children` are shared by all methods and outlive this; without, it has its own
    until close(). A prepared state stays in the child that made it, which then serves all tiles,
    one at a time; keep this object as that state (in a cache) and a pan finds it prepared.
    """

    def __init__(self, method: Method, children: Children | None = None) -> None:
        self.method = method
        self._plugin = Plugin.of(method)
        self._own = children is None
        self._children = Children() if children is None else children
        self._key = ""  # of the prepared state
        self._image: weakref.ref[Image] | None = None  # to prepare again after a crash

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children, unless they are shared."""
        if self._own:
            self._children.close()

    def prepare(self, image: Image, ctx: Context) -> Generator[float]:
        """Method.prepare in a child: yields its progress. Errors as for run()."""
        if type(self.method).prepare is Method.prepare:
            yield 1.0
            return
        key = secrets.token_hex(8)
        with self._lent("", ctx) as child:
            yield from self._prepare_in(child, key, image, ctx)
        self._key, self._image = key, weakref.ref(image)

    def run(self, tile: Array, ctx: Context) -> Array | dict[str, Array]:
        """Method.run in a child: float32 in, float32 out by the same rules (`tile` if unchanged).

        Raises what the method raised, ValueError when it gave no tile of finite numbers, Cancelled,
        MethodCrashed when its process ended or hung (the next run starts another).
        """
        inputs: Mapping[str, Array] = getattr(ctx, "inputs", {})
        given = [np.asarray(each, np.float32) for each in (tile, *inputs.values())]
        seconds = RUN + PER_MEGAPIXEL * sum(each.size for each in given) / 1e6
        with self._lent(self._key, ctx) as child:
            for _ in range(2):
                request = {**self._request("run", self._key, ctx), "given": child.put(given)}
                asked = child.ask({**request, "inputs": list(inputs)}, ctx.cancelled, seconds)
                reply = self._checked(_result(asked))
                if not reply.get("lost"):
                    break
                self._prepare_again(child, ctx)
            else:
                raise MethodCrashed(f"{self._plugin.title} lost what it had prepared: try again.")
            fresh = dict(zip(reply["fresh"], child.get(reply["found"]), strict=True))
        layers = {name: fresh.get(name, tile) for name in reply["names"]}
        return layers[""] if list(layers) == [""] else layers

    def _prepare_in(
        self, child: Child, key: str, image: Image, ctx: Context
    ) -> Generator[float, None, None]:
        with child.shown(image) as folder:
            request = {**self._request("prepare", key, ctx), "image": str(folder)}
            reply = yield from child.ask(request, ctx.cancelled, SILENT)
        child.states = tuple(self._checked(reply)["states"])

    def _prepare_again(self, child: Child, ctx: Context) -> None:
        image = self._image() if self._image else None
        if image is None:
            raise MethodCrashed(f"{self._plugin.title} lost what it had prepared: try again.")
        _result(self._prepare_in(child, self._key, image, ctx))

    def _request(self, what: str, key: str, ctx: Context) -> dict[str, Any]:
        settings = self.method.settings()
        return {"what": what, "key": key, "settings": settings, "context": context_to_json(ctx)}

    def _checked(self, reply: Reply) -> Reply:
        if "error" in reply:
            raise_again(reply["error"])
        if reply.get("cancelled"):
            raise Cancelled
        return reply

    @contextlib.contextmanager
    def _lent(self, key: str, ctx: Context) -> Generator[Child]:
        child = self._children.take(self._plugin, key, ctx.cancelled)
        try:
            loaded = child.load(ctx.cancelled)
            if "error" in loaded:
                child.end()
            self._checked(loaded)
            yield child
        finally:
            self._children.give(child)


def raise_again(error: Mapping[str, str]) -> NoReturn:
    """Raise a child's error: of the same type where it is built in, else of the same name."""
    name, text = error["type"], error["text"]
    kind: Any = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = type(name, (RuntimeError,), {})
    if kind is KeyError:  # whose text is quoted already
        kind = type(name, (KeyError,), {"__str__": Exception.__str__})
    try:
        raised = kind(text)
    except TypeError:  # UnicodeDecodeError and its like want more
        raised = type(name, (RuntimeError,), {})(text)
    raise raised


def _result(work: Generator[float, None, Any]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


__all__ = ["Children", "Isolated", "MethodCrashed", "apart"]
