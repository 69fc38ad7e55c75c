"""The terminal: worst first, as wide as it is, readable without colour, deaf to hostile names."""

import io
from dataclasses import replace

import numpy as np
import pytest
from report_example import HOSTILE, check_terminal_shows_no_control, make_report
from rich.cells import cell_len
from rich.console import Console

from spinfunnel.core import Finding, Verdict
from spinfunnel.report.layers import in_short
from spinfunnel.report.terminal import text


def test_hostile_names_do_nothing(report):
    check_terminal_shows_no_control(str(report))
    check_terminal_shows_no_control(text(report, 80))


def test_colour_only_where_there_is_a_terminal(report, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    report.print(Console(file=out, force_terminal=True, color_system="standard", width=90))
    assert "\x1b[1;31m✖ bad" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    report.print(Console(file=out, force_terminal=True, width=90))
    assert "\x1b[31m" not in out.getvalue()
    assert "\x1b[1;31m" not in out.getvalue()
    assert "✖ bad" in out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_nothing_is_wider_than_the_terminal(report, width):
    lines = text(report, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    rows = [line for line in lines if " like noise " in line + " "]
    assert rows, "labels are shown at any width"


def test_wider_terminals_show_more_numbers(report):
    heads = [
        next(line for line in text(report, w).splitlines() if line.startswith("matrix")) for w in (80, 160)
    ]
    assert len(heads[1].split()) > len(heads[0].split())


def test_worst_first_then_in_order_of_depth(report):
    lines = str(report).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("matrix"))
    marks = [next(mark for mark in "✖▲?◆●" if mark in line) for line in lines[start + 1 : start + 13]]
    assert marks == sorted(marks, key="✖▲?◆●".index)
    assert lines.index(next(x for x in lines if "bad" in x)) < lines.index(
        next(x for x in lines if "info" in x)
    )


def test_long_tables_are_cut_and_say_so():
    shown = str(make_report([f"layers.{i}.weight" for i in range(40)]))
    assert "+ 28 more (" in shown
    assert "28 good)" in shown
    assert "matrix (….weight)" in shown


def test_account_doubts_failures_and_what_was_not_run(report):
    shown = str(report)
    assert "tensors: 12 analysed (99 %) · 1 skipped (1 %)" in shown
    assert "doubt: spectra: the tail of <script>alert(1)</script> is short" in shown
    assert "failed: entries · <script>alert(1)</script> · ZeroDivisionError: division by zero" in shown
    assert "not run: Glass or funnel? ruggedness: give a task.py" in shown
    assert "▇" in shown


def test_what_several_instruments_doubt_is_said_once_and_hangs(report):
    findings = {
        name: replace(one, doubts=("it was seen on few examples",)) for name, one in report.findings.items()
    }
    lines = text(replace(report, findings=findings), 44).splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("doubt: ")]
    said = " ".join(line.strip() for line in lines[at : at + 3])
    assert f"doubt: {', '.join(findings)}: it was seen on few examples" in said
    assert lines[at + 1].startswith(" " * len("doubt: "))


def test_many_verdicts_are_counted_first(report):
    many = {str(i): Verdict("bad" if i < 2 else "good", "", "So.") for i in range(5)}
    findings = {name: Finding(name, "learned") for name in many}
    lines = text(replace(report, findings=findings, verdicts=many)).splitlines()
    assert "✖ 2 bad · ● 3 good" in lines
    assert not any("bad ·" in line or "good ·" in line for line in str(report).splitlines())


def test_a_terminal_without_unicode(report):
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    report.print(Console(file=out, width=90))
    out.flush()
    assert b"bad" in raw.getvalue()
    assert b"structured" in raw.getvalue()


def test_unjudged_and_unknown(report):
    from spinfunnel.core import Finding, Table
    from spinfunnel.report import Report

    table = Table.of([{"name": "a", "alpha": np.nan}, {"name": "b", "alpha": 2.5}])
    shown = str(Report(report.subject, [], {"x": Finding("x", "learned", tables={"layers": table})}))
    assert "–" in shown
    assert "2.50" in shown


def test_long_names_keep_what_tells_them_apart():
    from spinfunnel.report.words import short

    names = [f"model.language_model.layers.{i}.self_attn.{p}_proj.weight" for i in range(30) for p in "qkvo"]
    for width in (20, 30, 40):
        assert len(set(short(names, width))) == len(names)
        assert max(map(len, short(names, width))) <= width
    assert max(map(len, short(HOSTILE, 30))) <= 30


def test_of_a_task_verdicts_stand_under_their_questions(task_report, report):
    lines = text(task_report, 80).splitlines()
    heads = [line for line in lines if line.endswith("?") and not line.startswith(" ")]
    assert heads == ["What did it learn?", "Glass or funnel?", "How did training get there?"]
    places = [lines.index(next(line for line in lines if line.startswith(f"  {name}"))) for name in
              ("entries", "spectra", "curved", "sliced", "moved")]  # fmt: skip
    assert places == sorted(places)
    assert places[1] < lines.index("Glass or funnel?") < places[2]
    assert "What did it learn?" not in text(report, 80).splitlines(), "two chapters need no headings"


def test_what_nobody_could_tell_stands_behind_what_was_found():
    found = {name: Finding(name, "landscape") for name in ("a", "b", "c")}
    outcomes = dict(zip(found, ("unsure", "good", "info"), strict=True))
    said = {name: Verdict(outcome, "", "") for name, outcome in outcomes.items()}
    assert in_short(found, said, worst_come_first=True) == {"": ["c", "a", "b"]}
    assert in_short(found, said, worst_come_first=False) == {"": ["a", "b", "c"]}


def test_rows_that_nothing_judged_are_left_out_where_others_were(task_report):
    shown = text(task_report, 80)
    assert "hidden1" in shown
    assert "bias" not in shown[shown.index("matrix") :]
    alone = replace(task_report, findings={"curved": task_report["curved"]}, verdicts={})
    assert "hidden1.bias" in text(alone, 80)
