"""How high must one climb to get from one minimum to another?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Array, Axis, Effort, Finding, Instrument, Number, Series, Table, Verdict
from spinfunnel.dynamics.flip_paths import pocket
from spinfunnel.instruments.barriers.calibration import calibrations
from spinfunnel.instruments.barriers.measuring import (
    HIGH,
    MINIMA,
    NEIGHBOURS,
    PAIRS,
    TRIES,
    Minima,
    Ways,
    chosen,
    climbs,
    depth,
    joined,
    needed,
    no_ways,
    ways,
)
from spinfunnel.maths.merge_trees import MergeTree
from spinfunnel.structures import CUT, groups
from spinfunnel.subject import Subject
from spinfunnel.systems.protocols import Metric, Pairwise, Smooth

#: States of the pocket around the lowest minimum.
POCKET = 5000
#: A bound that falls by more than this share, from a small budget to the whole, has not converged.
FALLING = 0.3


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Choose minima, look for ways between them, and say how high they climb."""
    system = subject.system
    assert isinstance(system, Metric)
    made = Coolings.of(readings)
    minima = chosen(system, made, seed)
    minima, found = ways(system, minima, seed) if len(minima.of.energies) > 1 else (minima, no_ways())
    count, fall = len(minima.of.energies), depth(system, made, seed)
    scale = fall if fall > 0 else np.nan
    tree = joined(minima.of, found)
    numbers = {
        "minima": Number(count, kind="count"),
        "ways looked for": Number(len(found.ends), kind="count"),
        "B": Number(np.nan),
        "D": Number(fall, kind="mean"),
    }
    doubts = list(found.doubts)
    climbed = climbs(tree, minima.pairs) / scale
    if len(climbed) and np.isfinite(quartiles(climbed)[1]):
        low, half, high = (float(value) for value in quartiles(climbed))
        kind = "median and quartiles" if found.exact else "median and quartiles of upper bounds"
        numbers["B"] = Number(half, low=low, high=high if np.isfinite(high) else None, level=0.5, kind=kind)
        numbers["pairs of slow ends"] = Number(len(climbed), kind="count")
        before = float(quartiles(climbs(joined(minima.of, found, small=True), minima.pairs))[1]) / scale
        numbers["B, small budget"] = Number(before, kind="median")
        if half < (1 - FALLING) * before:
            doubts.append(
                f"upper bound, not converged: B fell from {before:.3g} to {half:.3g} with the budget; "
                "spend more: --effort normal, or full"
            )
    elif count == 1:
        doubts.append("one minimum only: there is nothing to climb between, and B is not defined")
    elif not len(climbed):
        doubts.append("all slow anneals ended in one minimum: B, of pairs of them, is not defined")
    elif len(found.ends):
        doubts.append("no way was found between half of the pairs of slow ends: B is unknown")
    numbers |= _from_the_best(system, minima, tree, found, scale)
    if not fall > 0:
        doubts.append("random states are as low as the best: barriers cannot be given as shares of D")
    kept = needed(found)
    return Finding(
        "barriers",
        "landscape",
        numbers=numbers,
        tables={"minima": _minima(minima), "saddles": _saddles(minima, found, kept)},
        series=_drawn(minima, tree, scale),
        doubts=tuple(doubts),
    )


def quartiles(values: Array) -> Array:
    """Give the quartiles (3,) of values, each one of them: some may be infinite.

    >>> quartiles(np.array([1.0, 2.0, 3.0, 4.0, np.inf]))
    array([2., 3., 4.])
    """
    return np.asarray(np.quantile(values, [0.25, 0.5, 0.75], method="higher"))


def _from_the_best(
    system: Metric, minima: Minima, tree: MergeTree, found: Ways, scale: float
) -> dict[str, Number]:
    """Give what it takes to come to the best from anywhere, and to leave it."""
    numbers, energies = {}, minima.of.energies
    climb = tree.passes(np.arange(len(energies)), 0) - energies
    apart = int(np.isinf(climb).sum())
    if len(energies) > 1 and apart < len(energies) - 1:
        highest = float(climb[np.isfinite(climb)].max())
        kind = "exact" if found.exact else "upper bound"
        numbers["largest climb to the best / D"] = Number(highest / scale, kind=kind)
        numbers["minima joined to the best"] = Number(len(energies) - apart, kind="count")
    if isinstance(system, Pairwise) and not found.exact:
        around = pocket(system, minima.of.states[0], most=POCKET)
        if np.isfinite(around.beyond):
            out = (around.beyond - float(around.energies[0])) / scale
            numbers[f"out of the {len(around.energies):,} states around the best / D"] = Number(
                out, low=out, kind="exact"
            )
    return numbers


def _minima(minima: Minima) -> Table:
    of = minima.of
    return Table({
        "name": np.array([f"minimum {i + 1}" for i in range(len(of.energies))]),
        "energy": of.energies,
        "count": of.counts,
        "slow_end": minima.slow.astype(int),
        "group": groups(of.overlaps) + 1,
        "q_best": of.overlaps[0],
    })  # fmt: skip


def _saddles(minima: Minima, found: Ways, kept: Array) -> Table:
    """List the ways which no lower one by other minima makes needless."""
    ends, energy = found.ends[kept], found.highest[kept]
    below = minima.of.energies[ends]
    return Table({
        "a": ends[:, 0],
        "b": ends[:, 1],
        "energy": np.maximum(energy, below.max(axis=1, initial=-np.inf)),
        "barrier_a": np.maximum(energy - below[:, 0], 0.0),
        "barrier_b": np.maximum(energy - below[:, 1], 0.0),
        "budget": found.budget[kept],
    })  # fmt: skip


def _drawn(minima: Minima, tree: MergeTree, scale: float) -> tuple[Series, ...]:
    """Draw barriers, above the higher minimum, against distance: from the best, and between slow ends."""
    axes = (Axis("distance 1 - q"), Axis("barrier / D"))
    others = np.arange(1, len(minima.of.energies))
    drawn = []
    for label, pairs in (
        ("from the best", np.stack([np.zeros_like(others), others], axis=1)),
        ("between slow ends", minima.pairs),
    ):
        heights = climbs(tree, pairs) / scale
        there = np.isfinite(heights)
        if there.any():
            distance = 1 - minima.of.overlaps[tuple(pairs[there].T)]
            drawn.append(
                Series(
                    distance, heights[there], label=label, axes=axes, kind="scatter", panel="Barriers",
                    names=tuple(f"minima {a + 1} and {b + 1}" for a, b in pairs[there]),
                )
            )  # fmt: skip
    return tuple(drawn)


def judge(finding: Finding) -> Verdict:
    """Say whether barriers between slow ends are high."""
    numbers = finding.numbers
    b, count = numbers["B"], numbers["minima"]
    if not np.isfinite(b.value):
        reason = finding.doubts[0] if finding.doubts else "there are none to be measured"
        alone = count.value == 1 or any("not run" in doubt for doubt in finding.doubts)
        advice = "" if alone else "Make more anneals: --effort normal, or full."
        return Verdict("unsure", "no barriers known", f"B is not known: {reason}.", advice)
    label = "high barriers" if b.value >= HIGH else "low barriers"
    climbs_at = "" if b.kind == "median and quartiles" else "at most "
    sentence = (
        f"Between different ends of slow anneals one must climb {climbs_at}{b.value:.3g} D (the median of "
        f"{numbers['pairs of slow ends']} pairs), D = {numbers['D']} being how far the best is below random "
        f"states, or the minima under them; {count} minima were looked at."
    )
    if finding.doubts:
        return Verdict("unsure", label, sentence, "Spend more: --effort normal, or full.", finding.doubts[:1])
    return Verdict("info", label, sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    seconds = {"quick": 1.0, "normal": 2.0, "full": 8.0}[effort]
    return 10 * seconds if isinstance(subject.system, Smooth) else seconds


instrument = Instrument(
    name="barriers",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Lids: Sibani, Schoen, Salamon, Andersson, Europhys. Lett. 22 (1993) 479; elastic bands: "
    "Trygubenko, Wales, J. Chem. Phys. 120 (2004) 2082.",
    what=f"Ways between the {MINIMA} lowest minima for each set of anneals, and half as many slow ends, and "
    "the highest energy on each. Up to 18 spins, all states are flooded, and barriers are exact. More spins "
    f"are turned over one by one, greedily, {TRIES} times, between all pairs if they are coupled in pairs, "
    f"else between the {NEIGHBOURS} most alike of each. Coordinates are joined by elastic bands, whose tops "
    "lead to saddles, and these to more minima. Chains are not joined: that is not run. A way may lead by "
    "other minima, and those are listed that join everything at the lowest energies found. All are upper "
    f"bounds, which a larger budget can only lower. B is the median over at most {PAIRS} pairs of different "
    "slow ends of what one must climb from the higher of the two, over D = mean random energy less the best "
    "(of smooth systems, mean energy of the minima below random states less the best). "
    "Of spins coupled in pairs, no state but those around the best is reached below the energy to which a "
    f"lid rises until {POCKET:,} states are: an exact lower bound. Groups are by average linkage, while the "
    f"mean overlap is above {CUT}.",
    why="Between the funnels of a multi-funnel landscape one must climb far, and so the same state comes "
    "back after heating; in a glass, barriers are of all sizes.",
    judged=f"Barriers are high (info) if B is {HIGH} or more, else low (info). Unsure if the bound falls by "
    f"more than {FALLING:.0%} from a small budget to the whole, or if there are no two slow ends to join.",
    calibrations=calibrations,
)
