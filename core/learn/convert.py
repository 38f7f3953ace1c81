"""Convert: other people's weights, read, recognised and tried in a child process with limits.

What may run a program when it is loaded is refused. The rest is written as safetensors, or, of
ONNX, kept as it is.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.learn import weights
from core.learn.architectures import Known, plain, recognised

LARGEST = 2 << 30  # bytes
COUNT = 4000  # tensors
SAFE = (2, 10)  # torch before it could be made to run what a file says
SIZE, MEAN = 64, 0.5
RIM = 8  # pixels that are not looked at: networks pad as they like
KEPT = 0.02  # of the mean that may change
LEFT = 0.9  # of the noise that may be left
REACH = 64  # pixels, the farthest that is looked for
FAINT = 1e-3  # of a change that is felt


def answer(request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The child's reply: what the network is, its file in `folder`; or an error, one sentence."""
    path = Path(request["path"])
    torch.set_num_threads(1)
    try:
        file = folder / (
            "weights.onnx" if path.suffix.lower() == ".onnx" else "weights.safetensors"
        )
        if path.stat().st_size > LARGEST:
            raise ValueError("it is larger than 2 GiB")
        if file.suffix == ".onnx":
            file.write_bytes(path.read_bytes())
        else:
            tensors = _read(path)
            kept = {name: t.float().numpy() for name, t in tensors.items() if t.is_floating_point()}
            weights.save(file, kept)
        known = load(file)
        low, high = request["low"], request["high"]
        tried = examined(known, (low + high) / 2 / 255)
        halo = known.halo or _reach(known, (low + high) / 2 / 255)
        about = {"architecture": known.name, "channels": known.channels, "told": known.told,
                 "halo": halo, "align": known.align, "edge": known.edge}  # fmt: skip
        return {"file": file.name, "sha256": weights.digest(file), "about": about, "tried": tried}
    except MemoryError:
        return {"error": f"{path.name} was not taken: it needs too much memory."}
    except (ValueError, OSError) as error:
        return {"error": f"{path.name} was not taken: {error}."}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(".: ")
        return {"error": f"{path.name} was not taken, it seems damaged ({reason})."}


def load(file: Path, sha256: str = "") -> Known:
    """The network in a file that answer() made. Raises ValueError in one sentence."""
    if file.suffix == ".onnx":
        from core.learn.onnx import opened

        if sha256 and weights.digest(file) != sha256:
            raise ValueError(f"{file.name} is damaged: import it again")
        return opened(file)
    found = weights.load(file, sha256)
    return recognised({name: torch.as_tensor(each.copy()) for name, each in found.items()})


def _read(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix.lower() == ".safetensors":
        tensors = {n: torch.as_tensor(a.copy()) for n, a in weights.load(path).items()}
    else:
        _refuse_programs(path)
        version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
        if version < SAFE:
            raise ValueError("torch 2.10 or later is needed to read it safely")
        try:
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
            tensors = plain(loaded)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                "it holds more than weights, or is damaged: have its maker save it as safetensors"
            ) from error
    if not 0 < len(tensors) <= COUNT:
        raise ValueError(f"it has {len(tensors)} tensors; a network has 1 to {COUNT}")
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name[:60]} has values that are no numbers")
    return tensors


def _refuse_programs(path: Path) -> None:
    """TorchScript and exported programs come as archives with code in them."""
    if not zipfile.is_zipfile(path):
        return
    names = zipfile.ZipFile(path).namelist()
    if any("/code/" in f"/{n}" or n.endswith("constants.pkl") for n in names):
        raise ValueError("it is TorchScript, a program: have its weights saved as safetensors")
    if any("archive_format" in n or "exported_program" in n or "models/" in n for n in names):
        raise ValueError("it is a torch.export archive, a program: save its weights as safetensors")


def examined(known: Known, sigma: float) -> dict[str, float]:
    """The self-test, on a grey square with noise. Raises ValueError saying what is wrong."""
    size = known.edge or -(-SIZE // known.align) * known.align
    noise = torch.randn((1, known.channels, size, size), generator=torch.Generator().manual_seed(0))
    given = MEAN + sigma * noise
    with torch.inference_mode():
        found, again = known.call(given, sigma), known.call(given, sigma)
    if found.shape != given.shape:
        raise ValueError(f"it makes {tuple(found.shape)} of {tuple(given.shape)}")
    if not bool(torch.isfinite(found).all()):
        raise ValueError("what it makes of noise are no numbers")
    if float((found - again).abs().max()) > 1e-5:
        raise ValueError("it gives something else each time")
    found, given = found[..., RIM:-RIM, RIM:-RIM], given[..., RIM:-RIM, RIM:-RIM]
    left = float(found.std() / given.std())
    if not left < LEFT:
        raise ValueError(
            f"it leaves {100 * left:.0f} % of the noise: it is no denoiser for this range"
        )
    shift = float((found.mean() - given.mean()).abs() / MEAN)
    if shift > KEPT:
        raise ValueError(f"it changes the mean by {100 * shift:.1f} %")
    return {"left": round(left, 4), "shift": round(shift, 5)}


def _reach(known: Known, sigma: float) -> int:
    """How far it looks, in pixels: where one changed pixel is felt, REACH at most."""
    size = known.edge or -(-(2 * REACH + 1) // known.align) * known.align
    random = torch.Generator().manual_seed(1)
    given = MEAN + sigma * torch.randn((1, known.channels, size, size), generator=random)
    other, middle = given.clone(), size // 2
    other[..., middle, middle] += 4 * sigma
    with torch.inference_mode():
        change = (known.call(other, sigma) - known.call(given, sigma)).abs().amax((0, 1))
    felt = (change > FAINT * 4 * sigma).nonzero()
    far = int((felt - middle).abs().max()) if len(felt) else 1
    return min(max(far, 1), REACH if not known.edge else known.edge // 4)
