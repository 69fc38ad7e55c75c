"""Planted bugs in the report: each must turn a check of tests/report red."""

import json
import sys
from pathlib import Path

import jinja2
import pytest
from rich.text import Text

from spinfunnel.report import page, schema, tables, terminal

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from report_example import (
    HOSTILE,
    check_json_is_json,
    check_names_made_no_elements,
    check_page_holds_names_as_text,
    check_sheet_runs_nothing,
    check_table_sorts_numbers,
    check_terminal_shows_no_control,
    launched,
    make_report,
)


@pytest.fixture(scope="module")
def report():
    return make_report(HOSTILE)


def test_a_template_without_escapes(report, monkeypatch):
    right = page._templates()
    wrong = right.overlay(autoescape=False)
    assert isinstance(wrong, jinja2.Environment)
    check_page_holds_names_as_text(page.page(report), report)
    monkeypatch.setattr(page, "_templates", lambda: wrong)
    with pytest.raises(AssertionError):
        check_page_holds_names_as_text(page.page(report), report)


def test_json_that_ends_its_script(report, monkeypatch):
    monkeypatch.setattr(page, "script_safe", json.dumps)
    with pytest.raises((AssertionError, json.JSONDecodeError)):
        check_page_holds_names_as_text(page.page(report), report)


@pytest.mark.parametrize("mutant", ["controls", "markup"])
def test_a_terminal_that_obeys_names(report, monkeypatch, mutant):
    check_terminal_shows_no_control(str(report))
    if mutant == "controls":
        monkeypatch.setattr(terminal, "visible", str)
    else:
        monkeypatch.setattr(
            terminal, "Text", lambda text="", style="", **_: Text.from_markup(text, style=style)
        )
    with pytest.raises(AssertionError):
        check_terminal_shows_no_control(str(report))


@pytest.mark.parametrize("mutant", ["nothing escaped", "negative numbers escaped too"])
def test_a_sheet_that_runs_names_or_spoils_numbers(report, monkeypatch, mutant):
    check_sheet_runs_nothing(tables.sheets(report)["spectra-layers.csv"])
    wrong = {
        "nothing escaped": lambda value: value,
        "negative numbers escaped too": lambda value: f"'{value}" if str(value)[:1] in "=+-@" else value,
    }[mutant]
    monkeypatch.setattr(tables, "harmless", wrong)
    with pytest.raises(AssertionError):
        check_sheet_runs_nothing(tables.sheets(report)["spectra-layers.csv"])


@pytest.mark.parametrize("mutant", ["nan kept", "null without a doubt"])
def test_json_with_nan_or_with_a_silent_null(report, monkeypatch, mutant):
    check_json_is_json(report)
    right = schema.finite

    def wrong(value, lost=None, place=""):
        if mutant == "null without a doubt":
            return right(value)
        return value.tolist() if hasattr(value, "tolist") else right(value)

    monkeypatch.setattr(schema, "finite", wrong)
    with pytest.raises((ValueError, StopIteration)):
        check_json_is_json(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('typeof a === "number" ? a - b', "false ? 0"),
        ("if (a === null || b === null)", "if (false)"),
        ('letters.slice(at).join(""))', 'Object.assign(element("i"), { innerHTML: name }))'),
    ],
    ids=["numbers sorted by letters", "unknown sorted as zero", "names written as HTML"],
)
def test_a_script_that_sorts_or_writes_wrongly(report, monkeypatch, tmp_path, right, wrong):
    source = page._source
    assert right in source("table.js")
    monkeypatch.setattr(page, "_source", lambda name: source(name).replace(right, wrong))
    file = report.html(tmp_path / "r.html")
    with launched() as browser:
        shown = browser.new_page()
        shown.goto(file.as_uri())
        with pytest.raises(AssertionError):  # noqa: PT012
            check_names_made_no_elements(shown)
            check_table_sorts_numbers(shown.locator(".finding").first)
