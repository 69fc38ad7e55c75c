"""What is drawn of a Hessian: its density, its tails, its largest eigenvalues, and its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from spinfunnel.core import Array, Axis, Row, Series
from spinfunnel.instruments.curvature.measuring import FLAT, Spectrum
from spinfunnel.instruments.curvature.outliers import edge_of_noise, semicircle_cdf, semicircle_pdf
from spinfunnel.maths.lanczos import Quadrature

#: Points of a curve.
POINTS = 400
UNTRAINED = "untrained weights (null)"
CIRCLE = "semicircle (null)"
LAWS = {"semicircle": "a semicircle", "Marchenko-Pastur": "Marchenko and Pastur’s law"}
#: Eigenvalues that differ by more than this factor, and are positive, are drawn on a logarithmic axis.
FACTOR = 10


def density(found: Spectrum, untrained: Quadrature) -> list[Series]:
    """Draw the density of states, seen through one kernel, with its errors and both nulls."""
    nodes = found.density.nodes
    width = float(np.ptp(nodes)) / nodes.shape[1]
    if width == 0:
        return []
    x = np.linspace(nodes.min() - 4 * width, nodes.max() + 4 * width, POINTS)
    lowest = 0.1 / (found.density.size * width)  # a tenth of one eigenvalue
    axes = (Axis("eigenvalue λ of the Hessian"), Axis("density", "log", low=lowest))
    panel = f"Spectral density of the Hessian, P = {found.density.size:,}"
    shared: dict[str, Any] = {"axes": axes, "panel": panel}
    values, errors = found.density.density(x, width)

    def seen(y: Array) -> Array:
        return np.where(y >= lowest, y, np.nan)

    noise = semicircle_pdf(x, found.bulk.mean, max(found.bulk.spread, width))
    caption = (
        "A bump far from zero is an eigenvalue or two, as wide as the kernel. The semicircle is a random "
        "matrix of the same mean and variance."
    )
    if found.bulk.law != "neither":
        caption += f" What does not stand apart is distributed like {LAWS[found.bulk.law]}."
    return [
        Series(
            x, seen(values),
            low=np.maximum(values - errors, lowest), high=np.maximum(values + errors, lowest),
            label=f"these weights, ± 1 σ, kernel {width:.2g} wide", caption=caption, **shared,
        ),
        Series(x, seen(untrained.density(x, width)[0]), label=UNTRAINED, null=True, **shared),
        Series(x, seen(noise), label=CIRCLE, null=True, **shared),
    ]  # fmt: skip


def tails(found: Spectrum, untrained: Quadrature) -> list[Series]:
    """Draw how many eigenvalues lie beyond ±x, on both sides, with their errors and both nulls."""
    if found.norm == 0:
        return []
    size, x = found.density.size, found.norm * np.geomspace(FLAT / 10, 1, POINTS)
    axes = (Axis("|λ|", "log"), Axis("eigenvalues beyond", "log", low=0.1))
    shared: dict[str, Any] = {
        "axes": axes,
        "panel": "Tails of the spectrum: how many eigenvalues lie beyond ±|λ|",
        "caption": "Where the curve lies to the right of both nulls, directions are sharper than chance "
        "makes them, or no training; the one below -|λ| counts those that lead down.",
    }
    drawn = []
    for label, (share, error) in (
        ("above +|λ|, ± 1 σ", _beyond(found.density, x)),
        ("below -|λ|, ± 1 σ", found.density.below(-x)),
    ):
        y, spread = size * share, size * error
        drawn.append(
            Series(
                x, np.where(y >= 0.1, y, np.nan),
                low=np.maximum(y - spread, 0.1), high=np.maximum(y + spread, 0.1),
                label=label, **shared,
            )
        )  # fmt: skip
    null = size * _beyond(untrained, x)[0]
    drawn.append(
        Series(x, np.where(null >= 0.1, null, np.nan), label=f"above, {UNTRAINED}", null=True, **shared)
    )
    if found.bulk.spread:
        noise = size * (1 - semicircle_cdf(x, found.bulk.mean, found.bulk.spread))
        drawn.append(
            Series(x, np.where(noise >= 0.1, noise, np.nan), label=f"above, {CIRCLE}", null=True, **shared)
        )
    return drawn


def _beyond(density: Quadrature, x: Array) -> tuple[Array, Array]:
    share, error = density.below(x)
    return 1 - share, error


def largest(found: Spectrum) -> list[Series]:
    """Draw the largest eigenvalues by rank, and how the edge of a random matrix would go on."""
    top, rank = found.top, np.arange(1, len(found.top) + 1)
    if len(top) < 2:
        return []
    residuals = found.ends.residuals[: len(top)]
    log = top.min() > 0 and top.max() > FACTOR * top.min()
    shared: dict[str, Any] = {
        "axes": (Axis("rank"), Axis("eigenvalue λ", "log" if log else "linear")),
        "panel": "Largest eigenvalues of the Hessian",
    }
    drawn = [
        Series(
            rank, top, low=np.maximum(top - residuals, top / FACTOR) if log else top - residuals,
            high=top + residuals, label="Ritz values, ± residual", kind="scatter",
            caption="The null goes on as the edge of a random matrix does; what lies above it, left of a "
            "gap, stands apart.", **shared,
        )
    ]  # fmt: skip
    if len(top) - found.apart >= 8:
        noise = edge_of_noise(top, found.apart)
        drawn.append(
            Series(
                rank[found.apart :],
                np.where(noise > 0, noise, np.nan) if log else noise,
                label="edge of a random matrix (null), fitted",
                null=True,
                **shared,
            )
        )
    if found.apart:
        drawn.append(
            Series(
                np.array([found.apart + 0.5]), np.zeros(1), kind="vline",
                label=f"{found.apart} stand apart", **shared,
            )
        )  # fmt: skip
    return drawn


def depth(rows: Sequence[Row], untrained: Array) -> list[Series]:
    """Draw the mean curvature of each tensor, and its largest eigenvalue, against depth."""
    names = tuple(str(row["name"]) for row in rows)
    sizes = np.array([row["parameters"] for row in rows], dtype=np.float64)
    x = np.arange(1, len(rows) + 1)
    mean, error = (np.array([row[key] for row in rows]) / sizes for key in ("trace", "trace_error"))
    axes = (Axis("parameter tensor, from input to output"), Axis("tr H / parameters"))
    shared: dict[str, Any] = {
        "axes": axes,
        "panel": "Mean curvature of each parameter tensor",
        "kind": "scatter",
    }
    drawn = [
        Series(
            x, mean, low=mean - error, high=mean + error, label="these weights, ± 1 σ", names=names,
            caption="Point at a dot for the name of its tensor.", **shared,
        ),
        Series(x, untrained / sizes, label=UNTRAINED, names=names, null=True, **shared),
    ]  # fmt: skip
    sharpest = np.array([row["lambda_max"] for row in rows])
    known = np.isfinite(sharpest) & (sharpest > 0)
    if known.sum() > 1:
        some = tuple(name for name, there in zip(names, known, strict=True) if there)
        axes = (axes[0], Axis("λ", "log"))
        shared = {
            "axes": axes,
            "panel": "Largest eigenvalue of each parameter tensor’s block",
            "kind": "scatter",
        }
        shared["caption"] = "How much sharper than the mean of its block each one’s sharpest direction is."
        drawn.append(Series(x[known], sharpest[known], label="largest eigenvalue", names=some, **shared))
        flat = np.where(mean > 0, mean, math.nan)[known]
        drawn.append(
            Series(
                x[known], flat, label="all equal (null): tr H / parameters", names=some, null=True, **shared
            )
        )
    return drawn
