"""The report as one HTML file that opens anywhere, offline, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from spinfunnel.core import QUESTIONS, Finding, Number, Table
from spinfunnel.report.layers import columns, in_short, layer_tables, outcomes, sparks, worst, worst_first
from spinfunnel.report.panels import (
    INKS,
    INKS_ON_DARK,
    Panel,
    counted,
    extent,
    inks,
    panels,
    side_by_side,
    thin,
    whole_numbers,
)
from spinfunnel.report.schema import finite, rounded
from spinfunnel.report.words import MARKS, cell, facts, percent, short, title, together, told, visible

if TYPE_CHECKING:
    from spinfunnel.report import Report

MARKER = '<meta name="generator" content="spinfunnel">'

#: The outcomes' colours where the page's own style sheet does not reach: legible on light and on dark.
COLOURS = {
    "bad": "#d2491f",
    "warning": "#b8780c",
    "unsure": "#8a78bd",
    "info": "#3f82cc",
    "good": "#1b9a75",
    "": "inherit",
}

#: Of more numbers than these, only so many are shown.
MOST, SHOWN = 9, 6

#: Bytes of pictures of single rows that one page may carry, the rows that stand out first.
PICTURES = 4_000_000


@lru_cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("spinfunnel.report", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )
    templates.filters.update(cell=cell, percent=percent, heading=title, coded=coded, number=number)
    templates.filters.update(together=together)
    templates.globals.update(MARKS=MARKS, colours=COLOURS)
    return templates


def _source(name: str) -> str:
    loader = _templates().loader
    assert loader is not None
    return loader.get_source(_templates(), name)[0]


def page(report: Report) -> str:
    """Give the whole report as HTML."""
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), _source("table.js"), _source("plot.js"), _source("page.js")]
    return (
        _templates()
        .get_template("page.html")
        .render(
            **_context(report),
            marker=Markup(MARKER),
            policy=_policy(scripts),
            style=Markup(_source("page.css")),
            data=Markup(script_safe(_data(report))),
            scripts=[Markup(script) for script in scripts],
        )
    )


def card(report: Report) -> str:
    """Give the summary and the rows that stand out as a fragment of HTML, for a notebook's cell."""
    return _templates().get_template("card.html").render(**_context(report))


def _policy(scripts: list[str]) -> str:
    """Allow these scripts by their hashes and nothing from anywhere else, whatever the data may hold."""
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def coded(text: str) -> Markup:
    """Set what stands between backticks as code.

    >>> coded("See `a<b`.")
    Markup('See <code>a&lt;b</code>.')
    """
    parts = visible(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 and i < len(parts) - 1 else part
        for i, part in enumerate(parts)
    )


def number(value: Number) -> str:
    """Write a number with its error; a count, which has none, as a whole number.

    >>> number(Number(40.0)), number(Number(2.5, error=.1))
    ('40', '2.5 ± 0.1')
    """
    exact = value.low is None and value.high is None and value.error is None
    if exact and math.isfinite(value.value) and value.value == round(value.value):
        return f"{cell(round(value.value))} {value.unit}".strip()
    return str(value)


def script_safe(data: Any) -> str:
    r"""Write JSON that cannot end the script element it stands in.

    >>> script_safe("</script>&\u2028")
    '"\\u003c/script\\u003e\\u0026\\u2028"'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _context(report: Report) -> dict[str, Any]:
    """Give what the templates say in words."""
    order = in_short(report.findings, report.verdicts, worst_come_first=bool(report.tensors))
    ids = {name: f"finding-{i}" for i, name in enumerate(report.findings)}
    chapters = [
        {
            "id": question,
            "question": asked,
            "outcome": worst(
                verdict.outcome
                for name, verdict in report.verdicts.items()
                if report.findings[name].question == question
            )
            or "",
            "findings": [
                {
                    "id": ids[name],
                    "name": name,
                    "finding": found,
                    "verdict": report.verdicts.get(name),
                    **_numbers(found),
                    "doubts": [one for one in found.doubts if not told(one, report.verdicts.get(name))],
                    "others": [other for other in found.tables if other != "layers"],
                }
                for name, found in report.findings.items()
                if found.question == question
            ],
            "missing": [row for row in report.not_run if row["question"] == question],
        }
        for question, asked in QUESTIONS.items()
    ]
    if "system" in report.subject:  # of which nothing was learned, and nothing can be made simpler
        chapters = [one for one in chapters if one["findings"] or one["missing"]]
    count: Counter[str] = Counter(row["status"] for row in report.tensors)
    source = str(report.subject["source"])
    return {
        "report": report,
        "headline": PurePath(source).name or source,
        "facts": facts(report.subject),
        "verdicts": {
            asked: [(name, ids[name], report.verdicts[name]) for name in names]
            for asked, names in order.items()
        },
        "chapters": chapters,
        "account": [
            (status, number, sum(row["share"] for row in report.tensors if row["status"] == status))
            for status, number in sorted(count.items(), key=lambda item: item[0] != "analysed")
        ],
        "recipes": _recipes(report),
        "worst": [
            _worst_rows(name, table)
            for name, table in layer_tables(report.findings).items()
            if worst(outcomes(table)) != "good"
        ],
    }


def _numbers(found: Finding) -> dict[str, list[tuple[str, Number]]]:
    """Divide many numbers: the first are shown, the rest are folded away."""
    given = list(found.numbers.items())
    first = len(given) if len(given) <= MOST else SHOWN
    return {"first": given[:first], "rest": given[first:]}


def _recipes(report: Report) -> dict[str, dict[str, str]]:
    """Give the recipes, once if they are the same for all, without what the page says elsewhere."""
    written = {
        name: {
            key: value if isinstance(value, str) else json.dumps(finite(value))
            for key, value in found.recipe.items()
            if key not in ("versions", "digest") and value is not None
        }
        for name, found in report.findings.items()
    }
    if len({json.dumps(one, sort_keys=True) for one in written.values()}) == 1:
        return {"": next(iter(written.values()))}
    return written


def _worst_rows(name: str, table: Table, most: int = 10) -> dict[str, Any]:
    """Give the head of a layer table, worst rows first, as texts."""
    numbers = [column for column in columns(table) if column.kind != "text"][:5]
    names, words = table.row_names(), outcomes(table)
    labels = table.columns.get("label", [""] * len(table))
    briefly = short([visible(one) for one in names], 44)
    return {
        "name": name,
        "titles": [column.title for column in numbers],
        "rows": [
            (names[i], briefly[i], words[i], labels[i], [c.text(table.columns[c.key][i]) for c in numbers])
            for i in worst_first(table)[:most]
        ],
        "more": max(0, len(table) - most),
    }


def _data(report: Report) -> dict[str, Any]:
    """Give what the page's script draws: tables by columns, panels by row."""
    return {
        "inks": {"light": INKS, "dark": INKS_ON_DARK},
        "marks": MARKS,
        "findings": [
            _finding(name, found, f"finding-{i}") for i, (name, found) in enumerate(report.findings.items())
        ],
        "account": _account(report) if report.tensors else None,
    }


def _account(report: Report) -> dict[str, Any]:
    rows = [
        {
            "name": row["name"],
            "shape": " × ".join(map(str, row["shape"])) or "scalar",
            "dtype": row["dtype"],
            "parameters": row["parameters"],
            "share, %": 100.0 * row["share"],
            "status": row["status"],
            "why": row["reason"],
        }
        for row in report.tensors
    ]
    return _table(Table.of(rows))


def _finding(name: str, found: Finding, id: str) -> dict[str, Any]:
    drawn, data = panels(found), counted(found)
    table = found.tables.get("layers")
    pictures: dict[str, Any] = {}
    room, left_out = PICTURES, 0
    if table:
        names = table.row_names()
        for i in worst_first(table):
            if names[i] not in drawn:
                continue
            if room <= 0:
                left_out += 1
                continue
            pictures[str(i)] = [_panel(one, data) for one in drawn[names[i]]]
            room -= len(json.dumps(pictures[str(i)]))
    return {
        "id": id,
        "name": visible(name),
        "wide": [[_panel(one, data) for one in group] for group in side_by_side(drawn.get("", ()))],
        "layers": _table(table, sparks(found), 26 if pictures else 44) if table else None,
        "others": {
            visible(other): _table(found.tables[other], first="name")
            for other in found.tables
            if other != "layers"
        },
        "panels": pictures,
        "left_out": left_out,
        "images": [
            {"label": visible(one.label), "array": finite(rounded(one.array, 3))} for one in found.images
        ],
    }


def _table(
    table: Table, bars: dict[str, list[int]] | None = None, width: int = 44, first: str = "tensor"
) -> dict[str, Any]:
    shown = columns(table)
    named = "name" in table.columns
    names = table.row_names() if named else [str(i + 1) for i in range(len(table))]
    keys = [key for one in shown for key in (one.key, one.low, one.high, one.error) if key]
    data: dict[str, Any] = {
        "names": (seen := [visible(name) for name in names]),
        "short": short(seen, width),
        "columns": [
            {
                "key": one.key,
                "title": one.title,
                "kind": one.kind,
                "low": one.low,
                "high": one.high,
                "error": one.error,
            }
            for one in shown
        ],
        "cells": {key: _cells(table.columns[key]) for key in keys},
        "first": first if named else "row",
    }
    if "verdict" in table.columns:
        data["outcomes"] = outcomes(table)
        for key in ("label", "reason"):
            data[key] = [visible(word) for word in table.columns.get(key, [""] * len(table))]
    if bars:
        data["sparks"] = ["".join(map(str, bars.get(name, ()))) for name in names]
    return data


def _cells(column: Any) -> list[Any]:
    if column.dtype.kind == "f":
        return finite(rounded(column, 6))  # type: ignore[no-any-return]
    if column.dtype.kind in "iu":
        return column.tolist()  # type: ignore[no-any-return]
    return [cell(value) for value in column]


def _panel(panel: Panel, data: frozenset[str]) -> dict[str, Any]:
    return {
        "title": visible(panel.title),
        "caption": visible(panel.caption),
        "solid": panel.solid,
        "axes": [
            {
                "label": visible(axis.label),
                "log": axis.scale == "log",
                "whole": whole_numbers(panel, i),
                "range": extent(panel, i),
            }
            for i, axis in enumerate(panel.axes)
        ],
        "series": [
            {
                "kind": one.kind,
                "label": visible(one.label),
                "ink": ink,
                "null": null,
                "names": [visible(name) for name in one.names],
                **{
                    key: finite(rounded(array, 5))
                    for key in ("x", "y", "z", "low", "high")
                    if (array := getattr(one, key)) is not None
                },
            }
            for one, ink, null in zip(map(thin, panel.series), inks(panel, data), panel.nulls, strict=True)
        ],
    }
