"""Checks of `cooling` where the ends are known: one minimum, and energies that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.coolings import Cooling, cool, where_fallen
from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.maths.bootstrap import mean_of_pairs
from spinfunnel.structures import all_overlaps
from spinfunnel.systems import system
from spinfunnel.systems.protocols import Metric


def _one_minimum(seed: int) -> Iterable[CalibrationRow]:
    """Anneal the dense Mattis model, which has one minimum and its mirror image: A = 1, and e = -(N-1)/2N."""
    size = 48
    model = system("mattis", size=size, seed=seeds(seed, "mattis") % 1000)
    assert isinstance(model, Metric)
    made = cool(model, Cooling(0, (10, 100, 1000), 0.0, 0), seeds(seed, "ends"))
    q = mean_of_pairs(all_overlaps(model, made.ends[-1]), seed)
    yield CalibrationRow.deterministic(
        "cooling", f"mattis, N = {size}", "A", exact=1.0, value=q.value, tolerance=1e-12
    )
    yield CalibrationRow.deterministic(
        "cooling", f"mattis, N = {size}", "u of all ends", exact=-(size - 1) / (2 * size),
        value=float(made.energies[-1].max()) / size, tolerance=1e-12,
    )  # fmt: skip


def _random_ends(seed: int) -> Iterable[CalibrationRow]:
    """Ends of the REM know nothing of each other: A = 0, on average over its energies."""
    size, found = 14, []
    for draw in range(8):
        model = system("rem", size=size, seed=draw)
        assert isinstance(model, Metric)
        made = cool(model, Cooling(draw, (10, 100), 0.0, 0), seeds(seed, "rem"))
        q = all_overlaps(model, made.ends[0])
        found.append(q[np.triu_indices(len(q), 1)].mean())
    error = float(np.std(found, ddof=1) / np.sqrt(len(found)))
    yield CalibrationRow.measured(
        "cooling", f"rem, N = {size}, 8 of them", "A after 10 sweeps",
        exact=0.0, value=float(np.mean(found)), error=max(error, 0.002), cap=0.03,
    )  # fmt: skip


def _two_levels(seed: int) -> Iterable[CalibrationRow]:
    """N free spins in a field cool along u = -tanh(1/T): 90 % of the fall is done at T = 1 / atanh(.9)."""
    t = np.geomspace(5, 0.02, 1000)
    noise = np.random.default_rng(seeds(seed, "noise")).normal(0, 0.01, len(t))
    yield CalibrationRow.deterministic(
        "cooling", "free spins in a field", "T90 of a noisy curve",
        exact=1 / np.arctanh(0.9), value=where_fallen(t, -np.tanh(1 / t) + noise, 0.0, -1.0), tolerance=0.05,
    )  # fmt: skip


calibrations = (
    Calibration("ends of a ferromagnet", "one minimum modulo symmetry", _one_minimum),
    Calibration("ends of random energies", "independent energies", _random_ends),
    Calibration("T90", "free spins in a field, exact", _two_levels),
)
