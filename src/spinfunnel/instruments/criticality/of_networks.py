"""Of a network: the finding and the verdict of its low-gradient points."""

from __future__ import annotations

import math

import numpy as np

from spinfunnel.core import Array, Axis, Effort, Finding, Number, Series, Table, Verdict, seeds, significant
from spinfunnel.instruments.criticality.networks import (
    MOST,
    SECONDS,
    SPINS,
    WORK,
    LowPoints,
    low_points,
    of_the_glass,
    permuted,
    scale,
    starts,
    work,
)
from spinfunnel.subject import Subject

#: The table that tells a network's finding from a system's.
TABLE = "low-gradient points"
#: Doubts: a smaller share of the searches ended at stationary points, or fewer of them than could be related
#: at `LEVEL`, whatever their order.
CONVERGED, FEWEST = 0.5, 6
#: The level at which index and loss are called related, and how many permutations tell. Losses within this
#: share of the range from untrained to trained are one.
LEVEL, PERMUTATIONS, SAME = 0.05, 9999, 0.01
#: Losses that differ by more than this factor, and are positive, are drawn on a logarithmic axis.
FACTOR = 100
CAPTION = (
    "In a mean-field glass, the more directions lead down from a point, the higher it lies. Only stationary "
    "points count; grey: searches from weights whose entries were permuted."
)


def measure(subject: Subject, seed: int, budget: float | None) -> Finding:
    """Search for low gradients from the path of training and, as a null, from permuted weights."""
    there = min(SECONDS[subject.effort], math.inf if budget is None else budget)
    todo, system = work(subject.system, subject.effort, there, seeds(seed, "examples"))
    if (takes := todo.cost * system.seconds) > there:
        short = (
            f"searches for points of low gradient take about {takes:.0f} s, on {system.examples} examples, "
            f"more than the {there:.0f} s there are"
        )
        numbers = {"searches": Number(0, kind="count"), "examples": Number(system.examples, kind="count")}
        return Finding("criticality", "landscape", numbers=numbers, doubts=(short,))
    path, names = starts(subject, system, todo.points, seed)
    null = permuted(system, path[-todo.null :], seed)
    names = [*names, *(f"{name}, permuted" for name in names[-todo.null :])]
    reach, tolerance = scale(system, seed)
    points = low_points(
        system, np.concatenate([path, null]), tolerance=tolerance, products=todo.products,
        steps=todo.steps, probes=todo.probes, seed=seed,
    )  # fmt: skip
    ends, mine = points.ends, np.arange(len(names)) < len(path)
    counted = ends.converged & mine
    numbers = {
        "searches": Number(len(path), kind="count"),
        "stationary points": Number(int(counted.sum()), kind="count"),
        "searches from permuted weights": Number(len(null), kind="count"),
        "stationary points from permuted weights": Number(int((ends.converged & ~mine).sum()), kind="count"),
        "gradient that counts as none": Number(tolerance),
        "loss, untrained less trained": Number(reach),
        "examples": Number(system.examples, kind="count"),
    }
    levels = np.round(ends.energies[counted] / max(SAME * abs(reach), 1e-300))
    if (known := related(levels, points.share[counted], seed)) is not None:
        numbers |= {"Spearman of index and loss": Number(known[0]), "its p": Number(known[1])}
    table = Table({
        "name": np.array(names),
        "loss_begun": system.energy(np.concatenate([path, null])),
        "loss": ends.energies,
        "gradient": ends.slopes,
        "over_tolerance": ends.slopes / tolerance,
        "end": ends.ends,
        "index_share": points.share,
        "error": points.error,
        "downward_share": points.downward,
        "flat_share": points.flat,
        "largest_eigenvalue": points.steepest,
        "gradient_left": ends.left,
        "products": ends.products,
    })  # fmt: skip
    return Finding(
        "criticality",
        "landscape",
        numbers=numbers,
        tables={TABLE: table},
        series=_series(points, mine, system.size),
        doubts=_doubts(points, mine, reach),
    )


def related(losses: Array, shares: Array, seed: int) -> tuple[float, float] | None:
    """Give Spearman's ρ of losses and index shares (M,), and its p by permutations; of too few, None.

    >>> related(np.repeat([0.0, 1.0], 4), np.arange(8.0), 0)[0].__round__(3)
    0.873
    """
    if len(losses) < FEWEST or np.ptp(losses) == 0 or np.ptp(shares) == 0:
        return None
    from scipy.stats import rankdata

    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (losses, shares))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rng = np.random.default_rng(seeds(seed, "permutations"))
    others = rng.permuted(np.tile(y, (PERMUTATIONS, 1)), axis=1) @ x
    as_large = int((np.abs(others) >= abs(x @ y) - 1e-12).sum())
    return float(x @ y), (as_large + 1) / (PERMUTATIONS + 1)


def _series(points: LowPoints, mine: Array, size: int) -> tuple[Series, ...]:
    """Draw the index, and the curvature that leads down, against the loss: of all points, and of the null."""
    ends = points.ends
    groups = (
        ("stationary points", mine & ends.converged),
        ("searches that ended elsewhere", mine & ~ends.converged),
        ("from permuted weights (null)", ~mine & ends.converged),
        ("from permuted weights, ended elsewhere", ~mine & ~ends.converged),
    )
    drawn, losses = [], ends.energies
    log = losses.min() > 0 and losses.max() > FACTOR * losses.min()
    for title, name, values, errors in (
        ("negative share of all eigenvalues", "index / P", points.share, np.nan_to_num(points.error)),
        ("negative share of absolute curvature", "negative share", points.downward, None),
    ):
        axes = (Axis("loss", "log" if log else "linear"), Axis(name))
        panel = f"{title.capitalize()}, P = {size}"
        for label, some in groups:
            if some.any():
                y = values[some]
                low, high = (None, None) if errors is None else (y - errors[some], y + errors[some])
                drawn.append(
                    Series(
                        losses[some], y, low=low, high=high, label=label, axes=axes, kind="scatter",
                        panel=panel, null="permuted" in label, caption=CAPTION,
                    )
                )  # fmt: skip
        if errors is not None:
            between = np.geomspace if log else np.linspace
            grid = between(losses[mine].min(), losses[mine].max(), 120)
            of_all = ends.converged
            glass = of_the_glass(losses[of_all], points.share[of_all], grid)
            if glass is not None:
                label = f"spherical {SPINS}-spin glass, N → ∞, energies scaled to fit"
                drawn.append(Series(grid, glass, label=label, axes=axes, null=True, panel=panel))
    return tuple(drawn)


def _doubts(points: LowPoints, mine: Array, reach: float) -> tuple[str, ...]:
    doubts, ends = [], points.ends
    good, total = int((ends.converged & mine).sum()), int(mine.sum())
    if not reach > 0:
        doubts.append(
            "the loss at the trained weights is not below that at untrained ones: train first, or look at "
            "what `build` makes"
        )
    if good < CONVERGED * total or good < FEWEST:
        stalled = int(((ends.ends == "stalled") & mine).sum())
        doubts.append(
            f"only {good} of {total} searches ended where the gradient is next to nothing; {stalled} "
            f"stalled, which more time does not mend, {total - good - stalled} ran out of it: not counted"
        )
    elif np.ptp(ends.energies[ends.converged & mine]) < 0.1 * abs(reach):
        doubts.append(
            "all stationary points have much the same loss: nothing can be seen of a relation to it"
        )
    return tuple(doubts)


def judge(finding: Finding) -> Verdict:
    """Say how index and loss go together, and at how many points."""
    numbers = finding.numbers
    if TABLE not in finding.tables:
        why = finding.doubts[0]
        return Verdict(
            "unsure",
            "not searched",
            f"{why[0].upper()}{why[1:]}.",
            "Raise --effort, and --budget if there is one.",
        )
    table = finding.tables[TABLE].columns
    stationary = table["end"] == "stationary"
    null = np.array([str(name).endswith("permuted") for name in table["name"]])
    said, label = list[str](), "few points"
    if "its p" in numbers:
        rho, p = numbers["Spearman of index and loss"].value, numbers["its p"].value
        label = "no relation seen" if p >= LEVEL else f"index {'grows' if rho > 0 else 'falls'} with loss"
        said.append(f"Spearman's ρ of the two is {rho:.2f} (p = {p:.1g})")
    said.append(
        f"{numbers['stationary points']} of {numbers['searches']} searches ended at stationary points"
        + _between(table, stationary & ~null)
    )
    said.append(
        f"of those from permuted weights (null), {numbers['stationary points from permuted weights']} of "
        f"{numbers['searches from permuted weights']}" + _between(table, stationary & null)
    )
    sentence = f"{label.capitalize()}: {'; '.join(said)} ({numbers['examples']} examples)."
    if finding.doubts:
        return Verdict(
            "unsure", label, sentence, "Take the relation as that of these points only.", finding.doubts[:1]
        )
    return Verdict("info", label, sentence)


def _between(table: dict[str, Array], some: Array) -> str:
    if not some.any():
        return ""
    ends = []
    for name, key in (("loss", "loss"), ("index share", "index_share")):
        low, high = (significant(float(end), 2) for end in (table[key][some].min(), table[key][some].max()))
        ends.append(f"{name} {low}" + (f" to {high}" if high != low else ""))
    return f", {', '.join(ends)}"


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, from those of a gradient."""
    return float(min(SECONDS[effort], WORK[MOST[effort] - 1].cost * subject.system.seconds))
