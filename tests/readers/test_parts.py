import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinfunnel.readers.parts import Part, cut


@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.int8, np.uint8, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2],
)
def test_every_value_of_a_narrow_type_survives(dtype):
    bits = np.dtype(dtype).itemsize * 8
    values = np.arange(2**bits, dtype=f"u{bits // 8}").view(dtype).reshape(-1, 2)
    wide = cut(Part("w", "", values.shape, values.shape), values)
    assert wide.dtype == np.float32
    with np.errstate(invalid="ignore"):  # some bits are NaN
        assert np.array_equal(wide, values.astype(np.float64), equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "wide"), [("f4", "f4"), ("f8", "f8"), (">f4", "f4"), ("i4", "f8"), ("i8", "f8"), ("f16", "f8")]
)
def test_wide_types_are_float32_or_float64_in_the_machines_order(dtype, wide):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    found = cut(Part("w", "", (2, 3), (2, 3)), array)
    assert found.dtype == np.dtype(wide)
    assert found.dtype.isnative
    assert np.array_equal(found, array)


def test_a_matrix_that_is_stored_as_one_is_a_view():
    array = np.ones((6, 3), np.float32)
    assert np.shares_memory(cut(Part("w", "", (6, 3), (6, 3)), array), array)
    assert np.shares_memory(cut(Part("w", "b", (2, 3), (6, 3), take=((2, 4, None),)), array), array)
    assert np.shares_memory(cut(Part("w", "", (3, 6), (6, 3), axes=(1, 0)), array), array)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_axes_then_split_then_take(a, b, c):
    array = np.arange(a * b * c * 2.0).reshape(a, b * 2, c)
    part = Part("w", "", (b, a * c), array.shape, axes=(1, 0, 2), split=(2, b, a * c), take=(1,))
    assert np.array_equal(cut(part, array), array.transpose(1, 0, 2).reshape(2 * b, a * c)[b:])


def test_another_shape_than_the_layout_was_made_for_is_an_error():
    with pytest.raises(ValueError, match=r"shape \(3, 2\), its layout was made for \(2, 3\)"):
        cut(Part("w", "", (2, 3), (2, 3)), np.ones((3, 2)))


def test_a_part_can_be_sent_to_a_worker_and_be_a_key():
    import pickle

    part = Part("w", "key", (2, 3), (6, 3), take=((2, 4, None),))
    assert pickle.loads(pickle.dumps(part)) == part
    assert {part: 1}[part] == 1
    assert part.row_name == "w[key]"
