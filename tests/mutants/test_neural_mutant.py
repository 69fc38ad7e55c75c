"""Planted bugs in perceptrons and replica equations: each must turn a calibration, or the kit, red."""

import numpy as np
import pytest

from spinfunnel.systems import committees, replica_theory
from spinfunnel.testing import check_system


def red(module):
    return {
        row.quantity
        for known in module.calibrations
        for row in known.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    }


def test_the_originals_are_green():
    assert red(committees) == red(replica_theory) == set()


def test_patterns_that_resemble_each_other(monkeypatch):
    right = committees.random_spins

    def wrong(batch, size, seed):
        drawn = right(batch, size, seed)
        return np.where(np.arange(size) < 2, drawn[:1], drawn)

    monkeypatch.setattr(committees, "random_spins", wrong)
    assert red(committees) == {"number of solutions"}


def test_a_field_of_zero_that_is_an_error(monkeypatch):
    """Of even fields, as if the threshold were 1 and not 0."""
    right = committees.Committee._energy
    monkeypatch.setattr(committees.Committee, "_energy", lambda self, h: right(self, h - 1.5))
    assert red(committees) == {"number of solutions"}


def test_a_cost_that_forgets_who_was_right_before(monkeypatch):
    def wrong(x, memory, data, rng):
        return right(x, memory, data, rng)[0] + 1.0, 0.0

    right = committees.Committee.propose
    monkeypatch.setattr(committees.Committee, "propose", staticmethod(wrong))
    with pytest.raises(AssertionError, match="costs of moves"):
        check_system(committees.perceptron(9))


def test_a_student_who_learns_too_much_from_a_pattern(monkeypatch):
    right = replica_theory._patterns_taught
    monkeypatch.setattr(replica_theory, "_patterns_taught", lambda q: right(q) * (1 + 0.02 * q))
    assert "transition (literature: Györgyi 1990)" in red(replica_theory)


def test_noise_of_the_other_patterns_left_out(monkeypatch):
    right = replica_theory.hopfield_overlap
    monkeypatch.setattr(replica_theory, "hopfield_overlap", lambda load, t: right(load / 4, t))
    assert red(replica_theory) == {"it remembers, by iteration"}
