"""Ising spins with couplings among any number of them: p-spin glasses, clauses, mixtures of orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.maths.random_numbers import below
from spinfunnel.systems.protocols import Flips, Metric, Moves, Native, Planted
from spinfunnel.systems.spins import checked, random_spins

#: Products of terms that are held at once, 8 bytes each.
HELD = 2**22

#: Overlaps are looked up over all states that symmetries make of one: at most 2^12.
TURNS = 12


@dataclass(frozen=True, eq=False)
class ManyBody(Flips, Moves, Metric):
    """H = -sum_t J_t prod_{i in t} s_i - sum_i h_i s_i, with terms t of two or more spins.

    Make one with `of_terms`. Term t has the spins `members[indptr[t]:indptr[t + 1]]`, ascending; terms stand
    by order, and within an order like words in a dictionary.

    Shapes: indptr (terms + 1,), members (their orders' sum,), couplings (terms,), fields (N,).

    Raises:
        BadInput: if sizes disagree, a number is not finite, a term is out of order or given twice, or has a
            spin twice or only one, or if the system falls apart.
    """

    name: str
    convention: str
    indptr: Array
    members: Array
    couplings: Array
    fields: Array

    @classmethod
    def of_terms(
        cls,
        terms: Sequence[Array],
        couplings: Sequence[Array],
        fields: Array | None = None,
        *,
        size: int,
        name: str = "many-body",
        convention: str = "H = -sum_t J_t prod_{i in t} s_i - sum h_i s_i",
        **planted: Any,
    ) -> Self:
        """Make a system of arrays of terms (m, p), each with couplings (m,), and of fields (N,).

        >>> triangle = ManyBody.of_terms([np.array([[0, 1, 2]])], [np.array([2.0])], size=3)
        >>> triangle.energy(np.array([[1, 1, 1], [1, -1, 1]]))
        array([-2.,  2.])
        """
        if len(terms) != len(couplings):
            raise BadInput(f"{len(terms)} arrays of terms need as many of couplings, got {len(couplings)}")
        by_order: dict[int, list[tuple[Array, Array]]] = {}
        for spins, strengths in zip(map(np.asarray, terms), map(np.asarray, couplings), strict=True):
            if spins.ndim != 2 or strengths.shape != (len(spins),):
                raise BadInput(
                    f"terms have shape (m, p) and couplings (m,), these have {spins.shape}, {strengths.shape}"
                )
            if spins.size and (spins.min() < 0 or spins.max() >= size):
                raise BadInput(
                    f"spins are numbered 0 to {size - 1}, a term names {spins.min()} or {spins.max()}"
                )
            by_order.setdefault(spins.shape[1], []).append((np.sort(spins, axis=1), strengths))
        members, values, orders = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
        for order, given in sorted(by_order.items()):
            spins, strengths = (np.concatenate(arrays) for arrays in zip(*given, strict=True))
            words = np.lexsort(spins.T[::-1]) if order else np.arange(len(spins))
            members.append(spins[words].ravel())
            values.append(strengths[words])
            orders.append(np.full(len(spins), order))
        return cls(
            name,
            convention,
            np.concatenate([[0], np.cumsum(np.concatenate(orders))]).astype(np.int64),
            np.concatenate(members).astype(np.int32),
            np.concatenate(values).astype(np.float64),
            np.zeros(size) if fields is None else np.asarray(fields, dtype=np.float64),
            **planted,
        )

    def __post_init__(self) -> None:
        n, terms = self.size, len(self.couplings)
        if self.indptr.shape != (terms + 1,) or self.indptr[0] or self.indptr[-1] != len(self.members):
            raise BadInput(
                f"{terms} couplings do not fit {len(self.indptr) - 1} terms, {len(self.members)} members"
            )
        if n < 1:
            raise BadInput("a system needs at least one spin")
        for what, values in (("couplings", self.couplings), ("fields", self.fields)):
            if not np.isfinite(values).all():
                raise BadInput(f"{what} must be finite, {int((~np.isfinite(values)).sum())} are not")
        if (np.diff(self.indptr, n=2) < 0).any():
            raise BadInput("terms must stand by order, those of fewer spins first")
        for _, spins in self.orders:
            if spins.shape[1] < 2:
                raise BadInput("a term has two or more spins: give a field for a term of one")
            step = np.diff(spins, axis=1)
            if (step <= 0).any():
                term = spins[np.flatnonzero((step <= 0).any(axis=1))[0]]
                raise BadInput(f"the spins of a term must ascend, each named once, not {listed(term)}")
            step = np.diff(spins, axis=0)
            first = np.take_along_axis(step, (step != 0).argmax(axis=1)[:, None], axis=1)[:, 0]
            if (first <= 0).any():
                worst = np.flatnonzero(first <= 0)[0]
                if first[worst]:
                    raise BadInput(f"the term {listed(spins[worst + 1])} must stand before the one before it")
                raise BadInput(f"the term {listed(spins[worst])} is given twice: add its couplings up")
        if (parts := pieces([spins for _, spins in self.orders], n)) > 1:
            raise BadInput(f"the spins fall into {parts} parts that do not interact: study each by itself")

    @property
    def size(self) -> int:
        """N, the number of spins."""
        return len(self.fields)

    @cached_property
    def orders(self) -> tuple[tuple[slice, Array], ...]:
        """The terms of each order p: where they stand, and their spins (m, p)."""
        spins = np.diff(self.indptr)
        borders = np.flatnonzero(np.diff(spins, prepend=-1, append=-1))
        return tuple(
            (slice(a, b), self.members[self.indptr[a] : self.indptr[b]].reshape(b - a, spins[a]))
            for a, b in pairwise(borders)
        )

    @cached_property
    def _meetings(self) -> tuple[Array, Array]:
        """The terms of spin i: `terms[starts[i]:starts[i + 1]]`."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.members, minlength=self.size))])
        of_member = np.repeat(np.arange(len(self.couplings), dtype=np.int32), np.diff(self.indptr))
        return starts.astype(np.int64), of_member[np.argsort(self.members, kind="stable")]

    def _products(self, x: Array) -> Iterator[Array]:
        """Give prod_{i in t} s_i of all terms, (terms, batch), for a part of the batch at a time."""
        x = checked(x, self.size)
        step = max(1, HELD // max(1, len(self.couplings)))
        for start in range(0, max(1, len(x)), step):
            spins = np.ascontiguousarray(x[start : start + step].T, dtype=np.float64)
            products = np.empty((len(self.couplings), spins.shape[1]))
            for where, members in self.orders:
                own = products[where]
                own[...] = spins[members[:, 0]]
                for column in members.T[1:]:
                    own *= spins[column]
            yield products

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of spins x (batch, N)."""
        terms = np.concatenate([self.couplings @ products for products in self._products(x)])
        return np.asarray(-terms - x @ self.fields)

    def flip_cost(self, x: Array) -> Array:
        """Give 2 (sum_{t with i} J_t prod_{j in t} s_j + h_i s_i), (batch, N)."""
        from scipy.sparse import csr_array

        starts, terms = self._meetings
        shape = (self.size, len(self.couplings))
        strengths = csr_array((self.couplings[terms], terms, starts), shape=shape)
        of_terms = np.concatenate([(strengths @ products).T for products in self._products(x)])
        return np.asarray(2 * (of_terms + x * self.fields))

    @property
    def memory(self) -> int:
        """What each spin's flip costs, and the number of the spin to be turned over."""
        return self.size + 1

    @cached_property
    def data(self) -> tuple[Array, ...]:
        """Each term once for each of its spins, in runs, to be worked through together.

        Run r of spin i, from first[i] to first[i + 1], are terms that share all but one of the other spins:
        `shared[heads[r]:heads[r + 1]]`, and one `last[starts[r]:starts[r + 1]]` each. So where all sets of
        spins are coupled, a flip costs about one addition for each of its terms.
        """
        meetings, terms = self._meetings
        orders = np.diff(self.indptr)[terms]
        owner = np.repeat(np.arange(self.size), np.diff(meetings))
        places = np.arange(orders.sum()) - np.repeat(np.cumsum(orders) - orders, orders)
        others = self.members[np.repeat(self.indptr[terms], orders) + places]
        others = others[others != np.repeat(owner, orders)]
        is_last = np.zeros(len(others), dtype=bool)
        is_last[np.cumsum(orders - 1) - 1] = True
        common, of = others[~is_last], np.repeat(np.arange(len(terms)), orders - 2)
        differs = common != common[np.arange(len(common)) - (orders - 2)[of]]  # from the term before
        new = np.bincount(of, differs, len(terms)) > 0
        new[:1], new[1:] = True, new[1:] | (np.diff(owner) != 0) | (np.diff(orders) != 0)
        runs = np.flatnonzero(new)
        heads = np.concatenate([[0], np.cumsum(orders[runs] - 2)]).astype(np.int64)
        starts = np.append(runs, len(terms)).astype(np.int64)
        first = np.searchsorted(runs, meetings).astype(np.int64)
        return first, heads, common[new[of]], starts, others[is_last], self.couplings[terms], self.fields

    @staticmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Work out what each flip costs, and the energy."""
        first, heads, shared, starts, last, couplings, fields = data
        energy = 0.0
        for i in range(x.shape[0]):
            memory[i] = 2 * fields[i] * x[i]
            energy -= fields[i] * x[i]
            for r in range(first[i], first[i + 1]):
                sign = x[i]
                for k in range(heads[r], heads[r + 1]):
                    sign *= x[shared[k]]
                worth = 0.0
                for k in range(starts[r], starts[r + 1]):
                    worth += couplings[k] * sign * x[last[k]]
                memory[i] += 2 * worth
                energy -= worth / (heads[r + 1] - heads[r] + 2)  # each of its spins meets a term
        return energy

    @staticmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Turn a spin over, each as often."""
        i = below(rng, x.shape[0])
        memory[x.shape[0]] = i
        return memory[i], 0.0

    @staticmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Turn the spin over; every term it is in changes sign, and counts twice in the others' costs."""
        first, heads, shared, starts, last, couplings, _ = data
        i = np.int64(memory[x.shape[0]])
        for r in range(first[i], first[i + 1]):
            sign = 4.0 * x[i]
            for k in range(heads[r], heads[r + 1]):
                sign *= x[shared[k]]
            total = 0.0
            for k in range(starts[r], starts[r + 1]):
                worth = sign * couplings[k] * x[last[k]]
                memory[last[k]] -= worth
                total += worth
            for k in range(heads[r], heads[r + 1]):
                memory[shared[k]] -= total
        memory[i] = -memory[i]
        x[i] = -x[i]

    def random(self, batch: int, seed: int) -> Array:
        """Draw spins +-1, int8 (batch, N)."""
        return random_spins(batch, self.size, seed)

    @cached_property
    def symmetries(self) -> Array:
        """Sets of spins that can be turned over together without cost in every state: a basis (k, N), bool.

        Each meets every term in an even number of spins, and no spin in a field: the kernel over GF(2). It
        is the global flip where all orders are even, and there are such sets in many systems of clauses.
        """
        sets = [spins for _, spins in self.orders]
        return kernel([*sets, np.flatnonzero(self.fields)[:, None]], self.size)

    @cached_property
    def _turned(self) -> Array:
        """What all symmetries together make of the state with all spins up, (2^k, N) float64."""
        if len(self.symmetries) > TURNS:
            raise BadInput(
                f"{len(self.symmetries)} independent symmetries make 2^{len(self.symmetries)} states of one: "
                f"overlaps look at no more than 2^{TURNS}, take another seed or size"
            )
        turned = np.ones((1, self.size))
        for together in self.symmetries:
            turned = np.concatenate([turned, np.where(together, -turned, turned)])
        return turned

    def overlap(self, x: Array, y: Array) -> Array:
        """Give sum_i x_i y_i / N, (batch,), the largest over all that symmetries make of x.

        Raises:
            BadInput: if there are more than 12 independent symmetries.
        """
        same = np.multiply(checked(x, self.size), checked(y, self.size), dtype=np.float64)
        return np.asarray((same @ self._turned.T).max(axis=1) / self.size)

    def nearest(self, x: Array, y: Array) -> Array:
        """Give what symmetries make of y (batch, N) that is nearest to x.

        Raises:
            BadInput: if there are more than 12 independent symmetries.
        """
        same = np.multiply(checked(x, self.size), checked(y, self.size), dtype=np.float64)
        return np.asarray(y * self._turned[(same @ self._turned.T).argmax(axis=1)].astype(np.int8))


@dataclass(frozen=True, eq=False, kw_only=True)
class NativeManyBody(ManyBody, Native):
    """Many-body spins built around a state that need not be of lowest energy (see `Native`)."""

    native: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class PlantedManyBody(ManyBody, Planted):
    """Many-body spins with a known state of lowest energy (see `Planted`)."""

    native: Array
    ground_energy: float
    certificate: str


def listed(spins: Array) -> str:
    """Write a term.

    >>> listed(np.array([0, 3, 1]))
    '(0, 3, 1)'
    """
    return f"({', '.join(map(str, spins))})"


def pieces(terms: Sequence[Array], size: int) -> int:
    """Count the parts into which N spins fall that have no term (m, p) in common.

    >>> pieces([np.array([[0, 1, 2], [2, 3, 4]])], 6)
    2
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    first = np.concatenate([np.zeros(0, int), *(np.repeat(t[:, 0], t.shape[1] - 1) for t in terms)])
    rest = np.concatenate([np.zeros(0, int), *(t[:, 1:].ravel() for t in terms)])
    there = csr_array((np.ones(len(rest), dtype=bool), (first, rest)), shape=(size, size))
    return int(connected_components(there, directed=False)[0])


def kernel(terms: Sequence[Array], size: int) -> Array:
    """Give a basis (k, N) bool of the sets of spins that meet every term (m, p) in an even number.

    Gauss's elimination over GF(2), 64 spins a word; rank = N - k.

    >>> kernel([np.array([[0, 1], [1, 2]])], 4).astype(int)
    array([[1, 1, 1, 0],
           [0, 0, 0, 1]])
    """
    one = np.uint64(1)
    blocks = [np.zeros((0, (size + 63) // 64), dtype=np.uint64)]
    for spins in terms:
        rows = np.zeros((len(spins), (size + 63) // 64), dtype=np.uint64)
        for column in spins.T:
            rows[np.arange(len(spins)), column // 64] ^= one << (column % 64).astype(np.uint64)
        blocks.append(rows)
    rows, pivots = np.concatenate(blocks), list[int]()
    for i in range(size):
        word, bit = i // 64, np.uint64(i % 64)
        has = np.flatnonzero((rows[:, word] >> bit) & one)
        below_rank = has[has >= len(pivots)]
        if not below_rank.size:
            continue
        row = len(pivots)
        pivot = rows[below_rank[0]].copy()
        rows[has] ^= pivot  # the pivot's own row too: it becomes zero, and takes the place of row `row`
        rows[below_rank[0]], rows[row] = rows[row].copy(), pivot
        pivots.append(i)
    free = np.setdiff1d(np.arange(size), pivots)
    basis = np.zeros((len(free), size), dtype=bool)
    for own, i in zip(basis, free, strict=True):
        own[i] = True
        own[pivots] = (rows[: len(pivots), i // 64] >> np.uint64(i % 64)) & one
    return basis
