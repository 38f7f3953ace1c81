"""Networks of others: taken, tried, run as methods; what is hostile or useless is refused."""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.cache import Cache
from core.cli import main
from core.desk import Desk
from core.format import UnreadableFile
from core.image import Array, Image
from core.learn import weights
from core.learn.architectures import recognised
from core.learn.convert import answer, examined
from core.learn.imported import Foreign, Import, noise_range, take
from core.learn.onnx import check
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from plugins.methods.unet import CARD

ONNX = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="needs the extra: onnxruntime"
)
SPANDREL = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None, reason="needs the extra: spandrel"
)
GIVEN = Foreign("Mine", "MIT", 15, 25, "white")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.setenv("SORDINO_PLUGINS", str(plugins))
    yield plugins
    torch.set_num_threads(before)


def blurring(gain: float = 1.0) -> dict[str, torch.Tensor]:
    """A DnCNN of two layers whose noise is what a 3x3 mean takes away, times a gain."""
    first, last = torch.zeros(2, 1, 3, 3), torch.zeros(1, 2, 3, 3)
    first[0, 0, 1, 1], first[1, 0, 1, 1] = 1, -1
    rest = torch.full((3, 3), -1 / 9)
    rest[1, 1] += 1
    last[0, 0], last[0, 1] = gain * rest, -gain * rest
    return {"model.0.weight": first, "model.0.bias": torch.zeros(2),
            "model.2.weight": last, "model.2.bias": torch.zeros(1)}  # fmt: skip


def tried(path: Path, **more: Any) -> dict[str, Any]:
    """What the child would answer, asked in this process."""
    out = path.parent / "out"
    out.mkdir(exist_ok=True)
    return answer({"path": str(path), "low": 15.0, "high": 25.0, **more}, out)


def rendered(image: Image, method: Any, tile: int = 0) -> Array:
    desk = Desk(cache=Cache(1 << 26), threads=1, tile=tile)
    try:
        recipe = Recipe((Step(method),))
        renderer = Renderer(image, PoissonGaussian((0.0,), (9.0,)), recipe, desk)
        return assemble(renderer, Region.whole(image.height, image.width))
    finally:
        desk.close()


def test_a_checkpoint_becomes_a_method_in_a_child(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command line: imported, listed, run; its pixels are those of the network."""
    path = tmp_path / "DnCNN-25.pth"
    torch.save({"params": {f"module.{n}": t for n, t in blurring().items()}}, path)
    args = ["weights", "import", str(path), "--licence", "MIT", "--noise", "15-25", "--json"]
    assert main(args) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == "net_dncnn_25"
    assert (told["architecture"], told["channels"], told["told"]) == ("dncnn", 1, False)
    assert told["left"] == pytest.approx(1 / 3, abs=0.03)
    assert told["source_sha256"] == weights.digest(path)
    path.unlink()
    assert sorted(each.name for each in (folder / "models").iterdir()) == [
        "net_dncnn_25.json", "net_dncnn_25.safetensors"]  # fmt: skip
    registry = load()
    assert not registry.broken
    cls = registry.methods["net_dncnn_25"]
    assert "net_dncnn_25" in registry.outside
    assert (cls.family, cls.title) == ("learned", "DnCNN-25")
    assert cls.card is not None
    assert "Licence: MIT." in cls.card.words
    assert "sigma 15 to 25" in cls.card.words

    pixels = 100 + 9 * np.random.default_rng(0).standard_normal((150, 170))
    image = Image(pixels.astype(np.float32))
    found = rendered(image, cls())
    mean = torch.nn.functional.avg_pool2d(torch.as_tensor(pixels)[None], 3, 1)[0].numpy()
    np.testing.assert_allclose(found[1:-1, 1:-1], mean, atol=2e-3)
    np.testing.assert_allclose(rendered(image, cls(), tile=64)[1:-1, 1:-1], mean, atol=2e-3)
    (folder / "models" / "net_dncnn_25.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        rendered(image, cls())


def test_our_own_network_needs_nothing_else() -> None:
    file, sha256 = CARD.weights("rgb")
    found = weights.load(file, sha256)
    known = recognised({name: torch.as_tensor(each.copy()) for name, each in found.items()})
    assert (known.name, known.channels, known.told) == ("unet", 3, True)
    assert examined(known, 25 / 255)["left"] < 0.12


@pytest.mark.parametrize(
    ("into", "out", "name", "channels"),
    [(1, 1, "dncnn", 1), (4, 3, "fdncnn", 3), (5, 4, "ffdnet", 1), (13, 12, "ffdnet", 3)],
)
def test_chains_are_told_by_their_channels(into: int, out: int, name: str, channels: int) -> None:
    tensors = {"model.0.weight": torch.randn(6, into, 3, 3), "model.1.weight": torch.rand(6) + 0.5,
               "model.1.bias": torch.randn(6), "model.1.running_mean": torch.randn(6),
               "model.1.running_var": torch.rand(6) + 0.5,
               "model.3.weight": torch.randn(out, 6, 3, 3)}  # fmt: skip
    known = recognised(tensors)
    assert (known.name, known.channels, known.told) == (name, channels, name != "dncnn")
    x = torch.randn(1, channels, 8, 8)
    assert known.call(x, 0.1).shape == x.shape
    if name == "dncnn":
        norm = torch.nn.BatchNorm2d(6).eval()
        norm.load_state_dict(
            {k[8:]: t for k, t in tensors.items() if k.startswith("model.1")}, False
        )
        with torch.no_grad():
            inner = torch.relu(norm(torch.nn.functional.conv2d(x, tensors["model.0.weight"])))
            plain = torch.nn.functional.conv2d(inner, tensors["model.3.weight"])
        torch.testing.assert_close((x - known.call(x, 0))[..., 2:-2, 2:-2], plain)


class Bomb:
    def __reduce__(self) -> Any:
        return print, ("boom",)


def archive(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"")


def test_hostile_and_useless_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"weight": Bomb()}))
    assert "it holds more than weights" in tried(path)["error"]
    torch.save({"model.0.weight": Bomb()}, path)
    assert "it holds more than weights" in tried(path)["error"]
    archive(path, "net/code/__torch__.py", "net/constants.pkl", "net/data.pkl")
    assert "TorchScript, a program" in tried(path)["error"]
    archive(path, "net/archive_format", "net/models/model.json")
    assert "torch.export archive" in tried(path)["error"]
    torch.save({"epoch": 3}, path)
    assert "it holds no weights" in tried(path)["error"]
    for tensors, said in (
        ({**blurring(), "model.0.bias": torch.full((2,), np.nan)}, "no numbers"),
        (blurring(-3.0), "no denoiser for this range"),
        (blurring(0.02), "leaves"),
        ({**blurring(), "model.2.bias": torch.full((1,), 0.1)}, "changes the mean by 20"),
    ):
        torch.save(tensors, path)
        assert said in tried(path)["error"]
    path = tmp_path / "a.safetensors"
    for shape, span in (([1 << 40], [0, 4 << 40]), ([1 << 32, 1 << 32], [0, 0])):
        header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": span}}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        assert "no weights in safetensors" in tried(path)["error"]
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    assert "its header is cut off" in tried(path)["error"]


def test_the_child_has_limits_and_says_one_sentence(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model.0.weight": Bomb()}, path)
    with pytest.raises(UnreadableFile, match=r"^a.pth was not taken: it holds more than weights"):
        take(path, GIVEN, folder)
    assert list(folder.iterdir()) == []


def test_what_only_the_user_knows_is_asked(tmp_path: Path, folder: Path) -> None:
    assert noise_range("0-50") == (0.0, 50.0)
    assert noise_range("25") == (25.0, 25.0)
    path = tmp_path / "a.pth"
    path.write_bytes(b"x")
    for given in (Foreign("", " ", 0, 50, "white"), Foreign("", "MIT", 50, 20, "white")):
        with pytest.raises(ValueError, match=r"licence|range"):
            take(path, given, folder)
    with pytest.raises(ValueError, match="is none of"):
        take(tmp_path / "a.exe", GIVEN, folder)
    assert main(["weights", "import", str(path), "--licence", "MIT", "--noise", "much"]) == 2


def test_without_the_extras_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in ("spandrel", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "a.pth"
    torch.save({"body.0.attention": torch.zeros(3)}, path)
    assert "pip install 'sordino[networks]'" in tried(path)["error"]
    path = tmp_path / "a.onnx"
    path.write_bytes(model(pooling()))
    assert "pip install 'sordino[networks]'" in tried(path)["error"]


# --- ONNX, written by hand: field number and value ------------------------------------------------


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return bytes([*varint(number << 3), *varint(value)])
    data = value.encode() if isinstance(value, str) else value
    return bytes([*varint(number << 3 | 2), *varint(len(data))]) + data


def varint(value: int) -> list[int]:
    found: list[int] = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return [*found, value]


def pooling(domain: str = "") -> bytes:
    """A mean over 3x3 pixels."""

    def numbers(name: str, *values: int) -> bytes:
        return field(5, field(1, name) + b"".join(field(8, v) for v in values) + field(20, 7))

    node = field(1, "x") + field(2, "y") + field(4, "AveragePool") + numbers("kernel_shape", 3, 3)
    node += numbers("pads", 1, 1, 1, 1) + (field(7, domain) if domain else b"")
    return field(1, node)


def model(body: bytes, size: int = 0) -> bytes:
    def value(name: str) -> bytes:
        sizes = [field(1, field(1, 1)), field(1, field(1, 1))]
        sizes += [field(1, field(1, size) if size else field(2, axis)) for axis in "hw"]
        kind = field(1, field(1, 1) + field(2, b"".join(sizes)))
        return field(1, name) + field(2, kind)

    graph = body + field(2, "g") + field(11, value("x")) + field(12, value("y"))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def test_onnx_with_parts_elsewhere_or_operators_of_others_is_refused() -> None:
    check(model(pooling()))
    external = field(5, field(8, "w") + field(13, field(1, "location") + field(2, "/etc/passwd")))
    for body, said in (
        (pooling("evil.ops"), "operators of 'evil.ops'"),
        (pooling() + external, "lie in another file"),
        (field(1, field(4, "If") + field(5, field(6, pooling("evil.ops")))), "operators of"),
    ):
        with pytest.raises(ValueError, match=said):
            check(model(body))
    for damaged in (b"", b"\x00" * 40, model(pooling())[:-9], b"\xff" * 40, bytes(range(256))):
        with pytest.raises(ValueError, match=r"damaged|operators|kind"):
            check(damaged)


def test_the_work_makes_it_a_method_of_the_running_program(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "mine.safetensors"
    weights.save(path, {name: each.numpy() for name, each in blurring().items()})
    desk = Desk(cache=Cache(0), threads=1)
    before = desk.registry
    ((found, registry),) = Import(path, GIVEN)(desk, lambda: False)
    assert registry is desk.registry
    assert "Mine (dncnn, grey, not told how much noise there is) is a method now" in found.words
    assert set(desk.registry.methods) - set(before.methods) == {"net_mine"}
    assert all(desk.registry.methods[name] is cls for name, cls in before.methods.items())
    assert "net_mine" in desk.registry.outside
    assert take(path, GIVEN, folder)[0].name == "net_mine.py", "the same file again"
    weights.save(path, {name: each.numpy() for name, each in blurring(0.9).items()})
    assert take(path, GIVEN, folder)[0].name == "net_mine_2.py"
    desk.close()


@ONNX
@pytest.mark.parametrize("size", [0, 48])
def test_onnx_runs_as_a_method(tmp_path: Path, folder: Path, size: int) -> None:
    path = tmp_path / "mean.onnx"
    path.write_bytes(model(pooling(), size))
    plugin, found = take(path, GIVEN, folder)
    assert (found.architecture, found.edge, found.file) == ("onnx", size, "net_mean.onnx")
    pixels = 100 + 9 * np.random.default_rng(0).standard_normal((100, 110))
    made = rendered(Image(pixels.astype(np.float32)), load().methods[plugin.stem]())
    mean = torch.nn.functional.avg_pool2d(torch.as_tensor(pixels)[None], 3, 1)[0].numpy()
    np.testing.assert_allclose(made[1:-1, 1:-1], mean, atol=2e-3)


@SPANDREL
def test_spandrel_knows_more() -> None:
    made: Any = importlib.import_module("spandrel.architectures.DRUNet")
    net = made.DRUNet(in_nc=2, out_nc=1, nc=[4, 4, 4, 4], nb=2)
    known = recognised(net.state_dict())
    assert (known.name, known.channels, known.told) == ("DRUNet", 1, True)
    assert known.call(torch.zeros(1, 1, 64, 64), 0.1).shape == (1, 1, 64, 64)


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.cli import main

    missing = str(tmp_path / "none.pth")
    assert main(["weights", "import", missing, "--licence", "MIT", "--noise", "0-50"]) == 1
    assert capsys.readouterr().err == (
        "sordino: none.pth does not exist: check the name and the folder.\n"
    )
