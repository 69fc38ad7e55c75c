from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument
from spinfunnel.instruments.overlaps import calibration, judge, measuring
from spinfunnel.instruments.overlaps.judging import phase
from spinfunnel.samples import PAIRS, unsettled
from spinfunnel.systems import system
from spinfunnel.systems.known import known_overlaps

CALIBRATIONS = {one.name: one for one in instrument("overlaps").calibrations}


@pytest.fixture(scope="module")
def glass():
    return sf.overlaps("system:sk", size=14, effort="quick")


def test_the_exact_law_of_q_is_that_of_all_pairs_of_states():
    few, t = system("sk?field=0.3", size=4, seed=2), 0.8
    states = np.array(list(product([-1, 1], repeat=4)))
    weights = np.exp(-few.energy(states) / t)
    weights /= weights.sum()
    q = states @ states.T / 4
    values, law, twice = known_overlaps(few, np.array([t]))
    for value, share in zip(values, law[0], strict=True):
        assert share == pytest.approx(weights @ (q == value) @ weights, abs=1e-14)
    assert twice[0] == pytest.approx(weights @ (q**2 @ weights) ** 2)


def test_moments_are_those_of_the_pairs_by_hand():
    q = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    samples = calibration.overlapping(np.stack([[q, q[::-1]]] * 3))
    found = {name: values[0][0] for name, values in measuring.moments(samples).items()}
    q2, q4 = np.mean(q**2), np.mean(q**4)
    assert found["q2"] == pytest.approx(q2)
    assert found["binder"] == pytest.approx((3 - q4 / q2**2) / 2)
    assert found["binder_u"] == pytest.approx(1 - q4 / (3 * q2**2))
    apart = np.mean([q[0] * q[5], q[1] * q[4], q[2] * q[3]]), 0
    squares = np.mean([(q[0] * q[5]) ** 2, (q[1] * q[4]) ** 2, (q[2] * q[3]) ** 2])
    assert apart[0] > 0
    assert found["gg_12_34"] == pytest.approx(squares - q4 / 3 - 2 * q2**2 / 3)
    sharing = [(q[i] * q[j]) ** 2 for i in range(6) for j in range(i) if len({*PAIRS[i], *PAIRS[j]}) == 3]
    assert len(sharing) == 12
    assert found["gg_12_13"] == pytest.approx(np.mean(sharing) - q4 / 2 - q2**2 / 2)


@pytest.mark.parametrize("size", [4, 9, 40, 41, 128])
def test_bins_hold_whole_numbers_of_values_and_p_of_q_integrates_to_one(size):
    it = system("sk", size=size)
    states = it.random(4 * 6 * 2, 0).reshape(2, 1, 24, size)
    from spinfunnel.samples import looked_at

    samples = calibration.overlapping(looked_at(it, states)[0][:, 0])
    middles, density, _ = measuring.distribution(samples, size, spins=True)
    _, width = measuring.edges(size, spins=True, signed=True)
    assert (width > 0).all()
    assert (density[0] * width).sum() == pytest.approx(1)
    np.testing.assert_allclose(density[0], density[0][::-1])
    np.testing.assert_allclose(middles, -middles[::-1], atol=1e-9)


def test_in_a_field_p_of_q_is_not_mirrored():
    found = sf.overlaps("system:sk?field=1.0", size=10, effort="quick")
    law = found.table("distribution")
    cold = law.columns[-2]
    assert law[cold][law["q"] > 0.5].sum() > 10 * law[cold][law["q"] < -0.5].sum()


def test_the_finding_agrees_with_all_states_and_draws_them(glass):
    table = glass.table("temperatures")
    q, law, _ = known_overlaps(system("sk", size=14), table["T"].to_numpy())
    sigma = (table["q2"] - law @ q**2) / table["q2_error"]
    assert sigma.abs().max() < 6
    labels = {one.label for one in glass.series}
    assert {"measured", "exact, all states", f"exact, T = {table['T'].iloc[-1]:.3g}"} <= labels
    panels = {one.panel for one in glass.series}
    assert "Overlap distribution, N = 14" in panels
    assert not any("Link" in panel for panel in panels)


def test_links_are_shown_where_not_all_are_coupled():
    found = sf.overlaps("system:ising2d", size=4, effort="quick")
    assert found.table("temperatures")["link"].iloc[-1] > 0.95
    assert judge(found).label == "ordered"
    assert "one state" in judge(found).sentence


def row(**given):
    return {"binder": 0.0, "q2": 0.01, "q_peak": 0.0, "share_small": 0.1, "share_small_error": 0.001} | given


def test_words():
    assert phase(row()) == "paramagnet"
    assert phase(row(binder=0.9, q2=0.7, q_peak=0.9, share_small=0.0)) == "ordered"
    assert phase(row(binder=0.6, q2=0.4, q_peak=0.8)) == "broad"
    assert phase(row(binder=0.9, q2=0.7, q_peak=0.9, share_small=0.021)) == "cannot tell"
    assert phase(row(binder=-1.0, q2=0.3, q_peak=0.0)) == "broad"  # two peaks, one at zero: as in the REM


def test_the_verdict_names_one_system_and_doubts_make_it_unsure(glass):
    said = judge(glass)
    assert said.outcome == "info"
    assert "one system" in said.sentence
    doubted = judge(replace(glass, doubts=("ladders barely mixed",)))
    assert doubted.outcome == "unsure"
    assert doubted.label == said.label


def test_overlaps_that_drift_are_a_doubt():
    rng, t = np.random.default_rng(0), np.array([1.0])
    settled = 0.1 * rng.standard_normal((400, 1, 8))
    assert unsettled(settled**2, t, "<q²>") == ()
    growing = settled * np.linspace(0.2, 2, 400)[:, None, None]
    (doubt,) = unsettled(growing**2, t, "<q²>")
    assert "<q²>" in doubt


@pytest.mark.parametrize("name", ["enumeration", "triangles"])
def test_the_calibrations_hold(name):
    rows = list(CALIBRATIONS[name].run(1))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random energies", "words"])
def test_words_are_right_as_often_as_stated(name):
    rows = list(CALIBRATIONS[name].run(1))
    assert len(rows) == 4
    assert all(row.ok for row in rows), rows


def test_two_peaks_one_of_them_at_zero_are_broad():
    rng = np.random.default_rng(0)
    q = np.where(rng.random((500, 8, 6)) < 0.45, 1.0, 0.0)
    found = calibration.overlapping(q)
    from spinfunnel.instruments.overlaps import tabulated

    (seen,) = tabulated(found, 16, spins=True)[0].rows()
    assert seen["q_peak"] == 0
    assert phase(seen) == "broad"
