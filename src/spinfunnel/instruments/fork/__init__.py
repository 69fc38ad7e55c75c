"""Does an end state survive being heated and cooled again? The fork test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinfunnel.coolings import STAY, Coolings
from spinfunnel.core import Axis, Effort, Finding, Instrument, Number, Row, Series, Table, Verdict, seeds
from spinfunnel.instruments.fork.calibration import calibrations
from spinfunnel.maths.bootstrap import mean_of_values
from spinfunnel.subject import Subject

#: An end comes back from 0.8 T90 and from T90 at least this often; or is lost at T90 below this.
BACK, LOST = (0.97, 0.93), 0.90


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Compare every slow end with the minimum it came back to."""
    system: Any = subject.system
    made = Coolings.of(readings)
    ends, drop = made.ends[-1], made.drop or 1.0
    q = np.array([system.overlap(ends, back) for back in made.survivors])
    rows: list[Row] = []
    shares: list[Number] = []
    for factor, alike, energies in zip(made.factors, q, made.survivor_energies, strict=True):
        share = mean_of_values(alike, seeds(seed, factor))
        shares.append(share)
        higher = ((energies - made.energies[-1]) / drop).round(12)
        change = mean_of_values(higher, seeds(seed, "change", factor))
        rows.append({
            "factor": factor, "T": float(factor * made.t90.mean()),
            "F": share.value, "F_low": share.low, "F_high": share.high,
            "energy_change": change.value, "energy_change_low": change.low, "energy_change_high": change.high,
        })  # fmt: skip
    table = Table.of(rows)
    numbers = dict(zip(("F at 0.8 T90", "F90"), shares, strict=True))
    edges = np.linspace(min(0.0, float(q.min())), 1.0, 41)
    axes = (Axis("overlap of an end and what it came back to"), Axis("ends"))
    histograms = tuple(
        Series(
            edges,
            np.histogram(alike, edges)[0],
            label=f"{factor:g} T90",
            axes=axes,
            kind="step",
            panel="survival",
        )
        for factor, alike in zip(made.factors, q, strict=True)
    )
    return Finding(
        "fork",
        "landscape",
        numbers=numbers | {
            "T90": Number(float(made.t90.mean()), kind="mean of sets"),
            "replicas": Number(q.shape[1], kind="count"),
        },
        tables={"forks": table},
        series=histograms,
    )  # fmt: skip


def judge(finding: Finding) -> Verdict:
    """Say whether ends hold, melt, or neither."""
    milder, hotter = finding.numbers["F at 0.8 T90"], finding.numbers["F90"]
    sentence = (
        f"Heated to T90 = {finding.numbers['T90'].value:.3g} and cooled again, an end overlaps with what "
        f"it came from by F90 = {hotter} (from 0.8 T90: {milder.value:.3g})."
    )
    if milder.value >= BACK[0] and hotter.value >= BACK[1]:
        return Verdict("info", "survives", sentence)
    if hotter.value < LOST:
        return Verdict("info", "lost", sentence)
    return Verdict("info", "in between", sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    return 0.1


instrument = Instrument(
    name="fork",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Temperature cycles of spin glasses: Refregier, Vincent, Hammann, Ocio, J. Phys. (France) 48 "
    "(1987) 1533; the two temperatures were chosen on systems with known answers.",
    what="Every slow end is heated to 0.8 T90 and to T90 (where 90 % of the energy had been lost on the way "
    f"down), kept there for {STAY} sweeps, cooled again and quenched: F is the mean overlap of the end and "
    "what it came back to, modulo symmetry, with a 90 % interval over replicas. Of clusters of atoms, T90 is "
    "where vibrations hold as much energy as lies between random minima and the best; what has no moves of "
    "its own hops away, at these multiples of the temperature of its search, and searches again.",
    why="The bottom of a funnel is found again; a state of a glass is lost before the landscape is left.",
    judged=f"Survives (info) if F is at least {BACK[0]} from 0.8 T90 and {BACK[1]} from T90; lost (info) "
    f"if it is below {LOST} from T90; else in between (info).",
    calibrations=calibrations,
)
