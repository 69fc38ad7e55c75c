"""What is drawn of ways: loss and errors along each of them."""

from __future__ import annotations

from collections.abc import Sequence

from spinfunnel.core import Axis, Series
from spinfunnel.instruments.paths.measuring import Profile

ALONG = Axis("along the way, from the first network to the other")


def along(profiles: Sequence[Profile], panel: str) -> list[Series]:
    """Draw the loss along every way."""
    axes = (ALONG, Axis("loss"))
    return [Series(one.t, one.energies, label=one.way.name, axes=axes, panel=panel) for one in profiles]


def mistakes(profiles: Sequence[Profile], panel: str) -> list[Series]:
    """Draw the share of errors along every way."""
    axes = (ALONG, Axis("share of errors"))
    return [
        Series(one.t, one.errors, label=one.way.name, axes=axes, panel=panel)
        for one in profiles
        if one.errors is not None
    ]
