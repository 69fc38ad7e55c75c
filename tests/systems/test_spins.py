"""Spins on graphs: energies against the sum written out, and what cannot be a system."""

import itertools

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.spins import Spins
from spinfunnel.testing import check_system


def random_system(n=7, seed=0, field=True):
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.normal(size=(n, n)), 1) * (rng.random((n, n)) < 0.7)
    matrix[np.arange(n - 1), np.arange(1, n)] = 1.3  # connected
    fields = rng.normal(size=n) if field else None
    return matrix + matrix.T, fields


@pytest.mark.parametrize("field", [True, False])
def test_energy_and_flip_cost_are_the_sum_written_out(field):
    matrix, fields = random_system(field=field)
    system = Spins.of_matrix(matrix, fields)
    x = system.random(9, 3)
    for row, energy, costs in zip(x.tolist(), system.energy(x), system.flip_cost(x), strict=True):

        def written(s):
            pairs = itertools.combinations(range(7), 2)
            h = np.zeros(7) if fields is None else fields
            return -sum(matrix[i, j] * s[i] * s[j] for i, j in pairs) - sum(h[i] * s[i] for i in range(7))

        assert energy == pytest.approx(written(row), abs=1e-12)
        for i in range(7):
            flipped = [-s if j == i else s for j, s in enumerate(row)]
            assert costs[i] == pytest.approx(written(flipped) - written(row), abs=1e-12)


def test_edges_in_any_order_and_direction_make_the_same_arrays():
    matrix, fields = random_system()
    edges = np.argwhere(np.triu(matrix))
    values = matrix[edges[:, 0], edges[:, 1]]
    rng = np.random.default_rng(1)
    order = rng.permutation(len(edges))
    turned = np.where(rng.random(len(edges))[:, None] < 0.5, edges, edges[:, ::-1])
    one = Spins.of_matrix(matrix, fields)
    two = Spins.of_edges(turned[order], values[order], fields, size=7)
    for name in ("indptr", "indices", "couplings", "fields"):
        left, right = getattr(one, name), getattr(two, name)
        assert (left == right).all()
        assert left.dtype == right.dtype == (np.int64 if name.startswith("ind") else np.float64)
    edges_again, values_again = two.bonds
    assert (edges_again == edges).all()
    assert (values_again == values).all()
    assert (two.matrix.toarray() == matrix).all()


def test_overlap_forgets_the_global_flip_only_without_a_field():
    matrix, fields = random_system()
    x = np.array([[1, 1, 1, 1, 1, 1, -1]])
    up = np.ones((1, 7))
    assert Spins.of_matrix(matrix).overlap(x, -up) == pytest.approx(5 / 7)
    assert Spins.of_matrix(matrix, fields).overlap(x, -up) == pytest.approx(-5 / 7)


@pytest.mark.parametrize("field", [True, False])
def test_it_keeps_its_promises(field):
    check_system(Spins.of_matrix(*random_system(field=field)))


def test_one_spin_in_a_field_is_a_system():
    system = Spins.of_edges(np.empty((0, 2)), np.empty(0), np.array([0.5]), size=1)
    assert system.energy(np.array([[1], [-1]])).tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("edges", "couplings", "fields", "says"),
    [
        ([[0, 1], [1, 1]], [1, 1], None, "spin 1 is coupled to itself"),
        ([[0, 1], [1, 2], [1, 0]], [1, 1, 1], None, "between spins 0 and 1 is given twice"),
        ([[0, 1], [1, 2]], [1, np.nan], None, "couplings must be finite"),
        ([[0, 1], [1, 2]], [1, np.inf], None, "couplings must be finite"),
        ([[0, 1], [1, 2]], [1, 1], [0, 0, np.inf], "fields must be finite, 1 are not"),
        ([[0, 1], [1, 2]], [1], None, "2 bonds need as many couplings"),
        ([[0, 1], [1, 3]], [1, 1], None, "spins are numbered 0 to 2"),
        ([[0, 1], [1, -1]], [1, 1], None, "spins are numbered 0 to 2"),
        ([[0, 1], [1, 2]], [1, 1], [0, 0], "2 fields do not fit 3 rows"),
        ([[0, 1]], [1], None, "falls into 2 parts"),
    ],
)
def test_what_is_no_system(edges, couplings, fields, says):
    with pytest.raises(BadInput, match=says) as caught:
        Spins.of_edges(np.array(edges), np.array(couplings), fields, size=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ([[0, 1], [2, 0]], r"J\[0,1\] = 1 and J\[1,0\] = 2"),
        ([[0, 1], [1, 3]], "spin 1 is coupled to itself"),
        ([[0, np.nan], [np.nan, 0]], "finite"),
        ([[0, 1, 0], [1, 0, 1]], "square"),
    ],
)
def test_what_is_no_coupling_matrix(matrix, says):
    with pytest.raises(BadInput, match=says):
        Spins.of_matrix(np.array(matrix, dtype=float))


def test_couplings_that_differ_by_direction_are_refused():
    good = Spins.of_edges(np.array([[0, 1], [1, 2]]), np.ones(2), size=3)
    with pytest.raises(BadInput, match="symmetric"):
        Spins("x", "H", good.indptr, good.indices, np.array([1.0, 2.0, 1.0, 1.0]), good.fields)


def test_configurations_of_another_size_are_refused():
    system = Spins.of_matrix(*random_system())
    for wrong in (np.ones((2, 6)), np.ones(7)):
        with pytest.raises(BadInput, match="configurations of 7 spins"):
            system.energy(wrong)
        with pytest.raises(BadInput, match="configurations of 7 spins"):
            system.overlap(wrong, wrong)
