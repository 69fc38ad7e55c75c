"""Planted bugs must turn the calibrations of random walks red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.maths import random_walks


def red(name):
    (one,) = (c for c in random_walks.calibrations if c.name == name)
    return [row.quantity for row in judge_calibration(one.run(0)).rows if not row.ok]


def rewritten(monkeypatch, function, old, new):
    source = inspect.getsource(getattr(random_walks, function))
    assert source.count(old) == 1
    names = dict(vars(random_walks))
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(random_walks, function, names[function])


def test_the_original_is_green():
    assert [c.name for c in random_walks.calibrations if c.effort == "quick" and red(c.name)] == []


@pytest.mark.parametrize(
    ("name", "function", "old", "new"),
    [
        (
            "components of a walk",
            "_centred",
            "gram = gram - gram.mean(axis=-1, keepdims=True)",
            "return gram",
        ),
        (
            "components of a walk",
            "surrogates",
            "rng.chisquare(d - np.arange(n))",
            "rng.chisquare(1 + np.arange(n))",
        ),
        ("components of a walk", "walk_shares", "(2 * records)", "(2 * records + 8)"),
        ("held walks", "without_drift", "5 / float(short.min())", "3 / long"),
        ("held walks", "effective_dimension", "((alike - alike.mean()) ** 2).sum()", "np.abs(alike).sum()"),
        ("sign flips", "sign_flips", "[-1.0, 1.0]", "[-0.5, 1.0]"),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, name, function, old, new):
    rewritten(monkeypatch, function, old, new)
    assert red(name)


def test_walks_that_remember_are_not_taken_for_walks(monkeypatch):
    right = random_walks.brownian
    monkeypatch.setattr(
        random_walks, "brownian", lambda t, d, seed, hold=0.0: np.cumsum(right(t, d, seed), 0)
    )
    assert red("components of a walk")
