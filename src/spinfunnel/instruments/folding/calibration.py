"""Tf, Tg and Z against random energies and chains whose states are all known, and energies drawn by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from spinfunnel.coolings import Cooling, Coolings, cool
from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.instruments.folding.measuring import (
    Compared,
    compared,
    decoys,
    random_energies,
    rank_correlation,
)
from spinfunnel.systems import system as named
from spinfunnel.systems.chain_enumeration import enumerate_chains
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.folding_times import BryngelsonWolynes
from spinfunnel.systems.protocols import Metric, Planted
from spinfunnel.systems.rem import RandomEnergies


def cooled(system: Metric, sets: int, seed: int) -> Coolings:
    """Cool some sets, for as short as can be."""
    return Coolings.of([cool(system, Cooling(i, (10, 100, 1000), 0.0, 0), seed) for i in range(sets)])


@lru_cache
def exact(name: str, size: int) -> tuple[BryngelsonWolynes, float]:
    """Give the model with the mean, variance and number of all states; and the T where half is native.

    Of lattice chains, what rotations and reflections turn into each other is counted once.
    """
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    system = named(name, size=size, seed=1)
    assert isinstance(system, Planted)
    if isinstance(system, Chain):
        every = enumerate_chains(system)
        energies, weights = every.energies, every.copies / 8
    else:
        assert isinstance(system, RandomEnergies)
        energies, weights = system.table, np.ones(len(system.table))
    native = energies <= system.ground_energy + 1e-9
    mean = np.average(energies, weights=weights)
    deviation = math.sqrt(np.average((energies - mean) ** 2, weights=weights))
    above, others = (energies - system.ground_energy)[~native], weights[~native]

    def excess(t: float) -> float:
        return float(math.log(weights[native].sum()) - logsumexp(-above / t, b=others))

    half = float(brentq(excess, 0.02, 20.0, xtol=1e-10))
    return BryngelsonWolynes(math.log(weights.sum()), deviation, mean - system.ground_energy), half


def _formulas(name: str, size: int, states: int, seed: int) -> Iterable[CalibrationRow]:
    """Compare Tg, Tf and their ratio, each of other random states, with those of all states.

    Of random energies, Tf is where half of the weight is native. The energies of a chain are not normal: its
    Tf is that of the same formula, with the mean, the variance and the number of all conformations.
    """
    system = named(name, size=size, seed=1)
    assert isinstance(system, Planted)
    model, half = exact(name, size)
    glass = model.glass_temperature
    folding = half if name == "rem-native" else model.folding_temperature
    for quantity, known in (("Tg", glass), ("Tf", folding), ("Tf/Tg", folding / glass)):
        energies = system.energy(system.random(states, seeds(seed, name, quantity)))
        found = random_energies(system, energies, system.ground_energy)
        assert found is not None
        number = {"Tg": found.glass, "Tf": found.folding, "Tf/Tg": found.ratio}[quantity]
        assert number is not None
        assert number.error is not None
        yield CalibrationRow.measured(
            "folding", f"{name}, N {size}", quantity,
            exact=known, value=number.value, error=number.error, cap=0.05 * known,
        )  # fmt: skip


def _by_hand(seed: int) -> Iterable[CalibrationRow]:
    """Draw energies of decoys around a mean 6 above the native one; those of one replica are alike."""
    replica = np.repeat(np.arange(64), 40)
    for k, (quantity, known) in enumerate((("mean", 0.0), ("standard deviation", 1.0), ("Z", 6.0))):
        rng = np.random.default_rng(seeds(seed, "decoys", quantity))
        energies = rng.normal(0.3 * rng.standard_normal(64)[replica], math.sqrt(1 - 0.3**2))
        overlaps = np.full(len(energies), 0.1)
        energies[::40], overlaps[::40] = -6.0, 1.0  # each replica meets the native one too, which is no decoy
        told = decoys(Compared(-6.0, overlaps, replica, np.zeros(1), np.ones(1)), energies)
        assert told is not None
        error = told[k].error
        assert error is not None
        yield CalibrationRow.measured(
            "folding", "decoys of normal energies", quantity,
            exact=known, value=told[k].value, error=error, cap=0.15,
        )  # fmt: skip


def _nothing_leads_there(seed: int) -> Iterable[CalibrationRow]:
    """Energies of a REM know nothing of where they are: those of its minima and overlaps are uncorrelated."""
    system = named("rem", size=16, seed=1)
    assert isinstance(system, Metric)
    made = cooled(system, 4, seeds(seed, "rem"))
    found = rank_correlation(compared(system, made, None), made.structure_energies)
    assert found is not None
    yield CalibrationRow.measured(
        "folding", "rem, N 16", "rank correlation of energy and overlap of minima",
        exact=0.0, value=found.value, error=found.error or 0.0, cap=0.1,
    )  # fmt: skip


calibrations = (
    Calibration("random energies", "all states", lambda seed: _formulas("rem-native", 16, 1000, seed)),
    Calibration("Go chain", "all conformations", lambda seed: _formulas("go", 14, 2000, seed)),
    Calibration("decoys", "by construction", _by_hand),
    Calibration("no funnel", "by construction", _nothing_leads_there),
    Calibration(
        "Go chain of 16", "all conformations", lambda seed: _formulas("go", 16, 6000, seed), "normal"
    ),
)
