"""The number of states at every energy, with errors, from the ladders of a system."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spinfunnel.core import Array, Number
from spinfunnel.maths.reweighting import States, counted, multi_histogram
from spinfunnel.maths.statistics import jackknife
from spinfunnel.samples import Samples
from spinfunnel.systems.chain_enumeration import enumerate_chains
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.enumeration import blocks
from spinfunnel.systems.folding_theory import annealed_entropy, copies, log_states
from spinfunnel.systems.protocols import Flips, Pairwise, System

#: The most bins of energy; they hold whole levels, where energies are levels.
BINS = 120
#: A bin is told of where so many blocks of ladders met it: from fewer, its error is not known.
FEWEST = 4
#: Ladders missed the native state if they tell so much less of it, in ln g, than that it is there.
MISSED = 1.0
#: Energies are the same, or on a grid, within this share of their range: they are kept in single precision.
TIE, GRID = 1e-6, 1e-3
#: All states are looked at up to this many spins coupled in pairs, other spins, and monomers.
FEW, FEW_OTHER, FEW_MONOMERS = 20, 16, 14


@dataclass(frozen=True)
class Density:
    """What samples say of the number of states; energies are total energies.

    Attributes:
        log_count: S0, the logarithm of the number of all states; None if it is not known, and then entropies
            are above that of the bin where the hottest ladders mostly are.
        width, energies: of the bins, and their middles (B,).
        entropy, entropy_error: S, the logarithm of the number of states in each, (B,).
        beta, beta_error: dS/dE, (B,).
        annealed: S of as many normal energies of the same mean and variance, (B,); None without S0.
        mean, deviation: of the energies of all states; None without S0.
        half: the temperature where what is native, or else the lowest level met, has half of the weight, if
            that is between those sampled.
        missed: whether ladders missed the native state, so that it is taken for one, with its images.
    """

    log_count: float | None
    width: float
    energies: Array
    entropy: Array
    entropy_error: Array
    beta: Array
    beta_error: Array
    annealed: Array | None
    mean: Number | None
    deviation: Number | None
    half: Number | None
    missed: bool


def measured(samples: Samples, system: System, native_energy: float | None = None) -> Density:
    """Count the states, from what all temperatures together tell (`maths.reweighting`).

    Spins are told at infinite temperature too, by random states. Of them, and of chains on a lattice, the
    number of all states is known, and fixes the constant. What has `native_energy`, or less, is native, and
    is kept apart: ladders that did not find it, or do not leave it, still tell the others from each other.
    """
    log_count, t = log_states(system), samples.temperatures
    runs, betas = list(samples.energies.transpose(1, 0, 2)), 1 / t
    if samples.hottest is not None:
        runs, betas = [samples.hottest, *runs], np.concatenate([[0.0], betas])
    every = np.unique(np.concatenate([run.ravel() for run in runs]))
    room, width, edges = TIE * float(np.ptp(every)), *binned(every)
    folded = -math.inf if native_energy is None else native_energy + room
    found, counts = counted(runs, float(betas[-1]), np.sort([folded, *edges]))
    met, first = np.unique(_bins(found, edges), return_index=True)
    seen = np.add.reduceat(counts.sum(axis=1), first, axis=1) > 0  # (blocks, bins met)
    bins = met[seen.sum(axis=0) >= FEWEST]
    middles = (edges[bins] + edges[bins + 1]) / 2
    usual = met[np.add.reduceat(counts[:, 0].sum(axis=0), first).argmax()]  # where the hottest are
    native = found <= folded
    ground = float(found[0]) + room if native_energy is None else folded

    def states_of(kept: Array, given: float | None) -> States:
        """Count the states with some blocks of ladders; how many are native may be given."""
        total = counts[kept].sum(axis=0)
        some = total[:, ~native].any(axis=1)  # at the coldest, all may be native
        states = multi_histogram(found[~native], total[some][:, ~native], betas[some])
        log_g = _native(states, betas, total, native, native_energy) if given is None else given
        if given is not None and log_count is not None:
            states = _adding_up_to(states, log_count + math.log1p(-math.exp(given - log_count)))
        if native_energy is not None and math.isfinite(log_g):
            levels = np.append(native_energy, states.levels)
            states = replace(states, levels=levels, log_g=np.append(log_g, states.log_g))
        return _adding_up_to(states, log_count or 0.0)

    given, everyone = None, np.arange(len(counts))
    if native_energy is not None and log_count is not None:
        least = math.log(copies(system))  # what is known to be there
        told = states_of(everyone, None)
        given = least if told.levels[0] > folded or told.log_g[0] < least - MISSED else None

    def estimate(kept: Array) -> Array:
        """Give S and dS/dE (2 B,), then mean and deviation of all energies, and the temperature of half."""
        states = states_of(kept, given)
        inside = np.full(len(edges) - 1, -np.inf)
        np.logaddexp.at(inside, np.maximum(_bins(states.levels, edges), 0), states.log_g)
        s = inside[bins] - (inside[usual] if log_count is None else 0.0)
        _, mean, variance = states.thermal(np.zeros(1))
        half = half_weight(states, t, ground)
        return np.array([*s, *np.gradient(s, middles), mean[0], math.sqrt(variance[0]), half])

    values, errors = jackknife(estimate, len(counts))
    one, two = slice(len(bins)), slice(len(bins), 2 * len(bins))
    mean, deviation, half = (Number(float(values[i]), error=float(errors[i])) for i in (-3, -2, -1))
    known = log_count is not None
    return Density(
        log_count, width, middles, values[one], errors[one], values[two], errors[two],
        annealed_entropy(middles, width, log_count, mean.value, deviation.value) if log_count else None,
        mean if known else None, deviation if known else None, half if math.isfinite(half.value) else None,
        given is not None,
    )  # fmt: skip


def _adding_up_to(states: States, log_count: float) -> States:
    """Let the numbers of states add up to e^S0."""
    return replace(states, log_g=states.log_g - np.logaddexp.reduce(states.log_g) + log_count)


def _native(others: States, betas: Array, total: Array, native: Array, energy: float | None) -> float:
    """Give ln g of the native states, with which as many records would be native as are; -inf if none is.

    Of N_k records at β_k, N_k / (1 + Z_k e^{β_k E} / g) would be, with the Z_k of all other states.
    """
    from scipy.optimize import brentq

    many, there = total.sum(axis=1), float(total[:, native].sum())
    if energy is None or there == 0:
        return -math.inf
    even = others.thermal(betas)[0] + betas * energy  # the ln g with which half would be
    return float(
        brentq(lambda x: many @ _share(x - even) - there, even.min() - 50, even.max() + 50, xtol=1e-9)
    )


def _share(log_odds: Array) -> Array:
    return np.asarray((1 + np.tanh(log_odds / 2)) / 2)


def half_weight(states: States, t: Array, ground: float) -> float:
    """Give the temperature, between those of t, where states at or below an energy hold half of the weight.

    It is NaN if there is no such temperature.

    >>> spin = States(np.array([-1.0, 1.0]), np.log([1.0, 3.0]), np.ones(1), np.ones(1))
    >>> round(math.exp(2 / half_weight(spin, np.array([9.0, 0.1]), -1.0)), 9)
    3.0
    """
    from scipy.optimize import brentq

    low = states.levels <= ground
    native, others = (replace(states, levels=states.levels[i], log_g=states.log_g[i]) for i in (low, ~low))

    def excess(beta: float) -> float:
        return float((native.thermal(np.array([beta]))[0] - others.thermal(np.array([beta]))[0])[0])

    first, last = 1 / float(t.max()), 1 / float(t.min())
    if low.all() or not low.any() or not excess(first) < 0 < excess(last):
        return math.nan
    return 1 / float(brentq(excess, first, last, xtol=1e-12))


def binned(levels: Array) -> tuple[float, Array]:
    """Give the width of bins, and their edges, for energies (L,), ascending; on a grid, of whole levels.

    >>> binned(np.array([-4.0, 0.0, 2.0]))
    (2.0, array([-5., -3., -1.,  1.,  3.]))
    """
    span = float(np.ptp(levels))
    if span == 0:
        return 1.0, levels[0] + np.array([-0.5, 0.5])
    steps = np.diff(levels)
    gap = float(steps[steps > TIE * span].min())
    whole = (levels - levels[0]) / gap
    if np.abs(whole - np.rint(whole)).max() > GRID:
        return span / BINS, np.linspace(levels[0] - TIE * span, levels[-1] + TIE * span, BINS + 1)
    width = gap * math.ceil((round(span / gap) + 1) / BINS)
    return width, levels[0] - gap / 2 + width * np.arange(math.floor((span + gap / 2) / width) + 2)


def _bins(levels: Array, edges: Array) -> Array:
    return np.asarray(np.searchsorted(edges, levels, side="right") - 1)


def exact_entropy(system: System, middles: Array, width: float) -> Array | None:
    """Give S in bins about `middles` (B,), -inf where there is no state, if all states can be looked at."""
    every = all_energies(system)
    if every is None:
        return None
    energies, weights = every
    at = np.searchsorted(middles - width / 2, energies, side="right") - 1
    inside = (at >= 0) & (energies < middles[np.maximum(at, 0)] + width / 2)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.bincount(at[inside], weights[inside], len(middles))))


def all_energies(system: System) -> tuple[Array, Array] | None:
    """Give the energies of all states (n,), and how many states each stands for, if they are few."""
    n = system.size
    if isinstance(system, Chain) and n <= FEW_MONOMERS:
        every = enumerate_chains(system)
        return every.energies, every.copies
    if isinstance(system, Flips) and n <= (FEW if isinstance(system, Pairwise) else FEW_OTHER):
        energies = np.concatenate([block for _, block in blocks(system)])  # of a pair (s, -s), one
        return energies, np.full(len(energies), 2**n // len(energies))
    return None
