"""The programs that `raw.py` compares: how each develops a RAW file, and what that costs."""

from __future__ import annotations

import atexit
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rawpy
import tifffile

ROOT = Path(__file__).resolve().parents[2]
# Started by a small process: a child's peak memory begins at its parent's.
WATCH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(child.pid, 0)
code = child.returncode = os.waitstatus_to_exitcode(status)
print(code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, end="")
"""
# packaging/run installs no SciPy; numba would load it here, where packaging/test put it.
SORDINO = "import sys; sys.modules['scipy'] = None; from core.cli import main; sys.exit(main())"
RT_NR = """[Directional Pyramid Denoising]
Enabled=true
Enhance=false
Luma={luma}
Ldetail=50
Method=Lab
LMethod=SLI
CMethod=AUT
C2Method=AUTO
"""


@dataclass(frozen=True)
class Cost:
    """CPU seconds and peak resident MiB of commands that ran one after the other."""

    cpu: float = 0.0
    peak: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu + other.cpu, max(self.peak, other.peak))


# A development: (source, result, folder for scratch files) -> what it cost.
Develop = Callable[[Path, Path, Path], Cost]


def run(*command: object) -> Cost:
    """Run a command to its end and count it with all its children. Raises RuntimeError."""
    words = [str(word) for word in command]
    watched = [sys.executable, "-I", "-S", "-c", WATCH, *words]
    done = subprocess.run(
        watched, cwd=ROOT, env=_surroundings(), capture_output=True, text=True, errors="replace"
    )
    code, cpu, peak = done.stdout.rpartition("\n")[2].split()
    if int(code):
        raise RuntimeError(f"{words[0]}: {done.stderr[-400:]}")
    return Cost(float(cpu), float(peak) / (2**20 if sys.platform == "darwin" else 2**10))


@cache
def _surroundings() -> dict[str, str]:
    """Ours, but with compiled modules kept from run to run, as every user has them."""
    kept = tempfile.TemporaryDirectory(prefix="sordino-raw-pyc-")
    atexit.register(kept.cleanup)
    rest = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**rest, "PYTHONPYCACHEPREFIX": kept.name}


def develop_rawpy(source: Path, target: Path, fbdd: int) -> None:
    """Runs in a process of its own: LibRaw's AHD, camera white balance, sRGB, 16 bits."""
    with rawpy.imread(str(source)) as raw:
        rgb = raw.postprocess(
            rawpy.Params(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
                fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode(fbdd),
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,
                gamma=(2.4, 12.92),
                output_bps=16,
            )
        )
    tifffile.imwrite(target, rgb)


def with_rawpy(fbdd: int = 0) -> Develop:
    """rawpy, its noise reduction off (0), light (1) or full (2)."""
    return lambda source, target, _: run(sys.executable, __file__, source, target, fbdd)


def with_sordino(method: str) -> Develop:
    """`sordino denoise`, noise measured blind, then rawpy."""

    def develop(source: Path, target: Path, folder: Path) -> Cost:
        made = folder / "sordino.dng"
        command = [sys.executable, "-c", SORDINO, "denoise", source, "-o", made, "--overwrite"]
        cost = run(*command, "--method", method, "--noise", "auto")
        return cost + with_rawpy()(made, target, folder)

    return develop


def with_dcraw(threshold: int = 0) -> Develop:
    """LibRaw's dcraw_emu with wavelet denoising."""

    def develop(source: Path, target: Path, folder: Path) -> Cost:
        wavelets = ["-n", threshold] if threshold else []
        options = ["-w", "-W", "-q", 3, "-6", "-T", "-g", 2.4, 12.92, "-c", "0.0", *wavelets]
        return run("dcraw_emu", *options, "-Z", target, source)

    return develop


def with_rawtherapee(luma: int = 0) -> Develop:
    """RawTherapee, neutral; noise reduction with this luminance, detail 50, automatic chroma."""

    def develop(source: Path, target: Path, folder: Path) -> Cost:
        profile = folder / "rawtherapee.pp3"
        profile.write_text(RT_NR.format(luma=luma) if luma else "[Version]\nAppVersion=5.9\n")
        return run("rawtherapee-cli", "-Y", "-t", "-b16", "-o", target, "-p", profile, "-c", source)

    return develop


def with_darktable(denoise: bool) -> Develop:
    """darktable without its looks; denoise (profiled) with wavelets, all automatic."""

    def develop(source: Path, target: Path, folder: Path) -> Cost:
        sidecar, config = folder / "darktable.xmp", folder / "darktable"
        sidecar.write_text(_darktable_history(denoise))
        target.unlink(missing_ok=True)
        options = ["--icc-type", "SRGB", "--core", "--disable-opencl", "--configdir", config]
        options += ["--library", ":memory:", "--conf", "plugins/imageio/format/tiff/bpp=16"]
        return run("darktable-cli", source, sidecar, target, *options)

    return develop


def _darktable_history(denoise: bool) -> str:
    """A sidecar with one module, its settings as darktable 4 stores them (version 11).

    Off, it is there, too, switched off: darktable gives a file without history its own looks.
    """
    bands = [band / 6 for band in range(7)] * 6, [0.5] * 42
    numbers = [1, 7, 1, 1, 0, 0, 0.1, 1, -1, 0, 0, 0, 0, 0]  # a[0] = -1: profile of camera and ISO
    wavelets_auto = 4
    settings = struct.pack("<14fi84f4i", *numbers, wavelets_auto, *bands[0], *bands[1], 1, 1, 1, 1)
    item = (
        '<rdf:li darktable:num="0" darktable:operation="denoiseprofile"'
        f' darktable:enabled="{int(denoise)}"'
        f' darktable:modversion="11" darktable:params="{settings.hex()}"'
        ' darktable:multi_name="" darktable:multi_priority="0" darktable:blendop_version="11"/>'
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="5"'
        ' darktable:raw_params="0" darktable:auto_presets_applied="1"'
        ' darktable:history_end="1" darktable:iop_order_version="2">'
        f"<darktable:history><rdf:Seq>{item}</rdf:Seq></darktable:history>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def versions(table: dict[str, Any]) -> str:
    """What ran, in one line."""
    import torch

    found = [f"rawpy {version('rawpy')} (LibRaw {'.'.join(map(str, rawpy.libraw_version))})"]
    found += [f"torch {torch.__version__}", f"numpy {version('numpy')}"]
    if shutil.which("dpkg-query"):
        wanted = {
            "dcraw_emu": "libraw-bin",
            "darktable-cli": "darktable",
            "rawtherapee-cli": "rawtherapee",
        }
        for program, package in wanted.items():
            if program in table:
                command = ["dpkg-query", "-W", "-f", "${Package} ${Version}", package]
                found.append(subprocess.run(command, capture_output=True, text=True).stdout)
    return ", ".join(found)


if __name__ == "__main__":
    develop_rawpy(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
