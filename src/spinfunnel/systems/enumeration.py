"""All 2^N configurations, one by one: the oracle for everything that has few spins.

Configurations are numbered: bit i of the number says that spin i is up. With pairwise couplings the energies
come in blocks of `2^LOW`, in which the spins above LOW stand still: they act on those below only through a
field, and the energy of independent spins in a field is an outer sum. So a state costs two additions, and
rounding does not add up from state to state, as it does along a Gray code. With couplings among many spins
the energies of a block are the Walsh-Hadamard transform of its couplings: LOW additions, however many terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import Pairwise, System

#: The most spins that are enumerated, and those whose correlations are (8 bytes a state are kept).
LARGEST, LARGEST_KEPT = 32, 24

#: Spins that move within a block: its energies stay in the processor's second cache.
LOW = 14

#: Energies this close are one level, relative to the largest energy there could be.
TIE = 1e-11

#: Measured nanoseconds of one core: for a state (N = 28; of many-body couplings, N = 24), and for its weight
#: at one temperature.
STATE, MANY_BODY_STATE, WEIGHT = 5.5, 25.0, 3.5


@dataclass(frozen=True)
class Thermal:
    """Thermodynamics at temperatures T, arrays (T,): ln Z, energy and heat capacity per spin (k_B = 1)."""

    log_z: Array
    u: Array
    c: Array


@dataclass(frozen=True)
class Enumeration:
    """What a look at every configuration gives.

    Attributes:
        ground_energy, degeneracy, ground_state: the lowest energy, how many states have it, and one, (N,).
        thermal: at the temperatures asked for.
        levels, counts: all energies and how many states have each, if all couplings are whole; else None.
    """

    ground_energy: float
    degeneracy: int
    ground_state: Array
    thermal: Thermal
    levels: Array | None = None
    counts: Array | None = None


def positive(temperature: Sequence[float] | Array | float) -> Array:
    """Give temperatures as an array (T,), if they are positive and finite.

    Raises:
        BadInput: if one is not.
    """
    t = np.atleast_1d(np.asarray(temperature, dtype=np.float64))
    wrong = t[~(np.isfinite(t) & (t > 0))]
    if wrong.size:
        raise BadInput(f"temperatures must be positive, not {wrong[0]:g}")
    return t


def enumerate_states(system: System, temperatures: Sequence[float] | Array = ()) -> Enumeration:
    """Look at every configuration of at most 32 spins +-1.

    >>> from spinfunnel.systems import system
    >>> ring = enumerate_states(system("ising1d", size=4), [1.0])
    >>> ring.levels, ring.counts, ring.thermal.u.round(6)
    (array([-4.,  0.,  4.]), array([ 2, 12,  2]), array([-0.900413]))

    Raises:
        BadInput: above 32 spins (the message says how long it would take), or if a temperature is not
            positive.
    """
    temperatures = positive(temperatures)
    n, copies = system.size, _copies(system)
    if n > LARGEST:
        each = STATE if isinstance(system, Pairwise) else MANY_BODY_STATE
        seconds = 2.0**n / copies * (each + WEIGHT * len(temperatures)) * 1e-9
        raise BadInput(f"all 2^{n} states would take {_duration(seconds)}: enumerate at most {LARGEST} spins")
    sums, span = _Sums(1 / temperatures), _span(system)
    histogram = np.zeros(0 if span is None else 2 * span + 1, dtype=np.int64)
    lowest, degeneracy, first, tie = np.inf, 0, 0, 0.0
    for start, energies in blocks(system):
        low = float(energies.min())
        tie = max(tie, TIE * float(np.abs(energies).max()))
        if low < lowest + tie:
            if low < lowest - tie:
                lowest, degeneracy, first = low, 0, start + int(energies.argmin())
            degeneracy += copies * int((energies <= lowest + tie).sum())
        if span is None:
            sums.add(energies, np.full(1, copies))
        else:
            histogram += np.bincount(np.rint(energies).astype(np.int64) + span, minlength=len(histogram))
    state = (2 * ((first >> np.arange(n)) & 1) - 1).astype(np.int8)
    if span is None:
        return Enumeration(lowest, degeneracy, state, sums.thermal(n))
    seen = np.flatnonzero(histogram)
    levels, counts = (seen - span).astype(np.float64), copies * histogram[seen]
    sums.add(levels, counts)
    return Enumeration(lowest, degeneracy, state, sums.thermal(n), levels, counts)


def blocks(system: System) -> Iterator[tuple[int, Array]]:
    """Give all energies in order, block by block, with the number of the first; of a pair (s, -s) one."""
    if isinstance(system, Pairwise):
        yield from _of_pairs(system)
    elif isinstance(system, ManyBody):
        yield from _of_terms(system)
    else:
        spins = np.arange(system.size)
        for start in range(0, 2**system.size, 2**LOW):
            states = np.arange(start, min(start + 2**LOW, 2**system.size))
            yield start, system.energy((2 * ((states[:, None] >> spins) & 1) - 1).astype(np.int8))


def _of_pairs(system: Pairwise) -> Iterator[tuple[int, Array]]:
    n, low = system.size, min(LOW, system.size - (_copies(system) - 1))
    matrix, fields = np.zeros((n, n)), system.fields
    matrix[np.repeat(np.arange(n), np.diff(system.indptr)), system.indices] = system.couplings
    base = np.zeros(1)  # the spins below LOW among themselves
    for i in range(low):
        down = _independent(matrix[i, :i], 0.0)
        base = np.concatenate([base - down, base + down])
    for k in range(2 ** (n - low) // _copies(system)):
        above = 2.0 * ((k >> np.arange(n - low)) & 1) - 1
        inner = above @ matrix[low:, low:] @ above / 2
        acting = fields[:low] + matrix[:low, low:] @ above
        half = low // 2
        upper = _independent(acting[half:], -inner - fields[low:] @ above)
        yield k << low, base + np.add.outer(upper, _independent(acting[:half], 0.0)).ravel()


def _independent(fields: Array, constant: float) -> Array:
    """Give constant - sum_i h_i s_i for all states of spins that do not interact."""
    energies = np.array([constant])
    for h in fields:
        energies = np.concatenate([energies + h, energies - h])
    return energies


def _of_terms(system: ManyBody) -> Iterator[tuple[int, Array]]:
    n, low = system.size, min(LOW, system.size - (_copies(system) - 1))
    members = np.concatenate([system.members, np.arange(n)])  # a field is a term of one spin
    first = np.concatenate([system.indptr[:-1], system.indptr[-1] + np.arange(n)])
    below = np.bitwise_or.reduceat(np.where(members < low, 1 << members.astype(np.int64), 0), first)
    strengths = _strengths(system)
    for k in range(2 ** (n - low) // _copies(system)):
        spins = np.concatenate([np.ones(low), 2.0 * ((k >> np.arange(n - low)) & 1) - 1])
        acting = strengths * np.multiply.reduceat(spins[members], first)
        yield k << low, -walsh(np.bincount(below, acting, 2**low))[::-1]


def walsh(values: Array) -> Array:
    """Give sum_k values[k] (-1)^(bits that k and j share), for all j: the Walsh-Hadamard transform.

    >>> walsh(np.array([1.0, 2.0, 3.0, 4.0]))
    array([10., -2., -4.,  0.])
    """
    for _ in range(len(values).bit_length() - 1):
        even, odd = values[0::2], values[1::2]
        values = np.concatenate([even + odd, even - odd])
    return values


def _strengths(system: Pairwise | ManyBody) -> Array:
    """Give every coupling, once, and every field."""
    couplings = system.couplings
    if isinstance(system, Pairwise):
        couplings = couplings[np.repeat(np.arange(system.size), np.diff(system.indptr)) < system.indices]
    return np.concatenate([couplings, system.fields])


def _copies(system: System) -> int:
    """2 if turning all spins over changes nothing; then only states with the last spin down are made."""
    if not isinstance(system, Pairwise | ManyBody) or system.fields.any():
        return 1
    return 2 if isinstance(system, Pairwise) or not (np.diff(system.indptr) % 2).any() else 1


def _span(system: System) -> int | None:
    """Give a whole number that no energy exceeds in size; None if energies are not whole, or too many."""
    if not isinstance(system, Pairwise | ManyBody):
        return None
    strengths = _strengths(system)
    span = np.abs(strengths).sum()
    return int(span) if (strengths == np.rint(strengths)).all() and span < 2**20 else None


class _Sums:
    """Running sums of weights e^{-E/T} w and their moments, about the lowest energy seen."""

    def __init__(self, betas: Array) -> None:
        self.betas, self.low = betas, np.inf
        self.moments = np.zeros((3, len(betas)))

    def add(self, energies: Array, weights: Array) -> None:
        low = min(self.low, float(energies.min()))
        if np.isfinite(self.low):
            self._recentre(low)
        self.low = low
        above = energies - low
        for k, beta in enumerate(self.betas):
            w = np.exp(-beta * above) * weights
            wa = w * above
            self.moments[:, k] += w.sum(), wa.sum(), wa @ above

    def _recentre(self, low: float) -> None:
        """Measure energies from a lower level: E - low = (E - old) + d."""
        d = self.low - low
        zero, one, two = self.moments * np.exp(-self.betas * d)
        self.moments = np.stack([zero, one + d * zero, two + 2 * d * one + d * d * zero])

    def thermal(self, n: int) -> Thermal:
        zero, one, two = self.moments
        mean = one / zero
        log_z = np.log(zero) - self.betas * self.low
        return Thermal(log_z, (self.low + mean) / n, self.betas**2 * (two / zero - mean**2) / n)


def correlations(system: System, temperature: float) -> tuple[Array, Array]:
    """Give <s_i> (N,) and <s_i s_j> (N, N) of at most 24 spins: a Walsh-Hadamard transform of the weights.

    Then <q^2> of two replicas is the mean of <s_i s_j>^2 over all i and j, and <q_link> over the bonds.

    >>> from spinfunnel.systems import system
    >>> one, two = correlations(system("ising1d", size=4), 1.0)
    >>> (-two[0, 1]).round(6)  # the energy per spin
    np.float64(-0.900413)

    Raises:
        BadInput: above 24 spins, or if the temperature is not positive.
    """
    n = system.size
    if n > LARGEST_KEPT:
        need = 2 ** (n - 27)
        raise BadInput(f"correlations of {n} spins need {need:g} GiB: take at most {LARGEST_KEPT}")
    beta = 1 / positive(temperature)[0]
    energies = np.concatenate([block for _, block in blocks(system)])
    if _copies(system) == 2:
        energies = np.concatenate([energies, energies[::-1]])
    sums = walsh(np.exp(beta * (energies.min() - energies))[::-1])
    bits = 1 << np.arange(n)
    means = sums / sums[0]
    return means[bits], means[bits[:, None] ^ bits]


def _duration(seconds: float) -> str:
    for unit, length in (("years", 3.156e7), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"
