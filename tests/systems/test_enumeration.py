"""The oracle against sums over all states written out, for small systems."""

import itertools
import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import enumeration, system
from spinfunnel.systems.enumeration import blocks, correlations, enumerate_states
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import System
from spinfunnel.systems.rem import rem
from spinfunnel.systems.spins import Spins


class Bare(System):
    """A system that states no couplings, so that it is asked state by state."""

    def __init__(self, inner):
        self.inner, self.name, self.convention = inner, inner.name, inner.convention

    @property
    def size(self):
        return self.inner.size

    def energy(self, x):
        return self.inner.energy(x)

    def random(self, batch, seed):
        return self.inner.random(batch, seed)


def some_systems():
    rng = np.random.default_rng(0)
    matrix = np.triu(rng.normal(size=(7, 7)), 1)
    yield Spins.of_matrix(matrix + matrix.T, rng.normal(size=7))
    yield Spins.of_matrix(matrix + matrix.T)
    yield system("ea?dimension=2", size=3, seed=1)
    yield system("ea?dimension=2&field=1", size=3, seed=1)
    yield system("ising1d?field=-2", size=1)
    yield rem(6)
    terms = [np.array(list(itertools.combinations(range(7), order))) for order in (2, 3, 7)]
    strengths = [rng.normal(size=len(sets)) for sets in terms]
    yield ManyBody.of_terms(terms, strengths, rng.normal(size=7), size=7, name="mixed orders")
    yield ManyBody.of_terms(terms[:1], strengths[:1], size=7, name="even orders")
    yield system("multiscale?bias=.9&levels=1", size=8)
    yield system("xorsat", size=8)


@pytest.mark.parametrize("low", [2, 3, 14])
@pytest.mark.parametrize("made", list(some_systems()), ids=lambda made: f"{made.name} {made.size}")
def test_all_sums_are_right_whatever_the_blocks(monkeypatch, made, low):
    monkeypatch.setattr(enumeration, "LOW", low)
    x = np.array(list(itertools.product([-1, 1], repeat=made.size)))
    energies = made.energy(x)
    temperatures = np.array([0.3, 1.0, 4.0])
    found = enumerate_states(made, temperatures)
    lowest = energies.min()
    assert found.ground_energy == pytest.approx(lowest, abs=1e-12)
    assert found.degeneracy == (energies < lowest + 1e-9).sum()
    assert made.energy(found.ground_state[None])[0] == pytest.approx(lowest, abs=1e-12)
    for k, t in enumerate(temperatures):
        weights = np.exp(-energies / t)
        z = weights.sum()
        mean = weights @ energies / z
        assert found.thermal.log_z[k] == pytest.approx(math.log(z), abs=1e-12)
        assert found.thermal.u[k] == pytest.approx(mean / made.size, abs=1e-12)
        c = (weights @ (energies - mean) ** 2) / z / t**2 / made.size
        assert found.thermal.c[k] == pytest.approx(c, abs=1e-11)
        one, two = correlations(made, t)
        assert one == pytest.approx(weights @ x / z, abs=1e-12)
        assert two == pytest.approx((x * weights[:, None]).T @ x / z, abs=1e-12)
    whole = made.name in ("ea", "ising1d", "xorsat")
    assert (found.levels is not None) == whole
    if whole:
        levels, counts = np.unique(np.rint(energies), return_counts=True)
        assert (found.levels == levels).all()
        assert (found.counts == counts).all()


def test_couplings_and_questions_give_the_same_energies():
    made = system("sk?field=0.3", size=16, seed=2)
    quick = enumerate_states(made, [0.7])
    slow = enumerate_states(Bare(made), [0.7])
    assert quick.ground_energy == pytest.approx(slow.ground_energy, abs=1e-12)
    assert quick.thermal.c == pytest.approx(slow.thermal.c, abs=1e-10)


def test_blocks_hold_one_of_each_pair_without_a_field():
    made = system("sk", size=16, seed=1)
    energies = np.concatenate([block for _, block in blocks(made)])
    assert len(energies) == 2**15
    states = np.arange(2**15)[:, None] >> np.arange(16)
    assert energies == pytest.approx(made.energy(2 * (states & 1) - 1), abs=1e-12)


def test_low_temperatures_do_not_overflow():
    made = system("ea?law=gauss&dimension=2", size=3, seed=3)
    cold = enumerate_states(made, [1e-3])
    assert cold.thermal.u[0] * 9 == pytest.approx(cold.ground_energy, abs=1e-12)
    assert cold.thermal.log_z[0] == pytest.approx(-cold.ground_energy * 1000 + math.log(2), rel=1e-12)


def test_too_many_spins_are_refused_with_the_time_they_would_take():
    with pytest.raises(BadInput, match=r"2\^40 states would take 50 minutes: enumerate at most 32"):
        enumerate_states(system("sk", size=40))
    with pytest.raises(BadInput, match=r"2\^40 states would take 7.6 hours"):
        enumerate_states(system("pspin", size=40))
    with pytest.raises(BadInput, match=r"years"):
        enumerate_states(system("sk", size=64), [1.0])
    with pytest.raises(BadInput, match="at most 24"):
        correlations(system("sk", size=25), 1.0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_temperatures_are_positive(temperature):
    with pytest.raises(BadInput, match="positive"):
        enumerate_states(system("sk", size=4), [1.0, temperature])
    with pytest.raises(BadInput, match="positive"):
        correlations(system("sk", size=4), temperature)


def test_cold_spins_of_the_sherrington_kirkpatrick_glass_lie_above_the_infinite_one():
    """Published means by enumeration: e_8 = -.575, e_12 = -.617; both above the -.7632 of infinitely many."""
    for n, known in ((8, -0.5745), (12, -0.6169)):
        sample = np.array(
            [enumerate_states(system("sk", size=n, seed=i)).ground_energy / n for i in range(600)]
        )
        assert sample.mean() == pytest.approx(known, abs=3.5 * sample.std() / 600**0.5 + 0.0035)
