"""Do independent anneals end in the same state, and how does that depend on how slowly they cool?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Effort, Finding, Instrument, Number, Row, Table, Verdict, seeds
from spinfunnel.instruments.cooling.calibration import calibrations
from spinfunnel.instruments.cooling.series import ageing, curves, profiles
from spinfunnel.maths.bootstrap import mean_of_pairs, mean_of_values
from spinfunnel.structures import CUT, all_overlaps, groups, overlaps_with
from spinfunnel.subject import Subject

#: An end this share of D above the best energy, or less, has hit it; one this far is near it.
HIT, NEAR = 0.01, 0.03
#: Ends keep coming closer if a ten times slower cooling adds more to A, or takes more of D off the energy.
MORE_ALIKE, LOWER = 0.1, 0.02
#: Energies, and overlaps, that differ by no more than this share are the same.
SAME = 1e-6


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Compare the ends of all replicas at every cooling time."""
    system = subject.system
    assert system is not None
    made = Coolings.of(readings)
    table = Table.of([at_time(system, made, k, seed) for k in range(len(made.times))])
    last, before = table.rows()[-1], table.rows()[-2]
    numbers = {
        "cooling time": Number(float(made.times[-1]), kind="count", unit=made.unit),
        "replicas": Number(made.energies.shape[1], kind="count"),
        "A": _interval(last, "A"),
        "A at a tenth": _interval(before, "A"),
        "groups": Number(last["groups"], kind="effective number"),
        "groups at a tenth": Number(before["groups"], kind="effective number"),
        "A of the best": Number(last["A_best"], kind="mean"),
        "residual energy": _interval(last, "residual"),
        "residual at a tenth": _interval(before, "residual"),
        "hits": Number(last["hits"], kind="share"),
        "slope": Number(slope(system, made), kind="rank correlation"),
        "D": Number(made.drop, kind="mean random energy less the best"),
    }
    if len(made.temperatures):
        gap = (made.quicker - made.heating) / made.drop
        loop = gap.mean(axis=0) * np.log(made.temperatures[0] / made.temperatures[-1])
        t90 = made.t90
        error = float(t90.std(ddof=1) / np.sqrt(len(t90))) if len(t90) > 1 else None
        numbers |= {
            "T90": Number(float(t90.mean()), error=error),
            "hysteresis": mean_of_values(loop, seeds(seed, "hysteresis")),
        }
    doubts = []
    if np.ptp(made.energies) < SAME * max(1.0, abs(made.best_energy)) and table.columns["A"].min() < 1 - SAME:
        doubts.append("all ends have one energy, but not one state: a degenerate ground state, or a symmetry")
    if not made.drop > 0:
        doubts.append("random states are as low as the best: energies cannot be given as shares of D")
    return Finding(
        "cooling",
        "landscape",
        numbers=numbers,
        tables={"times": table},
        series=(*profiles(table, made, system.size), *curves(made, system.size), *ageing(made)),
        doubts=tuple(doubts),
    )


def at_time(system: Any, made: Coolings, k: int, seed: int) -> Row:
    """Give the table row of one cooling time."""
    energies, drop = made.energies[k], made.drop or 1.0
    q = all_overlaps(system, made.ends[k])
    alike, residual = mean_of_pairs(q, seeds(seed, k)), ((energies - made.best_energy) / drop).round(12)
    left = mean_of_values(residual, seeds(seed, k))
    shares = np.bincount(groups(q, CUT)) / len(q)
    near = residual <= NEAR
    pairs = q[np.ix_(near, near)][np.triu_indices(int(near.sum()), 1)]
    return {
        "time": float(made.times[k]),
        "A": alike.value, "A_low": alike.low, "A_high": alike.high,
        "residual": left.value, "residual_low": left.low, "residual_high": left.high,
        "hits": float((residual <= HIT).mean()),
        "groups": float(1 / (shares**2).sum()),
        "A_best": float(pairs.mean()) if len(pairs) else float("nan"),
    }  # fmt: skip


def slope(system: Any, made: Coolings) -> float:
    """Give Spearman's correlation of the energies of minima with their overlap to the best, or NaN."""
    best = made.ends[-1][int(made.energies[-1].argmin())]
    energies = made.structure_energies
    q = overlaps_with(system, made.structures, best)
    if np.ptp(energies) <= 1e-9 * max(1.0, float(np.abs(energies).max())) or np.ptp(q) < 1e-9:
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(energies, q).statistic)


def _interval(row: Row, name: str) -> Number:
    return Number(
        row[name], low=row[f"{name}_low"], high=row[f"{name}_high"], level=0.9, kind="bootstrap over replicas"
    )


def judge(finding: Finding) -> Verdict:
    """Say how alike the ends are, and whether slower cooling still changes that."""
    numbers = finding.numbers
    a, tenth = numbers["A"], numbers["A at a tenth"]
    time = f"{numbers['cooling time'].value:,.0f} {numbers['cooling time'].unit}"
    sentence = (
        f"{numbers['replicas']} anneals of {time} end alike by A = {a} (at a tenth of that, "
        f"{tenth.value:.3g}), in {numbers['groups'].value:.1f} groups, and "
        f"{numbers['residual energy'].value:.2g} D above the best."
    )
    if finding.doubts:
        return Verdict("unsure", "not comparable", sentence, "Look at minima.", finding.doubts[:1])
    fell = numbers["residual at a tenth"].value - numbers["residual energy"].value
    if a.value - tenth.value > MORE_ALIKE or fell > LOWER:
        return Verdict("info", "still falling", sentence, "Cool slower: --effort full.")
    return Verdict("info", "one end" if a.low is not None and a.low > 0.9 else "many ends", sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    return 0.5


instrument = Instrument(
    name="cooling",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Annealing: Kirkpatrick, Gelatt, Vecchi, Science 220 (1983) 671; residual energy: Huse, "
    "Fisher, Phys. Rev. Lett. 57 (1986) 2203; ageing: Struik (1978); Cugliandolo, Kurchan, Phys. "
    "Rev. Lett. 71 (1993) 173; bootstrap: Efron, Ann. Stat. 7 (1979) 1.",
    what="Replicas are cooled from random states, independently, at cooling times ten times longer each, and "
    "quenched: A, the mean overlap of two ends (modulo symmetry, with a 90 % interval over replicas); the "
    "residual energy above the best end, in units of D = mean random energy less the best; groups of alike "
    "ends; the hysteresis between cooling and heating; and how states age at half of T90, the temperature "
    "where 90 % of the fall is done.",
    why="A funnel takes all anneals to one state, if only they are slow enough; a glass takes each to "
    "another.",
    judged="Still falling (info) if the slowest cooling adds more than 0.1 to A, or takes more than 2 % of D "
    "off the energy, against one ten times quicker; else one end (info) if the interval of A lies above 0.9, "
    "or many ends (info). Not comparable (unsure) if all ends have one energy but differ.",
    calibrations=calibrations,
)
