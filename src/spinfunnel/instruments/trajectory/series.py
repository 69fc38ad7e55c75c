"""What is drawn of a training: its plane, its components beside the nulls', how far and how fast it went."""

from __future__ import annotations

import numpy as np

from spinfunnel.core import Array, Axis, Series, Table, seeds
from spinfunnel.instruments.trajectory.measuring import COMPONENTS, Moved
from spinfunnel.maths.random_walks import path, surrogates

#: Waiting times, as shares of the run, after which displacements are drawn.
WAITING = (0.0, 0.125, 0.25, 0.5, 0.75)
STEP = Axis("training step")
PLANES = (
    "The two directions that hold most of the variance of the weights.",
    "What chance draws in its own plane. What is alike in both says nothing about this training.",
)


def plane(found: Moved, seed: int) -> list[Series]:
    """Draw the plane of the first two components, and beside it that of a drift and a walk of these steps."""
    together = np.full(found.products.shape, found.drift)
    np.fill_diagonal(together, 1.0)
    chance = path(next(surrogates(found.lengths, together, found.dimension, 1, seeds(seed, "plane"))))
    reach = 1.05 * float(np.abs(np.concatenate([found.path, chance])).max(initial=0.0)) or 1.0
    axes = (Axis("first component", low=-reach, high=reach), Axis("second component", low=-reach, high=reach))
    drawn = []
    titles = ("Plane of the training", "Plane of a drift and a random walk, same steps")
    for panel, drawn_path, caption in zip(titles, (found.path, chance), PLANES, strict=True):
        x, y = drawn_path.T
        null = drawn_path is chance
        drawn += [
            Series(x, y, label="snapshots", axes=axes, panel=panel, null=null, caption=caption),
            Series(x[:1], y[:1], label="start", axes=axes, kind="scatter", panel=panel),
            Series(x[-1:], y[-1:], label="end", axes=axes, kind="scatter", panel=panel),
        ]
    return drawn


def components(found: Moved) -> list[Series]:
    """Draw the shares of variance beside those of the nulls."""
    axes, panel = (Axis("component"), Axis("share of variance")), "Variance of the components"
    count = min(COMPONENTS, len(found.times) - 1)
    k = np.arange(1, count + 1)
    walk, drifting = found.walk, found.drifting
    least = min(float(shares[:count].min()) for shares in (walk.mean, drifting.mean, found.shares))
    if least > 0:
        axes = (axes[0], Axis("share of variance", "log"))
    return [
        Series(
            k, walk.mean[:count], low=walk.low[:count], high=walk.high[:count], label="random walk, 95 %",
            axes=axes, kind="band", panel=panel,
        ),
        Series(
            k, drifting.mean[:count], low=drifting.low[:count], high=drifting.high[:count],
            label="drift and random walk, 95 %", axes=axes, kind="scatter", null=True, panel=panel,
        ),
        Series(
            k, found.shares[:count], label="training", axes=axes, kind="scatter", panel=panel,
            caption="Grey: what steps of these lengths give by chance. Only what lies beyond both says "
            "something.",
        ),
    ]  # fmt: skip


def progress(found: Moved) -> list[Series]:
    """Draw the distance from the start, and what steps of these lengths would give at chance or in a line."""
    since = (found.times - found.times[0])[1:]
    axes, panel = (Axis("training steps", "log"), Axis("|w - w₀|", "log")), "Distance from the start"
    curves = {
        "training": np.sqrt(found.distances[0, 1:]),
        "at right angles, a walk": np.sqrt(np.cumsum(found.lengths**2)),
        "in one line": np.cumsum(found.lengths),
    }
    caption = (
        "Steps of these lengths lead as far as the dashed line if none has to do with another, and as far as "
        "the dotted one if all go the same way."
    )
    drawn = []
    for label, y in curves.items():
        there, null = y > 0, label != "training"
        drawn.append(
            Series(since[there], y[there], label=label, axes=axes, panel=panel, null=null, caption=caption)
        )
    middle = (found.times[1:] + found.times[:-1]) / 2
    fast = found.speed > 0
    return [
        *(one for one in drawn if len(one.x)),
        Series(
            middle[fast], found.speed[fast], label="between snapshots",
            axes=(STEP, Axis("distance per training step", "log")), panel="Speed",
            caption="The distance between snapshots over the steps between them.",
        ),
        Series(
            found.times[1:-1], found.turns, label="training",
            axes=(STEP, Axis("cosine", low=-1, high=1)), panel="Angle between successive steps",
            caption="1 is straight on, -1 straight back; by chance, in many dimensions, it is near 0.",
        ),
    ]  # fmt: skip


def ageing(found: Moved) -> list[Series]:
    """Draw |w_{t + τ} - w_t|² against τ after several waiting times t: curves that part are ageing."""
    axes, drawn = (Axis("τ / training steps", "log"), Axis("|w(t + τ) - w(t)|²", "log")), []
    for share in WAITING:
        at = int(share * (len(found.times) - 1))
        squares, lag = found.distances[at, at + 1 :], found.times[at + 1 :] - found.times[at]
        if (squares > 0).any():
            drawn.append(
                Series(
                    lag[squares > 0], squares[squares > 0], label=f"t = {found.times[at]:.0f}", axes=axes,
                    panel="Displacement after waiting for t steps",
                    caption="Curves that part are ageing: the later one looks, the slower the weights move.",
                )
            )  # fmt: skip
    return drawn


def falling(times: Array, losses: Array, level: int | None) -> list[Series]:
    """Draw the loss, and where it has levelled off."""
    there = np.isfinite(losses)
    if not there.any():
        return []
    scale: dict[str, str] = {"scale": "log"} if (losses[there] > 0).all() else {}
    axes = (STEP, Axis("loss", **scale))  # type: ignore[arg-type]
    drawn = [Series(times[there], losses[there], label="loss", axes=axes, panel="Loss")]
    if level is not None:
        at, ends = times[level : level + 1], np.array([losses[there].min()])
        drawn.append(Series(at, ends, label="levelled off", axes=axes, kind="vline", panel="Loss"))
    return drawn


def gradients(table: Table) -> list[Series]:
    """Draw, of every layer, the length of the mean gradient and of its noise in one step."""
    columns, axes, drawn = table.columns, (STEP, Axis("length", "log")), []
    for name in dict.fromkeys(columns["name"].tolist()):
        mine = columns["name"] == name
        for key, label in (("length_of_mean", "mean over steps"), ("spread", "noise of one step")):
            y = columns[key][mine]
            there = np.isfinite(y) & (y > 0)
            if there.sum() > 1:
                drawn.append(
                    Series(
                        columns["step"][mine][there], y[there], label=label, axes=axes,
                        panel="Gradient", row=str(name),
                    )
                )  # fmt: skip
    return drawn
