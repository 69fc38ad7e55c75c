import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from spinfunnel.core import BadInput
from spinfunnel.maths import entries
from spinfunnel.maths.entries import summarise


def naive(array):
    """The textbook formulas, entry by entry."""
    flat = array.astype(np.float64).ravel()
    flat = flat[np.isfinite(flat)]
    centred = flat - flat.mean()
    return flat.mean(), (centred**2).mean(), (centred**4).mean() / (centred**2).mean() ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [7, 100, 1 << 16])
def test_blocks_give_what_the_textbook_gives(dtype, block, monkeypatch):
    monkeypatch.setattr(entries, "BLOCK", block)
    array = (np.random.default_rng(0).standard_t(6, size=(37, 53)) + 0.3).astype(dtype)
    array[4, 4:9] = 0
    seen = summarise(array)
    assert (seen.mean, seen.variance, seen.kurtosis) == pytest.approx(naive(array), rel=1e-12)
    assert seen.row_norms == pytest.approx(np.linalg.norm(array.astype(float), axis=1), rel=1e-12)
    assert seen.column_norms == pytest.approx(np.linalg.norm(array.astype(float), axis=0), rel=1e-12)
    assert (seen.zeros, seen.nonfinite, seen.n) == (5, 0, array.size)
    assert seen.largest == np.abs(array).max()


def test_what_is_not_finite_is_counted_and_left_out():
    array = np.random.default_rng(1).normal(size=(20, 30))
    array[0, 0], array[1, 1], array[2, 2], array[3, 3] = np.nan, np.inf, -np.inf, 0
    seen = summarise(array)
    assert (seen.nonfinite, seen.zeros, seen.n) == (3, 1, 597)
    assert (seen.mean, seen.variance, seen.kurtosis) == pytest.approx(naive(array), rel=1e-12)
    assert np.isnan(summarise(np.full((2, 2), np.nan)).mean)


def test_a_view_with_strides_is_read_as_it_stands():
    whole = np.random.default_rng(2).normal(size=(40, 60)).astype(np.float32)
    assert summarise(whole[::2, 1::3]).row_norms == pytest.approx(
        summarise(whole[::2, 1::3].copy()).row_norms
    )
    assert summarise(whole.T).row_norms == pytest.approx(summarise(whole).column_norms)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_no_matrix_breaks_it(array):
    with np.errstate(over="ignore", invalid="ignore"):
        seen = summarise(array)
    assert seen.n + seen.nonfinite == array.size
    assert seen.zeros == np.count_nonzero(array == 0)
    assert len(seen.row_norms) == array.shape[0]


def test_entries_that_are_all_equal_have_no_variance():
    seen = summarise(np.full((70, 80), 0.3, np.float32))
    assert seen.variance == 0
    assert np.isnan(seen.kurtosis)


@pytest.mark.parametrize("largest", [1e76, -1e200, 1.7e308, 1e-76, -5e-324])
def test_entries_without_a_fourth_power_are_refused(largest):
    array = np.zeros((300, 400))
    array[290, 7], array[3, 3] = largest, np.nan
    with pytest.raises(BadInput, match="multiply the weights"):
        summarise(array)
