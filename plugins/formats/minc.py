"""MINC (.mnc): volumes of MINC 1 (NetCDF) and MINC 2 (HDF5), read through nibabel (MIT)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core import anatomy
from core.format import Format, UnreadableFile, arrange
from core.image import Array, Image, Levels

CLASSIC, HDF5 = (b"CDF\x01", b"CDF\x02"), b"\x89HDF\r\n\x1a\n"
LETTERS = {"xspace": "x", "yspace": "y", "zspace": "z", "time": "t"}


class Minc(Format):
    """Volumes and series of MINC, as real numbers: each slice has a scale of its own in the file.

    Dimensions may stand in any order. Written as NIfTI, NRRD, MetaImage or DICOM.
    """

    title = "MINC"
    suffixes = (".mnc",)
    takes = ()

    def sniff(self, head: bytes, name: str) -> bool:
        if head.startswith(CLASSIC):
            return b"xspace" in head or name.lower().endswith(".mnc")
        return head.startswith(HDF5) and name.lower().endswith(".mnc")

    def header(self, path: Path) -> dict[str, Any]:
        volume, letters = _opened(path)
        sizes = dict(zip(letters, volume.shape, strict=True))
        _, axes = arrange(np.empty((1,) * len(letters)), letters)
        shape = [sizes[letter] for letter in axes]
        return {"kind": "scan", "axes": axes, "shape": shape, **_meta(volume)}

    def read(self, path: Path) -> Image:
        volume, letters = _opened(path)
        try:
            pixels: Array = np.asarray(volume.dataobj, np.float32)
        except MemoryError:
            raise
        except Exception as error:  # nibabel leaves what is damaged to the libraries below it
            raise UnreadableFile(f"{path.name} is damaged ({error}): copy it again.") from None
        view, axes = arrange(pixels, letters)
        coords = _coords(volume.affine, letters)
        turn = anatomy.upright(coords["affine"]) if "affine" in coords else 1
        meta = {**_meta(volume), "order": letters}
        return Image(view, axes, "scan", Levels(white=np.inf), orientation=turn, coords=coords,
                     meta=meta)  # fmt: skip


def _opened(path: Path) -> tuple[Any, str]:
    """nibabel's image, and a letter for each axis of its array."""
    import nibabel

    kinds = (nibabel.Minc1Image, nibabel.Minc2Image)  # pyright: ignore[reportPrivateImportUsage]
    with path.open("rb") as file:
        kind = kinds[file.read(4) == HDF5[:4]]
    try:
        volume: Any = kind.from_filename(str(path))
        names = [str(name) for name in volume.dataobj.minc_file._dim_names]
        sizes = volume.shape
    except MemoryError:
        raise
    except Exception as error:  # whatever a header lacks
        raise UnreadableFile(f"{path.name} is damaged ({error!r}): copy it again.") from None
    letters = "".join(LETTERS.get(name, "?") for name in names)
    if "?" in letters or len(set(letters)) < len(letters) or not {"y", "x"} <= set(letters):
        raise UnreadableFile(
            f"{path.name} has the dimensions {', '.join(names)}: convert it with mnc2nii to NIfTI."
        )
    if 0 in sizes:
        raise UnreadableFile(f"{path.name} holds no samples: copy it again.")
    return volume, letters


def _coords(affine: Any, letters: str) -> dict[str, Any]:
    """Affine (LPS) for x, y, z and spacing, from that of the array's axes (RAS, millimetres)."""
    if not {"x", "y", "z"} <= set(letters):
        return {}
    places = [letter for letter in letters if letter in "xyz"]
    found = np.eye(4)
    found[:3, 3] = np.asarray(affine)[:3, 3]
    for column, letter in enumerate("xyz"):
        found[:3, column] = np.asarray(affine)[:3, places.index(letter)]
    if not anatomy.usable(found):
        return {}
    return {"affine": anatomy.turned(found), "spacing": anatomy.steps(found)}


def _meta(volume: Any) -> dict[str, Any]:
    return {"dtype": "float32", "minc": {"stored": str(volume.get_data_dtype())}}
