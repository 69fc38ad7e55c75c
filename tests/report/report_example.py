"""A report made of real spectra, with the nastiest names a weight file may hold, and what must hold of it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser

import numpy as np
import pytest

from spinfunnel.core import Axis, Finding, Image, Number, Series, Table, Verdict
from spinfunnel.report import Report
from spinfunnel.report.words import visible

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "[red]x[/red]",
    "\x1b[31mred\x1b[0m",
    '=HYPERLINK("http://example.com")',
    "-2+3+cmd|' /C calc'!A0",
    "a\nb\tc",
    "abc\u202egnp.exe",
    "層.🧠.weight",
    "$\\frac{1}{0}$<b>&amp;",
    "../../etc/passwd",
    "x" * 1000 + ".weight",
]


def row_series(name: str, eigenvalues: np.ndarray, edge: float) -> list[Series]:
    """The panels an instrument draws of one matrix: a density on log axes, and the tail."""
    density = (Axis("eigenvalue λ", "log"), Axis("density", "log"))
    counts, edges = np.histogram(eigenvalues, np.geomspace(eigenvalues[0], eigenvalues[-1] * 1.001, 33))
    height = counts / counts.sum() / np.diff(edges)
    grid = np.geomspace(edges[0], edge, 60)
    curve = np.sqrt(np.clip((edge - grid) * (grid - edges[0]), 0, None)) / grid
    curve *= np.nanmax(height) / np.nanmax(curve)
    spikes = eigenvalues[eigenvalues > edge]
    rank = np.arange(len(eigenvalues), 0, -1) / len(eigenvalues)
    tail = (Axis("eigenvalue λ", "log"), Axis("share above λ", "log"))
    start = eigenvalues[-20]
    return [
        Series(
            edges, height, label="eigenvalues", axes=density, kind="step", panel="density of it", row=name
        ),
        Series(
            grid, curve, label="random matrix", axes=density, kind="line", panel="density of it", row=name
        ),
        Series(
            np.array([edge]),
            np.array([np.nan]),
            label="edge",
            axes=density,
            kind="vline",
            panel="density of it",
            row=name,
        ),
        Series(
            spikes,
            np.full(len(spikes), height[height > 0].min()),
            label="spikes",
            axes=density,
            kind="scatter",
            panel="density of it",
            row=name,
        ),
        Series(eigenvalues, rank, label="eigenvalues", axes=tail, kind="scatter", panel="tail", row=name),
        Series(
            np.array([start, eigenvalues[-1]]),
            20 / len(rank) * np.array([1, (eigenvalues[-1] / start) ** -2.0]),
            label="power law",
            axes=tail,
            kind="line",
            panel="tail",
            row=name,
        ),
    ]


def make_report(names: list[str], *, size: tuple[int, int] = (48, 80)) -> Report:
    rng = np.random.default_rng(20240611)
    rows, series = [], []
    edge = (np.sqrt(size[0]) + np.sqrt(size[1])) ** 2
    for i, name in enumerate(names):
        matrix = rng.normal(size=size)
        spikes = i % 4
        for k in range(spikes):
            matrix[k, k] += 30.0 + 10 * k
        eigenvalues = np.linalg.eigvalsh(matrix @ matrix.T)
        words = [
            ("good", "structured"),
            ("warning", "like noise"),
            ("unsure", "cannot tell"),
            ("bad", "broken"),
        ]
        outcome, label = words[0] if spikes else words[1 + i // 4 % 3]
        top = float(eigenvalues[-1])
        alpha = float("nan") if i == 5 else float(2 + i * 1.37 % 9)
        rows.append(
            {
                "name": name,
                "depth": i,
                "alpha": alpha,
                "alpha_low": alpha - 0.4,
                "alpha_high": alpha + 0.6,
                "spikes": spikes,
                "largest": -top if i == 7 else top,
                "square": size[0] == size[1],
                "kind": "linear",
                "verdict": outcome,
                "label": label,
                "reason": f"{spikes} eigenvalues above the edge {edge:.1f}",
            }
        )
        series += row_series(name, eigenvalues, edge)
    table = Table.of(rows)
    depth = np.arange(len(names))
    alpha = table.columns["alpha"]
    wide = (Axis("depth"), Axis("α"))
    series += [
        Series(
            depth,
            np.full(len(names), 5.0),
            low=np.full(len(names), 3.0),
            high=np.full(len(names), 9.0),
            label="null, 5–95 %",
            axes=wide,
            kind="band",
            panel="α against depth",
        ),
        Series(
            depth,
            alpha,
            low=alpha - 0.4,
            high=alpha + 0.6,
            label="α",
            axes=wide,
            kind="scatter",
            panel="α against depth",
            names=tuple(names),
        ),
    ]
    bad = int(np.sum(table.columns["verdict"] == "bad"))
    spectra = Finding(
        "spectra",
        "learned",
        numbers={
            "alpha": Number(3.21, low=2.9, high=3.6, level=0.95, kind="bootstrap"),
            "unknown": Number(float("nan")),
        },
        tables={
            "layers": table,
            "pairs": Table.of(
                [{"first": names[0], "overlap": -0.25}, {"first": "b", "overlap": float("inf")}]
            ),
        },
        series=tuple(series),
        images=(Image(rng.random((6, 7)), "a field <i>"),),
        doubts=(f"the tail of {names[0]} is short",),
        recipe={"seed": 0, "effort": "normal", "given": {"only": []}, "versions": {"numpy": np.__version__}},
    )
    entries = Finding(
        "entries",
        "learned",
        tables={
            "layers": Table.of(
                [
                    {
                        "name": name,
                        "dead": np.int64(i),
                        "verdict": "info" if i == 2 else "good",
                        "label": "zeros" if i == 2 else "fine",
                        "reason": "",
                    }
                    for i, name in enumerate(names)
                ]
            )
        },
        recipe=spectra.recipe,
    )
    account = [
        {
            "name": name,
            "shape": [48, 80],
            "dtype": "float32",
            "parameters": 3840,
            "share": 0.99 / len(names),
            "status": "analysed",
            "reason": "",
        }
        for name in names
    ]
    account.append(
        {
            "name": "bias",
            "shape": [48],
            "dtype": "float32",
            "parameters": 48,
            "share": 0.01,
            "status": "skipped",
            "reason": "a vector",
        }
    )
    return Report(
        {
            "source": "model<b>.safetensors",
            "format": "safetensors",
            "parameters": 3840 * len(names) + 48,
            "matrices": len(names),
            "digest": "0123456789abcdef" * 4,
            "notes": ["optimiser state left out"],
        },
        account,
        {"spectra": spectra, "entries": entries},
        {
            "spectra": Verdict(
                "bad" if bad else "good",
                "mixed",
                f"{bad} of {len(names)} matrices are broken.",
                "Look at the rows below.",
                (f"worst: {names[0]}", "edge at 225"),
            ),
            "entries": Verdict("info", "fine", "The entries are fine, but for one matrix of zeros."),
        },
        [{"instrument": "entries", "where": HOSTILE[0], "error": "ZeroDivisionError: division by zero"}],
        [{"instrument": "ruggedness", "question": "landscape", "needs": "data", "how": "give a task.py"}],
        {"python": "3.11", "spinfunnel": "0.1.0"},
    )


@contextmanager
def launched():
    """A headless Chromium; without one the test is skipped by name, or fails if REQUIRE_BROWSER=1."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1, and there is no chromium")
        pytest.skip("chromium is absent")
    sync = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


class Seen(HTMLParser):
    """What a browser makes of a page: elements, their attributes, and the text of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.text.append(data)


def check_page_holds_names_as_text(html: str, report: Report) -> None:
    """No name becomes an element, an attribute that acts, or the end of a script; all are there to read."""
    page = Seen(html)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 5, "one block of data, and four scripts of our own"
    assert not {"img", "iframe", "object", "embed"} & set(tags)
    for tag, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
        for key in ("src", "href", "action", "data"):
            assert (attributes.get(key) or "#").startswith("#"), (tag, attributes)
    data = json.loads(page.scripts[0])
    wanted = [visible(name) for name in report["spectra"].tables["layers"].columns["name"]]
    assert data["findings"][0]["layers"]["names"] == wanted
    assert "model<b>.safetensors" in page.text


def check_terminal_shows_no_control(text: str) -> None:
    """Nothing but line ends may act on the terminal, and rich's marks are shown, not obeyed."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "[red]x[/red]" in text
    assert "\\x1b[31m" in text


def check_sheet_runs_nothing(text: str) -> None:
    """No cell begins a formula, and what was a number still is one."""
    rows = list(csv.reader(io.StringIO(text)))
    numbers = 0
    for row in rows:
        for cell in row:
            try:
                float(cell)
                numbers += 1
            except ValueError:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
    assert numbers > 20
    assert any(cell.startswith("-") for row in rows for cell in row), "negative numbers stay numbers"


def check_json_is_json(report: Report) -> None:
    """Strict JSON, null where a number is not finite, and a doubt that says where."""
    from spinfunnel.report.schema import dumps

    finding = json.loads(dumps(report.json()), parse_constant=lambda word: 1 / 0)["findings"][0]
    assert finding["tables"]["layers"]["alpha"][5] is None
    assert finding["tables"]["pairs"]["overlap"] == [-0.25, None]
    assert finding["numbers"]["unknown"]["value"] is None
    doubt = next(doubt for doubt in finding["doubts"] if "not finite" in doubt)
    for place in ("layers.alpha (1)", "pairs.overlap (1)", "unknown (1)"):
        assert place in doubt


def check_table_sorts_numbers(host) -> None:
    """By value, not by letters: the largest first, what is unknown last in both directions."""

    def column(nth):
        return host.locator(f".list tbody td:nth-child({nth})").all_inner_texts()

    host.locator(".list th button[data-key=largest]").click()
    values = [float(text) for text in column(7)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < -1000 < 1000 < values[0], "1000 is more than 900, whatever the letters say"
    assert any(100 < value < 1000 for value in values)
    head = host.locator(".list th button[data-key=alpha]")
    head.click()
    assert column(5)[-1] == "–"
    values = [float(text) for text in column(5)[:-1]]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 > values[-1], "10 is more than 9"
    head.press("Enter")
    assert column(5)[-1] == "–"
    assert [float(text) for text in column(5)[:-1]] == sorted(values)
    assert host.locator(".list th[aria-sort=ascending]").count() == 1


def check_names_made_no_elements(page) -> None:
    """What the page's script wrote is text: the names' own marks are there to read."""
    assert page.locator("main img, main script, main td b").count() == 0
    assert HOSTILE[1] in page.locator(".finding .list").nth(1).text_content()
