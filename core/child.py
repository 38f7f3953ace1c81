"""The child process: decodes one file, hosts one method, or tests one device.

`python -m core.child`, in a bundle `sordino --child`. A decoder that meets a hostile file may
crash, loop or eat memory; here it only takes this process with it. The request is one JSON line on
stdin, `what` says which. What a decode writes lies in the request's folder: header.json, then
reply.json beside the arrays as 0.npy, 1.npy... Nothing is ever pickled. Methods: see `core.guest`.
"""

from __future__ import annotations

import base64
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from core.format import Format, UnreadableFile
from core.image import Array, Cfa, Color, Image, Levels
from core.registry import import_plugin

MEMORY = 2 << 30  # bytes of address space besides the pixels: libraries take half of it
PER_SAMPLE = 12  # bytes; LibRaw's X-Trans and TIFF's decoded strips need it
CPU = 8.0  # seconds, and one more per megapixel
WEIGHTS = 100_000_000  # samples that stand for torch, and for the trial of a network
VALUES = {"cfa": Cfa, "levels": Levels, "color": Color}
Json = Any


def main() -> int:
    """Serve one request, then end."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    line = requests.readline()
    if not line:  # the window closed while this child was waiting
        return 0
    request = json.loads(line)
    folder = Path(request["folder"])
    replies = os.dup(1)
    _capture(folder / "log")
    if request["what"] == "method":
        from core.guest import serve

        return serve(request, requests, replies)
    if request["what"] in ("devices", "device"):
        from core.selftest import answer

        _put(folder / "reply.json", answer(request))
        return 0
    if request["what"] == "weights":
        room = WEIGHTS + Path(request["path"]).stat().st_size
        _put(folder / "header.json", {"shape": [room]})  # the parent waits as long
        limit(room)
        from core.learn.convert import answer as converted

        _put(folder / "reply.json", converted(request, folder))
        return 0
    limit(0)
    tempfile.tempdir = str(folder)  # what readers write aside goes with it, however they end
    _put(folder / "reply.json", _serve(request, folder))
    return 0


def _serve(request: Mapping[str, Any], folder: Path) -> dict[str, Json]:
    path = Path(request["path"])
    try:
        module = import_plugin(request["module"], request["file"])
        reader: Format = getattr(module, request["format"])()
        header = reader.header(path)
        _put(folder / "header.json", plain(header))
        if request["what"] == "header":
            return {"header": plain(header)}
        limit(samples(header))
        return {"image": pack(reader.read(path), folder, int(request["in_place"]))}
    except UnreadableFile as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{path.name} needs more memory than a file of its size should."}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(".: ")
        return {"error": f"{path.name} could not be read, it seems damaged ({reason})."}


def samples(header: Mapping[str, Any]) -> int:
    """How many numbers the file holds, by its header."""
    return math.prod(int(size) for size in header.get("shape", ()))


def limit(count: int) -> None:
    """Bound this process's memory, CPU time and files to what `count` samples may need."""
    if sys.platform == "win32":
        return  # the parent's wall limit remains
    import resource

    def lower(what: int, value: int) -> None:
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, hard))

    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_AS, MEMORY + PER_SAMPLE * count)
    lower(resource.RLIMIT_CPU, math.ceil(CPU + count / 1e6))
    lower(resource.RLIMIT_FSIZE, (64 << 20) + 16 * count)


def limit_data(memory: int) -> None:
    """Bound what this process allocates to `memory` bytes, files and code apart (0: no bound)."""
    if not memory or sys.platform != "linux":  # others do not count mapped memory
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _capture(log: Path) -> None:
    """Send all that libraries print to a file: a pipe nobody reads would block them."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _put(path: Path, value: Json) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)  # the parent never sees half a file


def pack(image: Image, folder: Path, in_place: int = sys.maxsize) -> dict[str, Json]:
    """An Image as JSON; its arrays are saved in `folder`.

    Of maps of the file itself with `in_place` bytes or more, only the place is noted.
    """
    saved: list[Array] = []

    def keep(array: Array) -> Json:
        # Stored as it lies in memory: a colour image's (c, y, x) is a view of (y, x, c).
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        lying = array.transpose(order)
        place = _place(lying) if array.nbytes >= in_place else None
        if place is None:
            native = lying.astype(lying.dtype.newbyteorder("="), copy=False)
            np.save(folder / f"{len(saved)}.npy", native, allow_pickle=False)
        else:
            _put(folder / f"{len(saved)}.json", place)
        saved.append(array)
        return {"$array": len(saved) - 1, "order": order}

    names = [field.name for field in fields(image)]
    return {name: plain(getattr(image, name), keep) for name in names}


def _place(array: Array) -> dict[str, Json] | None:
    """Where an array lies that is all of a map of a file, else None."""
    root: Any = array
    while hasattr(getattr(root, "base", None), "shape"):
        root = root.base
    if not isinstance(root, np.memmap) or root.nbytes != array.nbytes or root.filename is None:
        return None
    if not array.flags.c_contiguous or root.ctypes.data != array.ctypes.data:
        return None
    return {
        "file": str(root.filename),  # not the one that was named, where a header lies beside
        "offset": int(root.offset),
        "kind": array.dtype.str,
        "stored": list(array.shape),
    }


def unpack(packed: Mapping[str, Json], load: Callable[[int], Any]) -> Image:
    """The Image of pack(); `load` gives array number i."""
    values = {name: rich(value, load) for name, value in packed.items()}
    for name, cls in VALUES.items():
        if values.get(name) is not None:
            values[name] = cls(**values[name])
    return Image(**values)


def plain(value: Any, keep: Callable[[Array], Json] | None = None) -> Json:
    """Any metadata value as JSON; bytes, tuples and arrays in a form that rich() understands."""
    if isinstance(value, Cfa | Levels | Color):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {str(key): plain(item, keep) for key, item in items}
    if isinstance(value, tuple):
        return {"$tuple": [plain(item, keep) for item in cast("tuple[Any, ...]", value)]}
    if isinstance(value, list):
        return [plain(item, keep) for item in cast("list[Any]", value)]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, np.ndarray):
        array = cast("Array", value)
        return keep(array) if keep else array.tolist()
    if isinstance(value, np.generic):
        return cast("Any", value).item()
    return value if value is None or isinstance(value, str | int | float) else str(value)


def rich(value: Json, load: Callable[[int], Any]) -> Any:
    """The value that plain() was given."""
    if isinstance(value, list):
        return [rich(item, load) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    known = cast("dict[str, Any]", value)
    if "$bytes" in known:
        return base64.b64decode(known["$bytes"])
    if "$tuple" in known:
        return tuple(rich(item, load) for item in known["$tuple"])
    if "$array" in known:
        return load(int(known["$array"])).transpose(np.argsort(known["order"]))
    return {key: rich(item, load) for key, item in known.items()}


if __name__ == "__main__":
    sys.exit(main())
