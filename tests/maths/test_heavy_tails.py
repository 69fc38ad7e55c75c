"""The fast fit against the naive one, and the promises of the interval on samples of known law."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.heavy_tails import (
    bootstrap_alpha,
    calibrations,
    correlated_spectrum,
    fit_power_law,
    try_every_candidate,
)


def wishart(rng, m, n):
    return np.linalg.eigvalsh((w := rng.normal(size=(m, n)) * 0.7) @ w.T)


def pareto(rng, n, alpha):
    return 0.3 * (rng.pareto(alpha - 1, n) + 1)


SPECTRA = {
    "wishart": lambda rng: wishart(rng, 128, 300),
    "square wishart": lambda rng: wishart(rng, 100, 100),
    "pareto": lambda rng: pareto(rng, 384, 3.0),
    "correlated": lambda rng: correlated_spectrum(rng, 96, 150, 2.5),
    "lognormal": lambda rng: rng.lognormal(-1, 1.3, 200),
    "twenty": lambda rng: pareto(rng, 20, 2.2),
    "ties": lambda rng: np.round(pareto(rng, 150, 2.5), 2),
    "log-uniform over six decades": lambda rng: 10 ** rng.uniform(-6, 0, 120),
}


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("floor", [1e-5, None])
def test_the_fast_fit_is_the_naive_fit(kind, floor):
    rng = np.random.default_rng(7)
    for _ in range(8):
        x = SPECTRA[kind](rng)
        slow = try_every_candidate(x, floor if floor is not None else 1e-10 * x.max())
        fit = fit_power_law(x, floor=floor)
        assert (fit.tail, fit.points) == (slow.tail, slow.points)
        assert [fit.alpha, fit.xmin, fit.distance] == pytest.approx(
            [slow.alpha, slow.xmin, slow.distance], rel=1e-9
        )
        assert fit.sigma == pytest.approx((slow.alpha - 1) / np.sqrt(slow.tail), rel=1e-9)


def test_the_referee_is_right_on_three_points_worked_by_hand():
    # x = 1, e, e³. From xmin = 1: α - 1 = 3/4, and D = |1 - e^-(9/4) - 2/3| = .2279 (at e it is .1943).
    # From xmin = e: α - 1 = 1, D = |1 - e^-2 - 1/2| = .3647. So xmin = 1.
    fit = try_every_candidate(np.exp([0.0, 1.0, 3.0]), 0.0)
    assert (fit.alpha, fit.xmin, fit.tail) == (pytest.approx(1.75), 1.0, 3)
    assert fit.distance == pytest.approx(1 - np.exp(-9 / 4) - 2 / 3)


def test_alpha_does_not_depend_on_units_and_an_absolute_floor_would():
    x = correlated_spectrum(np.random.default_rng(1), 120, 120, 2.5)
    fit, tiny = fit_power_law(x), fit_power_law(1e-7 * x)
    assert (tiny.alpha, tiny.tail) == (pytest.approx(fit.alpha, rel=1e-9), fit.tail)
    assert tiny.xmin == pytest.approx(1e-7 * fit.xmin, rel=1e-9)
    assert fit_power_law(1e-7 * x, floor=1e-5).points < len(x)


@pytest.mark.parametrize(
    "x", [[], np.zeros(50), np.ones(50), np.arange(1.0, 8), [1e-3] * 100 + [1e-3 * (1 + 1e-14)]], ids=range(5)
)
def test_nothing_to_fit_is_nan_and_no_number_that_could_be_labelled(x):
    fit = fit_power_law(np.asarray(x))
    assert np.isnan([fit.alpha, fit.xmin, fit.distance, fit.sigma]).all()
    assert fit.tail == 0
    interval = bootstrap_alpha(np.asarray(x), fit, np.random.default_rng(0))
    assert (interval.low, interval.high) == (None, None)


def test_infinite_eigenvalues_are_refused():
    with pytest.raises(BadInput, match="finite"):
        fit_power_law(np.array([1.0, np.inf] * 10))


def test_a_short_spectrum_has_an_exponent_without_an_interval():
    x = pareto(np.random.default_rng(0), 15, 2.5)
    number = bootstrap_alpha(x, fit_power_law(x), np.random.default_rng(0))
    assert number.value > 1
    assert number.low is None


def test_the_interval_is_around_the_fit_and_repeats_with_its_seed():
    x = pareto(np.random.default_rng(3), 384, 3.0)
    fit = fit_power_law(x)
    first, second = (bootstrap_alpha(x, fit, np.random.default_rng(9)) for _ in range(2))
    assert first == second
    assert first.value == fit.alpha
    assert (first.low - 1) * (first.high - 1) == pytest.approx((fit.alpha - 1) ** 2)


def test_the_grid_gives_the_width_of_exact_refits():
    """Averaged over spectra, because either width has its own noise of some 13 %."""
    rng = np.random.default_rng(5)
    ratios = []
    for _ in range(6):
        x = pareto(rng, 256, 2.5)
        number = bootstrap_alpha(x, fit_power_law(x), rng, resamples=200, level=0.68268949)
        exact = [np.log(fit_power_law(rng.choice(x, len(x))).alpha - 1) for _ in range(200)]
        low, high = np.quantile(exact, [0.1587, 0.8413])
        ratios.append(np.log((number.high - 1) / (number.low - 1)) / (high - low))
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("effort", ["quick", pytest.param("full", marks=pytest.mark.slow)])
def test_calibrated(effort):
    for calibration in calibrations:
        if calibration.effort == effort:
            rows = list(calibration.run(0))
            assert rows
            assert [row for row in rows if not row.ok or abs(row.sigma or 0) > 4] == []
