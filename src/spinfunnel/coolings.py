"""Independent anneals of a system at several cooling times, which several instruments share.

A set is sixteen replicas: a unit of work that depends on no other. Each of them is cooled at every cooling
time, ten times longer each, from a random state, and taken downhill. The slowest ends are then heated
again, to find out whether they survive. Smooth systems are not cooled but hop between minima, and their
cooling times count hops. What a system is like follows from its energy, its moves and the time it is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from spinfunnel.core import Array, BadInput, Effort, seeds
from spinfunnel.dynamics.annealing import temperature_range
from spinfunnel.dynamics.descent import descend, quench
from spinfunnel.dynamics.engines import nanoseconds, replicas_of
from spinfunnel.dynamics.hopping import basin_hopping
from spinfunnel.dynamics.replicas import NEVER, pieces
from spinfunnel.systems.protocols import Metric, Moves, Pairwise, Smooth, System

#: Replicas of a set.
REPLICAS = 16
#: Sets, and the slowest cooling, in sweeps; and the same in hops, by effort.
WORK: dict[Effort, tuple[int, int, int, int]] = {
    "quick": (2, 10_000, 1, 1_500),
    "normal": (3, 10_000, 2, 1_500),
    "full": (4, 100_000, 4, 6_000),
}
#: A quick look makes one set if all would take longer than this, in seconds.
DEAR = 25.0
#: Cooling times, each ten times the one before; of hops the first three.
TIMES = 4
#: An anneal begins where energies have fallen by less than this share of the way to a quenched state within
#: so many sweeps, and ends at this share of that temperature.
FALLEN, PILOT, COLDEST = 0.2, 60, 1 / 200
#: Records of an anneal; of the slowest, ten times as many, smoothed over five before T90 is read off.
RECORDS, FINER, SMOOTHED = 100, 10, 5
#: Where this share of the fall is done is T90.
DONE = 0.9
#: An end is heated to these multiples of T90, stays there for so many sweeps, and is cooled in so many.
FACTORS, STAY, BACK = (0.8, 1.0), 500, 500
#: Hops are made at this temperature by this step, which suit Lennard-Jones clusters.
HOT, STEP = 0.8, 0.4
#: States along an anneal that are taken downhill, and random states of a set.
SNAPSHOTS, RANDOM = 10, 256
#: Where a system has moves of its own, a sweep of an anneal costs this share of one at the temperatures of
#: ladders (measured: a tenth to a half), for most moves are refused.
COLD = 0.25
#: Ageing is watched at this share of T90, after these waits, for these times.
AGEING, WAITS, LAGS = 0.5, (10, 100, 1000), (1, 3, 10, 30, 100, 300, 1000)
#: Measured nanoseconds of a hop, and of each pair of coordinates in it (LJ38, and the spherical 3-spin).
HOP, PAIR = 1e5, 60.0


@dataclass(frozen=True)
class Cooling:
    """One set of anneals that is to be made: known before it is made. `times` (K,) ascend."""

    need: ClassVar[str] = "anneals"

    index: int
    times: tuple[int, ...]
    seconds: float
    bytes: int

    @property
    def row_name(self) -> str:
        """What it is called in a report."""
        return f"anneals {REPLICAS * self.index + 1} to {REPLICAS * (self.index + 1)}"


@dataclass(frozen=True)
class Coolings:
    """What anneals of R replicas, in sets of sixteen, at K cooling times, left behind.

    Attributes:
        times, unit: cooling times (K,), ascending, in `sweeps` or `hops`.
        ends, energies: the minima where anneals ended, (K, R, *shape), and their energies (K, R).
        random_energies: of random states, (S,).
        hot, cold: temperatures between which anneals cool; both those of the hops, where there are hops.
        t90: the temperature of each set (R / 16,) where 90 % of the fall is done. Of atoms that hop, where
            vibrations hold the energy between random minima and the best; of others that hop, their own.
        temperatures: (C,), from hot to cold; (0,) where there are hops.
        cooling: energies along the slowest anneals, (C, R).
        quicker, heating: energies along those ten times quicker, and on their way back up, (C, R).
        structures, structure_energies: minima met on the way, (S, *shape) and (S,), not distinct.
        factors: multiples of T90 that the slowest ends were heated to, (2,).
        survivors, survivor_energies: the minima they then ended in, (2, R, *shape) and (2, R).
        waits, lags: sweeps (W,) after which states are kept at half of T90, and (L,) for how long.
        correlations: overlaps of the state kept and the later one, (W, L, R); empty without a metric.
    """

    times: Array
    unit: str
    ends: Array
    energies: Array
    random_energies: Array
    hot: float
    cold: float
    t90: Array
    temperatures: Array
    cooling: Array
    quicker: Array
    heating: Array
    structures: Array
    structure_energies: Array
    factors: Array
    survivors: Array
    survivor_energies: Array
    waits: Array
    lags: Array
    correlations: Array

    @classmethod
    def of(cls, sets: Sequence[Coolings]) -> Coolings:
        """Put sets side by side: they have the same cooling times."""
        axes = {
            "ends": 1, "energies": 1, "random_energies": 0, "t90": 0, "cooling": 1, "quicker": 1,
            "heating": 1, "structures": 0, "structure_energies": 0, "survivors": 1,
            "survivor_energies": 1, "correlations": 2,
        }  # fmt: skip
        joined: dict[str, Any] = {
            key: np.concatenate([getattr(one, key) for one in sets], axis) for key, axis in axes.items()
        }
        kept = {key: value for key, value in vars(sets[0]).items() if key not in axes}
        return cls(**joined, **kept)

    @property
    def best_energy(self) -> float:
        """The lowest energy that any anneal ended with."""
        return float(self.energies.min())

    @property
    def drop(self) -> float:
        """D, from the mean energy of random states down to the best: the scale of this landscape."""
        return float(self.random_energies.mean()) - self.best_energy


def coolings(system: System, effort: Effort) -> tuple[Cooling, ...]:
    """Plan the sets; what each costs follows from the system alone."""
    sets, slowest, hopping, hops = WORK[effort]
    size = 40 * REPLICAS * math.prod(system.shape) * 8
    if isinstance(system, Smooth):
        sets, times = hopping, tuple(hops // 10**k for k in (2, 1, 0))
        hop = HOP + PAIR * math.prod(system.shape) ** 2
        seconds = 1e-9 * hop * REPLICAS * (sum(times) + len(FACTORS) * sum(times[:2]))
    else:
        times = tuple(slowest // 10**k for k in reversed(range(TIMES)))
        swept = sum(times) + times[-2] + 2 * (STAY + BACK) + max(WAITS) + max(LAGS) + 500
        cheaper = 1.0 if isinstance(system, Pairwise) else COLD
        seconds = 1e-9 * cheaper * REPLICAS * swept * nanoseconds(system)
    if effort == "quick" and sets * seconds > DEAR:
        sets = 1
    return tuple(Cooling(index, times, seconds, size) for index in range(sets))


def cool(system: System, planned: Cooling, seed: int) -> Coolings:
    """Make one set of anneals; what it draws does not depend on the other sets.

    Raises:
        BadInput: if random states, or those found, have energies that are not finite, or all the same; or
            if no descent ends.

    >>> from spinfunnel.systems import system
    >>> made = cool(system("mattis", size=32), Cooling(0, (10, 100, 1000), 1.0, 0), seed=0)
    >>> bool((made.energies[-1] == -15.5).all()), made.survivors.shape
    (True, (2, 16, 32))
    """
    own = seeds(seed, planned.row_name)
    many = system.energy(system.random(RANDOM, seeds(own, "random")))
    if not np.isfinite(many).all():
        raise BadInput(f"{system.name} gives random states an energy of {many[~np.isfinite(many)][0]}")
    found = _hopped(system, planned.times, own) if isinstance(system, Smooth) else (
        _annealed(system, planned.times, *_between(system, seed), float(many.mean()), own)
    )  # fmt: skip
    made = Coolings(times=np.array(planned.times), random_energies=many, factors=np.array(FACTORS), **found)
    if not np.isfinite(made.energies).all():
        raise BadInput(f"{system.name} has minima whose energies are not finite")
    if np.ptp(many) == 0 and (made.energies == many[0]).all():
        raise BadInput(f"{system.name}: all states met have the energy {many[0]:g}, so nothing can anneal")
    return made


@lru_cache(1)
def _between(system: System, seed: int) -> tuple[float, float]:
    """Find where anneals begin, by looking when random states no longer fall at once, and where they end."""
    hot, _ = temperature_range(system, seed)
    random = system.random(4 * REPLICAS, seeds(seed, "pilot"))
    top = float(system.energy(random).mean())
    depth = top - float(quench(system, random[:REPLICAS], seed=seed).energies.mean())
    while True:
        then = _swept(system, np.full(PILOT, hot), seeds(seed, "pilot", hot), every=1)[1]
        if top - float(then[PILOT // 2 :].mean()) < FALLEN * depth:
            return hot, COLDEST * hot
        hot *= 1.6


def _swept(
    system: System, temperatures: Array, seed: int, *, start: Array | None = None, every: int = NEVER,
    keep: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Sweep a set once at each of the temperatures: final states, and energies and states at the records."""
    them = replicas_of(system, REPLICAS, seed, start=start)
    energies, states, at = [], [], 0
    for count in pieces(len(temperatures), them.work, None):
        there = 1 / temperatures[at : at + count]
        made = them.sweep(1.0, there, every=every, keep_states=keep)
        energies.append(made[0])
        states.append(made[1])
        at += count
    return them.final, np.concatenate(energies), np.concatenate(states)


def _annealed(
    system: System, times: tuple[int, ...], hot: float, cold: float, top: float, seed: int
) -> dict[str, Any]:
    """Cool at all times, from the mean energy `top` of random states; reheat the ends, watch states age."""

    def down(start: Array | None, high: float, sweeps: int, *names: object, **how: Any) -> tuple[Array, ...]:
        """Cool geometrically and quench: ends, their energies, and what `_swept` kept."""
        own = seeds(seed, *names)
        final, *kept = _swept(system, np.geomspace(high, cold, sweeps), own, start=start, **how)
        trace = quench(system, final, seed=own)
        return trace.final, trace.energies[0], *kept

    quick, slow = times[-2:]
    every, fine = max(1, quick // RECORDS), max(1, slow // (FINER * RECORDS))
    runs = {time: down(None, hot, time, "anneal", time) for time in times[:-2]}
    runs[quick] = down(None, hot, quick, "anneal", quick, every=every, keep=True)
    runs[slow] = down(None, hot, slow, "anneal", slow, every=fine)
    snapshots = runs[quick][3][RECORDS // SNAPSHOTS - 1 :: RECORDS // SNAPSHOTS]
    inherent = quench(system, snapshots.reshape(-1, *system.shape), seed=seeds(seed, "structures"))
    heated = np.geomspace(cold, hot, quick)
    heating = _swept(system, heated, seeds(seed, "heating"), start=runs[quick][0], every=every)[1]
    temperatures, cooling = np.geomspace(hot, cold, slow)[fine - 1 :: fine], runs[slow][2]
    t90 = where_fallen(temperatures, cooling.mean(axis=1), top, float(runs[slow][1].mean()))
    back = []
    for factor in FACTORS:
        own = seeds(seed, "reheat", factor)
        hottest = np.full(STAY, max(factor * t90, cold))
        stayed = _swept(system, hottest, own, start=runs[slow][0])[0]
        back.append(down(stayed, max(factor * t90, 2 * cold), BACK, "back", factor)[:2])
    return {
        "unit": "sweeps", "hot": hot, "cold": cold, "t90": np.array([t90]),
        "temperatures": temperatures[FINER - 1 :: FINER],
        "ends": np.array([runs[time][0] for time in times]),
        "energies": np.array([runs[time][1] for time in times]),
        "cooling": cooling[FINER - 1 :: FINER], "quicker": runs[quick][2], "heating": heating[::-1],
        "structures": inherent.final, "structure_energies": inherent.energies[0],
        "survivors": np.array([one[0] for one in back]),
        "survivor_energies": np.array([one[1] for one in back]),
        **_aged(system, max(AGEING * t90, cold), seed),
    }  # fmt: skip


def where_fallen(temperatures: Array, energies: Array, top: float, bottom: float) -> float:
    """Give the temperature where a cooling curve (C,), from hot to cold, has done 90 % of its fall.

    The curve is smoothed first: the first crossing of a noisy one would come too hot.

    >>> t = np.linspace(2, 0.01, 1000)
    >>> round(where_fallen(t, t - 2, 0.0, -2.0), 2)
    0.2
    """
    kernel = np.ones(SMOOTHED) / SMOOTHED
    smooth = np.convolve(np.pad(energies, SMOOTHED // 2, "edge"), kernel, "valid")
    fallen = top - smooth >= DONE * (top - bottom)
    return float(temperatures[int(fallen.argmax()) if fallen.any() else -1])


def _aged(system: System, temperature: float, seed: int) -> dict[str, Any]:
    """Let random states age at one temperature, and compare states after waits with later ones."""
    waits, lags = np.array(WAITS), np.array(LAGS)
    if not isinstance(system, Metric):
        return {"waits": waits[:0], "lags": lags, "correlations": np.empty((0, len(lags), REPLICAS))}
    moments = np.unique(np.concatenate([waits, (waits[:, None] + lags).ravel()]))
    them, at, kept = replicas_of(system, REPLICAS, seeds(seed, "ageing")), 0, {}
    for moment in moments:
        them.sweep(1.0, np.full(moment - at, 1 / temperature), every=NEVER)
        kept[int(moment)], at = them.final, int(moment)
    found = [[system.overlap(kept[int(wait)], kept[int(wait + lag)]) for lag in lags] for wait in waits]
    return {"waits": waits, "lags": lags, "correlations": np.array(found)}


def _hopped(system: Smooth, times: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Hop for all times from random states; then leave the ends, by heat or by hops, and come back."""

    def hop(hops: int, temperature: float, start: Array | None, *names: object) -> Any:
        return basin_hopping(
            system, hops=hops, replicas=REPLICAS, temperature=temperature, step=STEP, start=start,
            seed=seeds(seed, *names),
        )  # fmt: skip

    def forked(factor: float) -> Array:
        """Shake atoms at the temperature, and cool them; what has no moves of its own hops away and back."""
        if not isinstance(system, Moves):
            away = hop(times[0], factor * shaken, ends[-1], "reheat", factor)
            return np.asarray(hop(times[1], HOT, away.final, "back", factor).stats["minima"])
        own, cooled = seeds(seed, "reheat", factor), np.geomspace(factor, factor * COLDEST, BACK)
        schedule = shaken * np.concatenate([np.full(STAY, factor), cooled])
        return descend(system, _swept(system, schedule, own, start=ends[-1])[0]).final

    fallen = descend(system, system.settle(system.random(RANDOM // 4, seeds(seed, "random"))))
    if not fallen.stats["converged"].any():
        raise BadInput(f"{system.name}: no descent from random states ends in a minimum: has its energy one?")
    below = fallen.final
    runs = [hop(time, HOT, None, "hops", time) for time in times]
    ends = np.array([run.stats["minima"] for run in runs])
    energies = np.array([run.stats["lowest"] for run in runs])
    shaken = HOT
    if isinstance(system, Moves):  # vibrations hold the energy that is between random minima and the best
        height = float(system.energy(below).mean() - energies.min())
        shaken = max(2 * height / math.prod(system.shape), COLDEST * HOT)
    survivors = np.array([forked(factor) for factor in FACTORS])
    met = np.concatenate([below, *ends, *(run.final for run in runs), *survivors])
    none = np.empty((0, REPLICAS))
    return {
        "unit": "hops", "hot": HOT, "cold": HOT, "t90": np.array([shaken]), "temperatures": np.empty(0),
        "ends": ends, "energies": energies, "cooling": none, "quicker": none, "heating": none,
        "structures": met, "structure_energies": system.energy(met), "survivors": survivors,
        "survivor_energies": np.array([system.energy(one) for one in survivors]),
        "waits": np.empty(0, int), "lags": np.empty(0, int), "correlations": np.empty((0, 0, REPLICAS)),
    }  # fmt: skip
