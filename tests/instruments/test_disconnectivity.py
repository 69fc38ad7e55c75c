import numpy as np
import pytest

from spinfunnel.core import BadInput, Finding, Table
from spinfunnel.instruments.disconnectivity import calibrations, judge, measure, tree_of
from spinfunnel.instruments.disconnectivity.calibration import all_energies, of_states
from spinfunnel.instruments.disconnectivity.measuring import funnels_of
from spinfunnel.maths.merge_trees import merge_tree
from spinfunnel.systems.stationary_points import StationaryPoints


def double_funnel():
    """Minima 0 and 3 are the bottoms, 1, 2 and 4 beside them; 8 high in all."""
    return StationaryPoints(
        np.array([-10.0, -8.0, -7.0, -9.5, -8.0]),
        np.array([-7.0, -6.5, -7.5, -2.0]),
        np.array([[0, 1], [0, 2], [3, 4], [1, 3]]),
    )


def barriers(minima, saddles, doubts=()):
    """What the instrument of that name would have found."""
    a, b, energy = np.array(saddles, dtype=float).reshape(-1, 3).T
    names = np.array([f"m{k}" for k in range(len(minima))])
    return Finding(
        "barriers",
        "landscape",
        tables={
            "minima": Table({"name": names, "energy": np.array(minima), "count": np.ones(len(minima))}),
            "saddles": Table({"a": a.astype(int), "b": b.astype(int), "energy": energy}),
        },
        doubts=doubts,
    )


def measured(*given, **also):
    findings = {"barriers": barriers(*given, **also)}
    return measure(None, findings=findings, seed=0, budget=None, readings=())


def test_a_double_funnel_by_hand():
    finding = tree_of(double_funnel())
    found = {name: number.value for name, number in finding.numbers.items()}
    assert found["funnels"] == 2
    assert found["height of the tree"] == 8
    assert found["largest climb to the lowest minimum"] == 7.5
    assert found["in the main funnel at half height"] == pytest.approx(3 / 5)  # at -6
    table = finding.table("minima")
    assert table["funnel"].tolist() == ["minimum 1"] * 3 + ["minimum 4"] * 2
    assert table["elder"].tolist() == ["", "minimum 1", "minimum 1", "minimum 1", "minimum 4"]
    assert table["barrier"].tolist()[1:] == [1, 0.5, 7.5, 0.5]
    assert np.isnan(table["barrier"][0])
    assert [one.label for one in finding.series] == ["main funnel, of minimum 1", "funnel of minimum 4"]
    assert {one.kind for one in finding.series} == {"tree"}
    said = judge(finding)
    assert (said.outcome, said.label) == ("info", "several funnels")
    assert "at most 7.5" in said.sentence
    exact = tree_of(double_funnel(), exact=True)
    assert "is 7.5" in judge(exact).sentence


def test_a_branch_is_a_funnel_from_a_third_of_the_height_on():
    for climb, funnels in ((1.99, 1), (2.0, 2)):
        tree = merge_tree(np.array([0.0, 2.0, 6.0]), np.array([2 + climb, 6.0]), np.array([[0, 1], [0, 2]]))
        assert len(funnels_of(tree).heads) == funnels


def test_what_barriers_found_is_the_tree():
    finding = measured([-2.0, -3.0, -1.0], [(0, 1, 0.0), (1, 2, -1.0 - 1e-12)])
    table = finding.table("minima")
    assert table["elder"].tolist() == ["m1", "", "m1"]
    assert table["barrier"].tolist()[::2] == [2, 0]
    assert judge(finding).outcome == "info"


def test_one_minimum_has_no_tree():
    finding = measured([-2.0], [])
    assert finding.series == ()
    assert (judge(finding).outcome, judge(finding).label) == ("info", "one minimum")


def test_what_may_be_wrong_is_a_doubt():
    finding = measured(
        [0.0, 0.0, 0.0],
        [(0, 1, 2.0), (1, 2, np.inf)],
        doubts=("upper bound, not converged", "B is not defined"),
    )
    assert [doubt.split(":")[0] for doubt in finding.doubts] == [
        "barriers",
        "1 of 3 minima are joined to the lowest by no way that was found",
        "all 3 minima have the energy 0",
    ]
    assert finding.numbers["funnels"].value == 2
    assert "joined to none" in [one.label for one in finding.series]
    said = judge(finding)
    assert (said.outcome, said.label) == ("unsure", "several funnels")


def test_nothing_joined_and_no_climb_at_all_are_said():
    apart = measured([0.0, 1.0], [])
    assert "height of the tree" not in apart.numbers
    assert apart.doubts
    assert (judge(apart).outcome, judge(apart).label) == ("unsure", "no ways known")
    flat = measured([1.0, 1.0], [(0, 1, 1.0)])
    assert flat.numbers["funnels"].value == 1
    assert flat.numbers["height of the tree"].value == 0
    assert judge(flat).label == "one funnel"


def test_energies_that_are_none_are_one_line():
    with pytest.raises(BadInput, match="minimum 2 is not finite"):
        measured([0.0, np.nan], [])
    with pytest.raises(BadInput, match="below a minimum"):
        measured([0.0, 1.0], [(0, 1, 0.9)])


def test_many_funnels_share_a_colour_and_the_highest_minima_are_left_out():
    tree = of_states(all_energies("rem", 12, 1), mirrored=False)
    own = np.isfinite(tree.meets)
    points = StationaryPoints(
        tree.minima, tree.meets[own], np.stack([np.flatnonzero(own), tree.elders[own]], axis=1)
    )
    finding = tree_of(points)
    assert len(tree.minima) > 300
    assert "lowest 300 of" in finding.series[0].panel
    assert len(finding.series) == 6
    assert finding.series[-1].label.endswith("other funnels")
    assert sum(int(np.isnan(one.y).sum()) for one in finding.series) == 300
    share = finding.numbers["in the main funnel at half height"].value
    assert share < 0.2


@pytest.mark.parametrize("calibration", calibrations[:2], ids=lambda one: one.name)
def test_the_calibrations_hold(calibration):
    rows = list(calibration.run(3))
    assert rows
    assert all(row.ok for row in rows), rows
