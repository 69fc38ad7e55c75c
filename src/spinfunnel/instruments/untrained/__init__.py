"""Is each layer still at its initialisation? Proof by its bits, suspicion by bound, shape and spectrum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.core import Array, Effort, Finding, Instrument, Number, Reading, Table, Verdict
from spinfunnel.instruments.untrained.calibration import calibrations
from spinfunnel.instruments.untrained.reading import each, judge_row
from spinfunnel.subject import Subject


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Reading],
) -> Finding:
    """Gather the rows, and count the parameters that were never touched."""
    table = Table.of([{"init": "", "problem": "", **reading.row} for reading in readings])
    exact, size = (table.columns.get(key, np.zeros(len(table))) for key in ("exact", "parameters"))
    untouched = float(np.nansum(np.where(exact == 1, size, 0)))
    return Finding(
        "untrained",
        "learned",
        numbers={
            "matrices": Number(len(table), kind="count"),
            "matrices at their initialisation, bit for bit": Number(float(np.sum(exact == 1)), kind="count"),
            "share of the parameters in these": Number(untouched / max(float(size.sum()), 1), kind="share"),
        },
        tables={"layers": table},
    )


def judge(finding: Finding) -> Verdict:
    """Say how much of the model never learned; what cannot be told is not counted against it."""
    table = finding.tables["layers"]
    labels = [str(label) for label in table.columns["label"]]
    outcomes, size = table.columns["verdict"], table.columns["parameters"].astype(float)
    counts = Counter(labels)
    told = list(zip(outcomes, table.row_names(), labels, strict=True))
    evidence = tuple(
        f"{name}: {label}" for worst in ("bad", "warning") for o, name, label in told if o == worst
    )
    exact = np.array([label == "bit-exact init" for label in labels])
    if exact.any():
        return Verdict(
            "bad",
            "bit-exact init",
            f"{_share(exact, size)} still {'hold their' if exact.sum() > 1 else 'holds its'} "
            "initial values, bit for bit.",
            "Find out why: frozen without having been loaded, left out of the optimiser, or cut off from the "
            "loss. If the layer was not meant to learn, nothing is wrong.",
            evidence[:8],
        )
    suspect = outcomes == "warning"
    if suspect.any():
        return Verdict(
            "warning",
            "shape of an initialisation",
            f"{_share(suspect, size)} cannot be told from a fresh initialisation.",
            "Compare with an earlier checkpoint: the bits are not those of a known generator (another type, "
            "another library, or decay), so this is no proof.",
            evidence[:8],
        )
    unknown = outcomes == "unsure"
    if size[unknown].sum() > 0.5 * size.sum():
        return Verdict(
            "unsure",
            "indistinguishable from random",
            f"{_share(unknown, size)} cannot be told from noise, or are too small to tell.",
            "That does not mean untrained: a change smaller than the noise does not show in the weights.",
        )
    known = len(labels) - int(unknown.sum())
    sentence = (
        f"{counts['trained'] + counts['partly at init']} of {known} matrices have left their initialisation"
    )
    if unknown.any():
        sentence += f"; {int(unknown.sum())} cannot be told from noise"
    return Verdict("good", "trained", sentence + ".")


def _share(chosen: Array, size: Array) -> str:
    share = float(size[chosen].sum() / size.sum())
    return f"{int(chosen.sum())} of {len(size)} matrices, with {100 * share:.0f} % of the parameters,"


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: a sample of each matrix; decomposition and moments are shared."""
    return sum(1.5e-3 + 5e-10 * part.shape[0] * part.shape[1] for part in subject.parts)


instrument = Instrument(
    name="untrained",
    question="learned",
    needs=frozenset({"weights"}),
    measure=measure,
    judge=judge,
    cost=cost,
    each=each,
    judge_row=judge_row,
    source="Initialisations: Glorot, Bengio, AISTATS 2010, 249; He et al., ICCV 2015, 1026; LeCun et al., "
    "Efficient BackProp (1998); Saxe et al., ICLR 2014 (orthogonal). Normal pairs: Box, Muller, Ann. Math. "
    "Stat. 29 (1958) 610. The tests of the bits are this project's own.",
    what="Whether each matrix still is at its initialisation: by the bits of its entries, by their bound and "
    "shape, and by whether eigenvalues, rows and columns are those of noise.",
    why="A layer that was frozen without having been loaded, or never given to the optimiser, often costs "
    "little accuracy and shows in no loss curve. Its bits show it: a generator makes multiples of 2^-24, and "
    "float32 is finer than that near zero, so that a single optimiser step leaves the grid.",
    judged="Every small entry on the grid of a known uniform initialisation (or every pair at an angle of "
    "PyTorch's normal generator; or all entries one constant): bit-exact init (bad). On own networks, 20 of "
    "each kind, all 160 frozen layers were found and none of 320 trained ones was called so. Some entries on "
    "the grid: partly at init (info). Else noise in spectrum, rows and columns, with bound and law of "
    "an initialisation: shape and bound of it (warning; 96 to 97 % of initialisations without known bits are "
    "named, and 1 to 2 % of noise of another scale), or of a shrunken one: shape of a scaled init (warning). "
    "Noise of no known bound, or too few entries to tell: indistinguishable from random (unsure; it does not "
    "mean untrained). Not noise: trained (good; so are called 2 to 3 % of fresh layers whose bits are not "
    "known). A change of 1.5 times what makes a direction stand out of 128 x 128 noise is seen in 96 %; one "
    "below it shows only in the bits.",
    calibrations=calibrations,
)
