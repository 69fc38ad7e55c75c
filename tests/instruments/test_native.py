from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.coolings import Cooling, cool
from spinfunnel.core import Number
from spinfunnel.instruments.native import calibration, instrument, judge, leaving, measure
from spinfunnel.subject import subject_of
from spinfunnel.systems import system
from spinfunnel.systems.lennard_jones import lj_reference

CALIBRATIONS = {one.name: one for one in instrument.calibrations}


def look(it, native=None, times=(10, 100), change=lambda made: made):
    made = change(cool(it, Cooling(0, times, 0.0, 0), 0))
    return measure(subject_of(it, native=native), findings={}, seed=0, budget=None, readings=[made])


@pytest.fixture(scope="module")
def hole():
    return look(system("rem-native", size=12, seed=1))


def test_the_numbers_are_those_of_the_ends_and_the_native_state():
    it = system("xorsat", size=30, seed=1)
    made = cool(it, Cooling(0, (10, 100), 0.0, 0), 0)
    found = measure(subject_of(it), findings={}, seed=0, budget=None, readings=[made]).numbers
    assert found["native u"].value == -1
    height = made.random_energies.mean() + 30
    assert found["native gap"].value == pytest.approx((made.energies.min() + 30) / height)
    assert found["native z"].value == pytest.approx((made.energies[-1] + 30).mean() / made.energies[-1].std())
    alike = it.overlap(made.ends[-1], np.broadcast_to(it.native, made.ends[-1].shape))
    assert found["native hits"].value == (alike > 0.8).mean()


def test_a_hole_draws_from_nearby_only(hole):
    assert hole.numbers["attraction radius"].value >= 0.7
    table = hole.table("returns")
    assert (table["overlap"] <= table["q"]).all()
    assert table["returned"].iloc[-1] < 0.2
    assert {one.panel for one in hole.series} == {
        "return to the native state",
        "overlap of ends with the native state",
    }
    assert "the system was built around" in judge(hole).sentence


@pytest.mark.parametrize(
    ("gap", "hits", "label"),
    [
        (0.1, 0.0, "not reached"),
        (0.0, 0.2, "seldom reached"),
        (0.0, 0.7, "reached"),
        (-0.1, 0.9, "lower states exist"),
    ],
)
def test_words(hole, gap, hits, label):
    numbers = hole.numbers | {"native gap": Number(gap), "native hits": Number(hits)}
    verdict = judge(replace(hole, numbers=numbers))
    assert (verdict.outcome, verdict.label) == ("info", label)
    where = "as low as" if not gap else "above" if gap < 0 else "below"
    assert where in verdict.sentence


@pytest.mark.parametrize("size", [7, 16, 100])
def test_spins_leave_by_as_many_flips_as_the_overlap_asks_for(size):
    it = system("mattis", size=size)
    for q, (states, overlaps) in leaving.away(it, it.native, 8, 1.0, 0.1, 0).items():
        off = (states != it.native).sum(axis=1)
        assert (off == max(1, np.ceil((1 - q) / 2 * size - 1e-9))).all()
        np.testing.assert_allclose(overlaps, np.abs(1 - 2 * off / size))
        assert states.dtype == np.int8


@pytest.mark.parametrize(("name", "size"), [("go", 16), ("lj", 13)])
def test_chains_and_clusters_leave_too(name, size):
    it = system(name, size=size)
    native = lj_reference(13) if name == "lj" else it.native
    left = leaving.away(it, native, 12, 5.0, 0.1, 0)
    assert set(left) == set(leaving.STARTS)
    for q, (states, overlaps) in left.items():
        assert (overlaps <= q).all()
        np.testing.assert_allclose(it.overlap(states, np.repeat(native[None], len(states), axis=0)), overlaps)
        assert len(states) >= 6


def test_a_cluster_that_was_written_to_four_digits_is_a_minimum():
    found = look(system("lj", size=13), lj_reference(13).round(4), times=(1, 5, 20))
    assert found.doubts == ()
    assert found.numbers["native u"].value == pytest.approx(-44.326801 / 13, abs=1e-6)
    assert "that was given" in judge(found).sentence


def test_what_is_no_minimum_is_a_doubt_and_the_one_below_is_used():
    it = system("ising2d", size=6)
    native = np.ones(36, dtype=np.int8)
    native[7] = -1
    found = look(it, native)
    assert found.numbers["native u"].value == -2
    assert "not a local minimum: the one below it, lower by 8 and at an overlap of 0.94" in found.doubts[0]
    assert judge(found).label == "reached"
    chain = system("hp", size=20)
    assert "not a local minimum" in look(chain, chain.random(1, 0)[0]).doubts[0]


def flat(made, states, energy):
    ends = np.broadcast_to(states, made.ends.shape).copy()
    return replace(
        made, ends=ends, energies=np.full(ends.shape[:2], energy), random_energies=np.full(8, energy)
    )


def test_ends_of_one_energy_and_random_states_as_low_are_doubts():
    it = system("mattis", size=12, seed=1)
    low = look(it, change=lambda made: flat(made, it.native, it.ground_energy))
    assert np.isnan(low.numbers["native gap"].value)
    assert low.numbers["native z"].value == 0
    assert "the gap has no scale" in low.doubts[0]
    high = look(it, change=lambda made: flat(made, it.random(1, 0)[0], 0.0))
    assert np.isnan(high.numbers["native z"].value)
    assert any("z is infinite" in doubt for doubt in high.doubts)
    assert judge(high).sentence


def test_where_nothing_leaves_there_is_no_radius(monkeypatch):
    monkeypatch.setattr(leaving, "RAY", 1.1e-3)
    found = look(system("lj", size=7), times=(1, 5, 20), native=cool_minimum())
    assert np.isnan(found.numbers["attraction radius"].value)
    assert any("no attraction radius" in doubt for doubt in found.doubts)
    assert "is not known" in judge(found).sentence


def cool_minimum():
    return cool(system("lj", size=7), Cooling(0, (1, 5, 20), 0.0, 0), 0).ends[-1][0]


@pytest.mark.parametrize("name", ["magnet", "hole"])
def test_the_calibrations_hold(name):
    rows = list(CALIBRATIONS[name].run(1))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
def test_holes_of_golf_courses_are_narrow():
    rows = list(CALIBRATIONS["golf course"].run(1))
    assert len(rows) == 4
    assert all(row.ok for row in rows), rows


def test_the_exact_chance_to_return_is_that_of_a_table_by_hand():
    table = np.array([-3.0, -1.0, 1.0, -2.0])  # two spins: 0 and 3 are minima, and 1 and 2 fall to either
    np.testing.assert_allclose(calibration.chance_to_return(table, 0), [1, 0.5, 0.5, 0])
    table[3] = 2.0  # only 0 is a minimum now
    np.testing.assert_allclose(calibration.chance_to_return(table, 0), 1)
