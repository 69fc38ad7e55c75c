from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from spinfunnel import samples
from spinfunnel.core import seeds
from spinfunnel.samples import PAIRS, Draw, Samples, doubts_about, draws, looked_at, memories, sample
from spinfunnel.systems import system


def run(name, size, sweeps=400, sets=2, seed=0):
    it = system(name, size=size)
    return it, Samples.of([sample(it, Draw(i, sweeps, 0.0, 0), seed) for i in range(sets)])


def test_sets_lie_side_by_side():
    glass, found = run("sk", 12)
    records, rungs, ladders = found.energies.shape
    assert (records, ladders) == (400, 8)
    assert rungs % samples.RUNGS == 0
    assert found.overlaps.shape == (400, rungs, 2, 6)
    assert (np.diff(found.temperatures) < 0).all()
    assert found.best_energy == pytest.approx(glass.energy(found.best[None])[0])
    assert found.along is None


def test_a_set_is_the_same_whoever_runs_with_it():
    it = system("sk", size=12)
    alone = sample(it, Draw(1, 200, 0.0, 0), 7)
    both = Samples.of([sample(it, Draw(i, 200, 0.0, 0), 7) for i in (0, 1)])
    assert (both.energies[:, :, 4:] == alone.energies).all()
    assert (both.overlaps[:, :, 1:] == alone.overlaps).all()
    assert (sample(it, Draw(1, 200, 0.0, 0), 8).energies != alone.energies).any()
    assert seeds(7, "ladders 1 to 4") != seeds(7, "ladders 5 to 8")


def test_overlaps_are_those_of_different_replicas():
    torus = system("ising2d", size=4)
    states = torus.random(3 * 2 * 4, 0).reshape(3, 2, 4, 16)
    overlaps, links, along = looked_at(torus, states)
    edges, _ = torus.bonds
    for p, (a, b) in enumerate(combinations(range(4), 2)):
        assert PAIRS[p] == (a, b)
        product = states[2, 1, a].astype(int) * states[2, 1, b]
        assert overlaps[2, 1, 0, p] == pytest.approx(abs(product.mean()))
        assert links[2, 1, 0, p] == pytest.approx((product[edges[:, 0]] * product[edges[:, 1]]).mean())
    np.testing.assert_allclose(along, np.abs(states.mean(axis=3)))


def test_on_a_complete_graph_links_say_nothing_new():
    glass = system("sk", size=9)
    states = glass.random(4, 1).reshape(1, 1, 4, 9)
    assert looked_at(glass, states)[1] is None
    product = states[0, 0, 0].astype(int) * states[0, 0, 2]
    edges, _ = glass.bonds
    link, q = (product[edges[:, 0]] * product[edges[:, 1]]).mean(), product.mean()
    assert link == pytest.approx((9 * q**2 - 1) / 8)


def test_order_is_told_along_the_planted_state_or_along_all_up():
    planted = system("mattis", size=11, seed=3)
    assert (samples.reference(planted) == planted.native).all()
    assert (samples.reference(system("ising1d", size=5)) == 1).all()
    assert samples.reference(system("sk", size=8)) is None


def test_systems_with_moves_of_their_own_are_sampled():
    _, found = run("rem", 8)
    assert found.links is None
    assert found.hottest is not None
    assert np.isfinite(found.energies).all()


def test_more_effort_is_more_work_and_large_systems_get_shorter_runs():
    small, large = system("sk", size=32), system("ea", size=16)
    quick, full = draws(small, "quick"), draws(small, "full")
    assert len(full) > len(quick)
    assert full[0].sweeps > quick[0].sweeps > draws(large, "quick")[0].sweeps >= samples.FEWEST
    assert quick[1].row_name == "ladders 5 to 8"


def test_settled_ladders_raise_no_doubt_and_others_do():
    _, good = run("ising2d", 4, sweeps=3000)
    assert doubts_about(good) == ()
    late = good.energies.copy()
    late[: len(late) // 2, 10] += np.linspace(30, 0, len(late) // 2)[:, None]
    (drifting,) = doubts_about(replace(good, energies=late))[:1]
    assert "not settled" in drifting
    assert f"T = {good.temperatures[10]:.3g}" in drifting
    assert "4 times longer" in drifting
    (mixed,) = doubts_about(replace(good, round_trips=np.full(8, 2)))
    assert "2 round trips" in mixed
    assert "5 times longer" in mixed


def test_slow_energies_are_a_doubt_that_says_how_much_longer():
    _, good = run("ising2d", 4, sweeps=1000)
    slow = np.repeat(good.energies[::100], 100, axis=0)
    doubts = doubts_about(replace(good, energies=slow))
    assert any("chain too short" in doubt for doubt in doubts)
    still = memories(replace(good, energies=np.zeros_like(slow)))
    assert np.isnan(still).all()
