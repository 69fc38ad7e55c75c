"""Planted bugs in ascents, moves and what is expected of them: each must turn a calibration red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.sharpness import calibration, measuring

CALIBRATIONS = {one.name: one for one in calibration.calibrations}


def red(*names):
    """A value that is not a number is red as well."""
    rows = judge_calibration([row for name in names for row in CALIBRATIONS[name].run(1)]).rows
    return [row.quantity for row in rows if not row.ok]


def test_the_original_is_green():
    assert red("three directions", "outliers") == []


def test_one_step_along_the_gradient_of_a_minimum_is_nowhere(monkeypatch):
    """Sharpness-aware minimisation's own step, ρ g/|g|, is 0/0 where it should be measured."""

    def one_step(system, w, scale, radius, starts):
        slope = scale * system.gradient(w[None])[0]
        with np.errstate(invalid="ignore"):
            there = w + scale * radius * slope / np.linalg.norm(slope)
            return float(system.energy(there[None])[0] - system.energy(w[None])[0])

    monkeypatch.setattr(calibration, "worst_case", one_step)
    assert red("three directions") == ["worst rise, from random starts"] * 2


@pytest.mark.parametrize(
    ("name", "old", "new", "which"),
    [
        ("worst_case", "step[:, None] * uphill", "-step[:, None] * uphill", "three directions"),
        ("worst_case", "np.full(len(u), 2 * radius)", "np.full(len(u), 1e-3 * radius)", "three directions"),
        ("worst_case", "_within(starts, radius)", "starts", "outliers"),
        ("_climbed", "w + scale * u", "w + u", "three directions"),
        ("_climbed", "scale * slope", "slope / scale", "three directions"),
        ("average_case", "/ 2 - here", "- here", "three directions"),
        ("average_case", "radii**2 * float", "radii * float", "three directions"),
        ("average_case", "move = scale * rng", "move = np.sqrt(scale) * rng", "three directions"),
        (
            "average_case",
            "np.concatenate([radii, -radii])",
            "np.concatenate([radii, radii])",
            "outliers",
        ),
        ("quadratic", "slope, direction = scale * gradient,", "slope, direction = 0 * gradient,", "outliers"),
        ("quadratic", "Scaled(hessian, scale)", "Scaled(hessian, scale**2)", "three directions"),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, name, old, new, which):
    source = inspect.getsource(getattr(measuring, name))
    assert source.count(old) == 1
    code = compile(source.replace(old, new), "mutant", "exec", dont_inherit=True)
    exec(code, names := dict(vars(measuring)))
    for module in (measuring, calibration):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, names[name])
    assert red(which)


def test_plain_sharpness_called_adaptive(monkeypatch):
    right = calibration.worst_case
    monkeypatch.setattr(
        calibration,
        "worst_case",
        lambda system, w, scale, radius, starts: right(system, w, np.ones_like(scale), radius, starts),
    )
    assert "adaptive: worst rise, ratio" in red("rescaled networks")
