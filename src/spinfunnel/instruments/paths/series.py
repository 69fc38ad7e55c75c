"""What is drawn of ways: loss and errors along each of them."""

from __future__ import annotations

from collections.abc import Sequence

from spinfunnel.core import Axis, Series
from spinfunnel.instruments.paths.measuring import Profile

ALONG = Axis("along the way, from the first network to the other")


def along(profiles: Sequence[Profile], panel: str, axis: Axis = ALONG) -> list[Series]:
    """Draw the loss along every way, with one standard error where it is known."""
    axes = (axis, Axis("loss"))
    drawn = []
    for one in profiles:
        drawn.append(Series(one.t, one.energies, label=one.way.name, axes=axes, panel=panel))
        if one.spread[0] > 0:
            low, high = one.energies - one.spread, one.energies + one.spread
            label = f"{one.way.name}, ± 1 σ"
            drawn.append(
                Series(
                    one.t, one.energies, low=low, high=high, label=label, axes=axes, kind="band", panel=panel
                )
            )
    return drawn


def mistakes(profiles: Sequence[Profile], panel: str) -> list[Series]:
    """Draw the share of errors along every way."""
    axes = (ALONG, Axis("share of errors"))
    return [
        Series(one.t, one.errors, label=one.way.name, axes=axes, panel=panel)
        for one in profiles
        if one.errors is not None
    ]
