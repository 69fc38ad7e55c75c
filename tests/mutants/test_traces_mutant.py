"""Planted bugs must turn the calibrations of traces red."""

import inspect

import pytest

from spinfunnel.maths import traces


def red(word):
    """Run the calibrations whose name contains a word; give the rows that fail."""
    return [
        row
        for calibration in traces.calibrations
        if word in calibration.name
        for row in calibration.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def rewritten(monkeypatch, old, new):
    source = inspect.getsource(traces._xtrace)
    assert source.count(old) == 1
    names = dict(vars(traces))
    exec(compile("from __future__ import annotations\n" + source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(traces, "_xtrace", names["_xtrace"])


def test_the_originals_are_green():
    assert red("") == []


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("(n - k + 1) / length2 * left", "left", "exact"),  # not back on the sphere
        ("inside = w - s * (s * w).sum(axis=0)", "inside = w", "coverage"),  # a vector is not left out
        ("shares + (n - k + 1) / length2 * left", "shares", "coverage"),  # nothing but the strong directions
        ("np.trace(h) - (s * (h @ s)).sum(axis=0)", "np.trace(h)", "coverage"),
    ],
)
def test_a_wrong_correction_is_noticed(monkeypatch, old, new, word):
    rewritten(monkeypatch, old, new)
    assert red(word)


def test_error_bars_that_are_too_small_are_noticed(monkeypatch):
    right = traces.student
    monkeypatch.setattr(traces, "student", lambda samples: right([*samples, *samples]))
    assert any(row.kind == "rate" for row in red("coverage"))
