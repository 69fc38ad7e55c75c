"""Barriers between states of spins: how high a path of single flips has to climb. Energies are total.

No path is below the barrier, so every path that is found bounds it from above (`path_bounds`). All states
that are reached below a lid bound it from below, and are exact for those among them (`pocket`). Of few spins
all states are flooded, and nothing is left open (`exact_barriers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.descent import accept_pairs, pairs, prepare_pairs, quench
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.merge_trees import MergeTree, merge_tree
from spinfunnel.maths.random_numbers import below, streams
from spinfunnel.systems import system as named
from spinfunnel.systems.enumeration import blocks
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import Flips, Metric, Pairwise
from spinfunnel.systems.spins import Spins

#: The next flip is the cheapest of so many, drawn from those that are still to be made.
CANDIDATES = 24
#: The most spins whose states are all flooded.
FLOODED = 18
#: Numbers that a pocket may remember: the local fields of all its states.
REMEMBERED = 2**24


def path_bounds(system: Flips, a: Array, b: Array, *, tries: int = 8, seed: int = 0) -> Array:
    """Bound the highest energy on the way from a (P, N) to b (P, N) from above: (P,).

    A try flips, one by one, the spins that differ: the cheapest of 24 drawn at random, from a in the first
    try, from b in the second, in the third from the end where it is cheaper, and so on; from the fourth try
    on, of fewer. Of all tries the lowest path counts, so that bounds only fall with their number. Where the
    metric takes a state and its mirror image for one, ways to both are tried. No path turns a spin over
    twice: join the bounds of many pairs (`maths.merge_trees`), and ways by other states lower most of them.

    >>> from spinfunnel.systems import system
    >>> ring, up = system("ising1d", size=8), np.ones((1, 8), dtype=np.int8)
    >>> half = np.where(np.arange(8) < 4, up, -up).astype(np.int8)
    >>> path_bounds(ring, up, half) - ring.energy(up)
    array([4.])

    Raises:
        BadInput: if shapes differ, or there is not a single try.
    """
    a, b = np.array(a, np.int8), np.array(b, np.int8)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != system.size:
        raise BadInput(f"ends of paths have shape (P, {system.size}), these have {a.shape} and {b.shape}")
    if tries < 1:
        raise BadInput(f"a path takes at least one try, not {tries}")
    peaks: Array = np.full(len(a), np.inf)
    for image in images(system, b):
        for k in range(tries):
            rng = streams(seed, f"flip path {k}", len(a))
            if isinstance(system, Pairwise):
                own, data = PAIRS, pairs(system)
            elif isinstance(system, ManyBody):
                own, data = MANY_BODY, system.data
            else:
                peaks = np.minimum(peaks, walked(system, a.copy(), image.copy(), rng, k % 3, k > 2))
                continue
            found = np.empty(len(a))
            memory = np.zeros((2, system.size + 1))
            compiled(walk, own)(a, image, memory, rng, data, k % 3, k > 2, CANDIDATES, found)
            peaks = np.minimum(peaks, found)
    return np.maximum(peaks, np.maximum(system.energy(a), system.energy(b)))  # within rounding


def images(system: Flips, b: Array) -> tuple[Array, ...]:
    """Give the states b (P, N), and their mirror images if the metric takes them for the same states."""
    turned = (-b).astype(np.int8)
    mirrored = isinstance(system, Metric) and len(b) and bool((system.overlap(b, turned) > 1 - 1e-9).all())
    return (b, turned) if mirrored else (b,)


def walk(
    a: Any, b: Any, memory: Any, rng: Any, data: Any, way: int, spare: bool, candidates: int, peaks: Any,
) -> None:  # fmt: skip
    """Walk from a (P, N) to b (P, N), greedily, and note the highest energies, (P,).

    `way` 0 flips spins of a, 1 of b, and 2 of either. With `spare`, up to half of the spins left stand back.
    """
    n = a.shape[1]
    ends = np.empty((2, n), np.int8)
    left = np.empty(n, np.int64)
    energy = np.empty(2)
    for p in range(a.shape[0]):
        ends[0], ends[1] = a[p], b[p]
        count = 0
        for i in range(n):
            if a[p, i] != b[p, i]:
                left[count] = i
                count += 1
        for side in range(2):
            energy[side] = prepare(ends[side], memory[side], data)
        peak = max(energy[0], energy[1])
        while count:
            lowest, chosen, end = np.inf, 0, 0
            few = min(candidates, count - below(rng[p], 1 + count // 2) * spare)
            for k in range(few):  # the first of those left, once they are shuffled
                other = k + below(rng[p], count - k)
                left[k], left[other] = left[other], left[k]
                for side in range(2):
                    if way == 2 or way == side:
                        then = energy[side] + cost(ends[side], memory[side], left[k])
                        if then < lowest:
                            lowest, chosen, end = then, k, side
            turn(ends[end], memory[end], data, left[chosen])
            energy[end] = lowest
            peak = max(peak, lowest)
            count -= 1
            left[chosen] = left[count]
        peaks[p] = peak


def walked(system: Flips, a: Array, b: Array, rng: Array, way: int, spare: bool) -> Array:
    """Do what `walk` does for flips of any kind, all paths side by side; give the highest energies, (P,)."""
    draw, ends = np.random.default_rng(rng.ravel()), (a, b)
    energies = np.array([system.energy(a), system.energy(b)])
    peaks: Array = energies.max(axis=0)
    while len(moving := np.flatnonzero((left := a != b).any(axis=1))):
        count = left[moving].sum(axis=1)
        few = np.minimum(CANDIDATES, count - draw.integers(0, 1 + count // 2) * spare)
        order = np.where(left[moving], draw.random((len(moving), system.size)), np.inf)
        drawn = order <= np.sort(order, axis=1)[np.arange(len(moving)), few - 1, None]
        then = np.full((len(moving), 2, system.size), np.inf)
        for side in (0, 1):
            if way in (2, side):
                costs = energies[side, moving, None] + system.flip_cost(ends[side][moving])
                then[:, side] = np.where(drawn, costs, np.inf)
        flat = then.reshape(len(moving), -1)
        chosen = flat.argmin(axis=1)
        lowest = flat[np.arange(len(moving)), chosen]
        for side in (0, 1):
            mine = chosen // system.size == side
            ends[side][moving[mine], chosen[mine] % system.size] *= -1
            energies[side, moving[mine]] = lowest[mine]
        peaks[moving] = np.maximum(peaks[moving], lowest)
    return peaks


def prepare(x: Any, memory: Any, data: Any) -> Any:
    """Stand for what fills `memory` and gives the energy."""
    raise NotImplementedError


def cost(x: Any, memory: Any, i: Any) -> Any:
    """Stand for what turning spin i over costs."""
    raise NotImplementedError


def turn(x: Any, memory: Any, data: Any, i: Any) -> None:
    """Turn spin i over: `memory` ends with the spin chosen, as moves do."""
    memory[x.shape[0]] = i
    accept(x, memory, data)


def accept(x: Any, memory: Any, data: Any) -> None:
    """Stand for what turns the chosen spin over."""
    raise NotImplementedError


def field_cost(x: Any, memory: Any, i: Any) -> Any:
    """Give what turning spin i over costs, from its local field."""
    return 2.0 * x[i] * memory[i]


def own_cost(x: Any, memory: Any, i: Any) -> Any:
    """Give what turning spin i over costs, where that is what is remembered."""
    return memory[i]


#: How to turn over a chosen spin: of those coupled in pairs, and in any numbers.
PAIRS = {"prepare": prepare_pairs, "cost": field_cost, "accept": accept_pairs}
MANY_BODY = {"prepare": ManyBody.prepare, "cost": own_cost, "accept": ManyBody.accept}


def exact_barriers(system: Flips, states: Array) -> Array:
    """Give the least energy that the way between any two of the states (M, N) must reach, exactly: (M, M).

    All 2^N states are flooded, at most 2^18. On the diagonal stand the energies of the states. Where the
    metric takes a state and its mirror image for one, the way to either counts.

    >>> from spinfunnel.systems import system
    >>> ring, up = system("ising1d", size=8), np.ones((1, 8), dtype=np.int8)
    >>> half = np.where(np.arange(8) < 4, up, -up).astype(np.int8)
    >>> exact_barriers(ring, np.concatenate([up, half])) - ring.energy(up)
    array([[0., 4.],
           [4., 4.]])

    Raises:
        BadInput: above 18 spins.
    """
    tree, bits = flooded(system), 1 << np.arange(system.size)
    numbers = [(image > 0) @ bits for image in images(system, states)]
    return np.asarray(np.min([tree.passes(numbers[0][:, None], one) for one in numbers], axis=0))


def flooded(system: Flips) -> MergeTree:
    """Give the merge tree of all 2^N states: bit i of a state's number says that spin i is up.

    Raises:
        BadInput: above 18 spins.
    """
    n = system.size
    if n > FLOODED:
        raise BadInput(f"all states of {n} spins are too many to flood: at most {FLOODED} spins")
    energies = np.concatenate([block for _, block in blocks(system)])
    if len(energies) < 2**n:  # of each state and its mirror image, only one is given
        energies = np.concatenate([energies, energies[::-1]])
    low = np.concatenate([np.flatnonzero(np.arange(2**n) >> i & 1 == 0) for i in range(n)])
    joined = np.stack([low, low | np.repeat(1 << np.arange(n), 2 ** (n - 1))], axis=1)
    return merge_tree(energies, energies[joined].max(axis=1), joined)


@dataclass(frozen=True)
class Pocket:
    """What is reached from a state below a rising lid, in the order in which it is.

    Attributes:
        states: (n, N) int8, from the start on.
        energies: (n,).
        lids: (n,), the least energy that the way from the start to each of them must reach: exact.
        beyond: no other state is reached below this energy.
    """

    states: Array
    energies: Array
    lids: Array
    beyond: float


def pocket(system: Pairwise, start: Array, *, most: int = 10_000) -> Pocket:
    """Flood the landscape around `start` (N,): raise the lid until `most` states have been reached.

    The next state is always the lowest of all that single flips lead to, so barriers to the states reached
    are exact, and those to all others are bounded from below. Fewer states are taken where their local fields
    would need more than 128 MiB. States are told apart by 64 random bits a spin.
    Source: Sibani, Schoen, Salamon & Andersson, Europhys. Lett. 22 (1993) 479.

    >>> from spinfunnel.systems import system
    >>> found = pocket(system("ising1d", size=8), np.ones(8, dtype=np.int8), most=30)
    >>> found.energies[:2], found.beyond  # next to the ground state: one spin down
    (array([-8., -4.]), -4.0)

    Raises:
        BadInput: if the start does not fit, or `most` is below 1.
    """
    start = np.asarray(start, dtype=np.int8)
    if start.shape != (system.size,) or most < 1:
        raise BadInput(f"a pocket has at least 1 state of shape ({system.size},): {most}, {start.shape}")
    most = max(1, min(most, REMEMBERED // system.size))
    states = np.empty((most, system.size), np.int8)
    energies, lids = np.empty((2, most))
    keys = np.random.default_rng(seeds(0, "keys")).integers(1, 2**63, size=system.size, dtype=np.uint64)
    count, beyond = compiled(flood)(start, keys, pairs(system), states, energies, lids)
    return Pocket(states[:count], energies[:count], lids[:count], float(beyond))


def flood(start: Any, keys: Any, data: Any, states: Any, energies: Any, lids: Any) -> Any:
    """Fill in states (n, N), energies (n,) and lids (n,); give how many, and the energy of the next.

    Each state waits in the queue only for its cheapest flip that has not been looked at.
    """
    most, n = states.shape
    memory = np.empty((most, n + 1))
    costs = np.empty(n)
    flips = np.empty((most, n), np.int16)
    names = np.zeros(most, np.uint64)
    states[0] = start
    energies[0] = lids[0] = prepare_pairs(states[0], memory[0], data)
    seen = {np.uint64(0)}
    queue = [(np.inf, np.int64(0), np.int64(0))]
    count, last = 1, 0
    while True:
        if last >= 0:  # a state was added: its cheapest flip stands in the queue
            for i in range(n):
                costs[i] = 2.0 * states[last, i] * memory[last, i]
            flips[last] = np.argsort(costs)
            i = flips[last, 0]
            heappush(queue, (energies[last] + costs[i], np.int64(last), np.int64(0)))
        energy, parent, rank = heappop(queue)
        if energy == np.inf:
            return count, np.inf
        i = flips[parent, rank]
        if rank + 1 < n:
            j = flips[parent, rank + 1]
            then = energies[parent] + 2.0 * states[parent, j] * memory[parent, j]
            heappush(queue, (then, parent, rank + 1))
        name = names[parent] ^ keys[i]
        last = -1
        if name in seen:
            continue
        if count == most:
            return count, max(energy, lids[count - 1])
        seen.add(name)
        last = count
        count += 1
        states[last] = states[parent]
        memory[last] = memory[parent]
        memory[last, n] = i
        accept_pairs(states[last], memory[last], data)
        energies[last], names[last] = energy, name
        lids[last] = max(energy, lids[last - 1])


def _paths(seed: int) -> Iterator[CalibrationRow]:
    """Compare paths between minima, and the best ways by other minima, with all states flooded."""
    under = joined = total = 0
    for name, size in (("sk", 14), ("ea?dimension=2&law=gauss", 4), ("pspin", 14), ("rem", 10)):
        system = named(name, size=size, seed=seeds(seed, name))
        assert isinstance(system, Flips)
        ends = np.unique(quench(system, system.random(100, seed), seed=seed).final, axis=0)[:24]
        i, j = np.triu_indices(len(ends), 1)
        exact, energies = exact_barriers(system, ends)[i, j], system.energy(ends)
        room = 1e-9 * float(np.abs(energies).max())
        found = path_bounds(system, ends[i], ends[j], tries=6, seed=seed)
        by_others = merge_tree(energies, found, np.stack([i, j], axis=1)).passes(i, j)
        under += int((np.minimum(found, by_others) < exact - room).sum())
        if name != "rem":  # whose barriers lie on ways along which nothing leads
            total += len(i)
            joined += int((by_others <= exact + room).sum())
    what = "minima of small glasses"
    yield CalibrationRow.rate("flip_paths", what, "bounds below the barrier", k=under, n=total, at_most=0)
    yield CalibrationRow.rate(
        "flip_paths", what, "pairs joined at the barrier itself", k=joined, n=total, at_least=0.6
    )  # fmt: skip


def _pockets(seed: int) -> Iterator[CalibrationRow]:
    """Compare lids, and what is claimed of the states beyond, with all states flooded."""
    for name, size in (("sk?field=0.3", 12), ("ising2d", 3), ("wishart", 12)):
        system = named(name, size=size, seed=seeds(seed, name))
        assert isinstance(system, Spins)
        start = quench(system, system.random(1, seed), seed=seed).final[0]
        numbers = 1 << np.arange(system.size)
        exact = flooded(system).passes(int((start > 0) @ numbers), np.arange(2**system.size))
        found = pocket(system, start, most=300)
        inside = (found.states > 0) @ numbers
        yield CalibrationRow.deterministic(
            "flip_paths", f"{name}, N {system.size}", "largest error of a lid",
            exact=0, value=float(np.abs(found.lids - exact[inside]).max()), tolerance=1e-9,
        )  # fmt: skip
        yield CalibrationRow.deterministic(
            "flip_paths", f"{name}, N {system.size}", "lowest lid beyond the pocket",
            exact=float(np.delete(exact, inside).min()), value=found.beyond, tolerance=1e-9,
        )  # fmt: skip


calibrations = (
    Calibration("flip paths", "all 2^N states, flooded", _paths),
    Calibration("pockets", "all 2^N states, flooded", _pockets),
)
