import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import hopping
from spinfunnel.dynamics.hopping import basin_hopping
from spinfunnel.systems import system

QUICK = [one for one in hopping.calibrations if one.effort == "quick"]
CLUSTER = system("lj", size=8)


@pytest.mark.parametrize("given", QUICK, ids=lambda one: one.name)
def test_calibrations(given):
    assert all(row.ok for row in given.run(0))


def sample(**options):
    return basin_hopping(**({"system": CLUSTER, "hops": 15, "replicas": 5, "seed": 2} | options))


def test_one_seed_one_trace():
    one, again, other = sample(), sample(), sample(seed=3)
    assert (one.energies == again.energies).all()
    assert (one.final == again.final).all()
    assert (one.energies != other.energies).any()


def test_no_chain_depends_on_another():
    many, few = (sample(system=system("mueller-brown"), replicas=r, temperature=30.0) for r in (6, 2))
    assert (few.energies == many.energies[:, :2]).all()
    assert len(np.unique(many.energies.T, axis=0)) == 6


def test_records_are_of_minima():
    trace = sample()
    assert trace.times.tolist() == list(range(16))
    assert trace.energies[-1] == pytest.approx(CLUSTER.energy(trace.final), abs=1e-9)
    assert np.abs(CLUSTER.gradient(trace.final)).max() < hopping.TOLERANCE
    minima, lowest = trace.stats["minima"], trace.stats["lowest"]
    assert np.abs(CLUSTER.gradient(minima)).max() < hopping.TOLERANCE * hopping.POLISH
    assert (lowest == CLUSTER.energy(minima)).all()
    assert (lowest <= trace.energies.min(axis=0) + 1e-9).all()
    assert trace.best_energy == lowest.min() == CLUSTER.energy(trace.best[None])[0]
    assert 0 < trace.accepted < 1


def test_a_cold_chain_only_goes_down():
    assert np.diff(sample(temperature=1e-9, hops=40).energies, axis=0).max() < 1e-6


def test_hops_of_no_length_stay():
    energies = sample(step=1e-6).energies
    assert np.ptp(energies, axis=0).max() < 1e-5


def test_on_a_sphere_it_finds_the_lowest_eigenvector():
    glass = system("spherical-pspin?p=2", size=20)
    trace = basin_hopping(glass, hops=3, replicas=4)
    exact = np.linalg.eigvalsh(glass.couplings)[0] * np.sqrt(20)
    assert trace.stats["lowest"] == pytest.approx(exact)
    assert (trace.final**2).sum(axis=1) == pytest.approx(20)


def test_two_wells_are_visited_as_often():
    """Minima of the same energy, and hops that reach from one to the other: half the time in each."""
    trace = basin_hopping(system("double-well"), hops=400, replicas=40, step=2.0)
    ends = trace.final[:, 0]
    assert np.abs(ends) == pytest.approx(1, abs=1e-3)
    assert abs((ends > 0).mean() - 0.5) < 0.35


def test_a_deadline_and_an_interruption(monkeypatch):
    trace = sample(hops=10**6, deadline=time.time() + 0.3)
    assert trace.stopped == "deadline"
    assert 0 < len(trace.energies) == len(trace.times) < 10**6
    monkeypatch.setattr("spinfunnel.dynamics.clock.SILENCE", 0.0)

    def interrupt(done, total, name):
        assert (total, name) == (16, "hops")
        if done == 4:
            raise KeyboardInterrupt

    trace = sample(progress=interrupt)
    assert trace.stopped == "interrupted"
    assert len(trace.energies) == 4
    late = sample(deadline=time.time() - 1)
    assert (late.stopped, late.energies.shape) == ("deadline", (0, 5))
    assert np.isfinite(late.best_energy)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"system": system("sk", size=8)}, "sk has no gradient"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"step": -0.1}, "step must be positive"),
        ({"tolerance": float("inf")}, "tolerance must be positive and finite"),
        ({"hops": 0}, "hops must be at least 1"),
        ({"replicas": 0}, "replicas must be at least 1"),
    ],
)
def test_bad_input(given, says):
    with pytest.raises(BadInput, match=says):
        sample(**given)
