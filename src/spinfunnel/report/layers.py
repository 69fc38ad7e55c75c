"""The layer tables as every output shows them: which columns, in which order, worst rows first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spinfunnel.core import OUTCOMES, QUESTIONS, Array, Finding, Number, Outcome, Series, Table, Verdict
from spinfunnel.report.words import cell, title

#: Columns that are shown in a place of their own, not among the numbers.
OWN = ("name", "part", "verdict", "label", "reason")


@dataclass(frozen=True)
class Column:
    """One column as shown; `key`_low, `key`_high and `key`_error are folded into the column `key`."""

    key: str
    title: str
    kind: Literal["integer", "number", "text"]
    low: str = ""
    high: str = ""
    error: str = ""

    def of(self, table: Table, row: int, digits: int = 3) -> str:
        """Write the value in one row for people, with its standard error if it has one.

        >>> table = Table.of([{"u": -0.70246, "u_error": 0.00038}])
        >>> columns(table)[0].of(table, 0)
        '-0.7025 ± 0.0004'
        """
        value = table.columns[self.key][row]
        if self.error and np.isfinite(error := table.columns[self.error][row]) and error > 0:
            return str(Number(float(value), error=float(error)))
        return self.text(value, digits)

    def text(self, value: Any, digits: int = 3) -> str:
        """Write one of its values for people."""
        whole = self.kind == "integer" and np.isfinite(value)
        return cell(int(value) if whole else value, digits)


def columns(table: Table) -> list[Column]:
    """Give the columns to show beside name and verdict: numbers first, then texts, else in their order.

    A text that a table begins with names its rows, and stays in front.

    >>> [c.key for c in columns(Table.of([{"name": "a", "alpha": 2., "alpha_low": 1., "alpha_high": 3.}]))]
    ['alpha']
    >>> [c.key for c in columns(Table.of([{"way": "straight", "end": "low", "barrier": 2.}]))]
    ['way', 'barrier', 'end']
    """
    folded = {
        f"{key}_{end}"
        for key in table.columns
        for end in ("low", "high", "error")
        if f"{key}_{end}" in table.columns
    }
    shown = [
        Column(
            key,
            title(key),
            _kind(column),
            f"{key}_low" if f"{key}_low" in folded else "",
            f"{key}_high" if f"{key}_high" in folded else "",
            f"{key}_error" if f"{key}_error" in folded else "",
        )
        for key, column in table.columns.items()
        if key not in OWN and key not in folded
    ]
    names = next(iter(table.columns), "")
    return sorted(shown, key=lambda column: column.kind == "text" and column.key != names)


def _kind(column: Array) -> Literal["integer", "number", "text"]:
    if column.dtype.kind in "iu":
        return "integer"
    if column.dtype.kind != "f":
        return "text"
    finite = column[np.isfinite(column)]
    whole = finite.size > 0 and bool(np.all(finite == np.rint(finite))) and np.abs(finite).max() < 2**53
    return "integer" if whole else "number"


def outcomes(table: Table) -> list[str]:
    """Give every row's outcome word; empty where the table was not judged."""
    return [str(word) for word in table.columns.get("verdict", np.full(len(table), ""))]


def in_short(
    findings: Mapping[str, Finding], verdicts: Mapping[str, Verdict], *, worst_come_first: bool
) -> dict[str, list[str]]:
    """Order verdicts for the summary: of a model the worst first; of a system as they are, the word first.

    What nobody could tell is no news: it stands behind what was found, but for what is good.

    Where they answer more than two questions they stand under their questions, in the order of the
    chapters, else all together under "".
    """
    order = list(verdicts)
    if worst_come_first:
        news = ("bad", "warning", "info", "unsure", "good")
        order.sort(key=lambda name: news.index(verdicts[name].outcome))
    asked = {name: QUESTIONS[findings[name].question] for name in order}
    if len(set(asked.values())) <= 2:
        return {"": order}
    return {
        question: [name for name in order if asked[name] == question]
        for question in QUESTIONS.values()
        if question in asked.values()
    }


def severity(outcome: str) -> int:
    """Rank an outcome, 0 the worst; what was not judged comes last.

    >>> sorted(["good", "", "bad", "unsure"], key=severity)
    ['bad', 'unsure', 'good', '']
    """
    return OUTCOMES.index(outcome) if outcome in OUTCOMES else len(OUTCOMES)


def worst(outcomes: Iterable[str]) -> Outcome | None:
    """Give the worst of some outcomes; None when none of them is one.

    >>> worst(["good", "warning", "info"])
    'warning'
    """
    found = set(outcomes)
    return next((outcome for outcome in OUTCOMES if outcome in found), None)


def worst_first(table: Table) -> list[int]:
    """Order the rows worst first, and by depth within the same outcome."""
    words = outcomes(table)
    return sorted(range(len(table)), key=lambda i: (severity(words[i]), i))


def layer_tables(findings: dict[str, Finding]) -> dict[str, Table]:
    """Give every finding's table "layers", by instrument."""
    return {name: found.tables["layers"] for name, found in findings.items() if "layers" in found.tables}


def sparks(finding: Finding, cells: int = 16) -> dict[str, list[int]]:
    """Give each row's first histogram as heights 0 (nothing) to 8, on the scale of its own y axis."""
    found: dict[str, list[int]] = {}
    for series in finding.series:
        if series.kind == "step" and series.row and series.row not in found:
            found[series.row] = heights(series, cells)
    return found


def heights(step: Series, cells: int = 16) -> list[int]:
    """Reduce one histogram to `cells` heights, 0 (nothing) to 8 (its maximum).

    >>> heights(Series(np.arange(5), np.array([0., 1., 2., 4.]), kind="step"), 4)
    [0, 2, 4, 8]
    """
    y = np.nan_to_num(np.asarray(step.y, dtype=float), posinf=0, neginf=0)
    if not y.size or y.max() <= 0:
        return [0] * min(cells, y.size)
    starts = np.arange(min(cells, y.size)) * y.size // min(cells, y.size)
    y = np.add.reduceat(y, starts) / np.diff(starts, append=y.size)
    there = y > 0
    if step.axes[1].scale == "log":
        y = np.log(np.where(there, y, 1))
        low, high = y[there].min(), y[there].max()
        share = (y - low) / (high - low) if high > low else np.ones_like(y)
        return [int(1 + round(7 * s)) if t else 0 for s, t in zip(share, there, strict=True)]
    return [int(max(1, round(8 * v / y.max()))) if t else 0 for v, t in zip(y, there, strict=True)]
