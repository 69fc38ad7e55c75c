"""Complexity of the spherical p-spin glass: the published table, orders, limits and refusals."""

import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.complexity import (
    calibrations,
    complexity,
    goe_density,
    hessian_edges,
    lowest_energy,
    stationary_count,
    threshold,
    transitions,
)


@pytest.mark.parametrize(
    ("p", "edge", "lowest", "at_edge"),
    [
        (3, 1.632993, [1.656998, 1.652873, 1.650253, 1.648399], 0.013240),
        (4, 1.732051, [1.794085, 1.783300, 1.776478, 1.771662], 0.049306),
        (5, 1.788854, [1.887989, 1.870576, 1.859599], 0.093147),
        (10, 1.897367, [2.135364, 2.092142, 2.065219], 0.298612),
    ],
)
def test_the_table(p, edge, lowest, at_edge):
    assert -threshold(p) == pytest.approx(edge, abs=1e-6)
    assert [-lowest_energy(p, k) for k in range(len(lowest))] == pytest.approx(lowest, abs=1e-6)
    assert float(complexity(threshold(p), p, 0)) == pytest.approx(at_edge, abs=1e-6)


def test_transitions_in_both_conventions():
    full, half = transitions(4), transitions(4, variance=0.5)
    assert half.dynamic == pytest.approx(0.544331, abs=1e-6)
    assert half.static == pytest.approx(0.503039, abs=1e-6)
    assert half.static_overlap == full.static_overlap == pytest.approx(0.804522, abs=1e-6)
    assert full.dynamic == pytest.approx(half.dynamic * math.sqrt(2))
    three = transitions(3, variance=0.5)
    assert three.dynamic_energy == pytest.approx(-0.816497, abs=1e-6)
    assert half.dynamic_energy == pytest.approx(-1 / (2 * half.dynamic))
    assert full.dynamic_energy == pytest.approx(-1 / full.dynamic)
    assert full.static < full.dynamic
    assert lowest_energy(4) < full.static_energy < full.dynamic_energy


@pytest.mark.parametrize("p", [3, 5])
def test_saddles_of_higher_index_lie_higher(p):
    lowest = [lowest_energy(p, k) for k in range(6)]
    assert lowest == sorted(lowest)
    assert lowest[-1] < threshold(p)
    u = np.linspace(-2.5, 0.5, 301)
    for k in (None, 0, 1, 4):
        assert (np.diff(complexity(u, p, k)) >= -1e-15).all()
    assert complexity(u, p) == pytest.approx(np.maximum(complexity(u, p), complexity(u, p, 0)))
    assert complexity(0.3, p) == pytest.approx(math.log(p - 1) / 2)


def test_edges_of_the_hessian():
    assert hessian_edges(threshold(3))[0] == pytest.approx(0, abs=1e-12)
    assert hessian_edges(-1.6) == pytest.approx((4.8 - 2 * math.sqrt(6), 4.8 + 2 * math.sqrt(6)))


@pytest.mark.parametrize("size", [1, 2, 5, 30, 255, 256])
def test_densities_count_their_eigenvalues(size):
    x = np.linspace(-1, 1, 40_001) * (math.sqrt(2 * size) + 8)
    density = goe_density(size, x)
    assert density.sum() * (x[1] - x[0]) == pytest.approx(size, rel=1e-9)
    assert density.min() > -1e-12
    assert density == pytest.approx(density[::-1], abs=1e-9)


def test_counts_grow_with_the_energy_and_are_even_in_it():
    counts = [stationary_count(20, 3, u) for u in (-9, -1.7, -1.6, -1, 0, 1, 9)]
    assert counts == sorted(counts)
    assert counts[0] == pytest.approx(0, abs=1e-6)
    assert 2 * counts[4] == pytest.approx(counts[-1])
    assert counts[-1] == pytest.approx(stationary_count(20, 3))
    assert counts[3] + counts[5] == pytest.approx(counts[-1])


def test_what_has_no_answer_is_refused():
    with pytest.raises(BadInput, match="p = 3 and more, not 2"):
        threshold(2)
    with pytest.raises(BadInput, match="1 to 256 spins, not 300"):
        stationary_count(300)


def test_calibrations_hold():
    assert all(row.ok and abs(row.sigma or 0) < 4 for known in calibrations for row in known.run(0))
