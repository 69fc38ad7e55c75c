"""Points in a plane that are as far apart as things are unlike: scaling of distances, and maps about one.

Sources: Torgerson, Psychometrika 17 (1952) 401; Gower, Biometrika 53 (1966) 325.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds

#: Eigenvalues below this share of the largest are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Embedding:
    """M points in k dimensions, and what their distances have to do with those asked for.

    Attributes:
        points: (M, k), the widest direction first, about their mean; directions that are not needed are 0.
        kept: the share of the squared distances that the k directions hold, 0 to 1; NaN if all are zero.
        stress: the root of Σ (d - D)² / Σ D² over pairs, D being asked for and d drawn; NaN likewise.
    """

    points: Array
    kept: float
    stress: float


def classical_scaling(distances: Array, dimensions: int = 2) -> Embedding:
    """Place M points in few dimensions, by distances (M, M): exactly where that can be done, else nearly.

    B = -C D² C / 2, with C = 1 - 1/M, holds the scalar products of points about their mean; its k largest
    eigenvalues λ, those that are positive, are the squared lengths of the directions kept. `kept` is their
    sum over Σ |λ| (Mardia, Kent & Bibby, Multivariate Analysis (1979), section 14.4). In each direction the
    first point that is at least half as far out as any is on the positive side. `dimensions` that M points do
    not need (M <= k, duplicates, points on a line) are zeros.

    >>> corners = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]])  # a right triangle
    >>> flat = classical_scaling(corners)
    >>> (np.hypot(*(flat.points[:, None] - flat.points).T).round(9) == corners).all(), round(flat.kept, 9)
    (np.True_, 1.0)

    Raises:
        BadInput: if distances are not a square of finite numbers, or dimensions is below one.
    """
    d = np.asarray(distances, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or not np.isfinite(d).all():
        raise BadInput(f"distances must be a square of finite numbers (M, M), these have shape {d.shape}")
    if dimensions < 1:
        raise BadInput(f"points need at least one dimension, not {dimensions}")
    count = len(d)
    points = np.zeros((count, dimensions))
    if not d.any():
        return Embedding(points, np.nan, np.nan)
    squares = (d**2 + d.T**2) / 2
    rows = squares.mean(axis=0)
    lengths, directions = np.linalg.eigh((rows[:, None] + rows - squares - rows.mean()) / 2)
    lengths, directions = lengths[::-1], directions[:, ::-1]
    held = lengths[:dimensions]
    held = held[held > ROUNDING * lengths[0]]
    for k, length in enumerate(held):
        x = np.sqrt(length) * directions[:, k]
        first = x[np.abs(x) >= np.abs(x).max() / 2][0]
        points[:, k] = x * np.sign(first)
    return Embedding(points, float(held.sum() / np.abs(lengths).sum()), _stress(points, d))


def azimuthal(distances: Array, centre: int) -> Embedding:
    """Map M points about one of them, as the Earth about a pole: distances (M, M) from the centre are exact.

    The directions are those in which classical scaling puts the points, about their mean: points that are
    near each other lie in one direction. `kept` is that of the scaling; the stress is the map's.

    >>> corners = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]])
    >>> np.hypot(*azimuthal(corners, centre=0).points.T).round(9)
    array([0., 3., 4.])

    Raises:
        BadInput: if distances are not a square of finite numbers.
    """
    scaled = classical_scaling(distances)
    if np.isnan(scaled.kept):
        return scaled
    d = np.asarray(distances, dtype=np.float64)
    x, y = scaled.points.T
    angle = np.arctan2(y, x)
    points = d[centre, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Embedding(points, scaled.kept, _stress(points, d))


def _stress(points: Array, asked: Array) -> float:
    drawn = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    return float(np.sqrt(((drawn - asked) ** 2).sum() / (asked**2).sum()))


def _points(seed: int) -> Iterable[CalibrationRow]:
    """Points in the plane come back; of those on a sphere's equator and poles, the plane holds 2/3."""
    rng = np.random.default_rng(seeds(seed, "embedding"))
    flat = rng.standard_normal((60, 2))
    asked = np.linalg.norm(flat[:, None] - flat, axis=2)
    found = classical_scaling(asked)
    drawn = np.linalg.norm(found.points[:, None] - found.points, axis=2)
    yield CalibrationRow.deterministic(
        "embedding", "60 points in a plane", "largest error of a distance",
        exact=0, value=float(np.abs(drawn - asked).max()), tolerance=1e-9,
    )  # fmt: skip
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    found = classical_scaling(np.linalg.norm(corners[:, None] - corners, axis=2))
    yield CalibrationRow.deterministic(
        "embedding", "octahedron", "share of the squared distances that a plane holds",
        exact=2 / 3, value=found.kept, tolerance=1e-9,
    )  # fmt: skip
    count = 12
    apart = classical_scaling(1.0 - np.eye(count), 2)
    yield CalibrationRow.deterministic(
        "embedding", f"{count} points, all as far apart", "share of the squared distances",
        exact=2 / (count - 1), value=apart.kept, tolerance=1e-9,
    )  # fmt: skip


calibrations = (Calibration("classical scaling", "points of which all distances are known", _points),)
