"""Which minima anneals ended in or met on the way, and the basins that their slow ends make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Array
from spinfunnel.structures import Structures, all_overlaps, distinct, groups, overlaps_with, room
from spinfunnel.systems.protocols import Metric


@dataclass(frozen=True)
class Minima:
    """All distinct minima met, and the slow ends among them.

    Attributes:
        met: the distinct minima, of `states` ends and snapshots taken downhill.
        lowest: how many of them have the lowest energy, within rounding.
        labels: the basin of each slow end, (R,), 0 being the one with most ends.
        basins: the basin of the slow end that each minimum is most like, (M,).
        ends: how often each distinct slow end was reached.
    """

    met: Structures
    states: int
    lowest: int
    labels: Array
    basins: Array
    ends: Array


def tell_apart(system: Metric, made: Coolings) -> Minima:
    """Tell minima apart, and group slow ends by average linkage while their mean overlap is above 0.8."""
    states = np.concatenate([made.structures, *made.ends])
    energies = np.concatenate([made.structure_energies, *made.energies])
    met = distinct(system, states, energies, most=len(states))
    slow = made.ends[-1]
    labels = _by_size(groups(all_overlaps(system, slow)), made.energies[-1])
    alike = [overlaps_with(system, met.states, end) for end in slow]
    return Minima(
        met,
        len(states),
        int((met.energies <= met.energies[0] + room(met.energies)).sum()),
        labels,
        labels[np.argmax(alike, axis=0)],
        distinct(system, slow, made.energies[-1]).counts,
    )


def _by_size(labels: Array, energies: Array) -> Array:
    """Number groups from the largest to the smallest; of equal ones the lower in energy comes first."""
    lowest = [energies[labels == label].min() for label in range(labels.max() + 1)]
    order = np.lexsort((lowest, -np.bincount(labels)))
    return np.asarray(np.argsort(order)[labels])
