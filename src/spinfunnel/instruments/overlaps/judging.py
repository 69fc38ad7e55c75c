"""What P(q) looks like, in a word."""

from __future__ import annotations

from math import sqrt
from typing import Literal

from spinfunnel.core import Row

#: P(q) is one peak at zero if the Binder cumulant and <q²> are below these, and the most probable |q| is
#: below half of the root of <q²>.
GAUSSIAN, SMALL = 0.5, 0.25
#: P(q) is broad if more than this share of its weight is at small |q|.
VALLEY = 0.02


def phase(row: Row) -> Literal["paramagnet", "ordered", "broad", "cannot tell"]:
    """Name P(q) by a row of the table: one peak at zero, at ±q only, or with weight between.

    Within two standard errors of the share that separates them, the last two cannot be told apart.
    """
    if row["binder"] < GAUSSIAN and row["q2"] < SMALL and row["q_peak"] < sqrt(row["q2"]) / 2:
        return "paramagnet"
    off, error = row["share_small"] - VALLEY, row["share_small_error"]
    if abs(off) <= 2 * error:
        return "cannot tell"
    return "broad" if off > 0 else "ordered"
