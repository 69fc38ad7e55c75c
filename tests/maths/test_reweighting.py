import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths import reweighting
from spinfunnel.maths.reweighting import levels, multi_histogram
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states

BETAS = np.array([0.0, 0.3, 0.6, 0.9])


def boltzmann(energies, counts, records=1e6):
    """What runs at BETAS would count, were there no noise: (K, L)."""
    weights = counts * np.exp(-np.multiply.outer(BETAS, energies - energies.min()))
    return records * weights / weights.sum(axis=1, keepdims=True)


def test_without_noise_the_number_of_states_is_exact():
    torus = enumerate_states(system("ising2d", size=4), 1 / np.array([0.2, 0.45, 0.9]))
    states = multi_histogram(torus.levels, boltzmann(torus.levels, torus.counts), BETAS)
    np.testing.assert_allclose(states.log_g + 16 * np.log(2), np.log(torus.counts), atol=1e-7)
    log_z, mean, variance = states.thermal(np.array([0.2, 0.45, 0.9]))
    np.testing.assert_allclose(log_z + 16 * np.log(2), torus.thermal.log_z, atol=1e-7)
    np.testing.assert_allclose(mean / 16, torus.thermal.u, atol=1e-7)
    np.testing.assert_allclose(variance * np.array([0.2, 0.45, 0.9]) ** 2 / 16, torus.thermal.c, atol=1e-7)


def test_energies_far_from_zero_do_not_overflow():
    torus = enumerate_states(system("ising2d", size=4))
    far = multi_histogram(torus.levels - 1e5, boltzmann(torus.levels, torus.counts), BETAS)
    assert far.log_z[-1] == pytest.approx(far.thermal(BETAS)[0][-1], abs=1e-6)
    assert np.isfinite(far.log_g).all()


def test_many_levels_become_bins_that_keep_the_mean(monkeypatch):
    monkeypatch.setattr(reweighting, "MOST_LEVELS", 100)
    energies = np.random.default_rng(0).normal(size=5000)
    found, which = levels(energies, 5.0)
    assert 100 < len(found) < 250
    assert np.abs(energies - found[which]).max() < 0.2 / 5
    assert energies.mean() == pytest.approx(found[which].mean(), abs=1e-12)


def test_runs_that_do_not_meet_are_refused():
    with pytest.raises(BadInput, match="share too few energies"):
        multi_histogram(np.array([0.0, 1000.0]), np.array([[10, 0], [0, 10]]), np.array([0.0, -1.0]))
    with pytest.raises(BadInput, match="no record"):
        multi_histogram(np.array([0.0, 1.0]), np.array([[10, 0], [0, 0]]), np.array([0.0, 1.0]))
