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


def bits(rng: Any) -> Any:
    """Draw 32 random bits; rng (4,) uint32 moves on."""
    a, b, c, d = rng[0], rng[1], rng[2], rng[3]
    total = np.uint32(a + d)
    drawn = np.uint32(np.uint32((total << np.uint32(7)) | (total >> np.uint32(25))) + a)
    c = np.uint32(c ^ a)
    d = np.uint32(d ^ b)
    rng[0] = np.uint32(a ^ d)
    rng[1] = np.uint32(b ^ c)
    rng[2] = np.uint32(c ^ np.uint32(b << np.uint32(9)))
    rng[3] = np.uint32((d << np.uint32(11)) | (d >> np.uint32(21)))
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
