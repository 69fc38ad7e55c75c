"""What is drawn of sharpness: how the loss rises with the distance, and what a quadratic expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinfunnel.core import Array, Axis, Series

#: What ρ is, by case; and how to read the picture of a worst and of an average one.
DISTANCES = {
    "worst case, plain": "ρ = |Δw|",
    "worst case, adaptive": "ρ = |Δw / w|",
    "average case, plain": "ρ = spread of moves / rms weight",
    "average case, adaptive": "ρ = spread of moves / each weight",
}
CAPTIONS = {
    "w": "The largest rise that was found within ρ; grey, the bounds that gradient and Hessian set for it. "
    "At a minimum both are straight, of slope 2.",
    "a": "The mean rise, ± 1 σ, where all weights move at random; grey, what gradient and Hessian expect of "
    "them, ± 1 σ.",
}


def rises(columns: Mapping[str, Array]) -> list[Series]:
    """Draw the rises of every case against ρ, where there are several, and what g and H expect."""
    drawn = []
    for case in dict.fromkeys(columns["case"].tolist()):
        mine = {name: column[columns["case"] == case] for name, column in columns.items()}
        shared: Any = {
            "axes": (Axis(DISTANCES[str(case)], "log"), Axis("rise of the loss", "log")),
            "panel": str(case).capitalize(),
        }
        error = mine["error"]
        if len(error) < 2:
            continue
        drawn += [
            Series(
                mine["rho"], (mine["expected_low"] + mine["expected_high"]) / 2, low=mine["expected_low"],
                high=mine["expected_high"], kind="band", label="quadratic", caption=CAPTIONS[str(case)[0]],
                **shared,
            ),
            Series(
                mine["rho"], mine["rise"], low=mine["rise"] - error, high=mine["rise"] + error, label="found",
                **shared,
            ),
        ]  # fmt: skip
    return drawn
