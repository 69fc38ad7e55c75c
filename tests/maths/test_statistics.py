import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.statistics import (
    ChainTooShort,
    autocorrelation_time,
    autoregressive,
    calibrations,
    mean_of_replicas,
)


def test_calibrations():
    rows = [row for calibration in calibrations for row in calibration.run(0)]
    assert len(rows) == 2
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


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
