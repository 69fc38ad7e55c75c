"""Losses on a plane through the weights, and the plane that holds most of where training went."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array
from spinfunnel.instruments.slices.lines import losses
from spinfunnel.maths.lanczos import Operator
from spinfunnel.systems.protocols import System

#: Of a random walk's squared distances from its end, the two directions that hold most hold 8/π² (1 + 1/9).
WALK = 8 / math.pi**2 * (1 + 1 / 9)


@dataclass(frozen=True)
class Path:
    """Where training went, seen from the weights w it ended at.

    Attributes:
        directions: the two orthonormal directions that hold most of the squared distances from w, (2, P).
        places: (T, 2), along them.
        kept: the share of the squared distances that lies along each, (2,).
        loss: (T,), at the snapshots themselves, which need not lie in the plane.
    """

    directions: Array
    places: Array
    kept: Array
    loss: Array


def path(system: System, w: Array, snapshots: Array) -> Path | None:
    """Fit a plane through w to snapshots (T, P) of the weights; None if they do not span one.

    These are the first two principal components of the snapshots less w, which is not subtracted again (Li
    et al. 2018, section 7), from their products with each other, (T, T).
    """
    away = snapshots.astype(np.float64) - w
    values, vectors = np.linalg.eigh(away @ away.T)
    values, vectors = values[::-1][:2], vectors[:, ::-1][:, :2]
    if len(values) < 2 or values[1] <= 1e-12 * values[0]:
        return None
    directions = vectors.T @ away / np.sqrt(values)[:, None]
    kept = values / (away**2).sum()
    return Path(
        directions, away @ directions.T, kept, losses(system, w, away.astype(w.dtype), np.eye(len(away)))
    )


@dataclass(frozen=True)
class Plane:
    """The losses at w + x d1 + y d2.

    Attributes:
        directions: d1 and d2, (2, P).
        x, y: (n,) and (m,).
        loss: (m, n).
        curvature: D^T H D at w, (2, 2).
        seen: the same from second differences with the steps of the grid, (2, 2).
    """

    directions: Array
    x: Array
    y: Array
    loss: Array
    curvature: Array
    seen: Array

    @property
    def cosine(self) -> float:
        """The cosine of the angle between the two directions."""
        one, two = self.directions
        return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


def plane(system: System, w: Array, directions: Array, x: Array, y: Array, *, hessian: Operator) -> Plane:
    """Evaluate the losses on a grid, x (n,) and y (m,), and the curvature at w in two ways."""
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    surface = losses(system, w, directions, grid).reshape(len(y), len(x))
    products = [np.asarray(hessian @ one.astype(w.dtype), dtype=np.float64) for one in directions]
    curvature = np.stack(products) @ directions.T
    steps = np.array([x[1] - x[0], y[1] - y[0]])
    around = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    e = losses(system, w, directions, around * steps).reshape(3, 3)
    seen = np.empty((2, 2))
    seen[0, 0], seen[1, 1] = e[2, 1] - 2 * e[1, 1] + e[0, 1], e[1, 2] - 2 * e[1, 1] + e[1, 0]
    seen[0, 1] = seen[1, 0] = (e[2, 2] - e[2, 0] - e[0, 2] + e[0, 0]) / 4
    return Plane(directions, x, y, surface, (curvature + curvature.T) / 2, seen / np.outer(steps, steps))
