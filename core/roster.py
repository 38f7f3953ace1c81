"""Roster: the devices here, which of them may be used, and which is the faster for a method.

Nothing is silent: every choice comes with a sentence for the status line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from core.devices import CPU, Device, apply_fault, failure, possible
from core.image import Array
from core.method import Cancelled, Method
from core.precision import FULL, NAMES, Attempt, Finding, judged
from core.selftest import SECONDS, Cancel, ChildFailed, Records, Verdict, list_devices, try_device

T = TypeVar("T")
LISTING = "listing"  # the record of a machine on which looking for devices went wrong


@dataclass(frozen=True)
class Trial:
    """One tile to time devices with: `run(device)` computes it and brings it back."""

    run: Callable[[Device], object]
    megapixels: float
    workers: int = 1  # tiles that the CPU has in work at once


@dataclass(frozen=True)
class Row:
    """A device as the window lists it; `why` says why it is not used (or "")."""

    device: Device
    usable: bool
    why: str
    figures: dict[str, float] = field(hash=False)  # method id -> seconds per megapixel


class Alarm(str):
    """A sentence about something that is not as it was wished: worth being seen."""


class Roster:
    """The devices of this machine. Used from all threads; look() first, on a worker."""

    def __init__(
        self,
        devices: tuple[Device, ...] | None = None,
        folder: Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`devices`: instead of looking for them, as tests do. `folder`: where findings are kept.

        The CPU needs no test and is there at once.
        """
        self._given = devices
        self._devices: tuple[Device, ...] = (CPU,) if devices is None else devices
        self._records, self._clock = Records(folder), clock
        self._torch = ""
        self._verdicts: dict[str, Verdict] = {}
        self._aside: dict[tuple[str, str], str] = {}  # (device, method or "" for all) -> why
        self._figures: dict[tuple[str, str], float] = {}
        self._calls: dict[str, int] = {}
        self._pinned, self._exactly = "", ""
        self._precision: dict[tuple[str, str], Finding] = {}
        self._lock = threading.RLock()

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, usable or not, the CPU first."""
        with self._lock:
            return self._devices

    def rows(self) -> tuple[Row, ...]:
        """What the window lists."""
        with self._lock:
            return tuple(
                Row(
                    device,
                    not (why := self._why_not(device, "")),
                    why,
                    {
                        method: s
                        for (name, method), s in self._figures.items()
                        if name == device.name
                    },
                )
                for device in self._devices
            )

    def look(self, cancelled: Cancel = lambda: False, seconds: float = SECONDS) -> Iterator[str]:
        """Find the devices and test those not tested yet, in children; yields sentences.

        Takes seconds at the first start, little later. Raises Cancelled; then what is known stays.
        """
        yield from self._list(cancelled, seconds)
        for device in self.devices:
            if _trusted(device):
                continue
            key = self._key(device)
            verdict = self._records.verdict(key)
            if verdict is None:
                yield f"{device.label}: being tested."
                verdict = try_device(device, self._records, cancelled, seconds)
                if verdict.kept:
                    self._records.put(key, verdict)
            with self._lock:
                self._verdicts[device.name] = verdict
                for method, figure in self._records.figures(key).items():
                    self._figures.setdefault((device.name, method), figure)
            name = f"{device.label} ({device.title})"
            good, why = verdict.good, verdict.why
            yield f"{name}: ready." if good else Alarm(f"{name}: not used, {why}.")

    def pin(self, name: str) -> str:
        """Have one device used for everything ("": the faster one again); returns a sentence.

        A device that is not tested yet is used, as the user asked for it. Raises ValueError when
        there is none of this name.
        """
        with self._lock:
            names = [device.name for device in self._devices]
            name = {"cuda": "cuda:0", "xpu": "xpu:0"}.get(name, name)
            if name and name not in names:
                raise ValueError(f"there is no device {name!r}; there are: {', '.join(names)}")
            self._pinned = name
        return f"{name.upper()} is used for all methods." if name else "The faster device is used."

    def again(self, name: str) -> str:
        """The user wants a device tried again: forget what is known, then look() tests it."""
        with self._lock:
            for device in self._devices:
                if device.name == name:
                    self._records.forget(self._key(device))
            self._records.forget(LISTING)
            self._records.unmark(name)
            self._records.unmark(LISTING)
            self._verdicts.pop(name, None)
            for known in (self._aside, self._figures, self._precision):
                for key in [key for key in known if key[0] == name]:
                    del known[key]
        return f"{name.upper()} will be tested again."

    def choose(
        self, method: Method, trial: Trial | None = None, wish: str = ""
    ) -> tuple[Device, str]:
        """The device for a method, and why, in one sentence.

        With a trial, devices that were never timed with this method are, when there is a choice.
        `wish` names one that shares the work of the faster one; it may be set aside meanwhile.
        Raises what the trial raised when that was not the device's fault, and Cancelled.
        """
        if method.cpu_only:
            return CPU, f"CPU: {method.title} has kernels for the CPU only."
        if trial is not None and not self._pinned and not wish:
            for device in self._untimed(method):
                self._time(device, method, trial)
        with self._lock:
            return self._chosen(method.id(), wish)

    def share(self, method: Method, pieces: int) -> tuple[Device, ...]:
        """The devices on which so many pieces of equal work are done soonest, the fastest first.

        A slower one takes part where it is done with one piece before the fastest is with all.
        """
        with self._lock:
            best = self.choose(method)[0]
            known = {d: self._figures.get((d.name, method.id())) for d in self._usable(method.id())}
            fastest = known.get(best)
            if method.cpu_only or self._pinned or fastest is None:
                return (best,)
            others = [(s, d) for d, s in known.items() if d != best and s is not None]
            others.sort(key=lambda each: each[0])
            return best, *(device for s, device in others if s <= fastest * pieces)

    def run(self, device: Device, call: Callable[[], T]) -> T:
        """Run a method on a device: the one place where a test device's fault strikes."""
        if not device.fault:
            return call()
        with self._lock:
            number = self._calls.get(device.name, 0)
            self._calls[device.name] = number + 1
        return apply_fault(device.fault, number, call)

    def failed(self, device: Device, method: Method, error: BaseException) -> str:
        """After an error that retries did not cure: set the device aside if it is to blame.

        Returns the sentence to show, then choose() again; "" when the error is the method's own or
        there is nothing but the CPU.
        """
        kind = failure(error)
        if not kind or _trusted(device):
            return ""
        if kind == "memory":
            why = f"{method.title} does not fit its memory"
            return self.set_aside(device, why, method.id(), everywhere=False)
        if kind == "unsupported":
            why = f"it lacks an operator that {method.title} needs"
            return self.set_aside(device, why, method.id(), everywhere=False)
        line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return self.set_aside(device, f"it stopped working ({line[:120]})", method.id())

    def set_aside(self, device: Device, why: str, method: str = "", everywhere: bool = True) -> str:
        """Use a device no more, until again(); the sentence names what `method` uses instead.

        Not everywhere: others may go on with the device.
        """
        with self._lock:
            self._aside[device.name, "" if everywhere else method] = why
            best = self._chosen(method)[0]
        return f"{best.label}: {device.label} was set aside: {why}."

    def aside(self, method: str) -> tuple[str, ...]:
        """The devices that a method would use, had they not been set aside: a sentence each."""
        with self._lock:
            found = [(d.label, self._aside.get((d.name, ""), self._aside.get((d.name, method))))
                     for d in self._devices]  # fmt: skip
        return tuple(f"{label} was set aside: {why}" for label, why in found if why)

    def note(self, device: Device, method: Method, seconds: float, megapixels: float) -> float:
        """Keep a timing, seconds per megapixel."""
        figure = seconds / megapixels
        with self._lock:
            self._figures[device.name, method.id()] = figure
            if not _trusted(device):  # the CPU's depends on how many tiles run: each session anew
                self._records.put_figure(self._key(device), method.id(), figure)
        return figure

    def pin_precision(self, name: str) -> None:
        """Have methods computed in this precision where they can ("": in the faster one again)."""
        if name and name not in NAMES:
            raise ValueError(f"there is no precision {name!r}; there are: {', '.join(NAMES)}")
        self._exactly = name

    def precision(self, device: Device, method: Method) -> Finding | None:
        """What a method is computed in on a device; None where that was not tried yet."""
        if self._exactly:
            name = self._exactly if self._exactly in method.precisions else method.precisions[0]
            return Finding(name, f"{name}, you chose it")
        with self._lock:
            return self._precision.get((device.name, method.id()))

    def try_precisions(
        self, device: Device, method: Method, attempt: Attempt, megapixels: float
    ) -> Finding:
        """Time a method's precisions by one tile each, and compare what they give.

        Raises what the attempt raises in float32; another precision that fails is not used.
        """
        seconds, results = dict[str, float](), dict[str, Array]()
        for name in method.precisions:
            try:
                results[name] = attempt(name)  # the first one loads and compiles
                seconds[name] = min(self._clocked(attempt, name) for _ in range(2))
            except Exception as error:
                if name == FULL or isinstance(error, Cancelled) or failure(error) == "lost":
                    raise
                results.pop(name, None)
        found = judged(seconds, results, megapixels)
        with self._lock:
            self._precision[device.name, method.id()] = found
        return found

    def _clocked(self, attempt: Attempt, name: str) -> float:
        begin = self._clock()
        attempt(name)
        return self._clock() - begin

    def _list(self, cancelled: Cancel, seconds: float) -> Generator[str, None, None]:
        if self._given is not None or not possible():
            return
        known = self._records.verdict(LISTING)
        if known is not None:
            yield f"CPU: looking for other devices is off, it {known.why}."
            return
        try:
            devices, version = list_devices(self._records, cancelled, seconds)
        except ChildFailed as error:
            if error.kept:
                self._records.put(LISTING, Verdict(False, str(error)))
            yield f"CPU: no other devices, as looking for them {error}."
            return
        with self._lock:
            self._devices, self._torch = devices, version

    def _key(self, device: Device) -> str:
        version = self._torch or _torch_version()
        return "|".join((device.name, device.title, device.driver, device.torch, version))

    def _why_not(self, device: Device, method: str) -> str:
        """Why a device is not to be used, "" when it is; continues "CUDA:0 ..."."""
        for scope in ("", method):
            if why := self._aside.get((device.name, scope)):
                return f"was set aside: {why}"
        if _trusted(device):
            return ""
        verdict = self._verdicts.get(device.name)
        if verdict is None:
            return "" if device.name == self._pinned else "has not been tested yet"
        return "" if verdict.good else f"is not used: {verdict.why}"

    def _usable(self, method: str) -> list[Device]:
        """Never empty: where all others fail there is the CPU."""
        return [d for d in self._devices if not self._why_not(d, method)] or [CPU]

    def _untimed(self, method: Method) -> list[Device]:
        with self._lock:
            usable = self._usable(method.id())
            if len(usable) < 2:
                return []
            return [d for d in reversed(usable) if (d.name, method.id()) not in self._figures]

    def _time(self, device: Device, method: Method, trial: Trial) -> None:
        def call() -> object:
            return self.run(device, lambda: trial.run(device))

        try:
            call()  # the first one loads and compiles
            begin = self._clock()
            call()
            spent = self._clock() - begin
        except Exception as error:
            if not self.failed(device, method, error):
                raise
            return
        side_by_side = trial.workers if device.kind == "cpu" else 1
        self.note(device, method, spent / side_by_side, trial.megapixels)

    def _chosen(self, method: str, wish: str = "") -> tuple[Device, str]:
        usable = self._usable(method)
        figures = {
            d.name: self._figures[d.name, method]
            for d in usable
            if (d.name, method) in self._figures
        }
        named = {device.name: device for device in usable}
        if self._pinned in named:
            best, why = named[self._pinned], ["you chose it"]
        elif wish in named:
            best, why = named[wish], ["it shares the work"]
        elif figures and len(figures) == len(usable):
            best = min(usable, key=lambda d: figures[d.name])
            others = sorted((d for d in usable if d is not best), key=lambda d: figures[d.name])
            why = [f"{figures[best.name]:.2g} s per megapixel"]
            why += [f"{other.label} {figures[other.name]:.2g} s" for other in others]
            why = [", ".join(why)]
        else:
            best = usable[1] if usable[0].kind == "cpu" and len(usable) > 1 else usable[0]
            why = ["not timed yet"] if len(usable) > 1 else []
        for device in self._devices:
            if reason := self._why_not(device, method):
                why.append(f"{device.label} {reason}")
        return best, f"{best.label}: {'; '.join(why) or 'the only device here'}."


def _trusted(device: Device) -> bool:
    """The CPU itself, which has no stand-in."""
    return device.torch == "cpu" and not device.fault


def _torch_version() -> str:
    import importlib.metadata  # not for the first paint

    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:  # in a bundle
        import torch

        return str(torch.__version__)


__all__ = ["Roster", "Row", "Trial"]
