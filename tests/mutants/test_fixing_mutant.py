"""Planted bugs in iterative fixing: each must turn a calibration red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.dynamics import fixing

ENERGIES, PLANTED = fixing.calibrations


def red(calibration):
    return [row for row in judge_calibration(calibration.run(0)).rows if not row.ok]


@pytest.mark.parametrize(
    ("calibration", "function", "right", "wrong"),
    [
        (ENERGIES, "fixed", "couplings * sign[i] * sign[j]", "couplings * sign[i]"),
        (ENERGIES, "fixed", "system.fields * sign", "system.fields"),
        (ENERGIES, "fixed", "(block, system.fields", "(block[::-1], system.fields"),
        (ENERGIES, "held", "= HELD *", "= 2 * HELD *"),
        (PLANTED, "_best", "argsort(energies", "argsort(-energies"),
        (PLANTED, "_best", "= system.energy(states)", "= 1.01 * system.energy(states)"),
    ],
    ids=["half a gauge", "fields lack it", "fields of others", "held twice", "highest first", "too low"],
)
def test_a_planted_bug_is_seen(monkeypatch, calibration, function, right, wrong):
    source = inspect.getsource(getattr(fixing, function))
    assert source.count(right) == 1
    names = dict(vars(fixing))
    exec(compile(source.replace(right, wrong), "mutant", "exec"), names)
    monkeypatch.setattr(fixing, function, names[function])
    assert red(calibration)
