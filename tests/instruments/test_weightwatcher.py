import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument


def test_it_runs_only_when_asked_for():
    array = np.random.default_rng(0).normal(size=(30, 40))
    assert "weightwatcher" not in sf.diagnose(array).findings
    assert sf.weightwatcher(array).table()["num_evals"][0] == 30


def test_a_convolution_is_pooled_over_its_kernel_and_halved():
    kernel = np.random.default_rng(1).normal(size=(24, 20, 3, 3))
    row = sf.weightwatcher({"conv.weight": kernel}).table().iloc[0]
    assert (row["rf"], row["num_evals"], row["M"], row["N"]) == (9, 180, 20, 24)
    assert row["norm"] == pytest.approx((kernel**2).sum() / 2, rel=1e-12)
    ev = np.sort(np.linalg.svd(kernel.transpose(2, 3, 0, 1), compute_uv=False).ravel() ** 2) / 2
    assert row["lambda_max"] == pytest.approx(ev[-1], rel=1e-12)


def test_its_word_is_repeated_and_never_judged():
    rng = np.random.default_rng(2)
    report = sf.diagnose(rng.normal(size=(200, 4000)), only=["weightwatcher"])
    assert report["weightwatcher"].table()["label"][0] == "under-trained"
    assert report.verdicts["weightwatcher"].outcome == "info"


def test_a_layer_with_nan_has_no_warning():
    row = sf.weightwatcher(np.full((30, 30), np.nan)).table().iloc[0]
    assert row["status"] == "not finite"
    assert row["label"] == "no warning"


def test_the_calibrations_hold():
    rows = [row for c in instrument("weightwatcher").calibrations for row in c.run(3)]
    assert rows
    assert all(row.ok for row in rows), rows
