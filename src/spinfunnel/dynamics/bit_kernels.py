"""Multi-spin coding: 64 replicas to a word, a bit each, for couplings that are small multiples of one unit.

Each spin has up to eight bonds of one unit; a stronger bond counts as several, and a field binds to a spin
that is always up. Of the W bonds of a spin, M are not satisfied, and turning it over costs 2 (W - 2 M)
units. Boolean adders count M for a whole word at once. Where the cost is positive, a replica's own random
number, drawn a binary digit at a time, is compared with the digits of exp(-β cost): half of the replicas
are settled by each digit. The first `TOGETHER` digits are drawn for all; rarely one replica of a word needs
more, and then only this word draws them. So a word's bits depend on nothing but its own random numbers.

Every bit of a draw is a replica's own: replicas are independent, and overlaps between them unbiased. (With
one random number for all of them, energies stay right, but <q²> comes out too large.) Only the order of
sites is shared.

Sources: Zorn, Herrmann, Rebbi, Comput. Phys. Commun. 23 (1981) 337 (a bit each); Isakov et al., Comput. Phys.
Commun. 192 (2015) 265 (replicas in a word); the generator is xoshiro256++: Blackman and Vigna, ACM Trans.
Math. Softw. 47 (2021) 36. Plain functions, to be compiled by `maths.compiling`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinfunnel.dynamics.kernels import exchange

#: Words in a block, at most.
WORDS = 16
#: Bonds of one unit a spin may have, and how many of its costs may be positive.
SLOTS, COSTS = 8, 4
#: Digits of a random number that all replicas draw, and digits in all: what is less likely than 2^-32 never
#: happens.
TOGETHER, DIGITS = 12, 32
#: Rows of the room to work in: the generator's four, what is accepted and what is open, and M = 0 to 3.
ACCEPTED, OPEN, COUNTED, ROWS = 4, 5, 6, 10
#: Digits of a short sum of unsatisfied bonds, the bonds after which it is added to the whole sum, and where
#: that begins.
SHORT, OFTEN, WHOLE = 8, 240, 9


def at(row: Any, j: Any) -> Any:
    """Where word j of a row lies; unsigned, so that the compiler need not look for indices from the end."""
    return np.uint64(row * WORDS + j)


def count(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """Add eight bits up, in every replica: (ones, twos, fours, eights)."""
    x, xs = a ^ b ^ c, (a & b) | (c & (a | b))
    y, ys = d ^ e ^ f, (d & e) | (f & (d | e))
    z, zs = g ^ h, g & h
    ones, carry = x ^ y ^ z, (x & y) | (z & (x | y))
    two, fours = xs ^ ys ^ zs, (xs & ys) | (zs & (xs | ys))
    both = two & carry
    return ones, two ^ carry, fours ^ both, fours & both


def draw(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Draw 64 random bits by xoshiro256++: (bits, and the four words of its new state)."""
    total = a + d
    bits = ((total << np.uint64(23)) | (total >> np.uint64(41))) + a
    shifted = b << np.uint64(17)
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    return bits, a, b, c, (d << np.uint64(45)) | (d >> np.uint64(19))


def bit_count(x: Any) -> Any:
    """Count the bits that are set; compilers know this by heart."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


def chance(table: Any, k: Any, j: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> Any:
    """Give digit k of each replica's probability to accept, by how many bonds are not satisfied."""
    return (
        (c0 & table[at(COSTS * k, j)])
        | (c1 & table[at(COSTS * k + 1, j)])
        | (c2 & table[at(COSTS * k + 2, j)])
        | (c3 & table[at(COSTS * k + 3, j)])
    )


def sweep(spins: Any, slots: Any, turned: Any, kinds: Any, costly: Any, digits: Any, work: Any) -> Any:
    """Propose to turn over every spin of one block, site by site, and count what was accepted.

    Shapes: spins (N + 1, words), slots and turned (N, SLOTS): neighbours, and all bits set where a bond is
    negative; kinds (N,): the row of a site in costly (kinds, COSTS), where all bits are set if M unsatisfied
    bonds make a cost positive, and in digits (kinds, DIGITS COSTS WORDS); work (ROWS WORDS,).
    """
    total = np.uint64(0)
    none = np.uint64(0)
    words = spins.shape[1]
    for i in range(kinds.shape[0]):
        own, table = spins[i], digits[kinds[i]]
        s0, s1, s2, s3 = spins[slots[i, 0]], spins[slots[i, 1]], spins[slots[i, 2]], spins[slots[i, 3]]
        s4, s5, s6, s7 = spins[slots[i, 4]], spins[slots[i, 5]], spins[slots[i, 6]], spins[slots[i, 7]]
        t0, t1, t2, t3 = turned[i, 0], turned[i, 1], turned[i, 2], turned[i, 3]
        t4, t5, t6, t7 = turned[i, 4], turned[i, 5], turned[i, 6], turned[i, 7]
        u0, u1, u2, u3 = costly[kinds[i], 0], costly[kinds[i], 1], costly[kinds[i], 2], costly[kinds[i], 3]
        for j in range(words):
            s = own[j]
            ones, twos, fours, eights = count(
                s ^ s0[j] ^ t0, s ^ s1[j] ^ t1, s ^ s2[j] ^ t2, s ^ s3[j] ^ t3,
                s ^ s4[j] ^ t4, s ^ s5[j] ^ t5, s ^ s6[j] ^ t6, s ^ s7[j] ^ t7,
            )  # fmt: skip
            few = ~(fours | eights)
            work[at(COUNTED, j)] = few & ~twos & ~ones & u0
            work[at(COUNTED + 1, j)] = few & ~twos & ones & u1
            work[at(COUNTED + 2, j)] = few & twos & ~ones & u2
            work[at(COUNTED + 3, j)] = few & twos & ones & u3
        left = none
        for j in range(words):
            a, b, c, d = work[at(0, j)], work[at(1, j)], work[at(2, j)], work[at(3, j)]
            c0, c1 = work[at(COUNTED, j)], work[at(COUNTED + 1, j)]
            c2, c3 = work[at(COUNTED + 2, j)], work[at(COUNTED + 3, j)]
            open = c0 | c1 | c2 | c3
            accepted = ~open
            for k in range(TOGETHER // 2):  # in two halves: loops as short as these are unrolled
                bits, a, b, c, d = draw(a, b, c, d)
                p = chance(table, k, j, c0, c1, c2, c3)
                accepted |= open & p & ~bits
                open &= ~(p ^ bits)
            for k in range(TOGETHER // 2, TOGETHER):
                bits, a, b, c, d = draw(a, b, c, d)
                p = chance(table, k, j, c0, c1, c2, c3)
                accepted |= open & p & ~bits
                open &= ~(p ^ bits)
            work[at(0, j)], work[at(1, j)], work[at(2, j)], work[at(3, j)] = a, b, c, d
            work[at(ACCEPTED, j)], work[at(OPEN, j)] = accepted, open
            left |= open
        if left != none:
            for j in range(words):
                if work[at(OPEN, j)] != none:
                    finish(table, j, work)
        for j in range(words):
            accepted = work[at(ACCEPTED, j)]
            own[j] ^= accepted
            total += bit_count(accepted)
    return total


def finish(table: Any, j: Any, work: Any) -> None:
    """Draw further digits for one word, until every replica is settled."""
    a, b, c, d = work[at(0, j)], work[at(1, j)], work[at(2, j)], work[at(3, j)]
    c0, c1 = work[at(COUNTED, j)], work[at(COUNTED + 1, j)]
    c2, c3 = work[at(COUNTED + 2, j)], work[at(COUNTED + 3, j)]
    open, k = work[at(OPEN, j)], TOGETHER
    while open != np.uint64(0) and k < DIGITS:
        bits, a, b, c, d = draw(a, b, c, d)
        p = chance(table, k, j, c0, c1, c2, c3)
        work[at(ACCEPTED, j)] |= open & p & ~bits
        open &= ~(p ^ bits)
        k += 1
    work[at(0, j)], work[at(1, j)], work[at(2, j)], work[at(3, j)] = a, b, c, d


def set_digits(betas: Any, rungs: Any, scale: Any, weights: Any, digits: Any) -> None:
    """Write the digits of exp(-β cost), for each kind of site and each positive cost 2 (W - 2 M).

    Shapes: betas (rungs,), in inverse units; rungs (64 words,): which of them each replica has; weights
    (kinds,): W.
    """
    words = rungs.shape[0] // 64
    chances, rows = np.empty(betas.shape[0], np.uint64), np.empty(DIGITS * WORDS, np.uint64)
    for kind in range(weights.shape[0]):
        for m in range((weights[kind] + 1) // 2):
            for k in range(betas.shape[0]):
                p = np.exp(-2 * scale * betas[k] * (weights[kind] - 2 * m))
                chances[k] = np.uint64(min(p * 2.0**DIGITS, 2.0**DIGITS - 1))
            for k in range(DIGITS):
                same = np.uint64(0) - ((chances[0] >> np.uint64(k)) & np.uint64(1))
                for j in range(words):
                    rows[at(k, j)] = same
            if betas.shape[0] > 1:
                for k in range(DIGITS):
                    for j in range(words):
                        high, low = rungs[64 * j + DIGITS + k], rungs[64 * j + k]
                        rows[at(k, j)] = (chances[high] << np.uint64(DIGITS)) | chances[low]
                transpose(rows, words)
            for k in range(DIGITS):
                for j in range(words):
                    digits[kind, at(COSTS * k + m, j)] = rows[at(DIGITS - 1 - k, j)]


def transpose(rows: Any, words: Any) -> None:
    """Turn two numbers of 32 digits a word and row, of replicas k and 32 + k, into one digit of 64 replicas.

    Two matrices of 32 x 32 bits are transposed at once, by swapping ever smaller blocks off the diagonal.
    Source: Warren, Hacker's Delight (2nd edition, 2012), section 7-3.
    """
    step, mask = DIGITS // 2, np.uint64(0x0000FFFF0000FFFF)
    while step > 0:
        for k in range(DIGITS):
            if k & step == 0:
                for j in range(words):
                    x, y = rows[at(k, j)], rows[at(k + step, j)]
                    swap = ((x >> np.uint64(step)) ^ y) & mask
                    rows[at(k, j)], rows[at(k + step, j)] = x ^ (swap << np.uint64(step)), y ^ swap
        step //= 2
        mask ^= mask << np.uint64(step)


def energy(spins: Any, ends: Any, turned: Any, sums: Any, out: Any) -> None:
    """Count the bonds that are not satisfied in each replica into `out` (64 words,).

    Shapes: ends (bonds, 2) and turned (bonds,), each bond of one unit once, in number a multiple of eight;
    sums, flat: rows of a short sum of eight digits, of a carry, and of the digits of the whole sum.
    """
    words = spins.shape[1]
    sums[:] = 0
    for k in range(0, turned.shape[0], 8):
        a0, b0, t0 = spins[ends[k, 0]], spins[ends[k, 1]], turned[k]
        a1, b1, t1 = spins[ends[k + 1, 0]], spins[ends[k + 1, 1]], turned[k + 1]
        a2, b2, t2 = spins[ends[k + 2, 0]], spins[ends[k + 2, 1]], turned[k + 2]
        a3, b3, t3 = spins[ends[k + 3, 0]], spins[ends[k + 3, 1]], turned[k + 3]
        a4, b4, t4 = spins[ends[k + 4, 0]], spins[ends[k + 4, 1]], turned[k + 4]
        a5, b5, t5 = spins[ends[k + 5, 0]], spins[ends[k + 5, 1]], turned[k + 5]
        a6, b6, t6 = spins[ends[k + 6, 0]], spins[ends[k + 6, 1]], turned[k + 6]
        a7, b7, t7 = spins[ends[k + 7, 0]], spins[ends[k + 7, 1]], turned[k + 7]
        for j in range(words):
            ones, twos, fours, eights = count(
                a0[j] ^ b0[j] ^ t0, a1[j] ^ b1[j] ^ t1, a2[j] ^ b2[j] ^ t2, a3[j] ^ b3[j] ^ t3,
                a4[j] ^ b4[j] ^ t4, a5[j] ^ b5[j] ^ t5, a6[j] ^ b6[j] ^ t6, a7[j] ^ b7[j] ^ t7,
            )  # fmt: skip
            sums[at(0, j)], carry = plus(sums[at(0, j)], ones, np.uint64(0))
            sums[at(1, j)], carry = plus(sums[at(1, j)], twos, carry)
            sums[at(2, j)], carry = plus(sums[at(2, j)], fours, carry)
            sums[at(3, j)], carry = plus(sums[at(3, j)], eights, carry)
            for bit in range(4, SHORT):
                sums[at(bit, j)], carry = plus(sums[at(bit, j)], np.uint64(0), carry)
        if k % OFTEN == 0 or k + 8 == turned.shape[0]:
            add_up(words, sums)
    out[:] = 0
    for bit in range(sums.shape[0] // WORDS - WHOLE):
        for j in range(words):
            word = sums[at(WHOLE + bit, j)]
            for lane in range(64):
                out[64 * j + lane] += ((word >> np.uint64(lane)) & np.uint64(1)) << np.uint64(bit)


def plus(x: Any, y: Any, carry: Any) -> Any:
    """Add two bits and a carry in every replica: (sum, carry)."""
    return x ^ y ^ carry, (x & y) | (carry & (x | y))


def add_up(words: Any, sums: Any) -> None:
    """Add the short sums to the whole ones, and begin the short ones anew."""
    for j in range(words):
        sums[at(SHORT, j)] = 0
    for bit in range(SHORT):
        for j in range(words):
            x, carry = plus(sums[at(WHOLE + bit, j)], sums[at(bit, j)], sums[at(SHORT, j)])
            sums[at(WHOLE + bit, j)], sums[at(SHORT, j)], sums[at(bit, j)] = x, carry, 0
    for bit in range(WHOLE + SHORT, sums.shape[0] // WORDS):
        for j in range(words):
            x, carry = plus(sums[at(bit, j)], np.uint64(0), sums[at(SHORT, j)])
            sums[at(bit, j)], sums[at(SHORT, j)] = x, carry


def keep_best(spins: Any, energies: Any, best: Any, best_energy: Any) -> None:
    """Copy the spins of each replica whose energy is its lowest so far. Shapes: energies (64 words,)."""
    words = spins.shape[1]
    lower, none = np.zeros(words, np.uint64), np.uint64(0)
    for lane in range(64 * words):
        if energies[lane] < best_energy[lane]:
            best_energy[lane] = energies[lane]
            lower[lane // 64] |= np.uint64(1) << np.uint64(lane % 64)
    for j in range(words):
        if lower[j] != none:
            for i in range(best.shape[0]):
                best[i, j] ^= (best[i, j] ^ spins[i, j]) & lower[j]


def look(
    spins: Any, ends: Any, signs: Any, bonds: Any, sums: Any, unsatisfied: Any,
    energies: Any, best: Any, best_energy: Any,
) -> None:  # fmt: skip
    """Compute the energies of one block, in units, and keep what is best; unsatisfied (64 words,) is room."""
    energy(spins, ends, signs, sums, unsatisfied)
    for lane in range(unsatisfied.shape[0]):
        energies[lane] = 2.0 * unsatisfied[lane] - bonds
    keep_best(spins, energies, best, best_energy)


def run(
    spins: Any, rng: Any, slots: Any, turned: Any, kinds: Any, costly: Any, weights: Any,
    ends: Any, signs: Any, bonds: Any, betas: Any, rungs: Any, schedule: Any,
    done: int, every: int, energies: Any, states: Any, best: Any, best_energy: Any,
) -> Any:  # fmt: skip
    """Sweep one block len(schedule) times at inverse temperatures schedule[t] * betas; record every so often.

    `done` sweeps were made before. Shapes: spins, best (N + 1, words), rng (4, words), energies (records,
    64 words), states (records or 0, N, words) of bits.
    """
    n, words = kinds.shape[0], spins.shape[1]
    digits = np.zeros((weights.shape[0], DIGITS * COSTS * WORDS), np.uint64)
    work = np.zeros(ROWS * WORDS, np.uint64)
    rows = WHOLE + SHORT
    while signs.shape[0] >> (rows - WHOLE) > 0:
        rows += 1
    sums, unsatisfied = np.zeros(rows * WORDS, np.uint64), np.zeros(64 * words, np.int64)
    for j in range(words):
        for k in range(4):
            work[at(k, j)] = rng[k, j]
    record, accepted = 0, np.uint64(0)
    for t in range(schedule.shape[0]):
        if t == 0 or schedule[t] != schedule[t - 1]:
            set_digits(betas, rungs, schedule[t], weights, digits)
        accepted += sweep(spins, slots, turned, kinds, costly, digits, work)
        if (done + t + 1) % every == 0:
            look(spins, ends, signs, bonds, sums, unsatisfied, energies[record], best, best_energy)
            if states.shape[0]:
                for i in range(n):
                    for j in range(words):
                        states[record, i, j] = spins[i, j]
            record += 1
    for j in range(words):
        for k in range(4):
            rng[k, j] = work[at(k, j)]
    return accepted


def temper(
    spins: Any, rng: Any, slots: Any, turned: Any, kinds: Any, costly: Any, weights: Any,
    ends: Any, signs: Any, bonds: Any, betas: Any, rounds: int, done: int, every: int,
    lane_at: Any, came_from: Any, swap_rng: Any, tried: Any, swapped: Any, trips: Any,
    energies: Any, states: Any, best: Any, best_energy: Any,
) -> Any:  # fmt: skip
    """Do `rounds` of parallel tempering: one sweep of every replica, then swaps; even and odd pairs in turn.

    What is recorded is sorted by temperature. Shapes: spins, best (blocks, N + 1, words), rng (blocks, 4,
    words), energies (records, rungs, ladders), states (records, kept, ladders, N) of the `kept` coldest.
    """
    blocks, n, words = spins.shape[0], kinds.shape[0], spins.shape[2]
    ladders, count = lane_at.shape
    kept = states.shape[1]
    rungs, now = np.zeros(blocks * 64 * words, np.int64), np.zeros(blocks * 64 * words)
    once = np.ones(1)
    none = np.zeros((0, 0, 0), np.uint64)
    record, accepted = 0, np.uint64(0)
    for t in range(rounds):
        for ladder in range(ladders):
            for k in range(count):
                rungs[lane_at[ladder, k]] = k
        for b in range(blocks):
            part = slice(b * 64 * words, (b + 1) * 64 * words)
            accepted += run(
                spins[b], rng[b], slots, turned, kinds, costly, weights, ends, signs, bonds, betas,
                rungs[part], once, 0, 1, now[part].reshape(1, 64 * words), none, best[b], best_energy[b],
            )  # fmt: skip
        if (done + t + 1) % every == 0:
            for ladder in range(ladders):
                for k in range(count):
                    energies[record, k, ladder] = now[lane_at[ladder, k]]
                for k in range(kept):
                    lane = lane_at[ladder, count - kept + k]
                    block, word, bit = lane // (64 * words), lane // 64 % words, np.uint64(lane % 64)
                    for i in range(n):
                        up = (spins[block, i, word] >> bit) & np.uint64(1)
                        states[record, k, ladder, i] = 1 if up else -1
            record += 1
        exchange(now, betas, (done + t) % 2, lane_at, came_from, swap_rng, tried, swapped, trips)
    return accepted


def take(spins: Any, to: Any, source: Any) -> None:
    """Copy replicas number `source` to where those number `to` are; spins (blocks, N + 1, words)."""
    words = spins.shape[2]
    ups = np.empty((to.shape[0], spins.shape[1]), np.uint64)
    for k in range(to.shape[0]):
        block, word, bit = source[k] // (64 * words), source[k] // 64 % words, np.uint64(source[k] % 64)
        for i in range(spins.shape[1]):
            ups[k, i] = (spins[block, i, word] >> bit) & np.uint64(1)
    for k in range(to.shape[0]):
        block, word, bit = to[k] // (64 * words), to[k] // 64 % words, np.uint64(to[k] % 64)
        for i in range(spins.shape[1]):
            spins[block, i, word] = spins[block, i, word] & ~(np.uint64(1) << bit) | (ups[k, i] << bit)
