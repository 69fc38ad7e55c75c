"""Simulated annealing: many independent anneals at once, from hot to cold and then straight downhill.

Source: Kirkpatrick, Gelatt, Vecchi, Science 220 (1983) 671.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Trace, seeds
from spinfunnel.dynamics import kernels
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.replicas import Progress, pieces, positive, whole
from spinfunnel.systems.protocols import System

Schedule: TypeAlias = Literal["geometric", "linear"]

#: This share of the uphill moves from a random configuration is accepted where an anneal begins.
UPHILL = 0.4
#: In a local minimum, this many excitations a sweep are expected where an anneal ends.
EXCITED = 0.2
#: An inverse temperature that no cost survives, in units of the coldest; and the sweeps made there.
FROZEN, DOWNHILL = 1e6, 8
#: Records along an anneal.
RECORDS = 32


def temperature_range(system: System, seed: int = 0) -> tuple[float, float]:
    """Give the temperatures (hot, cold) between which something freezes.

    Hot: the mean of exp(-cost/T) over the uphill moves from random configurations is 0.4. Cold: in a local
    minimum, the sum of exp(-cost/T) over the moves of a sweep, such as N flips, is 0.2 (or half as many as
    cost anything); those that cost nothing are left out.

    >>> from spinfunnel.systems import system
    >>> hot, cold = temperature_range(system("ising2d", size=8))
    >>> hot > 2.269 > cold
    True
    """
    many = kernels.WIDTH
    them = replicas_of(system, many, seeds(seed, "temperature range"), order="random")
    random = them.costs()
    random = random[np.isfinite(random) & (random != 0)]
    unit = float(np.median(np.abs(random))) if random.size else 1.0
    smallest = 1e-6 * unit
    them.sweep(FROZEN / unit, np.ones(3 * DOWNHILL), every=1)
    frozen = them.costs()
    frozen = frozen[np.isfinite(frozen) & (frozen > smallest)]
    if not (random > smallest).any() or not frozen.size:
        raise BadInput(f"{system.name} has no move that costs energy: there is nothing to anneal")
    uphill, excited = random[random > smallest], min(EXCITED, 0.5 * frozen.size / many)
    hot = _solve(lambda beta: float(np.exp(-beta * uphill).mean()) - UPHILL, unit)
    cold = _solve(lambda beta: float(np.exp(-beta * frozen).sum()) / many - excited, unit)
    return hot, min(cold, hot / 4)


def _solve(excess: Callable[[float], float], unit: float) -> float:
    """Give the temperature where a falling function of β is zero; costs are of order `unit`."""
    from scipy.optimize import brentq

    low, high = 1e-9, 1e9
    return unit / math.exp(brentq(lambda log: excess(math.exp(log) / unit), math.log(low), math.log(high)))


def betas(progress: Array, hot: float, cold: float, schedule: Schedule) -> Array:
    """Give the inverse temperatures at shares 0..1 of an anneal, `geometric` or `linear` in β.

    >>> betas(np.array([0, 0.5, 1]), 2.0, 0.5, "geometric"), betas(np.array([0, 0.5, 1]), 2.0, 0.5, "linear")
    (array([0.5, 1. , 2. ]), array([0.5 , 1.25, 2.  ]))
    """
    if schedule == "geometric":
        return np.asarray((hot / cold) ** progress / hot)
    return np.asarray(1 / hot + progress * (1 / cold - 1 / hot))


def anneal(
    system: System,
    *,
    sweeps: int = 1000,
    anneals: int = kernels.WIDTH,
    hot: float | None = None,
    cold: float | None = None,
    schedule: Schedule = "geometric",
    seed: int = 0,
    threads: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Cool independent replicas from `hot` to `cold`, then take them downhill, and keep the best.

    Without `hot` or `cold`, `temperature_range` gives them. `stats["lowest"]` has each anneal's lowest energy
    (R,); at `deadline` (a `time.time()`) or Ctrl-C, the anneals are taken downhill from where they are.

    >>> from spinfunnel.systems import system
    >>> anneal(system("ising2d", size=6), sweeps=50).best_energy
    -72.0

    Raises:
        BadInput: if hot is not above cold, a count is below one, or the system has neither couplings
            nor moves.
    """
    whole(sweeps=sweeps, anneals=anneals, threads=threads)
    if hot is None or cold is None:
        found = temperature_range(system, seed)
        hot, cold = hot or found[0], cold or found[1]
    if positive(hot) <= positive(cold):
        raise BadInput(f"an anneal begins hot and ends cold, but hot is {hot:g} and cold {cold:g}")
    if schedule not in ("geometric", "linear"):
        raise BadInput(f"schedule is {schedule!r}: it must be geometric or linear")
    them = replicas_of(system, anneals, seed)
    every = max(1, sweeps // RECORDS)
    compiling = time.perf_counter()
    energies = [them.sweep(1.0, np.empty(0), every=every)[0]]
    compile_seconds = time.perf_counter() - compiling
    began, stopped, at = time.process_time(), "finished", 0
    try:
        for count in pieces(sweeps, them.work, deadline):
            part = betas((at + np.arange(count)) / max(1, sweeps - 1), hot, cold, schedule)
            energies.append(them.sweep(1.0, part, every=every, threads=threads)[0])
            at += count
            if progress:
                progress(at, sweeps, "sweeps")
        stopped = "finished" if at == sweeps else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    times = every * np.arange(1, at // every + 1)
    recorded = betas((times - 1) / max(1, sweeps - 1), hot, cold, schedule)
    downhill = them.sweep(FROZEN / cold, np.ones(DOWNHILL), every=1, threads=threads)[0]
    energies.append(downhill)
    best, lowest = them.lowest()
    return Trace(
        times=np.concatenate([times, at + np.arange(1, DOWNHILL + 1)]),
        temperatures=np.concatenate([1 / recorded, np.zeros(DOWNHILL)]),
        energies=np.concatenate(energies),
        **them.ending(best, lowest),
        stopped=stopped,
        seed=seed,
        stats={
            "lowest": lowest,
            "hot": hot,
            "cold": cold,
            "schedule": schedule,
            "compile_seconds": compile_seconds,
            "cpu_seconds": time.process_time() - began,
        },
    )
