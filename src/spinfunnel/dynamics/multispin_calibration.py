"""Multi-spin coding against systems whose every state is known, and on the Nishimori line."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.calibration import compared, row
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.metropolis import metropolis
from spinfunnel.dynamics.multispin import MultiSpin
from spinfunnel.dynamics.tempering import temper
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.exact import nishimori
from spinfunnel.systems.lattices import draw, triangular
from spinfunnel.systems.planted import nishimori as planted
from spinfunnel.systems.spins import Spins

#: Temperatures of a ladder on a 4 x 4 glass, from hot to cold.
RUNGS = (2.0, 1.4, 1.0, 0.7, 0.5)
#: The Nishimori line: dimension, side, the share of ferromagnetic bonds. None of these orders.
LINE = ((2, 8, 0.8), (3, 6, 0.7))


def glasses() -> dict[str, tuple[Spins, tuple[float, ...]]]:
    """Give glasses of 16 spins with one, two and three unit bonds a neighbour or field, and temperatures."""
    edges = triangular(4)
    signs = draw("pm", len(edges), np.random.default_rng(seeds(0, "triangular glass")))
    six = Spins.of_edges(edges, signs, size=16)
    seven = Spins.of_edges(edges, signs, np.full(16, -1.0), size=16)
    found = {"+-1, triangular": (six, (1.5, 3.0)), "+-1, triangular, h -1": (seven, (2.0,))}
    for name, temperatures in (
        ("ea?dimension=2", (1.5, 2.0)),
        ("ea?dimension=2&field=3", (3.0,)),
        ("tiles2d", (2.0, 3.0)),
    ):
        glass = system(name, size=4, seed=1)
        assert isinstance(glass, Spins)
        found[name] = (glass, temperatures)
    return found


def _against_enumeration(seed: int) -> Iterable[CalibrationRow]:
    for name, (glass, temperatures) in glasses().items():
        for t in temperatures:
            trace = metropolis(
                glass, t, sweeps=2000, replicas=1536, burn_in=500, record_every=10, keep_states=True,
                seed=seeds(seed, "multispin", name, t),
            )  # fmt: skip
            yield from compared("multi-spin", f"{name}, N 16, T {t}", glass, t, trace)


def _tempered(seed: int) -> Iterable[CalibrationRow]:
    glass, _ = glasses()["ea?dimension=2"]
    trace = temper(
        glass, RUNGS, sweeps=2000, ladders=384, burn_in=500, record_every=10, keep_states=True,
        seed=seeds(seed, "multispin ladders"),
    )  # fmt: skip
    where = "ea?dimension=2, N 16, T"
    yield from compared("multi-spin ladders", f"{where} {RUNGS[-1]}", glass, RUNGS[-1], trace)
    exact = enumerate_states(glass, RUNGS).thermal.u
    for k, t in enumerate(RUNGS[:-1]):  # each rung has its own ladders, so that rows are independent
        u = mean_of_replicas(trace.stats["energies"][:, k, k :: len(RUNGS)] / 16)
        yield row("multi-spin ladders", f"{where} {t}", "u", float(exact[k]), u, 0.005)


def _nishimori(seed: int) -> Iterable[CalibrationRow]:
    for dimension, side, p in LINE:
        t, exact = nishimori(p, dimension)
        means = []
        for i in range(96):
            glass = planted(side, seeds(seed, "line", dimension, i), p=p, dimension=dimension)
            trace = metropolis(
                glass, t, sweeps=300, replicas=64, burn_in=200, record_every=10, seed=seeds(seed, "line", i)
            )
            means.append(trace.energies.mean() / glass.size)
        where = f"nishimori, {dimension}D, L {side}, p {p}"
        yield row("multi-spin", where, "u", exact, mean_of_replicas(np.array([means])), 0.02)


def _speaks_for_itself(seed: int) -> Iterable[CalibrationRow]:
    """See that these systems are moved by the engine that is calibrated here."""
    moved = [isinstance(replicas_of(glass, 1536, seed), MultiSpin) for glass, _ in glasses().values()]
    yield CalibrationRow.rate(
        "multi-spin", "glasses of 16 spins", "moved a bit each", k=sum(moved), n=len(moved), at_least=1
    )


calibrations = (
    Calibration("multi-spin coding against enumeration", "all 2^N states", _against_enumeration),
    Calibration("multi-spin ladders against enumeration", "all 2^N states", _tempered),
    Calibration("multi-spin coding on the Nishimori line", "Nishimori (1981)", _nishimori),
    Calibration("multi-spin coding is used", "engines.py", _speaks_for_itself),
)
