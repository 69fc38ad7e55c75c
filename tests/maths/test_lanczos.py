import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.lanczos import (
    Krylov,
    calibrations,
    jacobi,
    outliers,
    probe,
    slq,
    student,
    top_eigenpairs,
    wigner,
    wishart,
)

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def matrix():
    return wigner(300, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_basis_stays_orthonormal_and_projects(kind):
    matrix = np.diag(outliers(500, 0)).astype(kind)
    krylov = Krylov(matrix, probe(500, 0), 200)
    krylov.grow(200)
    basis = krylov.basis[:200].astype(np.float64)
    epsilon = np.finfo(kind).eps
    assert krylov.size == 200
    np.testing.assert_allclose(basis @ basis.T, np.eye(200), atol=20 * epsilon)
    np.testing.assert_allclose(basis @ matrix @ basis.T, krylov.projected, atol=2000 * epsilon)


def test_eigenpairs_are_those_of_the_dense_matrix(matrix):
    values, dense = np.linalg.eigh(matrix)
    found = top_eigenpairs(matrix, 4, bottom=3, tolerance=1e-8)
    assert found.converged.all()
    np.testing.assert_allclose(found.values, np.append(values[:-5:-1], values[2::-1]), atol=1e-8)
    np.testing.assert_allclose(np.abs(found.vectors @ dense[:, [-1, 0]])[[0, -1], [0, 1]], 1, atol=1e-6)
    left = np.linalg.norm(matrix @ found.vectors.T - found.vectors.T * found.values, axis=0)
    np.testing.assert_allclose(left, found.residuals, atol=1e-8)


def test_residuals_bound_the_error_where_products_run_out(matrix):
    values = np.linalg.eigvalsh(matrix)
    found = top_eigenpairs(matrix, 2, bottom=1, tolerance=1e-12, products=17)
    assert found.products == 17
    assert not found.converged.any()
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(values - value).min() <= residual


def test_vectors_are_whole_where_the_basis_fills_the_space_before_all_have_converged():
    matrix = np.diag(np.sort(np.random.default_rng(18).exponential(size=12) ** 3))
    found = top_eigenpairs(matrix, 4, bottom=2, tolerance=1e-2, products=250, seed=18)
    assert not found.converged.all()
    assert found.vectors.shape == (6, 12)
    left = matrix @ found.vectors.T - found.vectors.T * found.values
    assert (np.linalg.norm(left, axis=0) <= found.residuals).all()


def test_every_copy_of_an_eigenvalue_is_found():
    values = np.append(np.repeat([5.0, 3.0], 4), np.linspace(0, 1, 92))
    found = top_eigenpairs(np.diag(values), 8, tolerance=1e-6)
    np.testing.assert_allclose(found.values, values[:8], atol=1e-6)
    rank = np.zeros((60, 60))
    rank[:3, :3] = np.diag([3.0, 2.0, -1.0])
    found = top_eigenpairs(rank, 4, bottom=2)
    np.testing.assert_allclose(found.values, [3, 2, 0, 0, 0, -1], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_small_and_zero_operators(n):
    found = slq(np.zeros((n, n)), steps=10, probes=3)
    assert found.nodes.tolist() == np.zeros((3, 1)).tolist() or n > 1
    assert found.mean(lambda x: x).value == 0
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    np.testing.assert_allclose(top_eigenpairs(2 * np.eye(n), n).values, 2)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_tensors_of_pytorch_are_as_good_as_arrays(matrix, kind):
    array = matrix.astype(kind)
    tensor = torch.from_numpy(array)
    tolerance = 1e-4 if kind == "float32" else 1e-9
    found, other = (top_eigenpairs(one, 2, bottom=1, tolerance=tolerance) for one in (array, tensor))
    assert isinstance(other.vectors, torch.Tensor)
    assert other.vectors.dtype == tensor.dtype
    np.testing.assert_allclose(found.values, other.values, atol=10 * tolerance)
    found, other = (slq(one, steps=12, probes=2, seed=3) for one in (array, tensor))
    np.testing.assert_allclose(found.nodes, other.nodes, atol=10 * tolerance)


def test_quadrature_is_exact_for_polynomials_and_the_same_for_one_seed(matrix):
    start = probe(300, 7, 0)
    found = slq(matrix, steps=6, probes=1, seed=7)
    for power in range(12):
        exact = start @ np.linalg.matrix_power(matrix, power) @ start
        assert found.mean(lambda x, power=power: x**power).value == pytest.approx(exact, abs=1e-10)
    assert (found.nodes == slq(matrix, steps=6, probes=1, seed=7).nodes).all()
    assert found.mean(np.abs).error is None


def test_shares_and_density_have_errors_that_cover(matrix):
    values = np.linalg.eigvalsh(matrix)
    found = slq(matrix, steps=60, probes=10)
    below, error = found.below(np.array([-1.0, 0.0, 1.0, 9.0]))
    true = np.searchsorted(values, [-1.0, 0.0, 1.0, 9.0]) / 300
    assert (np.abs(below - true) < 4 * error + 0.01).all()
    grid = np.linspace(-3, 3, 601)
    density, spread = found.density(grid)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)
    assert (spread[250:350] > 0).all()


def test_the_coefficients_end_where_the_krylov_space_does():
    alphas, betas = jacobi(np.diag([1.0, 1.0, 2.0]), np.ones(3), 10)
    assert (len(alphas), len(betas)) == (2, 1)


def test_the_interval_is_students():
    from scipy.stats import t

    sample = np.array([0.0, 1.0, 4.0])
    said = student(sample)
    low, high = t.interval(0.95, 2, loc=sample.mean(), scale=sample.std(ddof=1) / np.sqrt(3))
    assert (said.low, said.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("operator", "count", "said"),
    [
        (np.ones((2, 3)), 1, "must be square"),
        (np.eye(3), 4, "ask for 1 to 3"),
        (np.eye(3), 0, "ask for 1 to 3"),
        (np.full((3, 3), np.nan), 1, "not finite"),
    ],
)
def test_what_has_no_eigenvalues_is_refused(operator, count, said):
    with pytest.raises(BadInput, match=said):
        top_eigenpairs(operator, count)


def test_the_spectra_of_random_matrices_are_where_they_should_be():
    rng = np.random.default_rng(1)
    values = np.linalg.eigvalsh(wishart(300, 0.25, rng))
    assert values.mean() == pytest.approx(1, abs=0.02)
    assert values[[0, -1]] == pytest.approx([0.25, 2.25], abs=0.1)


@pytest.mark.parametrize("calibration", calibrations, ids=lambda c: c.name)
def test_calibrations_hold(calibration):
    rows = list(calibration.run(5))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows
