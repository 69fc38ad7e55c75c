import math
from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics.langevin import Quadratic
from spinfunnel.dynamics.saddles import Saddles
from spinfunnel.instruments.criticality import _doubts, instrument, judge, measure
from spinfunnel.instruments.criticality.measuring import Points, correlation, distinct, threshold
from spinfunnel.instruments.criticality.series import order, relation, spectra
from spinfunnel.run import find
from spinfunnel.subject import subject_of
from spinfunnel.systems import system

QUICK = [one for one in instrument.calibrations if one.effort == "quick"]


def looked_at(source, **given):
    return measure(subject_of(source, **given), findings={}, seed=1, budget=None)


@pytest.mark.slow
@pytest.mark.parametrize("one", QUICK, ids=lambda one: one.name)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert all(row.ok for row in rows), rows


@pytest.mark.slow
def test_the_larger_glass_holds():
    (larger,) = (one for one in instrument.calibrations if one.effort == "normal")
    assert all(row.ok for row in larger.run(1))


def points(index, energies, modes=20, flat=0):
    index, energies = np.array(index), np.array(energies, dtype=float)
    m = len(index)
    return Points(
        energies, index, np.zeros(m), np.full(m, flat), np.ones((m, modes + flat)), np.ones(m, dtype=int),
        np.full(m, modes), m, m,
    )  # fmt: skip


def test_the_extrapolation_gives_back_a_square_root_edge():
    index = np.arange(1, 25)
    share = (index + 0.5) / 101
    found = threshold(points(index, 10 * (-1.5 + 2 * share ** (2 / 3) - share ** (4 / 3)), modes=100), 10)
    assert found.value == pytest.approx(-1.5, abs=1e-10)
    assert found.error < 1e-10
    assert threshold(points([1, 2, 3], [0, 1, 2]), 10) is None


def test_correlation():
    rho, p = correlation(points(range(10), range(10)))
    assert rho == pytest.approx(1)
    assert p < 1e-6
    assert correlation(points([1, 1, 1, 1], range(4))) is None


def test_points_that_symmetry_makes_one_are_one():
    spectra = np.array([[1.0, 2], [1, 2], [1, 3], [1, 2], [1, 2]])
    energies = np.array([1.0, 1 + 1e-9, 1, 2, 1])
    converged = np.array([True, True, True, True, False])
    found = distinct(
        Saddles(np.zeros((5, 2)), energies, np.zeros(5), converged, np.zeros(5), spectra, np.zeros(5)), 2
    )
    assert found.energies.round(6).tolist() == [1, 1, 2]
    assert sorted(found.times.tolist()) == [1, 1, 2]
    assert (found.searches, found.converged) == (5, 4)


def test_a_cluster_has_six_zero_modes_and_a_verdict():
    finding = looked_at("system:lj", size=7)
    assert finding.numbers["zero modes"].value == 6
    assert finding.numbers["Spearman of index and u"].value > 0.5
    table = finding.table("stationary points")
    assert (table["gradient"] <= 1e-8).all()
    assert (table["energy"].diff().dropna() >= 0).all()
    assert ((table["index"] > 0) == (table["lowest_eigenvalue"] < 0)).all()
    assert "flat directions, left out: 6" in judge(finding).sentence
    assert judge(replace(finding, doubts=())).outcome == "info"
    assert judge(replace(finding, doubts=("so it is",))).outcome == "unsure"


def test_what_is_known_is_drawn_beside_a_glass_only_if_nothing_pulls_at_it():
    finding = looked_at("system:spherical-pspin", size=16)
    labels = [one.label for one in finding.series]
    assert labels.count("semicircle, N → ∞") == 4  # beside index and energy, and beside three spectra
    for one in finding.series:
        if one.kind == "step":
            assert (one.y @ np.diff(one.x)) == pytest.approx(1)
    pulled = system("spherical-pspin?eps=1.0", size=16)
    assert order(pulled) is None
    assert order(system("lj13")) is None
    some = points(range(6), range(6))
    assert [one.label for one in relation(pulled, some)] == ["stationary points"]
    assert len(spectra(pulled, some)) == 3


def test_doubts():
    good = points(range(10), range(10))
    assert _doubts(good) == ()
    assert "only 10 of 30" in _doubts(replace(good, searches=30))[0]
    assert "zero modes" in _doubts(replace(good, flat=np.array([0] * 8 + [3, 3])))[0]
    assert "most directions are flat" in _doubts(points(range(10), range(10), modes=2, flat=8))[0]
    assert "one index" in _doubts(points([0] * 10, range(10)))[0]


def test_nothing_found_is_a_verdict():
    class Slope(Quadratic):
        """A plane: its gradient is nowhere zero."""

        def energy(self, x):
            return x.sum(axis=1)

        def gradient(self, x):
            return np.ones_like(x)

        def hvp(self, x, v):
            return np.zeros_like(v)

    finding = looked_at(Slope(np.ones(2)))
    assert judge(finding).label == "none found"
    assert "0 of 96" in finding.doubts[0]


def test_spins_have_no_gradient_and_the_report_says_so():
    with pytest.raises(BadInput, match="gradient"):
        find("criticality", "system:sk", size=8)


def test_energies_that_are_not_finite_are_one_line():
    class Broken(Quadratic):
        def energy(self, x):
            return np.full(len(x), math.nan)

    with pytest.raises(BadInput, match="finite"):
        looked_at(Broken(np.ones(2)))


def test_energies_all_near_zero_are_one_point():
    finding = looked_at(Quadratic(np.array([1.0, 2.0])))
    assert finding.numbers["stationary points"].value == 1


def test_only_where_the_edge_of_the_spectrum_is_known_does_the_index_go_to_zero():
    edge = "u at index zero"
    assert edge in looked_at("system:spherical-pspin", size=32).numbers
    assert edge not in looked_at("system:spherical-pspin?eps=0.5", size=32).numbers
