"""Losses along straight lines through the weights, and what the derivatives there say of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array
from spinfunnel.maths.lanczos import Operator
from spinfunnel.systems.protocols import System

#: So many bytes of weights are evaluated together.
TOGETHER = 1 << 23
#: What is shallower than this share of a line's range, or than rounding, is no basin.
WIGGLE, ROUNDING = 0.01, 1e-5


def losses(system: System, w: Array, directions: Array, at: Array) -> Array:
    """Give the losses (n,) at w + at @ directions: w (P,), directions (k, P), at (n, k).

    A loss that is not finite is NaN: a hole in the picture, never a number.
    """
    chunk = max(1, TOGETHER // (w.nbytes or 1))
    d, at = directions.astype(w.dtype), at.astype(w.dtype)
    found = np.concatenate([system.energy(w + at[i : i + chunk] @ d) for i in range(0, len(at), chunk)])
    return np.where(np.isfinite(found), found, np.nan)


@dataclass(frozen=True)
class Line:
    """The losses along w + a d.

    Attributes:
        name: which direction it is.
        length: |d|.
        a: (K,), K odd, ascending, zero in the middle.
        loss: (K,); held_out: the same over other data, or None.
        slope, curvature: g·d and d·H d at w.
    """

    name: str
    length: float
    a: Array
    loss: Array
    held_out: Array | None
    slope: float
    curvature: float

    @property
    def quadratic(self) -> Array:
        """What slope and curvature at the middle say of the losses, (K,)."""
        return np.asarray(self.loss[len(self.a) // 2] + self.slope * self.a + self.curvature * self.a**2 / 2)

    @property
    def seen(self) -> float:
        """The second difference of the three points in the middle: the curvature that the picture shows."""
        middle = len(self.a) // 2
        below, centre, above = self.loss[middle - 1 : middle + 2]
        return float((below - 2 * centre + above) / (self.a[middle + 1] - self.a[middle]) ** 2)


def line(
    system: System,
    w: Array,
    direction: Array,
    reach: float,
    points: int,
    *,
    hessian: Operator,
    gradient: Array,
    held_out: System | None = None,
    name: str = "",
) -> Line:
    """Evaluate the losses at `points`, an odd number, from w - reach d to w + reach d."""
    a = np.linspace(-reach, reach, points)
    a[points // 2] = 0.0
    product = np.asarray(hessian @ direction.astype(w.dtype), dtype=np.float64)
    return Line(
        name, float(np.linalg.norm(direction)), a, losses(system, w, direction[None], a[:, None]),
        None if held_out is None else losses(held_out, w, direction[None], a[:, None]),
        float(gradient @ direction), float(product @ direction),
    )  # fmt: skip


def half_widths(a: Array, loss: Array, rise: float) -> Array:
    """Give how far one may go, to either side of the middle, until the loss has risen by `rise`: (2,).

    Between points the loss is a straight line. A side on which it never rises so far is infinite; one on
    which it stops being finite ends there. There is no half-width for a rise that is not positive.

    >>> a = np.linspace(-2, 2, 401)
    >>> half_widths(a, a**2 / 2, 0.5).round(3)
    array([1., 1.])
    """
    middle, found = len(a) // 2, list[float]()
    if not rise > 0:
        return np.full(2, math.nan)
    for side in (slice(middle, None, -1), slice(middle, None)):
        x, y = np.abs(a[side]), np.where(np.isnan(loss[side]), np.inf, loss[side]) - loss[middle]
        above = np.flatnonzero(y >= rise)
        if not len(above):
            found.append(math.inf)
            continue
        k = int(above[0])
        share = (rise - y[k - 1]) / (y[k] - y[k - 1]) if np.isfinite(y[k]) else 0.0
        found.append(float(x[k - 1] + share * (x[k] - x[k - 1])))
    return np.array(found)


def basins(loss: Array) -> int:
    """Count the basins along a line: minima between which the loss rises by more than a wiggle.

    >>> basins(np.linspace(-2, 2, 41) ** 2), basins((np.linspace(-2, 2, 41) ** 2 - 1) ** 2)
    (1, 2)
    """
    loss = loss[np.isfinite(loss)]
    if not len(loss):
        return 0
    wiggle = _wiggle(loss)
    count, falling, lowest, highest = 0, True, loss[0], loss[0]
    for y in loss:
        lowest, highest = min(lowest, y), max(highest, y)
        if falling and y > lowest + wiggle:
            count, falling, highest = count + 1, False, y
        elif not falling and y < highest - wiggle:
            falling, lowest = True, y
    return count + falling


def concave_share(loss: Array) -> float:
    """Give the share of a line's inner points where it bends down by more than rounding.

    >>> concave_share(np.linspace(-2, 2, 41) ** 2), concave_share(-np.linspace(-2, 2, 41) ** 2)
    (0.0, 1.0)
    """
    bend = loss[2:] - 2 * loss[1:-1] + loss[:-2]
    finite = bend[np.isfinite(bend)]
    return float((finite < -_wiggle(loss[np.isfinite(loss)]) / 10).mean()) if len(finite) else math.nan


def _wiggle(loss: Array) -> float:
    return max(WIGGLE * float(np.ptp(loss)), ROUNDING * float(np.abs(loss).max())) if len(loss) else 0.0
