"""Numbers of states, and where half of the weight is native, against systems whose states are all known."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Calibration, CalibrationRow, Number, seeds
from spinfunnel.instruments.density_of_states.measuring import all_energies, exact_entropy, measured
from spinfunnel.samples import Draw, Samples, sample
from spinfunnel.systems import system as named
from spinfunnel.systems.protocols import Planted, System


def counted(
    name: str, size: int, sweeps: int, cap: float, seed: int, sets: int = 8
) -> Iterable[CalibrationRow]:
    """Compare S and its slope with the numbers of states, and Tf with all states.

    One S of each run: the constant is common to all. Where there is a native state, its S is in Tf.
    """
    system = named(name, size=size, seed=1)
    samples = Samples.of([sample(system, Draw(i, sweeps, 0.0, 0), seed) for i in range(sets)])
    native = system.ground_energy if isinstance(system, Planted) else None
    found = measured(samples, system, native)
    exact = exact_entropy(system, found.energies, found.width)
    assert exact is not None
    steep = np.gradient(exact, found.energies)
    k = len(exact) // 2 if native is not None else 0
    yield CalibrationRow.measured(
        "density_of_states", f"{name}, N {system.size}", f"S at E = {found.energies[k]:.4g}",
        exact=float(exact[k]), value=float(found.entropy[k]), error=float(found.entropy_error[k]),
        cap=cap,
    )  # fmt: skip
    k = len(exact) // 3
    yield CalibrationRow.measured(
        "density_of_states", f"{name}, N {system.size}", f"dS/dE at E = {found.energies[k]:.4g}",
        exact=float(steep[k]), value=float(found.beta[k]), error=float(found.beta_error[k]), cap=cap,
    )  # fmt: skip
    if native is not None:
        half = found.half or Number(math.nan)
        yield CalibrationRow.measured(
            "density_of_states", f"{name}, N {system.size}", "Tf, where half of the weight is native",
            exact=folding_temperature(system, native), value=half.value, error=half.error or 0.0,
            cap=0.02,
        )  # fmt: skip


def folding_temperature(system: System, native: float) -> float:
    """Give the temperature where states of the native energy weigh as much as all others, from all states."""
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    every = all_energies(system)
    assert every is not None
    energies, copies = every
    folded = energies <= native + 1e-9
    above = np.where(folded, 0.0, energies - native)

    def excess(t: float) -> float:
        others = logsumexp(-above[~folded] / t, b=copies[~folded])
        return float(math.log(copies[folded].sum()) - others)

    return float(brentq(excess, 0.02, 20.0, xtol=1e-10))


def _spins(seed: int) -> Iterable[CalibrationRow]:
    yield from counted("ising2d", 4, 1000, 0.1, seeds(seed, "ising2d"))
    yield from counted("sk", 14, 1000, 0.1, seeds(seed, "sk"), sets=16)


def _native(go: tuple[int, int, int], rem: tuple[int, int, int], seed: int) -> Iterable[CalibrationRow]:
    """Count the states of two systems, each of a size, for so many sweeps, in so many sets.

    The random energies are few: ladders must find the native one by luck, and often.
    """
    for name, (size, sweeps, sets) in (("go", go), ("rem-native", rem)):
        yield from counted(name, size, sweeps, 0.2, seeds(seed, name, size), sets)


ALL = "all states"
calibrations = (
    Calibration("spins", ALL, _spins),
    Calibration("native states", ALL, lambda seed: _native((12, 600, 5), (8, 2000, 8), seed)),
    Calibration(
        "larger native states", ALL, lambda seed: _native((14, 1500, 8), (10, 8000, 8), seed), "normal"
    ),
)
