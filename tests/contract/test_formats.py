"""The same checks for EVERY format that is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.files import find_format, open_image, read_header, save_image
from core.format import Format, Output, UnreadableFile, UnwritableFile
from core.image import Cfa, Color, Image, Levels
from core.registry import Registry, load

REGISTRY = load()
WRITERS = [
    (found, kind, suffix)
    for found in REGISTRY.formats
    for kind in found.takes
    for suffix in found.writes[:2]
]
KINDS = {"mosaic", "linear", "display", "cube", "scan", "clip", "rf", "array"}


def label(value: Any) -> str:
    return getattr(value, "title", str(value))


def sample(kind: str) -> Image:
    """A small picture of the kind, with odd sizes."""
    rng = np.random.default_rng(1)
    ramp = np.add.outer(np.linspace(0.1, 0.6, 39), np.linspace(0, 0.3, 57))
    noisy = np.clip(ramp + rng.normal(0, 0.03, (3, 39, 57)), 0, 1)
    meta = {"exif": {"make": "Sordino", "model": "Test", "iso": 800, "exposure": 0.008}}
    if kind == "array":
        return Image(rng.normal(0, 3, (39, 57)).astype(np.float32))
    if kind == "clip":
        coords = {"t": np.arange(4) / 25, "units": {"t": "s"}}
        pixels = (noisy[:1, :38, :56] * 255 + np.zeros((4, 1, 1))).astype(np.uint8)
        return Image(pixels, "tyx", kind, Levels(white=255.0), coords=coords)
    if kind in ("cube", "scan", "rf"):
        axes = {"cube": "byx", "scan": "zyx", "rf": "tyx"}[kind]
        return Image((noisy * 2000 - 500).astype(np.int16), axes, kind)
    if kind == "display":
        pixels = (noisy * 65535).astype(np.uint16)
        return Image(pixels, "cyx", kind, Levels(white=65535.0), meta=meta)
    color = Color((2.0, 1.0, 1.5), matrix=((1.6, -0.4, -0.2), (-0.3, 1.5, -0.2), (0, -0.4, 1.4)))
    if kind == "linear":
        pixels = (noisy * 60000).astype(np.uint16)
        return Image(pixels, "cyx", kind, Levels(white=65535.0), color=color, meta=meta)
    pixels = (noisy[0, :38, :56] * 15000 + 512).astype(np.uint16)
    cfa = Cfa(((0, 1), (1, 2)))
    return Image(pixels, "yx", kind, Levels(((512.0,),), 16383.0), cfa, color, meta=meta)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of every format that can be written."""
    folder = tmp_path_factory.mktemp("samples")
    found: dict[str, Path] = {}
    for writer, kind, suffix in WRITERS:
        path = folder / f"{kind}{suffix}"
        if writer.title not in found:
            image = sample(kind)
            writer.write(path, image, image, Output())
            found[writer.title] = path
    return found


@pytest.mark.parametrize("found", REGISTRY.formats, ids=label)
def test_declares_itself(found: Format) -> None:
    assert found.title
    assert found.suffixes
    assert all(one.startswith(".") and one == one.lower() for one in found.suffixes)
    assert set(found.writes) <= set(found.suffixes)
    assert bool(found.writes) == bool(found.takes)
    assert set(found.takes) <= KINDS


@pytest.mark.parametrize("found", REGISTRY.formats, ids=label)
def test_sniffs_its_own_only(found: Format, samples: dict[str, Path]) -> None:
    for title, path in samples.items():
        head = path.read_bytes()[:4096]
        if title == found.title:
            assert found.sniff(head, path.name)
        assert (find_format(REGISTRY, path) is found) == (title == found.title)


@pytest.mark.parametrize("found", REGISTRY.formats, ids=label)
@pytest.mark.parametrize("head", [b"", b"\0", b"hello world", b"\xff" * 4096, b"II*\0"])
def test_sniff_never_raises(found: Format, head: bytes) -> None:
    for name in ("", "a.dng", "a.npz", "ä.PNG"):
        assert found.sniff(head, name) in (True, False)


@pytest.mark.parametrize(("found", "kind", "suffix"), WRITERS, ids=label)
def test_written_pixels_read_back(found: Format, kind: str, suffix: str, tmp_path: Path) -> None:
    image = sample(kind)
    path = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
    back = open_image(REGISTRY, path)
    stored = found.stored(image, Output())
    assert back.pixels.shape == image.pixels.shape
    assert back.pixels.dtype == stored.dtype
    apart = np.abs(np.asarray(back.pixels, np.float64) - stored[...])
    assert float(apart.mean()) <= (5.0 if found.tolerance else 0.0)
    assert {one.name for one in tmp_path.iterdir()} == {
        one.name for one in (path, *found.companions(path))
    }
    header = read_header(REGISTRY, path)
    assert tuple(header["shape"]) == tuple(back.pixels.shape)
    assert (header["axes"], header["kind"]) == (back.axes, back.kind)
    assert np.dtype(header["dtype"]) == back.pixels.dtype


@pytest.mark.parametrize(("found", "kind", "suffix"), WRITERS, ids=label)
def test_a_second_trip_changes_nothing(
    found: Format, kind: str, suffix: str, tmp_path: Path
) -> None:
    image = sample(kind)
    first = open_image(REGISTRY, save_image(REGISTRY, tmp_path / f"a{suffix}", image, image))
    path = tmp_path / f"b{suffix}"
    second = open_image(REGISTRY, save_image(REGISTRY, path, first, first))
    if not found.tolerance:
        assert np.array_equal(first.pixels[...], second.pixels[...])
    for name in ("axes", "kind", "levels", "cfa", "orientation"):
        assert getattr(second, name) == getattr(first, name)
    for name in ("exif", "icc", "dpi"):
        assert second.meta.get(name) == first.meta.get(name)


@pytest.mark.parametrize("found", REGISTRY.formats, ids=label)
@pytest.mark.parametrize("part", [0.02, 0.5, 0.97])
def test_a_truncated_file_gives_a_sentence(
    found: Format, part: float, samples: dict[str, Path], tmp_path: Path
) -> None:
    if found.title not in samples:
        pytest.skip("cannot be written, so there is no sample")
    whole = samples[found.title]
    data = whole.read_bytes()
    path = tmp_path / whole.name
    path.write_bytes(data[: max(8, int(len(data) * part))])
    try:
        open_image(REGISTRY, path)
    except UnreadableFile as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)
    else:
        assert part == 0.97  # what is cut off may be metadata


@pytest.mark.parametrize("found", REGISTRY.formats, ids=label)
def test_other_kinds_are_refused(found: Format, tmp_path: Path) -> None:
    for kind in KINDS - set(found.takes):
        for suffix in found.writes:
            others = [one for one in REGISTRY.formats if suffix in one.writes]
            if not any(kind in one.takes for one in others):
                image = sample(kind)
                with pytest.raises(UnwritableFile):
                    save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
                assert not list(tmp_path.iterdir())


def test_nothing_of_ours_is_broken() -> None:
    registry: Registry = REGISTRY
    assert not [name for name in registry.broken if name.startswith("plugins.formats")]
