"""Can one walk from one network to another without climbing, or to the trained one from where it began?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinfunnel.core import (
    Effort,
    Finding,
    Instrument,
    Number,
    Outcome,
    Row,
    Table,
    Verdict,
    significant,
)
from spinfunnel.instruments.paths.calibration import calibrations
from spinfunnel.instruments.paths.comparing import (
    ALIGNED,
    BACK,
    BEGIN,
    CURVED,
    LINE,
    RELAXED,
    SHUFFLED,
    Comparison,
    seconds,
)
from spinfunnel.instruments.paths.measuring import none
from spinfunnel.instruments.paths.series import along, mistakes
from spinfunnel.subject import Subject

#: What to do where there is one network only.
SECOND = "For the way to a second network: `spinfunnel compare task.py OTHER`."

FROM_THE_FIRST = "0 are the weights that training began with, 1 the trained ones."
ALONG_THE_WAYS = (
    "Grey: from the network to a copy of itself with its units in other places, one network twice. A barrier "
    "as high as that one says nothing about two solutions."
)


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Follow the ways there are between networks, and say how high each climbs."""
    found = Comparison(subject, seed, budget)
    numbers: dict[str, Number] = {}
    rows: list[Row] = []
    for name, one in found.training.items():
        held = found.held_out.get(name)
        numbers[f"barrier, {name}"] = one.barrier
        if name == BEGIN:
            numbers["largest climb from the first weights"] = one.bump
            numbers["fall from the first weights"] = Number(
                float(one.energies[0] - one.energies[-1]), kind="exact"
            )
        if held is not None:
            numbers[f"barrier, {name}, held out"] = held.barrier
        rows.append(
            {
                "way": name,
                "barrier": one.barrier.value,
                "barrier_error": _error(one.barrier),
                "above_chord": one.above_chord.value,
                "above_chord_error": _error(one.above_chord),
                "climb": one.bump.value,
                "top_at": one.top,
                "first_loss": float(one.energies[0]),
                "last_loss": float(one.energies[-1]),
                "held_out_barrier": np.nan if held is None else held.barrier.value,
                "held_out_barrier_error": np.nan if held is None else _error(held.barrier),
                "cosine_of_ends": found.cosines.get(name, np.nan),
                "gradients": one.way.gradients,
            }
        )
    numbers["units that may change places"] = Number(_units(found), kind="count")
    numbers["examples"] = Number(found.system.examples, kind="count")
    if found.other:
        numbers["examples that ways were bent on"] = Number(found.bent_on, kind="count")
    return Finding(
        "paths",
        "landscape",
        numbers=numbers,
        tables={"ways": Table.of(rows)},
        series=tuple(_series(found)),
        doubts=tuple(_doubts(found)),
    )


def _units(found: Comparison) -> int:
    return sum(group.leaf.size for group in found.units.groups if not group.leaf.fixed)


def _error(number: Number) -> float:
    return np.nan if number.error is None else number.error


def _series(found: Comparison) -> list[Any]:
    begun = [one for name, one in found.training.items() if name == BEGIN]
    rest = [one for name, one in found.training.items() if name != BEGIN]
    nulls = (SHUFFLED, BACK)
    drawn = [
        *along(begun, "Loss from the first weights to the trained ones", caption=FROM_THE_FIRST),
        *along(rest, "Loss along the ways", nulls, ALONG_THE_WAYS),
    ]
    if found.held_out:
        held = [one for name, one in found.held_out.items() if name != BEGIN]
        return [*drawn, *along(held, "Loss along the ways, held-out data", nulls),
                *mistakes(held, "Errors along the ways, held-out data", nulls)]  # fmt: skip
    return [*drawn, *mistakes(rest, "Errors along the ways", nulls)]


def _doubts(found: Comparison) -> list[str]:
    doubts = [*found.doubts]
    if not found.began:
        doubts.append("the first weights are not known: record the training, or say build= in the task")
    if found.began == "drawn afresh":
        doubts.append(
            "the first weights were not recorded: the way begins at others, drawn as build= draws them"
        )
    if not found.units.groups:
        doubts.append("no units were found that may change places, so that nothing could be aligned")
    broken = [name for name, one in found.training.items() if not np.isfinite(one.energies).all()]
    if broken:
        doubts.append(f"the loss is not finite on: {', '.join(broken)}")
    return doubts


def judge(finding: Finding) -> Verdict:
    """Say whether the networks lie in one basin, in one valley, or behind a barrier."""
    numbers = finding.numbers
    barriers = {name: numbers[f"barrier, {name}"] for name in _names(finding)}
    copy = barriers.get(SHUFFLED)
    if LINE not in barriers:
        return _of_one(finding, barriers)
    bent = {name: barriers[name] for name in (CURVED, RELAXED) if name in barriers}
    lines = {name: barriers[name] for name in ALIGNED.values() if name in barriers}
    scale = barriers[LINE] if copy is None else copy
    outcome: Outcome
    if none(barriers[LINE], copy):
        outcome, label = "info", "one basin"
    elif any(none(one, scale) for one in lines.values()):
        outcome, label = "info", "same up to permutation"
    elif any(none(one, scale) for one in bent.values()):
        outcome, label = "info", "one valley"
    elif len(bent) == 2 and numbers["examples that ways were bent on"].value >= numbers["examples"].value:
        outcome, label = "info", "separate valleys"
    else:
        outcome, label = "unsure", "barrier on the line"
    said = [f"the loss climbs by {barriers[LINE]} on the straight line"]
    if lines:
        name = min(lines, key=lambda one: lines[one].value)
        said.append(f"by {lines[name]} with the units {name}")
    if bent:
        name = min(bent, key=lambda one: bent[one].value)
        held = numbers.get(f"barrier, {name}, held out")
        told = f"{name}; held out: {held}" if held else name
        said.append(f"by {bent[name]} on the lowest way found ({told})")
    if copy is not None:
        said.append(f"and by {copy} to a copy of the first with its units in other places")
    advice = ""
    if label in ("separate valleys", "barrier on the line"):
        advice = "Every barrier is an upper bound: --effort full looks longer for a lower way."
    evidence = finding.doubts if outcome == "unsure" else ()
    return Verdict(outcome, label, f"{label.capitalize()}: {', '.join(said)}.", advice, evidence)


def _of_one(finding: Finding, barriers: Mapping[str, Number]) -> Verdict:
    """Say what is seen of one network: how training came to it, and what a barrier to itself is."""
    numbers, label, said = finding.numbers, "no second network", list[str]()
    if BEGIN in barriers:
        climb, fall = numbers["largest climb from the first weights"], numbers["fall from the first weights"]
        label = "straight way down" if none(climb, fall) else "climbs on the way"
        way = "falls all the way" if none(climb, fall) else f"climbs by {climb} before it falls"
        said.append(f"from the first weights the loss {way}, by {significant(fall.value, 3)} in all")
    if SHUFFLED in barriers:
        said.append(f"to a copy of itself with its units in other places the barrier is {barriers[SHUFFLED]}")
        said[-1] += f", and {barriers[BACK]} once aligned" if BACK in barriers else ""
    outcome: Outcome = "info" if BEGIN in barriers else "unsure"
    sentence = "; ".join(said) or "there was nothing to compare the network with"
    return Verdict(outcome, label, f"{label.capitalize()}: {sentence}.", SECOND, finding.doubts)


def _names(finding: Finding) -> list[str]:
    return [str(name) for name in finding.tables["ways"].columns.get("way", ())]


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds."""
    return seconds(subject, effort)


instrument = Instrument(
    name="paths",
    question="landscape",
    needs=frozenset({"loss", "other?", "history?", "build?", "train_fn?"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Lines: Goodfellow, Vinyals, Saxe, arXiv:1412.6544. Curves: Garipov, Izmailov, Podoprikhin, "
    "Vetrov, Wilson, NeurIPS 2018; Draxler, Veschgini, Salmhofer, Hamprecht, ICML 2018. Alignment: "
    "Ainsworth, Hayase, Srinivasa, ICLR 2023; Li, Yosinski, Clune, Lipson, Hopcroft, ICLR 2016; Jordan et "
    "al., ICLR 2023.",
    what="The loss along the straight line from the first weights to the trained ones, to a copy of the "
    "network with its units in other places, and to a second network: straight, with the units of the second "
    "aligned with those of the first, along a curve that was bent, and along a chain that was relaxed, so "
    "that they climb little.",
    why="Two trainings that end in one valley found the same solution, perhaps with hidden units in another "
    "order; their weights may then be averaged. A barrier that no way avoids tells two solutions apart.",
    judged="Measured (info). The barrier is how much higher the way is than its higher end, with its paired "
    "standard error over the examples. It is none if within two standard errors of zero, or below 1 % of the "
    "barrier to the shuffled copy, which is one network twice (without units to shuffle: of the line's). One "
    "basin: none on the straight line. Same up to permutation: none on an aligned one. One valley: none on a "
    "bent one. Else separate valleys, by an upper bound; unsure if not all bent ways could be afforded, or "
    "not on all examples. Ways are bent on the training data: look at the held-out barrier too. BatchNorm is "
    "by the statistics of each batch at each point.",
    calibrations=calibrations,
)
