"""Runner: how one step's method is called: where, in which process, and what its failures mean."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any, cast

from core.desk import Desk
from core.devices import CPU, Device, failure, in_flight
from core.image import Array, Image
from core.isolate import Isolated, apart
from core.method import Cancelled, Context, Method, Planes, is_array
from core.plan import Plan
from core.precision import FULL, Finding, computing, sample
from core.roster import Trial

STREAMS = 2  # tiles in flight on a device with streams: one is copied while one is computed


class Failed(Exception):
    """A step's device failed; `error` is what it raised."""

    def __init__(self, runner: Runner, device: Device, error: BaseException) -> None:
        super().__init__(str(error))
        self.runner, self.device, self.error = runner, device, error

    @property
    def memory(self) -> bool:
        """Was it for want of memory?"""
        return failure(self.error) == "memory"


def out_of_memory(error: BaseException) -> bool:
    """Was there too little memory, here or on a device?"""
    return isinstance(error, MemoryError) or (isinstance(error, Failed) and error.memory)


@dataclass(frozen=True)
class Place:
    """Where a tile is computed: one look at a runner, which may change its device meanwhile."""

    device: Device
    torch: str  # what torch calls it
    state: Any  # what the method prepared there
    precision: str = FULL

    @property
    def kind(self) -> str | tuple[str, str]:
        """Places of one kind give equal pixels."""
        return self.device.kind if self.precision == FULL else (self.device.kind, self.precision)


class Runner:
    """A method laid over an image, on the device that the desk's roster chose."""

    def __init__(self, laid: Plan, desk: Desk) -> None:
        self.laid, self._desk = laid, desk
        self.method: Method = laid.method
        self.isolated = Isolated(self.method, desk.children) if apart(
            self.method, desk.registry) else None  # fmt: skip
        self.device, self._chosen = self._choose()
        self.here = Place(self.device, self.torch, None)
        self._states: dict[str, Any] = {}  # prepared, by place
        self._lanes = threading.local()

    @property
    def on_cpu(self) -> bool:
        """Do tiles go to it as arrays of this machine's memory?"""
        return self.device.torch == "cpu" or self.isolated is not None

    @property
    def torch(self) -> str:
        """What torch calls the place where tiles are computed."""
        return "cpu" if self.on_cpu else self.device.torch

    @property
    def why(self) -> str:
        """Where it computes, and why there and so: a sentence for the status line."""
        found = self._finding().why
        return f"{self._chosen[:-1]}; {found}." if found else self._chosen

    @property
    def precision(self) -> str:
        """The numbers it computes in."""
        return self._finding().name

    @property
    def batch(self) -> int:
        """Tiles of one size that the method gets together, as far as the device's memory goes.

        On the CPU one at a time is as fast, and gives equal bits whatever the region.
        """
        if self.device.kind == "cpu" or self.laid.blend:
            return 1
        return self._fitting(1, self.laid.needs.batch)

    @property
    def workers(self) -> int:
        """Tiles in work at once: by threads and memory. Never changes a result."""
        streams = STREAMS if self.torch.startswith("cuda") else 1
        threads = self._desk.threads if self.device.torch == "cpu" else streams
        return self._fitting(self.batch, threads)

    @property
    def ready(self) -> bool:
        """Is it prepared and tuned for its device? If so, tiles go there from now on."""
        if not self.prepared or (self._precisions and self._known() is None):
            return False
        state = self._states[self.torch]
        self.here = Place(self.device, self.torch, state, self._finding().name)
        return True

    @property
    def prepares_by(self) -> Method:
        """See Method.prepares_by; what a child prepared goes with all settings."""
        return self.method if self.isolated else self.method.prepares_by

    @property
    def prepared(self) -> bool:
        """Is there a state for its device?"""
        return self.torch in self._states

    def know(self, state: Any) -> None:
        """What was prepared for its device before."""
        self._states[self.torch] = state

    def settle(self, trial: Callable[[], object], megapixels: float) -> None:
        """Where there is a choice of devices that nobody has timed: time one tile on each."""
        if self.isolated or self.method.cpu_only:
            return
        if len([row for row in self._desk.roster.rows() if row.usable]) < 2:
            return

        def run(device: Device) -> object:
            self.device = device
            return trial()

        timed = Trial(run, megapixels, self._desk.threads)
        self.device, self._chosen = self._desk.roster.choose(self.method, timed, self._desk.device)

    def tune(self, ctx: Context) -> Iterator[str]:
        """Where the method can do with several precisions, find the fastest that agrees.

        Once for each device; a sentence says what was found. Needs the prepared state.
        """
        device, state = self.device, self._states[self.torch]
        if not self._precisions or self._known() is not None:
            return
        one_thread(uses_torch=True)
        deep = {axis.letter: axis.edge + 2 * axis.halo for axis in self.laid.stack}
        sizes = tuple(deep.get(letter, 1) for letter in self.laid.letters[1])
        given: Any = sample(len(self.laid.packing.planes), sizes)
        if not self.on_cpu:
            import torch

            given = torch.as_tensor(given).to(self.torch)

        def attempt(name: str) -> Array:
            ctx.check()
            place = Place(device, self.torch, state, name)
            call = lambda: self._call(given, place, ctx)  # noqa: E731
            found = self._desk.roster.run(device, call)["image"]
            return found if is_array(found) else found.float().cpu().numpy()

        tiles = given.size if is_array(given) else given.numel()
        try:
            self._desk.roster.try_precisions(device, self.method, attempt, tiles / 1e6)
        except Exception as error:
            raise self._judged(error, device) from error
        yield self.why

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Method.prepare; the state stays here (and, where it is isolated, in the child)."""
        device = self.device
        one_thread(self.method.tensors)  # as tiles: sums of floats depend on how many there are
        try:
            if self.isolated is not None:
                yield from self.isolated.prepare(image, ctx)
                state = self.isolated
            else:
                state = yield from self.method.prepare(image, ctx)
        except Exception as error:
            raise self._judged(error, device) from error
        self.know(state)
        return state

    def call(self, place: Place, planes: Planes, ctx: Context) -> dict[str, Planes]:
        """Method.run by name of its layers; `planes` themselves where nothing was changed."""
        try:
            if self.isolated is not None:
                host = place.state if isinstance(place.state, Isolated) else self.isolated
                return _named(host.run(planes, ctx))
            return self._desk.roster.run(place.device, lambda: self._call(planes, place, ctx))
        except Exception as error:
            raise self._judged(error, place.device) from error

    @property
    def aside(self) -> tuple[str, ...]:
        """The devices that were set aside, all or for this method: a sentence each."""
        if self.isolated is not None or self.method.cpu_only:
            return ()
        return self._desk.roster.aside(self.method.id())

    def lane(self, place: Place) -> Any:
        """This thread's own stream and pinned memory on a CUDA device; None on others."""
        if not place.torch.startswith("cuda"):
            return None
        from core import cuda

        known = getattr(self._lanes, "known", None)
        if known is None or known[0] != place.torch:
            cuda.bound(place.torch, self._desk.limits.get(place.device.name, 0))
            known = self._lanes.known = place.torch, cuda.Lane(place.torch)
        return known[1]

    def failed(self, failed: Failed) -> str | None:
        """Go on elsewhere, if the device is to blame: returns what to tell, None if it is not.

        Nothing ("") where another tile, failing at the same time, has told it already.
        """
        if failed.device != self.device:
            return ""
        told = self._desk.roster.failed(failed.device, self.method, failed.error)
        if told:
            self.device, self._chosen = self._choose()
        return told or None

    def leave(self, device: Device | None) -> None:
        """Another step failed on this device: choose again, if it is one's own."""
        if device == self.device:
            self.device, self._chosen = self._choose()

    @property
    def _precisions(self) -> tuple[str, ...]:
        """Those to choose from; none where there is no choice."""
        known = self.method.precisions
        return known if len(known) > 1 and self.isolated is None else ()

    def _known(self) -> Finding | None:
        return self._desk.roster.precision(self.device, self.method)

    def _finding(self) -> Finding:
        return (self._known() if self._precisions else None) or Finding()

    def _fitting(self, tiles: int, most: int) -> int:
        """How many times so many tiles the device's memory may hold at once: 1 to `most`."""
        edge = self.laid.grid + 2 * self.laid.halo
        deep = prod(axis.edge + 2 * axis.halo for axis in self.laid.stack)
        size = 4 * edge * edge * deep * self.laid.channels * tiles
        return in_flight(self._desk.allowed(self.device), size, self.laid.needs.cost, most)

    def _choose(self) -> tuple[Device, str]:
        if self.isolated is not None:  # its process gets arrays, and computes where it likes
            return CPU, f"CPU: {self.method.title} runs in a process of its own."
        return self._desk.roster.choose(self.method, wish=self._desk.device)

    def _judged(self, error: Exception, device: Device) -> Exception:
        if isinstance(error, Cancelled) or not failure(error):
            return error
        return Failed(self, device, error)

    def _call(self, planes: Planes, place: Place, ctx: Context) -> dict[str, Planes]:
        given = planes
        if self.method.tensors and is_array(planes):
            import torch

            given = torch.from_numpy(planes)  # pyright: ignore[reportUnknownMemberType]
        with computing(place.torch, place.precision):
            named = _named(self.method.run(given, place.state, ctx))
        if given is planes:
            return named
        return {n: planes if v is given else v.detach().cpu().numpy() for n, v in named.items()}


def one_thread(uses_torch: bool) -> None:
    """Tiles are the parallelism: every tile runs on one thread."""
    if uses_torch or "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
    with suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)


def _named(found: Planes | Mapping[str, Planes]) -> dict[str, Planes]:
    return (
        dict(cast("Mapping[str, Planes]", found))
        if isinstance(found, Mapping)
        else {"image": found}
    )
