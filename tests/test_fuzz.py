"""A short run of tests/fuzz.py: always the same cases."""

from __future__ import annotations

from pathlib import Path

from core.registry import load
from tests.fuzz import Fuzz, run, written
from tests.judge import Judge

CASES = 45


def test_damaged_files_of_every_format(tmp_path: Path, judge: Judge) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    fuzz = Fuzz(tmp_path, judge)
    run(written(load(), whole), fuzz, CASES, 1)
    assert fuzz.opened.total() >= CASES
    assert fuzz.opened[True] and fuzz.opened[False]
