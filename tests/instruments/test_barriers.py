import numpy as np
import pytest

from spinfunnel.coolings import Cooling, cool
from spinfunnel.instruments.barriers import calibrations, instrument, judge, measure, measuring
from spinfunnel.maths.merge_trees import merge_tree
from spinfunnel.subject import subject_of
from spinfunnel.systems import system

QUICK = [one for one in calibrations if one.effort == "quick"]


@pytest.mark.parametrize("given", QUICK, ids=lambda one: one.name)
def test_calibrations(given):
    assert not [row for row in given.run(1) if not row.ok]


def found_in(name, times=(1, 10, 100), seed=0):
    given = system(name)
    return measure(
        subject_of(given), findings={}, seed=seed, budget=None,
        readings=[cool(given, Cooling(0, times, 1.0, 0), seed)],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sk40", "rem10", "xorsat24", "lj7", "curvy-valley"])
def test_saddles_lie_above_what_they_join_and_make_the_tree_of_all_ways(name):
    finding = found_in(name)
    minima, saddles = (finding.tables[key].columns for key in ("minima", "saddles"))
    ends = np.stack([saddles["a"], saddles["b"]], axis=1)
    tops = minima["energy"][ends].max(axis=1, initial=-np.inf)
    assert (saddles["energy"] >= tops).all()
    assert saddles["barrier_a"] == pytest.approx(saddles["energy"] - minima["energy"][ends[:, 0]], abs=1e-9)
    assert (np.diff(minima["energy"]) >= 0).all()
    tree = merge_tree(minima["energy"], saddles["energy"], ends)
    assert len(tree.roots) == 1
    assert len(ends) == len(minima["energy"]) - 1
    if len(ends):
        climb = (tree.passes(np.arange(len(minima["energy"])), 0) - minima["energy"]).max()
        scale = finding.numbers["largest climb to the best / D"].value
        assert climb > 0
        assert 0 < scale < np.inf


def test_a_glass_has_low_barriers_and_a_memory_high_ones():
    for name, label in (("sk96", "low barriers"), ("hopfield128?patterns=2", "high barriers")):
        finding = found_in(name, times=(10, 100, 1000))
        verdict = judge(finding)
        assert (verdict.label, verdict.outcome) == (label, "info")
        b = finding.numbers["B"]
        assert b.low <= b.value <= b.high <= 1
        assert b.value <= finding.numbers["B, small budget"].value


def test_what_is_flooded_is_exact():
    finding = found_in("rem10")
    assert finding.numbers["B"].kind == "median and quartiles"
    assert set(finding.tables["saddles"].columns["budget"]) == {"all 1,024 states"}
    assert "at most" not in judge(finding).sentence


@pytest.mark.parametrize(
    ("name", "reason"),
    [("mattis", "one minimum only"), ("go16", "not run: barriers are measured where single spins flip")],
)
def test_without_barriers_it_says_so(name, reason):
    finding = found_in(name)
    assert np.isnan(finding.numbers["B"].value)
    assert finding.doubts[0].startswith(reason)
    verdict = judge(finding)
    assert verdict.outcome == "unsure"
    assert reason in verdict.sentence
    assert verdict.advice == ""
    assert len(finding.tables["saddles"]) == 0


def test_neighbours_keep_everything_together():
    q = np.eye(6) * 0.5 + 0.5 * (np.arange(6)[:, None] // 2 == np.arange(6) // 2)
    pairs = measuring.neighbours(q, 1)
    tree = merge_tree(np.zeros(6), np.ones(len(pairs)), pairs)
    assert len(tree.roots) == 1
    assert {(0, 1), (2, 3), (4, 5)} <= {tuple(pair) for pair in pairs.tolist()}


def test_the_card_names_what_it_needs():
    assert instrument.needs == {"system", "anneals", "overlap"}
    assert instrument.cost(subject_of(system("sk", size=16)), "quick") > 0
