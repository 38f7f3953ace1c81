"""Methods that clean the few images which a cube is made of: all but how an image is cleaned.

Imported where plugins are listed: no torch, numba or OpenCV at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from core.image import Array, Image
from core.method import Context, Method, Needs, Planes, Slider, is_array
from core.tiles import Region

if TYPE_CHECKING:
    from core.ops.subspace import Subspace

EDGE, SEEN = 128, 4_000_000  # of tiles that are looked at beforehand, and samples of them in all
USUAL = 1.5  # threshold of wavelets in sigmas, where no picture was looked at
OUTLIER = 3.0  # sigmas from the fit
FEW = 8  # bands: with fewer, one cannot tell an outlier from a colour

Cleaner = Callable[[Array], Array]  # of images (K, H, W)
State = tuple["Subspace", Any] | None  # and what `look` found
Look = Generator[float, None, tuple["Subspace", Any]]


class BySubspace(Method):
    """Base of methods that give `clean` instead of `run`, and perhaps `look`."""

    assumption = (
        "Noise independent in every band and pixel, as strong as it may be in each;"
        " stripes, dead lines and impulses in some of the bands."
    )
    kinds = ("hyperspectral",)
    axes = "byx"
    tensors = False
    any_bands: ClassVar[bool] = False  # is `look` for images of few bands, too, and planes?

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of what was measured.")
    ] = 1.0
    rank: Annotated[
        int, Slider(0, 40, "", "Images that a cube is made of; 0: found by itself.", advanced=True)
    ] = 0

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, State]:
        """See Method.prepare."""
        from core.develop.falsecolor import usable
        from core.ops import subspace

        if ctx.source is None:
            return None
        bands = int(ctx.source(Region(0, 0, 1, 1)).shape[2])
        good, robust = np.ones(bands, bool), False
        if "b" in image.axes:
            good = np.isin(np.arange(bands), usable(image))
            robust = int(good.sum()) >= FEW
        asked = subspace.Asked(np.tile(good, len(ctx.planes)), self.rank, robust)
        size = image.height, image.width
        space = yield from subspace.learn(ctx.source, *size, asked, ctx.check)
        if not robust and not self.any_bands:
            return space, None
        return (yield from self.look(space, size, ctx))

    def look(self, space: Subspace, size: tuple[int, int], ctx: Context) -> Look:
        """What else is to be known of an image of this size, once its subspace is; see prepare."""
        yield 1.0
        return space, None

    def run(self, tile: Planes, state: State, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import subspace

        if not self.strength:
            return tile
        found = tile + 0
        for given, made in zip(tile, found, strict=True):
            cube = given.reshape(-1, *given.shape[-2:])
            space, known = state or (subspace.identity(len(cube)), None)
            made[:] = self.cube(cube, space, known, ctx).reshape(given.shape)
        return found

    def cube(self, cube: Planes, space: Subspace, known: Any, ctx: Context) -> Planes:
        """One cube (B, H, W), all planes and bands together: outliers go, images are cleaned."""
        planes = space.project(cube, ctx.region, ctx.check)
        return space.expand(self.clean(planes[None], known, ctx)[0], cube, ctx.check)

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """Take white noise of variance 1 from the images (1, K, H, W); `known`: from `look`."""
        raise NotImplementedError


class ByWavelets(BySubspace):
    """Base of methods that shrink wavelets; `look` finds the thresholds (K, levels, bands)."""

    def needs(self, image: Image) -> Needs:
        """What the wavelets reach."""
        from core.ops import wavelet

        return Needs(halo=wavelet.REACH, tile=480, cost=4.0, axes="byx")

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """See BySubspace.clean."""
        from core.ops import wavelet

        shape = planes.shape[1], wavelet.LEVELS, wavelet.BANDS
        limits = self.strength * (np.full(shape, USUAL) if known is None else known)
        return on_arrays(planes, lambda each: wavelet.shrink(each[0], limits, ctx.check)[None])


def looked_at(space: Subspace, size: tuple[int, int], ctx: Context) -> list[tuple[Array, Array]]:
    """Some tiles from all over an image: whitened spectra (B, h, w) and coordinates (K, h, w)."""
    assert ctx.source is not None
    height, width = size
    corners = [(y, x) for y in range(0, height, EDGE) for x in range(0, width, EDGE)]
    count = int(np.clip(SEEN // (len(space.mean) * EDGE**2), 1, len(corners)))
    found: list[tuple[Array, Array]] = []
    for at in np.linspace(0, len(corners) - 1, count).round().astype(int):
        y, x = corners[int(at)]
        region = Region(y, x, min(y + EDGE, height), min(x + EDGE, width))
        for tile in ctx.source(region):
            cube = tile.reshape(-1, *tile.shape[-2:])
            planes = space.project(cube, region, ctx.check)
            found.append((_white(space, cube, region, planes), planes))
    return found


def _white(space: Subspace, cube: Array, region: Region, planes: Array) -> Array:
    """Whitened spectra of (B, H, W), with the fit where there is an outlier or nothing."""
    white = (cube - space.mean[:, None, None]) / space.sigma[:, None, None]
    across, down = space.stripes(cube.shape, region)
    if across.shape[1]:
        white -= across[:, None] + down[:, :, None]
    fitted = np.tensordot(space.basis, planes, 1)
    limit = OUTLIER if space.robust else np.inf
    return np.where(np.abs(white - fitted) <= limit, white, fitted)


def turned(space: Subspace, tiles: Sequence[tuple[Array, Array]], clean: Cleaner) -> Subspace:
    """The subspace whose cleaned images fit the spectra best: a Procrustes problem.

    As in B. Rasti et al. (WSRRR, OTVCA): of images F and spectra Y it is the polar factor of Y F'.
    """
    products = 1e-3 * space.basis.astype(np.float64)
    for white, planes in tiles:
        cleaned = clean(planes).reshape(len(planes), -1)
        products += white.reshape(len(white), -1) @ cleaned.T
    left, _, right = np.linalg.svd(products, full_matrices=False)
    return replace(space, basis=(left @ right).astype(np.float32))


def on_arrays(planes: Planes, work: Callable[[Any], Any]) -> Planes:
    """What a kernel of the CPU makes of planes that may lie on another device."""
    return work(planes) if is_array(planes) else planes.new_tensor(work(planes.cpu().numpy()))
