"""Planted bugs must turn the calibration of `frustration` red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.frustration import bonds, calibration, loops, nulls
from spinfunnel.systems import shuffled

QUICK = {one.name: one for one in calibration.calibrations if one.effort == "quick"}


def red(name):
    return {row.quantity for row in judge_calibration(QUICK[name].run(0)).rows if not row.ok}


def rewritten(monkeypatch, module, old, new):
    source = inspect.getsource(module)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(module)))
    for name, value in names.items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("name", QUICK)
def test_the_originals_are_green(name):
    assert red(name) == set()


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("sign * graph.between(a, c)", "sign * np.abs(graph.between(a, c))", "loops of magnets"),
        ("& (graph.between(m[:-lag], m[lag:]) == 0)", "", "loops of magnets"),
        ("apart = graph.between(a, c) == 0", "apart = a >= 0", "loops of magnets"),
        ("sign[lag:] * sign[:-lag] < 0", "sign[lag:] < 0", "bonds turned over"),
        (
            "graph.signs[left] * graph.signs[right] * closing",
            "graph.signs[left] * closing",
            "triangles drawn",
        ),
    ],
)
def test_wrong_loops_are_noticed(monkeypatch, old, new, name):
    rewritten(monkeypatch, loops, old, new)
    assert red(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return np.asarray((mean - energies) / spread)", "return np.asarray((energies - mean) / spread)"),
        ("np.mean(size**2) - mean**2", "np.mean(np.abs(size)) - mean**2"),
        ("(energies - self.least).sum() / room.sum()", "(energies - self.least).sum() / -self.least.sum()"),
        (
            "members.append(np.arange(system.size)[:, None])",
            "members.append(np.zeros((system.size, 1), int))",
        ),
        ("np.minimum(strengths[there], 0.0), np.max", "-np.abs(strengths[there]) - 1, np.max"),
    ],
)
def test_wrong_bonds_are_noticed(monkeypatch, old, new):
    rewritten(monkeypatch, bonds, old, new)
    assert red("bonds")


def test_couplings_that_keep_their_signs_are_no_null_of_a_magnet(monkeypatch):
    monkeypatch.setattr(shuffled, "_drawn_anew", lambda values, rng: rng.permutation(values))
    assert red("loops of random signs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("math.sqrt(1 + 1 / len(others))", "math.sqrt(1 / len(others))"),
        ("shuffled_couplings(system, own)", "system"),
    ],
)
def test_a_wrong_comparison_with_the_null_is_noticed(monkeypatch, old, new):
    rewritten(monkeypatch, nulls, old, new)
    assert not all(row.ok for row in calibration._words(0))


def test_the_sign_of_the_index_matters():
    assert bonds.shares(np.array([1.0, -1.0, -1.0])) == (1 / 3, 2 / 3)
