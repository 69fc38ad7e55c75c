"""Which series are drawn together, in which colours, and with how many points: shared by page and paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from spinfunnel.core import Array, Axis, Finding, Series

#: Okabe and Ito's colours, which colour-blind readers can tell apart; 0 is the data, 1 a null's band.
INKS = ("#56708f", "#8a8f98", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: The same, light enough for a dark page.
INKS_ON_DARK = ("#8fa9c8", "#7d828b", "#ff8a4c", "#5db3ea", "#3ccf9f", "#e6a3c8", "#f2bd4b", "#8fd0f5")
DATA, NULL, FIRST = 0, 1, 2
KINDS = {"line": 0, "vline": 1, "scatter": 2}
#: Kinds whose series are groups of one thing, basins or branches, and the label of what is in no group.
GROUPED, OTHERS = ("scatter3d", "tree"), "others"
#: A logarithmic axis shows so many decades at most.
DECADES = 16

#: Points that would fall on the same dot of a grid this fine are drawn once.
DOTS = (480, 320)


@dataclass(frozen=True)
class Panel:
    """Series drawn together. `row` is empty when they belong to the whole subject."""

    title: str
    row: str
    series: tuple[Series, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Those of its first series."""
        return self.series[0].axes

    @property
    def caption(self) -> str:
        """How to read it: what the first of its series says that says anything."""
        return next((one.caption for one in self.series if one.caption), "")

    @property
    def nulls(self) -> list[int]:
        """Number the nulls of each kind, from 1, to tell them apart; what is no null has 0."""
        counts = {one.kind: count(1) for one in self.series}
        return [next(counts[one.kind]) if one.null else 0 for one in self.series]

    @property
    def solid(self) -> bool:
        """Whether it is drawn in space."""
        return any(one.z is not None for one in self.series)

    @property
    def fixed(self) -> bool:
        """Whether its instrument fixed both ends of all its axes."""
        return all(axis.low is not None and axis.high is not None for axis in self.axes)


def panels(finding: Finding) -> dict[str, list[Panel]]:
    """Give the panels of every row; those of the whole subject under ""."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for series in finding.series:
        groups.setdefault((series.row, series.panel), []).append(series)
    found: dict[str, list[Panel]] = {}
    for (row, name), group in groups.items():
        found.setdefault(row, []).append(Panel(name, row, tuple(group)))
    return found


def side_by_side(group: Sequence[Panel]) -> list[list[Panel]]:
    """Put neighbours with the same axes, all of fixed ends, together: they are there to be compared."""
    found: list[list[Panel]] = []
    for panel in group:
        if found and panel.fixed and panel.axes == found[-1][0].axes and panel.solid == found[-1][0].solid:
            found[-1].append(panel)
        else:
            found.append([panel])
    return found


def inks(panel: Panel, counted: frozenset[str]) -> list[int]:
    """Give each series its colour: by kind, so that the fitted law of every matrix looks the same.

    What is measured (`counted`: labels that are drawn as histograms somewhere) and nulls keep to themselves.
    Groups, such as basins, have the colours in order; of more than six, some share one.
    """
    given: list[int] = []
    seen = Counter[str]()
    firsts = {one.kind: FIRST + KINDS.get(one.kind, 0) for one in panel.series if one.kind != "step"}
    for one in panel.series:
        if one.kind == "step" and DATA in given:  # a second histogram is another colour
            left = set(range(FIRST, len(INKS))) - set(given) - set(firsts.values())
            given.append(min(left, default=FIRST))
        elif one.kind == "step" or one.label in counted:
            given.append(DATA)
        elif one.null or one.kind in ("band", "hline") or (one.kind in GROUPED and one.label == OTHERS):
            given.append(NULL)
        elif one.kind == "surface" or (one.kind == "tree" and not one.label):
            given.append(DATA)  # a surface has its own colours, and a trunk belongs to no branch
        elif one.kind in GROUPED or one.z is not None:
            given.append(FIRST + seen["grouped"] % (len(INKS) - FIRST))
            seen["grouped"] += 1
        elif seen[one.kind] < 2:
            given.append(firsts[one.kind] + 3 * seen[one.kind])
            seen[one.kind] += 1
        else:  # a third of a kind takes what is left
            left = set(range(FIRST, len(INKS))) - set(given) - set(firsts.values())
            given.append(min(left, default=firsts[one.kind]))
    return given


def counted(finding: Finding) -> frozenset[str]:
    """Give the labels of what is drawn as a histogram anywhere in a finding."""
    return frozenset(one.label for one in finding.series if one.kind == "step")


def thin(series: Series) -> Series:
    """Leave out the points of a scatter that would be drawn on top of another.

    >>> dense = Series(np.linspace(0, 1, 10**5), np.zeros(10**5), kind="scatter")
    >>> len(thin(dense).x)
    480
    """
    if series.kind != "scatter" or len(series.x) <= DOTS[0] or series.names:
        return series
    dots = [
        _dots(np.asarray(values, dtype=float), axis, count)
        for values, axis, count in zip((series.x, series.y), series.axes, DOTS, strict=False)
    ]
    _, kept = np.unique(dots[0] * DOTS[1] + dots[1], return_index=True)
    kept.sort()
    low, high = (None if ends is None else np.asarray(ends)[kept] for ends in (series.low, series.high))
    return replace(series, x=np.asarray(series.x)[kept], y=np.asarray(series.y)[kept], low=low, high=high)


def _dots(values: Array, axis: Axis, count: int) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.log(values) if axis.scale == "log" else values
    there = np.isfinite(at)
    if not there.any():
        return np.zeros(len(at), dtype=int)
    low, high = at[there].min(), at[there].max()
    share = np.where(there, at - low, 0) / (high - low if high > low else 1)
    dots: Array = np.minimum((share * count).astype(int), count - 1)
    return dots


def whole_numbers(panel: Panel, which: int) -> bool:
    """Tell whether the panel's x (0) or y (1) axis counts something, so that its ticks are whole numbers."""
    if panel.axes[which].scale == "log" or which > 1:
        return False
    values = np.concatenate([np.ravel(one.y if which else one.x).astype(float) for one in panel.series])
    return bool(np.all(values == np.round(values)))


def extent(panel: Panel, which: int) -> tuple[float, float] | None:
    """Give the range of the panel's x (0), y (1) or z (2) axis: its fixed ends, or its data's with a margin.

    A curve over a histogram does not set the range: a density that goes to zero at its edge would
    otherwise squeeze everything else on a logarithmic axis.
    """
    axis = panel.axes[which]
    log = axis.scale == "log"
    found = _spread(panel, which, log)
    low, high = found or (np.nan, np.nan)
    low, high = low if axis.low is None else axis.low, high if axis.high is None else axis.high
    sound = np.isfinite([low, high]).all() and low < high and (low > 0 or not log)
    return (float(low), float(high)) if sound else found


def _spread(panel: Panel, which: int, log: bool) -> tuple[float, float] | None:
    drawn = {one.kind for one in panel.series}
    left_out = {"line"} if "step" in drawn else set()
    if which == 1 and drawn != {"vline"}:
        left_out.add("vline")
    if which == 0 and drawn != {"hline"}:
        left_out.add("hline")
    found = []
    for one in panel.series:
        if one.kind in left_out:
            continue
        arrays = ((one.x,), (one.y, one.low, one.high), (one.z,))[which]
        for array in arrays:
            values = np.asarray([] if array is None else array, dtype=float).ravel()
            found.append(values[np.isfinite(values) & ((values > 0) | (not log))])
    values = np.concatenate(found)
    if not values.size:
        return None
    low, high = (np.log10(values.min()), np.log10(values.max())) if log else (values.min(), values.max())
    if log:  # what lies further down is rounding
        low = max(low, high - DECADES)
    margin = 0.06 * (high - low) or (0.5 if log else 0.5 * abs(high) or 0.5)
    low, high = low - margin, high + margin
    return (float(10**low), float(10**high)) if log else (float(low), float(high))
