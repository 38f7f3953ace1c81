"""The house rules that a machine can check: who imports whom, and what stays unloaded."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
QT = {"PySide6", "pyqtgraph", "shiboken6"}
FILES = {"rawpy", "tifffile", "PIL", "exifread", "h5py", "OpenEXR", "pydicom", "gdcm"}
FORMATS = ("plugins", "formats")
TORCH_AT_TOP = (("core", "render.py"), ("core", "devices.py"), ("core", "ops"), ("core", "learn"))
UNWANTED = ("utils.py", "helpers.py", "manager.py")


@dataclass(frozen=True)
class Import:
    """One imported module, as the file that imports it names it."""

    file: Path  # from the repository
    line: int
    module: str
    level: int  # dots of a relative import
    top: bool  # runs when the file is imported

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {'.' * self.level}{self.module}"


def sources(*folders: str) -> list[Path]:
    """Python files below the folders, from the repository."""
    found = [file for folder in folders for file in (REPO / folder).rglob("*.py")]
    return [file.relative_to(REPO) for file in sorted(found)]


@cache
def imports(*folders: str) -> tuple[Import, ...]:
    """All imports in a folder; those for type checkers only do not count as being at the top."""
    return tuple(
        each
        for file in sources(*folders)
        for each in walk(ast.parse((REPO / file).read_text("utf-8")), file, True)
    )


def walk(node: ast.AST, file: Path, top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(file, child.lineno, name.name, 0, top)
        elif isinstance(child, ast.ImportFrom):
            for name in child.names:  # "from core import engine" imports core.engine
                module = ".".join(filter(None, (child.module, name.name)))
                yield Import(file, child.lineno, module, child.level, top)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for part in child.body:
                yield from walk(ast.Module([part], []), file, False)
            for part in child.orelse:
                yield from walk(ast.Module([part], []), file, top)
        else:
            yield from walk(child, file, top and not inside)


def within(file: Path, *places: tuple[str, ...]) -> bool:
    return any(file.parts[: len(place)] == place for place in places)


def plugin(file: Path) -> tuple[str, ...]:
    """The plugin a file belongs to: ("plugins", "formats", "raw") for raw.py and for raw/dng.py."""
    return (*file.parts[:2], Path(file.parts[2]).stem)


def said(found: list[Import]) -> str:
    return "\n".join(map(str, found))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("folder", "banned"),
    [
        ("core", {"gui", "plugins"}),
        ("gui", {"plugins", "torch", "rawpy"}),
        ("plugins", {"gui"}),
    ],
)
def test_gui_to_core_from_plugins(folder: str, banned: set[str]) -> None:
    assert sources(folder)
    wrong = [each for each in imports(folder) if each.root in banned]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_no_plugin_imports_another() -> None:
    wrong = [
        each
        for each in imports("plugins")
        if each.root == "plugins" and tuple(each.module.split(".")[:3]) != plugin(each.file)
    ]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_qt_in_the_window_only() -> None:
    wrong = [each for each in imports("core", "plugins", "resources") if each.root in QT]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_file_libraries_in_formats_only() -> None:
    every = imports("core", "gui", "plugins", "resources")
    wrong = [each for each in every if each.root in FILES and not within(each.file, FORMATS)]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_torch_at_the_top_of_worker_modules_only() -> None:
    wrong = [
        each
        for each in imports("core", "gui", "plugins", "resources")
        if each.root == "torch" and each.top and not within(each.file, *TORCH_AT_TOP)
    ]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_imports_are_absolute() -> None:
    every = imports("core", "gui", "plugins", "resources", "packaging", "tests")
    wrong = [each for each in every if each.level]
    assert not wrong, said(wrong)


@pytest.mark.tiny
def test_names_of_files() -> None:
    assert not (REPO / "packaging" / "__init__.py").exists()  # it would hide PyPI's packaging
    assert not list((REPO / "tests").rglob("__init__.py"))
    every = sources("core", "gui", "plugins", "resources", "packaging", "tests")
    wrong = [str(file) for file in every if file.name in UNWANTED]
    assert not wrong, "a file is named after what it does: " + ", ".join(wrong)


@pytest.mark.tiny
def test_the_rules_see_what_they_should(tmp_path: Path) -> None:
    text = """
if TYPE_CHECKING:
    import torch
from core import engine
def f():
    from . import g
try:
    import rawpy
except ImportError:
    pass
class A:
    import cv2
"""
    found = {each.module: each for each in walk(ast.parse(text), Path("x.py"), True)}
    assert set(found) == {"torch", "core.engine", "g", "rawpy", "cv2"}
    assert {name for name, each in found.items() if each.top} == {"core.engine", "rawpy", "cv2"}
    assert found["g"].level == 1
    raw = Path("plugins/formats/raw")
    assert plugin(raw / "dng.py") == plugin(raw.with_suffix(".py")) == raw.parts


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after `code`."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=REPO,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "SORDINO_PLUGINS": str(REPO / "none")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_listing_methods_loads_no_heavy_library() -> None:
    code = """
import runpy, sys
sys.argv[1:] = ["methods", "--json"]
try:
    runpy.run_module("core", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
"""
    assert loaded_by(code).isdisjoint({"torch", "numba", "cv2", "PySide6", "rawpy"})


def test_window_loads_no_heavy_library() -> None:
    found = loaded_by("import gui.app, gui.window")
    assert "PySide6" in found
    assert found.isdisjoint({"torch", "cv2", "numba", "rawpy", "pyqtgraph"})
