"""The spectrum of a Hessian: its density, its ends, its trace, what leads down, and what each layer adds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from spinfunnel.core import Array, Effort, Number, seeds
from spinfunnel.instruments.curvature.outliers import Bulk, bulk, standing_apart
from spinfunnel.maths.lanczos import (
    Eigenpairs,
    Operator,
    Quadrature,
    slq,
    student,
    top_eigenpairs,
)
from spinfunnel.maths.traces import Deflated, trace

#: Eigenvalues of modulus below this share of the largest are called flat.
FLAT = 1e-3
#: A negative eigenvalue is more than rounding if it is this many ε times the largest.
ROUNDING = 100
#: Of the lower end; and the residual that is asked for, relative to the eigenvalue.
LOWEST, TOLERANCE = 2, 1e-2


@dataclass(frozen=True)
class Plan:
    """How much work is put in, in products with the Hessian.

    Attributes:
        steps, probes: of the density of states; at untrained weights there is one probe.
        pairs, most: eigenpairs at the upper end, and the products that both ends may take.
        vectors: for each trace: of all, of the blocks, of the blocks at untrained weights.
        layers, each: blocks whose largest eigenvalue is sought, and the products for each.
    """

    steps: int
    probes: int
    pairs: int
    most: int
    vectors: int
    layers: int
    each: int

    @property
    def products(self) -> int:
        """About how many products are made."""
        ends = min(self.most, 30 + 5 * self.pairs)
        return self.steps * (self.probes + 1) + ends + 4 * self.vectors + self.layers * self.each

    def less(self) -> Plan:
        """Give a plan of about half the work."""
        return Plan(
            max(20, self.steps * 3 // 4), max(2, self.probes * 2 // 3), max(6, self.pairs // 2),
            max(30, self.most // 2), max(4, self.vectors * 2 // 3), self.layers // 2, self.each,
        )  # fmt: skip


PLANS: dict[Effort, Plan] = {
    "quick": Plan(steps=30, probes=3, pairs=12, most=100, vectors=8, layers=3, each=12),
    "normal": Plan(steps=60, probes=6, pairs=24, most=250, vectors=12, layers=8, each=20),
    "full": Plan(steps=90, probes=12, pairs=32, most=500, vectors=30, layers=24, each=40),
}
#: CPU seconds that may be spent, as counted: what products are said to cost at most.
SECONDS: dict[Effort, float] = {"quick": 13.0, "normal": 50.0, "full": 600.0}


def planned(effort: Effort, seconds: float, budget: float | None) -> tuple[Plan, float]:
    """Give the plan of an effort, or as much less as time asks for, and the seconds there are.

    `seconds` are those of a product.
    """
    allowed = min(SECONDS[effort], math.inf if budget is None else budget)
    plan = PLANS[effort]
    while plan.products * seconds > allowed and plan.less() != plan:
        plan = plan.less()
    return plan, allowed


@dataclass(frozen=True)
class Spectrum:
    """What is known of the eigenvalues of one operator.

    Attributes:
        density: all of them, in shares.
        ends: the largest, descending, then the lowest; the last is the lowest of all.
        lowest: how many of `ends` are from the lower end.
        trace: with its error.
        apart: how many stand apart from the edge of the rest.
        bulk: what the rest is like.
        rounding: negative eigenvalues of smaller modulus may be zeros.
    """

    density: Quadrature
    ends: Eigenpairs
    lowest: int
    trace: Number
    apart: int
    bulk: Bulk
    rounding: float

    @property
    def top(self) -> Array:
        """The largest eigenvalues, descending."""
        return self.ends.values[: len(self.ends.values) - self.lowest]

    @property
    def least(self) -> float:
        """The lowest eigenvalue."""
        return float(self.ends.values[-1])

    @property
    def norm(self) -> float:
        """The largest modulus."""
        return float(np.abs(self.ends.values).max())

    @property
    def band(self) -> float:
        """What the probes can tell from zero: their nodes lie so close there, or flatness says so."""
        apart = []
        for nodes, weights in zip(self.density.nodes, self.density.weights, strict=True):
            there = nodes[weights > 0]
            place = int(np.searchsorted(there, 0.0))
            near = there[max(0, place - 2) : place + 2]
            apart.append(float(np.ptp(near)) / max(1, len(near) - 1))
        return max(FLAT * self.norm, float(np.median(apart)))

    @property
    def index(self) -> Number:
        """How many eigenvalues lie below -band."""
        shares = (self.density.weights * (self.density.nodes < -self.band)).sum(axis=1)
        return student(self.density.size * shares)

    @property
    def flat(self) -> Number:
        """The share of eigenvalues within the band."""
        return student((self.density.weights * (np.abs(self.density.nodes) <= self.band)).sum(axis=1))

    @property
    def downward(self) -> Number:
        """Σ |λ| of the negative eigenvalues, as a share of Σ |λ| of all."""
        nodes, weights = self.density.nodes, self.density.weights
        total = (np.abs(nodes) * weights).sum(axis=1)
        return student((np.maximum(-nodes, 0) * weights).sum(axis=1) / np.where(total > 0, total, 1.0))


def spectrum(operator: Operator, plan: Plan, seed: int) -> Spectrum:
    """See the spectrum of an operator (n, n): density, both ends, trace, outliers, bulk."""
    n = int(operator.shape[0])
    lowest = min(LOWEST, n - 1)
    pairs = max(1, min(plan.pairs, n - lowest, n // 2))
    ends = top_eigenpairs(
        operator, pairs, bottom=lowest, tolerance=TOLERANCE, products=max(plan.most, pairs + lowest),
        seed=seeds(seed, "ends"),
    )  # fmt: skip
    density = slq(operator, steps=plan.steps, probes=plan.probes, seed=seeds(seed, "density"))
    left = Deflated(operator, ends.values, ends.vectors)
    rest = trace(left, products=2 * plan.vectors, seed=seeds(seed, "trace"))
    total, known = float(ends.values.sum()), ends.converged[:pairs]
    reliable = pairs if known.all() else int(np.argmin(known))
    apart = standing_apart(ends.values[:reliable])
    upper = float(ends.values[apart - 1 : apart + 1].mean()) if apart else math.inf
    rounding = ROUNDING * float(np.finfo(getattr(operator, "dtype", np.float64)).eps)
    return Spectrum(
        density, ends, lowest, shifted(rest, total), apart, bulk(density, upper),
        rounding * float(np.abs(ends.values).max()),
    )  # fmt: skip


def shifted(number: Number, by: float) -> Number:
    """Add what is exactly known to a number with an error."""
    low, high = (None if edge is None else edge + by for edge in (number.low, number.high))
    return replace(number, value=number.value + by, low=low, high=high)
