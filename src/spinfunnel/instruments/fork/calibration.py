"""Checks of the fork test: one minimum always survives, one of independent energies hardly ever."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.coolings import Cooling, Coolings, cool
from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.systems import system
from spinfunnel.systems.protocols import Metric


def survival(name: str, size: int, draws: int, seed: int) -> Array:
    """Give the overlaps of ends and survivors, (2, R), of several systems."""
    found = []
    for draw in range(draws):
        model = system(name, size=size, seed=draw)
        assert isinstance(model, Metric)
        made = Coolings.of([cool(model, Cooling(draw, (10, 100, 1000), 0.0, 0), seeds(seed, name))])
        found.append([model.overlap(made.ends[-1], back) for back in made.survivors])
    return np.concatenate(found, axis=1)


def _known(seed: int) -> Iterable[CalibrationRow]:
    """One minimum modulo symmetry is always found again; an end of the REM, at T90, hardly ever."""
    for name, size in (("mattis", 48), ("ising2d", 8)):
        yield CalibrationRow.deterministic(
            "fork", f"{name}, size {size}", "F90", exact=1.0,
            value=float(survival(name, size, 2, seed)[1].mean()), tolerance=1e-12,
        )  # fmt: skip
    q = survival("rem", 14, 4, seed)[1]
    yield CalibrationRow.rate(
        "fork", "rem, N = 14", "ends found again from T90", k=int((q > 0.99).sum()), n=len(q), at_most=0.6
    )


calibrations = (Calibration("survival", "one minimum, and independent energies", _known),)
