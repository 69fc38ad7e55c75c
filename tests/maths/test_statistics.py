import numpy as np
import pytest
import scipy.stats

from spinfunnel.core import BadInput
from spinfunnel.maths.statistics import (
    ChainTooShort,
    autocorrelation_time,
    autoregressive,
    calibrations,
    drift,
    jackknife,
    mean_of_replicas,
)


def test_calibrations():
    rows = [row for calibration in calibrations for row in calibration.run(0)]
    assert len(rows) == 4
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


def test_the_error_bar_is_the_spread_over_chains():
    """τ = 4 of AR(1) with a = 0.6, forty times: the bars are as wide as the estimates scatter."""
    found = [autocorrelation_time(autoregressive(4000, 4, 0.6, seed)) for seed in range(40)]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - 4) < 4 * values.std() / 40**0.5
    assert values.std() / np.mean([one.error for one in found]) == pytest.approx(1, abs=0.35)


def test_white_noise_has_one():
    noise = np.random.default_rng(0).standard_normal((5000, 8))
    tau = autocorrelation_time(noise)
    assert abs(tau.value - 1) < 4 * tau.error


def test_a_chain_too_short_is_refused_with_the_estimate():
    with pytest.raises(ChainTooShort, match="make the chain longer") as refused:
        autocorrelation_time(autoregressive(400, 16, 0.9, 1))
    assert refused.value.estimate.value == pytest.approx(19, rel=0.3)
    autocorrelation_time(autoregressive(2000, 16, 0.9, 1))


@pytest.mark.parametrize("series", [np.ones(50), np.array([1.0]), np.array([1.0, np.nan, 2.0])])
def test_bad_input(series):
    with pytest.raises(BadInput):
        autocorrelation_time(series)


def test_replicas_are_the_blocks():
    series = autoregressive(300, 500, 0.9, 3) + 2
    mean = mean_of_replicas(series)
    assert mean.error == pytest.approx((19 / (1 - 0.9**2) / 300 / 500) ** 0.5, rel=0.15)
    assert abs(mean.value - 2) < 4 * mean.error
    with pytest.raises(BadInput, match="two or more"):
        mean_of_replicas(series[:, :1])


def test_the_jackknife_of_a_mean_is_its_standard_error_and_of_a_square_has_its_slope():
    x = np.random.default_rng(0).normal(3, 1, size=200)
    error = x.std(ddof=1) / np.sqrt(200)
    value, found = jackknife(lambda kept: np.array([x[kept].mean(), x[kept].mean() ** 2]), 200)
    assert value[0] == x.mean()
    assert found[0] == pytest.approx(error)
    assert found[1] == pytest.approx(2 * x.mean() * error, rel=1e-3)
    with pytest.raises(BadInput, match="two or more"):
        jackknife(lambda kept: kept, 1)


def test_a_drift_is_a_difference_of_halves_in_its_own_errors():
    x = np.random.default_rng(1).normal(size=(80, 3, 12))
    moved = x[40:].mean(axis=0) - x[20:40].mean(axis=0)
    sigma, p = drift(x)
    assert sigma == pytest.approx(moved.mean(axis=1) / moved.std(axis=1, ddof=1) * np.sqrt(12))
    assert p == pytest.approx(scipy.stats.ttest_1samp(moved, 0, axis=1).pvalue)
    assert drift(np.zeros((8, 4)))[0] == 0
    with pytest.raises(BadInput, match="four records"):
        drift(np.zeros((3, 4)))
