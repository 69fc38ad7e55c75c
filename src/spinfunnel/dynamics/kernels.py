"""The compiled loops: single-spin updates of many replicas at once, on any graph of pairwise couplings.

Replicas lie in blocks of `WIDTH` lanes, the lane last, so that one instruction updates many replicas. A lane
has its own temperature, its own random numbers (xoshiro128++, Blackman and Vigna 2019) and its own local
fields h_i = f_i + Σ_j J_ij s_j, kept up to date: flipping spin i costs 2 s_i h_i. What the lanes share is
the order of sites; given the order they are independent, so overlaps between them are unbiased (shared
random numbers would make <q²> too large). Lanes never see each other: results are the same bits whatever
the number of threads.

Fields are float32: exact for integer couplings, and recomputed every `REFRESH` sweeps for others. A uniform
number has 24 bits, so what is less likely than 6e-8 never happens.

These are plain functions, to be compiled by `maths.compiling`. What a lane does is the same, to the bit, for
any number of lanes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinfunnel.maths.random_numbers import xoshiro

#: Replicas in a block, unless another number is compiled in. Measured on the 3D +-J glass: 0.3, 0.5, 0.73 and
#: 0.73 flips/ns for 16, 32, 64, 128.
WIDTH = 64
#: Sweeps between two computations of the local fields from nothing.
REFRESH = 256


def uniform(rng: Any, lane: int, lanes: int) -> Any:
    """Draw 32 random bits from a lane's own generator; rng (4 * lanes,) uint32 moves on."""
    bits, a, b, c, d = xoshiro(rng[lane], rng[lanes + lane], rng[2 * lanes + lane], rng[3 * lanes + lane])
    rng[lane], rng[lanes + lane], rng[2 * lanes + lane], rng[3 * lanes + lane] = a, b, c, d
    return bits


def power_of_two(x: Any) -> Any:
    """Compute 2^min(x, 0) to 3e-7, in steps the compiler can do for many lanes at once; below 2^-40 stays."""
    x = x if x < np.float32(0) else np.float32(0)
    x = x if x > np.float32(-40) else np.float32(-40)
    whole = np.int32(x)
    f = np.float32((x - np.float32(whole)) * np.float32(0.6931471805599453))
    p = np.float32(1 / 5040) + f * np.float32(1 / 40320)
    p = np.float32(1 / 720) + f * p
    p = np.float32(1 / 120) + f * p
    p = np.float32(1 / 24) + f * p
    p = np.float32(1 / 6) + f * p
    p = np.float32(1 / 2) + f * p
    p = np.float32(1) + f * p
    p = np.float32(1) + f * p
    return p * np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)


def refresh(
    spins: Any, local: Any, fields: Any, indptr: Any, indices: Any, couplings: Any, matrix: Any
) -> None:
    """Compute the local fields of one block from nothing. Shapes: spins (N, WIDTH), local as in `sweep`."""
    n = spins.shape[0]
    if matrix.shape[0]:
        for lane in range(WIDTH):
            mine = local[lane]
            for j in range(n):
                mine[j] = fields[j]
            for i in range(n):
                row, spin = matrix[i], spins[i, lane]
                for j in range(n):
                    mine[j] += row[j] * spin
        return
    for i in range(n):
        target = local[i]
        for lane in range(WIDTH):
            target[lane] = fields[i]
        for k in range(indptr[i], indptr[i + 1]):
            coupling, source = couplings[k], spins[indices[k]]
            for lane in range(target.shape[0]):  # a constant here would be unrolled, not vectorised
                target[lane] += coupling * source[lane]


def sweep(
    spins: Any, local: Any, beta: Any, rng: Any, order: Any, at_random: bool, heat_bath: bool,
    indptr: Any, indices: Any, couplings: Any, matrix: Any,
) -> int:  # fmt: skip
    """Propose N flips in every lane of one block, and count those accepted. Shapes: beta (WIDTH,).

    Local fields (N, WIDTH) of a sparse graph change in all lanes at once. Where nearly all spins are coupled,
    `matrix` (N, N) is not empty, local is (WIDTH, N), and a flip changes the row of its own lane.

    Sites are taken in turn (this keeps the Boltzmann law: balance, not detailed balance) or `at_random`
    with replacement from the stream `order` (4,) (detailed balance). Probability min(1, exp(-β ΔE)), or for
    the heat bath 1/(1 + exp(β ΔE)).
    """
    u = np.empty(WIDTH, np.float32)
    change = np.empty(beta.shape[0], np.float32)
    own = np.empty(WIDTH, np.float32)
    dense = matrix.shape[0] > 0
    accepted: Any = 0
    n = spins.shape[0]
    for step in range(n):
        i: Any = step
        if at_random:
            i = np.int64((np.uint64(uniform(order, 0, 1)) * np.uint64(n)) >> np.uint64(32))
        for lane in range(WIDTH):
            bits = np.int32(uniform(rng, lane, WIDTH) >> np.uint32(8))
            u[lane] = (np.float32(bits) + np.float32(0.5)) * np.float32(2.0**-24)
        spin = spins[i]
        field = own if dense else local[i]
        if dense:
            for lane in range(WIDTH):
                own[lane] = local[lane, i]
        flipped = np.int32(0)
        for lane in range(WIDTH):
            # the exponent of Boltzmann's factor, in powers of two: -2 β s h / ln 2
            x = np.float32(-2.8853900817779268) * beta[lane] * spin[lane] * field[lane]
            if heat_bath:
                p = power_of_two(-abs(x))
                p = (p if x < np.float32(0) else np.float32(1)) / (np.float32(1) + p)
            else:
                p = power_of_two(x)
            flipped = np.int32(flipped + (np.int32(1) if u[lane] < p else np.int32(0)))
            change[lane] = np.float32(-2) * spin[lane] if u[lane] < p else np.float32(0)
        if flipped == 0:
            continue
        accepted += flipped
        for lane in range(WIDTH):
            spin[lane] += change[lane]
        if dense:
            row = matrix[i]
            for lane in range(WIDTH):
                if change[lane] != 0:
                    mine, amount = local[lane], change[lane]
                    for j in range(n):
                        mine[j] += row[j] * amount
            continue
        for k in range(indptr[i], indptr[i + 1]):
            coupling, field = couplings[k], local[indices[k]]
            for lane in range(change.shape[0]):  # a constant here would be unrolled, not vectorised
                field[lane] += coupling * change[lane]
    return int(accepted)


def sweep_one(
    spins: Any, local: Any, beta: Any, rng: Any, order: Any, at_random: bool, heat_bath: bool,
    indptr: Any, indices: Any, couplings: Any, matrix: Any,
) -> int:  # fmt: skip
    """Do what `sweep` does, to the bit, in a block of one lane: no exponential where none is needed."""
    n, accepted = spins.shape[0], 0
    s, h = spins.reshape(n), local.reshape(n)
    scale = np.float32(-2.8853900817779268) * beta[0]
    a, b, c, d = rng[0], rng[1], rng[2], rng[3]
    for step in range(n):
        i: Any = step
        if at_random:
            i = np.int64((np.uint64(uniform(order, 0, 1)) * np.uint64(n)) >> np.uint64(32))
        bits, a, b, c, d = xoshiro(a, b, c, d)
        u = (np.float32(np.int32(bits >> np.uint32(8))) + np.float32(0.5)) * np.float32(2.0**-24)
        x = scale * s[i] * h[i]
        if heat_bath:
            p = power_of_two(-abs(x))
            p = (p if x < np.float32(0) else np.float32(1)) / (np.float32(1) + p)
        else:
            p = np.float32(1) if x >= np.float32(0) else power_of_two(x)
        if u < p:
            accepted += 1
            change = np.float32(-2) * s[i]
            s[i] += change
            if matrix.shape[0]:
                row = matrix[i]
                for j in range(n):
                    h[j] += row[j] * change
            else:
                for k in range(indptr[i], indptr[i + 1]):
                    h[indices[k]] += couplings[k] * change
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return accepted


def energy(spins: Any, local: Any, fields: Any, dense: bool, out: Any) -> None:
    """Compute the energies of one block into `out` (WIDTH,): E = -½ Σ s_i (h_i + f_i)."""
    for lane in range(WIDTH):
        out[lane] = 0.0
    for i in range(spins.shape[0]):
        for lane in range(WIDTH):
            h = local[lane, i] if dense else local[i, lane]
            out[lane] -= 0.5 * np.float64(spins[i, lane] * (h + fields[i]))


def keep_best(spins: Any, energies: Any, best: Any, best_energy: Any) -> None:
    """Copy the spins of each lane whose energy is its lowest so far. Shapes: best (N, WIDTH) int8."""
    for lane in range(WIDTH):
        if energies[lane] < best_energy[lane]:
            best_energy[lane] = energies[lane]
            for i in range(spins.shape[0]):
                best[i, lane] = np.int8(spins[i, lane])


def run(
    spins: Any, local: Any, beta: Any, rng: Any, order: Any, at_random: bool, heat_bath: bool,
    fields: Any, indptr: Any, indices: Any, couplings: Any, matrix: Any,
    schedule: Any, done: int, every: int, energies: Any, states: Any, best: Any, best_energy: Any,
) -> int:  # fmt: skip
    """Sweep one block len(schedule) times at inverse temperatures schedule[t] * beta; record every so often.

    `done` sweeps were made before. Shapes: energies (records, WIDTH), states (records or 0, N, WIDTH).
    """
    now = np.empty(WIDTH, np.float32)
    record, accepted = 0, 0
    for t in range(schedule.shape[0]):
        if (done + t) % REFRESH == 0:
            refresh(spins, local, fields, indptr, indices, couplings, matrix)
        for lane in range(WIDTH):
            now[lane] = schedule[t] * beta[lane]
        accepted += sweep(
            spins, local, now, rng, order, at_random, heat_bath, indptr, indices, couplings, matrix
        )
        if (done + t + 1) % every == 0:
            energy(spins, local, fields, matrix.shape[0] > 0, energies[record])
            keep_best(spins, energies[record], best, best_energy)
            if states.shape[0]:
                for i in range(spins.shape[0]):
                    for lane in range(WIDTH):
                        states[record, i, lane] = np.int8(spins[i, lane])
            record += 1
    return int(accepted)


def exchange(
    energies: Any, betas: Any, parity: int, lane_at: Any, came_from: Any, rng: Any,
    tried: Any, swapped: Any, trips: Any,
) -> None:  # fmt: skip
    """Offer each ladder its swaps of neighbours from rung `parity` on: probability min(1, exp(Δβ ΔE)).

    E is the total energy. Shapes: energies (lanes,), betas (rungs,) from hot to cold, lane_at (ladders,
    rungs), came_from (lanes,): which end a lane saw last (1 hot, -1 cold, 0 none yet), rng (4 * ladders,),
    trips (ladders,): journeys from the hot end to the cold one and back.
    """
    ladders, rungs = lane_at.shape
    for ladder in range(ladders):
        for k in range(parity, rungs - 1, 2):
            hot, cold = lane_at[ladder, k], lane_at[ladder, k + 1]
            gain = (betas[k + 1] - betas[k]) * (energies[cold] - energies[hot])
            u = (np.float64(uniform(rng, ladder, ladders)) + 0.5) * 2.0**-32
            tried[k] += 1
            if gain >= 0 or u < np.exp(gain):
                swapped[k] += 1
                lane_at[ladder, k], lane_at[ladder, k + 1] = cold, hot
        top, bottom = lane_at[ladder, 0], lane_at[ladder, rungs - 1]
        if came_from[top] == -1:
            trips[ladder] += 1
        came_from[top] = 1
        if came_from[bottom] == 1:
            came_from[bottom] = -1


def temper(
    spins: Any, local: Any, rng: Any, order: Any, at_random: bool, heat_bath: bool,
    fields: Any, indptr: Any, indices: Any, couplings: Any, matrix: Any,
    betas: Any, rounds: int, done: int, every: int, lane_at: Any, came_from: Any, swap_rng: Any,
    tried: Any, swapped: Any, trips: Any, energies: Any, states: Any, best: Any, best_energy: Any,
) -> int:  # fmt: skip
    """Do `rounds` of parallel tempering: one sweep of every lane, then swaps; even and odd pairs in turn.

    What is recorded is sorted by temperature. Shapes: spins, local, best (blocks, N, WIDTH), energies
    (records, rungs, ladders), states (records, kept, ladders, N) of the `kept` coldest rungs, best_energy
    (blocks, WIDTH).
    """
    blocks, n, _ = spins.shape
    ladders, rungs = lane_at.shape
    beta = np.zeros((blocks, WIDTH), np.float32)
    now = np.empty((blocks, WIDTH), np.float64)
    record, accepted = 0, 0
    for t in range(rounds):
        for ladder in range(ladders):
            for k in range(rungs):
                lane = lane_at[ladder, k]
                beta[lane // WIDTH, lane % WIDTH] = betas[k]
        state = order.copy()
        for b in range(blocks):
            order[:] = state  # the same order of sites in every block
            if (done + t) % REFRESH == 0:
                refresh(spins[b], local[b], fields, indptr, indices, couplings, matrix)
            accepted += sweep(
                spins[b],
                local[b],
                beta[b],
                rng[b],
                order,
                at_random,
                heat_bath,
                indptr,
                indices,
                couplings,
                matrix,
            )
            energy(spins[b], local[b], fields, matrix.shape[0] > 0, now[b])
            keep_best(spins[b], now[b], best[b], best_energy[b])
        if (done + t + 1) % every == 0:
            for ladder in range(ladders):
                for k in range(rungs):
                    lane = lane_at[ladder, k]
                    energies[record, k, ladder] = now[lane // WIDTH, lane % WIDTH]
                kept = states.shape[1]
                for k in range(kept):
                    lane = lane_at[ladder, rungs - kept + k]
                    for i in range(n):
                        states[record, k, ladder, i] = np.int8(spins[lane // WIDTH, i, lane % WIDTH])
            record += 1
        exchange(now.ravel(), betas, (done + t) % 2, lane_at, came_from, swap_rng, tried, swapped, trips)
    return int(accepted)
