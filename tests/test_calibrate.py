import json

import numpy as np
import pytest

from spinfunnel.calibrate import calibrations, judge_calibration, measured, run_calibrations, to_json
from spinfunnel.core import BadInput, CalibrationRow


def rows(sigmas):
    return [
        CalibrationRow.measured("x", f"s {i}", str(i), exact=0.0, value=float(s), error=1.0, cap=1.0)
        for i, s in enumerate(sigmas)
    ]


def test_normal_sigmas_pass_and_one_far_off_fails_its_row():
    sigmas = np.random.default_rng(3).normal(size=60)
    assert judge_calibration(rows(sigmas)).ok
    sigmas[17] = 5.0
    judged = judge_calibration(rows(sigmas))
    assert [row.ok for row in judged.rows].count(False) == 1
    assert not judged.rows[17].ok


def test_three_sigma_among_sixty_is_no_failure():
    """The 1 % level is over all rows together: 3 sigma among 60 is ordinary."""
    sigmas = np.random.default_rng(5).normal(size=60)
    sigmas[0] = 3.0
    assert judge_calibration(rows(sigmas)).rows[0].ok
    assert not judge_calibration(rows([3.0])).ok


def test_rows_of_the_same_draws_are_one_in_the_set():
    """Thirty systems, each with ten rows that share what chance gave them: no evidence of anything."""
    once = np.random.default_rng(6).normal(size=30)
    repeated = [
        CalibrationRow.measured("x", f"s {i}", str(k), exact=0.0, value=float(s), error=1.0, cap=1.0)
        for i, s in enumerate(once)
        for k in range(10)
    ]
    judged, alone = judge_calibration(repeated), judge_calibration(rows(once))
    assert (judged.chi2_p, judged.ks_p) == (alone.chi2_p, alone.ks_p)


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_error_bars_too_wide_or_too_narrow_are_found_in_the_set(scale):
    sigmas = scale * np.random.default_rng(4).normal(size=60)
    judged = judge_calibration(rows(np.clip(sigmas, -3, 3)))
    assert not judged.ok


def test_rows_of_numpy_numbers_can_be_written():
    row = CalibrationRow.deterministic(
        "x", "s", "q", exact=np.int64(3), value=np.float64("nan"), tolerance=np.float32(1)
    )
    document = to_json(judge_calibration([row]), effort="quick", seed=0)
    written = json.loads(json.dumps(document, allow_nan=False))["rows"][0]
    assert (written["exact"], written["value"], written["ok"]) == (3, None, False)


def test_a_crash_is_not_ok():
    assert not judge_calibration([], ["spectrum: ValueError"]).ok


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(BadInput, match="random_matrices"):
        run_calibrations(["spektrum"])


def test_every_instrument_has_calibrations():
    from spinfunnel.instruments import NAMES

    assert set(NAMES) <= set(calibrations())


def test_recorded_rows_are_found_by_name():
    assert all(row["of"] == "traps" for row in measured("traps"))
