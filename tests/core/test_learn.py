"""Networks: what holds of their form, their training, their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from core.image import Array
from core.learn import train as training
from core.learn import weights
from core.learn.card import read
from core.learn.muon import Muon, orthogonal
from core.learn.patches import Patches, photographs, shrunk
from core.learn.train import Run, Training, planned, saved, train
from core.ops.unet import LIMIT, Shape, UNet, fresh, grown

TINY = Shape(1, 8, 1, 2, 3)
SHAPES = [TINY, Shape(3, 4, 1, 2, 3), Shape(1, 4, 2, 2, 2), Shape(1, 4, 1, 1, 3)]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lively(shape: Shape) -> UNet:
    """A network whose weights do something, untrained as it is."""
    net = fresh(shape, 3)
    with torch.no_grad():
        net.tail.weight.mul_(20)
    return net.requires_grad_(False)


def noisy(shape: Shape, size: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn((1, shape.channels, size, size), generator=generator)


def quiet() -> None:
    """Nobody wants it stopped."""


# --- the form -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scale_and_shift_go_through(shape: Shape) -> None:
    net, x = lively(shape), noisy(shape)
    found = net.denoise(x, 1.0, quiet)
    assert (found - x).abs().max() > 0.05
    for a, b in ((1000.0, 0.0), (1e-3, 0.0), (1.0, 300.0), (5.0, -70.0)):
        other = net.denoise(a * x + b, a, quiet)
        reach = 1e-5 * max(abs(a) * float(x.abs().max()), abs(b))
        torch.testing.assert_close(other, a * found + b, rtol=0, atol=4 * reach)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_looks_as_far_as_it_says(shape: Shape) -> None:
    """A tile and what lies further than `reach` from it are strangers; nearer they are not."""
    net, align, reach = lively(shape), shape.align, shape.reach
    size, at = 4 * align + 2 * reach, reach
    x = noisy(shape, size).requires_grad_(True)
    inner = net.denoise(x, 1.0, quiet)[..., at : at + align, at : at + align]
    (slope,) = torch.autograd.grad(inner.abs().sum(), x)
    rows = slope.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert at - reach <= int(rows.min()) <= at - reach + align
    assert at + 2 * align - 1 <= int(rows.max()) < at + align + reach


def test_any_size_and_the_limit() -> None:
    net, x = lively(TINY), noisy(TINY)[..., :61, :43]
    found = net.denoise(x, 1.0, quiet)
    assert found.shape == x.shape
    torch.testing.assert_close(found[..., :8, :8], net.denoise(x.clone(), 1.0, quiet)[..., :8, :8])
    with torch.no_grad():
        net.tail.weight.mul_(1000)
    assert (net.denoise(x, 0.5, quiet) - x).abs().max() <= LIMIT * 0.5 + 1e-6
    assert torch.equal(net.denoise(x, 0.0, quiet), x)


def test_cancel_is_asked_within() -> None:
    left = iter((None, None))
    with pytest.raises(StopIteration):
        lively(TINY).denoise(noisy(TINY), 1.0, lambda: next(left))


def test_grown_network_begins_as_the_smaller_ones_equal() -> None:
    small = lively(TINY)
    kernels = {name: each.numpy() for name, each in small.state_dict().items()}
    large = grown(Shape(1, 12, 2, 2, 3), kernels, 5)
    x = noisy(TINY)
    assert (small.denoise(x, 0.7, quiet) - x).abs().max() > 0.05
    torch.testing.assert_close(large.denoise(x, 0.7, quiet), small.denoise(x, 0.7, quiet))
    assert all(p.requires_grad for p in large.parameters())
    many = grown(Shape(1, 8, 1, 2, 3, guides=4), kernels, 5, share=0.25)
    guide = torch.full((1, 4, 1, 1), 0.7)
    torch.testing.assert_close(many(x, guide), small(x, guide[:, :1]))


# --- training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventeen pictures of discs and stripes; the ninth is kept for validation."""
    made = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:160, :176]
    for number in range(17):
        rng = np.random.default_rng(number)
        picture = 90 + 60 * np.sin(x / rng.uniform(3, 20) + y / rng.uniform(5, 30))
        for _ in range(12):
            inside = np.hypot(y - rng.uniform(0, 160), x - rng.uniform(0, 176)) < rng.uniform(5, 40)
            picture[inside] = rng.uniform(20, 230)
        cv2.imwrite(str(made / f"{number:02}.png"), picture.astype(np.uint8))
    (made / "other").mkdir()
    (made / "other" / "17.png").write_bytes(b"no picture")
    return made


RUN = Run(TINY, samples=40 * 8, seed=5, batch=8, rate=1e-2)


def learned(folder: Path, checkpoint: Path, run: Run = RUN, steps: int = 1000) -> Training:
    """A run from the start or its checkpoint, for so many steps at most."""
    state = saved(checkpoint)
    made = Training(planned(state) if state else run, photographs(folder, ["other"]))
    if state:
        made.restore(state)
    left = iter(range(steps))
    train(made, checkpoint, lambda _: None, lambda: next(left, None) is None)
    return made


def test_photographs_are_found_and_some_kept(folder: Path) -> None:
    files = photographs(folder, ["other"])
    assert [file.held for file in files] == [number == 8 for number in range(17)]
    full, half = shrunk(files[0].path, 3)
    assert (full.shape, half.shape) == ((3, 160, 176), (3, 80, 88))
    with pytest.raises(ValueError, match=r"17\.png is no picture"):
        shrunk(folder / "other" / "17.png", 1)


def test_batches_follow_from_seed_and_number(folder: Path) -> None:
    pictures = shrunk(photographs(folder)[0].path, 1)
    one, other = Patches(pictures, 32, 1), Patches(pictures, 32, 2)
    other.batch(3, 4)
    for a, b in zip(one.batch(7, 4), Patches(pictures, 32, 1).batch(7, 4), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.batch(7, 4)[1], other.batch(7, 4)[1])
    noisy, clean, _, sigma = one.batch(0, 64)
    assert clean.min() >= 0 and clean.max() <= 1
    assert noisy.min() < 0 and noisy.max() > 1, "noise is not clipped"
    measured = np.std(noisy - clean, axis=(1, 2, 3))
    np.testing.assert_allclose(measured, sigma.ravel(), rtol=0.12)
    with pytest.raises(ValueError, match="at least 999 x 999"):
        Patches(pictures, 999, 1)


def test_it_learns_and_a_break_changes_nothing(folder: Path, tmp_path: Path) -> None:
    whole = learned(folder, tmp_path / "whole")
    assert whole.done
    assert whole.curve[-1]["25"] > whole.curve[0]["25"] + 3, "dB"
    broken = learned(folder, tmp_path / "broken", steps=13)
    assert not broken.done and broken.seen == 13 * 8
    again = learned(folder, tmp_path / "broken")
    assert again.done and again.seen == whole.seen
    for name, each in whole.weights().items():
        np.testing.assert_array_equal(each, again.weights()[name], err_msg=name)
    head = whole.weights()["head.weight"][:, :-1].astype(np.float32)
    assert np.abs(head.sum((1, 2, 3))).max() < 0.02, "the image meets kernels of sum zero"


def test_adam_will_do(folder: Path, tmp_path: Path) -> None:
    run = Run(TINY, samples=30 * 8, batch=8, rate=5e-3, muon=False)
    found = learned(folder, tmp_path / "adam", run)
    assert found.curve[-1]["25"] > found.curve[0]["25"] + 1


def test_precision_of_training() -> None:
    assert training.half("cpu") in (None, torch.bfloat16)


def test_muon_makes_matrices_orthogonal() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 40), (40, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=generator)))
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3


def test_muon_finds_the_bottom() -> None:
    target = torch.randn((6, 2, 3, 3), generator=torch.Generator().manual_seed(2))
    kernels, rest = torch.nn.Parameter(torch.zeros_like(target)), torch.nn.Parameter(torch.ones(3))
    steps = Muon([kernels], [rest], 0.2)
    for _ in range(200):
        for group in steps.param_groups:
            group["lr"] *= 0.98
        steps.zero_grad()
        ((kernels - target).square().mean() + rest.square().mean()).backward()
        steps.step()
    assert (kernels - target).square().mean() < 0.02
    assert rest.abs().max() < 0.1


# --- files --------------------------------------------------------------------------------------


def tensors() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "a.weight": rng.normal(size=(3, 2, 3, 3)).astype(np.float16),
        "b": np.arange(5, dtype=np.int64),
        "c": np.array([[1.5]], np.float32),
    }


def test_weights_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    weights.save(file, tensors(), {"made": "here"})
    found = weights.load(file, weights.digest(file))
    assert found.keys() == tensors().keys()
    for name, array in tensors().items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert (int.from_bytes(file.read_bytes()[:8], "little") + 8) % 8 == 0
    with pytest.raises(ValueError, match="complex64 cannot be written"):
        weights.save(file, {"a": np.zeros(3, np.complex64)})


def header(entry: object, size: int = 8) -> bytes:
    text = json.dumps(entry).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        header([1, 2]),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}}),
        header({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}),
        header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}),
        header({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}),
        header({"a": {"dtype": "F32", "shape": [2]}}),
        header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 0)
        + np.float32(np.nan).tobytes(),
    ],
    ids=range(9),
)
def test_damaged_weights_are_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"^w\.safetensors holds no weights"):
        weights.load(file)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    weights.save(file, tensors())
    with pytest.raises(ValueError, match="damaged: install Sordino again"):
        weights.load(file, "0" * 64)


def test_a_card_says_what_there_is(tmp_path: Path) -> None:
    network = {"file": "g.safetensors", "sha256": "00", "shape": {"channels": 1}, "samples": 9}
    network |= {"seconds": 2, "psnr": {"Set12": {"25": 29.5}}}
    card = {"data": "two photographs.", "licence": "CC0", "noise": "White.", "limits": "Few."}
    (tmp_path / "card.json").write_text(json.dumps({**card, "networks": {"grey": network}}))
    found = read(tmp_path)
    assert found.weights("grey") == (tmp_path / "g.safetensors", "00")
    assert "Trained on two photographs." in found.words
    assert "grey, Set12: 29.50 dB at σ 25." in found.words
    assert json.loads(json.dumps(found.plain())) == {**card, "networks": {"grey": network}}
