"""What is drawn of the thermodynamics of a system."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from spinfunnel.core import Array, Axis, Number, Series
from spinfunnel.instruments.thermodynamics.measuring import Curves, Measured
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.samples import Samples
from spinfunnel.systems.known import Known
from spinfunnel.systems.protocols import Flips, Native, System

#: What is drawn of u, c and s: the panel's title, and its axis.
PANELS = {
    "u": ("Energy", "u = E / N"),
    "c": ("Heat capacity", "c"),
    "s": ("Entropy", "s"),
}
TEMPERATURE = Axis("temperature T", "log")


def curves(found: Measured, facts: Sequence[Known], system: System) -> list[Series]:
    """Draw u, c and s against T: what is known, the reweighted curve, and the rungs."""
    drawn = []
    for name, (title, label) in PANELS.items():
        if name not in found.rungs.values:
            continue
        over = "per spin" if isinstance(system, Flips) else "over N"
        axes, panel = (TEMPERATURE, Axis(label)), f"{title} {over}, N = {system.size}"
        for fact in facts:
            y = getattr(fact, name)
            there = np.isfinite(y)
            if there.any():
                drawn.append(
                    Series(
                        fact.temperatures[there], y[there], label=fact.label, axes=axes, panel=panel,
                        kind="line" if there.sum() > 1 else "scatter",
                    )
                )  # fmt: skip
        shown: tuple[tuple[Curves, Literal["band", "scatter"], str], ...] = (
            (found.grid, "band", "reweighted, ± 1 σ"), (found.rungs, "scatter", "measured"),
        )  # fmt: skip
        for one, kind, text in shown:
            y, error = one.values[name], one.errors[name]
            drawn.append(
                Series(
                    one.temperatures, y, low=y - error, high=y + error, label=text, axes=axes, kind=kind,
                    panel=panel,
                )
            )  # fmt: skip
    return drawn


def order(system: System, t: Array, along: Sequence[Number] | None) -> list[Series]:
    """Draw the overlap with the planted state, or the magnetisation, against T."""
    if along is None:
        return []
    native = isinstance(system, Native)
    y, error = np.array([one.value for one in along]), np.array([one.error for one in along])
    axes = (TEMPERATURE, Axis("overlap with it" if native else "m"))
    panel = "Overlap with the planted state" if native else "Magnetisation per spin"
    return [
        Series(t, y, low=y - error, high=y + error, label="measured", axes=axes, kind="scatter", panel=panel)
    ]


def settling(samples: Samples, tau: Array, system: System) -> list[Series]:
    """Draw how long the energy remembers, and u at the lowest temperature in bins twice as long each."""
    length = len(samples.energies)
    edges = [length // 2**k for k in range(int(math.log2(length / 4)), -1, -1)]
    bins = [
        mean_of_replicas(samples.energies[a:b, -1] / system.size)
        for a, b in zip([0, *edges], edges, strict=False)
    ]
    y, error = np.array([one.value for one in bins]), np.array([one.error for one in bins])
    sweeps = samples.every * np.array(edges)
    lowest = f"u at T = {samples.temperatures[-1]:.3g}"
    there = np.isfinite(tau)
    return [
        Series(
            samples.temperatures[there], tau[there], label="of the energy, tempered", kind="scatter",
            axes=(TEMPERATURE, Axis("τ / sweeps", "log")), panel="Autocorrelation time",
        ),
        Series(
            sweeps, y, low=y - error, high=y + error, label="second halves of the run so far", kind="scatter",
            axes=(Axis("sweeps", "log"), Axis(lowest)), panel="Has it settled?",
        ),
    ]  # fmt: skip
