from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import core  # noqa: F401  (before NumPy: BLAS then has one thread, as in the program)
from tests.judge import Judge

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: so would be all
    with contextlib.suppress(ValueError):  # that tests start and interrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files, kept beside the repository; tests that need them are skipped without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """Opens hostile files, and tells what they did."""
    pytest.importorskip("resource")
    process = Judge()
    yield process
    process.close()
