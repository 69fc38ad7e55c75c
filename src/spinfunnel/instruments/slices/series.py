"""What is drawn of slices: lines with what the second derivatives say of them, and the surface of a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spinfunnel.core import Array, Axis, Series
from spinfunnel.instruments.slices.lines import Line
from spinfunnel.instruments.slices.planes import WALK, Path, Plane

DISTANCE = Axis("distance, in units of |w|")
#: Losses that differ by more than this factor, and are positive, are drawn on a logarithmic axis.
DECADES = 30
#: A quadratic is drawn up to this share of the losses' range above the highest.
SPARE = 0.25


def _axes(losses: Array) -> tuple[Axis, Axis]:
    """Give the axes of a line whose losses are these: a basin's floor is seen on a logarithmic one."""
    low, high = np.nanmin(losses), np.nanmax(losses)
    return DISTANCE, Axis("loss", "log" if low > 0 and high > DECADES * low else "linear")


def _quadratic(a: Array, expected: Array, losses: Array, shared: dict[str, Any]) -> Series:
    """Draw what a quadratic expects, where it is about as high as the losses are: else it hides them."""
    near = expected <= np.nanmax(losses) + SPARE * float(np.ptp(losses[np.isfinite(losses)]))
    return Series(a[near], expected[near], label="quadratic", null=True, **shared)


def random_lines(lines: Sequence[Line], weights: float) -> list[Series]:
    """Draw the lines along random directions as a band, with their mean quadratic as what is expected."""
    if not lines:
        return []
    a, loss = lines[0].a * lines[0].length / weights, np.array([one.loss for one in lines])
    expected = np.mean([one.quadratic for one in lines], axis=0)
    shared: Any = {"axes": _axes(loss), "panel": "Along random directions"}
    drawn = [
        Series(
            a, loss.mean(axis=0), low=loss.min(axis=0), high=loss.max(axis=0), kind="band",
            label=f"{len(lines)}, least to most",
            caption="Each filter moves as far as it is long times the distance. Dashed: what gradient and "
            "Hessian expect, the mean of all lines.", **shared,
        ),
        Series(a, lines[0].loss, label="the first of them", **shared),
        _quadratic(a, expected, loss, shared),
    ]  # fmt: skip
    if lines[0].held_out is not None:
        drawn.append(Series(a, lines[0].held_out, label="the first, held out", **shared))
    return drawn


def sharpest_line(sharp: Line | None, beside: Line | None, weights: float) -> list[Series]:
    """Draw the line along the top eigenvector, and a random one to the same distance beside it."""
    if sharp is None:
        return []
    a = sharp.a * sharp.length / weights
    shared: Any = {"axes": _axes(sharp.loss), "panel": "Along the sharpest direction"}
    drawn = [
        Series(
            a,
            sharp.loss,
            label="sharpest direction",
            caption="Dashed: what gradient and Hessian expect. Dotted: a random direction to the same "
            "distance, beside which the sharpest is an exception.",
            **shared,
        ),
        _quadratic(a, sharp.quadratic, sharp.loss, shared),
    ]
    if sharp.held_out is not None:
        drawn.append(Series(a, sharp.held_out, label="sharpest, held out", **shared))
    if beside is not None:
        a = beside.a * beside.length / weights
        drawn.append(Series(a, beside.loss, label="a random direction", null=True, **shared))
    return drawn


def surface(seen: Plane | None, path: Path | None, loss: float, weights: float) -> list[Series]:
    """Draw the loss over the plane, where the weights are, and where training went."""
    if seen is None:
        return []
    if path is None:
        unit = float(np.linalg.norm(seen.directions[0])) / weights
        axes = (Axis("first direction, |w|"), Axis("second, |w|"), Axis("loss"))
        panel = "Plane of two random directions"
    else:
        unit = 1 / weights
        axes = (Axis("first direction, |w|"), Axis("second, |w|"), Axis("loss"))
        panel = "Plane of the training path"
    shared: Any = {"axes": axes, "panel": panel}
    here, caption = np.zeros(1), "Two of very many directions: what rises here may fall along another."
    drawn = [Series(here, here, z=np.array([loss]), kind="scatter3d", label="the weights", **shared)]
    if path is not None:
        held, first = f"{path.kept.sum():.0%}", f"{path.kept[0]:.0%}"
        caption = (
            f"This plane holds {held} of the way that training went ({first} along the first direction); of "
            f"a random walk’s it would hold {WALK:.0%}. The path is drawn at its own losses, not at those of "
            "the plane beneath."
        )
        x, y = path.places.T * unit
        drawn.append(Series(x, y, z=path.loss, label="training", **shared))
    x, y = seen.x * unit, seen.y * unit
    return [Series(x, y, z=seen.loss, kind="surface", caption=caption, **shared), *drawn]
