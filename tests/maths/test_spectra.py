import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.spectra import (
    BLOCK,
    effective_rank,
    entropy,
    gram_eigenvalues,
    rank,
    second_moment,
    stable_rank,
)

RNG = np.random.default_rng(20)


def squared_singular_values(array):
    return np.sort(np.linalg.svd(array.astype(np.float64), compute_uv=False) ** 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (30, 20), (20, 30), (17, BLOCK + 9), (2 * BLOCK, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eigenvalues_are_squared_singular_values(shape, dtype):
    array = (0.3 + RNG.standard_normal(shape)).astype(dtype)
    expected = squared_singular_values(array)
    np.testing.assert_allclose(gram_eigenvalues(array), expected, rtol=1e-11, atol=1e-13 * expected[-1])


@pytest.mark.parametrize("view", ["fortran", "strided", "reversed", "read-only", "half"])
def test_any_order_of_memory_gives_the_same(view):
    base = RNG.standard_normal((40, 60))
    array = {
        "fortran": np.asfortranarray(base),
        "strided": np.repeat(np.repeat(base, 2, axis=0), 3, axis=1)[::2, ::3],
        "reversed": base[::-1, ::-1],
        "read-only": np.frombuffer(base.tobytes()).reshape(base.shape),
        "half": base.astype(np.float16),
    }[view]
    np.testing.assert_allclose(gram_eigenvalues(array), squared_singular_values(array), rtol=1e-10)


def test_the_array_is_left_as_it_was():
    array = RNG.standard_normal((30, 40))
    copy = array.copy()
    gram_eigenvalues(array)
    np.testing.assert_array_equal(array, copy)


def test_dead_rows_give_exact_zeros_without_a_singular_value_decomposition(monkeypatch):
    array = RNG.standard_normal((30, 50))
    array[[3, 7, 20]] = 0
    monkeypatch.setattr("spinfunnel.maths.spectra.svdvals", None)
    eigenvalues = gram_eigenvalues(array)
    assert (eigenvalues[:3] == 0).all()
    assert rank(eigenvalues, 30, 50) == 27
    np.testing.assert_allclose(eigenvalues[3:], squared_singular_values(array)[3:], rtol=1e-11)


@pytest.mark.parametrize("shape", [(120, 120), (120, 500), (500, 120)])
def test_rank_and_smallest_eigenvalue_survive_a_large_condition_number(shape):
    low = RNG.standard_normal((shape[0], 90)) @ RNG.standard_normal((90, shape[1]))
    assert rank(gram_eigenvalues(low), *shape) == 90 == np.linalg.matrix_rank(low)
    q, _ = np.linalg.qr(RNG.standard_normal((120, 120)))
    steep = (q * np.logspace(0, -9, 120)) @ q.T
    assert gram_eigenvalues(steep)[0] == pytest.approx(1e-18, rel=1e-5)


def test_all_zero():
    eigenvalues = gram_eigenvalues(np.zeros((3, 5)))
    assert (eigenvalues == 0).all()
    assert rank(eigenvalues, 3, 5) == 0
    assert np.isnan([f(eigenvalues) for f in (stable_rank, effective_rank, entropy)]).all()
    assert np.isnan(second_moment(eigenvalues, 5))


@pytest.mark.parametrize(
    "array", [np.zeros((0, 4)), np.zeros(4), np.array([[1, np.nan]]), np.array([[np.inf]])]
)
def test_what_has_no_eigenvalues_is_refused_in_one_line(array):
    with pytest.raises(BadInput, match=r"^eigenvalues need .*$"):
        gram_eigenvalues(array)


def test_ranks_and_entropy_by_their_definitions():
    ev = np.array([0.5, 1.5, 2.0, 4.0])
    p = ev / 8
    shannon = -(p * np.log(p)).sum()
    assert stable_rank(ev) == pytest.approx(2.0)
    assert effective_rank(ev) == pytest.approx(np.exp(shannon))
    assert entropy(ev) == pytest.approx(shannon / np.log(4))
    assert second_moment(ev, 9) == pytest.approx(np.mean(ev**2) / 4)


@pytest.mark.parametrize("entries", ["uniform", "gaussian", "three-valued"])
def test_second_moment_has_one_expectation_whatever_the_kurtosis(entries):
    m, n, draws = 30, 40, 400
    rng = np.random.default_rng(4)
    make = {
        "uniform": (lambda: rng.uniform(-1, 1, (m, n)), 1.8),
        "gaussian": (lambda: rng.standard_normal((m, n)), 3.0),
        "three-valued": (lambda: rng.choice([-1, 0, 0, 0, 0, 0, 0, 1], (m, n)), 4.0),
    }
    draw, kurtosis = make[entries]
    values = np.array([second_moment(gram_eigenvalues(draw()), n, kurtosis) for _ in range(draws)])
    error = values.std() / np.sqrt(draws)
    assert error < 0.004
    assert abs(values.mean() - m * (m + n + 1) / (m * n + 2)) < 4 * error
