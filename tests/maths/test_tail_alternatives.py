"""Likelihoods against brute-force quadrature, p-values against simulation, words against known laws."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize

from spinfunnel.maths.heavy_tails import PowerLaw, fit_power_law
from spinfunnel.maths.tail_alternatives import (
    _greenwood,
    calibrations,
    compare_tails,
    goodness_of_fit,
)


def whole(x):
    """Take a sample as a tail from its least value on."""
    return PowerLaw(1 + 1 / np.log(x / x.min()).mean(), x.min(), np.nan, len(x), len(x))


def gain_by_force(v, statistic):
    """Mean log-likelihood gained over e^-v by e^(-a v - b T(v))/Z, by adaptive quadrature and simplex."""
    mean = statistic(v).mean()

    def cost(p):
        a, b = p[0], np.exp(p[1])
        exponent = lambda s: -a * s - b * statistic(s)  # noqa: E731
        top = exponent(np.linspace(0, 40, 4001)).max()
        z = quad(lambda s: np.exp(min(exponent(s) - top, 0.5)), 0, 60, limit=400, points=[0.1, 1, 5, 20])[0]
        return a + b * mean + np.log(z) + top

    options = {"xatol": 1e-6, "fatol": 1e-11, "maxiter": 4000}
    least = min(minimize(cost, s, method="Nelder-Mead", options=options).fun for s in [(0.5, -1), (0.9, -5)])
    return max(1 - least, 0.0)


@pytest.mark.parametrize(
    "law",
    [
        lambda rng: rng.exponential(0.4, 120),
        lambda rng: np.abs(rng.normal(1, 0.5, 100)),
        lambda rng: np.log1p(2 * rng.exponential(size=80)),
        lambda rng: np.abs(rng.normal(2, 0.5, 300)),
    ],
    ids=["power law", "lognormal", "exponential", "narrow lognormal"],
)
def test_the_likelihood_ratios_are_those_of_brute_force(law):
    u = law(np.random.default_rng(2))
    comparison = compare_tails(
        0.2 * np.exp(np.append(u, 0)), PowerLaw(2, 0.2, np.nan, len(u) + 1, len(u) + 1)
    )
    v, m = u / u.mean(), u.mean()
    lognormal = 2 * len(u) * gain_by_force(v, lambda s: s * s)
    truncated = 2 * len(u) * gain_by_force(v, lambda s: np.expm1(np.minimum(m * s, 300)))
    assert comparison.lognormal == pytest.approx(lognormal, abs=1e-5)
    assert comparison.truncated == pytest.approx(truncated, abs=1e-5)


def test_vuong_by_its_formula():
    x = 1 + np.random.default_rng(4).exponential(2, 90)
    tail = np.sort(x)[1:]
    alpha, rate = 1 + 1 / np.log(tail / x.min()).mean(), 1 / (tail - x.min()).mean()
    power = np.log((alpha - 1) / x.min() * (tail / x.min()) ** -alpha)
    difference = power - np.log(rate * np.exp(-rate * (tail - x.min())))
    z = difference.sum() / np.sqrt(len(tail)) / difference.std()
    assert compare_tails(x, whole(x)).exponential == pytest.approx(z, rel=1e-9)
    assert z < -2


@pytest.mark.parametrize("n", [50, 200])
def test_the_null_of_cv_is_that_of_exponentials(n):
    u = np.random.default_rng(6).exponential(size=(40_000, n))
    statistic = (u**2).sum(axis=1) / u.sum(axis=1) ** 2
    for p in (0.01, 0.05, 0.5, 0.95, 0.99):
        error = np.sqrt(p * (1 - p) / len(u))
        assert _greenwood(np.quantile(statistic, p), n) == pytest.approx(
            p, abs=3 * error + 0.014 * (p < 0.96)
        )


def test_units_do_not_matter():
    x = np.random.default_rng(8).lognormal(size=150)
    here, there = compare_tails(x, whole(x)), compare_tails(1e-6 * x, whole(1e-6 * x))
    assert here.word == there.word
    assert [here.lognormal, here.truncated, here.exponential] == pytest.approx(
        [there.lognormal, there.truncated, there.exponential], rel=1e-6
    )


def test_a_short_tail_cannot_tell_whatever_it_is():
    rng = np.random.default_rng(9)
    words = {compare_tails(x, whole(x)).word for x in (1 + rng.exponential(size=49) for _ in range(20))}
    assert words == {"cannot tell"}


def test_nothing_fitted_compares_to_nothing():
    fit = fit_power_law(np.ones(60))
    assert compare_tails(np.ones(60), fit).word == "cannot tell"
    assert np.isnan(compare_tails(np.ones(60), fit).p_lognormal)
    assert np.isnan(goodness_of_fit(np.ones(60), fit, np.random.default_rng(0)))


def test_goodness_of_fit_is_a_p_value_and_repeats_with_its_seed():
    x = np.random.default_rng(1).pareto(2, 60) + 1
    p, again = (goodness_of_fit(x, fit_power_law(x), np.random.default_rng(2), resamples=20) for _ in "ab")
    assert p == again
    assert 1 / 21 <= p <= 1


def test_calibrated():
    for calibration in calibrations:
        if calibration.effort == "quick":
            rows = list(calibration.run(0))
            assert rows
            assert [row for row in rows if not row.ok] == []


def test_odd_tails_do_not_break_it():
    rng = np.random.default_rng(10)
    for n in (2, 3, 4, 5, 8, 60):
        for x in (
            1 + rng.exponential(1e-8, n),
            np.append(1.0, np.full(n, 2.0)),
            10 ** rng.uniform(-9, 9, n),
            np.append(np.ones(n), 1e9),
            1 / rng.random(n) ** 8,
        ):
            fit = PowerLaw(2.0, x.min(), 0.1, len(x), len(x))
            comparison = compare_tails(x, fit)
            assert comparison.word
            assert np.isnan(comparison.p_lognormal) or 0 <= comparison.p_lognormal <= 1
