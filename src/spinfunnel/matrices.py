"""One loaded matrix, and what is known of it: each quantity is computed at most once, when first asked for.

Several instruments share one `Matrix`, so the file is read once and one Gram matrix is decomposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.maths.bulk import Bulk, fit_bulk
from spinfunnel.maths.entries import Summary, summarise
from spinfunnel.maths.spectra import gram_eigenvalues
from spinfunnel.readers.layout import Part


@dataclass
class Matrix:
    """A matrix of a trained model, with its provenance.

    Attributes:
        part: where it comes from (names, shapes, layout).
        array: shape (rows, columns), float32 or float64; narrower types were widened to float32.
        dtype: the type it was stored in, in numpy's spelling.
    """

    part: Part
    array: Array
    dtype: str

    @property
    def small(self) -> int:
        """M, the smaller side: how many eigenvalues there are."""
        return min(self.part.shape)

    @property
    def large(self) -> int:
        """N, the larger side."""
        return max(self.part.shape)

    @cached_property
    def entries(self) -> Summary:
        """Moments of the entries, and the norms of rows and columns."""
        return summarise(self.array)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the smaller Gram matrix, ascending, float64, shape (M,): squared singular values."""
        return gram_eigenvalues(self.array)

    @cached_property
    def bulk(self) -> Bulk:
        """The Marchenko-Pastur bulk of the spectrum, and the spikes above its edge."""
        return fit_bulk(self.eigenvalues, self.small, self.large)

    @cached_property
    def shuffled(self) -> Array:
        """Eigenvalues of the same entries in random places, ascending, shape (M,)."""
        return self.shuffle(0)

    def shuffle(self, number: int) -> Array:
        """Like `shuffled`, for another permutation; which one depends on the size and on `number`."""
        permutation = _kept_permutation if self.array.size <= KEPT else _permutation
        places = permutation(self.array.size, number)
        return gram_eigenvalues(self.array.reshape(-1).take(places).reshape(self.array.shape))


#: Permutations of this many entries or fewer are kept: many layers of a network have one size.
KEPT = 1 << 20


def _permutation(size: int, number: int) -> Array:
    # Of indices: twice as fast as of the entries themselves.
    return np.random.default_rng(seeds(number, "shuffle", size)).permutation(size)


_kept_permutation = lru_cache(maxsize=2)(_permutation)


#: Multiplications and additions per second of one slow core; only plans and progress bars depend on it.
FLOPS = 3e10


def decomposition_seconds(part: Part) -> float:
    """Estimate the CPU seconds of one Gram matrix and its eigenvalues, for plans and progress bars."""
    small, large = min(part.shape), max(part.shape)
    return (small * small * large + 4 * small**3) / FLOPS + 1e-4


def decomposition_bytes(part: Part) -> int:
    """Estimate the peak memory of measuring one matrix: its entries, a block in float64, two Grams."""
    small, large = min(part.shape), max(part.shape)
    return 4 * small * large + 8 * (min(large, 2048) * small + 2 * small * small)
