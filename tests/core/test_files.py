from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import files
from core.child import pack, plain, rich, unpack
from core.files import Decoder, find_format, open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Cfa, Color, Image, Levels
from core.method import Cancelled
from core.registry import Registry, load

HOSTILE = """
import os, sys, time
import numpy as np
from core.format import Format, UnreadableFile
from core.image import Image

def act(what):
    if what == "sleep":
        time.sleep(60)
    if what == "spin":
        while True: pass
    if what == "abort":
        os.abort()
    if what == "eat":
        return np.ones(1 << 30)
    if what == "chat":
        for _ in range(4096): os.write(2, b"warning " * 512)
    if what == "exit":
        sys.exit(0)
    if what == "raise":
        raise RuntimeError("b'Input/output error'")
    if what == "modules":
        heavy = ("torch", "PySide6", "numba", "cv2", "rawpy")
        raise UnreadableFile(" ".join(name for name in heavy if name in sys.modules) or "none")

class Act(Format):
    title = "Act"
    rank = 1000
    writes = (".act",)
    takes = ("array",)
    def sniff(self, head, name):
        return head.startswith(b"ACT ")
    def header(self, path):
        return {"shape": [2, 3]}
    def read(self, path):
        act(path.read_text()[4:])
        return Image(np.arange(6, dtype=np.float32).reshape(2, 3))
    def write(self, path, image, source, output):
        path.write_text("ACT " + str(source.meta.get("act", "")))
        if source.meta.get("fail"):
            raise source.meta["fail"]
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "act.py").write_text(HOSTILE)
    monkeypatch.setenv("SORDINO_PLUGINS", str(folder))
    return load()


def act(folder: Path, what: str) -> Path:
    path = folder / "file.act"
    path.write_text(f"ACT {what}")
    return path


def an_image(path: str = "", **meta: Any) -> Image:
    return Image(np.arange(6, dtype=np.float32).reshape(2, 3), path=path, meta=meta)


# --- finding ---------------------------------------------------------------------------------


def test_what_is_no_file_gets_a_sentence(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.txt").write_text("hello")
    for name, word in (
        ("missing.png", "does not exist"),
        (".", "is a folder"),
        ("empty.png", "is empty"),
        ("words.txt", "no known format"),
        ("nul\0.png", "could not be opened"),
    ):
        with pytest.raises(UnreadableFile, match=word) as caught:
            find_format(registry, tmp_path / name)
        assert str(caught.value).endswith(".")


def test_content_counts_not_the_name(registry: Registry, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 4)))
    (tmp_path / "a.npy").rename(tmp_path / "a.tif")
    assert find_format(registry, tmp_path / "a.tif").title == "NumPy array"


# --- opening ---------------------------------------------------------------------------------


def test_open_maps_the_pixels_and_leaves_nothing(
    registry: Registry, tmp_path: Path, private: Path
) -> None:
    array = np.random.default_rng(0).normal(0, 2, (20, 30, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    image = open_image(registry, tmp_path / "a.npy")
    assert np.array_equal(image.pixels[...], array.transpose(2, 0, 1))
    assert image.axes == "cyx"
    assert image.path == str(tmp_path / "a.npy")
    assert not np.asarray(image.pixels).flags.writeable
    if sys.platform != "win32":
        assert not list(private.iterdir())


def test_header_needs_no_pixels(registry: Registry, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 6, 7), np.int16))
    header = read_header(registry, tmp_path / "a.npy")
    assert (header["axes"], header["shape"], header["dtype"]) == ("zyx", [5, 6, 7], "int16")


def test_axes_are_told_or_refused(registry: Registry, tmp_path: Path) -> None:
    array = np.arange(2 * 5 * 3).reshape(2, 5, 3)
    np.save(tmp_path / "a.npy", array)
    image = open_image(registry, tmp_path / "a.npy", axes="tyx")
    assert (image.axes, image.pixels.shape) == ("tyx", (2, 5, 3))
    back = save_image(registry, tmp_path / "b.npy", image, image)
    assert np.array_equal(np.load(back), array)
    image = open_image(registry, tmp_path / "a.npy", axes="xby")
    assert np.array_equal(image.pixels[...], array.transpose(1, 2, 0))
    with pytest.raises(UnreadableFile, match="one letter for each"):
        open_image(registry, tmp_path / "a.npy", axes="yx")


@pytest.mark.parametrize(
    ("what", "word"),
    [("abort", "decoder stop"), ("eat", "memory"), ("exit", "stop"), ("raise", "RuntimeError")],
)
def test_a_bad_decoder_takes_only_the_child_with_it(
    registry: Registry, tmp_path: Path, private: Path, what: str, word: str
) -> None:
    with pytest.raises(UnreadableFile, match=word) as caught:
        open_image(registry, act(tmp_path, what))
    assert "file.act" in str(caught.value)
    assert not list(private.iterdir())


def test_a_chatty_decoder_blocks_nobody(registry: Registry, tmp_path: Path) -> None:
    assert open_image(registry, act(tmp_path, "chat")).pixels.shape == (2, 3)


def test_an_endless_decoder_is_ended(
    registry: Registry, tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SECONDS", 0.5)
    with pytest.raises(UnreadableFile, match="too long"):
        open_image(registry, act(tmp_path, "sleep"))
    assert not list(private.iterdir())


def test_cancel_ends_the_child(registry: Registry, tmp_path: Path, private: Path) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        open_image(registry, act(tmp_path, "spin"), cancelled=lambda: next(asked))
    assert not list(private.iterdir())


def test_the_child_imports_nothing_heavy(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"^none$"):
        open_image(registry, act(tmp_path, "modules"))


def test_a_warm_decoder_survives_a_crash(registry: Registry, tmp_path: Path) -> None:
    with Decoder(warm=True) as decoder:
        with pytest.raises(UnreadableFile):
            open_image(registry, act(tmp_path, "abort"), decoder=decoder)
        for _ in range(2):
            image = open_image(registry, act(tmp_path, "fine"), decoder=decoder)
            assert image.pixels.shape == (2, 3)


def test_crashed_runs_are_swept(private: Path, tmp_path: Path, registry: Registry) -> None:
    old, new = private / f"{files.PREFIX}old", private / f"{files.PREFIX}new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "0.npy").touch()
    os.utime(old, (0, 0))
    open_image(registry, act(tmp_path, "fine"))
    assert not old.exists()
    assert new.exists()


def test_memory_disks_are_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    with files._folder() as folder:
        assert not folder.is_relative_to("/dev/shm")


# --- images as JSON ----------------------------------------------------------------------------


def test_everything_in_an_image_travels(tmp_path: Path) -> None:
    image = Image(
        np.arange(24, dtype=np.uint16).reshape(2, 4, 3).transpose(2, 0, 1),
        "cyx",
        "mosaic",
        Levels(((1.0, 2.0), (3.0, 4.0)), 4095.0),
        Cfa(((0, 1), (1, 2))),
        Color((2.0, 1.0, 1.5), "daylight"),
        6,
        {"wavelengths": (400.0, 500.0)},
        {"icc": b"\0\xff", "alpha": np.eye(3), "exif": {"iso": np.int64(100), "x": [None, True]}},
        "somewhere",
    )
    back = unpack(pack(image, tmp_path), lambda number: np.load(tmp_path / f"{number}.npy"))
    assert back.id == image.id
    assert np.asarray(back.pixels).strides == np.asarray(image.pixels).strides
    for name in ("axes", "kind", "levels", "cfa", "color", "orientation", "coords", "path"):
        assert getattr(back, name) == getattr(image, name)
    assert np.array_equal(back.meta["alpha"], np.eye(3))
    assert back.meta["icc"] == b"\0\xff"
    assert back.meta["exif"] == {"iso": 100, "x": [None, True]}


def test_unknown_metadata_becomes_text() -> None:
    assert plain({1: Path("a")}) == {"1": "a"}
    assert rich(plain((b"a", [1.5])), np.empty) == (b"a", [1.5])


# --- saving ------------------------------------------------------------------------------------


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name not in ("plugins", "private")}


def test_saved_files_read_back(registry: Registry, tmp_path: Path) -> None:
    image = an_image()
    assert save_image(registry, tmp_path / "a.npy", image, image) == tmp_path / "a.npy"
    assert np.array_equal(np.load(tmp_path / "a.npy"), image.pixels[...])
    assert names(tmp_path) == {"a.npy"}


def test_nothing_is_overwritten_unasked(registry: Registry, tmp_path: Path) -> None:
    target = tmp_path / "a.npy"
    target.write_text("dear")
    with pytest.raises(UnwritableFile, match="exists"):
        save_image(registry, target, an_image(), an_image())
    assert target.read_text() == "dear"
    save_image(registry, target, an_image(), an_image(), Output(overwrite=True))
    assert np.load(target).shape == (2, 3)


@pytest.mark.parametrize("link", ["same", "symlink", "hardlink"])
def test_the_source_is_never_written(registry: Registry, tmp_path: Path, link: str) -> None:
    source, target = tmp_path / "source.npy", tmp_path / "link.npy"
    np.save(source, np.ones((3, 3)))
    before = source.read_bytes()
    try:
        if link == "symlink":
            target.symlink_to(source)
        if link == "hardlink":
            os.link(source, target)
    except OSError:
        pytest.skip("no links here")
    target = source if link == "same" else target
    with pytest.raises(UnwritableFile, match="source itself"):
        save_image(registry, target, an_image(), an_image(str(source)), Output(overwrite=True))
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "error", [UnwritableFile("no"), OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_a_failed_export_leaves_nothing(
    registry: Registry, tmp_path: Path, error: BaseException
) -> None:
    expected = UnwritableFile if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        save_image(registry, tmp_path / "a.act", an_image(), an_image(fail=error))
    assert names(tmp_path) == set()


def test_a_cancelled_export_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        save_image(registry, tmp_path / "a.act", an_image(), an_image(), cancelled=lambda: True)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("what", ["raise", "other"])
def test_what_reads_back_wrong_is_not_kept(registry: Registry, tmp_path: Path, what: str) -> None:
    image = an_image(act=what)
    if what == "other":
        image = Image(np.zeros((2, 3), np.float32))
    target = tmp_path / "a.act"
    target.write_text("the old one")
    with pytest.raises(UnwritableFile, match=r"not readable|read back differently"):
        save_image(registry, target, image, image, Output(overwrite=True))
    assert target.read_text() == "the old one"
    assert names(tmp_path) == {"a.act"}


def test_targets_that_cannot_be_get_a_sentence(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.npy").mkdir()
    mosaic = Image(np.zeros((4, 4), np.uint16), kind="mosaic", cfa=Cfa(((0, 1), (1, 2))))
    for name, image, word in (
        ("none/a.npy", an_image(), "does not exist"),
        ("a.xyz", an_image(), "no suffix that can be written"),
        ("a.png", mosaic, "cannot hold such pixels"),
        ("folder.npy", an_image(), "is a folder"),
    ):
        with pytest.raises(UnwritableFile, match=word) as caught:
            save_image(registry, tmp_path / name, image, image)
        assert str(caught.value).endswith(".")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UnwritableFile, match="free that much"):
        save_image(registry, tmp_path / "a.npy", an_image(), an_image())
