import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.lanczos import wigner
from spinfunnel.maths.traces import calibrations, hutchinson, trace, xtrace

torch = pytest.importorskip("torch")


def test_xtrace_is_what_leaving_out_each_vector_one_by_one_gives():
    n, k = 40, 6
    matrix = wigner(n, np.random.default_rng(0))
    from spinfunnel.maths.traces import _multiplied

    omega, image = _multiplied(matrix, k, 3)
    traces = []
    for i in range(k):
        basis = np.linalg.qr(np.delete(image, i, axis=1))[0]
        rest = np.eye(n) - basis @ basis.T
        left = rest @ omega[:, i]
        traces.append(
            np.trace(basis.T @ matrix @ basis) + (n - k + 1) / (left @ left) * (left @ matrix @ left)
        )
    found = xtrace(matrix, products=2 * k, seed=3)
    assert found.value == pytest.approx(np.mean(traces), rel=1e-10)
    assert found.error == pytest.approx(np.std(traces, ddof=1) / np.sqrt(k), rel=1e-6)


def test_hutchinson_is_a_mean_with_the_known_error():
    matrix = wigner(200, np.random.default_rng(0))
    drawn = [hutchinson(matrix, products=20, seed=i) for i in range(200)]
    centred = (matrix**2).sum() - np.trace(matrix) ** 2 / 200
    known = np.sqrt(2 * 200 / 202 * centred / 20)
    assert np.std([one.value for one in drawn]) == pytest.approx(known, rel=0.2)
    assert np.mean([one.error for one in drawn]) == pytest.approx(known, rel=0.1)


@pytest.mark.parametrize(
    ("values", "kind"),
    [(np.linspace(1, 2, 300), "Hutchinson"), (np.arange(1.0, 301) ** -2, "XTrace")],
)
def test_the_better_one_is_taken(values, kind):
    kinds = [trace(np.diag(values), products=40, seed=i).kind for i in range(20)]
    assert kinds.count(kind) >= (20 if kind == "XTrace" else 1)
    assert trace(np.diag(values), products=300).kind == "exact"
    assert trace(np.diag(values), products=300).value == pytest.approx(values.sum())


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_tensors_of_pytorch_are_as_good_as_arrays(kind):
    matrix = wigner(100, np.random.default_rng(0)).astype(kind)
    found, other = trace(matrix, products=20), trace(torch.from_numpy(matrix), products=20)
    assert found.value == pytest.approx(other.value, rel=1e-3)
    assert found.kind == other.kind


def test_an_operator_of_zeros_and_one_of_low_rank():
    assert trace(np.zeros((50, 50)), products=20).value == 0
    low = np.zeros((50, 50), dtype=np.float32)
    low[:3, :3] = np.diag([3.0, 2.0, 1.0])
    found = xtrace(low, products=20)
    assert abs(found.value - 6) < 4 * found.error < 1e-4


def test_too_few_products_are_refused():
    with pytest.raises(BadInput, match="take 2 or more"):
        trace(np.eye(10), products=3)


@pytest.mark.parametrize("calibration", calibrations, ids=lambda c: c.name)
def test_calibrations_hold(calibration):
    rows = list(calibration.run(5))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows
