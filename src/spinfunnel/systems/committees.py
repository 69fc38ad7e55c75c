"""Perceptrons and committee machines of binary weights: a network's loss whose landscape is known.

A committee has K units; unit k sees a pattern ξ of n = N/K entries +-1 through its own weights, as the field
h_k = w_k . ξ, and votes sign h_k; the majority decides. N/K and K are odd, so that no vote is a tie. Labels
are absorbed into the patterns: a pattern is right where the majority votes +1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.maths.random_numbers import below
from spinfunnel.systems.protocols import Flips, Metric, Moves, Planted
from spinfunnel.systems.spins import checked, overlap, random_spins

Loss: TypeAlias = Literal["linear", "count"]

#: What a pattern that is wrong costs, in words.
LOSSES = {
    "linear": "how far its fields must move to make it right, over the root of N/K",
    "count": "1",
}


@dataclass(frozen=True, eq=False)
class Committee(Flips, Moves, Metric):
    """Weights w +-1, (N,), of K units; E is the sum over patterns (P, N/K) of what a wrong one costs.

    The loss is `linear`: the least total change of fields that wins a majority, over √(N/K); for one unit
    max(0, -h)/√N. Or it `count`s the errors.

    Raises:
        BadInput: if the loss is unknown, a number of weights is even, or there is no pattern.
    """

    name: str
    convention: str
    patterns: Array
    hidden: int
    loss: Loss

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise BadInput(f"loss is {self.loss!r}: it must be {' or '.join(LOSSES)}")
        if not len(self.patterns):
            raise BadInput("a perceptron needs at least one pattern: take a larger alpha, or more weights")

    @property
    def size(self) -> int:
        """N, the number of weights."""
        return int(self.patterns.shape[1]) * self.hidden

    def fields(self, x: Array) -> Array:
        """Give the fields h (batch, K, P) of weights x (batch, N)."""
        units = checked(x, self.size).reshape(len(x), self.hidden, -1)
        return np.asarray(units.astype(np.float64) @ self.patterns.T)

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of weights x (batch, N)."""
        return self._energy(self.fields(x))

    def _energy(self, h: Array) -> Array:
        votes = np.sign(h).sum(axis=1)  # (batch, P)
        if self.loss == "count":
            return np.asarray((votes < 0).sum(axis=1), dtype=np.float64)
        wrong = np.sort(np.where(h < 0, -h, np.inf), axis=1)
        short = np.arange(self.hidden)[None, :, None] < np.maximum(0, (1 - votes) / 2)[:, None, :]
        return np.asarray(np.where(short, wrong, 0.0).sum(axis=(1, 2)) / np.sqrt(self.patterns.shape[1]))

    def flip_cost(self, x: Array) -> Array:
        """Give (batch, N): the energy after weight i alone is turned over, less the energy now."""
        h, n = self.fields(x), self.patterns.shape[1]
        now, costs = self._energy(h), np.empty(x.shape)
        for i in range(self.size):
            k, j = divmod(i, n)
            change = 2.0 * np.outer(x[:, i], self.patterns[:, j])
            h[:, k] -= change
            costs[:, i] = self._energy(h) - now
            h[:, k] += change
        return costs

    def random(self, batch: int, seed: int) -> Array:
        """Draw weights +-1, int8 (batch, N)."""
        return random_spins(batch, self.size, seed)

    def overlap(self, x: Array, y: Array) -> Array:
        """Give sum_i x_i y_i / N, (batch,), the units in the order that makes it largest."""
        x, y = checked(x, self.size), checked(y, self.size)
        if self.hidden == 1:
            return overlap(x, y)
        units = (len(x), self.hidden, -1)
        alike = x.reshape(units).astype(np.float64) @ y.reshape(units).transpose(0, 2, 1) / self.size
        if self.hidden <= 5:  # at most 120 orders, all at once
            orders = permutations(range(self.hidden))
            sums = [np.trace(alike[:, order], axis1=1, axis2=2) for order in orders]
            return np.asarray(np.max(sums, axis=0))
        from scipy.optimize import linear_sum_assignment

        return np.array([q[linear_sum_assignment(q, maximize=True)].sum() for q in alike])

    @property
    def data(self) -> tuple[Array, ...]:
        """The patterns, one input after the other (N/K, P); K, and 1 for the linear loss."""
        return (
            np.ascontiguousarray(self.patterns.T, dtype=np.float64),
            np.array([self.hidden, self.loss == "linear"], dtype=np.int64),
        )

    @property
    def memory(self) -> int:
        """The weight chosen, the fields (K, P), and the sums of their signs (P,)."""
        return 1 + (self.hidden + 1) * len(self.patterns)

    @staticmethod
    def prepare(x: Any, memory: Any, data: Any) -> Any:
        """Compute all fields, and add up what the patterns cost."""
        patterns, hidden = data[0], data[1][0]
        n, count = patterns.shape
        memory[1:] = 0.0
        for i in range(x.shape[0]):
            for p in range(count):
                memory[1 + i // n * count + p] += x[i] * patterns[i % n, p]
        energy = 0.0
        for p in range(count):
            for k in range(hidden):
                memory[1 + hidden * count + p] += 1 if memory[1 + k * count + p] > 0 else -1
            energy += price(memory, p, count, hidden, data[1][1], -1, 0.0)
        return energy / (np.sqrt(n) if data[1][1] else 1.0)

    @staticmethod
    def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
        """Turn a weight over, each as often."""
        patterns, hidden, linear = data[0], data[1][0], data[1][1]
        n, count = patterns.shape
        i = below(rng, x.shape[0])
        memory[0] = i
        k, turn = i // n, -2.0 * x[i]
        cost = 0.0
        for p in range(count if hidden == 1 else 0):  # the same as below, ten times as fast
            now = memory[1 + p]
            after = now + turn * patterns[i, p]
            if linear:
                cost += max(-after, 0.0) - max(-now, 0.0)
            else:
                cost += (1.0 if after < 0.0 else 0.0) - (1.0 if now < 0.0 else 0.0)
        for p in range(0 if hidden == 1 or linear else count):
            now, votes = memory[1 + k * count + p], memory[1 + hidden * count + p]
            after = votes + (2.0 if now + turn * patterns[i % n, p] > 0 else 0.0) - (2.0 if now > 0 else 0.0)
            cost += (1.0 if after < 0.0 else 0.0) - (1.0 if votes < 0.0 else 0.0)
        for p in range(count if hidden > 1 and linear else 0):
            cost += price(memory, p, count, hidden, linear, k, turn * patterns[i % n, p])
            cost -= price(memory, p, count, hidden, linear, -1, 0.0)
        return cost / (np.sqrt(n) if linear else 1.0), 0.0

    @staticmethod
    def accept(x: Any, memory: Any, data: Any) -> Any:
        """Turn the weight over, and move the fields of its unit."""
        n, count = data[0].shape
        i = np.int64(memory[0])
        x[i] = -x[i]
        votes, own = 1 + data[1][0] * count, 1 + i // n * count
        for p in range(count):
            before = memory[own + p]
            memory[own + p] += 2.0 * x[i] * data[0][i % n, p]
            memory[votes + p] += (2.0 if memory[own + p] > 0 else 0.0) - (2.0 if before > 0 else 0.0)


def price(memory: Any, p: Any, count: Any, hidden: Any, linear: Any, unit: Any, change: Any) -> Any:
    """Give what pattern p costs if the field of one unit changes; the linear loss is times √(N/K)."""
    votes = 0
    for k in range(hidden):
        votes += 1 if memory[1 + k * count + p] + (change if k == unit else 0.0) > 0 else -1
    if votes > 0:
        return 0.0
    if not linear:
        return 1.0
    total, last, which = 0.0, 0.0, -1
    for _ in range((1 - votes) // 2):  # the wrong unit that is next to being right
        least, next_ = np.inf, -1
        for k in range(hidden):
            far = -(memory[1 + k * count + p] + (change if k == unit else 0.0))
            if far > 0 and (far > last or (far == last and k > which)) and far < least:
                least, next_ = far, k
        total, last, which = total + least, least, next_
    return total


@dataclass(frozen=True, eq=False, kw_only=True)
class Student(Committee, Planted):
    """A committee whose patterns were labelled by another one, its teacher (see `Planted`)."""

    native: Array
    ground_energy: float = 0.0
    certificate: str = "the teacher makes no error, and no energy is below zero"


def perceptron(
    size: int, seed: int = 0, *, alpha: float = 0.5, hidden: int = 1, loss: Loss = "count"
) -> Committee:
    """Binary perceptron that stores alpha N random patterns; a committee machine with `hidden` units.

    Its solutions vanish at alpha = .833 (one unit; `replica_theory.perceptron_storage`), and long before that
    they are isolated from each other.
    Source: Krauth & Mézard, J. Phys. France 50 (1989) 3057.

    Raises:
        BadInput: unless hidden and N/hidden are odd, and there is a pattern.

    >>> perceptron(11, alpha=0.5).patterns.shape
    (6, 11)
    """
    patterns = _patterns(size, seed, alpha, hidden)
    return Committee("perceptron", _convention(alpha, hidden, loss, "random labels"), patterns, hidden, loss)


def committee(
    size: int, seed: int = 0, *, alpha: float = 0.5, hidden: int = 3, loss: Loss = "count"
) -> Committee:
    """Committee machine of binary weights that stores alpha N random patterns: `perceptron` of three units.

    Source: Barkai, Hansel & Kanter, Phys. Rev. Lett. 65 (1990) 2312.
    """
    made = perceptron(size, seed, alpha=alpha, hidden=hidden, loss=loss)
    return Committee("committee", made.convention, made.patterns, made.hidden, made.loss)


def teacher(
    size: int, seed: int = 0, *, alpha: float = 2.0, hidden: int = 1, loss: Loss = "linear"
) -> Student:
    """Binary perceptron that learns alpha N patterns from a teacher like itself, which is planted.

    Above alpha = 1.245 the teacher is the only solution, and up to 1.493 there is a state that hides it (one
    unit; `replica_theory.perceptron_teacher`): what a search meets there depends on the loss it goes down.
    Source: Györgyi, Phys. Rev. A 41 (1990) 7097.

    Raises:
        BadInput: unless hidden and N/hidden are odd, and there is a pattern.

    >>> student = teacher(21, alpha=2.0)
    >>> student.energy(student.native[None])
    array([0.])
    """
    patterns = _patterns(size, seed, alpha, hidden)
    native = random_spins(1, size, seeds(seed, "teacher"))[0]
    votes = np.sign(native.reshape(hidden, -1).astype(np.float64) @ patterns.T).sum(axis=0)
    labelled = patterns * np.sign(votes)[:, None].astype(patterns.dtype)
    convention = _convention(alpha, hidden, loss, "labels by a teacher")
    return Student("teacher", convention, labelled, hidden, loss, native=native)


def _patterns(size: int, seed: int, alpha: float, hidden: int) -> Array:
    if hidden < 1 or hidden % 2 == 0 or size % hidden or size // hidden % 2 == 0:
        units = max(1, hidden | 1)
        raise BadInput(
            "units, and the weights of each, must be odd in number, so that no vote is a tie: "
            f"{size} weights in {hidden} units are not; try --size {units * (size // units | 1)} "
            f"and hidden={units}"
        )
    if not (np.isfinite(alpha) and alpha > 0):
        raise BadInput(f"alpha, the number of patterns per weight, must be positive, not {alpha:g}")
    return random_spins(round(alpha * size), size // hidden, seeds(seed, "perceptron", alpha, hidden))


def _convention(alpha: float, hidden: int, loss: str, labels: str) -> str:
    units = "one unit" if hidden == 1 else f"{hidden} units"
    costs = "a wrong one costs 1" if loss == "count" else "a wrong one costs how far it is from right"
    return f"E = sum over alpha N patterns, {costs}; {units} of weights +-1, alpha = {alpha:g}, {labels}"


def agreement(size: int, flipped: int) -> float:
    """Give the chance that two perceptrons, `flipped` of whose N weights differ, label a pattern alike.

    Their fields are A + B and A - B, A being a sum of N - d random signs and B one of d.

    >>> agreement(3, 1)  # they differ only where the other two cancel
    0.5
    """
    kept = np.array([math.comb(size - flipped, k) for k in range(size - flipped + 1)]) / 2.0 ** (
        size - flipped
    )
    turned = np.array([math.comb(flipped, k) for k in range(flipped + 1)]) / 2.0**flipped
    a = 2 * np.arange(len(kept)) - (size - flipped)
    b = 2 * np.arange(len(turned)) - flipped
    return float(kept @ (np.abs(a)[:, None] > np.abs(b)) @ turned)


def solutions(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Count the solutions of small perceptrons by enumeration: their mean over patterns is known exactly."""
    n, count = 11, 6
    states = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    alike = sum(math.comb(n, d) * agreement(n, d) ** count for d in range(n + 1))
    for make, known in ((perceptron, 2.0 ** (n - count)), (teacher, alike)):
        made = (make(n, seeds(seed, "solutions", i), alpha=count / n) for i in range(draws))
        found = np.array([int((one.energy(states) == 0).sum()) for one in made])
        yield CalibrationRow.measured(
            "committees", f"{make.__name__}, N {n}, {count} patterns", "number of solutions",
            exact=known, value=float(found.mean()), error=float(found.std(ddof=1) / math.sqrt(draws)),
            cap=0.06 * known,
        )  # fmt: skip


calibrations = (
    Calibration(
        "solutions of small perceptrons",
        "enumeration against the mean over patterns, by counting signs",
        lambda seed: solutions(seed, 400),
    ),
)
