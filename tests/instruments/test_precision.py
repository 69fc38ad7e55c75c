import ml_dtypes
import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument
from spinfunnel.instruments.precision import SAMPLE, significant_bits


def noise(rows=60, columns=90, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def row(array):
    return sf.precision(array).tables["layers"].rows()[0]


def test_significant_bits_are_counted_from_the_leading_one():
    assert significant_bits(np.float32([1, 2, 0.125])) == 1
    assert significant_bits(np.float32([1 + 2**-23])) == 24
    assert significant_bits(np.float32([8, 1 + 2**-7])) == 8
    assert significant_bits(np.array([1 + 2**-52])) == 53
    assert significant_bits(-noise()[0]) == 24


@pytest.mark.parametrize(
    ("narrow", "label", "bits"),
    [
        (np.float16, "float16 content", 16),
        (ml_dtypes.bfloat16, "bfloat16 content", 16),
        (np.float32, "full precision", 32),
    ],
)
def test_narrow_numbers_in_float32_are_named(narrow, label, bits):
    seen = row(noise().astype(narrow).astype(np.float32))
    assert (seen["label"], seen["bits"], seen["stored_bits"]) == (label, bits, 32)


def test_bfloat16_beyond_the_range_of_float16_is_not_float16():
    assert row((noise() * 1e-20).astype(ml_dtypes.bfloat16).astype(np.float32))["label"] == "bfloat16 content"


def test_float32_numbers_in_float64_are_named():
    assert row(noise().astype(np.float64))["label"] == "float32 content"
    assert row(np.random.default_rng(0).normal(size=(60, 90)))["label"] == "full precision"


def test_levels_are_counted():
    codes = np.random.default_rng(1).integers(1, 17, size=(60, 90)).astype(np.float32)
    seen = row(codes * np.float32(0.0123))
    assert (seen["label"], seen["levels"], seen["bits"]) == ("quantised", 16, 4)
    assert row(np.full((60, 90), 0.3, dtype=np.float32))["levels"] == 1


def test_what_is_stored_narrow_needs_it():
    for dtype in (np.float16, ml_dtypes.bfloat16):
        seen = row({"a.weight": noise().astype(dtype)})
        assert (seen["label"], seen["stored_bits"], seen["bits"]) == ("full precision", 16, 16)


def test_zeros_do_not_count():
    pruned = noise()
    pruned[pruned < 1] = 0
    assert row(pruned)["label"] == "full precision"
    assert row(np.zeros((60, 90), dtype=np.float32))["label"] == "cannot tell"


def test_nan_is_left_out():
    broken = noise()
    broken[3, 3] = np.nan
    assert row(broken)["label"] == "full precision"
    assert row(np.full((60, 90), np.inf, dtype=np.float32))["label"] == "cannot tell"


def test_a_large_matrix_is_sampled_from_all_over_it():
    big = noise(500, 400)
    big[:, :200] = big[:, :200].astype(np.float16)
    seen = row(big)
    assert seen["looked_at"] <= SAMPLE
    assert seen["label"] == "full precision"


def test_one_wide_entry_among_many_is_not_missed():
    big = noise(500, 400).astype(np.float16).astype(np.float32)
    assert row(big)["label"] == "float16 content"
    for place in ((0, 0), (251, 17), (499, 399)):
        almost = big.copy()
        almost[place] = 0.1
        assert row(almost)["label"] == "full precision"


def test_the_verdict_adds_up_the_bits():
    half = noise(90, 60).astype(np.float16).astype(np.float32)
    report = sf.diagnose({"a.weight": noise(), "b.weight": half}, only=["precision"])
    verdict = report.verdicts["precision"]
    assert (verdict.outcome, verdict.label) == ("info", "narrow numbers")
    assert "1 of 2 matrices" in verdict.sentence
    assert "75 % of their bits" in verdict.sentence
    assert "b.weight" in verdict.evidence
    assert sf.diagnose({"a.weight": noise()}, only=["precision"]).outcome == "good"


def test_the_calibrations_hold():
    rows = [row for calibration in instrument("precision").calibrations for row in calibration.run(1)]
    assert rows
    assert all(row.ok for row in rows), rows
