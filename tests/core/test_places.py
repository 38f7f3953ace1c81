"""Kernels have a place wherever the program is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from core import places

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is Linux's")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that it is restored afterwards
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_folder_of_ones_own_keeps_its_kernels(home: Path) -> None:
    places.keep_kernels()
    assert "NUMBA_CACHE_DIR" not in os.environ
    assert not (home / "cache").exists()


def test_a_bundle_keeps_them_in_the_users_cache(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    places.keep_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == str(home / "cache" / "sordino" / "kernels")
    assert (home / "cache" / "sordino" / "kernels").is_dir()


def test_so_does_an_installation_for_all_users(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    places.keep_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == str(home / "cache" / "sordino" / "kernels")


def test_without_a_home_they_live_for_a_while(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    (home / "cache").write_text("not a folder")
    places.keep_kernels()
    found = Path(os.environ["NUMBA_CACHE_DIR"])
    assert found.is_dir()
    assert not found.is_relative_to(home / "cache")


def test_what_the_user_says_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    places.keep_kernels()
    assert os.environ["NUMBA_CACHE_DIR"] == "/somewhere"
