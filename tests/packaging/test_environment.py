"""What the set-up of `packaging/run` and `packaging/test` decides; nothing is installed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sordino_environment", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The module with an environment of its own that holds nothing but a stand-in for Python."""
    module = load(REPO / "packaging" / "environment.py")
    venv = tmp_path / "a place" / ".venv"
    venv.mkdir(parents=True)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "PYTHON", venv / "python")
    monkeypatch.setattr(module, "STATE", venv / "sordino-state")
    monkeypatch.setattr(module, "LOG", venv / "setup.log")
    return module


@pytest.fixture
def calls(environment, monkeypatch):
    """What the set-up would run; `python -m venv` makes the stand-in, everything succeeds."""
    seen: list[str] = []

    def logged(command, lock):
        seen.append(" ".join(map(str, command)))
        environment.LOG.write_text("ERROR: no such version\n", "utf-8")
        if "venv" in command:
            environment.PYTHON.touch()
        return True

    monkeypatch.setattr(environment, "_logged", logged)
    monkeypatch.setattr(environment, "_missing", dict)
    monkeypatch.setattr(environment, "_has_gpu", lambda: False)
    return seen


def names(lines: list[str]) -> set[str]:
    found = [re.match(r"[\w.-]+", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def test_every_dependency_is_pinned_exactly():
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    dev = project["optional-dependencies"]["dev"]  # other extras are not installed by set-up
    wanted = names([*project["dependencies"], *dev])
    lines = (REPO / "packaging" / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert wanted <= names(pins)


def test_an_environment_is_made_once_and_found_ready_afterwards(environment, calls):
    environment.ready("dev")
    assert "venv" in calls[0] and calls[-2].endswith("[dev]")
    assert calls[-1].endswith("core.warm")
    calls.clear()
    environment.ready("dev")
    environment.ready()  # the tools for tests do not hurt the program
    assert calls == []


def test_the_tools_for_tests_are_added_to_an_environment_without_them(environment, calls):
    environment.ready()
    calls.clear()
    environment.ready("dev")
    assert not any("venv " in call and "-m venv" in call for call in calls)
    assert calls[-2].endswith("[dev]")


def test_an_interrupted_set_up_is_begun_anew(environment, calls, monkeypatch):
    def interrupted(lock):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "_install_torch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.ready()
    (environment.VENV / "lib").mkdir()
    (environment.VENV / "lib" / "half").touch()
    calls.clear()
    environment.ready()
    assert "-m venv" in calls[0]
    assert not (environment.VENV / "lib").exists()


def test_an_environment_moved_elsewhere_is_made_anew(environment, calls):
    environment.ready()
    state = environment.STATE.read_text("utf-8")
    environment.STATE.write_text(state.replace("a place", "another place"), "utf-8")
    calls.clear()
    environment.ready()
    assert "-m venv" in calls[0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyPI's build is the one for CPUs")
def test_no_cuda_is_fetched_without_a_gpu_even_when_nothing_is_found(
    environment, calls, monkeypatch
):
    tried: list[str] = []

    def nowhere(lock, *wanted):
        torch = [word for word in wanted if word.startswith("torch")]
        tried.extend(torch)
        return not torch

    monkeypatch.setattr(environment, "_pip", nowhere)
    with pytest.raises(environment.Stop, match="check the network"):
        environment.ready()
    assert len(tried) == 2 and all(word.endswith("+cpu") for word in tried)
    monkeypatch.setattr(environment, "_has_gpu", lambda: True)
    tried.clear()
    with pytest.raises(environment.Stop):
        environment.ready()
    assert len(tried) == 1 and "+" not in tried[0]


@pytest.mark.skipif(sys.platform != "linux", reason="Qt brings all it needs elsewhere")
def test_missing_libraries_are_named_in_one_line_to_type(environment, monkeypatch):
    monkeypatch.setattr(environment, "LIBRARIES", {"libnowhere.so.9": "libnowhere9"})
    monkeypatch.setattr(environment.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(environment.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    with pytest.raises(environment.Stop) as stop:
        environment.ready()
    assert stop.value.code == 3
    line = str(stop.value).splitlines()[1]
    assert "su -c" in line and line.endswith(' libnowhere9"')
    assert not environment.STATE.exists()


def test_a_checkout_that_cannot_be_written_is_said_in_one_sentence(environment, calls, monkeypatch):
    def refused(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(environment.Path, "mkdir", refused)
    with pytest.raises(environment.Stop, match="a folder that you may write"):
        environment.ready()


@pytest.mark.skipif(sys.platform == "win32", reason="locks are tried with POSIX tools here")
def test_a_second_set_up_waits_for_the_first(environment, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import environment as e; "
        "e.VENV = e.Path(sys.argv[2])\nwith e._locked(): print('in')"
    )
    command = [sys.executable, "-c", code, str(REPO / "packaging"), str(environment.VENV)]
    with environment._locked():
        second = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr and "waiting" in second.stderr.readline()
        assert second.poll() is None
    assert second.communicate(timeout=30)[0] == "in\n"
