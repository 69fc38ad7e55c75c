"""One matrix against the initialisations: what is measured, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, isfinite, nan, sqrt

import ml_dtypes
import numpy as np

from spinfunnel.core import Array, Effort, Outcome, Reading, Row, RowVerdict
from spinfunnel.maths.bulk import is_orthogonal
from spinfunnel.maths.initialisations import (
    ACCIDENT,
    FULL_COHERENCE,
    Entries,
    Initialisation,
    box_muller_coherence,
    equal_norms_p_value,
    initialisations,
    is_rounded,
    lattice_share,
    match_p_value,
    scaled_uniform_p_value,
)
from spinfunnel.maths.nulls import null_p_value
from spinfunnel.maths.spectra import second_moment
from spinfunnel.matrices import Matrix

#: Entries looked at first; only what passes here is tested in full.
SAMPLE = 1 << 13
#: Entries on the grid below which a coincidence is not excluded (each has a chance of 1/8 at most), and pairs
#: of entries: 16 random angles are as coherent as `COHERENT` with a chance of exp(-16 x 1.2) (Cramér).
FEWEST_ON_GRID = 12
FEWEST_PAIRS = 16
#: Entries below which a bound that fits may be one of the twenty that are tried fitting by chance.
FEWEST_TO_MATCH = 2000
#: Level of the bound-and-shape tests, and of each test against noise (bulk and edge have their own 1 %).
LEVEL, NOISE_LEVEL = 0.01, 0.003
#: Coherence of the angles above which every pair must be untouched; share on the grid above which some are.
COHERENT, PARTLY = 0.9, 0.3


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Test one matrix, cheapest test first; what one test settles is not tested further."""
    part, entries = matrix.part, matrix.entries
    row: Row = {"name": part.name, "part": part.part, "parameters": matrix.array.size}
    if entries.nonfinite:
        return Reading(row | {"problem": f"{entries.nonfinite} entries are NaN or infinite"})
    plain = constant_or_identity(matrix)
    if plain:
        return Reading(row | {"init": plain, "exact": 1})
    listed = initialisations(part.tensor_shape, part.shape)
    if matrix.dtype == "float32":
        row |= bits(matrix, listed)
    if row.get("exact"):
        return Reading(row)
    if is_orthogonal(matrix.eigenvalues):
        return Reading(row | {"init": "orthogonal", "singular_value": sqrt(matrix.eigenvalues[-1])})
    row |= against_noise(matrix)
    if row["like_noise"] and entries.n - entries.zeros >= FEWEST_TO_MATCH:
        row |= bound_and_shape(matrix, listed)
    return Reading(row)


def sample(array: Array, most: int) -> Array:
    """Take up to `most` entries, evenly spaced and from all columns, as a flat array.

    >>> sample(np.arange(12).reshape(3, 4), 4)
    array([0, 3, 6, 9])
    """
    step = max(1, -(-array.size // most))
    while gcd(step, array.shape[1]) > 1:
        step += 1
    if step == 1:
        return array.reshape(-1)
    at = np.arange(0, array.size, step)
    taken: Array = array[at // array.shape[1], at % array.shape[1]]
    return taken


def constant_or_identity(matrix: Matrix) -> str:
    """Name a matrix of one value, or a multiple of the identity; "" for all others."""
    w, entries = matrix.array, matrix.entries
    if entries.largest == 0:
        return "all zeros"
    if entries.zeros == 0 and entries.variance < 1e-10 * entries.mean**2 and (w == w[0, 0]).all():
        return "all ones" if w[0, 0] == 1 else f"all {w[0, 0]:g}"
    diagonal = np.diagonal(w)
    if entries.zeros == w.size - len(diagonal) and w[0, 0] != 0 and (diagonal == w[0, 0]).all():
        return "identity" if w[0, 0] == 1 else f"{w[0, 0]:g} times the identity"
    return ""


def bits(matrix: Matrix, listed: Sequence[Initialisation]) -> Row:
    """Look for the grids of uniform and normal generators: first in a sample, then in all entries."""
    w, largest, n = matrix.array, matrix.entries.largest, matrix.entries.n - matrix.entries.zeros
    few = sample(w, SAMPLE)
    if is_rounded(few):
        return {}
    uniform = [init for init in listed if init.law == "uniform"]
    near = [init for init in uniform if 1 - 20 / n < largest / init.bound < 1 + 1e-6]
    row: Row = {"grid_share": nan, "grid_entries": 0}
    for init in dict.fromkeys([*near, *uniform[:2]]):
        share, tested = lattice_share(few, init.bound)
        if share == 1 and tested >= FEWEST_ON_GRID and few.size < w.size:
            share, tested = lattice_share(w, init.bound)
        if share == 1 and tested >= FEWEST_ON_GRID and init in near:
            return row | {"init": str(init), "grid_share": 1.0, "grid_entries": tested, "exact": 1}
        if tested >= FEWEST_ON_GRID and not share <= row["grid_share"]:
            row |= {"grid_of": str(init), "grid_share": share, "grid_entries": tested}

    memory = w if w.flags.c_contiguous or not w.T.flags.c_contiguous else w.T
    step = max(1, memory.size // (2 * SAMPLE))
    coherence, pairs = box_muller_coherence(blocks(memory)[::step])
    if coherence > COHERENT and step > 1:
        coherence, pairs = box_muller_coherence(blocks(memory))
    row |= {"angle_coherence": coherence, "angle_pairs": pairs}
    if coherence > COHERENT and pairs >= FEWEST_PAIRS:
        return row | {"init": "PyTorch normal", "exact": 1}
    return row


def blocks(w: Array) -> Array:
    """Cut into the blocks of 16, in memory order, that `box_muller_coherence` looks at; shape (k, 16)."""
    if w.flags.c_contiguous:
        w = w.reshape(1, -1)
    return w[:, : w.shape[1] // 16 * 16].reshape(-1, 16)


def against_noise(matrix: Matrix) -> Row:
    """Are eigenvalues, rows and columns those of independent entries? Rows of zeros are left out."""
    ev, bulk, kurtosis = matrix.eigenvalues, matrix.bulk, matrix.entries.kurtosis
    alive = ev[len(ev) - bulk.small :]
    rows, columns = (norms[norms > 0] for norms in (matrix.entries.row_norms, matrix.entries.column_norms))
    second = second_moment(alive, matrix.large, kurtosis)
    row: Row = {
        "bulk_is_mp": int(bulk.is_mp) if isfinite(bulk.ks_limit) else nan,
        "above_edge": len(bulk.spikes),
        "second_moment_p": null_p_value("second moment", second, len(alive), matrix.large, side="both"),
        "row_norms_p": equal_norms_p_value(rows, len(columns), kurtosis),
        "column_norms_p": equal_norms_p_value(columns, len(rows), kurtosis),
    }
    tests = [row["second_moment_p"], row["row_norms_p"], row["column_norms_p"]]
    quiet = row["bulk_is_mp"] != 0 and (not len(bulk.spikes) or len(alive) < 8)
    return row | {"like_noise": int(quiet and not any(p < NOISE_LEVEL for p in tests))}


def bound_and_shape(matrix: Matrix, listed: Sequence[Initialisation]) -> Row:
    """Find the initialisation whose law the entries follow, or that of a uniform one that only shrank."""
    try:
        resolution = float(ml_dtypes.finfo(matrix.dtype).eps)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError):  # integers: their scale is not known
        return {}
    if resolution > 2**-7:
        return {}
    moments, chosen = matrix.entries, sample(matrix.array, 12 * SAMPLE).astype(np.float64)
    full = moments.n - moments.zeros
    sd = sqrt(moments.variance * moments.n / full)
    seen = Entries(full, moments.largest, moments.mean, sd, chosen[chosen != 0], resolution)
    p, best = max(((match_p_value(seen, init), init) for init in listed), key=lambda pair: pair[0])
    if p > LEVEL:
        return {"init": str(best), "init_p": p}
    p, default = scaled_uniform_p_value(seen), listed[0]
    if p > LEVEL:
        return {"init": str(default), "scaled_p": p, "scaled_by": moments.largest / default.bound}
    return {}


LABELS: dict[str, Outcome] = {
    "bit-exact init": "bad",
    "shape and bound of": "warning",
    "shape of a scaled init": "warning",
    "partly at init": "info",
    "indistinguishable from random": "unsure",
    "cannot tell": "unsure",
    "trained": "good",
}


def judge_row(row: Row) -> RowVerdict:
    """Name the state of one matrix; only its bits prove that it was never touched."""
    label, reason = _name(row)
    outcome = LABELS["shape and bound of" if label.startswith("shape and bound of") else label]
    return RowVerdict(outcome, label, reason)


def _name(row: Row) -> tuple[str, str]:
    if row["problem"]:
        return "cannot tell", row["problem"]
    if _is(row, "exact"):
        return "bit-exact init", _how_exact(row)
    if row["init"] == "orthogonal":
        return "shape and bound of orthogonal", (
            f"all singular values equal {row['singular_value']:.4g}, as in an orthogonal initialisation"
        )
    share, tested = row.get("grid_share", nan), row.get("grid_entries", 0)
    if share > PARTLY and tested >= 200:
        return "partly at init", (
            f"{100 * (share - ACCIDENT) / (1 - ACCIDENT):.0f} % of the entries hold their initial value "
            f"({row['grid_of']}), bit for bit: inputs that were always zero, or tokens that never came"
        )
    coherence, pairs = row.get("angle_coherence", nan), row.get("angle_pairs", 0)
    if coherence > PARTLY and pairs >= 200:
        return "partly at init", (
            f"about {100 * coherence / FULL_COHERENCE:.0f} % of the entries hold their initial value "
            "(PyTorch normal), bit for bit"
        )
    if not _is(row, "like_noise"):
        return "trained", _how_trained(row)
    if row.get("init_p", nan) > LEVEL:
        return f"shape and bound of {row['init']}", (
            f"entries are draws from {row['init']} (p = {row['init_p']:.2g}), and spectrum, rows and columns "
            "are those of noise: any training was too small to see"
        )
    if row.get("scaled_p", nan) > LEVEL:
        return "shape of a scaled init", (
            f"entries are uniform up to a sharp bound, {row['scaled_by']:.3f} times that of {row['init']}: "
            "an initialisation that was only scaled, or has only decayed"
        )
    if row["parameters"] < FEWEST_TO_MATCH:
        return "indistinguishable from random", (
            f"{int(row['parameters'])} entries are too few to tell training from noise"
        )
    return "indistinguishable from random", (
        "spectrum, rows and columns are those of noise; no common initialisation has this bound and shape"
    )


def _is(row: Row, key: str) -> bool:
    return bool(row.get(key, nan) == 1)


def _how_exact(row: Row) -> str:
    if row["init"] == "PyTorch normal":
        return (
            f"{int(row['angle_pairs'])} pairs of entries have the angles that PyTorch's normal generator "
            "makes: at most a constant factor has changed since"
        )
    if row.get("grid_share", nan) == 1:
        return (
            f"all {int(row['grid_entries'])} small entries are values that the generator of {row['init']} "
            "makes: no entry has changed since"
        )
    return f"{row['init']}: at its initialisation, or not meant to be learned"


def _how_trained(row: Row) -> str:
    seen = []
    if row["bulk_is_mp"] == 0:
        seen.append("the bulk of its spectrum is not that of noise")
    if row["above_edge"]:
        seen.append(f"{int(row['above_edge'])} eigenvalues stand above the edge of noise")
    for key, text in (
        ("second_moment_p", "eigenvalues are more unequal than in noise"),
        ("row_norms_p", "row norms are more unequal than in noise"),
        ("column_norms_p", "column norms are more unequal than in noise"),
    ):
        if row[key] < NOISE_LEVEL:
            seen.append(text)
    return "; ".join(seen[:2])
