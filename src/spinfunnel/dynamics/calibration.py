"""Each dynamics against systems whose every state is known, or whose energy has a closed form.

Replicas are independent, so the spread of their means is the error bar: it does not rest on a correlation
time. The square of an overlap is measured between neighbouring replicas, each used once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, Number, Trace, seeds
from spinfunnel.dynamics.annealing import anneal
from spinfunnel.dynamics.metropolis import metropolis
from spinfunnel.dynamics.replicas import Order, Rule
from spinfunnel.dynamics.tempering import temper
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import correlations, enumerate_states
from spinfunnel.systems.exact import kaufman, ring
from spinfunnel.systems.protocols import Planted, System

#: Small systems: their name, size, and the temperatures, at which none of them stays stuck.
SMALL = (
    ("sk?field=0.3", 12, (0.8, 1.2)),
    ("sk", 10, (0.6, 1.2)),
    ("ising2d", 4, (2.0, 3.0)),
)

#: A glass of 16 spins, and a ladder: at its cold end, u of 512 plain replicas from random starts is 21 of
#: their error bars too high after 500 sweeps, for they stay where they fell.
STUCK = ("sk", 16, 10)
RUNGS = (1.0, 0.7, 0.45, 0.3, 0.2, 0.13, 0.1)
#: Random energy models, for plain dynamics and for a ladder: its replicas find the deepest state of N = 10
#: within 500 sweeps, that of N = 12 only within some thousands, for nothing leads there.
FORGETFUL = ("rem", 11, 1)
DEEP, DEEP_RUNGS = ("rem", 10, 1), (3.0, 2.0, 1.4, 1.0, 0.75, 0.5)
HOW: tuple[tuple[Order, Rule], ...] = (("sequential", "metropolis"), ("random", "heat bath"))


def row(of: str, where: str, quantity: str, exact: float, found: Number, cap: float) -> CalibrationRow:
    """Compare what was found with the exact value; without an error bar it fails."""
    error = math.nan if found.error is None else found.error
    return CalibrationRow.measured(of, where, quantity, exact=exact, value=found.value, error=error, cap=cap)


def squared_overlap(states: Array) -> Array:
    """Give q² of neighbouring replicas, (T, R // 2), for states (T, R, N): replicas 0 and 1, 2 and 3, ..."""
    paired = states[:, : states.shape[1] // 2 * 2]
    products = paired[:, 0::2].astype(np.float32) * paired[:, 1::2]
    return np.asarray(products.mean(axis=2, dtype=np.float64) ** 2)


def compared(of: str, where: str, few: System, temperature: float, trace: Trace) -> Iterable[CalibrationRow]:
    """Compare u, <m²> and <q²> with the enumeration; each has its own replicas: rows are independent."""
    assert trace.states is not None
    _, pairs = correlations(few, temperature)
    third = trace.states.shape[1] // 3
    m2 = trace.states[:, third : 2 * third].mean(axis=2, dtype=np.float64) ** 2
    for quantity, exact, series in (
        ("u", float(enumerate_states(few, [temperature]).thermal.u[0]), trace.energies[:, :third] / few.size),
        ("<m²>", float(pairs.mean()), m2),
        ("<q²>", float((pairs**2).mean()), squared_overlap(trace.states[:, 2 * third :])),
    ):
        yield row(of, where, quantity, exact, mean_of_replicas(series), 0.01)


def _against_enumeration(seed: int) -> Iterable[CalibrationRow]:
    for name, size, temperatures in SMALL:
        few = system(name, size=size, seed=1)
        for temperature in temperatures:
            for order, rule in HOW:
                trace = metropolis(
                    few, temperature, sweeps=3000, replicas=768, burn_in=1000, record_every=5,
                    keep_states=True,
                    order=order, rule=rule, seed=seeds(seed, name, temperature, order),
                )  # fmt: skip
                where = f"{name}, N {few.size}, T {temperature}, {rule}, {order} order"
                yield from compared("metropolis", where, few, temperature, trace)


def _against_kaufman(seed: int) -> Iterable[CalibrationRow]:
    for temperature in (2.0, 2.5):
        torus = system("ising2d", size=16)
        trace = metropolis(
            torus, temperature, sweeps=4000, replicas=192, burn_in=2000, record_every=4,
            seed=seeds(seed, "kaufman", temperature),
        )  # fmt: skip
        exact = float(kaufman(16, 16, temperature).u[0])
        u = mean_of_replicas(trace.energies / torus.size)
        yield row("metropolis", f"ising2d, L 16, T {temperature}", "u", exact, u, 0.003)


def _against_ring(seed: int) -> Iterable[CalibrationRow]:
    for temperature in (0.8, 2.0, 4.0):
        chain = system("ising1d", size=64)
        trace = metropolis(
            chain, temperature, sweeps=1000, replicas=128, burn_in=500, record_every=4,
            seed=seeds(seed, "ring", temperature),
        )  # fmt: skip
        exact = float(ring(64, temperature).u[0])
        u = mean_of_replicas(trace.energies / chain.size)
        yield row("metropolis", f"ising1d, N 64, T {temperature}", "u", exact, u, 0.003)


def _tempered(seed: int) -> Iterable[CalibrationRow]:
    glass = system(STUCK[0], size=STUCK[1], seed=STUCK[2])
    trace = temper(
        glass, RUNGS, sweeps=3000, ladders=448, burn_in=500, record_every=5, keep_states=True,
        seed=seeds(seed, "tempered"),
    )  # fmt: skip
    where = f"sk, N 16, T {RUNGS[-1]}"
    yield from compared("tempering", where, glass, RUNGS[-1], trace)
    exact = enumerate_states(glass, RUNGS).thermal.u
    for k, temperature in enumerate(RUNGS[:-1]):
        u = mean_of_replicas(trace.stats["energies"][:, k, k :: len(RUNGS)] / glass.size)
        yield row("tempering", f"sk, N 16, T {temperature}", "u", float(exact[k]), u, 0.005)
    yield CalibrationRow.rate(
        "tempering", "sk, N 16, 7 rungs", "ladders that made 100 round trips",
        k=int((trace.stats["round_trips"] >= 100).sum()), n=448, at_least=0.95,
    )  # fmt: skip


def _annealed(seed: int) -> Iterable[CalibrationRow]:
    glasses = [system("sk", size=14, seed=seeds(seed, "annealed", i) % 10**6) for i in range(16)]
    solved = 0
    for i, glass in enumerate(glasses):
        trace = anneal(glass, sweeps=200, anneals=64, seed=seeds(seed, "anneal", i))
        solved += abs(trace.best_energy - enumerate_states(glass).ground_energy) < 1e-9
    yield CalibrationRow.rate(
        "annealing", "sk, N 14", "glasses whose ground state was found", k=solved, n=16, at_least=1
    )
    planted = system("tiles2d", size=16, seed=seed % 1000)
    assert isinstance(planted, Planted)
    lowest = anneal(planted, sweeps=400, anneals=256, seed=seeds(seed, "tiles")).stats["lowest"]
    yield CalibrationRow.rate(
        "annealing", "tiles2d, L 16", "anneals of 400 sweeps that reached the planted energy",
        k=int((lowest <= planted.ground_energy + 1e-6).sum()), n=256, at_least=0.5,
    )  # fmt: skip
    yield CalibrationRow.deterministic(
        "annealing", "tiles2d, L 16", "lowest energy less the planted one",
        exact=0, value=float(lowest.min()) - planted.ground_energy, tolerance=1e-9,
    )  # fmt: skip


def _moved(seed: int) -> Iterable[CalibrationRow]:
    """Sample a system that makes moves of its own."""
    levels = system(FORGETFUL[0], size=FORGETFUL[1], seed=FORGETFUL[2])
    for temperature in (1.5, 2.0):
        for _, rule in HOW:
            trace = metropolis(
                levels, temperature, sweeps=1200, replicas=768, burn_in=1000, record_every=5,
                keep_states=True, rule=rule, seed=seeds(seed, "rem", temperature, rule),
            )  # fmt: skip
            yield from compared(
                "metropolis", f"rem, N {levels.size}, T {temperature}, {rule}", levels, temperature, trace
            )


def _moved_and_tempered(seed: int) -> Iterable[CalibrationRow]:
    deep = system(DEEP[0], size=DEEP[1], seed=DEEP[2])
    tempered = temper(
        deep, DEEP_RUNGS, sweeps=1500, ladders=384, burn_in=500, record_every=5, seed=seeds(seed, "rem")
    )
    exact = enumerate_states(deep, DEEP_RUNGS).thermal.u
    for k, temperature in enumerate(DEEP_RUNGS):
        u = mean_of_replicas(tempered.stats["energies"][:, k, k :: len(DEEP_RUNGS)] / deep.size)
        yield row("tempering", f"rem, N {deep.size}, T {temperature}", "u", float(exact[k]), u, 0.01)


def _moved_and_annealed(seed: int) -> Iterable[CalibrationRow]:
    solved = 0
    for i in range(16):
        one = system("rem", size=10, seed=seeds(seed, "annealed rem", i) % 10**6)
        lowest = anneal(one, sweeps=400, anneals=64, seed=seeds(seed, "anneal rem", i)).best_energy
        solved += lowest == enumerate_states(one).ground_energy
    yield CalibrationRow.rate(
        "annealing", "rem, N 10", "models whose lowest energy was found", k=solved, n=16, at_least=1
    )


calibrations = (
    Calibration("metropolis against enumeration", "all 2^N states", _against_enumeration),
    Calibration("metropolis against the torus", "Kaufman, Phys. Rev. 76 (1949) 1232", _against_kaufman),
    Calibration("metropolis against the ring", "Z = (2 cosh K)^N + (2 sinh K)^N", _against_ring),
    Calibration("tempering against enumeration", "all 2^N states", _tempered),
    Calibration("annealing against enumeration", "all 2^N states, planted tiles", _annealed),
    Calibration("own moves against enumeration", "all 2^N states", _moved),
    Calibration("own moves, tempered", "all 2^N states", _moved_and_tempered),
    Calibration("own moves, annealed", "all 2^N states", _moved_and_annealed),
)
