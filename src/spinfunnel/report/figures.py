"""Every panel as a figure for a paper: one column wide, vector, text as text."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from spinfunnel.core import BadInput, Finding, Image, Series
from spinfunnel.report.layers import outcomes
from spinfunnel.report.panels import INKS, Panel, counted, extent, inks, panels, whole_numbers
from spinfunnel.report.tables import slug
from spinfunnel.report.words import visible

MARKER = "spinfunnel report"
FORMATS = ("svg", "pdf")

#: Width and height in inches of one column of a two-column journal.
COLUMN = (3.4, 2.5)

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 7,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.borderpad": 0.1,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "spinfunnel",
}

#: A legend of two lines or more stands above the picture, three entries a line if none is longer than this.
SHORT = 16

#: The colours of points that stand for judged rows.
OUTCOME_INKS = {
    "good": "#0b7a5b",
    "info": "#2364aa",
    "unsure": "#6a5a94",
    "warning": "#d98c00",
    "bad": "#b3310d",
}


def figures(findings: dict[str, Finding], format: str) -> Iterator[tuple[str, bytes]]:
    """Draw every panel and image; yield file names, safe whatever the tensors are called, and contents.

    Raises:
        BadInput: if the format is unknown, or matplotlib is not installed.
    """
    if format not in FORMATS:
        raise BadInput(f"figures cannot be written as {format!r}: the formats are {' and '.join(FORMATS)}")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BadInput('figures need matplotlib: pip install "spinfunnel[figures]"') from error

    # From the defaults, not from what the user has set: a figure is the same wherever it is drawn.
    style: Any = {**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}
    for instrument, found in findings.items():
        data, judged = counted(found), _judged(found)
        for row, group in panels(found).items():
            for panel in group:
                with matplotlib.rc_context(style):
                    figure = Figure(figsize=COLUMN)
                    _draw(figure, panel, data, judged)
                    yield _name(instrument, panel.title, row, format), _saved(figure, format)
        for image in found.images:
            with matplotlib.rc_context(style):
                figure = Figure(figsize=COLUMN)
                _picture(figure, image)
                yield _name(instrument, "image", image.label, format), _saved(figure, format)


def _saved(figure: Any, format: str) -> bytes:
    out = io.BytesIO()
    stamp = {"Date": None} if format == "svg" else {"CreationDate": None}
    figure.savefig(out, format=format, metadata={"Creator": MARKER, **stamp})
    return out.getvalue()


def _name(instrument: str, panel: str, row: str, format: str) -> str:
    parts = [slug(instrument), slug(panel)]
    if row:
        # Two names may share a slug; the hash of the full one tells them apart.
        parts += [slug(row, 60), hashlib.sha256(row.encode("utf-8", "backslashreplace")).hexdigest()[:8]]
    return f"{'-'.join(parts)}.{format}"


def _judged(found: Finding) -> dict[str, str]:
    table = found.tables.get("layers")
    return dict(zip(table.row_names(), outcomes(table), strict=True)) if table else {}


def _draw(figure: Any, panel: Panel, data: frozenset[str], judged: dict[str, str]) -> None:
    solid = any(one.kind in ("surface", "scatter3d") for one in panel.series)
    labels = {one.label for one in panel.series if one.label}
    in_line = 3 if max(map(len, labels), default=0) <= SHORT else 2
    lines = -(-len(labels) // in_line)
    above = 0.07 * lines if lines > 1 and not panel.row else 0.0
    axes = figure.add_axes((0.17, 0.18, 0.80, 0.73 - above), projection="3d" if solid else None)
    for series, ink in zip(panel.series, inks(panel, data), strict=True):
        _series(axes, series, INKS[ink], judged)
    for which, (letter, axis) in enumerate(zip("xyz", panel.axes, strict=False)):
        getattr(axes, f"set_{letter}label")(plain(axis.label))
        if not solid:
            getattr(axes, f"set_{letter}scale")(axis.scale)
            if axis.scale == "log":
                _few_decades(getattr(axes, f"{letter}axis"), extent(panel, which))
            elif letter == "x":
                axes.locator_params(axis="x", nbins=6)
            if whole_numbers(panel, which):
                getattr(axes, f"{letter}axis").get_major_locator().set_params(integer=True)
            if limits := extent(panel, which):
                getattr(axes, f"set_{letter}lim")(limits)
    if panel.row:
        axes.set_title(
            plain(panel.row if len(panel.row) <= 60 else f"{panel.row[:30]}…{panel.row[-29:]}"), loc="left"
        )
    if axes.get_legend_handles_labels()[1]:
        beside: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.01), "ncols": in_line}
        axes.legend(**(beside | {"columnspacing": 1.0} if above else {}))


def _few_decades(axis: Any, limits: tuple[float, float] | None) -> None:
    """Write 0.2, 0.5, 1, 2 on an axis of less than two decades; more of them are powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if limits is None or limits[1] > 100 * limits[0]:
        return
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _series(axes: Any, series: Series, ink: str, judged: dict[str, str]) -> None:
    label = plain(series.label) or "_"
    x, y = np.asarray(series.x, dtype=float), np.asarray(series.y, dtype=float)
    if series.kind == "step":
        axes.stairs(y, x, fill=True, color=ink, alpha=0.3, lw=0, label=label)
        axes.stairs(y, x, color=ink, lw=0.6, baseline=None)
    elif series.kind == "band":
        axes.fill_between(x, series.low, series.high, color=ink, alpha=0.22, lw=0, label=label)
        axes.plot(x, y, color=ink, lw=0.8, ls=":")
    elif series.kind == "scatter":
        shades = [OUTCOME_INKS.get(judged.get(name, ""), ink) for name in series.names] or ink
        if series.low is not None or series.high is not None:
            low = y if series.low is None else np.asarray(series.low, dtype=float)
            high = y if series.high is None else np.asarray(series.high, dtype=float)
            axes.vlines(x, low, high, color=shades, alpha=0.5, lw=0.7)
        axes.scatter(
            x, y, c=shades, s=9 if len(x) < 60 else 5, lw=0, label="_" if series.names else label, zorder=3
        )
    elif series.kind == "vline":
        for at in x:
            axes.axvline(at, color=ink, lw=0.9, ls="--", label=label)
            label = "_"
    elif series.kind == "scatter3d":
        axes.scatter(x, y, series.z, c=ink, s=4, label=label)
    elif series.kind == "surface":
        axes.plot_surface(*np.meshgrid(x, y), np.asarray(series.z, dtype=float), cmap="cividis", lw=0)
    else:  # line, tree
        axes.plot(x, y, color=ink, lw=0.7 if series.kind == "tree" else 1.2, label=label)


def _picture(figure: Any, image: Image) -> None:
    axes = figure.add_subplot()
    axes.imshow(image.array, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(plain(image.label), loc="left")
    axes.set_axis_off()


def plain(text: str) -> str:
    r"""Write a text so that matplotlib draws it as it is: no formulas, and only what its font has.

    >>> plain("a$b$"), plain("α"), plain("層")
    ('a\\$b\\$', 'α', '\\u5c64')
    """
    known = _glyphs()
    shown = (char if ord(char) in known else char.encode("unicode_escape").decode() for char in visible(text))
    return "".join(shown).replace("$", r"\$")


@lru_cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
