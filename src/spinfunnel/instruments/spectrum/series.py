"""The data that a spectrum draws: its density with the noise bulk, its tail, and both against depth."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, sqrt
from typing import Any

import numpy as np

from spinfunnel.core import Array, Axis, Row, Series, Table
from spinfunnel.maths.random_matrices import marchenko_pastur_edges, marchenko_pastur_pdf
from spinfunnel.matrices import Matrix

HISTOGRAM_AXES = (Axis("eigenvalue λ of W Wᵀ", "log"), Axis("density of λ", "log"))
TAIL_AXES = (Axis("eigenvalue λ of W Wᵀ", "log"), Axis("share of eigenvalues ≥ λ", "log"))


def density(matrix: Matrix, *, with_law: bool = True) -> tuple[Series, ...]:
    """The density of eigenvalues, with the bulk and edge of noise unless there are too few for a law."""
    ev, row = matrix.eigenvalues, matrix.part.row_name
    shown = ev[ev >= lowest(ev)]
    bins = int(np.clip(2 * sqrt(len(shown)), 8, 60))
    low, high = shown[0] * 0.98, shown[-1] * 1.02
    counts, edges = np.histogram(shown, bins=np.geomspace(low, high, bins + 1))
    shared: dict[str, Any] = {"panel": "spectral density", "row": row, "axes": HISTOGRAM_AXES}
    drawn = [Series(edges, counts / (np.diff(edges) * len(ev)), label="measured", kind="step", **shared)]
    if not with_law:
        return tuple(drawn)
    bulk = matrix.bulk
    # The noise beside k spikes is that of an (M - k) x (N - k) matrix: the law drawn is the law tested.
    k = len(bulk.spikes)
    rest = ev[len(ev) - bulk.small : len(ev) - k]
    y, unit = (bulk.small - k) / (bulk.large - k), float(rest.mean())
    ends = np.log(np.maximum(np.array(marchenko_pastur_edges(y)) * unit, low))
    # Points crowd at both edges, where the law falls to zero like a square root.
    x = np.exp(ends[0] + (ends[1] - ends[0]) * (1 - np.cos(np.linspace(0, np.pi, 121)[1:-1])) / 2)
    law = len(rest) / len(ev) * marchenko_pastur_pdf(x / unit, y) / unit
    name = "Marchenko-Pastur" if bulk.is_mp else "Marchenko-Pastur (does not fit)"
    drawn.append(Series(x, law, label=name, kind="line", **shared))
    drawn.append(
        Series(np.array([bulk.threshold]), np.array([0.0]), label="edge at 1 %", kind="vline", **shared)
    )
    if bulk.is_mp and len(bulk.spikes):
        floor = float(drawn[0].y[drawn[0].y > 0].min())
        heights = np.full(len(bulk.spikes), floor)
        drawn.append(Series(bulk.spikes, heights, label="spikes", kind="scatter", **shared))
    return tuple(drawn)


def lowest(ev: Array) -> float:
    """Give the smallest eigenvalue worth drawing: in a square matrix, a few lie decades below all others."""
    quantile = float(np.quantile(ev, 0.02))
    return quantile if ev[0] < quantile / 30 else max(float(ev[0]), 1e-10 * float(ev[-1]))


def ccdf(matrix: Matrix, row: Row) -> tuple[Series, ...]:
    """The share of eigenvalues above each, with the fitted power law from xmin on."""
    ev = matrix.eigenvalues[::-1]
    rank_of = np.arange(1, len(ev) + 1)
    # A few hundred points, evenly spaced in the logarithm of the rank, draw the same curve as all of them.
    keep = np.unique(np.geomspace(1, len(ev), 240).astype(int)) - 1
    keep = keep[ev[keep] >= lowest(matrix.eigenvalues)]
    shared: dict[str, Any] = {"panel": "tail", "row": matrix.part.row_name, "axes": TAIL_AXES}
    drawn = [Series(ev[keep], rank_of[keep] / len(ev), label="measured", kind="scatter", **shared)]
    if isfinite(row["alpha"]):
        x = np.geomspace(row["xmin"], ev[0], 40)
        law = row["tail"] / len(ev) * (x / row["xmin"]) ** (1 - row["alpha"])
        drawn.append(Series(x, law, label=f"power law, α = {row['alpha']:.2f}", kind="line", **shared))
        drawn.append(Series(np.array([row["xmin"]]), np.array([0.0]), label="xmin", kind="vline", **shared))
    return tuple(drawn)


def against_depth(table: Table) -> Iterator[Series]:
    """Exponent and stable rank of each matrix in the order of depth."""
    names, columns = tuple(table.row_names()), table.columns
    depth = columns["depth"].astype(float)
    if "alpha" in columns and np.isfinite(columns["alpha"]).any():
        fitted = np.isfinite(columns["alpha"])
        shared: dict[str, Any] = {
            "panel": "exponent against depth",
            "axes": (Axis("matrix, in order of depth"), Axis("tail exponent α", "log")),
        }
        yield Series(
            depth[fitted],
            columns["alpha_null_median"][fitted],
            low=columns["alpha_null_low"][fitted],
            high=columns["alpha_null_high"][fitted],
            label="noise of the same shape, 5 to 95 %",
            kind="band",
            **shared,
        )
        yield Series(
            depth[fitted],
            columns["alpha"][fitted],
            low=columns["alpha_low"][fitted],
            high=columns["alpha_high"][fitted],
            label="this model, 95 % interval",
            kind="scatter",
            names=tuple(name for name, is_fitted in zip(names, fitted, strict=True) if is_fitted),
            **shared,
        )
    if "stable_rank" in columns:
        ranked = np.isfinite(columns["stable_rank"])
        small, large = columns["M"].astype(float), columns["N"].astype(float)
        yield Series(
            depth,
            (small * large / (np.sqrt(small) + np.sqrt(large)) ** 2),
            label="noise of the same shape",
            kind="line",
            null=True,
            panel="stable rank against depth",
            axes=(Axis("matrix, in order of depth"), Axis("stable rank", "log")),
        )
        yield Series(
            depth[ranked],
            columns["stable_rank"][ranked],
            label="this model",
            kind="scatter",
            names=tuple(name for name, has in zip(names, ranked, strict=True) if has),
            panel="stable rank against depth",
            axes=(Axis("matrix, in order of depth"), Axis("stable rank", "log")),
        )
