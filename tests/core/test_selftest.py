"""Self-tests of devices in real child processes. All of them compute on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import roster as roster_module
from core import selftest
from core.devices import CPU, Device, Fault
from core.method import Cancelled
from core.roster import Roster
from core.selftest import Records, Verdict, examine
from tests.core.fakes import fake


def test_a_sound_device_passes() -> None:
    assert examine(fake()) == ""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("wrong"), "computes wrongly (conv2d"),
        (Fault("lost", after=2), "it failed (fold: CUDA error"),
        (Fault("out-of-memory", every=4), "it failed (sqrt: CUDA out of memory"),
        (Fault("unsupported", after=3), "lacks an operator (sqrt)"),
    ],
)
def test_a_faulty_device_does_not(fault: Fault, words: str) -> None:
    assert words in examine(fake(0, fault))


def look(folder: Path, *devices: Device, **more: Any) -> dict[str, str]:
    roster = Roster((CPU, *devices), folder)
    list(roster.look(**more))
    assert not list(folder.glob("testing-*"))
    return {row.device.name: row.why for row in roster.rows()}


def test_children_test_devices(tmp_path: Path, private: Path) -> None:
    found = look(tmp_path, fake(0), fake(1, Fault("wrong")), fake(2, Fault("crash")))
    assert found["cpu"] == found["fake:0"] == ""
    assert "computes wrongly" in found["fake:1"]
    assert "made its test crash" in found["fake:2"]
    assert not list(private.iterdir())


def test_a_hanging_device_is_given_up(tmp_path: Path, private: Path) -> None:
    found = look(tmp_path, fake(0, Fault("hang")), seconds=1.0)
    assert "did not end its test within 1 seconds" in found["fake:0"]
    assert not list(private.iterdir())


def test_looking_can_be_cancelled(tmp_path: Path, private: Path) -> None:
    asked = iter([False, False])
    stop: Callable[[], bool] = lambda: next(asked, True)  # noqa: E731
    with pytest.raises(Cancelled):
        look(tmp_path, fake(0, Fault("hang")), cancelled=stop)
    assert not list(tmp_path.glob("testing-*"))
    assert not list(private.iterdir())
    assert Records(tmp_path).verdict("x") is None


def test_a_child_lists_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    devices, version = selftest.list_devices(Records(tmp_path), lambda: False)
    assert devices[0] == CPU
    assert version == torch.__version__
    monkeypatch.setattr(roster_module, "possible", lambda: True)
    monkeypatch.setattr(roster_module, "list_devices", lambda *_: ((CPU, fake()), version))
    monkeypatch.setattr(roster_module, "try_device", lambda *_: Verdict(True))
    roster = Roster(None, tmp_path)
    list(roster.look())
    assert roster.devices == (CPU, fake())


def test_a_crash_while_listing_leaves_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> Any:
        raise selftest.ChildFailed("made its test crash (status -11)")

    monkeypatch.setattr(roster_module, "possible", lambda: True)
    monkeypatch.setattr(roster_module, "list_devices", crash)
    said = list(Roster(None, tmp_path).look())
    assert said == ["CPU: no other devices, as looking for them made its test crash (status -11)."]
    monkeypatch.setattr(roster_module, "list_devices", lambda *_: pytest.fail("tried again"))
    roster = Roster(None, tmp_path)
    assert "is off" in next(iter(roster.look()))
    roster.again("cpu")
    monkeypatch.setattr(roster_module, "list_devices", lambda *_: ((CPU,), "2"))
    assert list(roster.look()) == []
