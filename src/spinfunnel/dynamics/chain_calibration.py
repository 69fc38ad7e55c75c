"""Pull moves at work: chains whose every conformation is known, at equilibrium."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.annealing import anneal
from spinfunnel.dynamics.metropolis import metropolis
from spinfunnel.dynamics.tempering import temper
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems.chain_enumeration import all_walks, enumerate_chains, ground_states
from spinfunnel.systems.chains import Chain, go, heteropolymer, hp

#: A ladder of temperatures from open chains to folded ones.
RUNGS = (1.5, 1.0, 0.7, 0.5, 0.35)


#: The largest error bar that still tells something, as a share of what is measured.
CAP = 0.02


def _row(chain: Chain, t: float, quantity: str, exact: float, series: Array) -> CalibrationRow:
    found = mean_of_replicas(series)
    error = math.nan if found.error is None else found.error
    name = f"{chain.name}, N {chain.size}, T {t}"
    return CalibrationRow.measured(
        "pull moves", name, quantity, exact=exact, value=found.value, error=error, cap=CAP * abs(exact)
    )


def _energies(seed: int) -> Iterator[CalibrationRow]:
    for chain, t in (
        (hp(12, sequence="HHPHPPHPPHPH"), 0.6),
        (hp(14, sequence="HPHPPHHPHPPHPH"), 1.0),
        (heteropolymer(14, 1), 1.0),
        (go(16, 2), 0.7),
    ):
        trace = metropolis(
            chain, t, sweeps=1000, replicas=128, burn_in=300, record_every=5,
            seed=seeds(seed, chain.name, chain.size),
        )  # fmt: skip
        exact = float(enumerate_chains(chain, [t]).thermal.u[0])
        yield _row(chain, t, "u", exact, trace.energies / chain.size)


def _shapes(seed: int) -> Iterator[CalibrationRow]:
    """Compare how far apart the ends are with the mean over all walks."""
    chain, t = heteropolymer(10, 2), 0.8
    walks = all_walks(chain.size)
    weights = np.exp(-chain.energy(walks) / t)
    exact = float(weights @ _apart(walks) / weights.sum())
    trace = metropolis(
        chain, t, sweeps=1000, replicas=128, burn_in=300, record_every=5, keep_states=True,
        seed=seeds(seed, "shapes"),
    )  # fmt: skip
    assert trace.states is not None
    yield _row(chain, t, "squared distance of the ends", exact, _apart(trace.states))


def _apart(x: Array) -> Array:
    return np.asarray(((x[..., -1, :] - x[..., 0, :]) ** 2).sum(axis=-1))


def _tempered(seed: int) -> Iterator[CalibrationRow]:
    chain = hp(16, sequence="HPHPPHHPHPPHPHHP")
    trace = temper(
        chain, RUNGS, sweeps=1500, ladders=160, burn_in=500, record_every=5, seed=seeds(seed, "tempered")
    )
    exact = enumerate_chains(chain, RUNGS).thermal.u
    for k, t in enumerate(RUNGS):
        series = trace.stats["energies"][:, k, k :: len(RUNGS)] / chain.size
        yield _row(chain, t, "u, tempered", float(exact[k]), series)


def _annealed(seed: int) -> Iterator[CalibrationRow]:
    """Compare the lowest energy of 128 anneals with that which no conformation is below."""
    for chain in (hp(20), hp(24), hp(25), go(25, 1), heteropolymer(20, 1)):
        lowest = anneal(chain, sweeps=1000, anneals=128, seed=seeds(seed, "anneal", chain.name, chain.size))
        yield CalibrationRow.deterministic(
            "pull moves", f"{chain.name}, N {chain.size}", "lowest energy of anneals less the ground state's",
            exact=0, value=lowest.best_energy - ground_states(chain).energy, tolerance=1e-9,
        )  # fmt: skip


ALL = "enumeration of all conformations"
calibrations = (
    Calibration("energies of chains", ALL, _energies),
    Calibration("shapes of chains", ALL, _shapes),
    Calibration("tempered chains", ALL, _tempered, "normal"),
    Calibration("annealed chains", "branch and bound", _annealed, "normal"),
)
