"""How far a state draws: states are taken away from it to a given overlap, and fall where they will."""

from __future__ import annotations

from typing import Any

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.dynamics.descent import descend, quench, steepest
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.structures import overlaps_with
from spinfunnel.systems.protocols import Flips, Metric, Smooth

#: Overlaps from which states are let fall, and the overlap from which on one has returned.
STARTS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
RETURNED = 0.95
#: What does not flip leaves in so many steps: chains by sweeps of rising temperature, coordinates along a ray
#: that grows to this length in each.
STEPS, RAY = 100, 1.0
#: Chains are heated to so many times the temperature where anneals begin: few would have melted by then.
MOLTEN = 10
#: Energies that differ by less than this share are equal; coordinates given in a file are less exact.
ROUNDING, GIVEN = 1e-9, 1e-4


def bottom(system: Metric, native: Array, seed: int) -> tuple[Array, float, bool]:
    """Give the minimum at or below a state (*shape), its energy, and whether the state was one itself."""
    state = np.asarray(native)[None]
    energy = float(system.energy(state)[0])
    room = (GIVEN if isinstance(system, Smooth) else ROUNDING) * max(1.0, abs(energy))
    below = steepest(system, state, room) if isinstance(system, Flips) else fallen(system, state, seed)
    lower = float(system.energy(below)[0])
    was = lower >= energy - room
    if was and not isinstance(system, Smooth):
        return state[0], energy, True
    return below[0], lower, was


def fallen(system: Metric, states: Array, seed: int) -> Array:
    """Let states (R, *shape) fall: along the gradient, or at T = 0."""
    if isinstance(system, Smooth):
        return np.asarray(descend(system, states).final)
    return np.asarray(quench(system, states, seed=seed).final)


def away(
    system: Metric, native: Array, replicas: int, hot: float, cold: float, seed: int
) -> dict[float, tuple[Array, Array]]:
    """Give, for each of `STARTS` that was reached, states (r, *shape) at it or just below, and overlaps (r,).

    Spins: just enough of them, drawn at random, are turned over. Other states are met on the way out, the
    first at that overlap: chains are heated evenly in ln T, from `cold` to ten times `hot`; coordinates leave
    along random rays.
    """
    rng = np.random.default_rng(seeds(seed, "away"))
    same = np.repeat(np.asarray(native)[None], replicas, axis=0)
    found: dict[float, tuple[Array, Array]] = {}
    if isinstance(system, Flips):
        order = rng.permuted(np.tile(np.arange(system.size), (replicas, 1)), axis=1)
        for q in STARTS:
            turned = np.zeros(same.shape, dtype=bool)
            np.put_along_axis(turned, order[:, : flips(system.size, q)], True, axis=1)
            states = np.where(turned, -same, same)
            found[q] = states, system.overlap(states, same)
        return found
    path = _rays(system, same, rng) if isinstance(system, Smooth) else _heated(system, same, hot, cold, seed)
    overlaps = np.array([system.overlap(states, same) for states in path])
    for q in STARTS:
        below = overlaps <= q
        who, first = np.flatnonzero(below.any(axis=0)), below.argmax(axis=0)
        if len(who):
            found[q] = path[first[who], who], overlaps[first[who], who]
    return found


def flips(size: int, q: float) -> int:
    """Give how many of N spins are turned over so that the overlap is q, or just below, and at least one.

    >>> flips(100, 0.9), flips(16, 0.95)
    (5, 1)
    """
    return max(1, int(np.ceil((1 - q) / 2 * size - 1e-9)))


def _rays(system: Smooth, same: Array, rng: np.random.Generator) -> Array:
    directions = rng.standard_normal(same.shape)
    return np.array([system.settle(same + length * directions) for length in np.geomspace(1e-3, RAY, STEPS)])


def _heated(system: Any, same: Array, hot: float, cold: float, seed: int) -> Array:
    them = replicas_of(system, len(same), seeds(seed, "heated"), start=same)
    return them.sweep(1.0, 1 / np.geomspace(cold, MOLTEN * hot, STEPS), every=1, keep_states=True)[1]


def returns(system: Metric, native: Array, states: Array, seed: int) -> int:
    """Count which of states (R, *shape), let fall, come back to a state (*shape)."""
    ends = fallen(system, states, seed)
    return int((overlaps_with(system, ends, native) > RETURNED).sum())
