"""Other RAW developers, where they are installed, show our DNG as they show its source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
from test_dng import DENOISED, FILES, RAW, apart, foreign


def run_developer(tool, path, out, home):
    """The picture that a RAW developer makes with neutral settings."""
    commands = {
        "rawtherapee-cli": ["-o", out, "-Y", "-t", "-b8", "-c", path],
        "darktable-cli": [path, out, "--core", "--library", ":memory:", "--configdir", home],
        "dcraw_emu": ["-w", "-W", "-T", "-Z", out, path],
    }
    environment = {**os.environ, "HOME": str(home)}
    line = [tool, *(str(part) for part in commands[tool])]
    done = subprocess.run(line, env=environment, capture_output=True, timeout=120)
    assert out.exists(), done.stdout[-500:] + done.stderr[-500:]
    return tifffile.imread(out).astype(float)


@pytest.mark.parametrize("tool", ["rawtherapee-cli", "darktable-cli", "dcraw_emu"])
@pytest.mark.parametrize("name", [FILES[2], FILES[4], FILES[6]])
def test_other_developers_see_the_same(shared_data, tmp_path, tool, name):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    path = shared_data / "raw" / name
    image = RAW.read(path)
    before = run_developer(tool, path, tmp_path / "before.tif", tmp_path)
    for way, source in (("patched", image), ("built", foreign(image))):
        out = tmp_path / f"{way}.dng"
        RAW.write(out, image, source, DENOISED)
        after = run_developer(tool, out, tmp_path / f"{way}.tif", tmp_path)
        assert apart(after, before) < 0.05


def test_exiftool_finds_no_fault(shared_data, tmp_path):
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed")
    for name in ("canon_eos_6d.dng", "Blackmagic.dng"):
        image = RAW.read(shared_data / "raw" / name)
        for way, source in (("patched", image), ("built", foreign(image))):
            out = tmp_path / f"{way}.dng"
            RAW.write(out, image, source, DENOISED)
            line = ["exiftool", "-validate", "-warning", "-error", "-a", "-api", "largefilesupport"]
            done = subprocess.run([*line, str(out)], capture_output=True, text=True, timeout=60)
            assert "OK" in done.stdout or "Not decoding some large" in done.stdout, done.stdout
