"""Databases of minima and saddles: what is written is read, and what is broken is explained."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.stationary_points import (
    StationaryPoints,
    read_stationary_points,
    write_stationary_points,
)


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    minima, joined = -rng.random(7), rng.integers(0, 7, (9, 2))
    points = StationaryPoints(minima, rng.random(9), joined)
    write_stationary_points(points, tmp_path / "min.data", tmp_path / "ts.data")
    again = read_stationary_points(tmp_path / "min.data", tmp_path / "ts.data")
    for name in ("minima", "saddles", "joined"):
        assert (getattr(points, name) == getattr(again, name)).all()
    assert (points.barriers() == points.saddles[:, None] - minima[joined]).all()


def test_numbers_as_fortran_writes_them(tmp_path):
    low, high = tmp_path / "min.data", tmp_path / "ts.data"
    low.write_text("  -44.3268D+00  183.6  120  8.1 8.1 8.1\n -4.1d+1 180.2 1 9 9 9\n\n")
    high.write_text(" -40.5 181.0 1 2 1 8.5 8.6 8.7\n")
    points = read_stationary_points(low, high)
    assert points.minima.tolist() == [-44.3268, -41.0]
    assert points.joined.tolist() == [[1, 0]]
    low.write_text("-1\n")
    high.write_text("")
    assert read_stationary_points(low, high).barriers().shape == (0, 2)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        ("", "", "at least one minimum"),
        ("-1\nx\n", "", r"min.data, line 2: expected numbers, got 'x'"),
        ("nan\n", "", "minimum 1 is not finite"),
        ("-1\n-2\n", "0 0 1 1\n", "ts.data, line 1: expected 5 numbers or more, got 4"),
        ("-1\n-2\n", "0 0 1 1 3\n", "saddle 1 joins minima 1 and 3, but there are 2"),
        ("-1\n-2\n", "0 0 1 0 1\n", "joins minima 0 and 1"),
        ("-1\n-2\n", "0 0 1 1 2\n-1.5 0 1 1 2\n", "saddle 2 lies below a minimum"),
    ],
)
def test_what_is_broken_is_explained_in_one_line(tmp_path, low, high, says):
    (tmp_path / "min.data").write_text(low)
    (tmp_path / "ts.data").write_text(high)
    with pytest.raises(BadInput, match=says) as caught:
        read_stationary_points(tmp_path / "min.data", tmp_path / "ts.data")
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_stationary_points(tmp_path / "min.data", tmp_path / "ts.data")
