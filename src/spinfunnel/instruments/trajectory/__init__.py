"""How did the weights move during training, and have they arrived? Beside what chance would do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
)
from spinfunnel.instruments.trajectory.calibration import calibrations
from spinfunnel.instruments.trajectory.measuring import (
    DIRECTED,
    FEWEST,
    HELD,
    LEFT,
    LEVEL,
    STOPPED,
    Motion,
    Moved,
    Rest,
    levelled,
    moved,
)
from spinfunnel.instruments.trajectory.series import ageing, components, falling, gradients, plane, progress
from spinfunnel.record import History
from spinfunnel.subject import Subject

#: Draws of every null, by effort.
DRAWS: dict[Effort, int] = {"quick": 200, "normal": 500, "full": 2000}

#: What the share of the first component is compared with, and what remains.
EXCESS = ("that of a drift and a random walk", "excess over a drift and a random walk")
#: The numbers that tell how the last half moves: what each is called, and its kind.
REST = {
    "moved": ("largest move in the last half, over the whole", "exact"),
    "drift": ("halves of the last half apart, over chance", "exact"),
    "p_drift": ("its p without a drift", "p-value"),
    "spread": ("spread of the last half, over a walk's", "exact"),
    "p_held": ("its p of a walk", "p-value"),
}


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Measure the trajectory of all weights, and how far each layer went."""
    history: History = subject.history
    by_layer = history.inner_products()
    products = np.sum([*by_layer.values()], axis=0)
    times, losses = history.steps.astype(float), history.losses
    if not np.isfinite(products).all():
        raise BadInput(f"a snapshot in {history.folder} has weights that are not finite: delete it")
    numbers = {"snapshots": Number(len(times), kind="count")}
    if len(times) < 3 or not np.trace(products) > 0:
        why = _too_few(len(times)) if len(times) < 3 else "the weights did not move between any two snapshots"
        return Finding("trajectory", "training", numbers=numbers, doubts=(*history.doubts, why))
    found, level = moved(products, times, DRAWS[subject.effort], seed), levelled(losses)
    return Finding(
        "trajectory",
        "training",
        numbers=numbers | _numbers(found) | _of_loss(found, losses, level) | _rates(history),
        tables={"layers": Table.of(_layers(history, by_layer))},
        series=(
            *plane(found, seeds(seed, "plane")),
            *components(found),
            *progress(found),
            *ageing(found),
            *falling(times, losses, level),
            *gradients(history.gradients),
        ),
        doubts=(*history.doubts, *_doubts(found, losses)),
    )


def _numbers(found: Moved) -> dict[str, Number]:
    walk, drifting, whole = found.walk, found.drifting, math.sqrt(float(found.distances[0, -1]))
    numbers = {
        "training steps": Number(float(np.ptp(found.times)), kind="count"),
        "distance from the start": Number(whole, kind="exact"),
        "length of the path": Number(float(found.lengths.sum()), kind="exact"),
        "dimensions in which steps differ": Number(found.dimension, kind="estimate"),
        "share of the first component": Number(float(found.shares[0]), kind="exact"),
        "that of a random walk": _null(walk.mean[0], walk.low[0], walk.high[0]),
        EXCESS[0]: _null(drifting.mean[0], drifting.low[0], drifting.high[0]),
        EXCESS[1]: found.excess,
        "share of the second component": Number(float(found.shares[1]), kind="exact"),
    }
    if math.isfinite(found.ageing):
        numbers["squared displacement of the last quarter over the second"] = Number(
            found.ageing, kind="exact"
        )
    for name, exponent in (("from the start", found.early), ("in the last half", found.late)):
        if exponent is not None:
            numbers[f"exponent {name}"] = exponent
    if found.rest is not None:
        numbers |= {text: Number(getattr(found.rest, name), kind=kind) for name, (text, kind) in REST.items()}
    return numbers


def _null(mean: float, low: float, high: float) -> Number:
    return Number(float(mean), low=float(low), high=float(high), level=0.95, kind="of the null")


def _of_loss(found: Moved, losses: Array, level: int | None) -> dict[str, Number]:
    if level is None:
        return {}
    before, after = math.sqrt(found.distances[0, level]), math.sqrt(found.distances[level, -1])
    return {
        "step at which the loss levelled off": Number(float(found.times[level]), kind="count"),
        "moved since, over the way before": Number(after / before, kind="exact"),
    }


def _rates(history: History) -> dict[str, Number]:
    rates = history.rates
    if not np.isfinite(rates).all() or rates.max() <= 0:
        return {}
    return {"last learning rate over the highest": Number(float(rates[-1] / rates.max()), kind="exact")}


def _layers(history: History, by_layer: Mapping[str, Array]) -> list[Row]:
    """Give a row a parameter: how far it went, and the signal of its gradient over the noise of a step."""
    first, half = history.mapping(0), len(history.steps) // 2
    whole = sum(float(products.sum()) for products in by_layer.values())
    ratios = _ratios(history.gradients)
    rows = []
    for name, products in by_layer.items():
        begun = float(np.linalg.norm(first[name].astype(np.float64)))
        net, last = (max(0.0, float(p.sum())) for p in (products, products[half:, half:]))
        rows.append({
            "name": name,
            "parameters": math.prod(history.shapes[name]),
            "moved": math.sqrt(net) / begun if begun > 0 else math.nan,
            "moved_last_half": math.sqrt(last / net) if net > 0 else 0.0,
            "share_of_way": net / whole if whole > 0 else math.nan,
            **ratios.get(name, {}),
        })  # fmt: skip
    return rows


def _ratios(table: Table) -> dict[str, Row]:
    """Give the signal of the gradient over the noise of a step, first and last, of every layer.

    And what noise alone gives, one over the root of the number of steps that the mean is taken over.
    """
    found: dict[str, Row] = {}
    for row in table.rows():
        if row["spread"] > 0:
            ratio, noise = row["length_of_mean"] / row["spread"], 1 / math.sqrt(row["steps"])
            ends = found.setdefault(row["name"], {"gradient_snr_first": ratio, "noise_gives_first": noise})
            ends |= {"gradient_snr_last": ratio, "noise_gives_last": noise}
    return found


def _doubts(found: Moved, losses: Array) -> tuple[str, ...]:
    doubts = []
    if found.rest is None:
        doubts.append(_too_few(len(found.times)))
    gaps = np.diff(found.times)[:-1]  # the last one ends where training did
    if len(gaps) and gaps.max() > 3 * gaps.min():
        doubts.append("snapshots are unevenly spaced: components weigh the times with many of them more")
    if not np.isfinite(losses).any():
        doubts.append("no losses were recorded: give recorder(step, loss=loss)")
    return tuple(doubts)


def _too_few(count: int) -> str:
    few = "1 snapshot does" if count == 1 else f"{count} snapshots do"
    return f"{few} not tell whether the weights have arrived: {FEWEST} are needed"


#: A learning rate that ends below this share of its highest stops the weights by itself.
COOLED = 0.01
#: Of every motion: label, outcome, what it means, and what to do.
WORDS: dict[Motion, tuple[str, Outcome, str, str]] = {
    "stopped": ("arrived", "good", "the weights have stopped", ""),
    "at rest": ("arrived", "good", "the weights fluctuate about a place that stays", ""),
    "diffusing": (
        "diffusing", "info", "the weights move as a random walk does",
        "Lower the learning rate, or average the weights, if they are to arrive.",
    ),
    "directed": (
        "still moving", "info", "the weights move on, by more than they fluctuate",
        "Train longer, or lower the learning rate, if they are to arrive.",
    ),
}  # fmt: skip


def judge(finding: Finding) -> Verdict:
    """Say whether the weights have arrived, and how much of their path is more than chance."""
    numbers, records = finding.numbers, "Record more of the training, with a smaller `every`."
    if "length of the path" not in numbers:
        why = finding.doubts[-1]
        return Verdict("unsure", "cannot tell", f"{why[0].upper()}{why[1:]}.", records, finding.doubts)
    first, chance, excess = (numbers[name] for name in ("share of the first component", *EXCESS))
    error = excess.error or 0.0
    more = f"{excess.value:.1%} ± {error:.1%} more" if excess.value > 2 * error else "no more"
    plane = (
        f"The first component holds {first.value:.1%} of the variance, {more} than a drift and a random walk "
        f"({chance.value:.1%})."
    )
    if REST["spread"][0] not in numbers:
        count = int(numbers["snapshots"].value)
        return Verdict("unsure", "cannot tell", f"{_too_few(count)}. {plane}", records, finding.doubts)
    rest = Rest(**{name: numbers[text].value for name, (text, _) in REST.items()})
    label, outcome, meaning, advice = WORDS[rest.motion]
    said = f"{label.capitalize()}: in the last half of the run {meaning}"
    if (after := numbers.get("moved since, over the way before")) is not None:
        at, far = numbers["step at which the loss levelled off"], f"{after.value:.2g}"
        said += f"; since the loss levelled off, at step {at}, they moved on by {far} of the way before"
    rate = numbers.get("last learning rate over the highest")
    if rest.motion == "directed" and rate is not None and rate.value < COOLED:
        advice = (
            f"The learning rate ended at {rate.value:.1g} of its highest: what stops them is the schedule."
        )
    return Verdict(outcome, label, f"{said}. {plane}", advice, finding.doubts)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: reading T snapshots of P weights, their products, and the nulls' spectra."""
    history: History = subject.history
    count = len(history.steps)
    return 0.2 + 2e-9 * count * history.size * (1 + count / 16) + 2 * DRAWS[effort] * 3e-9 * count**3


instrument = Instrument(
    name="trajectory",
    question="training",
    needs=frozenset({"history"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Components of random walks: Antognini, Sohl-Dickstein, NeurIPS 31 (2018), arXiv 1806.08805. "
    "Movement after the loss has levelled off: Lipton, arXiv 1602.07320. Ageing: Baity-Jesi et al., ICML "
    "(2018), arXiv 1803.06969. Signal and noise of gradients: Shwartz-Ziv, Tishby, arXiv 1703.00810.",
    what="The path of the weights during training: its principal components beside those of a random walk, "
    "and of a drift and a walk, with the same steps; how far and how fast it went; whether it has arrived; "
    "by layer, how far each went and how much of its gradient is signal.",
    why="The path of any random walk seems to lie in a plane, so only what is more than chance means "
    "something; and a loss that has levelled off does not say that the weights have.",
    judged=f"By the last half of the snapshots; fewer than {FEWEST} in all are unsure. Arrived (good): no "
    f"two are further apart than {STOPPED:.0%} of the way from the start, or they are held: their squared "
    f"radius of gyration is less than {HELD:g} of a random walk's with the same steps (at {LEVEL:.0%}, by "
    "flipping signs of steps). Still moving (info): the means of its two halves are apart, squared, by more "
    f"than {DIRECTED:g} times what walks without a drift give that fluctuate alike at short times "
    f"(at {LEVEL:.0%}). Diffusing (info): neither, as is also a slow drift under much noise, or a bowl too "
    f"wide for the time. A loss has levelled off where less than {LEFT:.0%} of its fall is left. What a "
    "component holds beyond that of the nulls is measured, not judged.",
    calibrations=calibrations,
)
