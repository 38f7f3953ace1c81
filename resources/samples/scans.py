"""The sample scans: SYNTHETIC T1-weighted MR of a head, low-dose CT of a belly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from core.format import Output  # noqa: E402
from core.image import Image  # noqa: E402
from core.noise.simulate import magnitude  # noqa: E402
from resources.samples.phantoms import F32, Shape, belly, brain, low_dose  # noqa: E402

HEAD, SIGMA = (44, 112, 96), 35.0  # about 4 % of the white matter's brightest
BELLY, PHOTONS, ANGLES = (20, 144, 192), 4e4, 180


def _placed(pixels: Any, spacing: tuple[float, float, float], meta: dict[str, Any]) -> Image:
    """A volume z y x, its middle in the origin; voxels `spacing` (x, y, z) millimetres apart."""
    affine = np.diag([*spacing, 1.0])
    sizes = pixels.shape[::-1]
    affine[:3, 3] = [-(n - 1) / 2 * step for n, step in zip(sizes, spacing, strict=True)]
    coords = {"spacing": dict(zip("xyz", spacing, strict=True)), "affine": affine}
    return Image(pixels, "zyx", "scan", coords=coords, meta=meta)


def mr(shape: Shape = HEAD) -> tuple[Image, F32]:
    """The head, uint16, Rician noise; and its truth."""
    truth = brain(shape, seed=3)
    noisy = np.rint(magnitude(truth, SIGMA, np.random.default_rng(4))).astype(np.uint16)
    return _placed(noisy, (1.8, 1.8, 2.2), {}), truth


def ct(shape: Shape = BELLY) -> tuple[Image, F32]:
    """The belly, int16 in Hounsfield units; and its truth."""
    truth = belly(shape, seed=3)
    noisy = low_dose(truth, PHOTONS, 1.9, ANGLES, np.random.default_rng(4))
    stored = np.rint(noisy).clip(-1024, 3071).astype(np.int16)
    return _placed(stored, (1.9, 1.9, 3.0), {"scale": (1.0, 0.0, "HU")}), truth


def make(
    folder: Path, clean: bool = False, head: Shape = HEAD, slab: Shape = BELLY
) -> tuple[Path, Path]:
    """Write both into `folder`; `clean` adds their truths (.npy, float32, stored units)."""
    from plugins.formats.nifti import Nifti
    from plugins.formats.volumes import Nrrd

    made = folder / "mr_head.nii.gz", folder / "ct_belly.nrrd"
    for path, form, (image, truth) in zip(made, (Nifti(), Nrrd()), (mr(head), ct(slab)),
                                          strict=True):  # fmt: skip
        form.write(path, image, image, Output())  # no note: nothing was denoised
        if clean:
            np.save(folder / f"{path.name.partition('.')[0]}_truth.npy", truth)
    return made


if __name__ == "__main__":
    print(*make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
