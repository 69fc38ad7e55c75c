"""Funnels of a merge tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array
from spinfunnel.maths.merge_trees import MergeTree

#: A branch is a funnel of its own if one must climb this share of the height of the tree to leave it.
SHARE = 1 / 3
#: The main funnel is measured at this share of the height.
HALF = 0.5


@dataclass(frozen=True)
class Funnels:
    """The funnels of what is joined to the lowest minimum.

    Attributes:
        heads: their lowest minima (F,), lowest first.
        of: the lowest minimum of the funnel of each minimum, (M,); of pieces that nothing joins to the
            lowest minimum, the lowest of the piece.
        height: the energy that joins all minima, above that of the lowest.
        climb: the largest climb that a minimum needs to come to the lowest.
        main_share: of the minima below half height, how many are joined to the lowest below it.
    """

    heads: Array
    of: Array
    height: float
    climb: float
    main_share: float


def funnels_of(tree: MergeTree) -> Funnels:
    """Tell funnels apart, by the climb that leads out of each."""
    lowest, barriers = tree.roots[0], tree.barriers()
    joined = tree.superbasins(np.inf) == lowest
    bottom, others = float(tree.minima[lowest]), joined & np.isfinite(tree.meets)
    height = float(tree.meets[others].max(initial=bottom)) - bottom
    deep = others & (barriers >= SHARE * height) & (barriers > 0)
    heads = np.append(lowest, np.flatnonzero(deep))
    heads = heads[np.lexsort((heads != lowest, tree.minima[heads]))]
    climbs = tree.passes(np.flatnonzero(others), lowest) - tree.minima[others]
    middle = bottom + HALF * height
    below = joined & (tree.minima <= middle)
    return Funnels(
        heads,
        tree.climbed(deep),
        height,
        float(climbs.max(initial=0.0)),
        float((tree.superbasins(middle)[below] == lowest).mean()),
    )
