"""The page as text: escaped, whole, with no address in it. What a browser makes of it: test_browser.py."""

import json
import re

import pytest
from report_example import HOSTILE, Seen, check_page_holds_names_as_text, make_report

from spinfunnel.report import page as pages
from spinfunnel.report.words import visible


@pytest.fixture(scope="module")
def html(report):
    return pages.page(report)


def test_names_are_text(html, report):
    check_page_holds_names_as_text(html, report)


def test_nothing_is_fetched(html):
    policy = next(a["content"] for _, a in Seen(html).elements if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    own = html[: html.index("<script>")] + "".join(
        pages._source(f"{n}.js") for n in ("table", "plot", "page")
    )
    assert re.findall(r"https?://[^\s\"'<\\]+", own.replace("http://example.com", "")) == [
        "http://www.w3.org/2000/svg"
    ]
    assert "innerHTML" not in own
    assert "url(" not in own


def test_small_enough_to_send(html):
    assert len(html) < 6_000_000


def test_every_chapter_is_there_and_the_empty_ones_say_why(html):
    text = " ".join(" ".join(Seen(html).text).split())
    for question in (
        "What did it learn?",
        "Glass or funnel?",
        "Can it be simpler?",
        "How wrong can it be?",
        "How did training get there?",
    ):
        assert text.count(question) == 2
    assert "ruggedness : not run. Needs data; give a task.py" in text
    assert text.count("Nothing was measured here") == 3


def test_the_data_is_enough_to_draw(html):
    data = json.loads(Seen(html).scripts[0])
    first = data["findings"][0]
    assert [panel["title"] for panel in first["panels"]["0"]] == ["density of it", "tail"]
    kinds = {
        series["kind"]
        for panels in first["panels"].values()
        for panel in panels
        for series in panel["series"]
    }
    assert kinds == {"step", "line", "vline", "scatter"}
    assert first["wide"][0][0]["series"][1]["names"] == [visible(name) for name in HOSTILE]
    assert first["wide"][0][0]["series"][1]["y"][5] is None
    assert first["layers"]["cells"]["alpha"][5] is None
    assert [c["low"] for c in first["layers"]["columns"] if c["key"] == "alpha"] == ["alpha_low"]
    heights = first["panels"]["0"][0]["series"][0]["y"]
    assert all(float(f"{height:.5g}") == height for height in heights), "no more digits than can be seen"


def test_one_law_has_one_colour_in_every_row(html):
    data = json.loads(Seen(html).scripts[0])
    inks = {
        (series["kind"], series["ink"])
        for panels in data["findings"][0]["panels"].values()
        for panel in panels
        for series in panel["series"]
        if series["kind"] in ("step", "line", "vline")
    }
    assert len(inks) == 3


def test_many_rows_keep_the_pictures_of_the_worst(monkeypatch):
    many = make_report([f"layer.{i}" for i in range(60)])
    monkeypatch.setattr(pages, "PICTURES", 60_000)
    first = pages._data(many)["findings"][0]
    assert first["left_out"] == 60 - len(first["panels"]) > 20
    table = many["spectra"].tables["layers"]
    judged = [table.columns["verdict"][int(row)] for row in first["panels"]]
    assert judged[0] == "bad"
    assert set(judged) >= {"bad", "warning", "unsure"}


def test_a_range_is_that_of_the_data_not_of_a_curve_over_it(report):
    from spinfunnel.report.panels import extent, panels

    panel = panels(report["spectra"])[HOSTILE[0]][0]
    low, high = extent(panel, 1)
    heights = panel.series[0].y
    assert low < heights[heights > 0].min() < heights.max() < high
    assert low > heights[heights > 0].min() / 2
    assert extent(panel, 0)[1] > panel.series[2].x[0], "the edge is inside"


def test_the_card_for_a_notebook(report):
    card = report._repr_html_()
    seen = Seen(card)
    assert {tag for tag, _ in seen.elements} <= {
        "div",
        "style",
        "p",
        "b",
        "br",
        "small",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
    }
    assert len(card) < 30_000
    assert "+ 2 more:" in " ".join(seen.text)
    assert HOSTILE[0] in seen.text


def test_of_a_task_the_summary_has_chapters_too(task_report, html):
    page = Seen(pages.page(task_report))
    text = " ".join(" ".join(page.text).split())
    summary = text[text.index("In short") : text.index("Every matrix")]
    places = [summary.index(word) for word in ("What did it learn?", "spectra", "Glass or funnel?", "curved",
              "sliced", "How did training get there?", "moved")]  # fmt: skip
    assert places == sorted(places), "by chapter, then the worst first"
    assert "Can it be simpler?" not in summary
    assert "26.1 k parameters, 26.0 k of them free" in text
    assert "loss on 1 024 examples" in text, "with a thin space"
    assert "Needs data; a later version" in text
    once = " ".join(" ".join(Seen(html).text).split())
    assert "What did it learn?" not in once[once.index("In short") : once.index("Every matrix")]
