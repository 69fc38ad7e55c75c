import math

import numpy as np
import pytest
from scipy.integrate import quad, simpson
from scipy.stats import ks_2samp

from spinfunnel.maths.random_matrices import (
    calibrations,
    invert_spikes,
    marchenko_pastur_cdf,
    marchenko_pastur_edges,
    marchenko_pastur_pdf,
    marchenko_pastur_quantile,
    spike_eigenvalue,
    top_center_and_scale,
    top_threshold,
    tracy_widom_determinant,
    tracy_widom_quantile,
    tracy_widom_sf,
    wishart_eigenvalues,
)


@pytest.mark.parametrize("y", [0.003, 0.37, 0.98, 1.0])
def test_marchenko_pastur_cdf_is_the_integral_of_its_density(y):
    lower, upper = marchenko_pastur_edges(y)
    for x in np.linspace(lower, upper, 9):
        share, _ = quad(  # u = sqrt(x - a) takes the pole at 0 away
            lambda u: 2 * u * float(marchenko_pastur_pdf(np.array(lower + u * u), y)),
            0,
            math.sqrt(x - lower),
            epsabs=1e-11,
        )
        assert float(marchenko_pastur_cdf(np.array(x), y)) == pytest.approx(share, abs=1e-8)
    outside = np.array([-1.0, lower, upper, upper + 1])
    np.testing.assert_allclose(marchenko_pastur_cdf(outside, y), [0, 0, 1, 1], atol=1e-12)
    np.testing.assert_array_equal(marchenko_pastur_pdf(outside[[0, 3]], y), 0)


@pytest.mark.parametrize("y", [0.003, 0.37, 1.0])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.97])
def test_marchenko_pastur_quantile_inverts_the_cdf(y, share):
    x = marchenko_pastur_quantile(share, y)
    assert float(marchenko_pastur_cdf(np.array(x), y)) == pytest.approx(share, abs=1e-6)


def test_tracy_widom_against_its_fredholm_determinant():
    for s in np.linspace(-4, 4, 17):
        assert tracy_widom_sf(s) == pytest.approx(tracy_widom_determinant(s), abs=1.1e-3)
    for level in (0.05, 0.01, 0.001):
        assert tracy_widom_determinant(tracy_widom_quantile(level)) == pytest.approx(level, rel=0.06)
        assert tracy_widom_sf(tracy_widom_quantile(level)) == pytest.approx(level)
    # literature values of the 95 and 99 % points
    assert tracy_widom_determinant(0.9793) == pytest.approx(0.05, abs=1e-5)
    assert tracy_widom_determinant(2.0234) == pytest.approx(0.01, abs=1e-5)


def test_mean_and_variance_of_tracy_widom():
    from spinfunnel.maths.random_matrices import _TW_MEAN, _TW_VARIANCE

    s = np.linspace(-12, 12, 241)
    cdf = 1 - np.array([tracy_widom_determinant(x) for x in s])
    mean = 12 - simpson(cdf, x=s)
    square = 144 - 2 * simpson(s * cdf, x=s)
    assert mean == pytest.approx(_TW_MEAN, abs=1e-4)
    assert square - mean**2 == pytest.approx(_TW_VARIANCE, abs=1e-3)


@pytest.mark.parametrize("strength", [0.0, 12.0])
def test_bidiagonal_spectra_are_those_of_direct_matrices(strength):
    rng = np.random.default_rng(3)
    drawn = np.array([wishart_eigenvalues(12, 18, rng, strength=strength) for _ in range(1500)])
    noise = rng.standard_normal((1500, 12, 18))
    noise[:, 5, 2] += strength
    direct = np.linalg.svd(noise, compute_uv=False)[:, ::-1] ** 2
    for statistic in (
        lambda ev: ev[:, 0],
        lambda ev: ev[:, 6],
        lambda ev: ev[:, -1],
        lambda ev: np.log(ev).sum(1),
    ):
        assert ks_2samp(statistic(drawn), statistic(direct)).pvalue > 0.01 / 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (9, 3)])
def test_small_wishart_spectra(shape):
    rng = np.random.default_rng(0)
    draws = np.array([wishart_eigenvalues(*shape, rng) for _ in range(3000)])
    assert draws.shape == (3000, min(shape))
    assert (np.diff(draws, axis=1) >= 0).all()
    traces = draws.sum(axis=1)
    assert abs(traces.mean() - shape[0] * shape[1]) < 4 * traces.std() / math.sqrt(3000)


def test_largest_eigenvalue_is_centred_and_scaled_to_tracy_widom():
    rng = np.random.default_rng(6)
    center, scale = top_center_and_scale(60, 200)
    top = np.array([wishart_eigenvalues(60, 200, rng)[-1] for _ in range(2000)])
    standard = (top - center) / scale
    assert abs(standard.mean() + 1.2065) < 4 * 1.268 / math.sqrt(2000)
    assert standard.std() == pytest.approx(1.268, rel=0.06)


@pytest.mark.parametrize(("shape", "level"), [((16, 16), 0.05), ((32, 32), 0.05), ((40, 400), 0.05)])
def test_threshold_relative_to_the_trace_has_its_level(shape, level):
    rng = np.random.default_rng(5)
    limit = top_threshold(level, *shape)
    draws = [wishart_eigenvalues(*shape, rng) for _ in range(4000)]
    rate = np.mean([ev[-1] > limit * ev.sum() / (shape[0] * shape[1]) for ev in draws])
    assert abs(rate - level) < 0.015  # 4 errors


@pytest.mark.parametrize(("small", "large", "variance"), [(30, 30, 1.0), (30, 200, 0.37), (300, 301, 2.5)])
def test_inverting_a_spike_gives_its_strength_back(small, large, variance):
    threshold = math.sqrt(variance) * (small * large) ** 0.25
    theta = threshold * np.array([1.01, 1.5, 3.0, 40.0])
    found = invert_spikes(spike_eigenvalue(theta, variance, small, large), variance, small, large)
    np.testing.assert_allclose(found.strength, theta, rtol=1e-9)
    assert (np.diff(found.left_overlap2) > 0).all()
    assert found.left_overlap2[-1] > 0.99
    assert (found.left_overlap2 >= found.right_overlap2 - 1e-12).all()  # fewer directions to be lost in
    assert np.isnan(spike_eigenvalue(np.array(0.99 * threshold), variance, small, large))
    at_edge = invert_spikes(
        np.array([variance * (math.sqrt(small) + math.sqrt(large)) ** 2]), variance, small, large
    )
    assert at_edge.strength[0] == pytest.approx(threshold, rel=1e-6)
    assert at_edge.left_overlap2[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("calibration", calibrations, ids=lambda c: c.name)
def test_calibrations_hold(calibration):
    rows = list(calibration.run(11))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows)
