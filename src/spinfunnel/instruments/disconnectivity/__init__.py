"""Which minima are joined below which energy, and in how many funnels? The tree of all barriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.core import Array, Axis, Effort, Finding, Instrument, Number, Series, Table, Verdict
from spinfunnel.instruments.disconnectivity.calibration import calibrations
from spinfunnel.instruments.disconnectivity.measuring import Funnels, funnels_of
from spinfunnel.maths.merge_trees import MergeTree, layout, merge_tree
from spinfunnel.subject import Subject
from spinfunnel.systems.stationary_points import StationaryPoints

#: The lowest minima that are drawn, the levels at which their lines may meet, and the funnels that have a
#: colour of their own.
DRAWN, LEVELS, COLOURS = 300, 40, 5
#: A way no higher than its end, to this share of its energy, has no climb.
ROUNDING = 1e-9


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: object,
) -> Finding:
    """Build the tree of the minima and saddles that `barriers` found."""
    barriers = findings["barriers"]
    minima, saddles = (barriers.tables[name].columns for name in ("minima", "saddles"))
    found = np.isfinite(np.asarray(saddles["energy"], dtype=float))  # no way found has no height
    joined = np.stack([saddles["a"][found], saddles["b"][found]], axis=1).astype(np.int64)
    energies = np.asarray(minima["energy"], dtype=float)
    heights, ends = saddles["energy"][found], energies[joined].max(axis=1)
    level = np.abs(heights - ends) <= ROUNDING * np.abs(ends)
    points = StationaryPoints(energies, np.where(level, ends, heights), joined)
    doubts = tuple(f"barriers: {doubt}" for doubt in barriers.doubts if "upper bound" in doubt)
    best = barriers.numbers.get("largest climb to the best / D")
    return tree_of(points, minima["name"], doubts, exact=best is not None and best.kind == "exact")


def tree_of(
    points: StationaryPoints,
    names: Sequence[str] | Array = (),
    doubts: tuple[str, ...] = (),
    *,
    exact: bool = False,
) -> Finding:
    """Measure a database of stationary points (M minima, named or counted from 1); give the same finding.

    Barriers are upper bounds, for there may be lower saddles, unless they are `exact`.

    >>> two = StationaryPoints(np.array([-1.0, -2.0]), np.array([0.5]), np.array([[0, 1]]))
    >>> str(tree_of(two).numbers["largest climb to the lowest minimum"])
    '1.500'
    """
    tree = merge_tree(points.minima, points.saddles, points.joined)
    named = np.array([f"minimum {k + 1}" for k in range(len(tree.minima))] if not len(names) else names)
    found, lowest = funnels_of(tree), tree.roots[0]
    own, count = np.isinf(tree.meets), len(tree.minima)
    numbers = {
        "minima": Number(count, kind="count"),
        "lowest energy": Number(float(tree.minima[lowest]), kind="exact"),
        "funnels": Number(len(found.heads), kind="count"),
    }
    left = count - int((tree.superbasins(np.inf) == lowest).sum())
    if left < count - 1:
        for name, value in (
            ("height of the tree", found.height),
            ("largest climb to the lowest minimum", found.climb),
        ):
            numbers[name] = Number(value, kind="exact" if exact else "upper bound")
        numbers["in the main funnel at half height"] = Number(found.main_share, kind="share")
    table = {
        "name": named,
        "energy": tree.minima,
        "elder": np.where(own, "", named[tree.elders]),
        "meets": np.where(own, np.nan, tree.meets),
        "barrier": np.where(own, np.nan, tree.barriers()),
        "funnel": named[found.of],
    }
    if left:
        doubts += (
            f"{left} of {count} minima are joined to the lowest by no way that was found: "
            "more effort, or more saddles, may join them",
        )
    if count > 1 and np.ptp(tree.minima) == 0:
        doubts += (
            f"all {count} minima have the energy {tree.minima[0]:.6g}: is it symmetry, or degeneracy?",
        )
    return Finding(
        "disconnectivity",
        "landscape",
        numbers=numbers,
        tables={"minima": Table(table)},
        series=drawn(tree, found, named) if count > 1 else (),
        doubts=doubts,
    )


def drawn(tree: MergeTree, found: Funnels, named: Array) -> tuple[Series, ...]:
    """Draw the tree of the lowest minima, the deepest funnels in colours of their own."""
    laid = layout(tree, levels=LEVELS, most=DRAWN)
    count, shown = len(tree.minima), len(laid.minima)
    panel = (
        f"Disconnectivity of the lowest {shown} of {count} minima"
        if shown < count
        else (f"Disconnectivity of {count} minima")
    )
    funnel = found.of[laid.minima]
    heads = [head for head in found.heads if head in funnel]
    groups = [(f"main funnel, of {named[heads[0]]}", funnel == heads[0])]
    groups += [(f"funnel of {named[head]}", funnel == head) for head in heads[1:COLOURS]]
    groups += [(f"{len(heads) - COLOURS} other funnels", np.isin(funnel, heads[COLOURS:]))]
    groups += [("joined to none", ~np.isin(funnel, heads))]
    groups = [(label, which) for label, which in groups if which.any()]
    if len(groups) == 1:
        groups = [("", groups[0][1])]
    axes = (Axis(""), Axis("energy E"))
    return tuple(
        Series(*laid.lines(which), label=label, axes=axes, kind="tree", panel=panel)
        for label, which in groups
    )


def judge(finding: Finding) -> Verdict:
    """Say how many funnels there are among the minima found, and how high one must climb between them."""
    numbers = finding.numbers
    count, funnels = (round(numbers[name].value) for name in ("minima", "funnels"))
    if count == 1:
        lowest = numbers["lowest energy"]
        return Verdict(
            "info", "one minimum", f"Only one minimum was found, at E = {lowest}: there is no tree to draw."
        )
    if "height of the tree" not in numbers:
        return Verdict(
            "unsure", "no ways known", f"No way is known between the {count} minima found: there is no tree "
            "to draw.", "See what barriers says.", finding.doubts[:1],
        )  # fmt: skip
    label = "one funnel" if funnels == 1 else "several funnels"
    sentence = f"The {count} minima found lie in {funnels} funnel{'s' * (funnels > 1)}"
    height, climb, share = (
        numbers[name].value
        for name in (
            "height of the tree",
            "largest climb to the lowest minimum",
            "in the main funnel at half height",
        )
    )
    most = "at most " if numbers["height of the tree"].kind == "upper bound" else ""
    sentence += (
        f": they are joined {height:.4g} above the lowest of them, to which the largest climb is "
        f"{most}{climb:.4g}. At half of that height, {share:.0%} of the minima below are in the main funnel"
    )
    if finding.doubts:
        return Verdict(
            "unsure", label, f"{sentence}.", "Run longer: --effort normal, or full.", finding.doubts[:1]
        )
    return Verdict("info", label, f"{sentence}.")


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: the tree costs nothing beside its saddles."""
    return 0.1


instrument = Instrument(
    name="disconnectivity",
    question="landscape",
    needs=frozenset({"system", "finding:barriers"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Becker, Karplus, J. Chem. Phys. 106 (1997) 1495; Wales, Miller, Walsh, Nature 394 (1998) 758.",
    what="The tree of all minima found: which are joined below which energy. Each minimum's line rises from "
    "its energy to where it first meets a lower minimum. The height of the tree is the energy that joins all "
    "of them, above that of the lowest. A funnel is a minimum that needs a climb of a third of the height "
    "or more to reach anything lower, with all that meets it sooner. The main funnel at half height is what "
    "saddles up to there join to the lowest minimum; its share is that of the minima below half height.",
    why="A funnel's tree is one trunk with short branches: everything drains to the bottom. A glass's has "
    "many long branches that meet only high up, and a double funnel's two trunks.",
    judged="Info: one funnel or several, among the minima found and by the ways found between them, which "
    "are upper bounds. One minimum has no tree (info). Unsure with a doubt: minima that no way joins, all "
    "energies equal, or bounds of `barriers` that still fall. The chapter's word is that of `funnel`.",
    calibrations=calibrations,
)
