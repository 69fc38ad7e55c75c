import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import anneal, annealing, calibration, kernels, temperature_range
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states


def test_calibration():
    rows = list(calibration.calibrations[3].run(0))
    assert all(row.ok for row in rows), rows


def test_a_slower_anneal_ends_lower():
    glass = system("ea", size=6, seed=1)
    fast, slow = (anneal(glass, sweeps=n, anneals=256, seed=3).stats["lowest"] for n in (10, 300))
    gap = fast.mean() - slow.mean()
    assert gap > 10 * (fast.var() / 256 + slow.var() / 256) ** 0.5


def test_an_anneal_ends_in_a_local_minimum():
    glass = system("sk", size=60, seed=2)
    trace = anneal(glass, sweeps=2, anneals=64)
    assert glass.flip_cost(trace.final).min() > -1e-6
    assert trace.temperatures[-1] == 0
    assert trace.energies.shape == (len(trace.times), 64)
    assert (np.diff(trace.times) > 0).all()
    assert np.allclose(trace.energies.min(axis=0), trace.stats["lowest"], rtol=1e-5)


def test_the_range_does_what_it_promises():
    """Enumerated: 40 % of uphill flips go through when hot, 0.2 spins are excited in minima when cold."""
    glass = system("sk", size=12, seed=5)
    hot, cold = temperature_range(glass)
    x = np.array([[1 - 2 * ((s >> i) & 1) for i in range(12)] for s in range(2**12)])
    costs = glass.flip_cost(x)
    assert np.exp(-costs[costs > 0] / hot).mean() == pytest.approx(annealing.UPHILL, abs=0.06)
    minima = costs[(costs > 0).all(axis=1)]
    excited = np.exp(-minima / cold).sum(axis=1)
    assert excited.min() < annealing.EXCITED < excited.max()
    assert cold < hot / 3


def test_the_range_scales_with_the_energies():
    glass = system("hopfield?patterns=3", size=30)
    from spinfunnel.systems.spins import Spins

    larger = Spins.of_edges(glass.bonds[0], 1000.0 * glass.bonds[1], size=30)
    assert np.allclose(1000 * np.array(temperature_range(glass)), temperature_range(larger), rtol=1e-4)


def test_threads_change_no_bit():
    glass = system("sk", size=30)
    one, two = (anneal(glass, sweeps=50, anneals=3 * kernels.WIDTH, threads=n) for n in (1, 2))
    assert (one.energies == two.energies).all()
    assert one.best_energy == two.best_energy


def test_a_deadline_still_gives_a_minimum():
    glass = system("sk", size=16)
    trace = anneal(glass, sweeps=10**8, deadline=time.time() + 0.2, hot=2.0, cold=0.1)
    assert trace.stopped == "deadline"
    assert trace.best_energy == pytest.approx(enumerate_states(glass).ground_energy, abs=0.5)
    assert glass.flip_cost(trace.final).min() > -1e-6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"hot": 0.5, "cold": 1.0}, "begins hot and ends cold"),
        ({"hot": 0.5, "cold": -1.0}, "must be positive"),
        ({"schedule": "wavy"}, "geometric or linear"),
        ({"anneals": 0}, "anneals must be at least 1"),
    ],
)
def test_bad_input(given, says):
    with pytest.raises(BadInput, match=says):
        anneal(system("sk", size=8), **given)


def test_linear_is_linear_in_beta():
    trace = anneal(system("sk", size=8), sweeps=32, hot=2.0, cold=0.25, schedule="linear")
    assert np.allclose(np.diff(1 / trace.temperatures[:32]), 3.5 / 31)
