"""Slices of quadratics, whose every point is known, and of networks that are the same function rescaled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np

from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.langevin import Quadratic
from spinfunnel.instruments.slices.lines import basins, concave_share, half_widths, line
from spinfunnel.instruments.slices.planes import path, plane
from spinfunnel.maths.directions import filters_of, gaussian
from spinfunnel.maths.lanczos import student
from spinfunnel.networks.rescaling import KINDS, rescaled
from spinfunnel.systems.surfaces import double_well


def _row(system: str, quantity: str, value: float, exact: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "slices", system, quantity, exact=exact, value=value, tolerance=tolerance
    )


def _of_quadratics(seed: int, size: int = 300) -> Iterator[CalibrationRow]:
    """A slice of a quadratic is L0 + D^T g a + a^T D^T H D a / 2, everywhere."""
    rng, name = np.random.default_rng(seeds(seed, "quadratic")), f"quadratic, P {size}"
    bowl = Quadratic(rng.exponential(size=size))
    w, one, two = rng.standard_normal((3, size))
    known: dict[str, Any] = {"hessian": np.diag(bowl.curvatures), "gradient": bowl.gradient(w[None])[0]}
    cut = line(bowl, w, one, 1.5, 31, **known)
    scale = float(np.ptp(cut.loss))
    yield _row(
        name, "losses on a line, largest error", np.abs(cut.loss - cut.quadratic).max() / scale, 0, 1e-12
    )
    yield _row(name, "curvature seen / d·H d", cut.seen / cut.curvature, 1, 1e-9)
    x, y = np.linspace(-1, 2, 13), np.linspace(-1, 1, 9)
    flat = plane(bowl, w, np.stack([one, two]), x, y, hessian=np.diag(bowl.curvatures))
    d = np.stack([one, two])
    exact = d @ np.diag(bowl.curvatures) @ d.T
    at = np.stack(np.meshgrid(x, y), axis=-1)
    expected = (
        bowl.energy(w[None])[0] + at @ d @ known["gradient"] + np.einsum("yxi,ij,yxj->yx", at, exact, at) / 2
    )
    worst = float(np.abs(flat.loss - expected).max() / np.ptp(expected))
    yield _row(name, "losses on a plane, largest error", worst, 0, 1e-12)
    for found, how in ((flat.curvature, "by products"), (flat.seen, "seen")):
        error = float(np.abs(found - exact).max() / np.abs(exact).max())
        yield _row(name, f"D^T H D {how}, largest error", error, 0, 1e-9)
    bottom = line(bowl, 0 * w, one, 1.5, 31, hessian=known["hessian"], gradient=0 * w)
    wide = half_widths(bottom.a, bottom.loss, bottom.curvature / 2)
    yield _row(name, "half-width where the loss has risen by d·H d / 2", float(wide.mean()), 1, 1e-9)


def _of_shapes(seed: int) -> Iterator[CalibrationRow]:
    """Quadratics have one basin and never bend down, whatever the rounding; a double well has two."""
    rough = bent = 0
    for draw in range(200):
        bowl = Quadratic(np.random.default_rng(seeds(seed, "shape", draw)).exponential(size=50))
        w = bowl.random(1, seeds(seed, draw))[0].astype(np.float32)
        d = gaussian(w, np.zeros(50, dtype=int), seeds(seed, draw, "d"))
        cut = line(bowl, w, d, 1.0, 41, hessian=np.diag(bowl.curvatures), gradient=bowl.gradient(w[None])[0])
        lifted = 1 + 1e-5 * cut.loss / np.ptp(cut.loss)  # so that rounding is a hundredth of what there is
        rounded = lifted.astype(np.float32).astype(np.float64)
        rough, bent = rough + (basins(rounded) > 1), bent + (concave_share(rounded) > 0)
    for found, what in ((rough, "lines with a second basin"), (bent, "lines that bend down somewhere")):
        yield CalibrationRow.rate(
            "slices",
            "quadratics on 100,000 times their rise, in single precision",
            what,
            k=found,
            n=200,
            at_most=0.01,
        )
    a = np.linspace(-2, 2, 41)
    across = double_well().energy(np.stack([a, np.zeros_like(a)], axis=1))
    yield _row("double well", "basins of the line across", basins(across), 2, 0)


def _blocks() -> list[Any]:
    """Give the parameters of a small network: two convolutions with a normalisation, and a linear layer."""
    shapes = (
        ("conv", (8, 3, 3, 3)), ("norm", (8,)), ("bias", (8,)), ("conv", (4, 8, 3, 3)), ("bias", (4,)),
        ("linear", (10, 64)), ("bias", (10,)), ("embedding", (20, 6)),
    )  # fmt: skip
    ends = np.cumsum([0, *(math.prod(shape) for _, shape in shapes)]).tolist()
    return [
        SimpleNamespace(kind=kind, shape=shape, start=start, stop=stop)
        for (kind, shape), start, stop in zip(shapes, ends, ends[1:], strict=False)
    ]


def _of_directions(seed: int, draws: int = 64) -> Iterator[CalibrationRow]:
    """Filters of directions lie evenly on the spheres of those of w: E d·H d = Σ |w_f|² tr H_f / n_f."""
    blocks, name = _blocks(), "filters of a small network"
    size = blocks[-1].stop
    rng = np.random.default_rng(seeds(seed, "weights"))
    w, curvatures = (
        rng.standard_normal(size) * np.repeat(rng.exponential(size=size // 2), 2),
        rng.exponential(size=size),
    )
    filters = filters_of(blocks, size)
    found = np.stack([gaussian(w, filters, seeds(seed, i)) for i in range(draws)])
    moved = filters >= 0
    lengths = [np.bincount(filters[moved], weights=x[moved] ** 2) for x in (w, *found)]
    yield _row(name, "number of filters", len(lengths[0]), 8 + 4 + 10 + 20, 0)
    ratio = np.sqrt(np.array(lengths[1:]) / lengths[0])
    yield _row(name, "|d_f| / |w_f| - 1, largest", float(np.abs(ratio - 1).max()), 0, 1e-12)
    yield _row(name, "what biases and norms move by, largest", float(np.abs(found[:, ~moved]).max()), 0, 0)
    traces = np.bincount(filters[moved], weights=curvatures[moved])
    exact = float((lengths[0] * traces / np.bincount(filters[moved])).sum())
    measured = student((found**2 * curvatures).sum(axis=1))
    assert measured.error is not None
    yield CalibrationRow.measured(
        "slices",
        name,
        "mean d·H d",
        exact=exact,
        value=measured.value,
        error=measured.error,
        cap=0.03 * exact,
    )
    cosines = student((found[::2] * found[1::2]).sum(axis=1) / (w[moved] ** 2).sum())
    assert cosines.error is not None
    yield CalibrationRow.measured(
        "slices",
        name,
        "mean cosine of two directions",
        exact=0,
        value=cosines.value,
        error=cosines.error,
        cap=0.02,
    )


def _of_walks(
    seed: int, snapshots: int = 40, size: int = 20_000, walks: int = 12
) -> Iterator[CalibrationRow]:
    """The plane of a random walk's path from its end: the covariance of the snapshots is min(s, t)."""
    steps = np.arange(1, snapshots + 1)
    values = np.linalg.eigvalsh(np.minimum(steps[:, None], steps).astype(float))[::-1]
    bowl, shares = Quadratic(np.ones(size)), []
    skewed = 0.0
    for walk in range(walks):
        rng = np.random.default_rng(seeds(seed, "walk", walk))
        found = path(bowl, np.zeros(size), rng.standard_normal((snapshots, size)).cumsum(axis=0))
        assert found is not None
        shares.append(found.kept)
        skewed = max(skewed, float(np.abs(found.directions @ found.directions.T - np.eye(2)).max()))
    name = f"random walk of {snapshots} in P {size}"
    yield _row(name, "D D^T - 1 of its two directions, largest", skewed, 0, 1e-9)
    for i, which in enumerate(("first", "second")):
        measured = student(np.array(shares)[:, i])
        assert measured.error is not None
        yield CalibrationRow.measured(
            "slices", name, f"share of its {which} direction",
            exact=float(values[i] / values.sum()), value=measured.value, error=measured.error, cap=0.005,
        )  # fmt: skip


def _of_networks(seed: int) -> Iterator[CalibrationRow]:
    """Networks that are one function, rescaled, have one picture, though their weights are far apart."""
    if find_spec("torch") is None:
        return
    for kind in KINDS:
        cuts = []
        for system in rescaled(kind, 5.0, seed):
            w, filters = system.trained, filters_of(system.blocks, system.size)
            one, two = (gaussian(w, filters, seeds(seed, i)) for i in range(2))
            known: dict[str, Any] = {"hessian": system.hessian(), "gradient": system.gradient(w[None])[0]}
            side = np.linspace(-1, 1, 7)
            flat = plane(system, w, np.stack([one, two]), side, side, hessian=known["hessian"])
            cuts.append((line(system, w, one, 1.0, 21, **known), flat))
        (cut, flat), (other, same) = cuts
        name = f"{kind}, rescaled by 5"
        for cut_loss, other_loss, what in ((cut.loss, other.loss, "line"), (flat.loss, same.loss, "plane")):
            worst = float(np.abs(cut_loss - other_loss).max() / np.ptp(cut_loss))
            yield _row(name, f"losses on a {what}, largest difference", worst, 0, 1e-9)
        for here, there, what in (
            (cut.curvature, other.curvature, "d·H d"), (cut.slope, other.slope, "g·d"),
            (flat.curvature, same.curvature, "D^T H D"),
        ):  # fmt: skip
            worst = float(np.max(np.abs(np.subtract(here, there))) / abs(cut.curvature))
            yield _row(name, f"{what}, largest difference", worst, 0, 1e-8)


calibrations = (
    Calibration("quadratics", "L0 + g·δ + δ·Hδ/2, exact", _of_quadratics),
    Calibration("shapes", "by construction", _of_shapes),
    Calibration("directions", "evenly on spheres, exact", _of_directions),
    Calibration("random walks", "eigenvalues of min(s, t), exact", _of_walks),
    Calibration("rescaled networks", "one function, one picture", _of_networks),
)
