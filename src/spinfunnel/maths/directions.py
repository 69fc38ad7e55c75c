"""Random directions in the space of weights, every filter of them as long as that of the weights.

A ReLU network does not change when one layer's weights grow and the next one's shrink, nor does one with
batch normalisation when a filter before it grows; a direction whose filters grow with the weights' shows the
same slice of both. Source: Li, Xu, Taylor, Studer, Goldstein, NeurIPS 2018 (1712.09913), section 4. Biases
and the parameters of normalisations stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from spinfunnel.core import Array, seeds

#: Weights that belong to no filter are not moved.
HELD = -1
#: Kinds of blocks that have no filters.
UNMOVED = ("bias", "norm")


class Block(Protocol):
    """One parameter of a network, in its place in the flat vector of all weights."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape; a filter, an output's weights or a token's embedding, is a row of its first axis."""

    @property
    def start(self) -> int:
        """Where it begins."""

    @property
    def stop(self) -> int:
        """Where it ends."""

    @property
    def kind(self) -> str:
        """What it is, such as "linear" or "bias"."""


def filters_of(blocks: Iterable[Block], size: int) -> Array:
    """Number the filters of a network: (P,) ints, the filter a weight belongs to, or -1 for none.

    What has no block of two or more axes is one filter as a whole.

    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(shape=(2, 3), start=0, stop=6, kind="linear")
    >>> bias = SimpleNamespace(shape=(2,), start=6, stop=8, kind="bias")
    >>> filters_of([layer, bias], 8)
    array([ 0,  0,  0,  1,  1,  1, -1, -1])
    """
    found, count = np.full(size, HELD), 0
    for block in blocks:
        if block.kind not in UNMOVED and len(block.shape) > 1:
            rows = block.shape[0]
            found[block.start : block.stop] = count + np.repeat(np.arange(rows), math.prod(block.shape[1:]))
            count += rows
    return found if count else np.zeros(size, dtype=int)


def filter_normalised(direction: Array, weights: Array, filters: Array) -> Array:
    """Make every filter of a direction (P,) as long as that of the weights (P,); nothing else moves.

    >>> filter_normalised(np.array([3.0, 4.0, 7.0]), np.array([0.0, 2.0, 9.0]), np.array([0, 0, -1]))
    array([1.2, 1.6, 0. ])
    """
    moved = filters >= 0
    mine = filters[moved]
    lengths = [
        np.sqrt(np.bincount(mine, weights=x[moved].astype(np.float64) ** 2)) for x in (direction, weights)
    ]
    stretch = np.divide(lengths[1], lengths[0], out=np.zeros_like(lengths[0]), where=lengths[0] > 0)
    normalised = np.zeros(len(weights))
    normalised[moved] = direction[moved] * stretch[mine]
    return normalised


def gaussian(weights: Array, filters: Array, seed: int) -> Array:
    """Draw a filter-normalised Gaussian direction (P,), as long as all filters of the weights together.

    >>> round(float(np.linalg.norm(gaussian(np.array([3.0, 4.0, 1.0]), np.array([0, 0, -1]), seed=0))), 12)
    5.0
    """
    rng = np.random.default_rng(seeds(seed, "direction"))
    return filter_normalised(rng.standard_normal(len(weights)), weights, filters)
