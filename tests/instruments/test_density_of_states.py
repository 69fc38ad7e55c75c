from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument
from spinfunnel.instruments.density_of_states import HALF, HALF_LOWEST, MISSED, judge, measure
from spinfunnel.instruments.density_of_states.calibration import folding_temperature
from spinfunnel.instruments.density_of_states.measuring import binned, measured
from spinfunnel.samples import Draw, Samples, sample
from spinfunnel.subject import subject_of
from spinfunnel.systems import system


def sampled(one, sweeps=300, sets=4, seed=0):
    return [sample(one, Draw(i, sweeps, 0.0, 0), seed) for i in range(sets)]


def found(name, size, **how):
    subject = subject_of(name, size=size)
    return measure(subject, findings={}, seed=0, budget=None, readings=sampled(subject.system, **how))


@pytest.fixture(scope="module")
def torus():
    return found("system:ising2d", 4, sweeps=1000)


@pytest.fixture(scope="module")
def golf():
    return found("system:rem-native", 14, sweeps=200)


def test_the_table_agrees_with_the_numbers_of_all_states(torus):
    table = torus.table("energies")
    sigma = (table["s"] - table["s_exact"]) / table["s_error"]
    assert sigma.abs().max() < 5
    assert np.exp(16 * table["s"]).sum() == pytest.approx(2**16, rel=0.01)
    assert table["u"].iloc[0] == -2
    assert (table["T"].dropna() > 0).all()
    assert torus.numbers["u where random energies end"].value == pytest.approx(
        -torus.numbers["standard deviation of E"].value * np.sqrt(2 * 16 * np.log(2)) / 16, abs=0.05
    )


def test_what_is_known_is_drawn_beside_what_is_measured(torus):
    labels = [one.label for one in torus.series]
    assert labels == [
        "exact, all states", "as many random energies", "measured, ± 1 σ", "mean u of ladders at T", "dE/dS",
    ]  # fmt: skip


def test_the_verdict_says_how_deep_states_go_and_doubts_make_it_unsure(torus):
    said = judge(torus)
    assert (said.outcome, said.label) == ("info", "measured")
    assert "times as deep" in said.sentence
    doubted = judge(replace(torus, doubts=("chain too short",)))
    assert (doubted.outcome, doubted.label) == ("unsure", "not settled")


def test_a_native_state_that_ladders_miss_is_counted_as_one_and_still_tells_where_chains_fold(golf):
    assert MISSED in golf.doubts
    exact = folding_temperature(system("rem-native", size=14), -1.6 * 14)
    assert golf.numbers[HALF].value == pytest.approx(exact, rel=0.03)
    assert judge(golf).outcome == "unsure"
    assert "half of the weight is native" in judge(golf).sentence


def test_where_the_number_of_states_is_unknown_the_constant_is_free():
    loose = found("system:lj", 7, sweeps=50)
    assert "s of all states" not in loose.numbers
    assert "s_annealed" not in loose.tables["energies"].columns
    assert loose.tables["energies"].columns["s"].max() < 1
    assert "unknown" in judge(loose).sentence


def test_bins_hold_whole_levels_where_energies_are_levels_and_all_energies_where_not():
    width, edges = binned(np.arange(-600.0, 601, 4))
    assert width == 12
    counts = np.histogram(np.arange(-600.0, 601, 4), edges)[0]
    assert set(counts[:-1]) == {3}
    dense = np.sort(np.random.default_rng(0).normal(size=500))
    width, edges = binned(dense)
    assert np.histogram(dense, edges)[0].sum() == 500


def test_what_is_native_may_be_degenerate_and_is_then_measured():
    chain = system("go", size=9, seed=1)
    sets = Samples.of(sampled(chain, sweeps=600))
    told = measured(sets, chain, chain.ground_energy)
    assert not told.missed
    exact = folding_temperature(chain, chain.ground_energy)
    assert abs(told.half.value - exact) < 4 * told.half.error
    without = measured(sets, chain)  # the lowest level met is the native one
    assert without.half.value == pytest.approx(told.half.value, abs=told.half.error)


def test_a_native_state_that_is_not_the_lowest_is_left_aside():
    subject = subject_of("system:sk", size=12, native=np.ones(12))
    told = measure(subject, findings={}, seed=0, budget=None, readings=sampled(subject.system))
    assert HALF not in told.numbers
    assert HALF_LOWEST in told.numbers


def test_it_is_called_like_all_instruments():
    report = sf.diagnose("system:ising1d", size=8, only=["density_of_states"], effort="quick")
    assert report.verdicts["density_of_states"].outcome in ("info", "unsure")
    assert not report.failed


@pytest.mark.parametrize("name", ["spins", "native states"])
def test_the_calibrations_hold(name):
    (one,) = [c for c in instrument("density_of_states").calibrations if c.name == name]
    rows = list(one.run(1))
    assert len(rows) >= 4
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows
