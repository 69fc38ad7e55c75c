"""Do single large entries pretend to be structure? Spikes that survive when the entries are shuffled.

An entry w is a rank-one matrix of its own, of strength |w|; it stands above the edge of the noise bulk when
|w| > sd (MN)^(1/4), wherever it stands. Shuffling the entries destroys structure and keeps such spikes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import nan, sqrt

import numpy as np

from spinfunnel.core import (
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
from spinfunnel.maths.bulk import fit_bulk
from spinfunnel.matrices import Matrix, decomposition_seconds
from spinfunnel.readers.layout import Part
from spinfunnel.subject import Subject

#: Below this many eigenvalues the edge of noise is not sharp.
FEWEST = 16
#: Shuffle only when the largest entry comes this close to being a spike by itself.
NEAR = 0.7


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Predict spikes from the entries, and shuffle where one is near, or everywhere under full effort."""
    row: Row = {"name": matrix.part.name, "part": matrix.part.part, "M": matrix.small, "N": matrix.large}
    moments = matrix.entries
    if matrix.small < FEWEST:
        return Reading(row | {"problem": f"only {matrix.small} eigenvalues: noise has no sharp edge"})
    if moments.nonfinite or moments.variance == 0:
        return Reading(row | {"problem": "not finite" if moments.nonfinite else "all entries are equal"})
    limit = sqrt(moments.variance) * (matrix.small * matrix.large) ** 0.25
    row |= {
        "largest": moments.largest,
        "limit": limit,
        "ratio": moments.largest / limit,
        "predicted": int(np.count_nonzero(np.abs(matrix.array) > limit)) if moments.largest > limit else 0,
        "shuffled_spikes": nan,
        "shuffled_top": nan,
    }
    if row["ratio"] > NEAR or effort == "full":
        bulk = fit_bulk(matrix.shuffled, matrix.small, matrix.large)
        if bulk.small < FEWEST:
            return Reading(row | {"problem": f"only {bulk.small} eigenvalues are not zero when shuffled"})
        row["shuffled_spikes"] = len(bulk.spikes)
        row["shuffled_top"] = float(matrix.shuffled[-1] / bulk.threshold)
    return Reading(row)


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows and count what was shuffled."""
    table = Table.of([{**reading.row, "problem": reading.row.get("problem", "")} for reading in readings])
    shuffled = table.columns.get("shuffled_spikes", np.full(len(table), nan))
    return Finding(
        "traps",
        "learned",
        numbers={
            "matrices shuffled": Number(int(np.isfinite(shuffled).sum()), kind="count"),
            "spikes that survive": Number(float(np.nansum(shuffled)), kind="count"),
        },
        tables={"layers": table},
    )


def judge_row(row: Row) -> RowVerdict:
    """Name one matrix by what is left above the edge after shuffling."""
    if row["problem"]:
        return RowVerdict("unsure", "cannot tell", row["problem"])
    if np.isnan(row["shuffled_spikes"]):
        return RowVerdict(
            "good", "no trap", f"the largest entry is {row['ratio']:.2f} of a spike: not shuffled"
        )
    count = int(row["shuffled_spikes"])
    if count == 0:
        return RowVerdict(
            "good", "no trap", f"shuffled: nothing above the edge ({row['ratio']:.2f} of a spike)"
        )
    text = f"{count} spike{'s' * (count != 1)} survive{'s' * (count == 1)} shuffling"
    if row["predicted"] == 0:
        return RowVerdict("info", "chance", f"{text}, but no entry is large enough to be one: 1 % chance")
    return RowVerdict("warning", "trap", f"{text}; {int(row['predicted'])} predicted from the entries")


def judge(finding: Finding) -> Verdict:
    """Say how many matrices hold spikes that are single entries."""
    table = finding.tables["layers"]
    trapped = [
        n for n, label in zip(table.row_names(), table.columns["label"], strict=True) if label == "trap"
    ]
    known = int(np.sum(table.columns["label"] != "cannot tell"))
    if not known:
        return Verdict("unsure", "cannot tell", "No matrix is large enough for noise to have a sharp edge.")
    if not trapped:
        return Verdict("good", "no traps", f"No single entry of the {known} matrices is a spike by itself.")
    return Verdict(
        "warning",
        "traps",
        f"{len(trapped)} of {known} matrices have spikes that are single large entries, not structure.",
        "Look at these entries: outlier weights hurt quantisation and often come from too large a "
        "learning rate or no weight decay. Do not count them as learned structure.",
        tuple(trapped[:8]),
    )


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: nearly nothing, or one decomposition a matrix under full effort."""
    return sum(decomposition_seconds(part) for part in subject.parts) if effort == "full" else 0.0


def _counts(seed: int) -> Iterable[CalibrationRow]:
    """Plant entries well above the threshold in noise: each must survive shuffling; noise has none."""
    draws, planted = 40, 3
    for rows, columns in ((128, 128), (96, 384)):
        right = false = 0
        for draw in range(draws):
            rng = np.random.default_rng(seeds(seed, rows, columns, draw))
            noise = 0.3 * rng.normal(size=(rows, columns))
            false += _survivors(noise) > 0
            noise.flat[rng.choice(noise.size, planted, replace=False)] = 0.3 * 2.2 * noise.size**0.25
            right += _survivors(noise) == planted
        system = f"{rows} x {columns} Gaussian"
        yield CalibrationRow.rate(
            "traps", f"{system}, {planted} entries of 2.2 thresholds", "all survive, no more",
            k=right, n=draws, at_least=0.8,
        )  # fmt: skip
        yield CalibrationRow.rate("traps", system, "false spikes", k=false, n=draws, at_most=0.1)


def _survivors(array: np.ndarray) -> int:
    matrix = Matrix(Part("W", "", array.shape, array.shape), array, "float64")
    row = each(matrix, seed=0, effort="full").row
    return int(row["shuffled_spikes"])


instrument = Instrument(
    name="traps",
    question="learned",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="Martin, Mahoney, JMLR 22 (2021) 165 (correlation traps); the threshold is that of "
    "Benaych-Georges, Nadakuditi, J. Multivariate Anal. 111 (2012) 120, applied to a single entry.",
    what="Spikes of the spectrum that are single large entries: they survive when the entries are shuffled.",
    why="They look like learned structure and are not; outlier weights also hurt quantisation.",
    judged="An entry above sd (MN)^(1/4) is a spike by itself. Where the largest exceeds 0.7 of that, the "
    "entries are shuffled once and the spikes above the 1 % edge are counted (everywhere under "
    "--effort full). trap (warning): spikes survive and entries predict them. chance (info): one "
    "survives that none predicts. no trap (good): none survives, or no entry comes near.",
    calibrations=(Calibration("planted entries", "by construction", _counts),),
)
