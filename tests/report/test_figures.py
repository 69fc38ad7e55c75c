"""Figures: one file a panel, in a paper's column, whatever the tensors are called."""

import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report_example import make_report

from spinfunnel.core import Axis, BadInput, Finding, Series
from spinfunnel.report import Report
from spinfunnel.report.figures import COLUMN, _draw
from spinfunnel.report.panels import INKS, NULL, Panel


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
        "hline": Series(x[:2], y[:2], kind="hline", label="above"),
    }
    drawn = [replace(series, panel=kind) for kind, series in kinds.items()]
    paths = report_of(*drawn).figures(tmp_path)
    assert [path.stem for path in paths] == [f"f-{kind}" for kind in kinds]
    blank = report_of(Series(np.array([]), np.array([]), panel="blank")).figures(tmp_path)[0]
    for path in paths:
        assert len(path.read_bytes()) > len(blank.read_bytes()) + 100, path.name
    assert len(report_of(*drawn).html(tmp_path / "r.html").read_text()) > 4e6


def test_of_many_points_what_is_known_is_a_ribbon():
    from matplotlib.collections import LineCollection, PolyCollection

    kinds = []
    for count in (20, 200):
        x = np.linspace(0, 1, count)
        figure = Figure(figsize=COLUMN)
        _draw(figure, Panel("p", "", (Series(x, x, low=x - 1, high=x + 1),)), frozenset(), {})
        kinds.append([type(one) for one in figure.axes[0].collections])
    assert kinds[0] == [LineCollection]
    assert issubclass(kinds[1][0], PolyCollection)


def test_a_path_is_drawn_on_its_surface(task_report, tmp_path):
    paths = task_report.figures(tmp_path / "both")
    text = next(path for path in paths if path.stem == "sliced-plane-of-training").read_text()
    assert INKS[2] in text, "the path"
    assert INKS[3] in text, "where it ends"


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


def landscape_series(label="basin 1"):
    """Ends of anneals as instruments give them: points in space, a veil over them, a tree, and A(τ)."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 30))
    grid = np.linspace(-2, 2, 12)
    deep = np.add.outer(grid**2, grid**2)
    deep[0, 0] = np.nan
    space = (Axis("one way"), Axis("another"), Axis("energy per spin", low=-1.0, high=9.0))
    x_tree, y_tree = np.array([0, 0, 0.5, np.nan, 1, 1, 0.5]), np.array([-1, 0, 0.5, np.nan, -0.5, 0, 0.5])
    bare = (Axis(""), Axis("energy"))
    times, overlap = 10.0 ** np.arange(1, 5), np.array([0.2, 0.4, 0.7, 0.9])
    return (
        Series(x, y, z=x**2 + y**2, label=label, axes=space, kind="scatter3d", panel="funnel"),
        Series(x, y, z=x**2 + y**2, label=label, axes=space, kind="scatter3d", panel="veiled"),
        Series(grid, grid, z=deep, axes=space, kind="surface", panel="veiled"),
        Series(x_tree, y_tree, label=label, axes=bare, kind="tree", panel="tree"),
        Series(
            times, overlap, low=overlap - 0.1, high=overlap + 0.1, label=label,
            axes=(Axis("cooling time", "log"), Axis("A", low=0.0, high=1.0)), panel="A",
        ),
    )  # fmt: skip


def test_landscapes_on_paper(tmp_path):
    texts = {
        path.stem[2:]: "".join(ET.parse(path).getroot().itertext())
        for path in report_of(*landscape_series("$x$<b>")).figures(tmp_path)
    }
    assert set(texts) == {"funnel", "veiled", "tree", "a"}
    assert all("$x$<b>" in texts[panel] for panel in ("funnel", "veiled", "tree"))
    assert "energy per spin" in texts["funnel"]
    lines = {path.stem[2:]: path.read_text().count("<path") for path in tmp_path.iterdir()}
    assert lines["veiled"] > 11 * 11 - 1 > lines["funnel"], "the cells of the surface, one of them a hole"


def test_nothing_positive_on_a_logarithmic_axis(tmp_path):
    zeros = Series(np.zeros(3), np.arange(3.0), axes=(Axis("x", "log"), Axis("y")), panel="p")
    assert len(report_of(zeros).figures(tmp_path)) == 1


def test_a_surface_with_nothing_in_it(tmp_path):
    axes = (Axis("x"), Axis("y"), Axis("z"))
    nothing = Series(np.arange(3.0), np.arange(3.0), z=np.full((3, 3), np.nan), axes=axes, kind="surface")
    assert len(report_of(replace(nothing, panel="p")).figures(tmp_path)) == 1


def drawn(*series: Series) -> Axes:
    """The axes of one panel."""
    figure = Figure(figsize=COLUMN)
    _draw(figure, Panel("p", "", series), frozenset(), {})
    return figure.axes[0]


def test_nulls_are_grey_and_dashed_on_paper():
    x = np.arange(3.0)
    dots = [Series(x, x + i, kind="scatter", null=True) for i in (2, 3)]
    axes = drawn(Series(x, x), Series(x, x + 1, null=True), Series(x, x + 4, null=True), *dots)
    seen, chance, other = axes.get_lines()
    assert [line.get_linestyle() for line in (seen, chance, other)] == ["-", "--", ":"]
    assert (seen.get_color(), chance.get_color(), other.get_color()) == (INKS[2], INKS[NULL], INKS[NULL])
    filled, hollow = axes.collections
    assert [len(dots.get_facecolor()) for dots in (filled, hollow)] == [1, 0]


def test_an_axis_without_a_label_has_no_ticks():
    tree = drawn(landscape_series()[3])
    assert len(tree.get_xticks()) == 0
    assert len(tree.get_yticks()) > 2
    assert not tree.spines["bottom"].get_visible()


def test_ends_of_axes_on_paper():
    funnel, *_, cooling = landscape_series()
    assert drawn(funnel).get_zlim() == (-1.0, 9.0)
    assert drawn(cooling).get_ylim() == (0.0, 1.0)
    assert drawn(cooling).get_xscale() == "log"


def test_long_numbers_leave_the_label_on_the_paper():
    y = np.linspace(-0.7, -0.615, 5)
    axes = drawn(Series(y, y, axes=(Axis("x"), Axis("energy"))))
    assert axes.yaxis.get_tightbbox().x0 >= 0
