"""How high a way climbs, and how well that is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number
from spinfunnel.instruments.paths.ways import Way
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.protocols import Smooth

#: A height is none if it is within so many standard errors of zero, or below this share of the barrier to a
#: copy of the network with its units in other places.
SIGMA, SMALL = 2.0, 0.01


@dataclass(frozen=True)
class Profile:
    """The energies (k,) along a way, at the times t (k,).

    Attributes:
        barrier: how much higher the highest point is than the higher end.
        above_chord: how much higher it is, at most, than a straight line from the first energy to the last.
        bump: how much it climbs at most, from any point to a later one.
        errors: the share of examples that the network gets wrong, (k,), or None.
    """

    way: Way
    t: Array
    energies: Array
    barrier: Number
    above_chord: Number
    bump: Number
    errors: Array | None = None

    @property
    def top(self) -> float:
        """The time at which the energy is highest."""
        return float(self.t[self.energies.argmax()])


def profile(system: Smooth, way: Way, points: int, *, errors: bool = False) -> Profile:
    """Follow a way, and measure at so many points how high it climbs.

    The loss of one network is compared with that of another on the same examples, so that the error of what
    lies between is that of the mean difference, which is smaller than that of the losses.

    >>> from spinfunnel.systems.surfaces import double_well
    >>> from spinfunnel.instruments.paths.ways import straight
    >>> found = profile(double_well(), straight("", np.array([-1.0, 0.0]), np.array([1.0, 0.0])), 21)
    >>> found.barrier.value, found.top
    (1.0, 0.5)
    """
    t = np.linspace(0, 1, points)

    def where() -> Iterator[Array]:
        return (way.at(float(one)) for one in t)  # one at a time: together they may be larger than memory

    if isinstance(system, NetworkLoss):
        losses = np.stack([system.losses_at(w) for w in where()])
        weights = system.weights_of_examples / system.total_weight
    else:
        losses, weights = system.energy(np.stack(list(where())))[:, None], np.ones(1)
    losses = np.nan_to_num(losses, nan=np.inf, posinf=np.inf)
    energies = losses @ weights
    end = 0 if energies[0] >= energies[-1] else -1
    inner = slice(1, -1)
    high = int(energies[inner].argmax()) + 1
    chord = (1 - t) * energies[0] + t * energies[-1]
    bow = int((energies - chord)[inner].argmax()) + 1
    low, late = _climb(energies)
    mistakes = None
    if errors and isinstance(system, NetworkLoss):
        found = [wrong for w in where() if (wrong := system.errors_at(w)) is not None]
        mistakes = np.stack(found) @ weights if found else None
    return Profile(
        way,
        t,
        energies,
        _height(losses[high] - losses[end], weights),
        _height(losses[bow] - (1 - t[bow]) * losses[0] - t[bow] * losses[-1], weights),
        _height(losses[late] - losses[low], weights),
        mistakes,
    )


def _climb(energies: Array) -> tuple[int, int]:
    """Find the two points, the later one higher, between which the energy climbs most."""
    lowest = np.minimum.accumulate(energies)
    late = int((energies - lowest).argmax())
    return int(energies[: late + 1].argmin()), late


def _height(differences: Array, weights: Array) -> Number:
    """Give the mean difference, or 0 if it is negative: the way never climbs."""
    error = _error(differences, weights)
    kind = "standard error over examples" if np.isfinite(error) else "exact"
    return Number(
        max(float(differences @ weights), 0.0), error=error if np.isfinite(error) else None, kind=kind
    )


def _error(values: Array, weights: Array) -> float:
    """Give the standard error of a weighted mean over the n examples; NaN if there is only one."""
    n = len(values)
    if n < 2:
        return float("nan")
    with np.errstate(invalid="ignore"):  # of infinite losses
        return float(np.sqrt(((weights * (values - values @ weights)) ** 2).sum() * n / (n - 1)))


def lowest(profiles: Sequence[Profile]) -> Profile:
    """Give the one that climbs least."""
    return min(profiles, key=lambda one: one.barrier.value)


def within_error(height: Number) -> bool:
    """Tell whether a height is zero as far as the examples can tell.

    >>> within_error(Number(0.01, error=0.006)), within_error(Number(0.01))
    (True, False)
    """
    return height.value <= SIGMA * (height.error or 0.0)


def none(height: Number, scale: Number | None) -> bool:
    """Tell whether a height is none: within its error, or next to nothing beside another one.

    >>> none(Number(0.1, error=0.001), Number(20.0)), none(Number(0.1, error=0.001), Number(2.0))
    (True, False)
    """
    return within_error(height) or (scale is not None and height.value <= SMALL * scale.value)
