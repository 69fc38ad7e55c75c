import math

import numpy as np
import pytest

from spinfunnel.maths.bulk import calibrations, fit_bulk, is_orthogonal
from spinfunnel.maths.random_matrices import invert_spikes, wishart_eigenvalues
from spinfunnel.maths.spectra import gram_eigenvalues

RNG = np.random.default_rng(8)


def test_noise_of_another_scale_gives_its_variance_and_edges():
    ev = 0.37 * wishart_eigenvalues(300, 700, RNG)
    bulk = fit_bulk(ev, 300, 700)
    assert bulk.variance == pytest.approx(0.37, rel=0.01)
    assert bulk.lower == pytest.approx(0.37 * (math.sqrt(700) - math.sqrt(300)) ** 2, rel=0.01)
    assert bulk.upper == pytest.approx(0.37 * (math.sqrt(700) + math.sqrt(300)) ** 2, rel=0.01)
    assert bulk.upper < bulk.threshold < 1.1 * bulk.upper
    assert len(bulk.spikes) == 0
    assert bulk.is_mp
    assert bulk.sigma == math.sqrt(bulk.variance)


def test_the_fit_scales_with_the_matrix():
    ev = wishart_eigenvalues(100, 150, RNG, strength=2.5 * 15000**0.25)
    one, other = fit_bulk(ev, 100, 150), fit_bulk(1e-7 * ev, 100, 150)
    assert len(one.spikes) == len(other.spikes) > 0
    assert other.variance == pytest.approx(1e-7 * one.variance)
    assert other.ks == pytest.approx(one.ks)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_spikes_leave_the_variance_as_it_was(k):
    m, n = 400, 500
    strengths = np.linspace(1.6, 4, k) * (m * n) ** 0.25
    left, right = (np.linalg.qr(RNG.standard_normal((side, k)))[0] for side in (m, n))
    ev = gram_eigenvalues(RNG.standard_normal((m, n)) + (left * strengths) @ right.T)
    bulk = fit_bulk(ev, m, n)
    assert len(bulk.spikes) == k
    np.testing.assert_array_equal(bulk.spikes, ev[-k:])
    assert bulk.variance == pytest.approx(1, abs=0.012)
    assert bulk.is_mp
    found = invert_spikes(bulk.spikes, bulk.variance, m, n).strength
    np.testing.assert_allclose(found, strengths, rtol=0.15)


def test_dead_rows_are_not_part_of_the_bulk():
    ev = np.concatenate([np.zeros(40), wishart_eigenvalues(200, 300, RNG)])
    bulk = fit_bulk(ev, 240, 300)
    assert (bulk.small, bulk.large) == (200, 300)
    assert bulk.variance == pytest.approx(1, abs=0.02)
    assert bulk.is_mp


def test_a_bulk_with_no_noise_in_it_claims_no_sigma():
    lognormal = np.sort(np.exp(1.5 * RNG.standard_normal(300)))
    bulk = fit_bulk(lognormal, 300, 400)
    assert not bulk.is_mp
    assert bulk.sigma is None
    low_rank = gram_eigenvalues(RNG.standard_normal((100, 3)) @ RNG.standard_normal((3, 200)))
    assert not fit_bulk(low_rank, 100, 200).is_mp


@pytest.mark.parametrize(
    "ev", [np.zeros(5), np.ones(300), np.array([2.0]), np.array([1.0, 1.0]), np.array([0.0, 1.0, 1e9])]
)
def test_degenerate_spectra_claim_nothing(ev):
    bulk = fit_bulk(ev, len(ev), 2 * len(ev))
    assert not bulk.is_mp
    assert bulk.sigma is None
    assert len(bulk.spikes) <= 1


def test_orthogonal_matrices_are_told():
    q, _ = np.linalg.qr(RNG.standard_normal((60, 40)))
    assert is_orthogonal(gram_eigenvalues(3 * q.astype(np.float32)))
    assert not is_orthogonal(gram_eigenvalues(q + 1e-3 * RNG.standard_normal(q.shape)))
    assert not is_orthogonal(np.array([1.0]))


@pytest.mark.parametrize("calibration", calibrations, ids=lambda c: c.name)
def test_calibrations_hold(calibration):
    rows = list(calibration.run(12))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows)
