"""A report on a task: findings of three chapters, with the kinds of series that a loss is drawn by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from report_example import make_report

from spinfunnel.core import Axis, Finding, Number, Series, Table, Verdict
from spinfunnel.report import Report

LAYERS = ["hidden1.weight", "hidden2.weight", "output.weight"]


def bowl() -> tuple[Series, ...]:
    """A loss over a plane, with a hole, the path of a training on it, and where the path ends."""
    grid, t = np.linspace(-1, 1, 21), np.linspace(0, 1, 30)
    z = np.log1p(8 * grid[None] ** 2 + 2 * grid[:, None] ** 2)
    z[0, :4] = np.nan
    x, y = 0.9 * (t - 1), 0.5 * np.sin(3 * t) * (1 - t)
    axes, panel = (Axis("first component"), Axis("second component"), Axis("loss")), "plane of training"
    path = Series(x, y, z=np.log1p(8 * x**2 + 2 * y**2), label="path", axes=axes, panel=panel)
    return (
        Series(grid, grid, z=z, kind="surface", axes=axes, panel=panel),
        path,
        replace(path, x=x[-1:], y=y[-1:], z=path.z[-1:], kind="scatter3d", label="the weights"),
    )


def density() -> tuple[Series, ...]:
    """A density that goes to nothing, with its band, outliers and an edge."""
    at = np.linspace(-1, 12, 200)
    seen = np.exp(-(at**2) / 0.02) + 0.02 * np.exp(-((at - 8) ** 2)) + 1e-4
    axes, panel = (Axis("eigenvalue"), Axis("density", "log")), "density of the Hessian"
    few = np.array([3.0, 8, 11])
    return (
        Series(at, seen, low=0.6 * seen, high=1.5 * seen, kind="band", axes=axes, panel=panel, label="seen"),
        Series(at, np.exp(-(at**2) / 0.1), label="random matrix", axes=axes, panel=panel),
        Series(
            at, 2 * seen, low=np.where(abs(at - 4) < 1, np.nan, seen), high=3 * seen, label="mean",
            axes=axes, panel=panel,
        ),
        Series(few, np.full(3, 1e-3), kind="scatter", label="outliers", axes=axes, panel=panel),
        Series(np.array([1.2]), np.array([np.nan]), kind="vline", label="edge", axes=axes, panel=panel),
    )  # fmt: skip


def make_task_report() -> Report:
    """Weights, a landscape and a training; biases are in a table that nothing judged."""
    base = make_report(LAYERS)
    rows = [
        {"name": name, "trace": 1.0} for layer in LAYERS for name in (layer, layer.replace("weight", "bias"))
    ]
    findings = {
        "curved": Finding(
            "curved", "landscape", numbers={"trace": Number(31.2, error=0.8)}, series=density(),
            tables={"layers": Table.of(rows)}, doubts=("the gradient is not small",),
        ),
        "sliced": Finding("sliced", "landscape", series=bowl()),
        "moved": Finding("moved", "training"),
    }  # fmt: skip
    said = {
        "curved": Verdict("info", "on a saddle", "A share of 2 % of its directions bend down."),
        "sliced": Verdict("unsure", "cannot tell", "The slices are rough."),
        "moved": Verdict("good", "arrived", "The weights have stopped moving."),
    }
    loss = {"examples": 1024, "free weights": 26_000}
    return replace(
        base,
        subject={**base.subject, "source": "digits/task.py", "parameters": 26_122, "loss": loss},
        findings={**base.findings, **findings},
        verdicts={**base.verdicts, **said},
        not_run=[
            {"instrument": "a, b", "question": "training", "needs": "history", "how": "record the training"},
            {"instrument": "", "question": "bound", "needs": "data", "how": "a later version"},
        ],
    )
