"""Metropolis dynamics (or the heat bath) of independent replicas at one temperature.

Sources: Metropolis et al., J. Chem. Phys. 21 (1953) 1087; Glauber, J. Math. Phys. 4 (1963) 294.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spinfunnel.core import Trace
from spinfunnel.dynamics import kernels
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.replicas import NEVER, Order, Progress, Replicas, Rule, pieces, positive, whole
from spinfunnel.systems.protocols import System


def metropolis(
    system: System,
    temperature: float,
    *,
    sweeps: int,
    replicas: int = kernels.WIDTH,
    seed: int = 0,
    burn_in: int = 0,
    record_every: int = 1,
    order: Order | None = None,
    rule: Rule = "metropolis",
    keep_states: bool = False,
    threads: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Sweep independent replicas, from random starts, at one temperature.

    Spins are taken in turn, which keeps the Boltzmann law (balance) and is the fastest; `order="random"`
    draws each site afresh (detailed balance), as systems with moves of their own always do. The trace's
    `times` are sweeps after `burn_in`; `states` (T, R, *shape) if kept. It ends early at `deadline` (a
    `time.time()`) or at Ctrl-C; then it holds what was recorded by then.

    >>> from spinfunnel.systems import system
    >>> trace = metropolis(system("ising1d", size=8), 1.0, sweeps=20, replicas=3, record_every=5)
    >>> trace.energies.shape, trace.final.shape, trace.stopped
    ((4, 3), (3, 8), 'finished')

    Raises:
        BadInput: if the temperature is not positive, a count is below one, or the system has neither
            couplings nor moves.
    """
    whole(replicas=replicas)
    them = replicas_of(system, replicas, seed, order=order, rule=rule)
    return sample(
        them, temperature, sweeps=sweeps, seed=seed, burn_in=burn_in, record_every=record_every,
        keep_states=keep_states, threads=threads, deadline=deadline, progress=progress,
        stats=lambda: {"order": them.order, "rule": rule},
    )  # fmt: skip


def sample(
    them: Replicas,
    temperature: float,
    *,
    sweeps: int,
    seed: int,
    burn_in: int,
    record_every: int,
    keep_states: bool,
    threads: int,
    deadline: float | None,
    progress: Progress | None,
    stats: Callable[[], dict[str, Any]],
    unit: str = "sweeps",
) -> Trace:
    """Move replicas of any engine at one temperature, as `metropolis` says; `stats()` is asked at the end."""
    beta = 1 / positive(temperature)
    whole(sweeps=sweeps, burn_in=burn_in, record_every=record_every, threads=threads)
    compiling = time.perf_counter()
    records = [them.sweep(beta, np.empty(0), every=record_every, keep_states=keep_states)]
    compile_seconds = time.perf_counter() - compiling
    began, stopped, at = time.process_time(), "finished", 0
    try:
        for count in pieces(burn_in, them.work, deadline):
            them.sweep(beta, np.ones(count), every=NEVER, threads=threads)
        burnt, them.done = them.done, 0  # so that records fall on multiples of record_every
        for count in pieces(sweeps if burnt == burn_in else 0, them.work, deadline):
            new = them.sweep(
                beta, np.ones(count), every=record_every, keep_states=keep_states, threads=threads
            )
            records.append(new)
            at += count
            if progress:
                progress(at, sweeps, unit)
        stopped = "finished" if at == sweeps else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    seconds = time.process_time() - began
    energies, states = (np.concatenate(parts) for parts in zip(*records, strict=True))
    return Trace(
        times=record_every * np.arange(1, len(energies) + 1),
        temperatures=np.full(len(energies), float(temperature)),
        energies=energies,
        **them.ending(*them.lowest()),
        stopped=stopped,
        seed=seed,
        states=states if keep_states else None,
        stats={"compile_seconds": compile_seconds, "cpu_seconds": seconds} | stats(),
    )
