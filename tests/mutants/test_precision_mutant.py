"""Planted bugs must turn the calibration of `precision` red."""

import pytest

from spinfunnel.instruments import instrument, precision


def rows():
    return [row for calibration in instrument("precision").calibrations for row in calibration.run(3)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("REPEATS", 0.5),  # any value counts as a level
        ("FEWEST", 10**6),
        ("holds", lambda dtype, values: False),
        ("holds", lambda dtype, values: True),
    ],
)
def test_a_planted_bug_is_noticed(monkeypatch, name, wrong):
    assert all(row.ok for row in rows())
    monkeypatch.setattr(precision, name, wrong)
    assert not all(row.ok for row in rows())
