import numpy as np

from spinfunnel.core import Series
from spinfunnel.report.panels import INKS, Panel, inks


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
