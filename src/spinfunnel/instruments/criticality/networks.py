"""Low-gradient points of a network's loss: how many directions lead down from them, at which loss.

After Dauphin, Pascanu, Gulcehre, Cho, Ganguli & Bengio, NeurIPS 27 (2014), arXiv 1406.2572, who went from
points on the way of training; Sagun, Guney, Ben Arous & LeCun, arXiv 1412.6615; and Choromanska, Henaff,
Mathieu, Ben Arous & LeCun, AISTATS 2015, arXiv 1412.0233, whose picture is the spherical p-spin glass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Effort, seeds
from spinfunnel.dynamics.low_gradient import Approach, approach, hessian
from spinfunnel.maths.lanczos import Quadrature, slq
from spinfunnel.subject import Subject
from spinfunnel.systems.complexity import index_share
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.protocols import Smooth

#: Of so few weights all eigenvalues are found; zero are those within this share of the largest, in double
#: precision and in single. Of more, probes see the spectrum, which resolve about a hundredth of its range.
DENSE, ZERO, ZERO_SINGLE, BAND = 300, 1e-7, 1e-5, 0.01
#: A point is stationary if straight down the gradient, for a distance as long as the trained weights are, the
#: loss would change by less than this share of the range between untrained and trained.
STATIONARY = 5e-3
#: A product with the Hessian costs so many gradients.
PRODUCT = 2.0
#: Points are drawn beside the spherical glass of this many spins a term, its energies scaled to fit.
SPINS = 3


@dataclass(frozen=True)
class Work:
    """Searches from the way of training, and from permuted weights; products of each, probes at its end."""

    points: int
    null: int
    products: int
    steps: int
    probes: int

    @property
    def cost(self) -> float:
        """In gradients."""
        return PRODUCT * (self.points + self.null) * (self.products + self.steps * self.probes)


#: From little work to much; each effort does the most of these that its CPU seconds allow, or none.
WORK = (Work(6, 2, 150, 24, 2), Work(8, 2, 200, 30, 2), Work(10, 4, 360, 40, 2), Work(24, 10, 900, 60, 4))
SECONDS: dict[Effort, float] = {"quick": 8.0, "normal": 60.0, "full": 400.0}
MOST: dict[Effort, int] = {"quick": 2, "normal": 3, "full": 4}
#: Fewer examples are looked at before less is done: down to so many. The least work is done on fewer still.
EXAMPLES = 256


@dataclass(frozen=True)
class LowPoints:
    """Where M searches ended, and the spectrum of the Hessian there.

    Attributes:
        ends: what became of the searches.
        share, error: of all eigenvalues, those that are negative, (M,); its error is not known of one probe.
        downward: of the absolute curvature, the part that is negative, (M,).
        flat: of all eigenvalues, those that are zero, (M,).
        steepest: the eigenvalue largest in modulus, (M,).
    """

    ends: Approach
    share: Array
    error: Array
    downward: Array
    flat: Array
    steepest: Array


def work(system: NetworkLoss, effort: Effort, there: float, seed: int) -> tuple[Work, NetworkLoss]:
    """Choose how much is done in so many CPU seconds, and the examples: if need be, more than is there."""
    for one in WORK[MOST[effort] - 1 :: -1]:
        few = system.within(there, one.cost, seed)
        if few.examples >= min(EXAMPLES, system.examples) and one.cost * few.seconds <= there:
            break
    return one, few


def starts(subject: Subject, system: NetworkLoss, count: int, seed: int) -> tuple[Array, list[str]]:
    """Give up to `count` weights (M, P) on the way of training, the trained ones last, and their names.

    They are snapshots of its history, at losses that are evenly spread, or else points on straight lines from
    untrained weights, every one from others.
    """
    if subject.history is not None and len(steps := subject.history.steps) >= count:
        losses = np.nan_to_num(subject.history.losses, nan=0.0)
        wanted = np.linspace(losses[0], losses[-1], count)[:-1]
        chosen: list[int] = []
        for loss in wanted:
            nearest = np.abs(losses[:-1] - loss).argsort(kind="stable")
            chosen.append(next(int(i) for i in nearest if i not in chosen))
        path = [system.flat(subject.history.mapping(i)) for i in chosen]
        names = [f"step {steps[i]}" for i in chosen]
    else:
        along = np.sqrt(np.linspace(0, 1, count)[:-1])
        fresh = system.random(count - 1, seeds(seed, "untrained"))
        path = [(1 - a) * w + a * system.trained for a, w in zip(along, fresh, strict=True)]
        names = [f"{a:.0%} of the way" for a in along]
    return np.stack([*path, system.trained]).astype(np.float64), [*names, "trained"]


def permuted(system: NetworkLoss, w: Array, seed: int) -> Array:
    """Permute the entries of every parameter, in each of the weights w (M, P)."""
    null = w.copy()
    for i, row in enumerate(null):
        for block in system.blocks:
            rng = np.random.default_rng(seeds(seed, "permuted", i, block.name))
            rng.shuffle(row[block.start : block.stop])
    return null


def scale(system: NetworkLoss, seed: int) -> tuple[float, float]:
    """Give the range of losses from untrained to trained weights, and the gradient that counts as none."""
    untrained = float(np.median(system.energy(system.random(3, seeds(seed, "range")))))
    reach = untrained - float(system.energy(system.trained[None])[0])
    return reach, STATIONARY * abs(reach) / max(float(np.linalg.norm(system.trained)), 1e-300)


def low_points(
    system: Smooth, x: Array, *, tolerance: float, products: int, steps: int, probes: int, seed: int
) -> LowPoints:
    """Search from each of x (M, P), and see the spectrum of the Hessian where the searches end."""
    ends = approach(system, x, tolerance=tolerance, products=products)
    seen = [
        spectrum(system, w, steps=steps, probes=probes, seed=seeds(seed, "index", i))
        for i, w in enumerate(ends.x)
    ]
    return LowPoints(ends, *np.array(seen).T)


def spectrum(
    system: Smooth, w: Array, *, steps: int, probes: int, seed: int
) -> tuple[float, float, float, float, float]:
    """Give share, error, downward, flat and steepest, as `LowPoints` has them, of the Hessian at w (P,)."""
    operator, size = hessian(system, w), w.size
    zero = BAND
    if size <= DENSE:
        matrix = np.stack([operator @ unit for unit in np.eye(size)])
        nodes = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        seen = Quadrature(nodes[None], np.full((1, size), 1 / size), size)
        zero = ZERO if operator.dtype == np.float64 else ZERO_SINGLE
    else:
        seen = slq(operator, steps=steps, probes=probes, seed=seed)
    steepest = float(seen.nodes.flat[np.abs(seen.nodes).argmax()])
    band = zero * abs(steepest)
    negative = seen.mean(lambda h: h < -band)
    downward = seen.mean(lambda h: np.maximum(-h, 0)).value / max(seen.mean(np.abs).value, 1e-300)
    error = math.nan if negative.error is None else negative.error
    exact = 0.0 if size <= DENSE else error
    return negative.value, exact, downward, seen.mean(lambda h: np.abs(h) <= band).value, steepest


def of_the_glass(losses: Array, shares: Array, grid: Array) -> Array | None:
    """Give the index share (k,) of the spherical 3-spin glass at the losses `grid` (k,).

    Its energy u is scaled, L = a + b u, by least squares through the points (M,): in u, of which their index
    share is a function. None if fewer than three of them have an index, or if b is not positive.
    """
    u = np.linspace(-2, 0, 2001)
    known = (shares > 0) & (shares < 0.5)
    if known.sum() < 3 or np.ptp(shares[known]) == 0:
        return None
    b, a = np.polyfit(np.interp(shares[known], index_share(u, SPINS), u), losses[known], 1)
    return None if b <= 0 else index_share((grid - a) / b, SPINS)
