"""What is drawn of sharpness: how the loss rises with the distance, and what a quadratic expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinfunnel.core import Array, Axis, Series


def rises(columns: Mapping[str, Array]) -> list[Series]:
    """Draw the rises of every case against ρ, where there are several, and what g and H expect."""
    drawn = []
    for case in dict.fromkeys(columns["case"].tolist()):
        mine = {name: column[columns["case"] == case] for name, column in columns.items()}
        shared: Any = {
            "axes": (Axis("ρ", "log"), Axis("rise of the loss", "log")),
            "panel": str(case).capitalize(),
        }
        error = mine["error"]
        if len(error) < 2:
            continue
        drawn += [
            Series(
                mine["rho"], (mine["expected_low"] + mine["expected_high"]) / 2, low=mine["expected_low"],
                high=mine["expected_high"], kind="band", label="quadratic", **shared,
            ),
            Series(
                mine["rho"], mine["rise"], low=mine["rise"] - error, high=mine["rise"] + error, label="found",
                **shared,
            ),
        ]  # fmt: skip
    return drawn
