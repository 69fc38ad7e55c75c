"""Is each matrix in working order? Dead and duplicate units, NaN and inf, extreme norms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, nan, sqrt

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
    Row,
    RowVerdict,
    Table,
    Verdict,
    seeds,
)
from spinfunnel.matrices import Matrix
from spinfunnel.readers.layout import Part
from spinfunnel.subject import Subject

#: A unit whose norm is this many times above or below the median of its matrix is extreme.
EXTREME = 10.0
#: Units whose directions differ by less than this (squared distance of unit vectors) are duplicates.
SAME = 1e-13
#: In fewer dimensions than this, many directions coincide by chance.
FEWEST_INPUTS = 4


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Count what is broken in one matrix. A unit is a row; of an embedding, a row is a token."""
    row: Row = {
        "name": matrix.part.name,
        "part": matrix.part.part,
        "units": matrix.array.shape[0],
        "inputs": matrix.array.shape[1],
        "nonfinite": matrix.entries.nonfinite,
        "zeros": matrix.entries.zeros,
    }
    if matrix.entries.nonfinite:
        return Reading(row)
    units, inputs = matrix.entries.row_norms, matrix.entries.column_norms
    alive = units[units > 0]
    middle = float(np.median(alive)) if len(alive) else nan
    ev = matrix.eigenvalues
    return Reading(
        row
        | {
            "dead_units": int(np.count_nonzero(units == 0)),
            "dead_inputs": int(np.count_nonzero(inputs == 0)),
            "duplicate_units": len(duplicates(matrix.array, units, seed)),
            "extreme_units": int(np.count_nonzero((alive > EXTREME * middle) | (alive < middle / EXTREME))),
            "smallest_norm": float(alive.min()) if len(alive) else nan,
            "median_norm": middle,
            "largest_norm": float(alive.max()) if len(alive) else nan,
            "condition_number": sqrt(ev[-1] / ev[0]) if ev[0] > 0 else inf if ev[-1] > 0 else nan,
        }
    )


def duplicates(array: Array, norms: Array, seed: int) -> Array:
    """Give the indices of rows that repeat an earlier row up to a positive factor, ascending.

    Shapes: array (rows, columns), norms (rows,). Candidates are neighbours in one random projection of the
    unit vectors; each pair of neighbours is then compared in full. Rows that are zero do not count, and
    with fewer than 4 columns none does.

    >>> array = np.array([[1., 2., 0., 0.], [0., 1., 0., 0.], [2., 4., 0., 0.]])
    >>> duplicates(array, np.sqrt([5., 1., 20.]), seed=0)
    array([2])
    """
    alive = np.flatnonzero(norms > 0)
    if len(alive) < 2 or array.shape[1] < FEWEST_INPUTS:
        return alive[:0]
    if not 1e-30 < norms[alive].min() <= norms.max() < 1e30:
        array = array.astype(np.float64)  # float32 would overflow, or lose its digits
    direction = np.random.default_rng(seed).normal(size=(array.shape[1],)).astype(array.dtype)
    projected = (array @ direction)[alive] / norms[alive]
    order = np.argsort(projected, kind="stable")
    # float32 products of n terms agree to about 1e-7 sqrt(n); a gap wider than that is no duplicate
    close = np.flatnonzero(np.diff(projected[order]) < 4e-6)
    first, second = alive[order[close]], alive[order[close + 1]]
    found = [first[:0]]
    for start in range(0, len(first), 1024):
        a, b = first[start : start + 1024], second[start : start + 1024]
        gaps = array[a] / norms[a, None] - array[b] / norms[b, None]
        found.append(np.maximum(a, b)[np.einsum("ij,ij->i", gaps, gaps) < SAME])
    return np.unique(np.concatenate(found))


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows and add up what is broken."""
    table = Table.of([reading.row for reading in readings])
    counted = ("nonfinite", "dead_units", "dead_inputs", "duplicate_units", "extreme_units")
    return Finding(
        "condition",
        "learned",
        numbers={
            key.replace("_", " "): Number(float(np.nansum(table.columns[key])), kind="count")
            for key in counted
            if key in table.columns
        },
        tables={"layers": table},
    )


def judge_row(row: Row) -> RowVerdict:
    """Name the worst thing that is wrong with one matrix."""
    if row["nonfinite"]:
        return RowVerdict("bad", "not finite", f"{int(row['nonfinite'])} entries are NaN or infinite")
    if row["dead_units"] == row["units"]:
        return RowVerdict("bad", "all zero", "every entry is zero")
    faults = [
        f"{int(row[key])} {text}"
        for key, text in (
            ("dead_units", "dead units (zero rows)"),
            ("dead_inputs", "dead inputs (zero columns)"),
            ("duplicate_units", "units that repeat another"),
        )
        if row[key]
    ]
    if row["dead_units"] == 1 and len(faults) == 1:
        return RowVerdict("info", "one zero row", "one row is zero: a dead unit, or a padding token")
    if faults:
        return RowVerdict("warning", "idle units", "; ".join(faults))
    if row["extreme_units"]:
        return RowVerdict(
            "info",
            "extreme norms",
            f"{int(row['extreme_units'])} units have a norm {EXTREME:.0f} times off the median",
        )
    return RowVerdict("good", "sound", "no dead, duplicate or extreme unit")


def judge(finding: Finding) -> Verdict:
    """Say what is broken, worst first."""
    table = finding.tables["layers"]
    labels = table.columns["label"]
    named = {
        label: [n for n, one in zip(table.row_names(), labels, strict=True) if one == label]
        for label in set(labels)
    }
    total = len(table)
    broken = named.get("not finite", []) + named.get("all zero", [])
    if broken:
        return Verdict(
            "bad",
            "broken",
            f"{len(broken)} of {total} matrices hold NaN, infinities or nothing but zeros.",
            "Such a matrix destroys or ignores whatever passes through it: go back to an earlier checkpoint.",
            tuple(broken[:8]),
        )
    idle = named.get("idle units", [])
    if idle:
        return Verdict(
            "warning",
            "idle units",
            f"{len(idle)} of {total} matrices have units that are dead or repeat another.",
            "These units can be removed without changing what the network computes, if the next layer is "
            "adjusted; many of them suggest that the layer is wider than it needs to be.",
            tuple(idle[:8]),
        )
    extreme = named.get("extreme norms", [])
    if extreme:
        return Verdict(
            "info",
            "extreme norms",
            f"{len(extreme)} of {total} matrices have units of extreme norm.",
            evidence=tuple(extreme[:8]),
        )
    return Verdict("good", "sound", f"All {total} matrices are finite, with no dead or duplicate unit.")


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: two passes over the entries."""
    return sum(part.shape[0] * part.shape[1] for part in subject.parts) * 4e-9


def _planted(seed: int) -> Iterable[CalibrationRow]:
    """Plant faults of every kind and count them; noise must have none."""
    for rows, columns in ((60, 90), (300, 64)):
        rng = np.random.default_rng(seeds(seed, rows, columns))
        array = rng.normal(size=(rows, columns)).astype(np.float32)
        clean = _look(array)
        array[[3, 7, 11]] = 0
        array[:, 5] = 0
        array[20] = 2.5 * array[21]
        array[[30, 31]] *= 40
        faulty = _look(array)
        known = {"dead_units": 3, "dead_inputs": 1, "duplicate_units": 1, "extreme_units": 2}
        system = f"{rows} x {columns} Gaussian"
        for key, planted in known.items():
            yield CalibrationRow.deterministic(
                "condition", f"{system}, faults planted", key, exact=planted, value=faulty[key], tolerance=0
            )
        yield CalibrationRow.deterministic(
            "condition", system, "faults found", exact=0, value=sum(clean[k] for k in known), tolerance=0
        )


def _look(array: Array) -> Row:
    return each(
        Matrix(Part("W", "", array.shape, array.shape), array, "float32"), seed=0, effort="normal"
    ).row


instrument = Instrument(
    name="condition",
    question="learned",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="By definition; duplicates are neighbours in a random projection and are then compared in full.",
    what="Dead and duplicate units, dead inputs, NaN and infinities, extreme norms, condition number.",
    why="A broken layer spoils every other measurement, and an idle unit is the cheapest thing to remove.",
    judged="not finite, all zero (bad); dead units, dead inputs or units that repeat another up to a factor"
    " (warning; a single zero row is info, since embeddings keep one for padding); a norm 10 times "
    "off the median of its matrix (info); else sound (good). Counts are exact, so there is no "
    "false-positive rate.",
    calibrations=(Calibration("planted faults", "by construction", _planted),),
)
