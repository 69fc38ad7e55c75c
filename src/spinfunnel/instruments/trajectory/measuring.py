"""What the inner products of the steps between snapshots tell of a training, beside what chance would do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spinfunnel.core import Array, Number, seeds
from spinfunnel.maths.random_walks import (
    cosines,
    drift_share,
    effective_dimension,
    growth,
    halves_apart,
    path,
    shares,
    sign_flips,
    spread,
    squared_distances,
    surrogates,
    without_drift,
)

#: Principal components that are compared with those of the nulls.
COMPONENTS = 6
#: Fewer snapshots than this do not tell whether the weights have arrived: with 20, a walk at rest looks like
#: one that goes on (measured: in 59 of 60).
FEWEST = 32
#: The level of every test.
LEVEL = 0.01
#: The last half is held if its squared radius of gyration is less than this of that of a random walk; it is
#: directed if its two halves are apart, squared, by more than this times what fluctuations give.
HELD, DIRECTED = 0.5, 2.0
#: What moved, in its last half, by less than this share of the way it has come has stopped.
STOPPED = 0.01
#: The loss has levelled off where less than this share of its fall is left, and stays so.
LEFT = 0.05

Motion = Literal["stopped", "at rest", "diffusing", "directed"]


@dataclass(frozen=True)
class Null:
    """Shares of variance (COMPONENTS,) of a null's first components: mean, spread, and a 95 % band."""

    mean: Array
    error: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Rest:
    """How the last half of a trajectory moves.

    Attributes:
        moved: its largest distance between two snapshots, over the displacement of the whole trajectory.
        drift: squared distance between the means of its two halves, over the mean of that in walks that only
            fluctuate, as it does at short times.
        p_drift: share of such walks with a larger one.
        spread: its squared radius of gyration over that of a random walk with its steps.
        p_held: p-value of a smaller spread of a random walk, by sign flips of the steps.
    """

    moved: float
    drift: float
    p_drift: float
    spread: float
    p_held: float

    @property
    def motion(self) -> Motion:
        """Say what this amounts to."""
        if self.moved < STOPPED:
            return "stopped"
        if self.drift > DIRECTED and self.p_drift < LEVEL:
            return "directed"
        return "at rest" if self.spread < HELD and self.p_held < LEVEL else "diffusing"


@dataclass(frozen=True)
class Moved:
    """What T snapshots say, at `times` (T,) in training steps; `dimension` is that of the steps."""

    times: Array
    products: Array
    distances: Array
    shares: Array
    path: Array
    dimension: float
    drift: float
    walk: Null
    drifting: Null
    early: Number | None
    late: Number | None
    rest: Rest | None

    @property
    def lengths(self) -> Array:
        """Distances between successive snapshots, (T - 1,)."""
        return lengths(self.products)

    @property
    def speed(self) -> Array:
        """Distance per training step, (T - 1,)."""
        return self.lengths / np.diff(self.times)

    @property
    def turns(self) -> Array:
        """Cosines between successive steps, (T - 2,)."""
        return np.diagonal(cosines(self.products), 1)

    @property
    def ageing(self) -> float:
        """Squared displacement of the last quarter over that of the second: 1 if nothing slows down."""
        quarter = (len(self.times) - 1) // 4
        early, late = self.distances[quarter, 2 * quarter], self.distances[-1 - quarter, -1]
        return float(late / early) if early > 0 else math.nan

    @property
    def excess(self) -> Number:
        """Share of the first component beyond that of a drift and a walk with the same steps."""
        return Number(float(self.shares[0] - self.drifting.mean[0]), error=float(self.drifting.error[0]))


def moved(products: Array, times: Array, draws: int, seed: int) -> Moved:
    """Measure a trajectory of T >= 3 snapshots by the inner products (T - 1, T - 1) of its steps.

    The nulls have its number of snapshots, the lengths of its steps, and steps that fluctuate in as many
    dimensions as its own.
    """
    n, half = len(products), len(times) // 2
    distances, dimension = squared_distances(products), effective_dimension(products)
    steps, drift = lengths(products), drift_share(products)
    together = np.full((n, n), drift)
    np.fill_diagonal(together, 1.0)

    def null(correlation: Array, name: str) -> Null:
        drawn = surrogates(steps, correlation, dimension, draws, seeds(seed, name))
        found = np.array([shares(one)[:COMPONENTS] for one in drawn])
        low, high = np.quantile(found, [0.025, 0.975], axis=0)
        return Null(found.mean(axis=0), found.std(axis=0), low, high)

    rest = last_half(products, times, draws, seeds(seed, "rest")) if len(times) >= FEWEST else None
    return Moved(
        times, products, distances, shares(products), path(products), dimension, drift,
        walk=null(np.eye(n), "walk"),
        drifting=null(together, "drift"),
        early=growth(times - times[0], distances[0]),
        late=growth((times - times[half])[half:], distances[half, half:]),
        rest=rest,
    )  # fmt: skip


def lengths(products: Array) -> Array:
    """Give the lengths of the steps, (n,)."""
    return np.asarray(np.sqrt(np.maximum(np.diagonal(products), 0)))


def last_half(products: Array, times: Array, draws: int, seed: int) -> Rest:
    """Measure how the last half moves beside walks without a drift, and beside a random walk."""
    half = len(times) // 2
    last, since, whole = products[half:, half:], times[half:], float(products.sum())
    distances = squared_distances(last)
    if not whole > 0 or not np.trace(last) > 0:
        return Rest(0.0, 1.0, 1.0, 1.0, 1.0)
    steps, correlation, dimension = lengths(last), without_drift(since, distances), effective_dimension(last)
    like = surrogates(steps, correlation, dimension, draws, seeds(seed, "drift"))
    seen, chance = halves_apart(last), np.array([halves_apart(one) for one in like])
    ratio, form = spread(last)
    return Rest(
        moved=math.sqrt(float(distances.max()) / whole),
        drift=float(seen / chance.mean()),
        p_drift=float(1 + (chance >= seen).sum()) / (1 + draws),
        spread=ratio,
        p_held=sign_flips(form, draws, seed)[1],
    )


def levelled(losses: Array) -> int | None:
    """Give the snapshot from which on less than LEFT of the loss's fall is left; None if there is none.

    Losses (T,) are smoothed by a running median of five; the end is the median of the last tenth. It is none
    if losses are unknown or do not fall, or if it is only in the last tenth.
    """
    if len(losses) < FEWEST or not np.isfinite(losses).all():
        return None
    tenth = max(3, len(losses) // 10)
    padded = np.pad(losses, 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    end = float(np.median(losses[-tenth:]))
    above = np.flatnonzero(smooth > end + LEFT * (float(losses[0]) - end))
    if losses[0] <= end or not len(above):
        return None
    first = int(above[-1]) + 1
    return first if first < len(losses) - tenth else None
