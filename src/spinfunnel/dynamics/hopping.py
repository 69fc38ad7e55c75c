"""Basin hopping: Metropolis dynamics over the local minima of a smooth energy.

Source: Wales & Doye, J. Phys. Chem. A 101 (1997) 5111.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Trace, seeds
from spinfunnel.dynamics.clock import ticks
from spinfunnel.dynamics.descent import LONGEST, descend
from spinfunnel.dynamics.downhill import MOVING, Downhill
from spinfunnel.dynamics.replicas import Progress, begun, positive, whole
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems.lennard_jones import lj, lj_reference
from spinfunnel.systems.protocols import Smooth, System

#: A gradient with no component above this is a minimum's, on the way; the best is polished by this factor.
TOLERANCE, POLISH = 1e-3, 1e-4
#: A descent that takes more energies and gradients than this ends where it is.
MOST = 10_000


def basin_hopping(
    system: System,
    *,
    hops: int,
    replicas: int = 16,
    temperature: float = 0.8,
    step: float = 0.4,
    tolerance: float = TOLERANCE,
    start: Array | None = None,
    seed: int = 0,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Shift every coordinate by up to `step`, go down, and accept the minimum by Metropolis' rule; hop again.

    The replicas are independent chains from random starts, or from `start` (R, *shape), minimised side by
    side by L-BFGS; temperature and
    step are, unless given, those that suit Lennard-Jones clusters. The trace's
    `times` count hops, from 0, the minimum below the start; `energies` (T, R) and `final` are of the minimum
    each chain is in, known to `tolerance`, the largest component of the gradient; `stats["lowest"]` (R,) and
    `stats["minima"]` (R, *shape) are each chain's best, polished. It ends early at `deadline` (a
    `time.time()`) or at Ctrl-C; then it holds the hops that all chains had made by then.

    >>> from spinfunnel.systems import system
    >>> trace = basin_hopping(system("lj", size=7), hops=20, replicas=4)
    >>> trace.stats["lowest"].round(4), trace.energies.shape
    (array([-16.5054, -16.5054, -16.5054, -16.5054]), (21, 4))

    Raises:
        BadInput: if the system has no gradient, temperature, step or tolerance is not positive, or a count is
            below one.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient, which basin hopping needs")
    for name, value in (("step", step), ("tolerance", tolerance)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be positive and finite, not {value}")
    t = positive(temperature)
    whole(hops=hops, replicas=replicas)
    began, stopped = time.process_time(), "finished"
    start = system.settle(begun(system, replicas, seed, start))
    down = Downhill(system, start, method="lbfgs", tolerance=tolerance, longest=LONGEST)
    chains = Chains(down, hops, t, step, seed)
    try:
        for hop in ticks(hops + 1, "hops", deadline, progress):
            while (chains.made < hop).any():
                chains.advance()
    except KeyboardInterrupt:
        stopped = "interrupted"
    records = int(chains.made.min())
    if stopped == "finished" and records <= hops:
        stopped = "deadline"
    polished = descend(system, down.shaped(chains.best), tolerance=tolerance * POLISH, most=MOST)
    lowest = system.energy(polished.final)
    first = int(np.argmin(lowest))
    return Trace(
        times=np.arange(records),
        temperatures=np.full(records, t),
        energies=chains.energies[:records],
        final=down.shaped(chains.x),
        best=polished.final[first],
        best_energy=float(lowest[first]),
        accepted=chains.accepted / chains.proposed if chains.proposed else None,
        stopped=stopped,
        seed=seed,
        stats={
            "lowest": lowest,
            "minima": polished.final,
            "evaluations": down.evaluations,
            "cpu_seconds": time.process_time() - began,
        },
    )


class Chains:
    """R chains of minima. A chain that reaches a minimum hops on at once, and waits for no other.

    Attributes:
        made: (R,), minima each chain has looked at, its first included.
        x, best: (R, n), the minimum each chain is in, and its lowest.
        energies: (hops + 1, R), of the minimum it is in, after each hop.
    """

    def __init__(self, down: Downhill, hops: int, temperature: float, step: float, seed: int) -> None:
        replicas = len(down.x)
        self.down, self.temperature, self.step = down, temperature, step
        self.rngs = [np.random.default_rng(seeds(seed, "hopping", r)) for r in range(replicas)]
        self.x, self.best = down.x.copy(), down.x.copy()
        self.energy, self.lowest = np.full((2, replicas), np.inf)
        self.energies = np.empty((hops + 1, replicas))
        self.made, self.begun = np.zeros((2, replicas), dtype=np.int64)
        self.accepted = self.proposed = 0

    def advance(self) -> None:
        """Let every minimisation try one step; where one ends, accept or reject, and hop."""
        down, hops = self.down, len(self.energies) - 1
        down.advance()
        over = (down.state != MOVING) | (down.evaluations - self.begun > MOST)
        ended = np.flatnonzero(over & (self.made <= hops))
        for r in ended:
            self._judge(int(r))
        again = ended[self.made[ended] <= hops]
        if len(again):
            shifts = [self.rngs[r].uniform(-self.step, self.step, self.x.shape[1]) for r in again]
            there = down.shaped(self.x[again] + np.array(shifts))
            down.restart(again, np.asarray(down.system.settle(there)))
            self.begun[again] = down.evaluations[again]

    def _judge(self, r: int) -> None:
        found = self.down.energy[r]
        if self.made[r]:
            self.proposed += 1
            rises = found - self.energy[r]
            taken = math.log(self.rngs[r].random()) < -rises / self.temperature
            self.accepted += taken
        else:
            taken = True
        if taken:
            self.energy[r], self.x[r] = found, self.down.x[r]
        if found < self.lowest[r]:
            self.lowest[r], self.best[r] = found, self.down.x[r]
        self.energies[self.made[r], r] = self.energy[r]
        self.made[r] += 1


@dataclass(frozen=True, eq=False)
class Stairs(Smooth):
    """E = c (|x| - sin(4π|x|)/4π) + 1 - cos 2πx: minima at the whole numbers, of energy c|k|, walls between.

    The walls are halfway, so that hops lead as often one way as the other. Only for c < π.

    >>> Stairs(0.5).energy(np.array([[-3.0], [0.0], [0.5]])).round(9) + 0.0
    array([1.5 , 0.  , 2.25])
    """

    rise: float
    name: str = "stairs"
    convention: str = "E = c (|x| - sin(4 pi |x|) / 4 pi) + 1 - cos 2 pi x"

    @property
    def size(self) -> int:
        """One coordinate."""
        return 1

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of x (batch, 1)."""
        y = np.abs(x[:, 0])
        return self.rise * (y - np.sin(4 * np.pi * y) / (4 * np.pi)) + 1 - np.cos(2 * np.pi * y)

    def gradient(self, x: Array) -> Array:
        """Give the gradients (batch, 1)."""
        up = self.rise * np.sign(x) * (1 - np.cos(4 * np.pi * x))
        return np.asarray(up + 2 * np.pi * np.sin(2 * np.pi * x))

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the second derivative times v, (batch, 1)."""
        bend = self.rise * np.sign(x) * 4 * np.pi * np.sin(4 * np.pi * x)
        return np.asarray((bend + 4 * np.pi**2 * np.cos(2 * np.pi * x)) * v)

    def random(self, batch: int, seed: int) -> Array:
        """Draw x (batch, 1) evenly between -2 and 2."""
        return np.random.default_rng(seeds(seed, "stairs")).uniform(-2, 2, size=(batch, 1))


def _stairs(seed: int) -> Iterator[CalibrationRow]:
    """Hop on stairs: minimum k is visited as often as q^|k|, q = exp(-c/T), so <|k|> = 2q/(1 - q²)."""
    rise = 0.5
    for t in (0.3, 0.5):
        trace = basin_hopping(
            Stairs(rise), hops=400, replicas=120, temperature=t, step=1.4, seed=seeds(seed, t)
        )  # fmt: skip
        q = math.exp(-rise / t)
        found = mean_of_replicas(trace.energies[50:] / rise)
        assert found.error is not None
        yield CalibrationRow.measured(
            "hopping", f"stairs, T {t:g}", "<|k|>",
            exact=2 * q / (1 - q * q), value=found.value, error=found.error, cap=0.04,
        )  # fmt: skip


def _cluster(atoms: int, hops: int, replicas: int, at_least: float, seed: int) -> Iterator[CalibrationRow]:
    """Look for the lowest minimum known of N Lennard-Jones atoms, from random starts."""
    cluster = lj(atoms)
    known = float(cluster.energy(lj_reference(atoms)[None])[0])
    lowest = basin_hopping(cluster, hops=hops, replicas=replicas, seed=seeds(seed, atoms)).stats["lowest"]
    yield CalibrationRow.deterministic(
        "hopping", f"LJ{atoms}", "lowest energy of all chains, against the shape built from geometry",
        exact=known, value=float(lowest.min()), tolerance=1e-6,
    )  # fmt: skip
    yield CalibrationRow.rate(
        "hopping", f"LJ{atoms}", f"chains of {hops} hops that found it",
        k=int((lowest < known + 1e-6).sum()), n=replicas, at_least=at_least,
    )  # fmt: skip
    if atoms == 38:  # its second funnel (Doye, Miller & Wales, J. Chem. Phys. 110 (1999) 6896), as found here
        yield CalibrationRow.rate(
            "hopping", "LJ38", f"chains of {hops} hops at the bottom of one of its two funnels",
            k=int(((lowest < known + 1e-6) | (np.abs(lowest + 173.252378) < 1e-5)).sum()), n=replicas,
            at_least=0.6,
        )  # fmt: skip


WALES = "Wales & Doye, J. Phys. Chem. A 101 (1997) 5111"
calibrations = (
    Calibration("basin hopping on stairs", "Boltzmann's law over the minima, exact", _stairs),
    Calibration("LJ13 by basin hopping", WALES, lambda seed: _cluster(13, 100, 24, 0.9, seed)),
    Calibration("LJ55 by basin hopping", WALES, lambda seed: _cluster(55, 1000, 16, 0.5, seed), "full"),
    Calibration("LJ38 by basin hopping", WALES, lambda seed: _cluster(38, 1500, 16, 0.05, seed), "full"),
)
