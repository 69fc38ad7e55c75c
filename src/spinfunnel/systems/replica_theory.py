"""Capacities of memories and perceptrons from their replica-symmetric equations.

Each set of equations is solved along a curve: an order parameter is given, and the load α, the number of
patterns per weight, at which it solves them follows. So metastable branches and their ends come for free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from spinfunnel.core import Array, Calibration, CalibrationRow

#: Points z and weights of the Gaussian measure Dz; the trapezoid is exact to rounding for smooth functions.
Z = np.linspace(-12.0, 12.0, 2401)
DZ = np.exp(-(Z**2) / 2)
DZ /= DZ.sum()


def hopfield_capacity() -> tuple[float, float]:
    """Give the load α = P/N above which a Hopfield memory forgets at T = 0, and its retrieval overlap there.

    A memory of overlap m = erf y is a solution at √(2α) = erf(y)/y - (2/√π) exp(-y²); the largest such α.
    Source: Amit, Gutfreund & Sompolinsky, Ann. Phys. 173 (1987) 30, eqs. 5.3 to 5.5.

    >>> [round(x, 5) for x in hopfield_capacity()]
    [0.13791, 0.96742]
    """
    from scipy.optimize import minimize_scalar

    def load(y: float) -> float:
        return (math.erf(y) / y - 2 / math.sqrt(math.pi) * math.exp(-(y**2))) ** 2 / 2

    y = minimize_scalar(lambda y: -load(y), bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-12}).x
    return load(float(y)), math.erf(y)


def hopfield_overlap(load: float, temperature: float, start: float = 1.0) -> tuple[float, float]:
    """Iterate m = <tanh β(m + √(αr) z)>, q = <tanh²>, r = q / (1 - β(1 - q))² from m = `start`; give m and q.

    Source: as `hopfield_capacity`, eqs. 3.24 to 3.27.

    >>> round(hopfield_overlap(0.1, 0.05)[0], 3), abs(round(hopfield_overlap(0.2, 0.05)[0], 3))
    (0.998, 0.0)
    """
    m, q, beta = start, start, 1 / temperature
    for _ in range(20_000):
        r = q / (1 - beta * (1 - q)) ** 2
        t = np.tanh(beta * (m + math.sqrt(load * r) * Z))
        new = float(DZ @ t), float(DZ @ t**2)
        if abs(new[0] - m) + abs(new[1] - q) < 1e-10:
            break
        m, q = new
    return m, q


@dataclass(frozen=True)
class Branch:
    """Replica-symmetric solutions of binary weights along their overlap q.

    Attributes:
        load: α, patterns per weight.
        entropy: the logarithm of the number of solutions, per weight.
        change: what a further pattern changes that logarithm by.
    """

    q: Array
    load: Array
    entropy: Array
    change: Array

    def zero_entropy(self) -> tuple[float, float]:
        """Give the load and the overlap at which the entropy vanishes."""
        from scipy.interpolate import CubicSpline

        s = CubicSpline(self.q, self.entropy)
        (q,) = s.roots(extrapolate=False)
        return float(CubicSpline(self.q, self.load)(q)), float(q)

    def end(self) -> tuple[float, float]:
        """Give the largest load of the branch and its overlap: beyond it there is no such solution."""
        from scipy.interpolate import CubicSpline

        load = CubicSpline(self.q, self.load)
        stationary = load.derivative().roots(extrapolate=False)
        q = max(stationary, key=load, default=self.q[-1])
        return float(load(q)), float(q)


def perceptron_storage() -> Branch:
    """Give the solutions of the binary perceptron that stores αN random patterns, of margin zero.

    s = -q̂(1 - q)/2 + ∫Dz ln 2cosh(√q̂ z) + α ∫Dz ln H(√(q/(1-q)) z), stationary in q and q̂. Its capacity is
    where the entropy vanishes. Source: Krauth & Mézard, J. Phys. France 50 (1989) 3057.

    >>> [round(x, 5) for x in perceptron_storage().zero_entropy()]
    [0.83308, 0.56395]
    """
    return _branch(
        overlap=lambda c: float(DZ @ np.tanh(math.sqrt(c) * Z) ** 2),
        entropy=lambda q, c: -c * (1 - q) / 2 + float(DZ @ _log_2cosh(math.sqrt(c) * Z)),
        slope=lambda c: c / 2,
        patterns=lambda q: float(DZ @ log_ndtr(-math.sqrt(q / (1 - q)) * Z)),
    )


def perceptron_teacher() -> Branch:
    """Give the solutions of the binary perceptron that learns αN patterns from another one, its teacher.

    s = -q̂(1 + q)/2 + ∫Dz ln 2cosh(q̂ + √q̂ z) + 2α ∫Dz H ln H, H = H(√(q/(1-q)) z); q is also the overlap
    with the teacher. Where the entropy vanishes, the teacher alone remains: a first-order transition; the
    metastable branch ends later. Source: Györgyi, Phys. Rev. A 41 (1990) 7097; Sompolinsky, Tishby & Seung,
    Phys. Rev. Lett. 65 (1990) 1683.

    >>> branch = perceptron_teacher()
    >>> [round(x, 3) for x in (*branch.zero_entropy(), *branch.end())]
    [1.245, 0.694, 1.493, 0.894]
    """
    return _branch(
        overlap=lambda c: float(DZ @ np.tanh(c + math.sqrt(c) * Z)),
        entropy=lambda q, c: -c * (1 + q) / 2 + float(DZ @ _log_2cosh(c + math.sqrt(c) * Z)),
        slope=lambda c: -c / 2,
        patterns=_patterns_taught,
    )


def _patterns_taught(q: float) -> float:
    log = log_ndtr(-math.sqrt(q / (1 - q)) * Z)
    return 2 * float(DZ @ (np.exp(log) * log))


def _branch(
    overlap: Callable[[float], float],
    entropy: Callable[[float, float], float],
    slope: Callable[[float], float],
    patterns: Callable[[float], float],
) -> Branch:
    """Follow the saddle: q from q̂, then α from ∂s/∂q = slope(q̂) + α ∂patterns/∂q = 0."""
    conjugates = np.geomspace(0.02, 12.0, 240)
    q, load, s, gain = np.empty((4, len(conjugates)))
    for k, c in enumerate(conjugates):
        q[k] = overlap(c)
        step = 1e-4 * min(q[k], 1 - q[k])
        two, one, gain[k], more, most = (patterns(q[k] + i * step) for i in range(-2, 3))
        load[k] = -slope(c) / ((two - 8 * one + 8 * more - most) / (12 * step))
        s[k] = entropy(q[k], c) + load[k] * gain[k]
    return Branch(q, load, s, gain)


def _log_2cosh(x: Array) -> Array:
    return np.asarray(np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))))


def thresholds(seed: int) -> Iterator[CalibrationRow]:
    """Compare capacities with literature, and each saddle with what else must hold there."""
    storage, learning = perceptron_storage(), perceptron_teacher()
    capacity, overlap = hopfield_capacity()
    memory, taught = "Hopfield memory, T 0", "binary perceptron, taught"
    for system, quantity, source, known, value, tolerance in (
        (memory, "capacity", "Amit et al. 1987", 0.138, capacity, 5e-4),
        (memory, "overlap at capacity", "Amit et al. 1987", 0.967, overlap, 5e-4),
        ("binary perceptron", "capacity", "Krauth & Mézard 1989", 0.833, storage.zero_entropy()[0], 5e-4),
        (taught, "transition", "Györgyi 1990", 1.245, learning.zero_entropy()[0], 5e-4),
        (taught, "end of the other branch", "Sompolinsky et al. 1990", 1.49, learning.end()[0], 5e-3),
    ):
        yield CalibrationRow.deterministic(
            "replica_theory", system, f"{quantity} (literature: {source})",
            exact=known, value=value, tolerance=tolerance,
        )  # fmt: skip
    for load, known in ((0.95 * capacity, 1), (1.05 * capacity, 0)):
        yield CalibrationRow.deterministic(
            "replica_theory", f"Hopfield memory, α {load:.4f}, T 0.01", "it remembers, by iteration",
            exact=known, value=float(hopfield_overlap(load, 0.01)[0] > 0.5), tolerance=0,
        )  # fmt: skip
    for branch, system in ((storage, "binary perceptron"), (learning, taught)):
        here = np.flatnonzero(branch.load[: branch.load.argmax()] < 0.8)
        off = np.gradient(branch.entropy[here], branch.load[here]) - branch.change[here]
        yield CalibrationRow.deterministic(
            "replica_theory", system, "ds/dα less what a pattern changes at the saddle, worst for α < 0.8",
            exact=0, value=float(np.abs(off[1:-1]).max()), tolerance=1e-3,
        )  # fmt: skip


calibrations = (Calibration("capacities", "replica-symmetric equations, literature, and limits", thresholds),)
