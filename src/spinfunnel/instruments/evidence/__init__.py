"""Do the trained weights explain more of the data than they cost? Laplace's approximation of the evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from spinfunnel.core import (
    Axis,
    Effort,
    Finding,
    Instrument,
    Number,
    Outcome,
    Series,
    Table,
    Verdict,
    seeds,
    significant,
)
from spinfunnel.instruments.evidence.calibration import calibrations
from spinfunnel.instruments.evidence.measuring import (
    Evidence,
    laplace,
    newton_gain,
    positive_matrix,
    posterior_mode,
)
from spinfunnel.subject import Subject
from spinfunnel.systems.network_loss import NetworkLoss

#: The evidence is told for priors of precisions these factors from the best.
GRID = np.geomspace(1e-4, 1e4, 41)
#: Doubts: a larger share of the Hessian's curvature is negative; a step to the mode gains more nats than this
#: share of the effective parameters.
NEGATIVE, UNSETTLED = 0.25, 0.25
#: How far above the lowest cost the picture goes, in units of what all weights zero cost above it.
HIGH = 2.0
#: A product with the curvature costs so many gradients.
PRODUCT = 2.5


@dataclass(frozen=True)
class Work:
    """Rounds towards the mode, each of so many gradients; there, probes of so many products."""

    rounds: int
    gradients: int
    steps: int
    probes: int

    @property
    def cost(self) -> float:
        """In gradients: each round has two probes of half the steps; the mode two more than `probes`."""
        products = (self.rounds + self.probes + 2) * self.steps
        return PRODUCT * products + self.rounds * self.gradients


#: From little work to much; each effort does the most of these that its CPU seconds allow.
WORK = (
    Work(2, 20, 18, 3),
    Work(2, 40, 40, 4),
    Work(3, 60, 60, 6),
    Work(4, 120, 80, 10),
    Work(6, 200, 120, 20),
)
SECONDS: dict[Effort, float] = {"quick": 9.5, "normal": 45.0, "full": 400.0}
MOST: dict[Effort, int] = {"quick": 3, "normal": 4, "full": 5}


def work(seconds: float, effort: Effort, budget: float | None) -> Work:
    """Choose how much is done, where a gradient takes so many CPU seconds.

    >>> [work(t, "normal", None).probes for t in (0.001, 0.05, 1.0)]
    [10, 4, 3]
    """
    there = min(SECONDS[effort], math.inf if budget is None else budget)
    affordable = [one for one in WORK[: MOST[effort]] if one.cost * seconds <= there]
    return affordable[-1] if affordable else WORK[0]


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Bring the weights to the posterior's mode, see the curvature there by probes, and add it all up."""
    system = subject.system
    assert isinstance(system, NetworkLoss)
    todo = work(system.seconds, subject.effort, budget)
    there = min(SECONDS[subject.effort], math.inf if budget is None else budget)
    system = system.within(there, todo.cost, seeds(seed, "examples"))
    w, first = posterior_mode(
        system,
        system.trained,
        rounds=todo.rounds,
        gradients=todo.gradients,
        steps=todo.steps // 2,
        seed=seeds(seed, "mode"),
    )
    matrix, what, negative = positive_matrix(system, w, steps=todo.steps, seed=seeds(seed, "sign"))
    found = laplace(system, w, matrix, steps=todo.steps, probes=todo.probes, seed=seeds(seed, "probes"))
    best, bit = found.best_precision, 1 / (found.n * math.log(2))
    slope = found.n * system.gradient(w[None])[0].astype(np.float64) + best * w
    step = newton_gain(matrix, slope, found.n, best, todo.steps)
    evidence = replace(found.log_evidence(best), value=found.log_evidence(best).value + step)
    empty = float(system.energy(np.zeros_like(w)[None])[0]) / math.log(2)
    numbers = {
        "log evidence": evidence,
        "bits per example": _times(-bit, evidence),
        "bits of the losses": Number(found.loss / math.log(2)),
        "bits of the weights": _times(-bit, evidence, found.n * found.loss),
        "bits with all weights zero": Number(empty),
        "bits as trained": _times(-bit, first.log_evidence(first.best_precision)),
        "bits of the losses as trained": Number(first.loss / math.log(2)),
        "examples": Number(found.n, kind="count"),
        "parameters": Number(system.size, kind="count"),
        "effective parameters": found.determined(best),
        "prior precision": Number(best),
        "nats to the mode": Number(step),
        "negative share of the Hessian": Number(negative),
    }
    told = [found.log_evidence(precision) for precision in best * GRID]
    precisions = Table({
        "precision": best * GRID,
        "log_evidence": np.array([one.value for one in told]),
        "error": np.array([one.error or 0.0 for one in told]),
        "effective_parameters": np.array([found.determined(precision).value for precision in best * GRID]),
    })  # fmt: skip
    seen = {"matrix": what, **asdict(todo), "rounding": found.curvature.rounding}
    return Finding(
        "evidence",
        "landscape",
        numbers=numbers,
        tables={"precisions": precisions, "curvature": Table.of([seen])},
        series=_series(found, precisions, empty),
        doubts=(
            *_doubts(found, first, numbers, what),
            *_fewer(system.examples, subject.system.examples),
            *_late(todo, system.seconds, budget),
        ),
    )


def _times(factor: float, number: Number, more: float = 0.0) -> Number:
    error = None if number.error is None else abs(factor) * number.error
    return Number(factor * (number.value + more), error=error)


def _series(found: Evidence, table: Table, empty: float) -> tuple[Series, ...]:
    """Draw the bits per example against the prior's precision, and how many directions the data determine.

    Priors under which examples cost far more than with all weights zero are left out of the picture.
    """
    bit, x = 1 / (found.n * math.log(2)), table.columns["precision"]
    y, error = -bit * table.columns["log_evidence"], bit * table.columns["error"]
    most = HIGH * max(float(np.ptp([y.min(), empty])) if math.isfinite(empty) else 0.0, abs(float(y.min())))
    near = y - y.min() <= most
    axis, panel = Axis("precision δ of the prior", "log"), "What an example costs, weights included"
    axes = (axis, Axis("bits per example"))
    drawn = [
        Series(
            x[near], y[near], low=(y - error)[near], high=(y + error)[near], label="these weights, ± 1 σ",
            axes=axes, panel=panel,
            caption="What losses and weights cost, for priors of every precision. Below the grey line the "
            "data are explained better than by a network that knows nothing.",
        ),
        Series(
            np.array([found.best_precision]), np.array([0.0]), label="largest evidence", axes=axes,
            kind="vline", panel=panel,
        ),
    ]  # fmt: skip
    if math.isfinite(empty):
        nothing = np.full(int(near.sum()), empty)
        drawn.append(
            Series(x[near], nothing, label="all weights zero (null)", axes=axes, null=True, panel=panel)
        )
    panel = f"Directions the data determine, of {found.curvature.above.size}"
    axes = (axis, Axis("effective parameters", "log"))
    determined = table.columns["effective_parameters"]
    held = x * found.square
    return (
        *drawn,
        Series(
            x, determined, label="Σ n h / (n h + δ)", axes=axes, panel=panel,
            caption="The stronger the prior, the fewer directions the data determine. Where the two curves "
            "meet the evidence is largest (MacKay 1992).",
        ),
        Series(x, held, label="δ |w|²", axes=axes, null=True, panel=panel),
    )  # fmt: skip


def _doubts(found: Evidence, first: Evidence, numbers: Mapping[str, Number], what: str) -> tuple[str, ...]:
    doubts, best = [], found.best_precision
    determined = numbers["effective parameters"].value
    if found.n * (first.loss - found.loss) > determined:
        doubts.append(
            "the weights were not at a minimum: on the way to the posterior's mode the loss fell from "
            f"{significant(first.loss)} to {significant(found.loss)}, so that this is the evidence of a "
            "network that was trained further"
        )
    if numbers["nats to the mode"].value > UNSETTLED * determined:
        doubts.append("the posterior's mode was not reached: give more time, or a higher effort")
    if (negative := numbers["negative share of the Hessian"].value) > NEGATIVE:
        doubts.append(f"{negative:.0%} of the Hessian's curvature is negative: no posterior is a saddle")
    if what.startswith("empirical"):
        doubts.append(
            "the losses call the model more than once, so that the empirical Fisher matrix stood in for the "
            "Gauss-Newton matrix: they are alike only if the model fits"
        )
    if found.unresolved(best) > max(found.volumes(best).error or 0.0, 1.0):
        doubts.append(
            f"more products of each probe may change ln Z by up to {found.unresolved(best):.0f}: "
            "give more time, or a higher effort"
        )
    if found.n * found.curvature.rounding > best:
        doubts.append(
            "curvatures as small as the prior's precision are lost in rounding: give the model in float64"
        )
    return tuple(doubts)


def _fewer(seen: int, there: int) -> tuple[str, ...]:
    if seen == there:
        return ()
    return (
        f"there was time for {seen:,} of {there:,} examples, and more of them pay for weights better: give a "
        "higher effort",
    )


def _late(todo: Work, seconds: float, budget: float | None) -> tuple[str, ...]:
    took = todo.cost * seconds
    if budget is None or took <= budget:
        return ()
    return (
        f"about {took:.0f} s were spent, the least that tells anything, but the budget was {budget:.0f} s",
    )


def judge(finding: Finding) -> Verdict:
    """Say whether the data are described in fewer bits with the trained weights than with none."""
    numbers, matrix = finding.numbers, finding.tables["curvature"].columns["matrix"][0]
    bits, empty = numbers["bits per example"], numbers["bits with all weights zero"]
    sentence = (
        f"The {numbers['examples']} examples cost {bits} bits each, "
        f"{significant(numbers['bits of the losses'].value, 2)} for the losses and "
        f"{numbers['bits of the weights']} for the weights; with all weights zero, "
        f"{significant(empty.value, 3)}. The data determine {numbers['effective parameters']} of "
        f"{numbers['parameters']} directions (Laplace's approximation, by the {matrix})."
    )
    room = 2 * (bits.error or 0.0)
    outcome: Outcome = "info"
    label, advice = ("breaks even" if math.isfinite(empty.value) else "measured"), ""
    if bits.value + room < empty.value:
        outcome, label = "good", "explains more than it costs"
    elif bits.value - room > empty.value:
        outcome, label = "warning", "costs more than it explains"
        advice = "So do shuffled labels: look at held-out data; use weight decay, more data or fewer weights."
    if finding.doubts:
        return Verdict("unsure", label, sentence, "Mend what is doubted first.", finding.doubts[:1])
    return Verdict(outcome, label, sentence, advice)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, from those of a gradient."""
    system = subject.system
    return float(min(SECONDS[effort], work(system.seconds, effort, None).cost * system.seconds))


instrument = Instrument(
    name="evidence",
    question="landscape",
    needs=frozenset({"loss"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="MacKay, Neural Comput. 4 (1992) 415 and 448. With the Gauss-Newton matrix: Immer, Bauer, "
    "Fortuin, Rätsch, Khan, ICML 2021, arXiv 2104.04975. Sums over eigenvalues: Golub, Meurant, Matrices, "
    "Moments and Quadrature (2010); Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075.",
    what="Laplace's approximation of the evidence ln Z, in nats and as bits per example: what the losses "
    "cost, and what the weights cost that the data determine; the effective number of parameters; all "
    "against the precision of the prior.",
    why="A network can learn labels by heart, at the price of weights that must be known exactly. The "
    "evidence counts both: the flatter the minimum, the cheaper the weights.",
    judged="Good if the examples cost fewer bits, by two errors, than with all weights zero; a warning if "
    "more, as shuffled labels do. Losses are taken for negative log likelihoods in nats; of others the "
    "number means nothing, and this cannot be seen from them. The prior is a Gaussian of the precision of "
    "largest evidence; a copy of the weights is brought to the posterior's mode first. Where the Hessian has "
    "negative eigenvalues, the Gauss-Newton matrix takes its place. Unsure if the loss fell on the way by "
    "more than the effective parameters explain, if the mode was not reached, if over a quarter of the "
    "Hessian's curvature is negative, or if examples, products or precision do not suffice.",
    calibrations=calibrations,
)
