"""Planted bugs in the fit of the bulk: each must turn a calibration red."""

from dataclasses import replace

import pytest

from spinfunnel.maths import bulk, random_matrices


def red(word):
    return [
        row
        for calibration in bulk.calibrations
        if word in calibration.name
        for row in calibration.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def test_the_originals_are_green():
    assert red("") == []


def test_without_the_back_test_there_are_too_many_false_spikes(monkeypatch):
    monkeypatch.setattr(bulk, "_back_test", lambda k, *rest: k)
    assert red("edge")


def test_scale_of_the_largest_eigenvalue_with_another_exponent(monkeypatch):
    def wrong(small, large):
        a, b = (large - 0.5) ** 0.5, (small - 0.5) ** 0.5
        return (a + b) ** 2, (a + b) * (1 / a + 1 / b) ** (2 / 3)

    monkeypatch.setattr(random_matrices, "top_center_and_scale", wrong)
    assert red("edge")


def test_a_threshold_far_too_high_misses_spikes(monkeypatch):
    right = bulk.top_threshold
    monkeypatch.setattr(bulk, "top_threshold", lambda *shape: 1.2 * right(*shape))
    assert red("spikes")


@pytest.mark.parametrize("mutant", ["variance by the trace", "any bulk is noise"])
def test_a_wrong_bulk(monkeypatch, mutant):
    right = bulk.fit_bulk

    def wrong(ev, small, large, **options):
        fit = right(ev, small, large, **options)
        if mutant == "any bulk is noise":
            return replace(fit, ks=0.0, runaway=False)
        share = ev.mean() / large / fit.variance
        return replace(fit, variance=share * fit.variance, upper=share * fit.upper)

    monkeypatch.setattr(bulk, "fit_bulk", wrong)
    assert red("spikes" if mutant == "variance by the trace" else "not noise")
