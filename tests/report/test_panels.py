import numpy as np
import pytest

from spinfunnel.core import Axis, Series
from spinfunnel.report.panels import DATA, INKS, NULL, Panel, extent, inks, side_by_side


def panel(*kinds):
    x = np.arange(3.0)
    return Panel("p", "", tuple(Series(x, x, label=str(i), kind=kind) for i, kind in enumerate(kinds)))


def test_up_to_six_lines_have_colours_of_their_own():
    assert len(set(inks(panel(*["line"] * 6), frozenset()))) == 6
    assert set(inks(panel(*["line"] * 9), frozenset())) <= set(range(len(INKS)))
    assert len(set(inks(panel(*["line"] * 5, "scatter"), frozenset()))) == 6


def test_the_first_of_each_kind_looks_the_same_in_every_panel():
    few, many = panel("line", "scatter"), panel("line", "line", "line", "line", "scatter")
    assert inks(few, frozenset())[0] == inks(many, frozenset())[0]
    assert inks(few, frozenset())[1] == inks(panel("scatter"), frozenset())[0]


@pytest.mark.parametrize("kind", ["scatter3d", "tree"])
def test_groups_have_the_colours_in_order_and_the_others_are_grey(kind):
    x = np.arange(3.0)
    labels = ["basin 1", "basin 2", "others", "basin 3", "basin 4", "basin 5", "basin 6"]
    given = inks(
        Panel("p", "", tuple(Series(x, x, z=x, label=one, kind=kind) for one in labels)), frozenset()
    )
    assert given == [2, 3, NULL, 4, 5, 6, 7]
    assert max(given) == len(INKS) - 1


def test_a_trunk_without_a_label_has_no_branchs_colour():
    x = np.arange(3.0)
    both = Panel("p", "", (Series(x, x, kind="tree"), Series(x, x, kind="tree", label="branch 1")))
    assert inks(both, frozenset()) == [DATA, 2]


def test_nulls_are_grey_and_told_apart_by_kind():
    x = np.arange(3.0)
    kinds = [("line", False), ("line", True), ("scatter", True), ("line", True), ("line", False)]
    mixed = Panel("p", "", tuple(Series(x, x, kind=kind, null=null) for kind, null in kinds))
    assert mixed.nulls == [0, 1, 1, 2, 0]
    given = inks(mixed, frozenset())
    assert [ink == NULL for ink in given] == [null for _, null in kinds]
    assert given[0] == inks(panel("line"), frozenset())[0]


def test_any_series_may_say_how_to_read_the_panel():
    x = np.arange(3.0)
    told = Panel("p", "", (Series(x, x), Series(x, x, caption="so"), Series(x, x, caption="or so")))
    assert (told.caption, panel("line").caption) == ("so", "")


def space(title, *, low=-1.0, high=1.0, kind="scatter3d"):
    x = np.linspace(0, 0.5, 3)
    axes = tuple(Axis(name, low=low, high=high) for name in "xyz")
    return Panel(title, "", (Series(x, x, z=x, axes=axes, kind=kind),))


def test_two_histograms_in_one_panel_differ():
    given = inks(panel("step", "step", "vline", "vline", "line"), frozenset("01"))
    assert given[0] == DATA
    assert len(set(given)) == 5
    assert inks(panel("hline", "line"), frozenset()) == [NULL, 2]


def test_neighbours_of_one_fixed_scale_stand_side_by_side():
    funnel, null, other = space("funnel"), space("null"), space("other", high=2.0)
    groups = side_by_side([funnel, null, other, panel("line"), panel("line")])
    assert [[one.title for one in group] for group in groups] == [["funnel", "null"], ["other"], ["p"], ["p"]]
    half = space("half", high=None)
    assert len(side_by_side([half, half])) == 2, "ends that follow the data differ between panels"


def test_fixed_ends_are_the_ends():
    assert [extent(space("p"), which) for which in range(3)] == [(-1.0, 1.0)] * 3
    low, high = extent(space("p", low=None), 2)
    assert low == pytest.approx(-0.03)
    assert high == 1.0


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (-np.inf, np.inf)])
def test_ends_that_are_none_leave_the_data_its_own(ends):
    low, high = extent(space("p", low=ends[0], high=ends[1]), 2)
    assert low < 0 < 0.5 < high < 1


def test_a_logarithmic_axis_cannot_begin_at_zero():
    axes = (Axis("x", "log", low=0.0, high=10.0), Axis("y"))
    only = Panel("p", "", (Series(np.array([1.0, 2.0]), np.zeros(2), axes=axes),))
    assert 0 < extent(only, 0)[0] < 1


def test_a_path_in_space_and_its_end_differ_and_neither_is_the_surface():
    x = np.arange(3.0)
    kinds = (("surface", ""), ("line", "path"), ("scatter3d", "end"), ("scatter3d", "others"))
    drawn = Panel("p", "", tuple(Series(x, x, z=x, kind=kind, label=label) for kind, label in kinds))
    assert drawn.solid
    assert inks(drawn, frozenset()) == [DATA, 2, 3, NULL]
    assert not Panel("p", "", (Series(x, x),)).solid


def test_a_density_that_goes_to_nothing_leaves_its_axis_readable():
    axes = (Axis("x"), Axis("density", "log"))
    fall = Panel("p", "", (Series(np.arange(3.0), np.array([1.0, 1e-30, 5e-324]), axes=axes),))
    low, high = extent(fall, 1)
    assert 1e-18 < low < 1e-16
    assert 1 < high < 100
