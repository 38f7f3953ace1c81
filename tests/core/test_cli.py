from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import FAILED, OK, SOME, USAGE, main
from core.image import Array

ROOT = Path(__file__).resolve().parents[2]
SIGMA = ("--noise", "gaussian:0.1")


def run(*args: object) -> int:
    return main([str(arg) for arg in args])


def denoise(source: Path, target: Path, *options: object) -> int:
    return run("denoise", source, "-o", target, *options)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on stderr."""
    text = capsys.readouterr().err
    assert text.startswith("sordino: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text


def reported(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def error_of(pixels: Array) -> float:
    return float(np.sqrt(np.mean((pixels - np.linspace(-2, 3, 90)) ** 2)))


def test_float_stays_float_and_keeps_its_range(picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    before, bytes_before = np.load(picture), picture.read_bytes()
    assert denoise(picture, target, *SIGMA) == OK
    found = np.load(target)
    assert (found.dtype, found.shape) == (np.float32, (70, 90))
    assert found.min() < -1.8
    assert found.max() > 2.8
    assert error_of(found) < 0.5 * error_of(before)
    assert picture.read_bytes() == bytes_before
    assert {path.name for path in tmp_path.iterdir()} == {"in.npy", "out.npy"}


def test_amount_zero_gives_the_input(picture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    assert denoise(picture, target, *SIGMA, "--amount", 0) == OK
    np.testing.assert_array_equal(np.load(target), np.load(picture))


def test_amount_blends(picture: Path, tmp_path: Path) -> None:
    full, half = tmp_path / "full.npy", tmp_path / "half.npy"
    assert denoise(picture, full, *SIGMA) == OK
    assert denoise(picture, half, *SIGMA, "--amount", 0.5) == OK
    middle = (np.load(full) + np.load(picture)) / 2
    np.testing.assert_allclose(np.load(half), middle, rtol=0, atol=1e-6)


def test_threads_do_not_change_a_bit_and_tiles_hardly(picture: Path, tmp_path: Path) -> None:
    names = {"a": ("--threads", 1), "b": ("--threads", 2), "c": ("--tile", 32, "--memory", 0.001)}
    found: dict[str, Array] = {}
    for name, options in names.items():
        assert denoise(picture, tmp_path / f"{name}.npy", *SIGMA, *options) == OK
        found[name] = np.load(tmp_path / f"{name}.npy")
    np.testing.assert_array_equal(found["a"], found["b"])
    np.testing.assert_allclose(found["a"], found["c"], rtol=0, atol=5e-5)


def test_tuned_settings_are_used_and_recorded(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.npy"
    assert denoise(picture, target, *SIGMA, "--method", "fast", "--tune", "--json") == OK
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert report["tuned"]["by"] == "sure"
    assert report["settings"]["strength"] == report["tuned"]["settings"]["strength"]
    assert "tuning, about" in told.err
    assert "Suggested from the noise model: strength" in told.err
    assert error_of(np.load(target)) < 0.5 * error_of(np.load(picture))
    options = *SIGMA, "--tune", "--method", "mppca", "--overwrite"
    assert denoise(picture, target, *options) == OK
    assert "not tuned. MP-PCA has no strength" in capsys.readouterr().err


def test_report(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.npy"
    options = ("--method", "fast", "--set", "strength=1.5", "--amount", 0.75, "--json")
    assert denoise(picture, target, *SIGMA, *options) == OK
    report = reported(capsys)
    assert report["files"] == [str(target)]
    assert report["errors"] == []
    assert (report["method"], report["settings"]["strength"]) == ("fast", 1.5)
    assert (report["amount"], report["device"], report["precision"]) == (0.75, "cpu", "float32")
    assert report["noise"] == {"model": "poisson-gaussian", "gain": [0.0], "read": [0.1]}
    assert report["version"] >= 1
    assert report["seconds"] >= 0
    assert report["megapixels_per_second"] > 0
    assert report["peak_memory"] > 1 << 20


def test_auto_says_why(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert denoise(picture, tmp_path / "out.npy", "--json") == OK
    report = reported(capsys)
    assert report["chosen"].endswith(".")
    assert report["noise"]["model"] == "poisson-gaussian"
    assert denoise(picture, tmp_path / "dct.npy", "--method", report["method"]) == OK
    np.testing.assert_array_equal(np.load(tmp_path / "dct.npy"), np.load(tmp_path / "out.npy"))


def test_set_wins_over_the_recipe(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.json"
    step = {"method": "fast", "settings": {"strength": 0.5, "chroma": 2.0}, "amount": 0.5}
    noise = {"model": "poisson-gaussian", "gain": [0.0], "read": [0.2]}
    recipe.write_text(json.dumps({"sordino": 1, "noise": noise, "steps": [step]}))
    assert denoise(picture, tmp_path / "1.npy", "--recipe", recipe, "--json") == OK
    report = reported(capsys)
    assert report["settings"] == {"strength": 0.5, "chroma": 2.0}
    assert (report["method"], report["amount"]) == ("fast", 0.5)
    assert report["noise"] == noise
    options = ("--set", "strength=2", "--amount", 1, *SIGMA, "--json")
    assert denoise(picture, tmp_path / "2.npy", "--recipe", recipe, *options) == OK
    report = reported(capsys)
    assert report["settings"] == {"strength": 2.0, "chroma": 2.0}
    assert (report["amount"], report["noise"]["read"]) == (1.0, [0.1])


def test_a_recipe_of_two_steps_runs_both(picture: Path, tmp_path: Path) -> None:
    steps = [{"method": "fast", "amount": 0.5}, {"method": "fast", "settings": {"strength": 0.5}}]
    recipe = tmp_path / "r.json"
    recipe.write_text(json.dumps({"sordino": 1, "noise": None, "steps": steps}))
    assert denoise(picture, tmp_path / "both.npy", *SIGMA, "--recipe", recipe) == OK
    options = ("--method", "fast", "--amount", 0.5)
    assert denoise(picture, tmp_path / "one.npy", *SIGMA, *options) == OK
    options = ("--method", "fast", "--set", "strength=0.5")
    assert denoise(tmp_path / "one.npy", tmp_path / "two.npy", *SIGMA, *options) == OK
    both, two = np.load(tmp_path / "both.npy"), np.load(tmp_path / "two.npy")
    np.testing.assert_allclose(both, two, rtol=0, atol=1e-5)


def test_noise_file_of_our_own_report(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("noise", picture, "--json") == OK
    report = reported(capsys)
    assert report["model"] == "poisson-gaussian"
    channel = report["channels"][0]
    assert set(channel) == {"name", "gain", "read", "read_range", "verdict", "why"}
    model = tmp_path / "noise.json"
    model.write_text(json.dumps(report))
    assert denoise(picture, tmp_path / "1.npy", "--noise", model, "--json") == OK
    used = reported(capsys)["noise"]
    assert (used["gain"], used["read"]) == ([channel["gain"]], [channel["read"]])
    assert run("noise", picture) == OK
    assert "gain" in capsys.readouterr().out


def test_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("methods", "--json") == OK
    methods = {entry["id"]: entry for entry in reported(capsys)["methods"]}
    assert {"dct", "fast", "nlm"} <= set(methods)
    for entry in methods.values():
        assert entry["title"]
        assert entry["noise"].endswith(".")
        for setting in entry["settings"]:
            assert {"name", "type", "default", "minimum", "maximum", "unit", "help"} <= set(setting)
    assert run("methods") == OK
    text = capsys.readouterr().out
    assert all(f"{name}: " in text for name in methods)


def test_info(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", picture, "--json") == OK
    found = reported(capsys)
    assert (found["kind"], found["axes"], found["shape"]) == ("array", "yx", [70, 90])
    assert found["dtype"] == "float32"
    assert run("info", picture) == OK
    assert "float32" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int16, np.uint8])
def test_convert_keeps_every_value(dtype: Any, tmp_path: Path) -> None:
    values = (np.random.default_rng(1).random((20, 31)) * 200).astype(dtype)
    np.save(tmp_path / "in.npy", values)
    assert run("convert", tmp_path / "in.npy", tmp_path / "out.npz") == OK
    assert run("convert", tmp_path / "out.npz", tmp_path / "back.npy") == OK
    back = np.load(tmp_path / "back.npy")
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_nothing_is_overwritten_unasked(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.npy"
    target.write_bytes(b"precious")
    assert denoise(picture, target, *SIGMA) == FAILED
    assert "out.npy" in complaint(capsys)
    assert run("convert", picture, target) == FAILED
    complaint(capsys)
    assert target.read_bytes() == b"precious"
    assert denoise(picture, target, *SIGMA, "--overwrite") == OK
    assert np.load(target).shape == (70, 90)


def test_the_source_is_never_overwritten(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = picture.read_bytes()
    assert denoise(picture, picture, *SIGMA, "--overwrite") == FAILED
    complaint(capsys)
    assert picture.read_bytes() == before


def test_several_files_go_into_a_folder(picture: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.npy"
    np.save(second, np.load(picture)[:40])
    out = tmp_path / "new" / "folder"
    assert run("denoise", picture, second, "-o", out, *SIGMA) == OK
    assert sorted(p.name for p in out.iterdir()) == ["in-sordino.npy", "second-sordino.npy"]
    assert np.load(out / "second-sordino.npy").shape == (40, 90)


def test_some_of_several_fail(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.npy", tmp_path / "out"
    bad.write_bytes(b"\x93NUMPY nonsense")
    assert run("denoise", bad, picture, "-o", out, *SIGMA, "--json") == SOME
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["files"] == [str(out / "in-sordino.npy")]
    assert len(report["errors"]) == 1
    assert "bad.npy" in report["errors"][0]
    assert "Traceback" not in captured.err
    missing = tmp_path / "missing.npy"
    assert run("denoise", bad, missing, "-o", tmp_path / "other", *SIGMA) == FAILED
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.npy", b""),
        ("text.tif", b"just text"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0"),
        ("bad.dng", b"II*\0\xff\xff\xff\xff"),
        ("bad.npz", b"PK\3\4nothing"),
        ("noise.bin", bytes(range(256)) * 4),
    ],
)
@pytest.mark.parametrize("command", ["denoise", "convert", "noise", "info"])
def test_bad_files_are_one_sentence(
    command: str, name: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    target = tmp_path / "out.npy"
    more = {"denoise": ["-o", target], "convert": [target]}.get(command, [])
    assert run(command, path, *more) == FAILED
    assert name in complaint(capsys)
    assert not target.exists()


@pytest.mark.parametrize("command", ["noise", "info"])
def test_what_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "none.npy", tmp_path):
        assert run(command, path) == FAILED
        complaint(capsys)


@pytest.mark.parametrize(
    "options",
    [
        ("--method", "magic"),
        ("--set", "strength"),
        ("--set", "strength=99"),
        ("--set", "strength=nan"),
        ("--set", "magic=1"),
        ("--amount", "1.5"),
        ("--amount", "nan"),
        ("--amount", "much"),
        ("--noise", "gaussian:much"),
        ("--noise", "gaussian:-1"),
        ("--noise", "poisson-gaussian:1"),
        ("--noise", "no/such/file"),
        ("--recipe", "no/such/file"),
        ("--threads", "0"),
        ("--tile", "3"),
        ("--memory", "0"),
        ("--memory", "much"),
        ("--memory", "nan"),
        ("--memory", "abacus=1"),
        ("--memory", "cpu=1,cuda:0="),
        ("--device", "abacus"),
        ("--no-such-option",),
    ],
    ids=" ".join,
)
def test_wrong_usage(
    options: tuple[str, ...], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.npy"
    assert denoise(picture, target, *options) == USAGE
    complaint(capsys)
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"sordino": 99}',
        '{"sordino": 1}',
        '{"sordino": 1, "steps": [{"method": "magic"}]}',
        '{"sordino": 1, "steps": [{"method": "fast", "settings": {"strength": "x"}}]}',
        '{"sordino": 1, "steps": [{"method": "fast", "amount": 7}]}',
        '{"sordino": 1, "steps": [3]}',
        '{"sordino": 1, "steps": 3}',
        '{"sordino": 1, "steps": [{"method": ["fast"]}]}',
        '{"sordino": 1, "steps": [], "noise": 5}',
        '{"sordino": 1, "steps": [], "noise": {"model": "poisson-gaussian", "channels": 3}}',
        '{"sordino": 1, "steps": [{"method": "fast", "settings": 3}]}',
    ],
)
def test_bad_recipes(
    text: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.json"
    recipe.write_text(text)
    assert denoise(picture, tmp_path / "out.npy", "--recipe", recipe) == USAGE
    complaint(capsys)


@pytest.mark.parametrize("args", [(), ("magic",), ("denoise",), ("convert", "one")])
def test_incomplete_commands(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*args) == USAGE
    complaint(capsys)


def test_two_inputs_of_one_name(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("denoise", picture, picture, "-o", tmp_path / "out", *SIGMA) == USAGE
    assert "same name" in complaint(capsys)
    assert run("denoise", picture, tmp_path / "x.npy", "-o", picture, *SIGMA) == USAGE
    complaint(capsys)


@pytest.mark.parametrize("kind", ["bayer_iso12800", "xtrans_iso6400"])
def test_dng_in_dng_out(
    kind: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.desk import Desk
    from core.files import open_image

    folder = shared_data / "raw" / "synthetic"
    source = folder / f"{kind}_noisy.dng"
    if not source.is_file():
        pytest.skip("no synthetic DNG files")
    assert denoise(source, tmp_path, "--json") == OK
    target = Path(reported(capsys)["files"][0])
    assert target == tmp_path / f"{kind}_noisy-sordino.dng"
    registry = Desk().registry
    paths = (source, target, folder / f"{kind}_clean.dng")
    noisy, found, clean = (open_image(registry, path) for path in paths)
    assert (found.kind, found.cfa, found.levels) == ("mosaic", noisy.cfa, noisy.levels)
    assert found.pixels.shape == noisy.pixels.shape
    truth = np.asarray(clean.pixels[...], float)
    before = np.sqrt(np.mean((noisy.pixels[...] - truth) ** 2))
    after = np.sqrt(np.mean((found.pixels[...] - truth) ** 2))
    assert after < 0.9 * before  # a scene of fine texture in strong noise
