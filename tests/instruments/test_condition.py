import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.instruments import instrument
from spinfunnel.instruments.condition import duplicates


def noise(rows=50, columns=70, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def row(array):
    return sf.condition(array).table("layers").iloc[0]


def test_a_sound_matrix_is_called_so():
    assert row(noise())["label"] == "sound"
    s = np.linalg.svd(noise().astype(float), compute_uv=False)
    assert row(noise())["condition_number"] == pytest.approx(s[0] / s[-1], rel=1e-6)


def test_dead_units_and_inputs_are_counted():
    array = noise()
    array[[4, 9]] = 0
    array[:, 3] = 0
    seen = row(array)
    assert (seen["dead_units"], seen["dead_inputs"], seen["label"]) == (2, 1, "idle units")


def test_one_zero_row_may_be_padding():
    array = noise()
    array[0] = 0
    assert row(array)["verdict"] == "info"


def test_duplicates_are_found_up_to_a_positive_factor_only():
    array = noise(400, 30)
    array[17] = 0.25 * array[301]
    array[200] = -array[100]
    array[5] = array[6] = array[7]
    norms = np.linalg.norm(array, axis=1)
    assert list(duplicates(array, norms, seed=2)) == [6, 7, 301]


def test_rows_that_are_only_nearly_parallel_are_not_duplicates():
    assert row(noise(10_000, 2))["duplicate_units"] == 0


def test_nan_and_zeros_are_bad_and_the_rest_stands():
    broken = noise()
    broken[2, 2] = np.inf
    report = sf.diagnose({"a": broken, "b": np.zeros((20, 20)), "c": noise()}, only=["condition"])
    table = report["condition"].table()
    assert list(table["label"]) == ["not finite", "all zero", "sound"]
    assert report.verdicts["condition"].outcome == "bad"
    assert report.verdicts["condition"].evidence == ("a", "b")


def test_extreme_norms_are_news_but_no_fault():
    array = noise()
    array[3] *= 50
    array[4] /= 50
    assert row(array)["extreme_units"] == 2
    assert row(array)["verdict"] == "info"


def test_the_calibrations_hold():
    rows = [row for c in instrument("condition").calibrations for row in c.run(1)]
    assert rows
    assert all(row.ok for row in rows), rows
