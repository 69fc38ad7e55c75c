"""Figures: one file a panel, in a paper's column, whatever the tensors are called."""

import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from report_example import make_report

from spinfunnel.core import Axis, BadInput, Finding, Series
from spinfunnel.report import Report


def report_of(*series: Series) -> Report:
    return replace(make_report(["a"]), findings={"f": Finding("f", "landscape", series=series)}, verdicts={})


def test_every_panel_of_a_hostile_row(report, tmp_path):
    rows = {"", *[one.row for one in report["spectra"].series if one.row][::36][:2]}
    some = replace(report["spectra"], series=tuple(s for s in report["spectra"].series if s.row in rows))
    paths = replace(report, findings={"spectra": some}).figures(tmp_path)
    assert len(set(paths)) == len(paths) == 2 * (len(rows) - 1) + 2
    for path in paths:
        assert path.parent == tmp_path
        assert len(path.name) < 140
        assert path.name.isascii()
        root = ET.fromstring(path.read_text())
        assert float(root.get("width").removesuffix("pt")) == pytest.approx(3.4 * 72)


def test_the_name_that_was_is_in_the_figure(report, tmp_path):
    names = ["$\\frac{1}{0}$<b>&amp;", "層.🧠.weight"]
    for name, shown in zip(names, ["$\\frac{1}{0}$<b>&amp;", "\\u5c64.🧠.weight"], strict=True):
        series = tuple(
            replace(s, row=name) for s in make_report(["a"])["spectra"].series if s.panel == "tail"
        )
        (path,) = report_of(*series).figures(tmp_path / name[-5:])
        text = "".join(ET.fromstring(path.read_text()).itertext())
        assert shown.replace("🧠", "") in text.replace("🧠", "").replace("\\U0001f9e0", "")


def test_pdf_embeds_type_42(tmp_path, report):
    series = tuple(s for s in make_report(["a"])["spectra"].series if not s.row)
    (path,) = report_of(*series).figures(tmp_path, "pdf")
    assert path.read_bytes().startswith(b"%PDF")
    assert b"/Type3" not in path.read_bytes()


def test_every_kind_of_series_can_be_drawn(tmp_path):
    x, y = np.linspace(1, 2, 5), np.linspace(1, 3, 5)
    three = (Axis("x"), Axis("y"), Axis("z"))
    kinds = {
        "line": Series(x, y),
        "step": Series(np.linspace(0, 2, 6), y, kind="step"),
        "band": Series(x, y, low=y - 1, high=y + 1, kind="band"),
        "scatter": Series(x, y, low=y - 1, high=y + 1, kind="scatter"),
        "scatter3d": Series(x, y, z=y, kind="scatter3d", axes=three),
        "surface": Series(x, y[:4], z=np.outer(y[:4], x), kind="surface", axes=three),
        "tree": Series(x, np.array([1, 2, np.nan, 2, 1]), kind="tree"),
        "vline": Series(x[:2], y[:2], kind="vline", label="here"),
    }
    drawn = [replace(series, panel=kind) for kind, series in kinds.items()]
    paths = report_of(*drawn).figures(tmp_path)
    assert [path.stem for path in paths] == [f"f-{kind}" for kind in kinds]
    blank = report_of(Series(np.array([]), np.array([]), panel="blank")).figures(tmp_path)[0]
    for path in paths:
        assert len(path.read_bytes()) > len(blank.read_bytes()) + 100, path.name
    assert len(report_of(*drawn).html(tmp_path / "r.html").read_text()) > 4e6


def test_without_matplotlib(report, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=r'pip install "spinfunnel\[figures\]"'):
        report.figures(tmp_path)


def test_an_unknown_format(report, tmp_path):
    with pytest.raises(BadInput, match="'gif': the formats are svg and pdf"):
        report.figures(tmp_path, "gif")
    assert list(tmp_path.iterdir()) == []


def test_the_users_settings_are_neither_used_nor_changed(tmp_path):
    import matplotlib

    report = report_of(Series(np.arange(3), np.arange(3), panel="p"))
    first = report.figures(tmp_path / "a")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert report.figures(tmp_path / "b")[0].read_bytes() == first
        assert matplotlib.rcParams["font.size"] == 30
