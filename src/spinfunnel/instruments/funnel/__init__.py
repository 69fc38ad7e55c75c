"""Glass or funnel? One word for a landscape, from what anneals, forks, barriers and a native state say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinfunnel.core import Axis, Effort, Finding, Instrument, Number, Outcome, Series, Verdict
from spinfunnel.instruments.funnel.calibration import calibrations
from spinfunnel.instruments.funnel.rule import (
    BARRIER,
    FEW,
    GUIDED,
    HOPS,
    LOST,
    MANY,
    NARROW,
    ONE,
    REACHED,
    SETTLED,
    SURVIVES,
    Evidence,
    Word,
    classify,
)
from spinfunnel.subject import Subject

#: Which numbers of which instruments are the evidence; those that may be missing come last.
EVIDENCE = {
    "cooling": (
        "replicas",
        "cooling time",
        "A",
        "A at a tenth",
        "groups",
        "groups at a tenth",
        "A of the best",
        "slope",
    ),
    "fork": ("F at 0.8 T90", "F90"),
    "barriers": ("B",),
    "native": ("native gap", "native hits", "attraction radius"),
}


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: object,
) -> Finding:
    """Gather the evidence that the others found, and classify it as it was ten times quicker, too."""
    numbers = {
        key: findings[name].numbers[key]
        for name, keys in EVIDENCE.items()
        if name in findings
        for key in keys
        if key in findings[name].numbers
    }
    system = subject.system
    assert system is not None
    numbers["N"] = Number(system.size, kind="count")
    doubts = [doubt for name in ("cooling", "native") if name in findings for doubt in findings[name].doubts]
    return Finding(
        "funnel",
        "landscape",
        numbers=numbers,
        series=_profile(findings["cooling"], system.size),
        doubts=tuple(doubts),
    )


def _profile(cooling: Finding, size: int) -> tuple[Series, ...]:
    """Draw A(τ), from 0 to 1, and the two thresholds."""
    found, numbers = cooling.tables["times"].columns, cooling.numbers
    axes = (
        Axis(f"cooling time τ ({numbers['cooling time'].unit})", "log"),
        Axis("overlap of ends A(τ)", low=min(0.0, float(found["A_low"].min())) - 0.03, high=1.03),
    )
    label = f"N = {size}, {numbers['replicas']} replicas"
    lines = [
        Series(np.zeros(1), np.array([level]), label=text, axes=axes, kind="hline", panel="A(τ)")
        for level, text in ((ONE, "one state above"), (MANY, "many states below"))
    ]
    points = Series(
        found["time"], found["A"], low=found["A_low"], high=found["A_high"], label=label, axes=axes,
        panel="A(τ)",
    )  # fmt: skip
    return points, *lines


def evidence(finding: Finding) -> Evidence:
    """Give the rule what it looks at."""
    numbers = finding.numbers

    def value(name: str) -> float | None:
        found = numbers[name].value if name in numbers else float("nan")
        return found if np.isfinite(found) else None

    a = numbers["A"]
    assert a.low is not None
    assert a.high is not None
    return Evidence(
        replicas=int(numbers["replicas"].value),
        a=a.value, a_low=a.low, a_high=a.high, a_tenth=numbers["A at a tenth"].value,
        groups=numbers["groups"].value, groups_tenth=numbers["groups at a tenth"].value,
        a_best=numbers["A of the best"].value,
        f_mild=numbers["F at 0.8 T90"].value, f=numbers["F90"].value,
        barrier=value("B"), slope=value("slope"), native_gap=value("native gap"),
        native_hits=value("native hits"), native_radius=value("attraction radius"),
    )  # fmt: skip


SAID: dict[Word, tuple[Outcome, str]] = {
    "funnel": ("good", "all anneals end in one state, and it survives reheating"),
    "glass": ("info", "anneals end in different states, and none survives reheating"),
    "golf course": (
        "info",
        "the native state is no higher than all that was found, but almost no anneal reaches it",
    ),
    "multi-funnel": ("info", "anneals end in a few states, and each survives reheating"),
    "cannot tell": ("unsure", "the evidence is between the classes"),
}


def judge(finding: Finding) -> Verdict:
    """Give the word, with the cooling time, the replicas and the size that it is a property of."""
    numbers = finding.numbers
    word, advice = classify(evidence(finding))
    outcome, meaning = SAID[word]
    time = numbers["cooling time"]
    sentence = (
        f"{word.capitalize()}, at {time.value:,.0f} {time.unit}, N = {numbers['N']} and "
        f"{numbers['replicas']} replicas: {meaning}. A = {numbers['A']} "
        f"({numbers['A at a tenth'].value:.3g} at a tenth of the time), F90 = {numbers['F90'].value:.3g}, "
        f"{numbers['groups'].value:.1f} groups of ends."
    )
    if word == "golf course":
        sentence += (
            f" A share of {numbers['native hits'].value:.2g} reaches the native state, which was given."
        )
    if word == "glass" and "native hits" not in numbers:
        sentence += " Without a native state, a golf course would look the same."
    return Verdict(outcome, word, sentence, advice)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: it joins what others found."""
    return 0.1


instrument = Instrument(
    name="funnel",
    question="landscape",
    needs=frozenset(
        {"system", "finding:cooling", "finding:fork", "finding:barriers?", "finding:native?"},
    ),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Funnels and frustration: Bryngelson, Wolynes, PNAS 84 (1987) 7524; Onuchic, Luthey-Schulten, "
    "Wolynes, Annu. Rev. Phys. Chem. 48 (1997) 545. The rule and its thresholds are this project's"
    " own, and were fixed before the held-out systems were run.",
    what="One word for a landscape, as it is for these moves in this time: funnel, glass, golf course, "
    "multi-funnel, or cannot tell; with A(τ), how alike the ends of independent anneals are, and the"
    " survival F90 of an end under reheating.",
    why="A funnel can be trained and trained again to the same answer; a glass gives another answer each "
    "time.",
    judged=f"In this order. Golf course (info), which needs a native state: no anneal's end is lower, fewer "
    f"than {REACHED:.0%} of ends reach it, it draws from overlaps above {NARROW} only, and the rank "
    f"correlation of energy with overlap is above {GUIDED}. Funnel (good): the 90 % interval of A lies above "
    f"{ONE}, and F is at least {SURVIVES[0]} from 0.8 T90 and {SURVIVES[1]} from T90. Few funnels are at "
    f"most {FEW:g} groups of ends (and a third of the replicas), no more at a tenth of the time, A larger "
    f"by at most {SETTLED}. Glass (info): the interval of A lies below {MANY}, F is below {SURVIVES[0]} "
    f"from 0.8 T90 and below {LOST} from T90, and they are not few with barriers of {BARRIER} D or more. "
    f"Multi-funnel (info): few, not all of the best in one, with F at least {SURVIVES[0]} from 0.8 T90, or "
    f"{HOPS} with such barriers; where barriers were measured, they are such. Else cannot tell (unsure). The "
    "word is a property of the energy, the moves and the time.",
    calibrations=calibrations,
)
