"""Laplace's approximation of the evidence: what the data say of the model, less what its weights cost.

Let n losses of mean L be negative log likelihoods, and the prior of the weights w (P,) a Gaussian of
precision δ. If the posterior is a Gaussian about w too, with the curvature H of L,

    ln Z = -n L(w) - δ|w|²/2 - 1/2 Σ ln(1 + n h_i/δ),

where h_i are the eigenvalues of H; the prior's (P/2) ln δ is in the sum, and all 2π cancel. As a function of
δ it is largest where δ|w|² = γ = Σ n h_i/(n h_i + δ), the number of directions that the data determine.
All this holds at the posterior's mode, and trained weights are seldom there: losses that can be brought to
zero leave no curvature, and weights that nothing holds back grow until they seem to cost nothing. So w is
brought to the mode first, δ and w in turn (MacKay, Neural Comput. 4 (1992) 415 and 448).

Sums over eigenvalues are estimated by probes, and for each probe bounded from both sides: by the rules of
Gauss, and of Gauss and Radau with a node at zero, below which no eigenvalue is (Golub & Meurant, Matrices,
Moments and Quadrature (2010), theorems 6.3 and 6.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Number, seeds
from spinfunnel.dynamics.descent import descend
from spinfunnel.maths.lanczos import Quadrature, jacobi, probe
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.protocols import Smooth

#: Of so few weights all eigenvalues are found, and nothing is estimated.
DENSE = 300
#: Eigenvalues within so many roundings of the largest may be zero.
ROUNDINGS = 10


@dataclass(frozen=True)
class Curvature:
    """The eigenvalues of a matrix that has none below zero, as Gauss' rule sees them, and Gauss and Radau's.

    Of concave functions that are zero at zero, such as ln(1 + h), the first gives too much, the second too
    little. `rounding` is the size below which eigenvalues may be zero.
    """

    above: Quadrature
    below: Quadrature
    rounding: float

    @property
    def both(self) -> Quadrature:
        """The mean of the two."""
        nodes = np.hstack([self.above.nodes, self.below.nodes])
        return Quadrature(nodes, np.hstack([self.above.weights, self.below.weights]) / 2, self.above.size)


@dataclass(frozen=True)
class Evidence:
    """What Laplace's approximation says, whatever the precision δ of the prior. Energies are in nats.

    Attributes:
        n: the total weight of the examples.
        loss: L(w), their mean loss.
        square: |w|².
        curvature: that of L, at w.
    """

    n: float
    loss: float
    square: float
    curvature: Curvature

    def log_evidence(self, precision: float) -> Number:
        """Give ln Z under a prior of this precision; its error is that of the probes."""
        volumes = self.volumes(precision)
        value = -self.n * self.loss - precision * self.square / 2 - volumes.value
        return Number(value, error=volumes.error)

    def volumes(self, precision: float) -> Number:
        """Give the logarithm of the prior's volume over the posterior's, 1/2 Σ ln(1 + n h/δ)."""
        return self._volumes(self.curvature.both, precision)

    def unresolved(self, precision: float) -> float:
        """Give half the distance between what is surely too much and surely too little for `volumes`."""
        ends = (self._volumes(rule, precision) for rule in (self.curvature.above, self.curvature.below))
        most, least = (end.value for end in ends)
        return abs(most - least) / 2

    def _volumes(self, rule: Quadrature, precision: float) -> Number:
        return rule.trace(lambda h: np.log1p(self.n * h / precision) / 2)

    def determined(self, precision: float) -> Number:
        """Give γ, how many directions the data determine rather than the prior."""
        return self.curvature.both.trace(lambda h: self.n * h / (self.n * h + precision))

    @cached_property
    def best_precision(self) -> float:
        """The precision δ of the prior under which the evidence is largest.

        Raises:
            BadInput: if all weights or all curvatures are zero.
        """
        from scipy.optimize import brentq

        def excess(log_precision: float) -> float:
            precision = math.exp(log_precision)
            return self.determined(precision).value - precision * self.square

        if not self.square > 0:
            raise BadInput("all weights are zero: no prior's precision can be told")
        most = math.log(self.curvature.above.size / self.square)  # for γ is at most P
        if not excess(most - 60) > 0:
            raise BadInput("all curvatures are zero: the loss depends on no weight, as far as can be told")
        return math.exp(float(brentq(excess, most - 60, most, xtol=1e-12)))


def laplace(system: NetworkLoss, w: Array, matrix: Any, *, steps: int, probes: int, seed: int) -> Evidence:
    """Gather what the evidence at w (P,) needs; no eigenvalue of `matrix`, the curvature, is negative."""
    return Evidence(
        n=system.total_weight,
        loss=float(system.energy(w[None])[0]),
        square=float(np.square(w, dtype=np.float64).sum()),
        curvature=curvature(matrix, steps=steps, probes=probes, seed=seed),
    )


class Posterior(Smooth):
    """L(w) + δ|w|²/2n: its minima are the modes of the posterior. `n` is the loss' total weight."""

    def __init__(self, loss: NetworkLoss, precision: float) -> None:
        self.loss, self.share = loss, precision / loss.total_weight
        self.name, self.convention = "posterior", "E(w) = L(w) + δ|w|²/2n"

    @property
    def size(self) -> int:
        """P, the number of weights."""
        return self.loss.size

    def energy(self, x: Array) -> Array:
        """Give E (batch,) of the weights x (batch, P)."""
        return self.energy_and_gradient(x)[0]

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give E (batch,) and its gradient (batch, P)."""
        energy, slope = self.loss.energy_and_gradient(x)
        return energy + self.share / 2 * (x**2).sum(axis=1), slope + self.share * x

    def gradient(self, x: Array) -> Array:
        """Give the gradient (batch, P)."""
        return self.energy_and_gradient(x)[1]

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian times v, (batch, P)."""
        return self.loss.hvp(x, v) + self.share * v

    def random(self, batch: int, seed: int) -> Array:
        """Give weights (batch, P) of models that nothing has trained."""
        return self.loss.random(batch, seed)


def posterior_mode(
    system: NetworkLoss, w: Array, *, rounds: int, gradients: int, steps: int, seed: int
) -> tuple[Array, Evidence]:
    """Bring w (P,) to the posterior's mode; give it, and the evidence where it was.

    Each round takes the precision that is best where w is, and goes down from there by so many gradients.
    """
    first = None
    for i in range(rounds):
        seen = laplace(system, w, gauss_newton(system, w)[0], steps=steps, probes=2, seed=seeds(seed, i))
        first = first or seen
        w = descend(Posterior(system, seen.best_precision), w[None], most=gradients, tolerance=1e-9).final[0]
    assert first is not None
    return w, first


def gauss_newton(system: NetworkLoss, w: Array) -> tuple[Any, str]:
    """Give a matrix like the Hessian at w (P,) that has no negative eigenvalue, and its name."""
    try:
        return system.ggn(w), "Gauss-Newton matrix"
    except BadInput:  # the losses call the model more than once
        return system.fisher(w), "empirical Fisher matrix"


def positive_matrix(system: NetworkLoss, w: Array, *, steps: int, seed: int) -> tuple[Any, str, float]:
    """Give the Hessian at w (P,), its name, and the share of its absolute curvature that is negative.

    Where that is not zero, a matrix like it, without negative eigenvalues, takes its place.
    """
    hessian = system.hessian(w)
    nodes, weights = gauss(*jacobi(hessian, probe(system.size, seed, "negative"), steps))
    if nodes[0] >= -ROUNDINGS * float(np.finfo(system.dtype).eps) * np.abs(nodes).max():
        return hessian, "Hessian", 0.0
    negative = float(-(np.minimum(nodes, 0) * weights).sum() / (np.abs(nodes) * weights).sum())
    return *gauss_newton(system, w), negative


def curvature(matrix: Any, *, steps: int, probes: int, seed: int) -> Curvature:
    """See the spectrum of a matrix (P, P) that has no negative eigenvalue, but for rounding, by products.

    >>> seen = curvature(np.diag([1.0, 4.0]), steps=9, probes=2, seed=0)
    >>> round(seen.both.trace(np.log1p).value, 6), round(float(np.log(10)), 6)
    (2.302585, 2.302585)
    """
    size = matrix.shape[0]
    if size <= DENSE:
        values = np.linalg.eigvalsh(np.stack([matrix @ unit for unit in np.eye(size)], axis=1))
        above = below = Quadrature(np.maximum(values, 0)[None], np.full((1, size), 1 / size), size)
    else:
        made = [jacobi(matrix, probe(size, seed, i), steps) for i in range(probes)]
        closed = [len(alphas) < steps or steps == size for alphas, _ in made]  # then nothing is left to bound
        above = _together([gauss(*one) for one in made], size)
        rules = zip(made, closed, strict=True)
        below = _together([gauss(*one) if known else radau(*one) for one, known in rules], size)
    rounding = ROUNDINGS * float(np.finfo(matrix.dtype).eps) * float(above.nodes.max())
    return Curvature(above, below, rounding)


def gauss(alphas: Array, betas: Array) -> tuple[Array, Array]:
    """Give nodes and weights of Gauss' rule from α (m,) and β (m - 1,) of Lanczos' method."""
    from scipy.linalg import eigh_tridiagonal

    values, turned = eigh_tridiagonal(alphas, betas)
    return values, turned[0] ** 2


def radau(alphas: Array, betas: Array) -> tuple[Array, Array]:
    """Give nodes and weights of the rule of Gauss and Radau with a node at zero.

    The last α gives way to β²/d, d being the last pivot of the matrix without its last row: then the
    determinant is zero. Where a pivot is not positive, zero is an eigenvalue already, to rounding.

    >>> radau(np.array([1.0, 3.0]), np.array([1.0]))[0].round(12) + 0.0
    array([0., 2.])
    """
    pivot = alphas[0]
    for alpha, beta in zip(alphas[1:-1], betas, strict=False):
        if pivot <= 0:
            break
        pivot = alpha - beta**2 / pivot
    if len(alphas) < 2 or pivot <= 0:
        return gauss(alphas, betas)
    return gauss(np.append(alphas[:-1], betas[-1] ** 2 / pivot), betas)


def _together(rules: list[tuple[Array, Array]], size: int) -> Quadrature:
    """Put rules of several probes side by side; where one has fewer nodes, others get no weight."""
    most = max(len(nodes) for nodes, _ in rules)
    nodes = [np.append(n, np.full(most - len(n), n[-1])) for n, _ in rules]
    weights = [np.append(w, np.zeros(most - len(w))) for _, w in rules]
    return Quadrature(np.maximum(nodes, 0), np.array(weights), size)


def newton_gain(matrix: Any, slope: Array, n: float, precision: float, steps: int) -> float:
    """Give g^T A^-1 g/2 for A = n H + δ: what a step to the minimum of the quadratic model gains, in nats.

    `slope` is g (P,), the gradient of a negative log density. By Gauss' rule, which gives too little.

    >>> round(newton_gain(np.diag([1.0, 3.0]), np.array([2.0, 4.0]), 1, 1.0, 5), 9)
    3.0
    """
    square = float(slope @ slope)
    if square == 0:
        return 0.0
    nodes, weights = gauss(*jacobi(matrix, slope, steps))
    return square * float((weights / (n * np.maximum(nodes, 0) + precision)).sum()) / 2
