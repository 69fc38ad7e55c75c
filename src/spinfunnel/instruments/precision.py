"""How many bits do the stored entries really use? Narrow numbers in wide types can be stored for less.

A checkpoint that was trained or quantised in a narrow type is often saved as float32. Then the low bits of
every entry are zero, or only a few hundred values occur, and the narrow type holds the same numbers exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil, log2, nan

import ml_dtypes
import numpy as np

from spinfunnel.core import (
    Array,
    Calibration,
    CalibrationRow,
    Effort,
    Finding,
    Instrument,
    Number,
    Outcome,
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

#: Entries looked at, drawn from all over the matrix.
SAMPLE = 1 << 11
#: Fewer non-zero entries than this tell nothing: their low bits may be zero by chance.
FEWEST = 16
#: Entries per distinct value from which on values are levels of a code, not numbers that happen to be equal.
REPEATS = 4

LABELS: dict[str, Outcome] = {
    "full precision": "good",
    "float32 content": "info",
    "float16 content": "info",
    "bfloat16 content": "info",
    "quantised": "info",
    "cannot tell": "unsure",
}


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Look at the bits of a sample of one matrix; zeros, NaN and infinities are left out."""
    stored = 8 * np.dtype(matrix.dtype).itemsize
    row: Row = {
        "name": matrix.part.name,
        "part": matrix.part.part,
        "stored": matrix.dtype,
        "stored_bits": stored,
        "parameters": matrix.array.size,
    }
    values = sample(matrix.array, np.random.default_rng(seed))
    values = values[np.isfinite(values) & (values != 0)]
    row["looked_at"] = len(values)
    if len(values) < FEWEST:
        return Reading(row | {"problem": f"only {len(values)} entries are finite and not zero"})
    levels = len(np.unique(values))
    word, bits = content(values, matrix.array, levels, stored)
    return Reading(
        row | {"content": word, "bits": bits, "significant_bits": significant_bits(values), "levels": levels}
    )


def sample(array: Array, rng: np.random.Generator) -> Array:
    """Draw `SAMPLE` entries of a matrix, or take all where there are few; flat."""
    if array.size <= 4 * SAMPLE:
        return array.reshape(-1)
    rows, columns = array.shape
    drawn: Array = array[rng.integers(rows, size=SAMPLE), rng.integers(columns, size=SAMPLE)]
    return drawn


def content(values: Array, array: Array, levels: int, stored: int) -> tuple[str, int]:
    """Name the narrowest way to hold all entries of an array exactly, with its bits an entry.

    `values` (n,) is a sample, `levels` how many different values it has, `stored` the bits of their type.
    A type that holds the sample is tried on all entries; levels are told from the sample.

    >>> w = np.float32([1.5, 0.25, 0.75])
    >>> content(w, w, 3, 32), content(w / 3, w / 3, 3, 32)
    (('bfloat16 content', 16), ('full precision', 32))
    """
    found = [("full precision", stored)]
    for name in ("float32", "bfloat16", "float16"):
        bits = 8 * np.dtype(name).itemsize
        if bits < stored and holds(name, values) and holds(name, array):
            found.append((f"{name} content", bits))
    if REPEATS * levels <= len(values):
        found.append(("quantised", max(1, ceil(log2(levels)))))
    return min(found, key=lambda pair: pair[1])


def holds(dtype: str, values: Array) -> bool:
    """Whether a type holds all these values exactly; NaN is held by all.

    >>> holds("float16", np.float32([0.5, 1e6])), holds("bfloat16", np.float32([0.5, 2.0**20]))
    (False, True)
    """
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.dtype(dtype)).astype(values.dtype), values, equal_nan=True)


def significant_bits(values: Array) -> int:
    """Count the bits of the significand from its leading one to the last that any value (n,) uses.

    >>> significant_bits(np.float32([1.5, 4.0])), significant_bits(np.float32([0.1]))
    (2, 24)
    """
    width, stored = (32, 23) if values.dtype == np.float32 else (64, 52)
    used = int(np.bitwise_or.reduce(np.ascontiguousarray(values).view(f"u{width // 8}"))) & (
        (1 << stored) - 1
    )
    return 1 + stored - ((used & -used).bit_length() - 1 if used else stored)


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows, and add up the bits that are stored and those that are needed."""
    table = Table.of([{**reading.row, "problem": reading.row.get("problem", "")} for reading in readings])
    size, stored = (table.columns[key].astype(float) for key in ("parameters", "stored_bits"))
    needed = table.columns.get("bits", np.full(len(table), nan))
    total = float((size * stored).sum())
    share = float((size * np.where(np.isfinite(needed), needed, stored)).sum()) / total if total else nan
    return Finding(
        "precision",
        "simpler",
        numbers={"share of the stored bits that is needed": Number(share, kind="share")},
        tables={"layers": table},
    )


def judge_row(row: Row) -> RowVerdict:
    """Name what one matrix holds."""
    if row["problem"]:
        return RowVerdict("unsure", "cannot tell", row["problem"])
    label, seen = str(row["content"]), f"{int(row['looked_at'])} entries looked at"
    if label == "quantised":
        said = f"{int(row['levels'])} values among {seen}: {int(row['bits'])} bits and a table hold them"
    elif label == "full precision":
        said = f"{int(row['significant_bits'])} significant bits in {seen}: {row['stored']} is needed"
    else:
        said = (
            f"all {int(row['parameters'])} entries are {label.split()[0]} numbers, stored as {row['stored']}"
        )
    return RowVerdict(LABELS[label], label, said)


def judge(finding: Finding) -> Verdict:
    """Say how many matrices are stored wider than their numbers."""
    table = finding.tables["layers"]
    labels = [str(label) for label in table.columns["label"]]
    wider = [n for n, label in zip(table.row_names(), labels, strict=True) if LABELS[label] == "info"]
    known = len(labels) - labels.count("cannot tell")
    if not known:
        return Verdict("unsure", "cannot tell", "No matrix has enough entries for its bits to say anything.")
    if not wider:
        return Verdict("good", "full precision", f"All {known} matrices need the type they are stored in.")
    share = finding.numbers["share of the stored bits that is needed"].value
    return Verdict(
        "info",
        "narrow numbers",
        f"{len(wider)} of {known} matrices are stored in more bits than their numbers need; all matrices "
        f"together would fit into {100 * share:.3g} % of their bits, with the same numbers.",
        "Save them in the narrower type; convert back and compare before you delete the wide copy.",
        (", ".join(f"{count} {label}" for label, count in Counter(labels).most_common()), *wider[:8]),
    )


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: one sample a matrix."""
    return 3e-4 * len(subject.parts)


def _contents(seed: int) -> Iterable[CalibrationRow]:
    """Round noise to narrow types or to levels, store it wide, and name it; noise itself is left alone."""
    made: dict[str, Callable[[Array], Array]] = {
        "float32": lambda w: w,
        "float16": lambda w: w.astype(np.float16),
        "bfloat16": lambda w: w.astype(ml_dtypes.bfloat16),
        "256 levels": lambda w: np.round(w * 31) / np.float32(31) * np.float32(0.0137),
    }
    names = ("full precision", "float16 content", "bfloat16 content", "quantised")
    for (system, make), label in zip(made.items(), names, strict=True):
        right, draws = 0, 40
        for draw in range(draws):
            rng = np.random.default_rng(seeds(seed, "precision", system, draw))
            noise = (0.05 if draw % 2 else 1.0) * rng.normal(size=(200, 150))
            array = make(np.clip(noise, -4, 4).astype(np.float32)).astype(np.float32)
            right += _look(array).label == label
        said = f"200 x 150 Gaussian, {system} stored as float32"
        yield CalibrationRow.rate("precision", said, f"called {label}", k=right, n=draws, at_least=1)


def _look(array: Array) -> RowVerdict:
    matrix = Matrix(Part("W", "", array.shape, array.shape), array, str(array.dtype))
    return judge_row({"problem": "", **each(matrix, seed=0, effort="quick").row})


instrument = Instrument(
    name="precision",
    question="simpler",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="By definition: IEEE 754 binary32 and binary16; bfloat16 is the upper half of binary32.",
    what="How many bits the stored entries use: narrow numbers in a wide type, and codes of few levels.",
    why="A file can be made smaller for nothing if its numbers are narrower than its type. And it tells how "
    "the weights were made: in which type they were trained, or that they were quantised.",
    judged="A sample of 2048 entries is converted to each narrower type and back. If all come back the same, "
    "all entries are tried: float32, bfloat16 or float16 content (info). At most a quarter as many different "
    "values in the sample as entries: quantised (info; one scale for the whole matrix is seen, one a row "
    "is not). Else full precision (good). Fewer than 16 entries that are finite and not zero: cannot tell "
    "(unsure). By chance, one float32 in 2^13 is a float16; that 16 of them are has a chance of 2^-208.",
    calibrations=(Calibration("known contents", "by construction", _contents),),
)
