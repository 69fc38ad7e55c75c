"""Planted bugs must turn the calibration of `curvature` red."""

import numpy as np
import pytest

pytest.importorskip("torch")

from spinfunnel.instruments.curvature import calibration, measuring, outliers
from spinfunnel.maths.lanczos import Quadrature, student
from spinfunnel.systems.network_loss import NetworkLoss


def red(word):
    """Run the calibrations whose name contains a word; give the rows that fail."""
    return [
        row
        for one in calibration.calibrations
        if word in one.name
        for row in one.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def test_the_originals_are_green(monkeypatch):
    monkeypatch.setattr(calibration, "NETWORKS", 3)
    assert red("") == []


def test_equal_weights_for_ragged_batches_are_noticed(monkeypatch):
    def equal(self, params, batch):
        return self._values(params, batch)[0].double().mean() / len(self.batches)

    monkeypatch.setattr(NetworkLoss, "_mean", equal)
    assert len(red("regressions")) >= 6


def test_a_trace_without_what_is_exactly_known_is_noticed(monkeypatch):
    monkeypatch.setattr(measuring, "shifted", lambda number, by: number)
    assert red("two weights")
    assert red("what stands apart")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("index", lambda self: student(self.density.size * _share(self.density, self.band))),
        ("downward", lambda self: student(_share(self.density, 0.0))),
    ],
)
def test_directions_that_are_counted_upward_are_noticed(monkeypatch, name, wrong):
    monkeypatch.setattr(measuring.Spectrum, name, property(wrong))
    assert red("directions down")


def _share(density: Quadrature, x: float) -> np.ndarray:
    return (density.weights * (density.nodes > x)).sum(axis=1)


@pytest.mark.parametrize(("gap", "quantity"), [(0.4, "seems to stand apart"), (6.0, "planted are counted")])
def test_a_wrong_gap_is_noticed(monkeypatch, gap, quantity):
    monkeypatch.setattr(outliers, "GAP", gap)
    assert any(quantity in row.quantity for row in red("gaps"))


def test_outliers_that_are_left_in_the_bulk_hide_its_law(monkeypatch):
    right = outliers.semicircle_cdf
    monkeypatch.setattr(outliers, "semicircle_cdf", lambda x, mean, spread: right(x, mean, 2 * spread))
    assert red("law")


def test_small_curvatures_taken_for_ways_down_are_noticed(monkeypatch):
    monkeypatch.setattr(calibration, "NETWORKS", 3)
    monkeypatch.setattr(measuring, "ROUNDING", -1e9)
    assert any(row.quantity.startswith("called on a saddle (3 of 3") for row in red("minima"))
