"""How many there are, from a sample: effective numbers of basins, and what has not been seen."""

from __future__ import annotations

import math

import numpy as np

from spinfunnel.core import Array, Number, seeds
from spinfunnel.maths.bootstrap import DRAWS, LEVEL


def effective_number(labels: Array, seed: int) -> Number:
    """Give 1 / Σ p² of the shares p of labels (R,), and what other R replicas would see in 90 % of cases.

    Replicas drawn again from few fall together more often than new ones would, so the draws are scaled to
    have their mean at the value. From R replicas it is at most R: of more basins, it says R.

    >>> effective_number(np.array([0, 0, 1, 1]), seed=0).value
    2.0
    """
    counts = np.bincount(labels)
    replicas = int(counts.sum())
    value = replicas**2 / float((counts**2).sum())
    rng = np.random.default_rng(seeds(seed, "effective number"))
    drawn = replicas**2 / (rng.multinomial(replicas, counts / replicas, size=DRAWS) ** 2.0).sum(axis=1)
    ends = np.quantile(drawn * value / drawn.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.clip(ends, 1, replicas)
    return Number(
        value,
        low=min(float(low), value),
        high=max(float(high), value),
        level=LEVEL,
        kind="bootstrap over replicas",
    )


def unseen(counts: Array) -> Number:
    """Give the chance that one more draw is of a kind not seen yet, from how often each kind was, (kinds,).

    It is the share of kinds seen once among the draws. Sources: Good, Biometrika 40 (1953) 237 (with
    Turing); error: Esty, Ann. Stat. 11 (1983) 905.

    >>> print(unseen(np.array([5, 3, 1, 1])))
    0.2 ± 0.1
    """
    draws, once, twice = int(counts.sum()), int((counts == 1).sum()), int((counts == 2).sum())
    variance = max(1.0, once * (1 - once / draws) + 2 * twice)
    return Number(once / draws, error=math.sqrt(variance) / draws, kind="Good-Turing")
