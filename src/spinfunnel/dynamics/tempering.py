"""Parallel tempering: replicas at many temperatures, which trade places so that none stays stuck.

Neighbours of a ladder swap with probability min(1, exp((β_a - β_b)(E_a - E_b))), E the total energy.

Sources: Hukushima, Nemoto, J. Phys. Soc. Jpn. 65 (1996) 1604; acceptance as a distance along the ladder:
Kofke, J. Chem. Phys. 117 (2002) 6911; round trips: Katzgraber, Trebst, Huse, Troyer, J. Stat. Mech. (2006)
P03018.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import erfcinv

from spinfunnel.core import Array, BadInput, Trace, seeds
from spinfunnel.dynamics.annealing import temperature_range
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.replicas import NEVER, Ladders, Progress, Replicas, pieces, positive, whole
from spinfunnel.systems.protocols import System

#: A ladder is spaced so that this share of its swaps is accepted.
ACCEPTANCE = 0.3
#: Rungs a ladder has at least and at most.
FEWEST, MOST = 4, 64
#: Sweeps of each of the short runs that space a ladder, and how many of them there are.
PILOT, PILOTS = 200, 3


def ladder(system: System, hot: float | None = None, cold: float | None = None, *, seed: int = 0) -> Array:
    """Find temperatures, from hot to cold, such that each swap is accepted about as often (30 %).

    Energies of neighbours are about Gaussian, so a swap is accepted with probability erfc(x), where x is
    proportional to Δβ. So the x of neighbours add up to a length, and a pilot run measures it; then rungs are
    set at equal distances. It begins with rungs geometric in T.

    >>> from spinfunnel.systems import system
    >>> temperatures = ladder(system("sk", size=32), 2.0, 0.3)
    >>> temperatures[0].item(), temperatures[-1].round(12).item(), len(temperatures) >= FEWEST
    (2.0, 0.3, True)
    """
    if hot is None or cold is None:
        found = temperature_range(system, seed)
        hot, cold = hot or found[0], cold or found[1]
    if positive(hot) <= positive(cold):
        raise BadInput(f"a ladder goes from hot to cold, but hot is {hot:g} and cold {cold:g}")
    temperatures = np.geomspace(hot, cold, 16)
    step = float(erfcinv(ACCEPTANCE))
    for pilot in range(PILOTS):
        trace = temper(
            system, temperatures, sweeps=PILOT, burn_in=PILOT // 2, ladders=max(1, 64 // len(temperatures)),
            seed=seeds(seed, "ladder", pilot),
        )  # fmt: skip
        if trace.stopped == "interrupted":
            raise KeyboardInterrupt
        lengths = erfcinv(np.clip(trace.stats["acceptance"], 0.002, 0.998))
        along = np.concatenate([[0.0], np.cumsum(lengths)])
        rungs = int(np.clip(np.ceil(along[-1] / step) + 1, FEWEST, MOST))
        beta = np.interp(np.linspace(0, along[-1], rungs), along, 1 / temperatures)
        temperatures = 1 / beta
    temperatures[0], temperatures[-1] = hot, cold
    return np.asarray(temperatures)


def temper(
    system: System,
    temperatures: Sequence[float] | Array | None = None,
    *,
    sweeps: int,
    ladders: int = 1,
    seed: int = 0,
    burn_in: int = 0,
    record_every: int = 1,
    keep_states: bool | Literal["all"] = False,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run independent ladders of replicas; after each sweep, even or odd neighbours are offered a swap.

    The trace shows the coldest rung: energies (T, ladders), states (T, ladders, *shape) if kept; with
    `keep_states="all"`, `stats["states"]` (T, rungs, ladders, *shape) has those of every rung. Its `best` is
    of all rungs and all sweeps. `stats` has "temperatures" (rungs,) from hot to cold, "energies" (T, rungs,
    ladders), "acceptance" of swaps (rungs - 1,), "round_trips" (ladders,): from the hottest rung to the
    coldest and back, and "lowest" (ladders,): the lowest energy each saw. Without temperatures, `ladder`
    finds them.

    >>> from spinfunnel.systems import system
    >>> trace = temper(system("ising1d", size=8), [2.0, 1.0], sweeps=10, ladders=3)
    >>> trace.stats["energies"].shape, trace.temperatures[0].item()
    ((10, 2, 3), 1.0)

    Raises:
        BadInput: if there are fewer than two temperatures, one is not positive or is given twice, a count is
            below one, or the system has neither couplings nor moves.
    """
    whole(ladders=ladders)
    rungs = rungs_of(system, temperatures, seed)
    return climb(
        replicas_of(system, ladders * len(rungs), seed), rungs, sweeps=sweeps, seed=seed,
        burn_in=burn_in, record_every=record_every, keep_states=keep_states, deadline=deadline,
        progress=progress,
    )  # fmt: skip


def rungs_of(system: System, temperatures: Sequence[float] | Array | None, seed: int) -> Array:
    """Give the temperatures of a ladder from hot to cold, those that `ladder` finds if none are given.

    >>> rungs_of(None, [0.5, 1.0], 0)
    array([1. , 0.5])
    """
    given = ladder(system, seed=seed) if temperatures is None else np.asarray(temperatures, dtype=float)
    rungs = np.sort([positive(t) for t in np.ravel(given)])[::-1]
    if len(rungs) < 2 or (np.diff(rungs) == 0).any():
        raise BadInput(f"a ladder has two or more different temperatures, not {rungs.tolist()}")
    return rungs


def climb(
    them: Replicas,
    rungs: Array,
    *,
    sweeps: int,
    seed: int,
    burn_in: int,
    record_every: int,
    keep_states: bool | Literal["all"],
    deadline: float | None,
    progress: Progress | None,
) -> Trace:
    """Temper replicas of any engine, as `temper` says."""
    whole(sweeps=sweeps, burn_in=burn_in, record_every=record_every)
    count = len(rungs)
    ladders = them.replicas // count
    places = Ladders.of(rungs, ladders, seed)
    kept = count if keep_states == "all" else int(keep_states)
    compiling = time.perf_counter()
    records = [them.temper(places, 0, every=NEVER, kept=kept)]
    compile_seconds = time.perf_counter() - compiling
    began, stopped, at = time.process_time(), "finished", 0
    try:
        for number in pieces(burn_in, them.work, deadline):
            them.temper(places, number, every=NEVER, kept=0)
        burnt, them.done = them.done, 0
        places.forget()
        for number in pieces(sweeps if burnt == burn_in else 0, them.work, deadline):
            records.append(them.temper(places, number, every=record_every, kept=kept))
            at += number
            if progress:
                progress(at, sweeps, "sweeps")
        stopped = "finished" if at == sweeps else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    energies, states = (np.concatenate(parts) for parts in zip(*records, strict=True))
    best, lowest = them.lowest()
    return Trace(
        times=record_every * np.arange(1, len(energies) + 1),
        temperatures=np.full(len(energies), rungs[-1]),
        energies=energies[:, -1],
        **them.ending(best, lowest) | {"final": them.final[places.at[:, -1]]},
        stopped=stopped,
        seed=seed,
        states=states[:, -1] if keep_states else None,
        stats={
            "temperatures": rungs,
            "energies": energies,
            "acceptance": places.swapped / np.maximum(places.tried, 1),
            "round_trips": places.trips,
            "lowest": lowest.reshape(ladders, count).min(axis=1),
            "compile_seconds": compile_seconds,
            "cpu_seconds": time.process_time() - began,
        }
        | ({"states": states} if keep_states == "all" else {}),
    )
