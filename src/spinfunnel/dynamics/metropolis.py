"""Metropolis dynamics (or the heat bath) of independent replicas at one temperature.

Sources: Metropolis et al., J. Chem. Phys. 21 (1953) 1087; Glauber, J. Math. Phys. 4 (1963) 294.
"""

from __future__ import annotations

import time

import numpy as np

from spinfunnel.core import Trace
from spinfunnel.dynamics import kernels
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.replicas import NEVER, Order, Progress, Rule, pieces, positive, whole
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
    beta = 1 / positive(temperature)
    whole(sweeps=sweeps, replicas=replicas, burn_in=burn_in, record_every=record_every, threads=threads)
    them = replicas_of(system, replicas, seed, order=order, rule=rule)
    energies, states = [np.empty((0, replicas))], [them.final[None][:0]]
    began, stopped, at = time.process_time(), "finished", 0
    try:
        for count in pieces(burn_in, them.work, deadline):
            them.sweep(beta, np.ones(count), every=NEVER, threads=threads)
        burnt, them.done = them.done, 0  # so that records fall on multiples of record_every
        for count in pieces(sweeps if burnt == burn_in else 0, them.work, deadline):
            new = them.sweep(
                beta, np.ones(count), every=record_every, keep_states=keep_states, threads=threads
            )
            at += count
            energies.append(new[0])
            states.append(new[1])
            if progress:
                progress(at, sweeps, "sweeps")
        stopped = "finished" if at == sweeps else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    seconds = time.process_time() - began
    kept = np.concatenate(energies)
    best, lowest = them.lowest()
    first = int(np.argmin(lowest))
    return Trace(
        times=record_every * np.arange(1, len(kept) + 1),
        temperatures=np.full(len(kept), float(temperature)),
        energies=kept,
        final=them.final,
        best=best[first],
        best_energy=float(lowest[first]),
        accepted=them.share_accepted(),
        stopped=stopped,
        seed=seed,
        states=np.concatenate(states) if keep_states else None,
        stats={
            "compile_seconds": them.compile_seconds,
            "cpu_seconds": seconds,
            "order": them.order,
            "rule": rule,
        },
    )
