"""What opening costs: CPU seconds and memory until a middle slice is there, ours and other readers.

    .venv/bin/python tests/benchmarks/opening.py [--slices 200] [--peers PYTHON]

Files are made for it: a CT series, volumes, a stack, a cube of 1.2 GB (mostly a hole in the disk).
Each reader opens each file in a process of its own, twice; the second run counts, when the disk's
cache is warm. *Open* is from the call to the slice, as floats; *start* is importing what is needed.
Peak is the resident memory of the largest process; maps of files count as far as they were touched.
Linux only: it reads /proc.

The readers are those that napari and 3D Slicer open such files with, without the programs around:
tifffile and imageio (napari's own; *napari* is its reader around them), nibabel and pydicom (its
plugins'; *napari-nifti* is one of them), ITK (Slicer's, as SimpleITK), pynrrd and spectral. What is
not installed here runs by the Python named with --peers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FRAME = """
import json, resource, sys, time
def spent():
    both = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)
import numpy as np
path, middle = sys.argv[1], int(sys.argv[2])
{imports}
start, began = spent(), time.perf_counter()
{code}
shown = np.asarray(shown, np.float32)
assert shown.ndim == 2, shown.shape
wall, cpu = time.perf_counter() - began, spent() - start
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
print(json.dumps([start, cpu, wall, peak, float(shown.sum())]))
"""
OURS = (
    "from core.files import open_image\nfrom core.registry import load\n"
    "from pathlib import Path\nregistry = load()",
    "image = open_image(registry, Path(path))\nshown = image.pixels[middle]",
)
READERS = {
    "nibabel": ("import nibabel", "shown = np.asarray(nibabel.load(path).dataobj[..., middle]).T"),
    "SimpleITK": (
        "import SimpleITK as sitk, os",
        "if os.path.isdir(path): path = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(path)\n"
        "image = sitk.ReadImage(path)\nshown = sitk.GetArrayViewFromImage(image)[middle]",
    ),
    "pydicom": (
        "import pydicom, pathlib",
        "files = [pydicom.dcmread(one) for one in pathlib.Path(path).iterdir()]\n"
        "files.sort(key=lambda one: float(one.ImagePositionPatient[2]))\n"
        "volume = np.stack([one.pixel_array for one in files])\nshown = volume[middle]",
    ),
    "napari": (
        "from napari_builtins.io import napari_get_reader",
        "shown = napari_get_reader(path)(path)[0][0][middle]",
    ),
    "napari-nifti": (
        "from napari_nifti._reader import napari_get_reader",
        "shown = napari_get_reader(path)(path)[0][0]\n"
        "shown = shown[middle] if len(shown) < 512 else shown[..., middle]",
    ),
    "pynrrd": ("import nrrd", "shown = nrrd.read(path)[0][..., middle].T"),
    "tifffile": ("import tifffile", "shown = tifffile.imread(path)[middle]"),
    "imageio": ("import imageio.v3 as iio", "shown = iio.imread(path)[middle]"),
    "spectral": (
        "import spectral.io.envi as envi",
        "shown = envi.open(path, path[:-3] + 'img').read_band(middle)",
    ),
}
CASES = {  # what others read it
    "ct": ("DICOM series", ("SimpleITK", "pydicom")),
    "v.nii": ("NIfTI", ("nibabel", "napari-nifti", "SimpleITK")),
    "v.nii.gz": ("NIfTI, gzip", ("nibabel", "napari-nifti", "SimpleITK")),
    "v.nrrd": ("NRRD, gzip", ("pynrrd", "SimpleITK")),
    "v.tif": ("TIFF stack", ("tifffile", "imageio", "napari", "SimpleITK")),
    "cube.hdr": ("ENVI, 1.2 GB", ("spectral",)),
}


def make(folder: Path, slices: int) -> None:
    """One file of each case; 512 x 512 pixels of 12 bits, anatomy replaced by noise."""
    import nibabel
    import numpy as np
    import SimpleITK as sitk
    import tifffile

    from tests.plugins.dicoms import save, slice_of

    rng = np.random.default_rng(1)
    volume = rng.normal(1050, 20, (slices, 512, 512)).astype(np.int16)
    (folder / "ct").mkdir()
    for place, pixels in enumerate(volume):
        data = slice_of(
            place, pixels=pixels.astype(np.uint16), Rows=512, Columns=512, RescaleIntercept="0"
        )
        save(folder / "ct" / f"{(place * 7) % slices:04d}.dcm", data)
    for name in ("v.nii", "v.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.eye(4)), folder / name)
    sitk.WriteImage(sitk.GetImageFromArray(volume), str(folder / "v.nrrd"), True)
    tifffile.imwrite(folder / "v.tif", volume.astype(np.uint16))
    bands, edge = 600, 1000
    (folder / "cube.hdr").write_text(
        f"ENVI\nsamples = {edge}\nlines = {edge}\nbands = {bands}\nheader offset = 0\n"
        "file type = ENVI Standard\ndata type = 12\ninterleave = bsq\nbyte order = 0\n"
    )
    with (folder / "cube.img").open("wb") as file:
        file.truncate(2 * bands * edge * edge)


def opened(python: str, reader: tuple[str, str], path: Path, middle: int) -> list[float] | None:
    """Start, open, wall, peak and a sum, of the second of two runs; None: not installed."""
    script = FRAME.format(imports=reader[0], code=reader[1])
    found: list[float] | None = None
    for _ in range(2):
        done = subprocess.run(
            [python, "-c", script, str(path), str(middle)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            if "ModuleNotFoundError" not in done.stderr:
                print(done.returncode, done.stderr[-200:], file=sys.stderr)
            return None
        found = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What opening costs.")
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--peers", default=sys.executable, help="a Python that has other readers")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    print("| file | reader | start, CPU s | open, CPU s | open, wall s | peak, MiB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, options.slices)
        for file, (title, others) in CASES.items():
            middle = 300 if file == "cube.hdr" else options.slices // 2
            sums: list[float] = []
            for reader in ("Sordino", *others):
                code = OURS if reader == "Sordino" else READERS[reader]
                found = opened(sys.executable, code, folder / file, middle)
                if found is None and reader != "Sordino":
                    found = opened(options.peers, code, folder / file, middle)
                if found is None:
                    print(f"| {title} | {reader} | not installed | | | |")
                    continue
                start, cpu, wall, peak, total = found
                sums.append(total)
                row = f"{start:.2f} | {cpu:.2f} | {wall:.2f} | {peak:.0f}"
                print(f"| {title} | {reader} | {row} |", flush=True)
            if len(set(sums)) > 1:
                print(f"{title}: readers differ: {sums}", file=sys.stderr)


if __name__ == "__main__":
    main()
