"""Random numbers for compiled loops: xoshiro128++, one stream for each replica.

Source: Blackman and Vigna, ACM Trans. Math. Softw. 47 (2021) 36. Plain functions, to be compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinfunnel.core import Array, seeds


def streams(seed: int, name: str, count: int) -> Array:
    """Give `count` streams their states, (count, 4) uint32; more streams change none before them."""
    rng = np.random.default_rng(seeds(seed, "lanes", name))
    return np.asarray(rng.integers(1, 2**32, size=(count, 4), dtype=np.uint32))


def xoshiro(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Give 32 random bits of a generator in the state (a, b, c, d), uint32, and its next state."""
    total = np.uint32(a + d)
    drawn = np.uint32(np.uint32((total << np.uint32(7)) | (total >> np.uint32(25))) + a)
    c = np.uint32(c ^ a)
    d = np.uint32(d ^ b)
    turn = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))
    return drawn, np.uint32(a ^ d), np.uint32(b ^ c), np.uint32(c ^ np.uint32(b << np.uint32(9))), turn


def bits(rng: Any) -> Any:
    """Draw 32 random bits; rng (4,) uint32 moves on."""
    drawn, a, b, c, d = xoshiro(rng[0], rng[1], rng[2], rng[3])
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return drawn


def uniform(rng: Any) -> Any:
    """Draw a number between 0 and 1, both excluded."""
    return (np.float64(bits(rng)) + 0.5) * 2.0**-32


def below(rng: Any, n: int) -> Any:
    """Draw a whole number 0..n-1, for n up to 2^31 (its probabilities are off by at most n 2^-32)."""
    return np.int64((np.uint64(bits(rng)) * np.uint64(n)) >> np.uint64(32))


def normal(rng: Any) -> Any:
    """Draw a standard normal number (Box and Muller)."""
    return np.sqrt(-2.0 * np.log(uniform(rng))) * np.cos(2 * np.pi * uniform(rng))
