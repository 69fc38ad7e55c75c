"""How much does the loss rise near the weights, at worst and on average?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import (
    Array,
    Effort,
    Finding,
    Instrument,
    Number,
    Row,
    Table,
    Verdict,
    seeds,
    significant,
)
from spinfunnel.instruments.sharpness.calibration import calibrations
from spinfunnel.instruments.sharpness.measuring import (
    PRODUCTS,
    STEPS,
    average_case,
    quadratic,
    worst_case,
)
from spinfunnel.instruments.sharpness.series import rises
from spinfunnel.maths.lanczos import student
from spinfunnel.subject import Subject
from spinfunnel.systems.network_loss import NetworkLoss

#: How far: at worst, in the norm of the weights, and in that of the weights' own sizes; on average, the
#: standard deviation of each weight's move, as a share of the root mean square weight, or of its own size.
RADII = {"plain": 0.05, "adaptive": 0.5}
SPREAD = 0.05
#: Examples of a subset (m), on which sharpness is usually told.
SUBSET = 128
#: A quadratic that is off by more than this share does not tell the rise.
OFF = 0.2
#: Words of the doubt that a quadratic does not hold.
UNTOLD = "gradient and Hessian do not tell the rise"
#: What one forward pass and one Hessian product take, in gradients; what a subset takes at least.
FORWARD, PRODUCT, SMALL = 0.4, 2.5, 0.1
SECONDS: dict[Effort, float] = {"quick": 8.0, "normal": 60.0, "full": 600.0}
NO_LINK = (
    "It says little of new data: no reliable link was found (Andriushchenko et al., ICML 2023, literature)."
)


@dataclass(frozen=True)
class Size:
    """How much is looked at: radii (odd), pairs of moves, subsets of the examples."""

    radii: int
    pairs: int
    subsets: int

    def gradients(self, examples: int) -> float:
        """Count the gradients it takes, plain and adaptive, of a loss over so many examples."""
        subsets = max(SMALL, SUBSET / examples) * self.subsets if examples > 2 * SUBSET else 0.0
        worst = 2 * STEPS * (self.radii + subsets) + PRODUCT * PRODUCTS
        average = self.pairs * (PRODUCT + 2 * FORWARD * self.radii)
        return 2 * (worst + average)

    def seconds(self, system: NetworkLoss) -> float:
        """Estimate the CPU seconds it takes."""
        return system.seconds * self.gradients(system.examples)


#: The least that says something, and what each effort asks for; a large network gets less.
LEAST = Size(1, 4, 4)
SIZES: dict[Effort, Size] = {"quick": Size(3, 8, 4), "normal": Size(5, 16, 8), "full": Size(9, 64, 32)}


def size_of(system: NetworkLoss, effort: Effort, allowed: float) -> Size:
    """Give the largest size, up to what the effort asks for, that takes no more seconds than are allowed."""
    wanted = [LEAST, *SIZES.values()][: list(SIZES).index(effort) + 2]
    able = [size for size in wanted if size.seconds(system) <= allowed]
    return able[-1] if able else LEAST


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Climb from the weights, and move them at random, as they are and in units of their own sizes."""
    system = subject.system
    assert isinstance(system, NetworkLoss)
    allowed = min(SECONDS[subject.effort], math.inf if budget is None else budget)
    size, w = size_of(system, subject.effort, allowed), system.trained
    system = system.within(allowed, size.gradients(SUBSET), seeds(seed, "examples"))
    numbers: dict[str, Number] = {
        "loss": Number(float(system.energy(w[None])[0])),
        "examples": Number(system.examples, kind="count"),
    }
    rows: list[Row] = []
    for kind in RADII:
        found, told = look(system, w, kind, size, seed)
        rows += found
        numbers |= told
    table = Table.of(rows)
    return Finding(
        "sharpness",
        "landscape",
        numbers=numbers,
        tables={"rises": table},
        series=tuple(rises(table.columns)),
        doubts=_doubts(rows, size, allowed, system),
    )


def look(
    system: NetworkLoss, w: Array, kind: str, size: Size, seed: int
) -> tuple[list[Row], dict[str, Number]]:
    """Measure one kind of sharpness, plain or adaptive: a row for each case and radius, and the numbers."""
    sizes = np.abs(w.astype(np.float64))
    scale = sizes if kind == "adaptive" else np.ones_like(sizes)
    hessian, gradient = system.hessian(w), system.gradient(w[None])[0].astype(np.float64)
    expected = quadratic(gradient, hessian, scale, seeds(seed, "top", kind))
    around = 2.0 ** np.arange(-(size.radii // 2), size.radii // 2 + 1)
    random = np.random.default_rng(seeds(seed, "start", kind)).standard_normal(len(w))
    starts = np.stack([expected.direction, random / np.linalg.norm(random)])
    rows: list[Row] = []
    for radius in RADII[kind] * around:
        low, high = expected.worst(radius)
        rise = worst_case(system, w, scale, radius, radius * starts)
        rows.append({
            "case": f"worst case, {kind}", "rho": radius, "rise": rise, "error": 0.0, "expected_low": low,
            "expected_high": high, "off": rise - min(max(rise, low), high), "off_error": 0.0,
        })  # fmt: skip
    radius = RADII[kind]
    on_subsets = [
        worst_case(system.few(SUBSET, seeds(seed, "subset", i)), w, scale, radius, radius * starts)
        for i in range(size.subsets if system.examples > 2 * SUBSET else 0)
    ]
    unit = scale if kind == "adaptive" else np.full_like(sizes, math.sqrt(float((sizes**2).mean())))
    spreads = SPREAD * around
    moved, told = average_case(system, w, unit, spreads, hessian, size.pairs, seeds(seed, "average"))
    for k, spread in enumerate(spreads):
        found, mean, off = (student(values[:, k]) for values in (moved, told, moved - told))
        rows.append({
            "case": f"average case, {kind}", "rho": spread, "rise": found.value, "error": found.error,
            "expected_low": mean.value - (mean.error or 0), "expected_high": mean.value + (mean.error or 0),
            "off": off.value, "off_error": off.error,
        })  # fmt: skip
    middle = size.radii // 2
    low, high = expected.worst(radius)
    return rows, {
        f"worst rise, {kind}": Number(
            rows[middle]["rise"], low=rows[middle]["rise"], kind="the largest found"
        ),
        f"worst rise expected, {kind}": Number(
            low, low=low, high=high, level=1.0, kind="bounds, from g and H"
        ),
        f"average rise, {kind}": student(moved[:, middle]),
        f"average rise expected, {kind}": student(told[:, middle]),
        f"λ of C H C, {kind}": Number(expected.top),
    } | ({f"worst rise, {kind}, of {SUBSET} examples": student(np.array(on_subsets))} if on_subsets else {})


def _doubts(rows: Sequence[Row], size: Size, allowed: float, system: NetworkLoss) -> tuple[str, ...]:
    doubts = [
        f"{row['case']}: at ρ = {row['rho']:.3g} a loss is not finite"
        for row in rows
        if not np.isfinite(row["rise"])
    ]
    untold: dict[str, list[str]] = {}
    for case in dict.fromkeys(row["case"] for row in rows):
        mine = [row for row in rows if row["case"] == case]
        usual = mine[len(mine) // 2]
        if not _off(usual):
            continue
        near = "average" in case and len(mine) > 1 and _off(mine[0])
        why = (
            "kinks, as of ReLUs, bend the loss even nearer by, and no Hessian sees them"
            if near
            else "the weights move further than a quadratic holds"
        )
        untold.setdefault(why, []).append(case.replace(",", ""))
    doubts += [f"{UNTOLD} ({', '.join(cases)}): {why}" for why, cases in untold.items()]
    if size.seconds(system) > allowed:
        doubts.append(
            f"this takes about {size.seconds(system):.0f} s, more than the {allowed:.0f} s it was given: "
            "give fewer examples"
        )
    return tuple(doubts)


def _off(row: Row) -> bool:
    """Tell whether a rise is another one than a quadratic expects."""
    expected = (row["expected_low"] + row["expected_high"]) / 2
    return bool(abs(row["off"]) > max(3 * row["off_error"], OFF * abs(expected)))


def judge(finding: Finding) -> Verdict:
    """Say how much the loss rises, and whether a quadratic knew."""
    numbers, worst = finding.numbers, []
    for kind, radius in RADII.items():
        bounds, most = numbers[f"worst rise expected, {kind}"], numbers[f"worst rise, {kind}"]
        rise, low, high = (significant(x or 0.0, 3) for x in (most.value, bounds.low, bounds.high))
        worst.append(f"{rise} within ρ = {radius} (quadratic: {low} to {high})")
    average = (str(numbers[f"average rise, {kind}"]) for kind in RADII)
    label = "not quadratic" if any(UNTOLD in doubt for doubt in finding.doubts) else "quadratic"
    sentence = (
        f"{label.capitalize()}: the loss, {numbers['loss']}, rises by up to {', adaptive by '.join(worst)}; "
        f"where weights move by {SPREAD:.0%} at random, by {', adaptive by '.join(average)} "
        f"({numbers['examples']} examples)."
    )
    if not np.isfinite(finding.tables["rises"].columns["rise"]).all():
        return Verdict(
            "unsure", "not finite", sentence, "Look at smaller moves, or in float64.", finding.doubts[:1]
        )
    return Verdict("info", label, sentence, NO_LINK, finding.doubts[:1])


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds."""
    assert isinstance(subject.system, NetworkLoss)
    return min(SECONDS[effort], size_of(subject.system, effort, SECONDS[effort]).seconds(subject.system))


instrument = Instrument(
    name="sharpness",
    question="landscape",
    needs=frozenset({"loss"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Plain: Foret, Kleiner, Mobahi, Neyshabur, ICLR 2021 (2010.01412). Adaptive: Kwon, Kim, Park, "
    "Choi, ICML 2021 (2102.11600). What they are good for: Andriushchenko, Croce, Müller, Hein, Flammarion, "
    "ICML 2023 (2302.07011). The ascent: Croce, Hein, ICML 2020 (2003.01690).",
    what="How much the loss rises when the weights move by C u, with C = 1 (plain) or C = |w| (adaptive): "
    "the most within |u| <= ρ, on all examples and, if there are over 256, on subsets of 128, and the mean "
    "for normal u; and, beside each, what gradient and Hessian expect, at a minimum ρ²λ/2 and ρ² tr(CHC)/2.",
    why="A flat minimum forgives rounding, noise and pruning. Plain sharpness changes where a ReLU network's "
    "layers are rescaled, which changes nothing else; adaptive sharpness does not.",
    judged="Quadratic (info) or not: not, if a worst rise is a fifth outside the bounds that gradient and "
    "largest eigenvalue set, or if the mean rise is off by a fifth, and by three standard errors. ρ is 0.05, "
    "plain, and 0.5, adaptive, sizes usual in training against sharpness (literature); on average each "
    "weight moves by 5 % of the root mean square weight, plain, or of itself, adaptive. A worst case is the "
    "largest rise that 20 steps of ascent found from the top eigenvector and from a random direction: there "
    f"may be a larger one. {NO_LINK}",
    calibrations=calibrations,
)
