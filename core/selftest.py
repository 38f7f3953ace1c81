"""Is a device to be trusted? Found and tested in child processes, remembered in a file.

Merely listing devices crashes on some machines, some drivers compute wrongly, and some take the
machine down. So a child does it, within a time limit, and a marker lies in the user's cache folder
meanwhile: one that is still there at the next start tells of a device that never came back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.devices import Device, Fault, apply_fault, failure, found
from core.files import make_folder
from core.method import Cancelled
from core.places import cache_folder as cache_folder  # where Records lie
from core.spawn import start_child

FORMAT = 1  # of the file
SECONDS = 120.0  # that a child may take: torch from a cold disk, a driver that compiles first
POLL = 0.05
TOLERANCE = 5e-3  # of the largest value: TF32 and fused sums stay below, a wrong driver does not
Cancel = Callable[[], bool]


@dataclass(frozen=True)
class Verdict:
    """What a self-test found: `why` is "" or says what is wrong ("it computes wrongly...")."""

    good: bool
    why: str = ""
    kept: bool = True  # False: not the device's last word, try at the next start


class ChildFailed(Exception):
    """A child that looked at a device gave no answer. The text continues "it ..."."""

    def __init__(self, text: str, kept: bool = True) -> None:
        super().__init__(text)
        self.kept = kept  # as in Verdict


class Records:
    """Verdicts and timings by device, kept in a folder between starts (None: nowhere)."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._data: dict[str, Any] = {}
        if folder is not None:
            with contextlib.suppress(OSError, ValueError):
                read = json.loads((folder / "devices.json").read_text(encoding="utf-8"))
                if isinstance(read, dict) and read.get("format") == FORMAT:  # pyright: ignore[reportUnknownMemberType]
                    self._data = read

    def verdict(self, key: str) -> Verdict | None:
        """What is remembered of a device."""
        found = self._data.get("tested", {}).get(key)
        return Verdict(bool(found["good"]), str(found["why"])) if found else None

    def figures(self, key: str) -> dict[str, float]:
        """Seconds per megapixel of methods on a device."""
        return dict(self._data.get("figures", {}).get(key, {}))

    def put(self, key: str, verdict: Verdict) -> None:
        """Remember a verdict."""
        self._data.setdefault("tested", {})[key] = {"good": verdict.good, "why": verdict.why}
        self._write()

    def put_figure(self, key: str, method: str, seconds: float) -> None:
        """Remember a timing."""
        self._data.setdefault("figures", {}).setdefault(key, {})[method] = seconds
        self._write()

    def forget(self, key: str) -> None:
        """The user wants the device tried again."""
        self._data.get("tested", {}).pop(key, None)
        self._data.get("figures", {}).pop(key, None)
        self._write()

    def mark(self, name: str) -> None:
        """Say on disk that a device is being tried, so that a machine that falls leaves word."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._marker(name).open("w", encoding="utf-8") as file:
                file.write(str(time.time()))
                file.flush()
                os.fsync(file.fileno())

    def unmark(self, name: str) -> None:
        """It came back."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._marker(name).unlink(missing_ok=True)

    def marked(self, name: str) -> float | None:
        """Seconds since a device was marked and not unmarked; None when it was not."""
        if self._folder is None:
            return None
        with contextlib.suppress(OSError):
            return time.time() - self._marker(name).stat().st_mtime
        return None

    def _marker(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"testing-{name.replace(':', '-')}"

    def _write(self) -> None:
        if self._folder is None:
            return
        with contextlib.suppress(OSError):  # a disk that is full: it is tested again next time
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f"devices.{os.getpid()}.part"
            part.write_text(json.dumps({**self._data, "format": FORMAT}), encoding="utf-8")
            part.replace(self._folder / "devices.json")


def guarded(
    name: str, records: Records, request: Mapping[str, Any], cancelled: Cancel, seconds: float
) -> dict[str, Any]:
    """A child's answer, with a marker meanwhile. Raises ChildFailed and Cancelled."""
    age = records.marked(name)
    if age is not None:
        if age < 2 * seconds:  # perhaps another window is at it
            raise ChildFailed("is being tested elsewhere, or fell a moment ago", kept=False)
        records.unmark(name)
        raise ChildFailed("did not come back from its last test: its driver may have crashed")
    records.mark(name)
    try:
        return _ask(request, seconds, cancelled)
    finally:
        records.unmark(name)


def list_devices(
    records: Records, cancelled: Cancel, seconds: float = SECONDS
) -> tuple[tuple[Device, ...], str]:
    """All devices here, and torch's version, as a child finds them. Raises ChildFailed."""
    reply = guarded("listing", records, {"what": "devices"}, cancelled, seconds)
    return tuple(_device(each) for each in reply["devices"]), reply["torch"]


def try_device(
    device: Device, records: Records, cancelled: Cancel, seconds: float = SECONDS
) -> Verdict:
    """Have a child test a device. Raises Cancelled."""
    try:
        reply = guarded(
            device.name, records, {"what": "device", "device": asdict(device)}, cancelled, seconds
        )
    except ChildFailed as error:
        return Verdict(False, f"it {error}", error.kept)
    return Verdict(not reply["why"], reply["why"])


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """In the child: list devices or test one."""
    import torch

    if request["what"] == "devices":
        return {"devices": [asdict(each) for each in found()], "torch": torch.__version__}
    return {"why": examine(_device(request["device"]))}


def examine(device: Device) -> str:
    """Compute what methods compute, here and on the device; "" or what is wrong with it."""
    import torch

    for number, (name, work) in enumerate(_operations().items()):
        expected = work("cpu")
        try:
            result = apply_fault(device.fault, number, lambda work=work: work(device.torch))
        except Exception as error:
            line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            if "no kernel image" in line:
                return f"this torch ({torch.__version__}) was not built for it: install another"
            if failure(error) == "unsupported":
                return f"it lacks an operator ({name})"
            return f"it failed ({name}: {line[:200]})"
        apart = (result.cpu() - expected).abs().max() / expected.abs().max()
        if not float(apart) <= TOLERANCE:  # NaN is not
            return f"it computes wrongly ({name} is {float(apart):.2g} apart from the CPU)"
    return ""


def _device(data: Mapping[str, Any]) -> Device:
    fault: Any = Fault(**data["fault"])
    return Device(**{**data, "fault": fault})


def _operations() -> dict[str, Callable[[str], Any]]:
    """Name and computation, given a device: what methods are made of."""
    import torch
    from torch.nn import functional

    source = torch.Generator().manual_seed(7)
    image = torch.randn((2, 8, 40, 44), generator=source)
    kernel = torch.randn((16, 8, 3, 3), generator=source)
    left, right = (torch.randn((96, 96), generator=source) for _ in range(2))
    order = torch.randperm(40, generator=source)

    def fold(device: str) -> Any:
        patches = functional.unfold(image.to(device), 8, stride=4)
        return functional.fold(patches, (40, 44), 8, stride=4)

    def sort(device: str) -> Any:
        values, index = image.to(device).sort(dim=-1)
        return values + values.gather(-1, index)

    return {
        "conv2d": lambda d: functional.conv2d(image.to(d), kernel.to(d), padding=1),
        "matmul": lambda d: left.to(d) @ right.to(d),
        "fold": fold,
        "sqrt": lambda d: torch.sqrt(image.to(d).abs() + 0.375),
        "index": lambda d: image.to(d)[:, :, order.to(d)] + image.to(d).roll((1, 2), (-2, -1)),
        "pad": lambda d: functional.pad(image.to(d), (3, 4, 5, 6), mode="reflect"),
        "sort": sort,
        "sum": lambda d: image.to(d).sum((-2, -1)) + image.to(d).exp().mean((-2, -1)),
    }


def _ask(request: Mapping[str, Any], seconds: float, cancelled: Cancel) -> dict[str, Any]:
    folder = make_folder()
    try:
        process = start_child()
        try:
            _wait(process, {**request, "folder": str(folder)}, seconds, cancelled)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        reply = folder / "reply.json"
        if process.returncode != 0 or not reply.exists():
            raise ChildFailed(f"made its test crash (status {process.returncode})")
        return json.loads(reply.read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(
    process: subprocess.Popen[bytes], request: Mapping[str, Any], seconds: float, cancelled: Cancel
) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
    until = time.monotonic() + seconds
    while process.poll() is None:
        if cancelled():
            raise Cancelled
        if time.monotonic() > until:
            raise ChildFailed(f"did not end its test within {seconds:.0f} seconds")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL)
