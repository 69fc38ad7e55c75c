"""Planted bugs must turn the calibration of classical scaling red."""

import inspect

import pytest

from spinfunnel.maths import embedding


def red():
    return [row.system for one in embedding.calibrations for row in one.run(0) if not row.ok]


def test_the_original_is_green():
    assert red() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- squares - rows.mean()) / 2", "- squares) / 2"),  # not about the mean
        ("np.sqrt(length) * directions", "length * directions"),
        ("squares = (d**2 + d.T**2) / 2", "squares = (d + d.T) / 2"),
        ("/ np.abs(lengths).sum()", "/ held.sum()"),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, old, new):
    source = inspect.getsource(embedding)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(embedding)))
    monkeypatch.setattr(embedding, "classical_scaling", names["classical_scaling"])
    assert red()
