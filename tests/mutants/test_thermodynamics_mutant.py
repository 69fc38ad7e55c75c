"""Planted bugs must turn the calibration of `thermodynamics`, or of the reweighting under it, red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.thermodynamics import calibration, measuring
from spinfunnel.maths import reweighting


def glass(seed):
    """One of the systems of the calibration with all states."""
    return calibration.against("sk", 14, 1000, (0.01, 0.02, 0.005), seed)


def red(run=glass):
    return [row.quantity for row in judge_calibration(run(0)).rows if not row.ok]


def rewritten(monkeypatch, old, new):
    source = inspect.getsource(measuring)
    assert source.count(old) == 1
    names = dict(vars(measuring))
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(calibration, "measured", names["measured"])


def test_the_original_is_green():
    assert red() == []
    assert red(reweighting.calibrations[0].run) == []


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("heat = wanted[: len(t)] ** 2 * ", "heat = ", "c"),
        ("s = wanted * energy / size + log_z", "s = -wanted * energy / size + log_z", "s"),
        ("size * math.log(2)", "math.log(2)", "s"),
        ("u[: len(t)], c[: len(t)] = mean / size", "u[: len(t)], c[: len(t)] = mean / (size - 1)", "u"),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, old, new, wrong):
    rewritten(monkeypatch, old, new)
    assert set(red()) == {wrong}


def test_records_counted_at_the_wrong_temperature_are_noticed(monkeypatch):
    right = reweighting.multi_histogram
    monkeypatch.setattr(reweighting, "multi_histogram", lambda e, n, betas: right(e, n, betas * 1.05))
    assert red(reweighting.calibrations[0].run)


def test_error_bars_that_are_too_small_are_noticed(monkeypatch):
    right = reweighting.jackknife

    def naive(estimate, blocks):
        value, error = right(estimate, blocks)
        return value, error / np.sqrt(40)

    monkeypatch.setattr(reweighting, "jackknife", naive)
    assert red(reweighting.calibrations[0].run)
