"""What is drawn of frustration: how the index of bonds is distributed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinfunnel.core import Array, Axis, Series
from spinfunnel.instruments.frustration.bonds import HIGHLY, MINIMALLY

BINS = 40


def distribution(decoys: str, curves: Mapping[str, Array], size: int) -> list[Series]:
    """Draw the distributions of indices Z (M,), by their labels, and the limits of the words."""
    every = np.concatenate([*curves.values(), [HIGHLY, MINIMALLY]])
    edges = np.linspace(every.min() - 0.1, every.max() + 0.1, BINS + 1)
    panel = f"Local frustration against {decoys}, N = {size}"
    axes = Axis("frustration index Z of a bond"), Axis("share of bonds")
    found = [
        Series(edges, np.histogram(z, edges)[0] / len(z), label=label, axes=axes, kind="step", panel=panel)
        for label, z in curves.items()
        if len(z)
    ]
    limits = {"highly frustrated below": HIGHLY, "minimally above": MINIMALLY}
    return found + [
        Series(np.array([at]), np.array([0.0]), label=label, axes=axes, kind="vline", panel=panel)
        for label, at in limits.items()
    ]
