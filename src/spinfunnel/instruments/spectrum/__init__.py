"""Does the spectrum of each weight matrix differ from noise of the same shape, and how?

A matrix of M x N independent entries has a Marchenko-Pastur bulk that ends at a sharp edge. Training adds
structure: a few eigenvalues beyond the edge (spikes), a bulk of another shape, a heavy tail. Each statement
here is made against the null of the same shape, at a stated false-positive rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from spinfunnel.core import Effort, Finding, Instrument, Number, Reading, Table, Verdict
from spinfunnel.instruments.spectrum.calibration import calibrations
from spinfunnel.instruments.spectrum.reading import each, judge_row
from spinfunnel.instruments.spectrum.series import against_depth
from spinfunnel.matrices import decomposition_seconds
from spinfunnel.subject import Subject

#: The columns that a narrow screen shows.
FIRST = (
    *("name", "part", "alpha", "alpha_low", "alpha_high", "alpha_null_p", "above_edge", "stable_rank"),
    *("mp_ks", "tail", "M", "N", "depth"),
)


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows, and draw exponent and rank against depth with the band of the null."""
    table = in_order(
        Table.of([{"depth": i, "problem": "", **seen.row} for i, seen in enumerate(readings, 1)])
    )
    alphas = table.columns.get("alpha", np.full(len(table), nan))
    fitted = int(np.isfinite(alphas).sum())
    short = int(np.sum(table.columns.get("tail", np.full(len(table), nan)) < 50))
    doubts = []
    if short:
        doubts.append(
            f"{short} of {fitted} tails have fewer than 50 eigenvalues: "
            "a power law cannot be told from its rivals there"
        )
    return Finding(
        "spectrum",
        "learned",
        numbers={
            "matrices": Number(len(table), kind="count"),
            "median α": Number(
                float(np.nanmedian(alphas)) if np.isfinite(alphas).any() else nan, kind="median"
            ),
        },
        tables={"layers": table},
        series=(*(series for reading in readings for series in reading.series), *against_depth(table)),
        doubts=tuple(doubts),
    )


def in_order(table: Table) -> Table:
    """Put first what people look at first."""
    first = [key for key in FIRST if key in table.columns]
    return Table({key: table.columns[key] for key in dict.fromkeys([*first, *table.columns])})


def judge(finding: Finding) -> Verdict:
    """Say in one sentence how many matrices differ from noise, and name those that do not."""
    table = finding.tables["layers"]
    names = table.row_names()
    labels = Counter(str(label) for label in table.columns["label"])
    quiet = [name for name, label in zip(names, table.columns["label"], strict=True) if label == "like noise"]
    known = len(table) - labels.pop("cannot tell", 0)
    evidence = (
        ", ".join(f"{count} {label}" for label, count in labels.most_common()),
        *(f"like noise: {name}" for name in quiet[:5]),
    )
    if not known:
        return Verdict("unsure", "cannot tell", "No matrix is large enough for its spectrum to say anything.")
    if not quiet:
        sentence = f"All {known} matrices differ from noise of their shape."
        return Verdict("good", labels.most_common(1)[0][0], sentence, evidence=evidence)
    return Verdict(
        "warning",
        "like noise" if len(quiet) == known else "partly like noise",
        f"{len(quiet)} of {known} matrices cannot be told from noise of their shape.",
        "A matrix like noise may be trained: a change smaller than the noise edge does not show. See "
        "`untrained` for whether it still is at its initialisation; if the model does as well without it, "
        "it can go.",
        evidence,
    )


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: one decomposition a matrix; under full effort shuffles and 100 refits too."""
    once = sum(decomposition_seconds(part) + 0.002 for part in subject.parts)
    refits = sum(0.05 + 2e-4 * min(part.shape) for part in subject.parts)
    return once if effort != "full" else 2 * once + refits


instrument = Instrument(
    name="spectrum",
    question="learned",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="Martin, Mahoney, JMLR 22 (2021) 165 (heavy-tailed self-regularisation); Clauset, Shalizi, "
    "Newman, SIAM Review 51 (2009) 661 (the tail); Marchenko, Pastur, Math. USSR Sb. 1 (1967) 457 "
    "(the bulk); Ma, Bernoulli 18 (2012) 322 (the edge); Benaych-Georges, Nadakuditi, J. "
    "Multivariate Anal. 111 (2012) 120 (spikes).",
    what="The eigenvalues of W Wᵀ of every matrix: bulk, edge, spikes, tail exponent, ranks and norms.",
    why="What training adds to a random matrix shows in its spectrum, without data. But noise of a small "
    "matrix also has a tail with an exponent, so every statement is made against noise of the same "
    "shape.",
    judged="Three tests against noise of the same shape, each at 1 %: distance of the bulk from "
    "Marchenko-Pastur, an eigenvalue above the edge (Tracy-Widom), the second moment. None rejects: "
    "like noise (warning; it does not mean untrained). The same entries in random places give the "
    "same: heavy entries (info). A noise bulk with more on top: structured (good). Not a noise bulk:"
    " bulk not MP (info), or heavy-tailed (good) if α is below 99 % of noise and no rival of the "
    "power law wins. All singular values equal: orthogonal (info). Fewer than 16 eigenvalues that "
    "are not zero: cannot tell (unsure).",
    calibrations=calibrations,
)
