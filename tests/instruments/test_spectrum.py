import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.core import CalibrationRow
from spinfunnel.instruments import instrument
from spinfunnel.instruments.spectrum.calibration import label, with_spectrum


def noise(rows, columns, seed=0, scale=0.02):
    return scale * np.random.default_rng(seed).normal(size=(rows, columns))


def row(array, effort="normal"):
    return sf.spectrum(array, effort=effort).table("layers").iloc[0]


def spiked(rows, columns, strengths, seed=0, sd=0.3):
    """Noise plus directions of c thresholds each; c multiplies theta."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, len(strengths))))[0]
    right = np.linalg.qr(rng.normal(size=(columns, len(strengths))))[0]
    theta = np.array(strengths) * sd * (rows * columns) ** 0.25
    return sd * rng.normal(size=(rows, columns)) + (left * theta) @ right.T


@pytest.mark.parametrize("shape", [(40, 40), (128, 128), (300, 70), (64, 500)])
def test_noise_is_like_noise_and_sigma_is_its_own(shape):
    seen = row(noise(*shape, seed=5, scale=0.7))
    assert seen["label"] == "like noise"
    assert seen["sigma"] == pytest.approx(0.7, rel=4 / min(shape))
    assert "untrained" not in seen["reason"]


def test_spikes_are_counted_and_their_strength_and_overlap_inverted():
    strengths = (2.0, 3.0, 4.0)
    seen = row(spiked(250, 400, strengths, sd=0.3))
    assert seen["label"] == "structured"
    assert seen["above_edge"] == 3
    theta = 4.0 * 0.3 * (250 * 400) ** 0.25
    assert seen["top_strength"] == pytest.approx(theta, rel=0.05)
    assert 0.85 < seen["top_left_overlap"] < 1.0


def test_a_transposed_and_a_scaled_matrix_have_the_same_answers():
    array = spiked(150, 220, (2.5, 3.5))
    one, other, scaled = row(array), row(array.T), row(1e4 * array)
    for key in ("alpha", "above_edge", "stable_rank", "entropy", "mp_ks"):
        assert one[key] == pytest.approx(other[key], rel=1e-6)
        assert one[key] == pytest.approx(scaled[key], rel=1e-6)
    assert scaled["sigma"] == pytest.approx(1e4 * one["sigma"])


def test_a_heavy_tailed_spectrum_is_called_so_with_its_exponent_in_the_interval():
    rng = np.random.default_rng(2)
    ev = np.sort(1 + rng.pareto(1.2, size=384))
    seen = row(with_spectrum(ev, 384, rng))
    assert seen["label"] == "heavy-tailed"
    assert seen["alpha_low"] < 2.2 < seen["alpha_high"]
    assert seen["alpha_null_p"] < 0.01
    assert np.isnan(seen["sigma"])  # no noise bulk, so no noise level is claimed


def test_rows_of_unequal_scale_are_a_bulk_that_is_not_marchenko_pastur():
    rng = np.random.default_rng(3)
    array = rng.normal(size=(256, 256)) * rng.lognormal(sigma=0.4, size=(256, 1))
    assert row(array)["label"] in ("bulk not MP", "heavy-tailed")
    assert np.isnan(row(array)["sigma"])


def test_an_orthogonal_matrix_has_its_own_name():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(90, 60)))[0].T
    assert row(3.7 * q)["label"] == "orthogonal"


def test_heavy_entries_are_not_structure():
    entries = np.random.default_rng(1).standard_t(2.5, size=(200, 200))
    assert row(entries)["label"] == "heavy entries"


def test_a_mean_is_one_of_the_spikes_and_said_to_be():
    seen = row(noise(120, 120, scale=1.0) + 0.5)
    assert seen["above_edge"] == 1
    assert "mean of the entries" in seen["reason"]


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((30, 40)), "zero"),
        (np.ones((2, 300)), "only 2 eigenvalues"),
        (np.where(np.eye(40, 50) > 0, np.nan, 0.1), "40 entries are NaN"),
        (np.full((20, 20), np.inf), "400 entries are NaN or infinite"),
    ],
)
def test_what_cannot_be_measured_says_why(array, why):
    seen = row(array)
    assert seen["label"] == "cannot tell"
    assert why in seen["reason"]


def test_one_matrix_with_nan_leaves_the_others():
    finding = sf.spectrum({"a.weight": noise(30, 40, seed=5), "b.weight": np.full((30, 40), np.nan)})
    assert list(finding.table("layers")["label"]) == ["like noise", "cannot tell"]


def test_norms_and_ranks_are_those_of_numpy():
    array = spiked(60, 80, (3.0,))
    array[7] = array[8]
    seen = row(array)
    assert seen["frobenius_norm"] == pytest.approx(np.linalg.norm(array), rel=1e-9)
    assert seen["spectral_norm"] == pytest.approx(np.linalg.norm(array, 2), rel=1e-9)
    assert seen["rank"] == np.linalg.matrix_rank(array) == 59
    s = np.linalg.svd(array, compute_uv=False)
    assert seen["stable_rank"] == pytest.approx((s**2).sum() / s[0] ** 2, rel=1e-9)


def test_the_drawn_density_integrates_to_one_and_the_law_to_its_share():
    finding = sf.spectrum(spiked(200, 300, (3.0, 4.0)))
    series = {s.label: s for s in finding.series if s.panel == "spectral density"}
    drawn = series["measured"]
    assert np.sum(drawn.y * np.diff(drawn.x)) == pytest.approx(1, abs=1e-9)
    law = series["Marchenko-Pastur"]
    assert np.trapezoid(law.y, law.x) == pytest.approx(198 / 200, abs=2e-3)
    assert len(series["spikes"].x) == 2


def test_full_effort_adds_a_goodness_of_fit():
    seen = row(spiked(100, 100, (3.0,)), effort="full")
    assert 0 <= seen["power_law_p"] <= 1
    assert seen["shuffled_above_edge"] <= 1


def test_the_verdict_counts_what_is_like_noise():
    report = sf.diagnose({"a": noise(64, 64), "b": spiked(100, 120, (3.0, 4.0))}, only=["spectrum"])
    verdict = report.verdicts["spectrum"]
    assert verdict.outcome == "warning"
    assert "1 of 2 matrices cannot be told from noise" in verdict.sentence
    assert "like noise: a" in verdict.evidence


def test_the_quick_calibrations_hold():
    for calibration in instrument("spectrum").calibrations:
        if calibration.name in ("spikes are seen", "heavy entries"):
            rows = list(calibration.run(20))
            assert rows
            assert all(isinstance(one, CalibrationRow) and one.ok for one in rows), rows


def test_labels_do_not_depend_on_the_float_type():
    array = spiked(128, 128, (2.5,)).astype(np.float32)
    assert label(array) == label(array.astype(np.float64)) == "structured"
