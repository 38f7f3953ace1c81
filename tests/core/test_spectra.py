"""Spectra of cubes: noise of bands, eigen-images, a guarded target, spectra from and to files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.cache import Cache
from core.cube import (
    CubeStatistics,
    JudgeCube,
    LookAtEigen,
    LookAtTarget,
    ReadSpectra,
    Target,
    look_at_change,
    without_map,
)
from core.desk import Desk
from core.develop import Look, settle
from core.format import UnreadableFile
from core.image import Array, Image
from core.library import Spectrum, bands, of_image, onto, read, written
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.spectra import angle, band_noise, guard, matched_filter, moments, noise_fractions
from core.tiles import Region
from tests.core.bench import NOISE
from tests.core.probes import Local

BANDS, EDGE = 40, 48
WAVES = np.linspace(400.0, 2400.0, BANDS)
SIGMA = np.linspace(1.0, 4.0, BANDS)


def materials() -> Array:
    """Spectra of three materials (3, bands)."""
    at = np.linspace(0, 1, BANDS)
    return 200 + 100 * np.stack([np.sin(3 * at), np.cos(5 * at), at**2])


def scene(seed: int = 0, target: Array | None = None, places: int = 0) -> tuple[Array, Array]:
    """(bands, y, x) without and with noise: mixed materials, a target in some single pixels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:EDGE, :EDGE] / EDGE
    shares = np.stack([rows, cols, 1 + np.sin(9 * rows * cols)])
    clean = np.tensordot(materials().T, shares / shares.sum(0), 1)
    for _ in range(places):
        y, x = rng.integers(4, EDGE - 4, 2)
        clean[:, y, x] = target
    return clean, clean + rng.normal(0, 1, clean.shape) * SIGMA[:, None, None]


def signature() -> Array:
    """A target unlike all materials."""
    return materials()[0] + 30 * np.exp(-((np.arange(BANDS) - 20.0) ** 2) / 8)


def image_of(pixels: Array, **more: object) -> Image:
    coords = {"b": WAVES, "units": {"b": "nm"}}
    return Image(pixels.astype(np.float32), "byx", "cube", coords=coords, **more)  # type: ignore[arg-type]


def test_noise_of_each_band_is_told_from_the_scene() -> None:
    found = band_noise(moments(scene()[1]))
    assert np.abs(found / SIGMA - 1).max() < 0.12
    few = band_noise(moments(scene()[1][:, :9, :9]))  # 81 pixels: neighbours foretell
    assert np.median(few / SIGMA) == pytest.approx(1, abs=0.25)
    assert np.isnan(band_noise(moments(scene()[1][:, :1, :2]))).all()


def test_pixels_without_a_value_do_not_count() -> None:
    noisy = scene()[1]
    noisy[3, :10] = np.nan
    found = moments(noisy)
    assert found.count == EDGE * (EDGE - 10) and np.isfinite(found.covariance).all()


def test_eigen_images_come_by_falling_signal_in_units_of_noise() -> None:
    clean, noisy = scene()
    found = moments(noisy)
    fractions = noise_fractions(found, SIGMA, 6)
    noise = np.tensordot(fractions.weights[:2], noisy - clean, 1)
    assert noise.std((1, 2)) == pytest.approx(np.ones(2), abs=0.05)
    assert (np.diff(fractions.snr) <= 0).all()
    assert fractions.snr[1] > 10 and fractions.snr[4] < 0.5  # three materials: two differences


def test_what_pure_noise_removal_leaves_raises_no_alarm() -> None:
    alarms = 0
    for seed in range(12):
        clean, noisy = scene(seed, signature(), 5)
        found = moments(noisy)
        used = matched_filter(found, band_noise(found), signature())
        assert used is not None
        seen = guard(noisy, clean, used)
        assert seen is not None and seen.holding >= 4 and seen.kept > 0.95
        alarms += seen.alarm
    assert alarms <= 1


def test_a_pixel_of_the_image_is_a_target_although_its_own_noise_is_in_it() -> None:
    alarms = told = 0
    for seed in range(12):
        clean, noisy = scene(seed)
        found = moments(noisy)
        used = matched_filter(found, band_noise(found), noisy[:, 20, 30], 1)
        if used is not None:  # else it is too much like the mean
            seen = guard(noisy, clean, used, (slice(20, 21), slice(30, 31)))
            assert seen is not None
            told, alarms = told + 1, alarms + seen.alarm
    assert alarms <= 1 and told >= 6


def test_a_rare_target_that_was_smoothed_away_raises_the_alarm() -> None:
    _, noisy = scene(3, signature(), 5)
    background = scene(3)[0]  # what a denoiser leaves that takes the target for noise
    found = moments(noisy)
    used = matched_filter(found, band_noise(found), signature())
    assert used is not None
    seen = guard(noisy, background, used)
    assert seen is not None and seen.lost >= 4 and seen.alarm and "5 pixels" in seen.why
    assert np.argmax(np.tensordot(used.weights, noisy, 1)) in (
        seen.place[0] * EDGE + seen.place[1],
        *np.argsort(np.tensordot(used.weights, noisy, 1).ravel())[-5:],
    )


def test_a_target_that_fades_everywhere_raises_the_alarm() -> None:
    clean, noisy = scene(4)
    clean[:, 10:30, 10:30] += (
        0.6 * (signature() - clean[:, 10:30, 10:30].mean((1, 2)))[:, None, None]
    )
    noisy = clean + (noisy - scene(4)[0])
    found = moments(noisy)
    used = matched_filter(found, SIGMA, signature())
    assert used is not None
    kept = guard(noisy, clean, used)
    faded = guard(noisy, clean - 0.2 * (clean - found.mean[:, None, None]), used)
    assert kept is not None and not kept.faded
    assert faded is not None and faded.faded and faded.kept == pytest.approx(0.8, abs=0.05)


def test_a_target_like_the_mean_cannot_be_told() -> None:
    found = moments(scene()[1])
    assert matched_filter(found, SIGMA, found.mean) is None
    assert matched_filter(found, SIGMA, np.full(BANDS, np.nan)) is None


def ran(work: object, desk: Desk) -> list[object]:
    return [*work(desk, lambda: False)]  # type: ignore[operator]


def test_works_see_the_tiles_that_are_exported() -> None:
    image = image_of(scene()[1], meta={"bbl": [1] * 30 + [0] + [1] * 9})
    recipe, desk = Recipe((Step(Local(tile=20)),)), Desk(cache=Cache(1 << 26), threads=2)
    area = Region(5, 7, 25, 31)
    after = assemble(Renderer(image, NOISE, recipe, desk), Region.whole(EDGE, EDGE))[:, 5:25, 7:31]
    spectra = ran(ReadSpectra(image, NOISE, recipe, area), desk)
    first, last = spectra[0], spectra[-1]
    assert first.after is None and np.array_equal(first.before, last.before)  # type: ignore[attr-defined]
    assert last.after == pytest.approx(after.mean((1, 2)), rel=1e-6)  # type: ignore[attr-defined]
    target = Target(onto(Spectrum("t", tuple(WAVES), tuple(signature())), image))
    judged = ran(JudgeCube(image, NOISE, recipe, area, target), desk)[-1]
    assert isinstance(judged, CubeStatistics) and judged.pixels == 480
    removed = np.sqrt(((np.asarray(image.pixels)[:, 5:25, 7:31] - after) ** 2).mean((1, 2)))
    assert judged.removed == pytest.approx(removed, rel=1e-4)
    assert np.isnan(judged.noise_before[30]) and np.isfinite(judged.noise_before).sum() == 39
    assert judged.guarded is not None and judged.snr[0][0] > 50
    plain = ran(JudgeCube(image, NOISE, Recipe(), area), desk)[-1]
    assert isinstance(plain, CubeStatistics) and plain.angles == (0, 0)


def test_a_large_area_is_judged_by_its_middle() -> None:
    image = image_of(np.ones((BANDS, 700, 600)))
    judged = ran(JudgeCube(image, None, Recipe(), Region.whole(700, 600)), Desk())[-1]
    assert isinstance(judged, CubeStatistics) and judged.pixels <= 200_000


def test_ways_to_look_and_back() -> None:
    image, desk = image_of(scene(0, signature(), 5)[1]), Desk()
    look = settle(image, Look())
    (eigen,) = ran(LookAtEigen(image, look, (0, 1, 2)), desk)
    assert isinstance(eigen, Look) and eigen.map is not None and len(eigen.map.weights) == 3
    planes = np.stack(eigen.map.planes(image.pixels, image.pixels))
    assert ((planes > 0) & (planes < 1)).mean((1, 2)) == pytest.approx([0.96] * 3, abs=0.01)
    assert without_map(eigen) == without_map(look) != look
    target = Target(onto(Spectrum("t", tuple(WAVES), tuple(signature())), image))
    (share,) = ran(LookAtTarget(image, eigen, target, "share"), desk)
    assert (
        isinstance(share, Look)
        and share.map is not None
        and without_map(share) == without_map(look)
    )
    (plane,) = share.map.planes(image.pixels, image.pixels)
    assert np.sort(plane.ravel())[-5:].min() > 0.6 and abs(float(np.median(plane))) < 0.1
    (angles,) = ran(LookAtTarget(image, look, target, "angle"), desk)
    assert isinstance(angles, Look) and angles.map is not None and angles.map.unit == "°"
    assert angle(signature(), image.pixels[:, 3, 4]) == pytest.approx(
        angles.map.planes(image.pixels, image.pixels)[0][3, 4], rel=1e-3
    )
    change = look_at_change(image, look, 2.0)
    assert change.window == (0.0, 2.0) and without_map(change) == without_map(look)


def test_spectra_go_to_a_table_and_back(tmp_path: Path) -> None:
    image = image_of(scene()[1])
    x, unit = bands(image)
    one = Spectrum("oak, dry", tuple(x), tuple(signature()), unit)
    two = replace(one, name="clay", y=tuple(materials()[1]))
    (tmp_path / "s.csv").write_text(written([one, two]))
    again = read(tmp_path / "s.csv")
    assert [each.name for each in again] == ["oak, dry", "clay"]
    assert again[1].x == pytest.approx(two.x) and again[1].y == pytest.approx(two.y)
    assert onto(again[0], image).y == pytest.approx(one.y)
    with pytest.raises(ValueError, match="same bands"):
        written([one, replace(two, x=two.x[:-1])])


@pytest.mark.parametrize(
    ("text", "x", "y", "unit"),
    [
        ("Wavelength (um);oak\n0,4;1,5\n0,5;2\n", (400, 500), (1.5, 2), "nm"),
        ("0.4 1.5\n0.5 2\n", (400, 500), (1.5, 2), "nm"),
        ("# made by hand\nband\tsoil\n1\t7\n2\t\n3\t9\n", (1, 2, 3), (7, None, 9), ""),
        ("400,1,\n500,2,\n", (400, 500), (1, 2), "nm"),
    ],
)
def test_tables_as_others_write_them(
    tmp_path: Path, text: str, x: tuple[float, ...], y: tuple[float | None, ...], unit: str
) -> None:
    (tmp_path / "s.txt").write_text(text)
    found = read(tmp_path / "s.txt")[0]
    expected = [np.nan if value is None else value for value in y]
    assert found.x == pytest.approx(x) and found.unit == unit
    assert found.y == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("text", ["", "a b c\n", "1 2\n", "1 2\n3 4 5\n", "\x00\x01\x02" * 50])
def test_what_is_no_table_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(UnreadableFile, match=r"s\.csv is no table of spectra"):
        read(tmp_path / "s.csv")


def test_spectra_of_other_bands_are_refused() -> None:
    image = image_of(scene()[1])
    with pytest.raises(UnreadableFile, match="no wavelengths in common"):
        onto(Spectrum("far", (8000.0, 9000.0), (1.0, 2.0)), image)
    with pytest.raises(UnreadableFile, match="no wavelengths"):
        onto(Spectrum("short", (1.0, 2.0), (1.0, 2.0), ""), image)
    with pytest.raises(UnreadableFile, match="no spectral library"):
        of_image(image, "x.img")
