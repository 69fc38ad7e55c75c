"""What is drawn of overlaps: P(q) at several temperatures, and their moments at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinfunnel.core import Array, Axis, Series
from spinfunnel.instruments.overlaps.measuring import binder, edges

TEMPERATURE = Axis("temperature T", "log")

#: Temperatures at which P(q) is drawn: the shares of the ladder, from its hot end, at which they stand.
SHOWN = (0.3, 0.55, 0.7, 0.85, 1.0)

#: What is drawn against T: the panel's title and its axis.
MOMENTS = {
    "q2": ("Mean square overlap", "⟨q²⟩"),
    "binder": ("Binder cumulant", "(3 − ⟨q⁴⟩ / ⟨q²⟩²) / 2"),
    "link": ("Link overlap", "⟨q of links⟩"),
    "k_ratio": ("Triangles of replicas (1 independent, 0 ultrametric)", "relative d_max − d_mid"),
}


def shown_rungs(count: int) -> list[int]:
    """Give the rungs whose P(q) is drawn, from hot to cold."""
    return sorted({round(share * (count - 1)) for share in SHOWN})


def distributions(
    t: Array, middles: Array, density: Array, exact: tuple[Array, Array, Array] | None, size: int
) -> list[Series]:
    """Draw P(q) at a few temperatures, and at the lowest what all states say, if they were looked at."""
    panel, axes = f"Overlap distribution, N = {size}", (Axis("overlap q"), Axis("P(q)"))
    drawn = [
        Series(middles, density[k], label=f"T = {t[k]:.3g}", axes=axes, panel=panel)
        for k in shown_rungs(len(t))
    ]
    if exact is not None:
        q, law, _ = exact
        bounds, width = edges(size, spins=True, signed=True)
        counted = np.histogram(q, bounds, weights=law[-1])[0] / width
        label = f"exact, T = {t[-1]:.3g}"
        drawn.append(Series(middles, counted, label=label, axes=axes, panel=panel, kind="scatter"))
    return drawn


def against_temperature(
    t: Array, found: Mapping[str, tuple[Array, Array]], exact: tuple[Array, Array, Array] | None, size: int
) -> list[Series]:
    """Draw the moments, with error bars, and what is exactly known."""
    drawn = []
    known = {} if exact is None else dict(zip(("q2", "binder"), exact_moments(exact), strict=True))
    for name, (title, label) in MOMENTS.items():
        if name not in found:
            continue
        axes, panel = (TEMPERATURE, Axis(label)), f"{title}, N = {size}"
        if name in known:
            drawn.append(Series(t, known[name], label="exact, all states", axes=axes, panel=panel))
        y, error = found[name]
        drawn.append(
            Series(
                t, y, low=y - error, high=y + error, label="measured", axes=axes, kind="scatter", panel=panel
            )
        )
    return drawn


def exact_moments(exact: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Give <q²> and the Binder cumulant of an exact law."""
    q, law, _ = exact
    return law @ q**2, binder(law @ q**2, law @ q**4)
