"""What overlaps of replicas say: moments, cumulants, identities, triangles, at every temperature.

Replicas come in sets of four, so errors are from the jackknife over sets. Averages <.> are over one system:
over its Boltzmann law, not over disorder.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from spinfunnel.core import Array
from spinfunnel.maths.statistics import jackknife
from spinfunnel.samples import PAIRS, REPLICAS, Samples

#: Pairs of pairs: those that share no replica, and those that share one.
APART = tuple((i, j) for i, j in combinations(range(len(PAIRS)), 2) if not set(PAIRS[i]) & set(PAIRS[j]))
SHARING = tuple((i, j) for i, j in combinations(range(len(PAIRS)), 2) if set(PAIRS[i]) & set(PAIRS[j]))
#: The three pairs of each three replicas.
TRIANGLES = tuple(
    tuple(PAIRS.index(pair) for pair in combinations(three, 2)) for three in combinations(range(REPLICAS), 3)
)
#: Overlaps are sorted into this many narrow bins for what is asked of their law.
FINE = 4096
#: Bins of the P(q) that is drawn, unless there are fewer values that q can take.
BINS = 61


def moments(samples: Samples) -> dict[str, tuple[Array, Array]]:
    """Give each quantity at the K temperatures, and its error, (K,) each.

    `q2` = <q²>; `binder` = (3 - <q⁴>/<q²>²)/2, 0 if q is Gaussian and 1 if |q| is sharp; `binder_u` = 1 -
    <q⁴>/(3 <q²>²), the other convention; `gg_12_13` = <q12² q13²> - <q⁴>/2 - <q²>²/2 and `gg_12_34` =
    <q12² q34²> - <q⁴>/3 - 2<q²>²/3, the residuals of Ghirlanda and Guerra, whose averages over disorder go
    to zero; `k` = <d_max - d_mid> over the width of P(d), d = (1 - q)/2 being the distances in a triangle,
    zero if it is ultrametric; `k_ratio`, the same over what three independent distances would give. Of
    links: `link` = <q_l>, and its variance `link_variance`.
    """
    assert samples.overlaps is not None
    q = samples.overlaps
    apart = np.mean([q[..., i] ** 2 * q[..., j] ** 2 for i, j in APART], axis=(0, 1))  # (K, sets)
    sharing = np.mean([q[..., i] ** 2 * q[..., j] ** 2 for i, j in SHARING], axis=(0, 1))
    sides = np.sort([[(1 - q[..., i]) / 2 for i in one] for one in TRIANGLES], axis=1)
    gap = (sides[:, 2] - sides[:, 1]).mean(axis=(0, 1))
    means = np.stack([(q**2).mean(axis=(0, 3)), (q**4).mean(axis=(0, 3)), sharing, apart, gap])
    law = _law(q)
    links = samples.links
    if links is not None:
        means = np.concatenate([means, [links.mean(axis=(0, 3)), (links**2).mean(axis=(0, 3))]])

    def estimate(kept: Array) -> Array:
        q2, q4, sharing, apart, gap, *link = means[:, :, kept].mean(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            width, independent = _independent(law[:, kept].sum(axis=1))
            found = [
                q2, binder(q2, q4), 2 * binder(q2, q4) / 3, sharing - q4 / 2 - q2**2 / 2,
                apart - q4 / 3 - 2 * q2**2 / 3, gap / width, gap / independent,
            ]  # fmt: skip
        return np.array([*found, link[0], link[1] - link[0] ** 2] if link else found)

    names = ["q2", "binder", "binder_u", "gg_12_13", "gg_12_34", "k", "k_ratio", "link", "link_variance"]
    values, errors = jackknife(estimate, q.shape[2])
    return {name: (values[i], errors[i]) for i, name in enumerate(names[: len(values)])}


def binder(q2: Array, q4: Array) -> Array:
    """Give (3 - <q⁴>/<q²>²)/2."""
    return np.asarray((3 - q4 / q2**2) / 2)


def _law(q: Array) -> Array:
    """Count overlaps (T, K, S, 6) in narrow bins, (K, S, FINE + 1)."""
    rungs, sets = q.shape[1:3]
    bins = np.rint((1 - q) / 2 * FINE).astype(np.int64)
    at = (np.arange(rungs)[:, None] * sets + np.arange(sets))[None, :, :, None] * (FINE + 1) + bins
    return np.bincount(at.ravel(), minlength=rungs * sets * (FINE + 1)).reshape(rungs, sets, FINE + 1)


def _independent(law: Array) -> tuple[Array, Array]:
    """Give the width of P(d), and E(d_max - d_mid) of three independent d of that law, (K,), law (K, bins).

    With F the distribution, max and mid of three have F³ and 3F² - 2F³: the mean gap is 3 ∫ F²(1 - F) dd.
    """
    d = np.arange(law.shape[1]) / FINE
    p = law / law.sum(axis=1, keepdims=True)
    width = np.sqrt(np.maximum(p @ d**2 - (p @ d) ** 2, 0.0))
    f = np.cumsum(p, axis=1)[:, :-1]
    return width, 3 * np.sum(f**2 * (1 - f), axis=1) / FINE


def edges(size: int, *, spins: bool, signed: bool) -> tuple[Array, Array]:
    """Give the edges of the bins of P(q), and the width of q that each stands for.

    Overlaps of N spins take the values -1, -1 + 2/N, ..., 1: then bins hold whole numbers of them.

    >>> e, width = edges(4, spins=True, signed=True)
    >>> e.round(6), width
    (array([-1.25, -0.75, -0.25,  0.25,  0.75,  1.25]), array([0.5, 0.5, 0.5, 0.5, 0.5]))
    """
    low = -1.0 if signed else 0.0
    if not spins:
        found = np.linspace(low, 1, BINS + 1)
        return found, np.diff(found)
    found = np.linspace(-1 - 1 / size, 1 + 1 / size, min(BINS, size + 1) + 1)
    values = 2 * np.arange(size + 1) / size - 1
    return found, np.histogram(values, found)[0] * (2 / size)


def distribution(samples: Samples, size: int, *, spins: bool) -> tuple[Array, Array, Array]:
    """Give the middles of bins (B,), and P(q) there with its errors, (K, B).

    Where the system counts q and -q as one, as spins without a field do, both get half of the weight.
    """
    assert samples.overlaps is not None
    q = samples.overlaps
    mirrored = spins and q.min() >= 0
    bounds, width = edges(size, spins=spins, signed=spins or q.min() < 0)
    bins = len(width)
    which = np.clip(np.searchsorted(bounds, q, side="right") - 1, 0, bins - 1)
    rungs, sets = q.shape[1:3]
    at = (np.arange(rungs)[:, None] * sets + np.arange(sets))[None, :, :, None] * bins + which
    counts = np.bincount(at.ravel(), minlength=rungs * sets * bins).reshape(rungs, sets, bins).astype(float)
    if mirrored:
        counts = (counts + counts[:, :, ::-1]) / 2
    density = counts / (q.shape[0] * q.shape[3]) / width
    values, errors = jackknife(lambda kept: density[:, kept].mean(axis=1), sets)
    return np.round((bounds[1:] + bounds[:-1]) / 2, 12) + 0.0, values, errors


def peak_and_valley(samples: Samples, middles: Array, density: Array) -> tuple[Array, Array, Array, Array]:
    """Give the most probable |q| (K,), what is small beside it, and the share of |q| that is, with its error.

    Small is what is below half of the most probable |q|, or of the root of <q²> where that is larger.
    """
    assert samples.overlaps is not None
    positive = middles >= 0
    folded = density[:, positive] + density[:, middles <= 0][:, ::-1] if middles[0] < 0 else density
    peak = middles[positive][folded.argmax(axis=1)]
    small = np.maximum(peak, np.sqrt((samples.overlaps**2).mean(axis=(0, 2, 3)))) / 2
    below = (np.abs(samples.overlaps) < small[:, None, None]).mean(axis=(0, 3))  # (K, sets)
    share, error = jackknife(lambda kept: below[:, kept].mean(axis=1), below.shape[1])
    return peak, small, share, error
