"""The lossless-JPEG encoder against an independent decoder."""

from __future__ import annotations

import numpy as np
import pytest

from plugins.formats.raw.ljpeg import _code_lengths, encode

imagecodecs = pytest.importorskip("imagecodecs")
RNG = np.random.default_rng(0)
Y, X = np.indices((64, 64))
CASES = {
    "random": RNG.integers(0, 65536, (256, 256)),
    "ramp": np.arange(65536).reshape(256, 256),
    "constant": np.full((256, 256), 777),
    "checker": (Y + X) % 2 * 65535,
    "half": X // 2 % 2 * 32768,  # differences of -32768, which have no bits of their own
    "extremes": RNG.choice([0, 65535, 32767, 32768], (64, 64)),
    "flat noise": np.rint(RNG.normal(1024, 3, (64, 64))),
    "ones": np.full((2, 2), 65535),
    "channels": RNG.integers(0, 65536, (64, 64, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_decodes_to_the_same(name):
    tile = CASES[name].astype(np.uint16)
    found = imagecodecs.ljpeg_decode(encode(tile))
    assert np.array_equal(found.reshape(tile.shape), tile)


def test_no_marker_inside_the_scan():
    for name in ("random", "checker"):
        data = encode(CASES[name].astype(np.uint16))
        scan = data[data.index(b"\xff\xda") + 12 : -2]
        assert all(scan[i + 1] == 0 for i in range(len(scan) - 1) if scan[i] == 255)


def test_sizes():
    assert len(encode(CASES["constant"].astype(np.uint16))) < 0.07 * 131072
    assert len(encode(CASES["random"].astype(np.uint16))) < 1.01 * 131072
    smooth = np.rint(RNG.normal(0, 8, (256, 256)) + 5000).astype(np.uint16)
    assert len(encode(smooth)) < 0.4 * 131072


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17])
def test_codes_are_at_most_16_long(count):
    """Fibonacci counts make the deepest trees; the code of all ones must stay unused."""
    counts = [1, 1]
    while len(counts) < count:
        counts.append(counts[-1] + counts[-2])
    for order in (counts[:count], counts[:count][::-1]):
        lengths = _code_lengths(order + [0] * (17 - count))
        used = [n for n in lengths if n]
        assert len(used) == count and max(used) <= 16
        assert sum(2.0**-n for n in used) <= 1 - 2.0 ** -max(used)
