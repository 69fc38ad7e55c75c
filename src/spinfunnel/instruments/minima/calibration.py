"""Minima of systems of which every state is known, and counts of kinds whose shares are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import comb

import numpy as np

from spinfunnel.coolings import Cooling, Coolings, cool
from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.descent import quench
from spinfunnel.instruments.minima import counting, measuring
from spinfunnel.structures import all_overlaps
from spinfunnel.systems import system as named
from spinfunnel.systems.chain_enumeration import ground_states
from spinfunnel.systems.chains import SEQUENCES, hp
from spinfunnel.systems.protocols import Flips, Metric
from spinfunnel.systems.spins import Spins


def all_minima(system: Flips) -> Array:
    """Give all states from which no flip gains, (minima, N); both of a state and its mirror image."""
    n = system.size
    x = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    return np.asarray(x[system.flip_cost(x).min(axis=1) >= -1e-9])


def anneals(system: Metric, sets: int, times: tuple[int, ...], seed: int) -> Coolings:
    """Make sets of sixteen anneals."""
    return Coolings.of([cool(system, Cooling(i, times, 0.0, 0), seed) for i in range(sets)])


def _all_states(seed: int) -> Iterable[CalibrationRow]:
    """Look for all minima of small glasses, of which there are as many as enumeration says."""
    for name, size in (("sk", 14), ("pspin?p=3", 10), ("ea?dimension=2&law=gauss", 4)):
        system = named(name, size=size, seed=3)
        assert isinstance(system, Flips)
        assert isinstance(system, Metric)
        exact = all_minima(system)
        overlaps = all_overlaps(system, exact)
        alone = (np.triu(overlaps, 1) < 1 - 1e-9).all(axis=0)
        fallen = quench(system, system.random(4000, seeds(seed, name)), seed=seed)
        made = anneals(system, 1, (10, 100), seeds(seed, name))
        made = replace(made, structures=fallen.final, structure_energies=fallen.energies[0])
        found = measuring.tell_apart(system, made)
        where = f"{name}, N {system.size}"
        yield CalibrationRow.deterministic(
            "minima", where, "distinct minima met, of all there are",
            exact=int(alone.sum()), value=len(found.met.energies), tolerance=0,
        )  # fmt: skip
        costs = system.flip_cost(found.met.states)
        yield CalibrationRow.deterministic(
            "minima", where, "met states that are no minima", exact=0,
            value=int((costs.min(axis=1) < -1e-9).sum()), tolerance=0,
        )  # fmt: skip


def two_magnets(size: int) -> Spins:
    """Make two magnets that hardly know of each other, by one bond: q is 0 or 1, as often."""
    half = size // 2
    i, j = np.triu_indices(half, 1)
    edges = np.concatenate([np.stack([i, j], axis=1), np.stack([i, j], axis=1) + half, [[0, half]]])
    bonds = np.full(len(edges), 1 / half)
    bonds[-1] = 1e-9
    return Spins.of_edges(edges, bonds, size=size, name="two magnets")


def _magnets(seed: int) -> Iterable[CalibrationRow]:
    """Of two magnets apart there are two states, met evenly; of one there is one, modulo symmetry."""
    magnet = named("mattis", size=24, seed=1)
    assert isinstance(magnet, Metric)
    one = measuring.tell_apart(magnet, anneals(magnet, 1, (10, 100), seeds(seed, "one")))
    pair, effective = two_magnets(24), []
    for i in range(24):
        two = measuring.tell_apart(pair, anneals(pair, 1, (10, 100), seeds(seed, "two", i)))
        effective.append(counting.effective_number(two.labels, seeds(seed, i)).value)
    for where, quantity, exact, value in (
        ("mattis, N 24", "minima of lowest energy", 1, one.lowest),
        ("mattis, N 24", "basins", 1, one.labels.max() + 1),
        ("two magnets apart, N 24", "minima of lowest energy", 2, two.lowest),
        ("two magnets apart, N 24", "basins", 2, two.labels.max() + 1),
    ):
        yield CalibrationRow.deterministic(
            "minima", where, quantity, exact=exact, value=float(value), tolerance=0
        )
    ends, k = 16, np.arange(17)
    law, n_eff = np.array([comb(ends, j) for j in k]) / 2**ends, ends**2 / (k**2 + (ends - k) ** 2)
    mean = float(law @ n_eff)
    yield CalibrationRow.measured(
        "minima", "two magnets apart, N 24", "n_eff of 16 anneals", exact=mean,
        value=float(np.mean(effective)), error=float(np.sqrt(law @ (n_eff - mean) ** 2 / len(effective))),
        cap=0.1,
    )  # fmt: skip


def _shares(seed: int) -> Iterable[CalibrationRow]:
    """Draw kinds of known shares: intervals of n_eff hold its mean; what is not seen is as likely as said."""
    rng, draws, replicas = np.random.default_rng(seeds(seed, "shares")), 200, 32
    for name, p in (
        ("two kinds, 70 and 30 %", np.array([0.7, 0.3])),
        ("four kinds", np.full(4, 0.25)),
        ("40 kinds, as 1/k", 1 / np.arange(1, 41)),
    ):
        p = p / p.sum()
        many = rng.multinomial(replicas, p, size=20_000)
        exact = float((replicas**2 / (many**2.0).sum(axis=1)).mean())
        drawn = rng.multinomial(replicas, p, size=draws)
        found = [counting.effective_number(np.repeat(np.arange(len(p)), k), seed) for k in drawn]
        inside = sum(n.low <= exact <= n.high for n in found if n.low and n.high)
        yield CalibrationRow.rate(
            "minima", name, "90 % intervals of n_eff that hold its mean", k=inside, n=draws, at_least=0.75
        )
    said = [counting.unseen(k) for k in drawn]
    values, errors = (np.array([getattr(one, what) for one in said]) for what in ("value", "error"))
    yield CalibrationRow.measured(
        "minima", name, "mean unseen share", exact=float((p * (1 - p) ** (replicas - 1)).sum()),
        value=float(values.mean()), error=float(values.std(ddof=1) / np.sqrt(draws)), cap=0.01,
    )  # fmt: skip
    true = np.array([p[k == 0].sum() for k in drawn])
    yield CalibrationRow.rate(
        "minima", name, "unseen shares within 1.64 errors of the true one",
        k=int((np.abs(values - true) <= 1.64 * errors).sum()), n=draws, at_least=0.8,
    )  # fmt: skip


def _folded(letters: str, sets: int, seed: int) -> Iterable[CalibrationRow]:
    """Find all conformations of lowest energy; a palindrome's, read from its two ends, are the same."""
    chain = hp(len(letters), sequence=letters)
    exact = ground_states(chain)
    alike = np.triu(all_overlaps(chain, exact.states), 1) > 1 - 1e-9
    found = measuring.tell_apart(chain, anneals(chain, sets, (10, 100, 1000), seeds(seed, "hp")))
    for quantity, known, value in (
        ("lowest energy", exact.energy, float(found.met.energies[0])),
        ("minima of lowest energy, by their contacts", int((~alike.any(axis=0)).sum()), found.lowest),
    ):
        yield CalibrationRow.deterministic(
            "minima", f"hp, {letters}", quantity, exact=known, value=value, tolerance=0
        )


FOLDS = "all conformations of lowest energy, by branch and bound"
calibrations = (
    Calibration("all minima", "enumeration of all 2^N states", _all_states),
    Calibration("one magnet and two", "states known by construction", _magnets),
    Calibration("shares", "multinomial draws of known shares", _shares),
    Calibration("folded chain", FOLDS, lambda seed: _folded("PPHPPHPPPHHHHP", 2, seed)),
    Calibration("folded palindrome", FOLDS, lambda seed: _folded(SEQUENCES[20], 4, seed), "normal"),
)
