"""Damaged and lying medical files, besides those that tests/core/test_hostile.py finds."""

from __future__ import annotations

import bz2
import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from core.files import read_header
from core.format import UnreadableFile
from tests.core.test_hostile import FOLDER, REGISTRY
from tests.judge import Judge
from tests.plugins.dicoms import save, series, slice_of

OTHERS = sorted(
    path
    for pattern in ("*.nii.gz", "nifti/*", "dicom/*")
    for path in FOLDER.rglob(pattern)
    if path.is_file()
)


@pytest.mark.skipif(not OTHERS, reason="no ../shared/data beside the repository")
@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_shared_files(path: Path, tmp_path: Path, judge: Judge) -> None:
    sentence = judge(path, tmp_path)
    if "trunc" in path.name or path.suffix == ".PAR":
        assert sentence


LIES: dict[str, dict[str, Any]] = {
    "rows": {"Rows": 60000, "Columns": 60000},
    "frames": {"NumberOfFrames": 2_000_000_000},
    "samples": {"SamplesPerPixel": 200},
    "bits": {"BitsAllocated": 12},
    "stored": {"BitsStored": 60},
    "high": {"HighBit": 200},
    "empty": {"pixels": np.zeros(0, np.uint16)},
    "no_table": {"PhotometricInterpretation": "PALETTE COLOR"},
}


@pytest.mark.parametrize("name", LIES)
def test_lying_slices(name: str, tmp_path: Path, judge: Judge) -> None:
    path = save(tmp_path / f"{name}.dcm", slice_of(0, **LIES[name]))
    assert judge(path, tmp_path)
    with pytest.raises(UnreadableFile):
        read_header(REGISTRY, path)


ODD: dict[str, dict[str, Any]] = {
    "no_slope": {"RescaleSlope": "0"},
    "flat": {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
    "narrow": {"WindowCenter": "5", "WindowWidth": "0"},
    "no_size": {"PixelSpacing": [0, 0]},
    "far": {"ImagePositionPatient": [1e300, -1e300, 1e300]},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_slices_open(name: str, tmp_path: Path, judge: Judge) -> None:
    path = save(tmp_path / f"{name}.dcm", slice_of(0, **ODD[name]))
    assert judge(path, tmp_path) == ""


def bomb(head: bytes, zeros: int) -> bytes:
    """Deflated `head` and then zeros: one block of them, again and again."""
    piece, deflate = 1 << 24, zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(piece)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return begin + block * (zeros // piece) + deflate.flush()


GZIP = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"  # its header; what ends it is never reached


def test_a_deflated_bomb(tmp_path: Path, judge: Judge) -> None:
    path = save(tmp_path / "a.dcm", slice_of(0), "1.2.840.10008.1.2.1.99")
    head = path.read_bytes()[: 144 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength]
    element = struct.pack("<HH2sHI", 0x0009, 0x0010, b"OB", 0, 3 << 30)
    path.write_bytes(head + bomb(element, 3 << 30))
    assert judge(path, tmp_path)


def test_sequences_without_end(tmp_path: Path, judge: Judge) -> None:
    sequence = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path = save(tmp_path / "a.dcm", slice_of(0))
    data = path.read_bytes()
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    path.write_bytes(data[:at] + (sequence + item) * 20000)
    assert judge(path, tmp_path)


def test_a_series_with_all_kinds_of_rubbish(tmp_path: Path, judge: Judge) -> None:
    series(tmp_path / "ct")
    (tmp_path / "ct" / "empty").touch()
    (tmp_path / "ct" / "words").write_text("hello")
    save(tmp_path / "ct" / "liar", slice_of(3, Rows=60000))
    (tmp_path / "ct" / "AAA").write_bytes(bytes(128) + b"DICM" + bytes(3000))
    (tmp_path / "ct" / "loop").symlink_to(tmp_path / "ct")
    assert judge(tmp_path / "ct", tmp_path) == ""


def nifti(**fields: tuple[int, str, Any]) -> bytes:
    """A volume of 8 x 8 x 8; fields are (place, format, value)."""
    head = bytearray(352)
    head[344:348] = b"n+1\0"
    every = {
        "size": (0, "<i", 348), "dim": (40, "<4h", (3, 8, 8, 8)), "type": (70, "<h", 4),
        "bits": (72, "<h", 16), "begin": (108, "<f", 352.0), **fields,
    }  # fmt: skip
    for at, kind, value in every.values():
        struct.pack_into(kind, head, at, *(value if isinstance(value, tuple) else (value,)))
    return bytes(head) + bytes(1024)


LYING = {
    "begin_nan": nifti(begin=(108, "<f", float("nan"))),
    "begin_negative": nifti(begin=(108, "<f", -7.0)),
    "begin_half": nifti(begin=(108, "<f", 352.5)),
    "begin_huge": nifti(begin=(108, "<f", 1e30)),
    "no_dims": nifti(dim=(40, "<4h", (0, 8, 8, 8))),
    "many_dims": nifti(dim=(40, "<4h", (300, 8, 8, 8))),
    "seven": nifti(dim=(40, "<8h", (7, 2, 2, 2, 2, 2, 2, 2))),
    "complex": nifti(type=(70, "<h", 32)),
    "large": nifti(dim=(40, "<4h", (3, 32000, 32000, 32000))),
}


@pytest.mark.parametrize("name", LYING)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_lying_volumes(name: str, suffix: str, tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(LYING[name]) if suffix == ".nii.gz" else LYING[name])
    assert judge(path, tmp_path)


def test_what_is_packed_behind_the_numbers_stays_there(tmp_path: Path, judge: Judge) -> None:
    (tmp_path / "a.nii.gz").write_bytes(GZIP + bomb(nifti(), 4 << 30))
    assert judge(tmp_path / "a.nii.gz", tmp_path) == ""


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_packed_nrrd_bombs(encoding: str, tmp_path: Path, judge: Judge) -> None:
    head = f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 8 8\nencoding: {encoding}\n\n".encode()
    packed = GZIP + bomb(b"", 1 << 29) if encoding == "gzip" else bz2.compress(bytes(1 << 26))
    (tmp_path / "a.nrrd").write_bytes(head + packed)
    assert judge(tmp_path / "a.nrrd", tmp_path) == ""
    lie = head.replace(b"sizes: 8 8", b"sizes: 90000 90000").replace(b"uchar", b"double")
    (tmp_path / "b.nrrd").write_bytes(lie + packed)
    assert judge(tmp_path / "b.nrrd", tmp_path)


HEADERS = {
    "a.nrrd": b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 x\nencoding: raw\n\n",
    "b.nrrd": b"NRRD0004\ntype: uchar\ndimension: 9\nsizes: 2 2\nencoding: raw\n\n",
    "c.nrrd": b"NRRD0004\ntype: block\ndimension: 2\nsizes: 2 2\nencoding: raw\n\n",
    "d.nrrd": b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: -2 2\nencoding: raw\n\n",
    "e.nrrd": b"NRRD0004\n" + b"type: uchar\n" * 1_000_000,
    "f.nrrd": b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 2\nencoding: ascii\n\na b c d",
    "a.mha": b"ObjectType = Image\nNDims = x\nDimSize = 2 2\nElementType = MET_UCHAR\n"
    b"ElementDataFile = LOCAL\nabcd",
    "b.mha": b"ObjectType = Image\nNDims = 2\nDimSize = 0 2\nElementType = MET_UCHAR\n"
    b"ElementDataFile = LOCAL\nabcd",
    "c.mha": b"ObjectType = Tube\nNDims = 2\nElementDataFile = LOCAL\nabcd",
    "d.mha": b"ObjectType = Image\n" * 1_000_000,
}


@pytest.mark.parametrize("name", HEADERS)
def test_lying_text(name: str, tmp_path: Path, judge: Judge) -> None:
    (tmp_path / name).write_bytes(HEADERS[name])
    assert judge(tmp_path / name, tmp_path)
