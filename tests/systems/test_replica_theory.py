"""Replica equations: limits that need no replicas."""

import math

import numpy as np
import pytest

from spinfunnel.systems import replica_theory
from spinfunnel.systems.replica_theory import (
    hopfield_capacity,
    hopfield_overlap,
    perceptron_storage,
    perceptron_teacher,
)


def test_every_calibration_holds():
    assert [row for row in replica_theory.thresholds(0) if not row.ok] == []


def test_a_few_patterns_halve_the_weights():
    """Without interaction of patterns, ln of the number of solutions is N ln 2 - P ln 2."""
    for branch in (perceptron_storage(), perceptron_teacher()):
        assert branch.change[0] == pytest.approx(-math.log(2), abs=0.02)
        assert branch.entropy[0] == pytest.approx(
            (1 - branch.load[0]) * math.log(2), abs=0.02 * branch.load[0]
        )
        assert (np.diff(branch.q) > 0).all()


def test_a_memory_without_load_is_a_ferromagnet():
    """As the load vanishes m = tanh(m/T), whose solution at T = .6 is found by hand."""
    m = 0.9
    for _ in range(200):
        m = math.tanh(m / 0.6)
    assert hopfield_overlap(1e-9, 0.6)[0] == pytest.approx(m, abs=1e-6)
    assert hopfield_overlap(1e-9, 1.1)[0] == pytest.approx(0, abs=1e-4)


def test_retrieval_gets_worse_with_the_load_and_then_ends():
    overlaps = [hopfield_overlap(share * hopfield_capacity()[0], 0.02)[0] for share in (0.2, 0.6, 0.95, 1.1)]
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[-2] > 0.9
    assert abs(overlaps[-1]) < 0.01
