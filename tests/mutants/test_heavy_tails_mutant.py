"""Planted bugs: each must turn a calibration red."""

import numpy as np
import pytest

from spinfunnel.core import Number
from spinfunnel.maths import heavy_tails, tail_alternatives
from spinfunnel.maths.heavy_tails import PowerLaw


def red(module, word):
    """Run the quick calibrations whose name contains a word; give the rows that fail."""
    return [
        row
        for calibration in module.calibrations
        if word in calibration.name and calibration.effort == "quick"
        for row in calibration.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


@pytest.mark.parametrize("mutant", ["upper side of the distance", "alpha without its 1"])
def test_a_wrong_fit_is_not_that_of_trying_every_candidate(monkeypatch, mutant):
    right = heavy_tails.fit_power_law

    def wrong(eigenvalues, *, floor=None):
        fit = right(eigenvalues, floor=floor)
        if mutant == "alpha without its 1":
            return PowerLaw(fit.alpha - 1, fit.xmin, fit.distance, fit.tail, fit.points)
        x = np.sort(eigenvalues)
        best = PowerLaw(np.nan, np.nan, np.inf, 0, len(x))
        for i in range(len(x) - 1):
            tail = x[i:] / x[i]
            alpha = 1 + len(tail) / np.log(tail).sum()
            distance = np.abs(1 - tail ** (1 - alpha) - np.arange(1, len(tail) + 1) / len(tail)).max()
            if distance < best.distance:
                best = PowerLaw(alpha, x[i], distance, len(tail), len(x))
        return best

    assert red(heavy_tails, "every candidate") == []
    monkeypatch.setattr(heavy_tails, "fit_power_law", wrong)
    assert red(heavy_tails, "every candidate")


def test_alpha_without_its_1_misses_the_known_power_law(monkeypatch):
    right = heavy_tails.fit_power_law

    def wrong(eigenvalues, *, floor=None):
        fit = right(eigenvalues, floor=floor)
        return PowerLaw(fit.alpha - 1, fit.xmin, fit.distance, fit.tail, fit.points)

    monkeypatch.setattr(heavy_tails, "fit_power_law", wrong)
    assert red(heavy_tails, "alpha of a known")


def test_an_interval_that_keeps_xmin_does_not_cover(monkeypatch):
    """A bootstrap without refitting xmin: up to three times too narrow where the tail is short."""

    def wrong(eigenvalues, fit, rng, *, resamples=100, level=0.95):
        u = np.log(np.sort(eigenvalues)[-fit.tail :] / fit.xmin)
        logs = [-np.log(rng.choice(u, len(u)).mean()) for _ in range(resamples)]
        stretch = np.exp(1.96 * np.std(logs))
        return Number(fit.alpha, low=1 + (fit.alpha - 1) / stretch, high=1 + (fit.alpha - 1) * stretch)

    monkeypatch.setattr(heavy_tails, "bootstrap_alpha", wrong)
    assert red(heavy_tails, "repelling")


def test_a_wrong_factor_in_the_likelihood_ratio_is_noticed(monkeypatch):
    assert red(tail_alternatives, "called so") == []
    gain = tail_alternatives._gain
    with monkeypatch.context() as patch:
        patch.setattr(tail_alternatives, "_gain", lambda v, t, nodes: 2 * gain(v, t, nodes))
        assert red(tail_alternatives, "not called something else")
    with monkeypatch.context() as patch:
        patch.setattr(tail_alternatives, "_gain", lambda v, t, nodes: 0.0 * gain(v, t, nodes))
        assert red(tail_alternatives, "called so")


def test_a_goodness_of_fit_without_refitting_xmin_is_noticed(monkeypatch):
    """Resamples that do not choose their own xmin fit worse than the datum: noise is no longer refuted."""

    def wrong(eigenvalues, fit, rng, *, resamples=100):
        n, worse = fit.tail, 0
        for _ in range(resamples):
            u = np.sort(rng.exponential(size=n))
            worse += np.abs(1 - np.exp(-u / u.mean()) - np.arange(n) / n).max() >= fit.distance
        return (1 + worse) / (1 + resamples)

    monkeypatch.setattr(tail_alternatives, "goodness_of_fit", wrong)
    assert red(tail_alternatives, "goodness")
