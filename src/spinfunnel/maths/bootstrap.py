"""Intervals of means over few independent replicas, and over their pairs, by drawing replicas again.

Source: Efron, Ann. Stat. 7 (1979) 1. Pairs share replicas, so it is the replicas that are drawn; a replica
drawn twice is not paired with itself.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, Number, seeds

#: Draws, and the probability that is between the ends of an interval.
DRAWS, LEVEL = 2000, 0.9


def mean_of_values(values: Array, seed: int) -> Number:
    """Give the mean of values (R,), one a replica, with its 90 % interval.

    >>> print(mean_of_values(np.array([1.0, 1.0, 1.0, 0.0]), seed=0))
    0.7500 [0.2500, 1.000]
    """
    values = np.asarray(values, dtype=np.float64)
    return _between(float(values.mean()), _counts(len(values), seed) @ values / len(values))


def mean_of_pairs(table: Array, seed: int) -> Number:
    """Give the mean over all pairs of replicas of a symmetric table (R, R), with its 90 % interval.

    >>> print(mean_of_pairs(np.ones((4, 4)), seed=0))
    1.000
    """
    off = np.asarray(table, dtype=np.float64) * (1 - np.eye(len(table)))
    count = len(off)
    weights = _counts(count, seed)
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    means = np.einsum("bi,ij,bj->b", weights, off, weights, optimize=True)[pairs > 0] / pairs[pairs > 0]
    return _between(float(off.sum() / (count * (count - 1))), means)


def _counts(replicas: int, seed: int) -> Array:
    """Draw how often each of the replicas is taken, (DRAWS, R)."""
    rng = np.random.default_rng(seeds(seed, "bootstrap"))
    return rng.multinomial(replicas, np.full(replicas, 1 / replicas), size=DRAWS).astype(np.float64)


def _between(value: float, drawn: Array) -> Number:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Number(value, low=float(low), high=float(high), level=LEVEL, kind="bootstrap over replicas")


def _two_funnels(seed: int, draws: int) -> Iterable[CalibrationRow]:
    """Replicas end in one of two states, alike by r: then E q = p² + (1 - p)² + 2 p (1 - p) r."""
    rng, replicas, alike = np.random.default_rng(seeds(seed, "two funnels")), 32, 0.2
    for share in (0.5, 0.7):
        exact = share**2 + (1 - share) ** 2 + 2 * share * (1 - share) * alike
        found = []
        for draw in range(draws):
            first = rng.random(replicas) < share
            found.append(mean_of_pairs(np.where(first[:, None] == first, 1.0, alike), seeds(seed, draw)))
        values = np.array([one.value for one in found])
        error = float(values.std(ddof=1) / np.sqrt(draws))
        yield CalibrationRow.measured(
            "bootstrap", f"two states, {share:.0%} in one", "mean overlap of pairs",
            exact=exact, value=float(values.mean()), error=error, cap=0.01,
        )  # fmt: skip
        inside = sum(one.low - 1e-9 <= exact <= one.high + 1e-9 for one in found if one.low and one.high)
        yield CalibrationRow.rate(
            "bootstrap", f"two states, {share:.0%} in one", "90 % intervals that hold the exact mean",
            k=inside, n=draws, at_least=0.75,
        )  # fmt: skip


calibrations = (Calibration("bootstrap of pairs", "two states, exact", lambda seed: _two_funnels(seed, 300)),)
