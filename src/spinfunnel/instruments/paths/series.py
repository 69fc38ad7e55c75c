"""What is drawn of ways: loss and errors along each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spinfunnel.core import Axis, Series
from spinfunnel.instruments.paths.measuring import Profile

ALONG = Axis("along the way, from one end to the other")
#: Losses that differ by more than this factor, and are positive, are drawn on a logarithmic axis.
FACTOR = 10


def along(
    profiles: Sequence[Profile], panel: str, nulls: Sequence[str] = (), caption: str = ""
) -> list[Series]:
    """Draw the loss along every way; those named `nulls` are what is to be expected."""
    losses = np.concatenate([one.energies for one in profiles] or [np.zeros(1)])
    log = np.nanmin(losses) > 0 and np.nanmax(losses) > FACTOR * np.nanmin(losses)
    shared: Any = {
        "axes": (ALONG, Axis("loss", "log" if log else "linear")),
        "panel": panel,
        "caption": caption,
    }
    return [
        Series(one.t, one.energies, label=one.way.name, null=one.way.name in nulls, **shared)
        for one in profiles
    ]


def mistakes(profiles: Sequence[Profile], panel: str, nulls: Sequence[str] = ()) -> list[Series]:
    """Draw the share of errors along every way."""
    axes = (ALONG, Axis("share of errors"))
    return [
        Series(one.t, one.errors, label=one.way.name, axes=axes, panel=panel, null=one.way.name in nulls)
        for one in profiles
        if one.errors is not None
    ]
