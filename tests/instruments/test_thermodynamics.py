from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument
from spinfunnel.instruments.thermodynamics import judge, measured
from spinfunnel.samples import Draw, Samples, sample
from spinfunnel.systems import system
from spinfunnel.systems.known import known


@pytest.fixture(scope="module")
def torus():
    return sf.thermodynamics("system:ising2d", size=4, effort="quick")


def test_the_table_agrees_with_what_is_exactly_known(torus):
    table = torus.table("temperatures")
    for name in "ucs":
        sigma = (table[name] - table[f"{name}_exact"]) / table[f"{name}_error"]
        assert sigma.abs().max() < 5
    assert (table["T"].diff()[1:] < 0).all()
    assert table["m"].iloc[-1] > table["m"].iloc[0]
    assert table["swaps"].between(0.01, 1).all()
    np.testing.assert_allclose(table["f"], table["u"] - table["T"] * table["s"], atol=0.01)


def test_what_is_drawn_has_what_is_known_beside_it(torus):
    panels = {one.panel for one in torus.series}
    assert panels == {
        "Energy per spin, N = 16", "Heat capacity per spin, N = 16", "Entropy per spin, N = 16",
        "Magnetisation per spin", "Autocorrelation time", "Has it settled?",
    }  # fmt: skip
    labels = [one.label for one in torus.series if one.panel.startswith("Entropy")]
    assert labels == ["exact, all 2^16 states", "reweighted, ± 1 σ", "measured"]


def test_the_verdict_says_what_was_measured_and_doubts_make_it_unsure(torus):
    said = judge(torus)
    assert (said.outcome, said.label) == ("info", "measured")
    assert "c peaks at T" in said.sentence
    assert "σ of the exact curve" in said.sentence
    doubted = judge(replace(torus, doubts=("chain too short",)))
    assert (doubted.outcome, doubted.label) == ("unsure", "not settled")
    assert doubted.evidence == ("chain too short",)


def test_a_planted_state_is_recognised_when_it_is_met():
    planted = system("mattis", size=20, seed=1)
    found = sf.thermodynamics(planted, effort="quick")
    assert "the planted one" in judge(found).sentence
    assert found.numbers["lowest u met"].value == pytest.approx(planted.ground_energy / 20)
    assert any(one.panel == "Overlap with the planted state" for one in found.series)


def test_without_spins_there_is_no_entropy_but_all_else():
    glass = system("sk", size=10)
    sets = Samples.of([sample(glass, Draw(i, 300, 0.0, 0), 0) for i in range(3)])
    found = measured(replace(sets, hottest=None), 10)
    assert set(found.rungs.values) == {"u", "c"}
    exact = known(glass, found.grid.temperatures)[0]
    sigma = (found.grid.values["u"] - exact.u) / found.grid.errors["u"]
    assert np.abs(sigma).max() < 5


def test_a_system_without_moves_is_told_what_is_missing():
    report = sf.diagnose("system:mueller-brown")
    (row,) = [one for one in report.not_run if one["instrument"] == "thermodynamics"]
    assert row["needs"] == "moves"
    assert "tempers" in row["how"]


@pytest.mark.parametrize("name", ["enumeration", "moves of its own"])
def test_the_calibrations_hold(name):
    (one,) = [c for c in instrument("thermodynamics").calibrations if c.name == name]
    rows = list(one.run(1))
    assert len(rows) >= 3
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows
