"""The report in a terminal: verdicts in plain sentences, then the rows that stand out, worst first."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from spinfunnel.core import OUTCOMES, QUESTIONS, Finding, Table
from spinfunnel.report.layers import (
    columns,
    in_short,
    layer_tables,
    outcomes,
    severity,
    sparks,
    worst,
)
from spinfunnel.report.words import (
    MARKS,
    ending,
    facts,
    middle,
    percent,
    short,
    title,
    together,
    told,
    visible,
)

if TYPE_CHECKING:
    from spinfunnel.report import Report

#: Colours that a 16-colour terminal has; the mark before each word says the same without them.
STYLES = {"bad": "bold red", "warning": "yellow", "unsure": "magenta", "info": "cyan", "good": "green"}
BARS = " ▁▂▃▄▅▆▇█"
ROWS = 12
#: More verdicts than these are counted first.
FEW = 3
#: Tables of a system that are shown; the rest are named.
TABLES = 2


def show(report: Report, console: Console | None = None) -> None:
    """Print the report; a terminal that has only ASCII gets question marks for the rest."""
    console = console or Console(highlight=False)
    body = Group(*_parts(report, console.width))
    if console.options.ascii_only:
        console.out(text(report, console.width).encode("ascii", "replace").decode(), end="", highlight=False)
    else:
        console.print(body, highlight=False)


def text(report: Report, width: int = 100) -> str:
    """Give what `show` prints, without colour."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(Group(*_parts(report, width)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _parts(report: Report, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = [_head(report), ""]
    order = in_short(report.findings, report.verdicts, worst_come_first=bool(report.tensors))
    column = max(12, *(cell_len(one) + 2 for one in report.verdicts), 0)
    for asked, names in order.items():
        if asked:
            parts += [Text(asked, style="bold underline"), ""]
        for name in names:
            parts += [_verdict(name, report, column), ""]
    tables = layer_tables(report.findings)
    if tables:
        parts += [_layers(report.findings, tables, width), ""]
    elif not report.tensors:
        tabled = [
            (name, key, table)
            for name, found in report.findings.items()
            for key, table in [*found.tables.items()][:1]
        ]
        for name, key, table in tabled[:TABLES]:
            parts += [_numbered(name, key, table, width), ""]
        if rest := [name for name, _, _ in tabled[TABLES:]]:
            said = f"tables of {', '.join(rest)}: --only NAME shows them, --out DIR keeps all"
            parts += [_hanging("more", visible(said), "dim"), ""]
    parts += [*_account(report), *_doubts(report), *_failed(report), *_not_run(report)]
    return parts


def _head(report: Report) -> Text:
    subject = report.subject
    head = Text(visible(subject["source"]), style="bold")
    head.append(f"\n{' · '.join(facts(subject))}", style="dim not bold")
    for note in subject.get("notes", ()):
        head.append(f"\n{visible(note)}", style="dim not bold")
    if len(report.verdicts) > FEW:
        count = Counter(verdict.outcome for verdict in report.verdicts.values())
        for i, outcome in enumerate(outcome for outcome in OUTCOMES if count[outcome]):
            head.append(" · " if i else "\n", "dim not bold")
            head.append(f"{MARKS[outcome]} {count[outcome]} {outcome}", STYLES[outcome])
    if report.interrupted:
        head.append("\nInterrupted: what follows is incomplete.", style="yellow")
    return head


def _verdict(name: str, report: Report, column: int) -> RenderableType:
    verdict = report.verdicts[name]
    style = STYLES[verdict.outcome]
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(width=column)
    grid.add_column(ratio=1)
    body = Text(visible(verdict.sentence))
    if verdict.evidence:
        body.append("\n" + " · ".join(visible(one) for one in verdict.evidence), style="dim")
    if verdict.advice:
        body.append("\n→ " + visible(verdict.advice), style="italic")
    left = Text(f"{MARKS[verdict.outcome]} {verdict.outcome}", style=style)
    left.append(f"\n  {visible(name)}", style="dim not bold")
    grid.add_row(left, body)
    return grid


def _layers(findings: dict[str, Finding], tables: dict[str, Table], width: int) -> RenderableType:
    """One line a matrix: its worst outcome, the words that say so, its first histogram, a few numbers."""
    rows = _matrices(tables)
    names = sorted(rows, key=lambda name: severity(worst(o for _, o, _ in rows[name]) or ""))
    shown = names[:ROWS]
    said = [_said(rows[name]) for name in shown]
    bars = {row: bar for found in reversed(findings.values()) for row, bar in sparks(found).items()}
    seen = [visible(name) for name in shown]
    head = f"matrix (…{end})" if (end := ending(seen)) else "matrix"
    least = max(cell_len(head), min(max(map(cell_len, short(seen, 40))), max(26, width // 3)))
    label = min(24, max(len(word) for word, _ in said))
    room = width - least - 2 - label - (18 if bars else 0)
    numbers = _numbers(next(iter(tables.values())), shown, room)
    room -= sum(2 + max(map(cell_len, [heading, *values])) for heading, values in numbers)
    names_short = short(seen, least + room)

    grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column(Text(head), no_wrap=True)
    grid.add_column("", no_wrap=True)
    if bars:
        grid.add_column(Text(_panel(findings)), no_wrap=True, width=16)
    for heading, _ in numbers:
        grid.add_column(Text(heading), justify="right", no_wrap=True)
    for i, (word, outcome) in enumerate(said):
        line = [Text(names_short[i]), Text(middle(word, label), STYLES.get(outcome, ""))]
        if bars:
            line.append(Text("".join(BARS[level] for level in bars.get(shown[i], ())), "blue"))
        grid.add_row(*line, *(Text(values[i]) for _, values in numbers))
    if len(names) <= ROWS:
        return grid
    rest = Counter(worst(o for _, o, _ in rows[name]) or "not judged" for name in names[ROWS:])
    kinds = ", ".join(f"{count} {word}" for word, count in rest.items())
    return Group(grid, Text(f"+ {len(names) - ROWS} more ({kinds}): see the HTML report, or --json", "dim"))


def _numbered(instrument: str, key: str, table: Table, width: int) -> RenderableType:
    """Show a table that is not of layers: twelve of its rows, evenly spread, and the columns that fit."""
    shown = np.unique(np.linspace(0, max(0, len(table) - 1), ROWS).round().astype(int))[: len(table)]
    grid = Grid(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim",
        title=Text(visible(f"{instrument}: {title(key)}"), "bold"), title_justify="left",
    )  # fmt: skip
    room, texts = width, []
    for column in columns(table):
        values = [column.of(table, i, 4) for i in shown]
        room -= 2 + max(map(cell_len, [column.title, *values]))
        if room < 0:
            break
        side: Any = "left" if column.kind == "text" else "right"
        grid.add_column(Text(column.title), justify=side, no_wrap=True)
        texts.append(values)
    for row in zip(*texts, strict=True):
        grid.add_row(*map(Text, row))
    return grid


def _numbers(table: Table, names: list[str], room: int) -> list[tuple[str, list[str]]]:
    """Give as many of the first numeric columns as fit into `room` cells: (head, values)."""
    at = {name: i for i, name in enumerate(table.row_names())}
    found = []
    for column in columns(table):
        values = [column.text(table.columns[column.key][at[name]]) if name in at else "" for name in names]
        room -= 2 + max(map(cell_len, [column.title, *values]))
        if room < 0 or column.kind == "text":
            break
        found.append((column.title, values))
    return found


def _matrices(tables: dict[str, Table]) -> dict[str, list[tuple[str, str, str]]]:
    """Give what every instrument says of each matrix, (instrument, outcome, label), in order of depth.

    Rows that nothing judged, such as biases of which something was measured, are left out where others were.
    """
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for instrument, table in tables.items():
        labels = table.columns.get("label", [""] * len(table))
        for name, outcome, label in zip(table.row_names(), outcomes(table), labels, strict=True):
            rows.setdefault(name, []).append((instrument, outcome, str(label)))
    judged = {name: said for name, said in rows.items() if any(outcome for _, outcome, _ in said)}
    return judged or rows


def _said(words: list[tuple[str, str, str]]) -> tuple[str, str]:
    outcome = worst(outcome for _, outcome, _ in words)
    if outcome is None:
        return "", ""
    labels = list(dict.fromkeys(label for _, its, label in words if its == outcome and label))
    if outcome == "good":  # all is well: what the first instrument says is enough
        labels = labels[:1]
    return f"{MARKS[outcome]} {visible(', '.join(labels))}".strip(), outcome


def _panel(findings: dict[str, Finding]) -> str:
    steps = (
        one.panel for found in findings.values() for one in found.series if one.kind == "step" and one.row
    )
    return visible(next(steps, ""))


def _account(report: Report) -> list[RenderableType]:
    count: Counter[str] = Counter()
    share: Counter[str] = Counter()
    for row in report.tensors:
        count[row["status"]] += 1
        share[row["status"]] += row["share"]
    if not count:
        return []
    said = [f"{number} {status} ({percent(share[status])})" for status, number in count.most_common()]
    return [Text(visible("tensors: " + " · ".join(sorted(said, key=lambda s: " analysed" not in s))), "dim")]


def _doubts(report: Report) -> list[RenderableType]:
    """Say what was not said beside the verdicts, and once what several instruments doubt."""
    names: dict[str, list[str]] = {}
    for name, found in report.findings.items():
        verdict = report.verdicts.get(name)
        for doubt in found.doubts:
            if not told(doubt, verdict) and (verdict is None or doubt not in verdict.evidence):
                names.setdefault(doubt, []).append(name)
    return [
        _hanging("doubt", visible(f"{', '.join(found)}: {doubt}"), "magenta")
        for doubt, found in names.items()
    ]


def _failed(report: Report) -> list[RenderableType]:
    return [
        _hanging(
            "failed",
            visible(" · ".join(filter(None, (row["instrument"], row["where"], row["error"])))),
            "red",
        )
        for row in together(report.failed)
    ]


def _not_run(report: Report) -> list[RenderableType]:
    """Say once what instruments that lack the same have in common."""
    names: dict[tuple[str, str], list[str]] = {}
    for question, asked in QUESTIONS.items():
        for row in report.not_run:
            if row["instrument"] and row["question"] == question:
                names.setdefault((asked, row["how"]), []).append(row["instrument"])
    return [
        _hanging("not run", visible(f"{asked} {', '.join(found)}: {how}"), "dim")
        for (asked, how), found in names.items()
    ]


def _hanging(word: str, said: str, style: str) -> RenderableType:
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(Text(f"{word}:", style), Text(said, style))
    return grid
