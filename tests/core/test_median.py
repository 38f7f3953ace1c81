import numpy as np
import pytest

from core.ops.median import median


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_it_is_numpys(count, axis):
    shape = [3, 4, 5]
    shape[axis] = count
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    kept = values.copy()
    assert np.array_equal(median(values, axis), np.median(values, axis))
    assert np.array_equal(values, kept) and median(values, axis).dtype == np.float32
