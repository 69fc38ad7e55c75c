import time

import numpy as np
import pytest
from tests.dynamics.moves import Springs, lopsided

from spinfunnel.core import BadInput
from spinfunnel.dynamics import anneal, ladder, metropolis, replicas, temper, temperature_range
from spinfunnel.dynamics.walkers import REFRESH, Walkers
from spinfunnel.maths.random_numbers import below, normal
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system
from spinfunnel.testing import check_dynamics, check_system

REM = system("rem", size=10, seed=1)
SPRINGS = Springs(5)


def sample(given, temperature, seed, **options):
    return metropolis(
        given, temperature, **({"sweeps": 1000, "burn_in": 200, "replicas": 128, "seed": seed} | options)
    )


@pytest.mark.parametrize("given", [lopsided(8), SPRINGS], ids=["lopsided", "springs"])
def test_the_systems_of_these_tests_are_what_they_say(given):
    check_system(given)


@pytest.mark.parametrize("rule", ["metropolis", "heat bath"])
@pytest.mark.parametrize("given", [REM, lopsided(8)], ids=["rem", "lopsided"])
def test_every_system_of_few_spins_keeps_the_contract(given, rule):
    check_dynamics(
        lambda system, t, seed: sample(system, t, seed, rule=rule, keep_states=True),
        system=given, temperature=1.5,
    )  # fmt: skip


def test_tempering_keeps_the_contract():
    check_dynamics(
        lambda system, t, seed: temper(
            system, [3 * t, 2 * t, t], sweeps=900, burn_in=100, ladders=60, seed=seed, keep_states=True
        ),
        system=lopsided(8), temperature=0.8,
    )  # fmt: skip


@pytest.mark.parametrize("rule", ["metropolis", "heat bath"])
def test_coordinates_have_the_energy_of_equipartition(rule):
    trace = sample(SPRINGS, 0.7, 1, rule=rule, keep_states=True)
    assert trace.states.shape == (1000, 128, 5, 2)
    assert trace.final.shape == (128, 5, 2)
    u = mean_of_replicas(trace.energies / 5)
    assert abs(u.value - 0.7) < 4 * u.error < 0.02
    assert np.allclose(SPRINGS.energy(trace.states[-1]), trace.energies[-1], rtol=1e-12)
    variance = trace.states.var()
    assert variance == pytest.approx(0.7, abs=0.02)


def test_bits_depend_on_nothing_but_the_seed(monkeypatch):
    one = sample(REM, 1.0, 4, keep_states=True, record_every=3)
    again = sample(REM, 1.0, 4, keep_states=True, record_every=3, threads=2)
    few = sample(REM, 1.0, 4, keep_states=True, record_every=3, replicas=5)
    monkeypatch.setattr(replicas, "PIECE", 1e6)
    cut = sample(REM, 1.0, 4, keep_states=True, record_every=3)
    for other in (again, few, cut):
        shown = other.energies.shape[1]
        assert (one.energies[:, :shown] == other.energies).all()
        assert (one.states[:, :shown] == other.states).all()
        assert (one.final[:shown] == other.final).all()
    assert one.accepted == again.accepted == cut.accepted
    assert not (sample(REM, 1.0, 5, record_every=3).energies == one.energies).any(axis=0).all()


def test_rounding_does_not_build_up():
    """Energies near 1e16 lose what small costs add up to; counted afresh, they are right again."""

    class Heavy(Springs):
        @staticmethod
        def prepare(x, memory, data):
            return 1e16 + np.sum(x**2) / 2

    them = Walkers(Heavy(5), 4, 0)
    energies, _ = them.sweep(1.0, np.ones(REFRESH + 1), every=1)
    fresh = 1e16 + SPRINGS.energy(them.final)
    assert (np.abs(energies[-1] - fresh) <= 4).all()


def test_the_best_is_the_lowest_that_a_sweep_ended_with():
    them = Walkers(SPRINGS, 6, 0)
    energies, _ = them.sweep(5.0, np.linspace(0.2, 1, 300), every=1)
    best, lowest = them.lowest()
    assert np.allclose(lowest, energies.min(axis=0), rtol=1e-12)
    assert (them.best == best).all()
    assert (SPRINGS.energy(them.final) > lowest).all()


def test_moves_that_cannot_be_made_are_not_made():
    class Walled(Springs):
        @staticmethod
        def propose(x, memory, data, rng):
            i = below(rng, x.shape[0])
            memory[0], memory[1], memory[2] = i, x[i, 0] + normal(rng), x[i, 1]
            after = memory[1] ** 2 - x[i, 0] ** 2
            return (np.inf if memory[1] < 0 else after / 2), 0.0

    them = Walkers(Walled(3), 32, 0)
    before = them.final
    them.x[:, :, 0] = np.abs(them.x[:, :, 0])
    for rule in (False, True):
        them.heat_bath = rule
        them.sweep(1e-9, np.ones(200), every=1)
        assert (them.final[:, :, 0] >= 0).all()
    assert (them.final[:, :, 1] == before[:, :, 1]).all()


def test_the_range_needs_no_flips():
    """Springs: what is uphill, and what an excitation costs, are known only by proposing."""
    hot, cold = temperature_range(SPRINGS)
    assert 0.3 < hot < 30
    assert cold < hot / 3
    stiff = Springs(5)
    assert temperature_range(stiff, 0) == (hot, cold)


def test_the_range_of_the_rem_is_that_of_its_flips():
    hot, _ = temperature_range(REM)
    x = (2 * ((np.arange(1024)[:, None] >> np.arange(10)) & 1) - 1).astype(np.int8)
    costs = REM.flip_cost(x)
    assert np.exp(-costs[costs > 0] / hot).mean() == pytest.approx(0.4, abs=0.03)


def test_annealing_and_tempering_coordinates():
    trace = anneal(SPRINGS, sweeps=400, anneals=16)
    assert trace.best.shape == (5, 2)
    assert trace.best_energy == pytest.approx(SPRINGS.energy(trace.best[None])[0], rel=1e-12)
    assert trace.best_energy < 0.1
    rungs = ladder(SPRINGS, 2.0, 0.2)
    tempered = temper(SPRINGS, rungs, sweeps=600, burn_in=100, ladders=12, keep_states="all", seed=3)
    states, energies = tempered.stats["states"], tempered.stats["energies"]
    assert states.shape == (600, len(rungs), 12, 5, 2)
    assert (tempered.states == states[:, -1]).all()
    assert np.allclose(SPRINGS.energy(states[-1].reshape(-1, 5, 2)), energies[-1].ravel(), rtol=1e-12)
    for k, t in enumerate(rungs):
        u = mean_of_replicas(energies[:, k] / 5)
        assert abs(u.value - t) < 5 * u.error < 0.2 * t


def test_a_deadline_and_an_interruption_keep_the_best():
    trace = anneal(REM, sweeps=10**9, deadline=time.time() + 0.2, hot=2.0, cold=0.3)
    assert trace.stopped == "deadline"
    assert trace.best_energy == pytest.approx(REM.energy(trace.best[None])[0], rel=1e-12)

    def interrupt(*_):
        raise KeyboardInterrupt

    trace = temper(REM, [2.0, 1.0], sweeps=10**7, progress=interrupt)
    assert trace.stopped == "interrupted"
    assert 0 < len(trace.energies) < 10**7


def test_pieces_become_shorter_where_sweeps_are_slow(monkeypatch):
    monkeypatch.setattr(replicas, "PIECE", 1e6)
    sizes = []
    for size in replicas.pieces(100, 1e5, None):
        sizes.append(size)
        time.sleep(0.001 * size)
    assert sizes[0] == 10
    assert sizes[1] < 8
    assert sum(sizes) == 100
    assert list(replicas.pieces(100, 1e5, time.time() - 1)) == []


def test_what_states_no_moves_is_refused():
    with pytest.raises(BadInput, match="neither couplings between pairs of spins nor moves"):
        metropolis(system("mueller-brown"), 1.0, sweeps=5)
    with pytest.raises(BadInput, match="draws its moves at random"):
        metropolis(REM, 1.0, sweeps=5, order="sequential")
