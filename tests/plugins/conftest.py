from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.dicoms import series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    series(tmp_path / "ct")
    return tmp_path / "ct"
