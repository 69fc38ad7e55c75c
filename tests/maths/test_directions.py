from types import SimpleNamespace

import numpy as np

from spinfunnel.maths.directions import HELD, filter_normalised, filters_of, gaussian


def block(kind, shape, start):
    return SimpleNamespace(kind=kind, shape=shape, start=start, stop=start + int(np.prod(shape)))


def test_filters_are_rows_of_whatever_has_two_axes():
    found = filters_of(
        [block("conv", (2, 1, 2), 0), block("norm", (2,), 4), block("embedding", (3, 1), 6)], 9
    )
    assert found.tolist() == [0, 0, 1, 1, HELD, HELD, 2, 3, 4]


def test_parameters_without_filters_are_one():
    assert filters_of([block("other", (3,), 0), block("bias", (1,), 3)], 4).tolist() == [0] * 4
    assert filters_of([], 2).tolist() == [0, 0]


def test_a_filter_of_zeros_does_not_move_and_one_of_the_direction_does_no_harm():
    filters = np.array([0, 0, 1, 1])
    w, d = np.array([0.0, 0, 3, 4]), np.array([1.0, 1, 0, 0])
    assert filter_normalised(d, w, filters).tolist() == [0, 0, 0, 0]


def test_a_seed_is_a_direction_whatever_the_dtype():
    w, filters = np.arange(6, dtype=np.float32), np.repeat([0, 1], 3)
    one = gaussian(w, filters, 3)
    assert one.dtype == np.float64
    assert (one == gaussian(w.astype(np.float64), filters, 3)).all()
    assert (one != gaussian(w, filters, 4)).any()
    assert np.allclose(np.linalg.norm(one.reshape(2, 3), axis=1), np.linalg.norm(w.reshape(2, 3), axis=1))
