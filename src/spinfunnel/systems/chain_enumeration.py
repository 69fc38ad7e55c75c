"""All conformations of a lattice chain, or only those of lowest energy: the oracles for lattice proteins.

A chain grows monomer by monomer, depth first. Of conformations that are rotations or reflections of each
other one is made: the first bond points right, and the first turn is a left turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.compiling import compiled
from spinfunnel.systems import pull_moves
from spinfunnel.systems.chains import Chain, PlantedChain, compact, designed, go, heteropolymer, hp
from spinfunnel.systems.enumeration import TIE, Thermal, positive

#: The longest chains of which all conformations are looked at (5.8 million), and kept.
LARGEST, LARGEST_KEPT = 18, 12

#: Conformations of lowest energy that are kept (all are counted), and monomers placed before a search gives
#: up: two minutes of one core.
KEPT, PATIENCE = 1024, 10**10


@dataclass(frozen=True)
class Conformations:
    """All conformations modulo rotations and reflections.

    Attributes:
        energies: of each, (conformations,); the straight chain comes first.
        copies: how many walks each stands for: 8, but the straight chain 4.
        thermal: ln Z (over all walks from a site), u and c per monomer, at the temperatures asked for.
    """

    energies: Array
    copies: Array
    thermal: Thermal

    @property
    def ground_energy(self) -> float:
        """The lowest energy."""
        return float(self.energies.min())

    @property
    def degeneracy(self) -> int:
        """How many conformations have it, modulo rotations and reflections."""
        low = self.ground_energy
        return int((self.energies <= low + TIE * max(1.0, abs(low))).sum())


@dataclass(frozen=True)
class GroundStates:
    """Conformations of lowest energy, modulo rotations and reflections.

    Attributes:
        energy, degeneracy: the lowest energy, and how many conformations have it.
        states: the first 1,024 of them, (states, N, 2).
        looked_at: how many monomers were placed to find out.
    """

    energy: float
    degeneracy: int
    states: Array
    looked_at: int


def enumerate_chains(chain: Chain, temperatures: Sequence[float] | Array = ()) -> Conformations:
    """Look at every conformation of a chain of at most 18 monomers.

    >>> from spinfunnel.systems.chains import hp
    >>> found = enumerate_chains(hp(6, sequence="HPPHPH"), [1.0])
    >>> found.copies.sum(), found.ground_energy, found.degeneracy  # 284 walks of 5 bonds
    (np.int64(284), -2.0, 1)

    Raises:
        BadInput: above 18 monomers, or if a temperature is not positive.
    """
    t, n = positive(temperatures), chain.size
    energies, _ = _all(chain, keep_states=False)
    copies = np.full(len(energies), 8)
    copies[0] = 4
    above = energies - energies.min()
    log_z, u, c = (np.zeros(len(t)) for _ in range(3))
    for k, beta in enumerate(1 / t):
        weights = copies * np.exp(-beta * above)
        z = weights.sum()
        mean = weights @ above / z
        log_z[k] = math.log(z) - beta * energies.min()
        u[k] = (energies.min() + mean) / n
        c[k] = beta**2 * (weights @ (above - mean) ** 2) / z / n
    return Conformations(energies, copies, Thermal(log_z, u, c))


def all_walks(size: int) -> Array:
    """Give every self-avoiding chain of at most 12 monomers that starts at the origin, (walks, N, 2).

    >>> [len(all_walks(size)) for size in (4, 5, 6)]
    [36, 100, 284]

    Raises:
        BadInput: above 12 monomers.
    """
    if size > LARGEST_KEPT:
        raise BadInput(f"{size} monomers have too many walks to keep: at most {LARGEST_KEPT}")
    _, states = _all(Chain("walk", "E = 0", np.zeros((size, size))), keep_states=True)
    mirrored = np.concatenate([states, states[1:] * (1, -1)])  # but not the straight one
    x, y = mirrored[:, :, 0], mirrored[:, :, 1]
    return np.concatenate([np.stack(turned, axis=2) for turned in ((x, y), (-y, x), (-x, -y), (y, -x))])


def _all(chain: Chain, *, keep_states: bool) -> tuple[Array, Array]:
    """Give energies (conformations,), and the conformations if they are to be kept."""
    n, grow = chain.size, compiled(_grow)
    if n > LARGEST:
        raise BadInput(f"{n} monomers have too many conformations: enumerate at most {LARGEST} of them")
    given = chain.strengths, np.zeros(n), np.inf, False, PATIENCE
    count, _, _ = grow(*given, np.zeros(0), np.zeros((0, n, 2), dtype=np.int64))
    energies, states = np.zeros(count), np.zeros((count if keep_states else 0, n, 2), dtype=np.int64)
    grow(*given, energies, states)
    return energies, states


def ground_states(chain: Chain, *, at_most: float = math.inf, patience: int = PATIENCE) -> GroundStates:
    """Find all conformations of lowest energy by branch and bound.

    A branch ends where even the best contacts left could not reach the lowest energy so far: a monomer makes
    at most two contacts with those before it, the last one three. The time depends on the chain; a low
    energy `at_most`, known from annealing, saves much of it. HP chains of 25 to 36 monomers take seconds.

    >>> from spinfunnel.systems.chains import hp
    >>> found = ground_states(hp(20))
    >>> found.energy, found.degeneracy
    (-9.0, 2)

    Raises:
        BadInput: if no conformation has an energy of `at_most` or below (this is a proof), or if more than
            `patience` monomers would have to be placed.
    """
    degeneracy, energy, placed, states = _lowest(chain, reach(chain), at_most, patience)
    if placed > patience:
        raise BadInput(f"{patience:g} monomers placed, and the search is not over: give a lower at_most")
    if not degeneracy:
        raise BadInput(f"no conformation has an energy of {at_most:g} or below: give a higher at_most")
    return GroundStates(energy, degeneracy, states, placed)


def _lowest(chain: Chain, reach: Array, at_most: float, patience: int) -> tuple[int, float, int, Array]:
    states = np.zeros((KEPT, chain.size, 2), dtype=np.int64)
    count, energy, placed = compiled(_grow)(
        chain.strengths, reach, at_most, True, patience, np.zeros(0), states
    )
    return int(count), float(energy), int(placed), states[:count]


def reach(chain: Chain) -> Array:
    """Give (N,): what the contacts of all monomers after k, with those before them, could add at best."""
    gains = np.zeros(chain.size)
    for m in range(3, chain.size):
        partners = np.sort(np.minimum(chain.strengths[m, m - 3 :: -2], 0.0))
        gains[m] = partners[: 3 if m == chain.size - 1 else 2].sum()
    return np.asarray(gains.sum() - np.cumsum(gains))


def _grow(
    strengths: Any, reach: Any, best: float, lowest: bool, patience: int, energies: Any, states: Any
) -> Any:
    """Visit all conformations, or the lowest alone; give (their number, energy, monomers placed).

    The first of them go into energies (room,) and states (room, N, 2).
    """
    n = strengths.shape[0]
    side = 2 * n + 1
    grid = np.full(side * side, -1)  # who is where
    steps = np.array([side, 1, -side, -1])  # right, up, left, down
    place, tried, energy = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
    turned = np.zeros(n, np.bool_)
    place[0] = n * side + n
    place[1] = place[0] + side
    grid[place[0]], grid[place[1]] = 0, 1
    count, placed, k = 0, 0, 2
    slack = TIE * max(1.0, abs(reach[0]))
    while k > 1 and placed <= patience:
        if tried[k] == (4 if turned[k - 1] else 2):  # this monomer has been everywhere
            k -= 1
            grid[place[k]] = -1
            continue
        here = place[k - 1] + steps[tried[k]]
        tried[k] += 1
        if grid[here] >= 0:
            continue
        placed += 1
        total = energy[k - 1]
        for step in steps:
            other = grid[here + step]
            if other >= 0:
                total += strengths[k, other]
        if lowest and total + reach[k] > best + slack:
            continue
        place[k], energy[k], turned[k] = here, total, turned[k - 1] or tried[k] == 2
        if k < n - 1:
            grid[here] = k
            k += 1
            tried[k] = 0
            continue
        if lowest and total < best - slack:
            best, count = total, 0
        if count < energies.shape[0]:
            energies[count] = total
        if count < states.shape[0]:
            for m in range(n):
                states[count, m, 0], states[count, m, 1] = place[m] // side - n, place[m] % side - n
        count += 1
    return count, best, placed


# What follows compares the chains, their moves and both searches with what is known.

#: Self-avoiding walks of so many bonds on the square lattice: sequence A001411 of the OEIS.
WALKS = {7: 2172, 9: 16268, 11: 120292, 13: 881500, 15: 6416596}

#: HP benchmarks: lowest energy (the literature's), and how many conformations have it, modulo rotations and
#: reflections. For 20 and 24 `_unbounded` looks at all; for 36 it is what branch and bound finds.
NATIVE = {20: (-9, 2), 24: (-9, 19), 25: (-8, 16), 36: (-14, 192)}


def _same(system: str, quantity: str, *, found: float, known: float, tolerance: float = 0) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "chains", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _counted(seed: int) -> Iterator[CalibrationRow]:
    for bonds, known in WALKS.items():
        found = enumerate_chains(Chain("walk", "E = 0", np.zeros((bonds + 1,) * 2)))
        yield _same("square lattice", f"walks of {bonds} bonds", found=int(found.copies.sum()), known=known)
    chain = heteropolymer(10, seed)
    energies, states = _all(chain, keep_states=True)
    worst = float(np.abs(energies - chain.energy(states)).max())
    name = "heteropolymer, N 10"
    yield _same(name, "energies, enumeration less system, worst", found=worst, known=0, tolerance=1e-12)


def _bounded(seed: int) -> Iterator[CalibrationRow]:
    """Compare branch and bound with a look at all conformations."""
    letters = "".join(np.random.default_rng(seeds(seed, "letters")).choice(["H", "P"], size=16, p=[0.6, 0.4]))
    for name, chain in (
        (f"hp, {letters}", hp(16, sequence=letters)),
        ("heteropolymer, N 15", heteropolymer(15, seed)),
        ("heteropolymer, N 16, mean 0", heteropolymer(16, seed, mean=0)),
        ("go, N 12", go(12, seed)),
        ("go, N 16", go(16, seed)),
    ):
        every, found = enumerate_chains(chain), ground_states(chain)
        known = chain.ground_energy if isinstance(chain, PlantedChain) else every.ground_energy
        yield _same(name, "ground energy", found=found.energy, known=known, tolerance=1e-12)
        yield _same(name, "lowest of all", found=every.ground_energy, known=known, tolerance=1e-12)
        yield _same(name, "degeneracy", found=found.degeneracy, known=every.degeneracy)


def _benchmarks(*sizes: int) -> Iterator[CalibrationRow]:
    for size in sizes:
        energy, degeneracy = NATIVE[size]
        found = ground_states(hp(size))
        yield _same(f"hp, N {size}", "ground energy", found=found.energy, known=energy)
        yield _same(f"hp, N {size}", "degeneracy", found=found.degeneracy, known=degeneracy)


def _folded(seed: int) -> Iterator[CalibrationRow]:
    for size in (25, 36):
        chain = go(size, seed)
        found = ground_states(chain, at_most=chain.ground_energy)
        share = float(chain.overlap(found.states, chain.native[None].repeat(len(found.states), axis=0)).min())
        yield _same(f"go, N {size}", "least overlap of lowest states with the native", found=share, known=1)


def _designs(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Compare native states with equilibrium among compact ones, at the temperature of the design."""
    strength, squares = 0.7, np.unique([compact(9, k) for k in range(1000)], axis=0)
    excess = np.empty(draws)
    for draw in range(draws):
        chain = designed(9, seeds(seed, "designed", draw), strength=strength)
        energies = chain.energy(squares)
        weights = np.exp(strength * (energies.min() - energies))
        excess[draw] = chain.energy(chain.native[None])[0] - weights @ energies / weights.sum()
    name = f"designed, N 9, T 1/{strength}, {len(squares)} compact walks"
    yield CalibrationRow.measured(
        "chains", name, "energy of the native state less the mean energy",
        exact=0, value=float(excess.mean()), error=float(excess.std(ddof=1) / math.sqrt(draws)), cap=0.1,
    )  # fmt: skip


def _unbounded(size: int) -> Iterator[CalibrationRow]:
    """Look at all conformations of a benchmark, none passed over."""
    reach = np.append(np.full(size - 1, -1e3), 0.0)
    degeneracy, energy, _, _ = _lowest(hp(size), reach, math.inf, PATIENCE)
    yield _same(f"hp, N {size}, all conformations", "ground energy", found=energy, known=NATIVE[size][0])
    yield _same(f"hp, N {size}, all conformations", "degeneracy", found=degeneracy, known=NATIVE[size][1])


def _reversible(size: int) -> Iterator[CalibrationRow]:
    """Make every pull move of every walk: as many labels must lead from each to each as back."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    walks = all_walks(size)
    number = {walk.tobytes(): k for k, walk in enumerate(walks)}
    prepare, accept = compiled(pull_moves.prepare), compiled(pull_moves.accept)
    propose = compiled(pull_moves.propose, {"below": _label})
    chain = Chain("walk", "E = 0", np.zeros((size, size)))
    memory, there, back = np.zeros(chain.memory), [], []
    for k, walk in enumerate(walks):
        for label in range(pull_moves.labels(size)):
            x = walk.copy()
            prepare(x, memory, chain.data)
            cost, _ = propose(x, memory, chain.data, np.array([label], dtype=np.uint32))
            if np.isfinite(cost):
                accept(x, memory, chain.data)
                there.append(k)
                back.append(number[(x - x[0]).tobytes()])
    moves = coo_array((np.ones(len(there)), (there, back)), shape=(len(walks),) * 2).tocsr()
    name = f"pull moves of all {len(walks)} walks, N {size}"
    yield _same(name, "moves less moves back, worst", found=float(abs(moves - moves.T).max()), known=0)
    yield _same(name, "parts that no move connects", found=int(connected_components(moves)[0]), known=1)


def _label(rng: Any, n: int) -> Any:
    return np.int64(rng[0])


ALL, UNGER = "enumeration of all conformations", "Unger & Moult (1993); all conformations"
GYORFFY = "Győrffy, Závodszky & Szilágyi (2012)"
calibrations = (
    Calibration("walks", "OEIS A001411; all conformations", _counted),
    Calibration("branch and bound", ALL, _bounded),
    Calibration("benchmarks", UNGER, lambda seed: _benchmarks(20, 24, 25)),
    Calibration("benchmark of 36", UNGER, lambda seed: _benchmarks(36), "normal"),
    Calibration("native states", "every contact that counts is made", _folded),
    Calibration("designed chains", "Bayes: who is native is drawn", lambda seed: _designs(seed, 1000)),
    Calibration("HP 20 without a bound", ALL, lambda seed: _unbounded(20)),
    Calibration("HP 24 without a bound", ALL, lambda seed: _unbounded(24), "full"),
    Calibration("pull moves are undone", GYORFFY, lambda seed: _reversible(8)),
    Calibration("pull moves are undone, N 10", GYORFFY, lambda seed: _reversible(10), "normal"),
)
