"""Every panel as a figure for a paper: one column wide, vector, text as text."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from spinfunnel.core import Array, Axis, BadInput, Finding, Image, Series
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

#: Of fewer points than this, what is known of each is a bar; of more, a ribbon.
FEW = 60

#: Lines of what is measured, of a null, of a second one (whose points are open), of more.
DASHES = ("-", "--", ":", "-.")

#: Edges and grids of a picture in space.
THIN = "#d5d4d0"

#: A legend of two lines or more stands above the picture, three entries a line if none is longer than this,
#: four if none is longer than half of it.
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
    labels = {one.label for one in panel.series if one.label and one.kind != "hline"}
    longest = max(map(len, labels), default=0)
    in_line = 4 if longest <= SHORT / 2 else 3 if longest <= SHORT else 2
    lines = -(-len(labels) // in_line)
    levels = any(one.kind == "hline" for one in panel.series)  # whose labels need the room
    above = 0.07 * lines if (lines > 1 or levels) and not panel.row else 0.0
    if panel.solid:
        axes = figure.add_axes((0.0, 0.07, 0.92, 0.95 - 0.06 * lines), projection="3d")
        axes.computed_zorder = False  # points are seen through a surface
    else:
        floor = 0.18 if panel.axes[0].label else 0.05
        axes = figure.add_axes((0.17, floor, 0.80, 0.91 - floor - above))
    for series, ink, null in zip(panel.series, inks(panel, data), panel.nulls, strict=True):
        _series(axes, series, INKS[ink], DASHES[min(null, len(DASHES) - 1)], judged, panel)
    for which, (letter, axis) in enumerate(zip("xyz" if panel.solid else "xy", panel.axes, strict=False)):
        if limits := extent(panel, which):
            if not panel.solid:
                getattr(axes, f"set_{letter}scale")(axis.scale)
            getattr(axes, f"set_{letter}lim")(limits)
        _ticks(axes, letter, axis, limits, whole=whole_numbers(panel, which))
    if panel.solid:
        _space(axes)
    elif (wide := axes.yaxis.get_tightbbox()) and wide.x0 < 0:  # long numbers push the label off the paper
        beyond = wide.x0 / figure.bbox.width - 0.01
        axes.set_position((0.17 - beyond, floor, 0.80 + beyond, 0.91 - floor - above))
    if panel.row:
        axes.set_title(
            plain(panel.row if len(panel.row) <= 60 else f"{panel.row[:30]}…{panel.row[-29:]}"), loc="left"
        )
    if axes.get_legend_handles_labels()[1]:
        beside = {
            "loc": "upper left", "bbox_to_anchor": (0, 0.99), "bbox_transform": figure.transFigure,
            "ncols": in_line, "columnspacing": 1.0,
        }  # fmt: skip
        axes.legend(**(beside if above or panel.solid else {}))


def _ticks(axes: Any, letter: str, axis: Axis, limits: tuple[float, float] | None, *, whole: bool) -> None:
    """Label an axis; one without a label has nothing to say, and is left out."""
    solid, drawn = axes.name == "3d", getattr(axes, f"{letter}axis")
    if not axis.label:
        drawn.set_ticks([])
        if not solid:
            axes.spines[{"x": "bottom", "y": "left"}[letter]].set_visible(False)
        return
    getattr(axes, f"set_{letter}label")(plain(axis.label))
    if axis.scale == "log" and not solid:
        _few_decades(drawn, limits)
    elif solid or letter == "x":
        axes.locator_params(axis=letter, **({"nbins": 4, "prune": "both"} if solid else {"nbins": 6}))
    if whole:
        drawn.get_major_locator().set_params(integer=True)


def _space(axes: Any) -> None:
    """Look from the side, so that what is low is seen to be low, past walls that are hardly there."""
    axes.view_init(elev=14, azim=-58)
    axes.set_box_aspect((1, 1, 0.85), zoom=1.13)
    for drawn in (axes.xaxis, axes.yaxis, axes.zaxis):
        drawn.set_pane_color((1, 1, 1, 0))
        drawn.line.set(color=THIN, lw=0.5)
        drawn._axinfo["grid"].update(color=THIN, linewidth=0.35)
        drawn._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.12)
    axes.tick_params(pad=-2, labelsize=6)
    axes.xaxis.labelpad = axes.yaxis.labelpad = -8
    axes.zaxis.labelpad = -5


def _few_decades(axis: Any, limits: tuple[float, float] | None) -> None:
    """Write 0.2, 0.5, 1, 2 on an axis of less than two decades; more of them are powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if limits is None or limits[1] > 100 * limits[0]:
        return
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _series(axes: Any, series: Series, ink: str, dash: str, judged: dict[str, str], panel: Panel) -> None:
    label = plain(series.label) or "_"
    x, y = np.asarray(series.x, dtype=float), np.asarray(series.y, dtype=float)
    if series.kind == "step":
        axes.stairs(y, x, fill=True, color=ink, alpha=0.3, lw=0, label=label)
        axes.stairs(y, x, color=ink, lw=0.6, baseline=None)
    elif series.kind == "band":
        axes.fill_between(x, series.low, series.high, color=ink, alpha=0.22, lw=0, label=label)
        axes.plot(x, y, color=ink, lw=0.8, ls=":")
    elif series.kind == "scatter":
        rows = any(name in judged for name in series.names)
        shades = [OUTCOME_INKS.get(judged.get(name, ""), ink) for name in series.names] if rows else ink
        _bars(axes, series, x, y, shades)
        size, rim = (9 if len(x) < FEW else 5), 0.6 if dash == DASHES[2] else 0
        inside: Any = {"facecolors": "none", "edgecolors": ink} if rim else {"c": shades}
        axes.scatter(x, y, **inside, s=size, lw=rim, label="_" if rows else label, zorder=3)
    elif series.kind == "vline":
        for at in x:
            axes.axvline(at, color=ink, lw=0.9, ls="--", label=label)
            label = "_"
    elif series.kind == "hline":
        for at in y:
            axes.axhline(at, color=ink, lw=0.7, ls="--", zorder=1)
            end = {"xy": (0, at), "xycoords": ("axes fraction", "data"), "xytext": (2, 1.5)}
            axes.annotate(plain(series.label), **end, textcoords="offset points", fontsize=6)
    elif series.kind == "scatter3d":
        z = np.asarray(series.z, dtype=float)
        if all(one.kind != "surface" for one in panel.series):
            _threads(axes, np.stack([x, y, z], axis=1), extent(panel, 2), ink)
        axes.scatter(x, y, z, c=ink, s=5, lw=0, depthshade=False, label=label)
    elif series.kind == "surface":
        _surface(axes, x, y, np.asarray(series.z, dtype=float), veiled=len(panel.series) > 1)
    elif series.z is not None:  # a path in space
        axes.plot(x, y, np.asarray(series.z, dtype=float), color=ink, lw=1.2, label=label)
    elif series.kind == "tree":
        axes.plot(x, y, color=ink, lw=0.6, solid_capstyle="butt", solid_joinstyle="miter", label=label)
    else:
        known = series.low is not None or series.high is not None
        if known and len(x) >= FEW:
            axes.fill_between(x, *_ends(series, y), color=ink, alpha=0.22, lw=0)
        else:
            _bars(axes, series, x, y, ink)
        dots = "o" if known and len(x) < FEW else ""
        axes.plot(x, y, color=ink, lw=1.2, ls=dash, marker=dots, ms=2.6, mew=0, label=label)


def _threads(axes: Any, points: Array, limits: tuple[float, float] | None, ink: str) -> None:
    """Hang points (n, 3) on threads, so that it is seen where they are in the plane."""
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    if limits:
        tops = np.column_stack([points[:, :2], np.full(len(points), limits[1])])
        axes.add_collection3d(
            Line3DCollection(np.stack([tops, points], axis=1), colors=ink, lw=0.4, alpha=0.25)
        )


def _surface(axes: Any, x: Array, y: Array, z: Array, *, veiled: bool) -> None:
    """Draw z (m, n) over x (n,) and y (m,), or (m, n), with a hole where a corner is not finite."""
    from matplotlib import colormaps
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    places = np.meshgrid(x, y) if x.ndim == 1 else (x, y)
    corners = np.stack([*places, z], axis=2)
    cells = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2)
    cells = cells.reshape(-1, 4, 3)
    cells = cells[np.isfinite(cells).all(axis=(1, 2))]
    if len(cells):
        height = cells[:, :, 2].mean(axis=1)
        shades = colormaps["cividis"]((height - height.min()) / (np.ptp(height) or 1.0))
        shades[:, 3] = 0.35 if veiled else 1.0
        edges = "none" if veiled else shades
        axes.add_collection3d(Poly3DCollection(cells, facecolors=shades, edgecolors=edges, lw=0.2, zorder=0))


def _bars(axes: Any, series: Series, x: Array, y: Array, ink: Any) -> None:
    if series.low is None and series.high is None:
        return
    axes.vlines(x, *_ends(series, y), color=ink, alpha=0.5, lw=0.7)


def _ends(series: Series, y: Array) -> tuple[Array, Array]:
    """Give low and high; what is not known on one side is y itself."""
    low = y if series.low is None else np.asarray(series.low, dtype=float)
    high = y if series.high is None else np.asarray(series.high, dtype=float)
    return low, high


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
