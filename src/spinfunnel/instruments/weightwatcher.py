"""The columns of WeightWatcher, by its conventions, for those who compare with earlier results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import nan, prod

import numpy as np

from spinfunnel.core import (
    Array,
    Calibration,
    CalibrationRow,
    Effort,
    Finding,
    Instrument,
    Number,
    Reading,
    RowVerdict,
    Table,
    Verdict,
)
from spinfunnel.maths.heavy_tails import fit_power_law
from spinfunnel.maths.weightwatcher import weightwatcher_columns
from spinfunnel.matrices import Matrix, decomposition_seconds
from spinfunnel.subject import Subject


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Give one row of its table; not for a matrix with NaN or infinite entries."""
    row = {"name": matrix.part.name, "part": matrix.part.part}
    if matrix.entries.nonfinite:
        return Reading(row | {"status": "not finite", "warning": ""})
    stack, is_convolution = slices(matrix)
    return Reading(row | weightwatcher_columns(stack, convolution=is_convolution))


def slices(matrix: Matrix) -> tuple[Array, bool]:
    """Give the matrices it pools, shape (kernel positions, a, b), and whether they are of a convolution."""
    part = matrix.part
    if part.kind != "convolution" or part.part:
        return matrix.array[None], False
    outputs, inputs, *kernel = part.tensor_shape
    return matrix.array.reshape(outputs, inputs, prod(kernel)).transpose(2, 0, 1), True


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows; average α over the layers that have one (its summary also averages failures)."""
    table = Table.of([reading.row for reading in readings])
    alphas = table.columns.get("alpha", np.array([nan]))
    mean = float(np.nanmean(alphas)) if np.isfinite(alphas).any() else nan
    return Finding(
        "weightwatcher",
        "learned",
        numbers={"mean α": Number(mean, kind="mean of layers")},
        tables={"layers": table},
    )


def judge_row(row: dict[str, object]) -> RowVerdict:
    """Repeat its word; it is not ours, so the outcome is always info."""
    word = str(row["warning"]) or "no warning"
    return RowVerdict("info", word, "its thresholds: α < 2 over-trained, α > 6 under-trained")


def judge(finding: Finding) -> Verdict:
    """Say what it would warn of, and that these bands depend on the size of a matrix."""
    words = Counter(str(label) for label in finding.tables["layers"].columns["label"])
    counts = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return Verdict(
        "info",
        "for comparison",
        f"By WeightWatcher's conventions: {counts}.",
        "Its fixed bands, 2 to 6, do not depend on the size of a matrix, but α of pure noise does: compare "
        "with the null of the same shape that `spectrum` gives.",
    )


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: a singular value decomposition a matrix."""
    return sum(6 * decomposition_seconds(part) for part in subject.parts)


def _same_fit(seed: int) -> Iterable[CalibrationRow]:
    """Where no eigenvalue is near its absolute floor of 1e-5, its α and ours are one number."""
    for shape in ((40, 60), (200, 200)):
        array = np.random.default_rng(seed).standard_t(3, size=shape)
        theirs = weightwatcher_columns(array[None])
        ours = fit_power_law(np.linalg.svd(array, compute_uv=False) ** 2)
        for key, value in (("alpha", ours.alpha), ("xmin", ours.xmin), ("D", ours.distance)):
            yield CalibrationRow.deterministic(
                "weightwatcher", f"Student-t entries, {shape[0]} x {shape[1]}", key,
                exact=float(theirs[key]), value=value, tolerance=1e-9 * abs(value),
            )  # fmt: skip


instrument = Instrument(
    name="weightwatcher",
    question="learned",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="Martin, Peng, Mahoney, Nature Communications 12 (2021) 4122; WeightWatcher 0.7.7.",
    what="The columns of WeightWatcher's table, by its conventions (only with --columns weightwatcher).",
    why="Its column names are known; results from it can be compared one to one.",
    judged="It is not judged (info): the label repeats what WeightWatcher would warn of. α, xmin and D equal "
    "its own to 1e-9 for linear layers, embeddings and pooled 2-D convolutions with 20 eigenvalues or more.",
    calibrations=(Calibration("one fit, two conventions", "WeightWatcher 0.7.7", _same_fit),),
    default=False,
)
