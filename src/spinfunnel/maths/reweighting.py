"""From energies met at several temperatures to the number of states at each, and so to every temperature.

Runs at β_k with N_k records and together n(E) records of energy E say that
ln g(E) = ln n(E) - ln Σ_k N_k e^{-β_k E} / Z_k with Z_k = Σ_E g(E) e^{-β_k E}: equations for ln Z_k, the
minimum of a convex function, which Newton's steps find. Energies may be levels or, where they are dense,
narrow bins.

Sources: Ferrenberg, Swendsen, Phys. Rev. Lett. 63 (1989) 1195; convexity: Shirts, Chodera, J. Chem. Phys. 129
(2008) 124105, whose estimator this is, with equal energies counted together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.statistics import jackknife

#: Energies are bins if there are more levels than this; a bin is this wide, in units of the lowest T, but
#: there are at most so many bins.
MOST_LEVELS, BIN, MOST_BINS = 4096, 0.2, 20_000
#: Independent blocks that errors come from: as many as there are ladders, unless counts of energies then
#: take more than this many numbers; but so many at least.
ENTRIES, BLOCKS = 2**25, 16
#: Newton's steps end when no ln Z changes by more than this; they are never more than this many.
CLOSE, STEPS = 1e-10, 200
#: Runs share too few energies if some ln Z is known this much worse than from as many records of one run.
SHARED = 1e-7


@dataclass(frozen=True)
class States:
    """How many states there are at each energy: ln g (L,) at levels (L,), and ln Z (K,) at the β (K,) run."""

    levels: Array
    log_g: Array
    betas: Array
    log_z: Array

    def thermal(self, betas: Array) -> tuple[Array, Array, Array]:
        """Give ln Z, mean and variance of the energy at any inverse temperatures, each (B,).

        >>> spin = States(np.array([-1.0, 1.0]), np.zeros(2), np.zeros(1), np.zeros(1))
        >>> [x.round(6).item() for x in spin.thermal(np.array([1.0]))]  # ln 2 cosh 1, -tanh 1, 1/cosh² 1
        [1.126928, -0.761594, 0.419974]
        """
        logs = self.log_g - np.multiply.outer(np.asarray(betas, dtype=np.float64), self.levels)
        top = logs.max(axis=1, keepdims=True)
        weights = np.exp(logs - top)
        zero = weights.sum(axis=1)
        mean = weights @ self.levels / zero
        square = np.einsum("bl,bl->b", weights, (self.levels - mean[:, None]) ** 2) / zero
        return top[:, 0] + np.log(zero), mean, square


def levels(energies: Array, beta: float, cuts: Sequence[float] | Array = ()) -> tuple[Array, Array]:
    """Give the levels (L,) that energies (n,) take, and which each takes (n,); where dense, narrow bins.

    A bin is 0.2 / β wide, β being the largest; its level is the mean of the energies in it. No bin goes
    across one of the `cuts`, which ascend.

    >>> levels(np.array([3.0, -1.0, 3.0]), 1.0)
    (array([-1.,  3.]), array([1, 0, 1]))
    """
    found, which = np.unique(energies, return_inverse=True)
    if len(found) <= MOST_LEVELS:
        return found, which
    lowest, highest = found[[0, -1]]
    width = max(BIN / beta, (highest - lowest) / MOST_BINS)
    bins = np.floor((energies - lowest) / width).astype(np.int64) + np.searchsorted(cuts, energies)
    _, which = np.unique(bins, return_inverse=True)
    return np.bincount(which, weights=energies) / np.bincount(which), which


def counted(runs: Sequence[Array], beta: float, cuts: Sequence[float] | Array = ()) -> tuple[Array, Array]:
    """Count the energies of runs, each (records, ladders), by level: levels (L,), counts (blocks, runs, L).

    `beta` and `cuts` are those of `levels`.
    Ladder i of every run is in block i, or i modulo the blocks where so many counts would not fit in memory.

    >>> counted([np.array([[0.0, 1.0], [0.0, 0.0]])], 1.0)[1].tolist()  # two ladders of two records
    [[[2, 0]], [[1, 1]]]
    """
    ladders = runs[0].shape[1]
    found, which = levels(np.concatenate([run.ravel() for run in runs]), beta, cuts)
    blocks = min(ladders, max(BLOCKS, ENTRIES // (len(runs) * len(found))))
    run = np.repeat(np.arange(len(runs)), [one.size for one in runs])
    block = np.concatenate([np.tile(np.arange(ladders) % blocks, len(one)) for one in runs])
    flat = (block * len(runs) + run) * len(found) + which
    counts = np.bincount(flat, minlength=blocks * len(runs) * len(found))
    return found, counts.reshape(blocks, len(runs), len(found))


def multi_histogram(levels: Array, counts: Array, betas: Array) -> States:
    """Estimate the number of states from runs at K inverse temperatures; ln Z of the first is set to zero.

    Shapes: levels (L,), counts (K, L) of the records of each run, betas (K,), in order. Records may be
    correlated: the estimate stays consistent, its error must come from independent runs.

    >>> coin = multi_histogram(np.array([0.0, 1.0]), np.array([[30, 10]]), np.array([0.0]))
    >>> np.exp(coin.log_g)  # of a state, three in four are at E = 0
    array([0.75, 0.25])

    Raises:
        BadInput: if a run has no record, or neighbouring runs share too few energies.
    """
    draws = counts.sum(axis=1).astype(np.float64)
    if (draws < 1).any():
        raise BadInput(f"the run at beta = {betas[int(draws.argmin())]:g} has no record")
    start = _integrated(levels, counts / draws[:, None], betas)
    n = counts.sum(axis=0).astype(np.float64)
    levels, n = levels[n > 0], n[n > 0]
    exponents = np.multiply.outer(levels, -betas)  # (L, K)

    def mixture(log_z: Array) -> tuple[Array, Array, float]:
        """Give each run's share (L, K) in what is expected at a level, the ln of all (L,), and its height."""
        logs = exponents + (np.log(draws) - log_z)
        top = logs.max(axis=1)
        shares = np.exp(logs - top[:, None])
        total = shares.sum(axis=1)
        expected = top + np.log(total)
        return shares / total[:, None], expected, float(n @ expected + draws @ log_z)

    log_z = start
    shares, expected, height = mixture(log_z)
    for _ in range(STEPS):
        found = n @ shares
        hessian = np.diag(found) - (shares * n[:, None]).T @ shares
        step = np.zeros_like(log_z)
        step[1:] = np.linalg.lstsq(hessian[1:, 1:], (found - draws)[1:], rcond=None)[0]
        scale = 1.0
        while True:
            shares, expected, tried = mixture(log_z + scale * step)
            if tried <= height + 1e-12 * abs(height) or scale < 1e-6:
                break
            scale /= 2
        log_z, height = log_z + scale * step, tried
        if np.abs(scale * step).max() < CLOSE * max(1.0, float(np.abs(log_z).max())):
            if len(betas) > 1 and np.linalg.eigvalsh(hessian[1:, 1:])[0] < SHARED * draws.min():
                break
            return States(levels, np.log(n) - expected, np.asarray(betas), log_z)
    raise BadInput("neighbouring temperatures share too few energies: set more between them")


def _integrated(levels: Array, shares: Array, betas: Array) -> Array:
    """Give ln Z (K,) roughly, by integrating d ln Z / dβ = -<E> with its slope: cubic between two β."""
    mean = shares @ levels
    variance = np.einsum("kl,kl->k", shares, (levels - mean[:, None]) ** 2)
    width = np.diff(betas)
    steps = -width * (mean[1:] + mean[:-1]) / 2 - width**2 * np.diff(variance) / 12
    return np.concatenate([[0.0], np.cumsum(steps)])


def _against_counting(seed: int) -> Iterable[CalibrationRow]:
    """Draw energies of spins in fields, whose Z is a product; ask for ln Z, u and c where nothing was run."""
    betas, between = np.array([0.0, 0.4, 0.8, 1.2, 1.6]), np.array([0.6, 1.0, 1.4])
    for fields in (np.ones(16), np.linspace(0.3, 1.7, 16)):
        rng = np.random.default_rng(seeds(seed, "fields", fields[0]))
        up = 1 / (1 + np.exp(-2 * np.multiply.outer(betas, fields)))
        spins = np.where(rng.random((len(betas), 64, 40, 16)) < up[:, None, None], 1.0, -1.0)
        energies = -(spins @ fields).round(12)  # (run, block, draw)
        found, which = levels(energies.ravel(), betas[-1])
        at = np.arange(len(betas) * 64).repeat(40) * len(found) + which
        counts = np.bincount(at, minlength=len(betas) * 64 * len(found)).reshape(len(betas), 64, -1)

        def estimate(kept: Array, found: Array = found, counts: Array = counts) -> Array:
            states = multi_histogram(found, counts[:, kept].sum(axis=1), betas)
            return np.array([moment[i] for i, moment in enumerate(states.thermal(between))])

        value, error = jackknife(estimate, 64)
        exact = (
            np.log(np.cosh(between[0] * fields)).sum(),
            -(fields * np.tanh(between[1] * fields)).sum(),
            ((fields / np.cosh(between[2] * fields)) ** 2).sum(),
        )
        name = f"16 spins, fields {fields[0]:g} to {fields[-1]:g}"
        for i, quantity in enumerate(("ln Z", "energy", "variance")):
            yield CalibrationRow.measured(
                "reweighting", name, f"{quantity} at β = {between[i]:g}",
                exact=float(exact[i]), value=float(value[i]), error=float(error[i]), cap=(0.1, 0.3, 0.6)[i],
            )  # fmt: skip


calibrations = (Calibration("spins in fields", "Z is a product", _against_counting),)
