import time

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import calibration, ladder, metropolis, replicas, temper, tempering
from spinfunnel.dynamics.lanes import Lanes
from spinfunnel.dynamics.replicas import Ladders, Replicas
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.testing import check_dynamics

NAME, SIZE, SEED = calibration.STUCK
GLASS = system(NAME, size=SIZE, seed=SEED)
RUNGS = calibration.RUNGS


def test_calibration():
    rows = list(calibration.calibrations[2].run(0))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


def test_tempering_is_right_where_plain_dynamics_is_stuck():
    exact = float(enumerate_states(GLASS, [RUNGS[-1]]).thermal.u[0])
    plain = metropolis(GLASS, RUNGS[-1], sweeps=3000, burn_in=500, record_every=5, replicas=512, seed=1)
    tempered = temper(GLASS, RUNGS, sweeps=3000, burn_in=500, record_every=5, ladders=64, seed=1)
    for trace, stuck in ((plain, True), (tempered, False)):
        means = trace.energies.mean(axis=0) / SIZE
        off = (means.mean() - exact) / (means.std(ddof=1) / len(means) ** 0.5)
        assert (off > 10) == stuck, off


def test_it_keeps_the_contract():
    check_dynamics(
        lambda system, t, seed: temper(
            system, [3 * t, 1.7 * t, t], sweeps=900, burn_in=100, ladders=40, seed=seed, keep_states=True
        )
    )


def test_swaps_are_accepted_as_often_as_the_energies_say():
    """Detailed balance: acceptance is the mean of min(1, exp(Δβ ΔE)) over two independent Boltzmann laws."""
    glass = system("sk?field=0.2", size=10, seed=7)
    t = np.array([1.4, 0.6])
    levels = glass.energy(1 - 2 * ((np.arange(2**10)[:, None] >> np.arange(10)) & 1))
    p = [np.exp(-(levels - levels.min()) / one) for one in t]
    p = [one / one.sum() for one in p]
    rate = np.minimum(1, np.exp((1 / t[1] - 1 / t[0]) * (levels[None, :] - levels[:, None])))
    exact = float(p[0] @ rate @ p[1])
    trace = temper(glass, t, sweeps=4000, burn_in=200, ladders=96, seed=2)
    assert trace.stats["acceptance"][0] == pytest.approx(exact, abs=0.006)


def test_ladders_do_not_touch_each_other_and_pieces_change_no_bit(monkeypatch):
    glass = system("sk", size=24)
    many = temper(glass, [1.0, 0.7, 0.5], sweeps=400, ladders=50, seed=3)
    monkeypatch.setattr(replicas, "PIECE", 100_000)
    again = temper(glass, [0.5, 1.0, 0.7], sweeps=400, ladders=50, seed=3)
    assert (many.stats["energies"] == again.stats["energies"]).all()
    assert (many.stats["round_trips"] == again.stats["round_trips"]).all()
    means = many.stats["energies"].mean(axis=(0, 2))
    assert (np.diff(means) < 0).all()
    assert len(np.unique(many.energies.T, axis=0)) == 50


def test_one_compiled_loop_does_what_sweeps_and_swaps_do():
    """Ladders in lanes, all compiled together, and step by step as any engine is tempered: the same bits."""
    glass = system("ea?law=gauss", size=3)
    found = []
    for loop in (Lanes.temper, Replicas.temper):
        them, ladders = Lanes(glass, 70, 3), Ladders.of(np.geomspace(3.0, 0.4, 7), 10, 3)
        energies, states = loop(them, ladders, 60, every=3, kept=7)
        assert energies.shape == (20, 7, 10)
        assert np.allclose(glass.energy(states[-1].reshape(-1, 27)), energies[-1].ravel(), atol=1e-4)
        found.append([energies, states, them.final, them.best, ladders.at, ladders.trips, ladders.swapped])
    assert all((one == other).all() for one, other in zip(*found, strict=True))
    assert found[0][-2].sum() > 0


def test_a_round_trip_goes_down_and_up_again():
    """Two rungs of one energy: every swap is accepted, and offered every other sweep; so a trip takes 4."""
    free = system("ising1d", size=3)
    trace = temper(free, [1e9, 0.9e9], sweeps=400, ladders=2)
    assert trace.stats["acceptance"].tolist() == [1.0]
    assert all(abs(trips - 200) <= 2 for trips in trace.stats["round_trips"])


def test_the_ladder_makes_swaps_equally_likely():
    glass = system("ea", size=6, seed=1)
    found = ladder(glass, 3.0, 0.5)
    assert found[0] == 3.0
    assert found[-1] == 0.5
    assert (np.diff(found) < 0).all()
    accepted = temper(glass, found, sweeps=2000, burn_in=500, ladders=8, seed=4).stats["acceptance"]
    assert accepted.min() > 0.5 * tempering.ACCEPTANCE
    assert accepted.max() < 2 * tempering.ACCEPTANCE
    plain = temper(glass, np.geomspace(3.0, 0.5, len(found)), sweeps=2000, burn_in=500, ladders=8, seed=4)
    assert accepted.std() < 0.6 * plain.stats["acceptance"].std()


def test_a_deadline_and_an_interruption_keep_the_best(monkeypatch):
    trace = temper(GLASS, RUNGS, sweeps=10**9, record_every=10**6, deadline=time.time() + 0.2)
    assert trace.stopped == "deadline"
    assert trace.best_energy == pytest.approx(GLASS.energy(trace.best[None])[0], rel=1e-12)
    monkeypatch.setattr(replicas, "PIECE", 100 * Lanes(GLASS, len(RUNGS), 0).work)

    def interrupt(*_):
        raise KeyboardInterrupt

    trace = temper(GLASS, RUNGS, sweeps=1000, progress=interrupt)
    assert trace.stopped == "interrupted"
    assert len(trace.energies) == 100


@pytest.mark.parametrize(
    ("temperatures", "says"),
    [
        ([1.0], "two or more"),
        ([1.0, 1.0], "different"),
        ([1.0, 0.0], "positive"),
        ([1.0, np.nan], "positive"),
    ],
)
def test_bad_input(temperatures, says):
    with pytest.raises(BadInput, match=says):
        temper(GLASS, temperatures, sweeps=5)
    with pytest.raises(BadInput, match="from hot to cold"):
        ladder(GLASS, 1.0, 2.0)
