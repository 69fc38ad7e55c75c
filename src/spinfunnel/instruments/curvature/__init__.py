"""How curved is the loss at these weights, in which directions, and does any lead down?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from spinfunnel.core import (
    Array,
    BadInput,
    Effort,
    Finding,
    Instrument,
    Number,
    Outcome,
    Row,
    Table,
    Verdict,
    seeds,
    significant,
)
from spinfunnel.instruments.curvature.calibration import calibrations
from spinfunnel.instruments.curvature.layers import Slope, gauss_newton_share, layers, slope
from spinfunnel.instruments.curvature.measuring import (
    PLANS,
    SECONDS,
    Spectrum,
    planned,
    spectrum,
)
from spinfunnel.instruments.curvature.outliers import NEXT
from spinfunnel.instruments.curvature.series import density, depth, largest, tails
from spinfunnel.maths.lanczos import as_numpy, slq
from spinfunnel.maths.traces import traces_of_blocks
from spinfunnel.subject import Subject

#: A step along the gradient that takes away more than this share of the loss: the weights are on a slope.
GAIN = 0.01
#: Gradients that a product with the Hessian costs at most; it is counted, not timed.
PRODUCT = 2.5
#: A trace that is known no better than this, relative, is doubted.
KNOWN = 0.25


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """See the spectrum of the Hessian at the trained weights, by products alone, and at untrained ones."""
    system, w = subject.system, subject.system.native
    plan, allowed = planned(subject.effort, PRODUCT * system.seconds, budget)
    system = system.within(allowed, PRODUCT * plan.products, seeds(seed, "examples"))
    seconds, hessian = PRODUCT * plan.products * system.seconds, system.hessian(w)
    found = spectrum(hessian, plan, seeds(seed, "trained"))
    here = slope(system, hessian, w)
    rows = layers(system, hessian, found, w, plan, seed)
    null = system.hessian(system.random(1, seeds(seed, "untrained"))[0])
    untrained = slq(null, steps=plan.steps, probes=1, seed=seeds(seed, "null"))
    last = np.array([block.stop for block in system.blocks])
    flat = traces_of_blocks(null, last, products=plan.vectors, seed=seeds(seed, "null blocks"))[0]
    numbers = _numbers(found, here, float(untrained.nodes.max()))
    numbers["examples"] = Number(system.examples, kind="count")
    with suppress(BadInput):  # Gauss-Newton products can be made only if losses call the model once
        if found.trace.value:
            share = gauss_newton_share(system, hessian, found, w, plan, seed)
            numbers["Gauss-Newton share of the trace"] = share
    doubts = list(_doubts(found))
    if seconds > allowed:
        doubts.append(
            f"the least that is worth doing takes about {seconds:.0f} s, more than the {allowed:.0f} s there "
            "are: raise --effort or --budget"
        )
    return Finding(
        "curvature",
        "landscape",
        numbers=numbers,
        tables={"layers": Table.of(rows), "eigenvalues": _eigenvalues(found, rows, last)},
        series=(*density(found, untrained), *tails(found, untrained), *largest(found), *depth(rows, flat)),
        doubts=tuple(doubts),
    )


def _numbers(found: Spectrum, here: Slope, untrained: float) -> dict[str, Number]:
    top, residuals = float(found.top[0]), found.ends.residuals
    return {
        "loss": Number(here.loss, kind="exact"),
        "length of the gradient": Number(here.gradient, kind="exact"),
        "share of the loss a step along it takes": Number(here.gain, kind="of a quadratic"),
        "largest eigenvalue": Number(top, error=float(residuals[0]), kind="residual"),
        "largest eigenvalue, untrained": Number(untrained, kind="one probe: at least"),
        "lowest eigenvalue": Number(found.least, error=float(residuals[-1]), kind="residual"),
        "rounding": Number(found.rounding, kind="exact"),
        "largest stable step": Number(2 / top if top > 0 else np.inf, kind="2/λ"),
        "trace": found.trace,
        "parameters": Number(found.density.size, kind="count"),
        "eigenvalues that stand apart": Number(found.apart, kind="count"),
        "of so many looked at": Number(max(0, len(found.top) - 1 - NEXT), kind="count"),
        "zero band": Number(found.band, kind="resolution"),
        "directions down": found.index,
        "share of flat directions": found.flat,
        "share of the curvature that is negative": found.downward,
        "W1 of the bulk from a semicircle": found.bulk.semicircle,
    } | (
        {"W1 of the bulk from Marchenko-Pastur": found.bulk.marchenko_pastur}
        if found.bulk.marchenko_pastur is not None
        else {}
    )


def _eigenvalues(found: Spectrum, rows: Sequence[Row], last: Array) -> Table:
    parts = np.add.reduceat(as_numpy(found.ends.vectors) ** 2, np.append(0, last[:-1]), axis=1)
    where = parts.argmax(axis=1)
    return Table({
        "rank": np.append(np.arange(1, len(found.top) + 1), np.arange(-found.lowest, 0)),
        "eigenvalue": found.ends.values,
        "residual": found.ends.residuals,
        "stands_apart": np.arange(len(found.ends.values)) < found.apart,
        "mostly_in": np.array([str(rows[i]["name"]) for i in where]),
        "share_there": parts.max(axis=1),
    })  # fmt: skip


def _doubts(found: Spectrum) -> list[str]:
    doubts, known = [], found.ends.converged
    if not known[0]:
        doubts.append(
            f"the largest eigenvalue is known to ± {found.ends.residuals[0]:.2g} only: raise --effort"
        )
    if found.least >= -found.rounding and not known[-1]:
        doubts.append("the lowest eigenvalue has not converged: a direction down may be left; raise --effort")
    error = found.trace.error or 0.0
    if error > KNOWN * abs(found.trace.value):
        doubts.append(f"the trace is known to ± {error:.2g} only: raise --effort")
    return doubts


def judge(finding: Finding) -> Verdict:
    """Say whether the weights are at a minimum, on a saddle or on a slope, and how sharp it is there."""
    numbers = finding.numbers
    largest_, lowest = numbers["largest eigenvalue"].value, numbers["lowest eigenvalue"].value
    gain = numbers["share of the loss a step along it takes"].value
    down = lowest < -numbers["rounding"].value
    outcome: Outcome
    if finding.doubts:
        outcome, label, advice = "unsure", "cannot tell", "Raise --effort, or --budget."
    elif gain > GAIN:
        outcome, label = "info", "on a slope"
        advice = "Train on, with a smaller step, before asking whether this is a minimum."
    else:
        outcome, label, advice = "info", "on a saddle" if down else "at a minimum", ""
    table = finding.tables["eigenvalues"].columns
    said = [f"{label[0].upper()}{label[1:]}: {_where(numbers, label, down)}"]
    said.append(
        f"the sharpest direction has λ = {significant(largest_, 3)} (untrained: "
        f"{significant(numbers['largest eigenvalue, untrained'].value, 3)}), {table['share_there'][0]:.0%} "
        f"of it in {table['mostly_in'][0]}"
    )
    if numbers["of so many looked at"].value:
        apart = int(numbers["eigenvalues that stand apart"].value)
        said.append(f"{apart or 'no'} eigenvalue{'s stand' if apart > 1 else ' stands'} apart from the rest")
    flat, band = numbers["share of flat directions"].value, significant(numbers["zero band"].value, 2)
    said.append(f"{flat:.1%} are flat, within ± {band}")
    return Verdict(outcome, label, "; ".join(said) + ".", advice, finding.doubts[:1])


def _where(numbers: Mapping[str, Number], label: str, down: bool) -> str:
    """Say what makes this a slope, a saddle or a minimum; of what cannot be told, what is known of it."""
    gain, size = numbers["share of the loss a step along it takes"].value, numbers["parameters"]
    lowest = f"the lowest eigenvalue is {numbers['lowest eigenvalue'].value:.2g}"
    if label == "on a slope" and not np.isfinite(gain):
        return "the loss curves down along its gradient"
    if label == "on a slope":
        return f"a step along the gradient would take away {gain:.2g} of the loss"
    if not down:
        return f"no direction leads down, {lowest}"
    index = numbers["directions down"]
    count = f"about {index} of {size} directions lead" if index.value >= 1 else "no direction seen leads"
    return f"{lowest}, and {count} down by more than what is flat"


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: products with the Hessian, so many as the effort plans and allows."""
    products = PLANS[effort].products
    return float(min(SECONDS[effort], products * PRODUCT * subject.system.seconds)) + 0.5


instrument = Instrument(
    name="curvature",
    question="landscape",
    needs=frozenset({"loss"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Density: Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075; Ghorbani, Krishnan, Xiao, "
    "ICML 2019. Ends: Wu, Simon, SIAM J. Matrix Anal. Appl. 22 (2000) 602. Trace: Epperly, Tropp, Webber, "
    "SIAM J. Matrix Anal. Appl. 45 (2024) 1. What stands apart: Sagun, Evci, Güney, Dauphin, Bottou, arXiv "
    "1706.04454; the gap: Onatski, Econometrica 77 (2009) 1447.",
    what="The spectrum of the Hessian of the loss, over the examples looked at: its density, its largest and "
    "lowest eigenvalues with residuals, its trace, the shares that are flat and that lead down, and what "
    "each parameter tensor adds.",
    why="The sharpest direction limits the step of gradient descent, 2/λ; flat ones cost nothing to change; "
    "and a negative eigenvalue says that this is no minimum, however flat the loss curve has become.",
    judged="Measured (info). On a slope if the best step along the gradient would take away more than 1 % of "
    "the loss, were it a quadratic there; else on a saddle if an eigenvalue is surely negative (a Ritz value "
    "below -100 ε of the largest); else at a minimum. Eigenvalues stand apart above the last gap wider than "
    ".95 of the distance over which the next six lie: the edge of a random matrix has such a gap in 1 % of "
    "draws. Flat is what lies within the zero band, .001 of the largest eigenvalue or the distance of the "
    "quadrature’s nodes. Cannot tell (unsure) if the largest eigenvalue or a lowest one near zero has not "
    "converged, if the trace is known no better than to a quarter, or if there was no time for the least.",
    calibrations=calibrations,
)
