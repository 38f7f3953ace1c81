"""Colour profiles: read and shown as LittleCMS does it, and harmless when damaged."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.develop import (
    BadProfile,
    Curve,
    Look,
    Profile,
    complaint,
    export_rgb,
    parse,
    thumbnail,
    to_screen,
)
from core.develop.icc import srgb_profile
from core.develop.profile import srgb_decode, srgb_encode
from core.image import Image, Levels

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
D50 = (0.9642, 1.0, 0.8249)
PRIMARIES = {  # x, y of red, green, blue, white
    "adobe": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (0.3127, 0.3290)),
    "p3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.3290)),
    "prophoto": ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105),
                 (0.345704, 0.358540)),
}  # fmt: skip
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def colorants(name: str) -> np.ndarray:
    """XYZ of the primaries, one a column, adapted to D50."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES[name]]).T
    rgb = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    gains = BRADFORD @ D50 / (BRADFORD @ xyz[:, 3])
    return np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD @ rgb


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


def para(kind: int, *values: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed(*values)


def curv(*values: int) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


def icc(tags: dict[bytes, bytes], space: bytes = b"RGB ", version: int = 4) -> bytes:
    """A display profile of these tags, which LittleCMS accepts."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50), **tags}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4xB3x4s4s4s12x4s", size, version, b"mntr", space, b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb(name: str, *curves: bytes, version: int = 4) -> bytes:
    tags = {
        letter + b"XYZ": b"XYZ \0\0\0\0" + fixed(*column)
        for letter, column in zip((b"r", b"g", b"b"), colorants(name).T, strict=True)
    }
    tags |= {
        letter + b"TRC": curve
        for letter, curve in zip((b"r", b"g", b"b"), curves * (3 // len(curves)), strict=True)
    }
    text = name.encode()
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(80)
    return icc(tags, version=version)


P3 = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
TABLE = [round(65535 * (i / 255) ** 1.9) for i in range(256)]
PROFILES = {
    "adobe, gamma": rgb("adobe", curv(round(2.19921875 * 256)), version=2),
    "p3, para 3": rgb("p3", para(3, *P3)),
    "prophoto, para 0": rgb("prophoto", para(0, 1.8)),
    "p3, table": rgb("p3", curv(*TABLE), version=2),
    "p3, identity": rgb("p3", curv()),
    "adobe, para 1": rgb("adobe", para(1, 2.0, 1.1, -0.1)),
    "adobe, para 2": rgb("adobe", para(2, 2.0, 0.9, 0.05, 0.0025)),
    "adobe, para 4": rgb("adobe", para(4, 3.0, 1 / 1.16, 0.16 / 1.16, 1 / 9.033, 0.08, 0.0, 0.0)),
    "p3, three curves": rgb("p3", para(0, 1.8), para(0, 2.2), para(0, 2.4)),
}
CHART = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3, indexing="ij"), -1)
CHART = CHART.reshape(64, 64, 3).astype(np.uint8)


def display(pixels: np.ndarray, data: bytes | None) -> Image:
    planes = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels
    meta = {"icc": data} if data else {}
    axes = "cyx" if pixels.ndim == 3 else "yx"
    return Image(planes, axes, "display", Levels(white=255.0), meta=meta)


def lcms(pixels: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    """LittleCMS, relative colorimetric."""
    profiles = [PIL.ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (source, target)]
    mode = "RGB" if pixels.ndim == 3 else "L"
    transform = PIL.ImageCms.buildTransform(
        *profiles, mode, "RGB", PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC,
        PIL.ImageCms.Flags.HIGHRESPRECALC | PIL.ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    shown = PIL.ImageCms.applyTransform(PIL.Image.fromarray(pixels), transform)
    assert shown is not None
    return np.asarray(shown).astype(int)


@pytest.mark.parametrize("name", PROFILES)
def test_files_are_shown_in_the_colours_of_littlecms(name: str) -> None:
    shown = export_rgb(display(CHART, PROFILES[name]), Look()).astype(int)
    apart = np.abs(shown - lcms(CHART, PROFILES[name], SRGB))
    assert apart.max() <= 1
    assert apart.mean() < 0.1
    plain = export_rgb(display(CHART, None), Look()).astype(int)
    assert np.abs(plain - shown).max() > 10  # and that is another picture than without


@pytest.mark.parametrize("name", PROFILES)
def test_screens_get_the_colours_of_littlecms(name: str) -> None:
    look = Look(profile=parse(PROFILES[name]))
    shown = export_rgb(display(CHART, None), look).astype(int)
    theirs = lcms(CHART, SRGB, PROFILES[name])
    if name == "adobe, para 1":  # black up to value 23: they show the last black, we the first
        shown, theirs = np.maximum(shown, 24), np.maximum(theirs, 24)
    apart = np.abs(shown - theirs)
    assert apart[theirs > 8].max() <= 1
    assert apart.max() <= 2  # in the deepest shadows 16 bits of linear light are coarse
    assert apart.mean() < 0.1


def test_a_file_on_a_screen_of_the_same_profile_keeps_its_numbers() -> None:
    data = PROFILES["p3, three curves"]
    shown = export_rgb(display(CHART, data), Look(profile=parse(data)))
    np.testing.assert_array_equal(shown, CHART)


def test_wide_colours_reach_a_wide_screen() -> None:
    data, screen = PROFILES["adobe, gamma"], PROFILES["prophoto, para 0"]
    shown = export_rgb(display(CHART, data), Look(profile=parse(screen))).astype(int)
    assert np.abs(shown - lcms(CHART, data, screen)).max() <= 1


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey_files(gamma: float) -> None:
    data = icc({b"kTRC": para(0, gamma)}, b"GRAY")
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    shown = export_rgb(display(ramp, data), Look()).astype(int)
    assert np.abs(shown - lcms(ramp, data, SRGB)).max() <= 1
    expected = 255 * srgb_encode((np.arange(256) / 255) ** gamma)
    assert np.abs(shown[0] - expected[:, None]).max() <= 0.51


@pytest.mark.parametrize("white", [255.0, 4095.0, 65535.0])
def test_thumbnails_too_and_any_depth(white: float) -> None:
    data = PROFILES["p3, para 3"]
    dtype = np.uint8 if white == 255 else np.uint16
    pixels = np.zeros((3, 40, 40), dtype)
    pixels[1] = white * 200 / 255
    image = Image(pixels, "cyx", "display", Levels(white=white), meta={"icc": data})
    expected = lcms(np.array([[[0, 200, 0]]], np.uint8), data, SRGB)
    assert np.abs(thumbnail(image, 8).astype(int) - expected).max() <= 1


def test_srgb_itself_changes_nothing() -> None:
    assert parse(SRGB) == Profile()
    np.testing.assert_array_equal(export_rgb(display(CHART, SRGB), Look()), CHART)


def test_only_display_images_have_numbers_of_a_profile() -> None:
    image = replace(display(CHART, PROFILES["adobe, gamma"]), kind="array")
    look = Look(window=(0.0, 255.0), extent=(0.0, 255.0))
    np.testing.assert_array_equal(export_rgb(image, look), CHART)


def test_exposure_acts_on_the_light_of_the_profile() -> None:
    data = icc({b"kTRC": para(0, 1.8)}, b"GRAY")
    half = export_rgb(display(np.full((2, 2), 128, np.uint8), data), Look(exposure=1.0))
    expected = 255 * srgb_encode(np.array(2 * (128 / 255) ** 1.8))
    assert np.abs(half - expected).max() <= 0.51


@pytest.mark.parametrize("tone", ["srgb", "bt709", "filmic"])
@pytest.mark.parametrize("highlights", ["clip", "recover"])
def test_tones_look_alike_on_every_screen(tone: str, highlights: str) -> None:
    """A colour within sRGB: what the screen gets is the export, seen through its profile."""
    pixels = np.stack(np.meshgrid(*[np.linspace(0.2, 0.6, 16)] * 3), -1).reshape(64, 64, 3)
    image = Image(np.moveaxis(pixels, -1, 0), "cyx", "linear", Levels(white=1.0))
    look = Look(tone=tone, highlights=highlights)  # type: ignore[arg-type]
    screen = parse(PROFILES["p3, table"])
    values = export_rgb(image, look, bits=16) / 65535
    light = srgb_decode(values) @ np.asarray(screen.matrix).T
    expected = screen.curves[0].encode(np.clip(light, 0, 1)) * 255
    shown = export_rgb(image, replace(look, profile=screen))
    assert np.abs(shown - expected).max() <= 0.6


def test_white_balance_and_screen_are_the_last_step_only() -> None:
    store = np.full((2, 2, 3), 40000, np.uint16)
    image = Image(np.zeros((3, 2, 2), np.uint16), "cyx", "linear", Levels(white=65535.0))
    grey = to_screen(store, image, Look(profile=parse(PROFILES["adobe, gamma"])))
    assert np.ptp(grey.astype(int)) <= 1  # no profile tints grey


def test_curves() -> None:
    level = Curve.of(np.array([0.0, 0.0, 0.0, 0.5, 1.0]))
    assert level.encode(np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 0.75, 1.0]
    x = np.linspace(0, 1, 333)
    for curve in (Curve.gamma(2.2), Curve.of(np.linspace(0, 1, 7) ** 2)):
        np.testing.assert_allclose(curve.encode(curve.decode(x)), x, atol=1e-4)
    assert Curve.gamma(2.2) == Curve.gamma(2.2) and len({Curve.gamma(1.8), Curve.gamma(1.8)}) == 1


def test_names() -> None:
    assert parse(PROFILES["adobe, gamma"]).name == "adobe"
    text = "Écran".encode("utf-16-be")
    mluc = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"frFR", len(text), 28) + text
    assert parse(icc({b"kTRC": para(0, 1.8), b"desc": mluc}, b"GRAY")).name == "Écran"
    assert parse(icc({b"kTRC": para(0, 1.8)}, b"GRAY")).name == "unnamed"


GREY = {b"kTRC": para(0, 1.8)}
ONE_COLOUR = rgb("p3", para(0, 1.8)).replace(*(fixed(*colorants("p3")[:, i]) for i in (1, 0)))
BAD = {
    "empty": (b"", "header"),
    "text": (b"<html>" * 100, "header"),
    "cmyk": (icc(GREY, b"CMYK"), "CMYK"),
    "lookup": (icc({b"A2B0": bytes(100)}), "tables"),
    "no curve": (icc({k: b"XYZ \0\0\0\0" + fixed(*D50) for k in (b"rXYZ",)}), "lacks gXYZ"),
    "flat": (icc({b"kTRC": curv(5, 5, 5)}, b"GRAY"), "rise"),
    "falling": (icc({b"kTRC": curv(0, 60000, 30000, 65535)}, b"GRAY"), "fall"),
    "long curve": (icc({b"kTRC": b"curv\0\0\0\0\xff\xff\xff\xff"}, b"GRAY"), "early"),
    "para 9": (icc({b"kTRC": para(9, 1.0)}, b"GRAY"), "unknown kind"),
    "short para": (icc({b"kTRC": para(4, 1.0)}, b"GRAY"), "unknown kind"),
    "steep": (icc({b"kTRC": para(0, -3.0)}, b"GRAY"), "rise"),
    "device link": (icc(GREY, b"GRAY").replace(b"mntr", b"link"), "picture"),
    "cut": (PROFILES["p3, table"][:-600], "early"),
    "count": (SRGB[:128] + b"\xff\xff\xff\xff" + SRGB[132:], "early"),
    "one colour": (ONE_COLOUR, "primaries"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_sentence(name: str) -> None:
    data, word = BAD[name]
    with pytest.raises(BadProfile, match=word):
        parse(data)
    assert complaint(data).startswith("The picture is shown as sRGB: its colour profile ")
    np.testing.assert_array_equal(export_rgb(display(CHART, data), Look()), CHART)


def test_no_complaint_about_good_ones() -> None:
    assert not any(complaint(data) for data in (SRGB, *PROFILES.values()))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([SRGB, *PROFILES.values(), icc(GREY, b"GRAY")]), st.data())
def test_damage_never_raises_anything_else(data: bytes, draw: st.DataObject) -> None:
    broken = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    cut = bytes(broken[: draw.draw(st.integers(0, len(broken)))])
    for found in (bytes(broken), cut):
        try:
            profile = parse(found)
        except BadProfile as bad:
            assert str(bad)
        else:
            assert np.isfinite(profile.matrix).all()
            assert np.isfinite(profile.to_srgb).all()
            shown = export_rgb(display(CHART, None), Look(profile=profile))
            assert shown.dtype == np.uint8


def test_a_real_adobe_rgb_photograph(shared_data: Path) -> None:
    path = next(shared_data.glob("train/*/rocket.jpg"), None)
    if path is None:
        pytest.skip("no Adobe RGB file there")
    with PIL.Image.open(path) as file:
        data, pixels = file.info["icc_profile"], np.asarray(file)
    assert parse(data).name == "Adobe RGB (1998)"
    shown = export_rgb(display(pixels, data), Look()).astype(int)
    assert np.abs(shown - lcms(pixels, data, SRGB)).max() <= 1


def test_our_own_srgb_profile_is_srgb_to_us_and_to_littlecms() -> None:
    data = srgb_profile()
    assert parse(data) == Profile()
    theirs = PIL.ImageCms.ImageCmsProfile(io.BytesIO(data))
    assert PIL.ImageCms.getProfileDescription(theirs).strip() == "sRGB"
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    target = PIL.ImageCms.createProfile("sRGB")
    found = PIL.ImageCms.profileToProfile(
        PIL.Image.fromarray(rgb), theirs, target, renderingIntent=1
    )
    assert np.abs(np.asarray(found).astype(int) - rgb).max() <= 1
