"""RF and IQ in HDF5: one data set, or PyBF's one for each frame and shot."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.format import UnreadableFile, UnwritableFile, arrange, file_order, undamaged
from core.image import Array, Image, Pixels
from plugins.formats.echoes.depth import coordinates

if TYPE_CHECKING:
    from h5py import Dataset, File

MAGIC = b"\x89HDF\r\n\x1a\n"
NAME = re.compile(r"(rf|iq)(_?(data|frames|lines))?", re.IGNORECASE)
SHOT = re.compile(r"(.*)/frame_(\d+)/shot_(\d+)")
MOST = 10_000  # objects of a file that are looked at
DEFLATE = 1040  # no filter of HDF5 itself packs better
SAID = {  # ours -> names of the scalars in Hz, m
    "sampling": ("f_sampling_hz", "f_sampling", "fs", "sampling_frequency", "sample_rate"),
    "centre": ("f_central", "fc", "f0", "center_frequency", "centre_frequency", "tx_frequency"),
    "rate": ("fps", "frame_rate", "framerate", "prf"),
    "pitch": ("x_pitch", "pitch"),
    "start": ("start_time",),
}
PYBF = {  # where PyBF has them
    "data/f_sampling": "sampling",
    "data/fps": "rate",
    "hardware_params/f_sampling_hz": "sampling",
    "trans_params/f_central": "centre",
    "trans_params/x_pitch": "pitch",
}


@dataclass(frozen=True)
class Layout:
    """Which data sets are the echoes, and how their axes lie."""

    names: tuple[str, ...]  # frame by frame, shot by shot
    outer: tuple[int, ...]  # frames, frames and shots, or nothing
    inner: tuple[int, ...]  # sizes of a data set
    dtype: np.dtype[Any]  # as it is in the file
    order: str
    said: dict[str, float]

    @property
    def part(self) -> np.dtype[Any]:
        """Of one number: complex ones have two."""
        return _part(self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """In the file's order, I and Q last."""
        return (*self.outer, *self.inner, *((2,) if _complex(self.dtype) else ()))

    @property
    def meta(self) -> dict[str, Any]:
        """For display and the writer."""
        own = {"names": list(self.names), **self.said, "dtype": str(self.part)}
        return {"echoes": own, **({"complex": True} if _complex(self.dtype) else {})}


def header(path: Path) -> dict[str, Any]:
    """See Format.header."""
    with _opened(path) as file:
        found = _layout(file, path)
    axes = "".join(letter for letter in found.order if letter not in "yx") + "yx"
    shape = [found.shape[found.order.index(letter)] for letter in axes]
    return {"kind": "rf", "axes": axes, "shape": shape, "dtype": str(found.part), **found.meta}


def read(path: Path) -> Image:
    """See Format.read."""
    with _opened(path) as file:
        found = _layout(file, path)
        pixels = _mapped(file, found, path)
        if pixels is None:
            each = [_numbers(_all(file[name]), found.dtype) for name in found.names]
            pixels = np.stack(each).reshape(found.shape) if found.outer else each[0]
    view, axes = arrange(pixels, found.order)
    coords = coordinates(found.said, view.shape[-2])
    if found.said.get("rate", 0) > 0 and "t" in axes:
        coords["t"] = np.arange(view.shape[axes.index("t")]) / found.said["rate"]
    return Image(view, axes, "rf", coords=coords, meta={**found.meta, "order": found.order})


def write(path: Path, image: Image, pixels: Pixels, source: Image) -> None:
    """See Format.write."""
    import h5py

    names = source.meta.get("echoes", {}).get("names")
    order = file_order(image, source)
    complex_ = bool(image.meta.get("complex")) and "c" in image.axes
    try:
        if not names or not Path(source.path).is_file() or not h5py.is_hdf5(source.path):
            _create(path, image, pixels, source, complex_)
            return
        shutil.copyfile(source.path, path)
        outer = order[: len(image.axes) - (3 if complex_ else 2)]
        with h5py.File(path, "r+") as file:
            for number, name in enumerate(names):
                one: Any = file[name]
                stacked = one.ndim == 2 and len(outer) > 0
                block = _block(image, pixels, order, outer if stacked else "", number)
                if block.shape[: one.ndim] != one.shape:
                    raise UnwritableFile(f"{path.name} had echoes of another size: choose .npy.")
                one[...] = _joined(block, one.dtype) if complex_ else block
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0][:100]
        raise UnwritableFile(f"{path.name} could not be written ({reason}): choose .npy.") from None


def _block(image: Image, pixels: Pixels, order: str, outer: str, number: int) -> Array:
    """The `number`th of what lies along `outer`, in the file's order; all when that is empty."""
    sizes = [image.pixels.shape[image.axes.index(letter)] for letter in outer]
    at = dict(zip(outer, np.unravel_index(number, sizes), strict=True)) if outer else {}
    key = tuple(slice(int(at[a]), int(at[a]) + 1) if a in at else slice(None) for a in image.axes)
    block = np.asarray(pixels[key]).transpose([image.axes.index(letter) for letter in order])
    return block.reshape(block.shape[len(outer) :])


def _create(path: Path, image: Image, pixels: Pixels, source: Image, complex_: bool) -> None:
    """PyBF's layout: data/rf_data/frame_n/shot_n, (lines, samples) each."""
    import h5py

    order = "".join(letter for letter in "tq" if letter in image.axes) + "xy" + "c" * complex_
    if sorted(order) != sorted(image.axes):
        raise UnwritableFile(f"{path.name} cannot hold the axes {image.axes}: choose .npy.")
    outer, said = order[: order.index("x")], source.meta.get("echoes", {})
    sizes = [image.pixels.shape[image.axes.index(letter)] for letter in outer]
    with h5py.File(path, "w") as file:
        if not outer:  # PyBF knows sequences only
            one: Any = file.create_dataset(
                "iq" if complex_ else "rf",
                data=_held(_block(image, pixels, order, "", 0), complex_),
            )
            one.attrs["axes"] = order
        for number in range(int(np.prod(sizes)) if outer else 0):
            at = dict(zip(outer, np.unravel_index(number, sizes), strict=True)) if outer else {}
            name = f"data/rf_data/frame_{int(at.get('t', 0)) + 1}/shot_{int(at.get('q', 0)) + 1}"
            block = _block(image, pixels, order, outer, number)
            file[name] = _held(block, complex_)
        for place, key in PYBF.items():
            if key in said:
                file[place] = float(said[key])


def _held(block: Array, complex_: bool) -> Array:
    kind = np.dtype(f"c{2 * max(block.dtype.itemsize, 4)}")
    return _joined(block, kind) if complex_ else block


def _joined(block: Array, kind: np.dtype[Any]) -> Array:
    """I and Q as complex numbers, or the pair that MATLAB stores."""
    if kind.kind == "c":
        return (block[..., 0] + 1j * block[..., 1]).astype(kind)
    both = np.empty(block.shape[:-1], kind)
    for number, name in enumerate(kind.names or ()):
        both[name] = block[..., number]
    return both


def _all(one: Any) -> Array:
    return np.asarray(one[()])


def _numbers(stored: Array, kind: np.dtype[Any]) -> Array:
    """As they are, complex ones with an axis of two at the end; in native byte order."""
    if kind.names:
        stored = np.stack([stored[name] for name in kind.names], -1)
    elif kind.kind == "c":
        stored = np.stack([np.real(stored), np.imag(stored)], -1)
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def _complex(kind: np.dtype[Any]) -> bool:
    pair = kind.names is not None and set(kind.names) in ({"real", "imag"}, {"r", "i"}, {"I", "Q"})
    return kind.kind == "c" or pair


def _part(kind: np.dtype[Any]) -> np.dtype[Any]:
    if kind.names:
        return kind[0].newbyteorder("=")
    return np.dtype(f"f{kind.itemsize // 2}") if kind.kind == "c" else kind.newbyteorder("=")


@contextmanager
def _opened(path: Path) -> Iterator[File]:
    """The file, for reading. Raises UnreadableFile, also for what goes wrong inside."""
    import h5py

    wrong = OSError, KeyError, RuntimeError, ValueError, TypeError
    with undamaged(path, *wrong), h5py.File(path, "r") as file:
        yield file


def _layout(file: File, path: Path) -> Layout:
    """Find the echoes, judged before anything is decoded."""
    import h5py

    sets: dict[str, Dataset] = {}
    count = 0

    def visit(name: str, one: Any) -> bool | None:
        nonlocal count
        count += 1
        if isinstance(one, h5py.Dataset):
            sets[name] = one
        return True if count > MOST else None

    file.visititems(visit)
    said = _said(sets)
    rows = {name: hit for name, one in sets.items() if (hit := SHOT.fullmatch(name)) and
            one.ndim == 2 and NAME.fullmatch(hit[1].rpartition("/")[2])}  # fmt: skip
    if rows:
        names = tuple(sorted(rows, key=lambda name: (int(rows[name][2]), int(rows[name][3]))))
        frames = len({rows[name][2] for name in names})
        shots = len(names) // frames
        outer = (frames,) if shots == 1 else (frames, shots)
        order = "txy" if shots == 1 else "tqxy"
    else:
        able = [name for name, one in sets.items() if NAME.fullmatch(name.rpartition("/")[2])
                and 2 <= one.ndim <= 4]  # fmt: skip
        if not able:
            raise UnreadableFile(
                f"{path.name} has no echoes of 2 to 4 dimensions: save it as .npy."
            )
        names = (max(able, key=lambda name: int(np.prod(np.shape(sets[name])))),)
        outer, order = (), _axes(sets[names[0]])
    first = sets[names[0]]
    _judge([sets[name] for name in names], outer, path)
    kind = first.dtype
    order += "c" if _complex(kind) else ""
    return Layout(names, outer, tuple(map(int, first.shape)), kind, order, said)


def _judge(found: list[Dataset], outer: tuple[int, ...], path: Path) -> None:
    """Raises UnreadableFile for what cannot be read, or would be larger than the file allows."""
    first = found[0]
    if any(one.shape != first.shape or one.dtype != first.dtype for one in found) or (
        outer and np.prod(outer) != len(found)
    ):
        raise UnreadableFile(f"{path.name} has frames of different sizes: save them alike.")
    if not _complex(first.dtype) and (first.dtype.kind not in "iuf" or not first.size):
        raise UnreadableFile(f"{path.name} has echoes of {first.dtype}: save them as numbers.")
    if any(one.is_virtual or one.external for one in found):
        raise UnreadableFile(f"{path.name} points to other files: save it with all its data.")
    stored = sum(int(one.id.get_storage_size()) for one in found)
    if sum(int(one.nbytes) for one in found) > DEFLATE * stored + 4096:
        raise UnreadableFile(f"{path.name} is shorter than its sizes say: copy it again.")


def _axes(one: Dataset) -> str:
    """Depth is the longest axis; lines the last of the others. Ours say it."""
    shape = tuple(map(int, one.shape))
    named = str(one.attrs.get("axes", "")).removesuffix("c")
    if len(named) == len(shape) == len(set(named)) and {"y", "x"} <= set(named) <= set("tqzyx"):
        return named
    depth = max(range(len(shape)), key=lambda axis: shape[axis])
    others = [axis for axis in range(len(shape)) if axis != depth]
    letters = {depth: "y", others[-1]: "x", **dict(zip(others[:-1], "tq", strict=False))}
    return "".join(letters[axis] for axis in range(len(shape)))


def _said(sets: dict[str, Dataset]) -> dict[str, float]:
    """Frequencies, frame rate and pitch, by the names that tools give them."""
    found: dict[str, float] = {}
    for name, one in sets.items():
        word = name.rpartition("/")[2].lower()
        for ours, names in SAID.items():
            if word in names and one.size == 1 and one.dtype.kind in "iuf":
                found[ours] = float(np.asarray(cast("Any", one[()])).ravel()[0])
    return found


def _mapped(file: File, found: Layout, path: Path) -> Array | None:
    """A map of a single data set that lies in one piece, so that it need not be copied."""
    one: Any = file[found.names[0]]
    offset = one.id.get_offset()
    if len(found.names) > 1 or offset is None or found.dtype.names or one.chunks:
        return None
    if _complex(found.dtype) or not found.dtype.isnative:
        return None
    return np.memmap(path, found.part, "r", offset, found.shape)
