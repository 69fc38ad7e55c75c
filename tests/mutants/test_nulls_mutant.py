"""Planted bugs in the nulls: each must turn a calibration red."""

from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.maths import nulls


@pytest.fixture(autouse=True)
def nothing_remembered():
    nulls._quantiles.cache_clear()
    yield
    nulls._quantiles.cache_clear()


def red():
    return [row for c in nulls.calibrations if c.effort == "quick" for row in c.run(0) if not row.ok]


def test_the_originals_are_green():
    assert red() == []


def test_the_other_side(monkeypatch):
    right = nulls.null_p_value
    other = {"lower": "upper", "upper": "lower", "both": "both"}
    monkeypatch.setattr(
        nulls, "null_p_value", lambda *shape, side: min(1.0, 0.5 * right(*shape, side=other[side]))
    )
    assert red()


@pytest.mark.parametrize("mutant", ["shape forgotten", "table upside down", "beyond the next node"])
def test_wrong_interpolation(monkeypatch, mutant):
    right = nulls._cubic

    def wrong(nodes, x):
        if mutant == "shape forgotten":
            return right(nodes, nodes[5])
        if mutant == "table upside down":
            return right(nodes, nodes[0] + nodes[-1] - x)
        i = int(np.searchsorted(nodes, x)) - 1
        share = 3 * (x - nodes[i]) / (nodes[i + 1] - nodes[i])
        return np.array([i, i + 1]), np.array([1 - share, share])

    monkeypatch.setattr(nulls, "_cubic", wrong)
    assert red()


def test_a_statistic_that_is_not_the_tabulated_one(monkeypatch):
    right = nulls.fit_bulk

    def wrong(ev, m, n):
        fit = right(ev, m, n)
        return replace(fit, ks=fit.ks / m**0.5)  # scaled as for independent points

    monkeypatch.setattr(nulls, "fit_bulk", wrong)
    assert red()
