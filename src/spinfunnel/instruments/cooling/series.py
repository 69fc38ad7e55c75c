"""What `cooling` draws: residual energy against cooling time, cooling curves, and ageing."""

from __future__ import annotations

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Axis, Series, Table


def profiles(table: Table, made: Coolings, size: int) -> tuple[Series, ...]:
    """Draw what is left of the energy against cooling time; A is drawn with the verdict, by `funnel`."""
    found = table.columns
    axes = (Axis(f"cooling time τ ({made.unit})", "log"), Axis("residual energy / D"))
    return (
        Series(
            found["time"], found["residual"], low=found["residual_low"], high=found["residual_high"],
            label=f"N = {size}, {made.energies.shape[1]} replicas", axes=axes, panel="residual energy",
        ),
    )  # fmt: skip


def curves(made: Coolings, size: int) -> tuple[Series, ...]:
    """Draw the mean energy per spin down and up again."""
    if not len(made.temperatures):
        return ()
    axes = (Axis("T", "log"), Axis("u = E/N"))
    tenth, slowest = (f"{time:,.0f} {made.unit}" for time in made.times[-2:])
    lines = (
        (f"cooled in {slowest}", made.cooling),
        (f"cooled in {tenth}", made.quicker),
        (f"heated in {tenth}", made.heating),
    )
    drawn = [
        Series(
            made.temperatures,
            energies.mean(axis=1) / size,
            label=label,
            axes=axes,
            panel="cooling and heating",
        )
        for label, energies in lines
    ]
    mark = Series(
        np.array([made.t90.mean()]),
        np.zeros(1),
        label="T90",
        axes=axes,
        kind="vline",
        panel="cooling and heating",
    )
    return (*drawn, mark)


def ageing(made: Coolings) -> tuple[Series, ...]:
    """Draw the overlap of a state with a later one, after three waits."""
    axes = (Axis("sweeps later", "log"), Axis("overlap, at T90 / 2"))
    return tuple(
        Series(made.lags, found.mean(axis=1), label=f"after {wait:,} sweeps", axes=axes, panel="ageing")
        for wait, found in zip(made.waits, made.correlations, strict=True)
    )
