import importlib.util
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spinfunnel.dynamics.langevin import Quadratic as Bowl
from spinfunnel.instruments.sharpness import (
    LEAST,
    RADII,
    SIZES,
    _doubts,
    instrument,
    judge,
    measure,
    size_of,
)
from spinfunnel.instruments.sharpness.calibration import exact_worst
from spinfunnel.instruments.sharpness.measuring import Scaled, average_case, quadratic, worst_case

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="needs torch")


@pytest.mark.parametrize("one", instrument.calibrations, ids=lambda one: one.name)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


def test_no_ascent_leaves_the_ball_or_begins_where_the_gradient_is_zero():
    seen = []

    class Watched(Bowl):
        def energy_and_gradient(self, x):
            seen.append(x.copy())
            return super().energy_and_gradient(x)

    bowl, start = Watched(np.array([3.0, 1.0])), np.array([[0.0, 7.0], [1.0, 1.0]])
    rise = worst_case(bowl, np.zeros(2), np.ones(2), 0.5, start)
    assert rise == pytest.approx(3 * 0.25 / 2, rel=1e-6)
    assert np.linalg.norm(np.concatenate(seen), axis=1).max() <= 0.5 * (1 + 1e-12)


def test_ascent_on_a_plane_goes_straight_up():
    class Slope(Bowl):
        def energy(self, x):
            return x @ self.curvatures

        def gradient(self, x):
            return np.broadcast_to(self.curvatures, x.shape)

    slope = np.array([3.0, -4.0])
    rise = worst_case(Slope(slope), np.ones(2), np.ones(2), 0.1, np.array([[-1.0, 1.0]]))
    assert rise == pytest.approx(0.5, rel=1e-9)
    expected = quadratic(slope, np.zeros((2, 2)), np.ones(2), 0)
    assert expected.worst(0.1)[1] == pytest.approx(0.5)
    moved, told = average_case(Slope(slope), np.ones(2), np.ones(2), np.array([0.1]), np.zeros((2, 2)), 3, 0)
    assert np.abs(moved).max() < 1e-12  # no slope changes the mean of both sides
    assert not told.any()


def test_a_loss_that_is_not_finite_on_the_way_is_not_a_number():
    class Walled(Bowl):
        def energy_and_gradient(self, x):
            e, g = super().energy_and_gradient(x)
            return np.where(np.abs(x).max(axis=1) > 0.4, np.inf, e), g

    start = np.array([[0.3, 0.1]])
    assert math.isnan(worst_case(Walled(np.ones(2)), np.zeros(2), np.ones(2), 1.0, start))


def test_products_and_bounds():
    h, c, v = np.array([[2.0, 1], [1, 3]]), np.array([1.0, 2]), np.array([5.0, 7])
    assert Scaled(h, c) @ v == pytest.approx(np.diag(c) @ h @ np.diag(c) @ v)
    saddle = quadratic(np.array([0.0, 1.0]), -np.eye(2), np.ones(2), 0)
    assert saddle.worst(0.1)[1] == pytest.approx(0.1)  # nothing bends up: the slope alone
    found = quadratic(np.array([1.0, 1.0]), np.diag([4.0, 1.0]), np.ones(2), 0)
    low, high = found.worst(0.5)
    assert low <= exact_worst(np.array([4.0, 1.0]), np.ones(2), 0.5) <= high
    assert found.direction @ np.ones(2) >= 0


@pytest.fixture(scope="module")
def subject():
    from spinfunnel.networks.rescaling import rescaled

    return SimpleNamespace(system=rescaled("relu", 2.0, seed=0)[0], effort="quick")


@needs_torch
def test_a_network_has_a_sharpness_and_a_verdict(subject):
    finding = measure(subject, findings={}, seed=1, budget=None)
    numbers = finding.numbers
    table = finding.table("rises")
    assert len(table) == 4 * SIZES["quick"].radii
    assert set(table["case"]) == {f"{how} case, {kind}" for how in ("worst", "average") for kind in RADII}
    for kind, radius in RADII.items():
        low, rise = numbers[f"worst rise expected, {kind}"].low, numbers[f"worst rise, {kind}"].value
        assert rise >= 0.8 * low > 0
        assert radius in table["rho"].tolist()
        assert numbers[f"average rise, {kind}"].error > 0
    assert {one.kind for one in finding.series} == {"band", "line"}
    verdict = judge(finding)
    assert verdict.outcome == "info"
    assert "no reliable link" in verdict.advice
    assert "literature" in verdict.advice
    assert len(verdict.sentence) <= 280, "three lines in a terminal"


@needs_torch
def test_too_little_time_is_said(subject):
    finding = measure(subject, findings={}, seed=1, budget=0.0)
    assert "more than the 0 s it was given" in finding.doubts[-1]
    assert len(finding.table("rises")) == 4
    assert finding.numbers == measure(subject, findings={}, seed=1, budget=0.0).numbers


def row(case="average case, plain", rho=0.05, rise=1.0, low=1.0, high=1.0, off=0.0, off_error=0.0):
    return {
        "case": case,
        "rho": rho,
        "rise": rise,
        "error": 0.1,
        "expected_low": low,
        "expected_high": high,
        "off": off,
        "off_error": off_error,
    }


def test_doubts_tell_kinks_from_distance():
    fast = SimpleNamespace(seconds=1e-9, examples=1000)

    def doubts(*rows):
        return _doubts(rows, LEAST, 1.0, fast)

    assert doubts(row(off=0.0, off_error=0.01)) == ()
    assert doubts(row(off=0.5, off_error=0.4)) == ()  # within its error
    near, usual, far = (row(rho=rho, off=0.5, off_error=0.01) for rho in (0.025, 0.05, 0.1))
    assert "kinks" in doubts(near, usual, far)[0]
    (far_only,) = doubts(row(rho=0.025, off=0.0, off_error=0.01), usual, far)
    assert "further than a quadratic holds" in far_only
    assert "nor" not in doubts(row("worst case, plain", rise=2.0, off=1.0))[0]
    assert doubts(row("worst case, plain", rise=1.1, off=0.1)) == ()
    assert "not finite" in doubts(row(rise=math.nan, off=math.nan, off_error=math.nan))[0]


@needs_torch
def test_what_is_not_finite_is_unsure(subject):
    finding = measure(subject, findings={}, seed=1, budget=0.0)
    columns = {**finding.tables["rises"].columns}
    columns["rise"] = np.full_like(columns["rise"], np.nan)
    broken = replace(finding, tables={"rises": replace(finding.tables["rises"], columns=columns)})
    assert judge(broken).outcome == "unsure"


def test_a_large_network_gets_less():
    fast, slow = (SimpleNamespace(seconds=seconds, examples=2000) for seconds in (1e-4, 1e6))
    assert size_of(fast, "full", 60) == SIZES["full"]
    assert size_of(fast, "quick", 60) == SIZES["quick"]
    assert size_of(slow, "full", 60) == LEAST
    assert all(size.radii % 2 == 1 for size in (LEAST, *SIZES.values()))
