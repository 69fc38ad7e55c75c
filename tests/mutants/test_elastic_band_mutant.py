"""Planted bugs in elastic bands and the search of saddles: each must turn the calibration red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.dynamics import elastic_band

(SURFACES,) = elastic_band.calibrations


def red():
    return [row for row in judge_calibration(SURFACES.run(0)).rows if not row.ok]


def test_the_original_is_green():
    assert not red()


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        ("nudged", "force = -across +", "force = 0 * across +"),
        ("nudged", "2 * _dot(slope, tangent)", "0 * _dot(slope, tangent)"),
        ("_highest", "(1, BETWEEN, BETWEEN**2)", "(1,)"),
        ("saddles", "step[moving.argmax()] *= -1", "pass"),
        ("saddles", "<= STILL * hard", "<= 1e-3 * hard"),
        ("sides", "found.x - away", "found.x + away"),
    ],
)
def test_a_planted_bug_is_seen(monkeypatch, function, right, wrong):
    source = inspect.getsource(getattr(elastic_band, function))
    assert source.count(right) == 1
    names = dict(vars(elastic_band))
    exec(compile(source.replace(right, wrong), "mutant", "exec"), names)
    monkeypatch.setattr(elastic_band, function, names[function])
    assert red()
