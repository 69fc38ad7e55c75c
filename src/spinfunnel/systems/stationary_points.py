"""Databases of minima and transition states, in the files `min.data` and `ts.data` of PATHSAMPLE.

Columns of min.data: energy, logarithm of the product of positive Hessian eigenvalues, order of the point
group, three moments of inertia. Those of ts.data: the same, with the two minima that it joins, from 1, after
the third. Only energies and minima are needed; what is missing is written as 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.maths.merge_trees import check_saddles


@dataclass(frozen=True)
class StationaryPoints:
    """Minima and the saddles between them: energies (M,) and (S,), and the minima a saddle joins, (S, 2).

    Raises:
        BadInput: if an energy is not finite, there is no minimum, or a saddle joins minima that are not there
            or lies below one of them.

    >>> StationaryPoints(np.array([-1.0, -2.0]), np.array([0.5]), np.array([[0, 1]])).barriers()
    array([[1.5, 2.5]])
    """

    minima: Array
    saddles: Array
    joined: Array

    def __post_init__(self) -> None:
        check_saddles(self.minima, self.saddles, self.joined)

    def barriers(self) -> Array:
        """Give the energy (S, 2) to climb from either minimum to the saddle."""
        return np.asarray(self.saddles[:, None] - self.minima[self.joined])


def read_stationary_points(minima: Path | str, saddles: Path | str) -> StationaryPoints:
    """Read `min.data` and `ts.data`.

    Raises:
        BadInput: if a file cannot be read, or a line has too few numbers; the message names it.
    """
    low, high = _columns(Path(minima), 1), _columns(Path(saddles), 5)
    return StationaryPoints(low[:, 0], high[:, 0], high[:, 3:5].astype(np.int64) - 1)


def write_stationary_points(points: StationaryPoints, minima: Path | str, saddles: Path | str) -> None:
    """Write `min.data` and `ts.data`, energies to the last bit."""
    low = [f"{float(energy)!r} 0.0 1 0.0 0.0 0.0\n" for energy in points.minima]
    high = [
        f"{float(energy)!r} 0.0 1 {one} {two} 0.0 0.0 0.0\n"
        for energy, (one, two) in zip(points.saddles, points.joined + 1, strict=True)
    ]
    Path(minima).write_text("".join(low), encoding="utf-8")
    Path(saddles).write_text("".join(high), encoding="utf-8")


def _columns(path: Path, least: int) -> Array:
    """Read the first `least` numbers of every line; Fortran writes 1.0D+00 for 1.0."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as text: {error}") from None
    table = []
    for number, words in enumerate(rows, 1):
        if not words:
            continue
        try:
            table.append([float(word.upper().replace("D", "E")) for word in words[:least]])
        except ValueError:
            raise BadInput(f"{path}, line {number}: expected numbers, got {' '.join(words)[:60]!r}") from None
        if len(table[-1]) < least:
            raise BadInput(f"{path}, line {number}: expected {least} numbers or more, got {len(table[-1])}")
    return np.array(table).reshape(-1, least)
