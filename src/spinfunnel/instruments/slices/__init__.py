"""How does the loss rise along straight lines from the weights, and what does a plane through them show?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spinfunnel.core import (
    Array,
    BadInput,
    Effort,
    Finding,
    Instrument,
    Number,
    Row,
    Table,
    Verdict,
    seeds,
    significant,
)
from spinfunnel.instruments.slices.calibration import calibrations
from spinfunnel.instruments.slices.lines import ROUNDING, Line, basins, concave_share, half_widths, line
from spinfunnel.instruments.slices.planes import Path, Plane, path, plane
from spinfunnel.instruments.slices.series import random_lines, sharpest_line, surface
from spinfunnel.maths.directions import filters_of, gaussian
from spinfunnel.maths.lanczos import student, top_eigenpairs
from spinfunnel.subject import Subject
from spinfunnel.systems.network_loss import NetworkLoss

#: A forward pass, and a Hessian product, in gradients.
FORWARD, PRODUCT = 0.4, 2.5
#: Products for the sharpest direction, and the residual it may have, as a share of its eigenvalue.
PRODUCTS, RESIDUAL = 40, 0.03
#: CPU seconds that may be spent.
SECONDS: dict[Effort, float] = {"quick": 8.0, "normal": 60.0, "full": 600.0}
#: Of a history, at most so many snapshots, and bytes.
SNAPSHOTS, ROOM = 41, 1 << 30
#: The rise that ends a half-width, and a fall that means no minimum: shares of what the weights gain.
RISE, FALL = 0.1, 0.01
#: Rough: this share of the random lines has a second basin.
ROUGH = 0.25
#: What a slice shows, and what it cannot.
LIMITS = (
    "A slice along random directions shows the mean curvature of all directions, not the sharpest, and no "
    "barrier that it does not cross"
)


@dataclass(frozen=True)
class Size:
    """How much is looked at: draws of a direction, points on a line, points on each side of the plane."""

    draws: int
    points: int
    side: int

    @property
    def gradients(self) -> float:
        """Count the gradients it takes."""
        points = (self.draws + 4) * self.points + self.side**2 + 9 + SNAPSHOTS
        return FORWARD * points + PRODUCT * (self.draws + PRODUCTS + 4)

    def seconds(self, system: NetworkLoss) -> float:
        """Estimate the CPU seconds it takes."""
        return system.seconds * self.gradients


#: The least that says something, and what each effort asks for; a large network gets less.
LEAST = Size(2, 11, 0)
SIZES: dict[Effort, Size] = {"quick": Size(3, 21, 11), "normal": Size(8, 41, 25), "full": Size(16, 81, 41)}


def size_of(system: NetworkLoss, effort: Effort, allowed: float) -> Size:
    """Give the largest size, up to what the effort asks for, that takes no more seconds than are allowed."""
    wanted = [LEAST, *SIZES.values()][: list(SIZES).index(effort) + 2]
    able = [size for size in wanted if size.seconds(system) <= allowed]
    return able[-1] if able else LEAST


@dataclass(frozen=True)
class Seen:
    """All that was evaluated: `lines` along random directions, one along the sharpest and one beside it.

    `rise` is a tenth of the `gain`, what the weights gain over weights that are all zero.
    """

    loss: float
    gain: float
    rise: float
    length: float
    lines: tuple[Line, ...]
    sharp: Line | None
    beside: Line | None
    plane: Plane | None
    path: Path | None

    @property
    def losses(self) -> Array:
        """All of them, in one row."""
        lines = [one.loss for one in (*self.lines, self.sharp, self.beside) if one is not None]
        return np.concatenate([*lines, [] if self.plane is None else self.plane.loss.ravel()])


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Slice along random directions, the sharpest one, and a plane."""
    system = subject.system
    assert isinstance(system, NetworkLoss)
    allowed = min(SECONDS[subject.effort], math.inf if budget is None else budget)
    size = size_of(system, subject.effort, allowed)
    if size == LEAST:  # a plane of fewer examples says more than none of all
        system = system.within(allowed, SIZES["quick"].gradients, seeds(seed, "examples"))
        size = size_of(system, "quick", allowed)
    held_out = subject.held_out
    if held_out is not None:
        held_out = held_out.few(system.examples, seeds(seed, "held out"))
    seen = look(system, system.trained, size, seed, held_out, _snapshots(subject, system))
    table = Table.of([_row(one, seen) for one in (*seen.lines, seen.sharp) if one is not None])
    return Finding(
        "slices",
        "landscape",
        numbers={**_numbers(seen, table), "examples": Number(system.examples, kind="count")},
        tables={"lines": table},
        series=(
            *random_lines(seen.lines, seen.length),
            *sharpest_line(seen.sharp, seen.beside, seen.length),
            *surface(seen.plane, seen.path, seen.loss, seen.length),
        ),
        doubts=_doubts(seen, size, allowed),
    )


def look(
    system: NetworkLoss,
    w: Array,
    size: Size,
    seed: int,
    held_out: NetworkLoss | None = None,
    snapshots: Array | None = None,
) -> Seen:
    """Evaluate the lines and the plane; along two lines the held-out data too."""
    here, nothing = system.energy(np.stack([w, np.zeros_like(w)]))
    if not np.isfinite(here) or not w.any():
        raise BadInput(
            f"the loss at the weights is {here:.4g}, their norm {np.linalg.norm(w):.4g}: train first"
        )
    gradient, hessian = system.gradient(w[None])[0].astype(np.float64), system.hessian(w)
    filters = filters_of(system.blocks, system.size)
    gain = float(nothing - here)
    rise = RISE * gain if gain > 0 else math.nan
    known: dict[str, Any] = {"hessian": hessian, "gradient": gradient}

    def drawn(i: int | str) -> Array:
        return gaussian(w, filters, seeds(seed, "slice", i))

    lines = tuple(
        line(
            system, w, drawn(i), 1.0, size.points, held_out=None if i else held_out, name=f"random {i + 1}",
            **known,
        )
        for i in range(size.draws)
    )  # fmt: skip
    top = top_eigenpairs(
        hessian, 1, tolerance=RESIDUAL, products=min(PRODUCTS, system.size), seed=seeds(seed, "sharpest")
    )
    sharp = beside = None
    if np.isfinite(rise) and top.values[0] > 0:
        steepest, reach = (
            np.asarray(top.vectors[0], dtype=np.float64),
            2 * math.sqrt(2 * rise / top.values[0]),
        )
        sharp = line(system, w, steepest, reach, size.points, held_out=held_out, name="sharpest", **known)
        other = drawn("beside")
        beside = line(
            system, w, other / np.linalg.norm(other), reach, size.points, name="random, as long", **known
        )
    went = None if snapshots is None else path(system, w, snapshots)
    shown = None
    if size.side:
        ends = _ends(went.places) if went else np.array([[-1.0, 1.0]] * 2)
        x, y = (np.linspace(low, high, size.side) for low, high in ends)
        directions = went.directions if went else np.stack([drawn(0), drawn(1)])
        shown = plane(system, w, directions, x, y, hessian=hessian)
    return Seen(
        float(here),
        gain,
        rise,
        float(np.linalg.norm(w.astype(np.float64))),
        lines,
        sharp,
        beside,
        shown,
        went,
    )


def _ends(places: Array) -> Array:
    """Give where the plane ends, (2, 2): around the path and the weights, with a fifth to spare."""
    low, high = np.minimum(places.min(axis=0), 0), np.maximum(places.max(axis=0), 0)
    wide = np.maximum(high - low, 0.1 * (high - low).max())
    return np.stack([low - 0.2 * wide, high + 0.2 * wide], axis=1)


def _snapshots(subject: Subject, system: NetworkLoss) -> Array | None:
    """Give up to so many snapshots (T, P) of the history, evenly spread, with the first and the last."""
    if subject.history is None or (count := len(subject.history.steps)) < 3:
        return None
    most = min(count, SNAPSHOTS, max(3, ROOM // (16 * system.size)))
    chosen = np.unique(np.linspace(0, count - 1, most).round().astype(int))
    return np.stack([system.flat(subject.history.mapping(int(i))) for i in chosen])


def _row(one: Line, seen: Seen) -> Row:
    """Describe one line; half-widths in units of |w|, and at most where the line ends."""
    wide = np.minimum(half_widths(one.a, one.loss, seen.rise), one.a[-1])
    before, after = wide * one.length / seen.length
    return {
        "direction": one.name, "length": one.length / seen.length, "slope": one.slope,
        "curvature": one.curvature, "curvature_seen": one.seen, "half_width_before": before,
        "half_width_after": after, "basins": basins(one.loss), "bends_down": concave_share(one.loss),
        "lowest": float(np.nanmin(one.loss)),
    }  # fmt: skip


def _numbers(seen: Seen, table: Table) -> dict[str, Number]:
    columns, draws = table.columns, len(seen.lines)
    sides = np.stack([columns["half_width_before"], columns["half_width_after"]], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = columns["curvature_seen"] / columns["curvature"]
    numbers = {
        "loss": Number(seen.loss),
        "loss of zero weights": Number(seen.loss + seen.gain),
        "random directions": Number(draws, kind="count"),
        "half-width, random": _median(sides[:draws].ravel(), float(columns["length"][:draws].min())),
        "curvature, random": student(columns["curvature"][:draws]),
        "curvature seen / curvature": student(ratio[:draws]),
        "basins of a random line": student(columns["basins"][:draws].astype(float)),
        "share of it that bends down": student(columns["bends_down"][:draws]),
        "lowest loss seen": Number(float(np.nanmin(seen.losses))),
    }
    if seen.sharp is not None:
        numbers["half-width, sharpest"] = _median(sides[draws], seen.sharp.a[-1] / seen.length)
        mean = columns["curvature"][:draws].mean() / seen.lines[0].length ** 2
        numbers["sharpest curvature / mean of random ones"] = Number(float(seen.sharp.curvature / mean))
    if seen.plane is not None:
        numbers["cosine of the plane's directions"] = Number(round(seen.plane.cosine, 12))
        for i, j in ((0, 0), (1, 1), (0, 1)):
            at = f"{i + 1}{j + 1}"
            numbers[f"DᵀHD {at}"] = Number(float(seen.plane.curvature[i, j]))
            numbers[f"DᵀHD {at}, seen in the plane"] = Number(float(seen.plane.seen[i, j]))
    if seen.path is not None:
        numbers["share of the path in the plane"] = Number(float(seen.path.kept.sum()))
    return numbers


def _median(sides: Array, reach: float) -> Number:
    """Give the median half-width and its quartiles; at least the slice, where half of them end beyond it."""
    if np.isnan(sides).any():
        return Number(math.nan)
    low, middle, high = (float(x) for x in np.quantile(sides, [0.25, 0.5, 0.75], method="inverted_cdf"))
    if middle >= reach:
        return Number(middle, low=middle, level=0.5, kind="end of the slice", unit="|w|")
    return Number(middle, low=low, high=high, level=0.5, kind="quartiles of sides", unit="|w|")


def _doubts(seen: Seen, size: Size, allowed: float) -> tuple[str, ...]:
    doubts = []
    if math.isnan(seen.gain):
        doubts.append(
            "the loss is not finite where all weights are zero, as where weights are normalised: there is "
            "no gain over them that a half-width could be measured by"
        )
    elif not seen.gain > 0:
        doubts.append(
            f"the loss, {seen.loss:.4g}, is no less than that of weights that are all zero, "
            f"{seen.loss + seen.gain:.4g}: nothing was gained that a half-width could be "
            "measured by; look at a trained model"
        )
    if unfinished := int(np.isnan(seen.losses).sum()):
        doubts.append(
            f"{unfinished} of {len(seen.losses)} losses are not finite: the pictures have holes there"
        )
    if not size.side:
        doubts.append(
            f"a plane would take longer than {allowed:.0f} s and was left out, with most of the directions: "
            "give a higher --effort or --budget, or fewer examples"
        )
    return tuple(doubts)


def judge(finding: Finding) -> Verdict:
    """Name what the lines show: a basin, a rough one, or weights that are at no minimum."""
    numbers = finding.numbers
    loss, gain = numbers["loss"].value, numbers["loss of zero weights"].value - numbers["loss"].value
    lines = finding.tables["lines"].columns
    rough = float((lines["basins"][: int(numbers["random directions"].value)] > 1).mean())
    label, said = ("rough", "Rough: ") if rough >= ROUGH else ("basin", "A basin: ")
    fallen = loss - numbers["lowest loss seen"].value
    if fallen > FALL * max(gain, 0) + ROUNDING * abs(loss):
        label = "not at a minimum"
        said = (
            f"Not at a minimum: a loss of {numbers['lowest loss seen']} was seen, below {numbers['loss']} at "
            "the weights; "
        )
    if math.isfinite(numbers["half-width, random"].value):
        said += f"a tenth of what the weights gain is lost {_at(numbers['half-width, random'])} along"
    else:
        said += f"the loss was looked at up to {lines['length'][0]:.2g} |w| along"
    said += f" {numbers['random directions']} random directions"
    if "half-width, sharpest" in numbers:
        times = significant(numbers["sharpest curvature / mean of random ones"].value, 2)
        wide = replace(numbers["half-width, sharpest"], low=None)
        said += f", and {_at(wide)} along the sharpest, {times} times as curved"
    said += f"; {f'{rough:.0%} of the lines have' if rough else 'no line has'} a second basin"
    if "examples" in numbers:
        said += f" ({numbers['examples']} examples)"
    if finding.doubts:
        return Verdict("unsure", label, f"{said}.", "See the doubts.", finding.doubts[:1])
    return Verdict("info", label, f"{said}.")


def _at(width: Number) -> str:
    """Say at which distance, with its quartiles if they are known, or beyond which."""
    middle, *ends = (significant(x, 3) for x in (width.value, width.low, width.high) if x is not None)
    if width.kind == "end of the slice":
        return f"beyond {middle} |w|"
    return f"at {middle}" + f" [{', '.join(ends)}]" * (len(ends) == 2) + " |w|"


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds."""
    assert isinstance(subject.system, NetworkLoss)
    size = size_of(subject.system, effort, SECONDS[effort])
    return SECONDS[effort] if size == LEAST else size.seconds(subject.system)


instrument = Instrument(
    name="slices",
    question="landscape",
    needs=frozenset({"loss", "history?"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Li, Xu, Taylor, Studer, Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018 "
    "(1712.09913). Before: Goodfellow, Vinyals, Saxe, ICLR 2015 (1412.6544).",
    what="The loss along straight lines from the weights: in random directions whose filters are as long as "
    "those of the weights, in the sharpest one, and over a plane, that of the training path where there is a "
    "history. Beside each line, the quadratic that gradient and Hessian expect.",
    why="How far weights may be moved before what was learned is lost, whether the way there is smooth, and "
    "how much of that a quadratic knows.",
    judged="Basin (info) if less than a quarter of the random lines have a second basin, deeper than a "
    "hundredth of the line's range; else rough; of a quadratic, no line has one. Not at a minimum if a loss "
    "below that of the weights was seen, by a hundredth of what they gain over weights that are all zero. A "
    "half-width is where a tenth of that gain is lost. Biases and normalisations are not moved along random "
    "directions; batch normalisation keeps its statistics (eval mode). " + LIMITS + ".",
    calibrations=calibrations,
)
