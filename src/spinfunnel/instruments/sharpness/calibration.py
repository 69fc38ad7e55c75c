"""Sharpness of quadratics, which is known, and of networks that are the same function rescaled."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.langevin import Quadratic as Bowl
from spinfunnel.instruments.sharpness.measuring import average_case, quadratic, worst_case
from spinfunnel.maths.lanczos import student
from spinfunnel.networks.rescaling import KINDS, rescaled

#: Three directions, how steep they are and how large the weights along them, and ρ.
STEEP, SIZES, RADIUS = np.array([10.0, 1.0, 0.1]), np.array([0.3, 2.0, 5.0]), 0.05


def _row(system: str, quantity: str, value: float, exact: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "sharpness", system, quantity, exact=exact, value=value, tolerance=tolerance
    )


def _on_average(name: str, rises: Array, exact: float) -> CalibrationRow:
    found = student(rises)
    assert found.error is not None
    return CalibrationRow.measured(
        "sharpness", name, "average rise", exact=exact, value=found.value, error=found.error, cap=0.03 * exact
    )


def _of_three(seed: int) -> Iterator[CalibrationRow]:
    """At the minimum of a quadratic: ρ²λ/2 and ρ² tr(CHC)/2, with λ = 10 or, of |w|² H = (.9, 4, 2.5), 4."""
    bowl, here = Bowl(STEEP), np.zeros(3)
    starts = np.random.default_rng(seeds(seed, "starts")).standard_normal((2, 3))
    for scale, kind, top, total in ((np.ones(3), "plain", 10.0, 11.1), (SIZES, "adaptive", 4.0, 7.4)):
        name, radius = f"H = diag(10, 1, .1), {kind}", RADIUS
        rise = worst_case(bowl, here, scale, radius, starts)
        yield _row(name, "worst rise, from random starts", rise, radius**2 * top / 2, 1e-6)
        expected = quadratic(here, np.diag(STEEP), scale, seed).worst(radius)
        for bound in expected:
            yield _row(name, "worst rise expected", bound, radius**2 * top / 2, 1e-12)
        rises, told = average_case(
            bowl, here, scale, np.array([radius]), np.diag(STEEP), 4000, seeds(seed, kind)
        )
        yield _on_average(name, rises[:, 0], radius**2 * total / 2)
        yield _row(name, "rises that H expects, largest error", float(np.abs(rises - told).max()), 0, 1e-12)


def exact_worst(curvatures: Array, gradient: Array, radius: float) -> float:
    """Give max g·u + u·Hu/2 over |u| = ρ, H diagonal: u = (μ - H)^-1 g with μ > λ such that |u| = ρ."""
    from scipy.optimize import brentq

    top = curvatures.max()
    below = top * (1 + 1e-14) + np.abs(gradient).max() * 1e-12
    above = top + np.linalg.norm(gradient) / radius + 1.0
    mu = brentq(lambda m: np.linalg.norm(gradient / (m - curvatures)) - radius, below, above, xtol=1e-14)
    u = gradient / (mu - curvatures)
    return float(gradient @ u + (curvatures * u**2).sum() / 2)


def _of_slopes(seed: int, size: int = 400, draws: int = 20) -> Iterator[CalibrationRow]:
    """Beside the minimum of a quadratic with ten outliers the secular equation tells the largest rise."""
    inside, high_enough, off = 0, 0, 0.0
    for draw in range(draws):
        rng = np.random.default_rng(seeds(seed, "slope", draw))
        curvatures = np.concatenate([rng.uniform(20, 100, 10), rng.uniform(0, 1, size - 10)])
        bowl, w, scale = Bowl(curvatures), 1e-3 * rng.standard_normal(size), np.ones(size)
        gradient = bowl.gradient(w[None])[0]
        expected = quadratic(gradient, np.diag(curvatures), scale, seeds(seed, draw))
        starts = np.stack([expected.direction, rng.standard_normal(size)])
        rise, exact = worst_case(bowl, w, scale, RADIUS, starts), exact_worst(curvatures, gradient, RADIUS)
        low, high = expected.worst(RADIUS)
        inside += low * (1 - 1e-6) <= exact <= high * (1 + 1e-6)
        high_enough += abs(rise / exact - 1) <= 0.05
        moved, told = average_case(
            bowl, w, scale, np.array([RADIUS]), np.diag(curvatures), 1, seeds(seed, "move", draw)
        )
        off = max(off, float(np.abs(moved / told - 1).max()))
    name = f"quadratics with ten outliers, P {size}, off their minima"
    yield CalibrationRow.rate("sharpness", name, "exact between the bounds", k=inside, n=draws, at_least=1.0)
    yield CalibrationRow.rate(
        "sharpness", name, "rise found within 5 % of the exact one", k=high_enough, n=draws, at_least=0.9
    )
    yield _row(name, "rise of a pair of moves / what H expects - 1, largest", off, 0, 1e-6)


def _of_networks(seed: int) -> Iterator[CalibrationRow]:
    """Networks that are one function, rescaled, have one adaptive sharpness, and different plain ones."""
    if find_spec("torch") is None:
        return
    for kind in KINDS:
        found: dict[str, list[Array]] = {"plain": [], "adaptive": []}
        for system in rescaled(kind, 5.0, seed):
            w, hessian = system.trained, system.hessian()
            gradient = system.gradient(w[None])[0]
            start = np.random.default_rng(seeds(seed, "start")).standard_normal((1, len(w)))
            for which, scale in (("plain", np.ones_like(w)), ("adaptive", np.abs(w))):
                expected = quadratic(gradient, hessian, scale, seed)
                signed = np.concatenate([expected.direction[None], start * np.sign(w)])
                rise = worst_case(system, w, scale, 0.1, signed)
                moved, told = average_case(
                    system, w, scale, np.array([RADIUS]), hessian, 8, seeds(seed, "moves")
                )
                found[which].append(np.array([rise, expected.top, moved.mean(), told.mean()]))
        name = f"{kind}, rescaled by 5"
        here, there = found["adaptive"]
        for i, quantity in enumerate(("worst rise", "λ of C H C", "average rise", "average rise expected")):
            yield _row(name, f"adaptive: {quantity}, ratio", float(there[i] / here[i]), 1, 1e-6)
        here, there = found["plain"]
        changed = int((np.abs(np.log(np.abs(there / here))) > 0.1).sum())
        yield CalibrationRow.rate(
            "sharpness", name, "plain: what changes by a tenth", k=changed, n=4, at_least=1.0
        )


calibrations = (
    Calibration("three directions", "ρ²λ/2 and ρ² tr/2, exact", _of_three),
    Calibration("outliers", "secular equation, exact", _of_slopes),
    Calibration("rescaled networks", "one function, one sharpness", _of_networks),
)
