from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.registry import load, user_folder

METHOD = '''
from __future__ import annotations
from typing import Annotated
from core.method import Method, Slider

class Blur(Method):
    """Blurs."""
    title = "Blur"
    strength: Annotated[float, Slider(0, 3, "σ", "How much.")] = 1.0
'''
FORMAT = """
from core.format import Format

class {name}(Format):
    title = "{name}"
    rank = {rank}
    def sniff(self, head, name):
        return False
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SORDINO_PLUGINS", str(tmp_path))
    return tmp_path


def test_own_formats_are_found_by_rank() -> None:
    formats = load().formats
    assert {"NumPy array", "TIFF", "PNG", "JPEG"} <= {one.title for one in formats}
    assert [one.rank for one in formats] == sorted((one.rank for one in formats), reverse=True)


def test_user_folder_is_found(folder: Path) -> None:
    (folder / "blur.py").write_text(METHOD, encoding="utf-8")
    (folder / "first.py").write_text(FORMAT.format(name="First", rank=99))
    (folder / "last.py").write_text(FORMAT.format(name="Last", rank=-99))
    (folder / "_ignored.txt").write_text("no Python")
    registry = load()
    assert registry.methods["blur"].title == "Blur"
    assert [control.name for control in registry.methods["blur"].controls()] == ["strength"]
    assert (registry.formats[0].title, registry.formats[-1].title) == ("First", "Last")


@pytest.mark.parametrize(
    "text",
    [
        "def (",
        "import no_such_module_anywhere",
        "raise SystemExit(3)",
        "from core.method import Method\nclass A(Method):\n    x: float = 1.0\n",
        "from core.format import Format\nclass A(Format):\n"
        "    def __init__(self): raise OSError('no')\n",
    ],
)
def test_a_broken_plugin_hides_nobody(folder: Path, text: str) -> None:
    before = load()
    (folder / "aaa.py").write_text(text)
    registry = load()
    (sentence,) = (registry.broken[name] for name in registry.broken if name not in before.broken)
    assert "aaa" in sentence
    assert "\n" not in sentence
    assert len(registry.formats) == len(before.formats)
    assert set(registry.methods) == set(before.methods)


def test_a_second_method_of_the_same_name_is_left_out(folder: Path) -> None:
    (folder / "blur.py").write_text(METHOD, encoding="utf-8")
    (folder / "more.py").write_text(METHOD.replace("Blur", "More"), encoding="utf-8")
    twin = METHOD + METHOD.replace("Blur", "Twin").replace("from __future__", "# ")
    (folder / "twin.py").write_text(twin, encoding="utf-8")
    registry = load()
    assert {"blur", "more", "twin"} <= set(registry.methods)
    assert any("another method called twin" in one for one in registry.broken.values())


def test_user_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SORDINO_PLUGINS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert user_folder() == Path("/somewhere/sordino/plugins")


def test_an_unknown_package_has_no_plugins(folder: Path) -> None:
    registry = load("core")
    assert (dict(registry.methods), registry.formats) == ({}, ())


def test_listing_imports_nothing_heavy() -> None:
    heavy = ("torch", "numba", "cv2", "PySide6", "rawpy", "tifffile", "PIL", "scipy")
    code = (
        "import sys; from core.registry import load; load();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert found.stdout.strip() == "[]"
