"""Is the native state the lowest, do anneals reach it, and from how far does it draw?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Axis, Effort, Finding, Instrument, Number, Row, Series, Table, Verdict, seeds
from spinfunnel.instruments.native.calibration import calibrations
from spinfunnel.instruments.native.leaving import RETURNED, STARTS, away, bottom, returns
from spinfunnel.maths.bootstrap import mean_of_values
from spinfunnel.maths.statistics import share_of
from spinfunnel.structures import overlaps_with
from spinfunnel.subject import Subject
from spinfunnel.systems.protocols import Flips, Metric, Native, Smooth

#: An end that overlaps by more than this has hit the native state, and half of all ends have reached it.
HIT, REACHED = 0.8, 0.5
#: Energies that differ by less than this share of the largest are equal.
ROUNDING = 1e-7


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Compare the ends of anneals with the native state, and let states around it fall."""
    system, made = subject.system, Coolings.of(readings)
    assert isinstance(system, Metric)
    assert subject.native is not None
    native, energy, minimum = bottom(system, subject.native, seeds(seed, "bottom"))
    slow = made.energies[-1]
    alike = list(overlaps_with(system, made.ends, native))
    returned = Table.of(_returns(system, native, made, seed))
    scale = max(1.0, abs(energy), abs(made.best_energy))
    gap, height = made.best_energy - energy, float(made.random_energies.mean()) - energy
    falls = height > ROUNDING * scale
    gap = 0.0 if abs(gap) <= ROUNDING * scale else gap
    below, spread = float(slow.mean()) - energy, float(slow.std())
    if abs(below) <= ROUNDING * scale:
        below, spread = 0.0, 1.0
    z = below / spread if spread > ROUNDING * scale else math.nan
    doubts = []
    if not minimum:
        fell = float(system.energy(np.asarray(subject.native)[None])[0]) - energy
        doubts.append(
            f"the native state is not a local minimum: the one below it, lower by {fell:.3g} and at an "
            f"overlap of {_between(system, subject.native, native):.2g}, was used"
        )
    if not falls:
        doubts.append("random states are as low as the native state: the gap has no scale")
    if math.isnan(z):
        doubts.append("all slow ends have one energy, which is not the native state's: z is infinite")
    if not len(returned):
        doubts.append(f"nothing was found at an overlap of {STARTS[0]} or below: no attraction radius")
    own = isinstance(system, Native) and np.array_equal(system.native, subject.native)
    return Finding(
        "native",
        "landscape",
        numbers={
            "native u": Number(energy / system.size, kind="exact"),
            "lowest u of anneals": Number(made.best_energy / system.size, kind="exact"),
            "native gap": Number(gap / height if falls else math.nan, kind="exact"),
            "native z": Number(z, kind="in standard deviations of slow ends"),
            "native hits": share_of(int((alike[-1] > HIT).sum()), len(slow), level=0.9),
            "attraction radius": radius(returned),
            "slow anneals": Number(len(slow), kind="count"),
            "cooling time": Number(float(made.times[-1]), kind="count", unit=made.unit),
        },
        tables={"returns": returned, "native": Table({"name": np.array(["own" if own else "given"])})},
        series=_drawn(returned, made, alike, system.size, seed),
        doubts=tuple(doubts),
    )


def _between(system: Metric, x: np.ndarray, y: np.ndarray) -> float:
    return float(system.overlap(np.asarray(x)[None], np.asarray(y)[None])[0])


def _returns(system: Metric, native: np.ndarray, made: Coolings, seed: int) -> list[Row]:
    """Let as many states as there are replicas fall from each overlap."""
    replicas = made.energies.shape[1]
    rows: list[Row] = []
    for q, (states, overlaps) in away(system, native, replicas, made.hot, made.cold, seed).items():
        share = share_of(returns(system, native, states, seeds(seed, q)), len(states), level=0.9)
        rows.append({
            "q": q, "overlap": float(overlaps.mean()), "states": len(states),
            "returned": share.value, "returned_low": share.low, "returned_high": share.high,
        })  # fmt: skip
    return rows


def radius(returned: Table) -> Number:
    """Give the largest q from which fewer than half return; 0 if half do from all."""
    if not len(returned):
        return Number(math.nan, kind="of a grid")
    lost = returned.columns["q"][returned.columns["returned"] < 0.5]
    if len(lost):
        return Number(float(lost.max()), kind="of a grid")
    return Number(0.0, high=float(returned.columns["q"].min()), kind="of a grid")


def _drawn(
    returned: Table, made: Coolings, alike: list[np.ndarray], size: int, seed: int
) -> tuple[Series, ...]:
    who, overlap = f"N = {size}, {made.energies.shape[1]} replicas", Axis("overlap with the native state")
    drawn, found = [], returned.columns
    if len(returned):
        drawn.append(
            Series(
                found["overlap"], found["returned"], low=found["returned_low"], high=found["returned_high"],
                label=who, kind="scatter", panel="return to the native state",
                axes=(overlap, Axis("share that returns", low=-0.03, high=1.03)),
            )
        )  # fmt: skip
    means = [mean_of_values(q, seeds(seed, k)) for k, q in enumerate(alike)]
    value, low, high = np.array([(one.value, one.low, one.high) for one in means]).T
    drawn.append(
        Series(
            made.times, value, low=low, high=high, label=who, kind="scatter",
            panel="overlap of ends with the native state",
            axes=(Axis(f"cooling time τ ({made.unit})", "log"), overlap),
        )
    )  # fmt: skip
    return tuple(drawn)


def judge(finding: Finding) -> Verdict:
    """Say whether anneals reach the native state, or lower ones."""
    numbers = finding.numbers
    gap, hits, time = numbers["native gap"], numbers["native hits"], numbers["cooling time"]
    own = finding.tables["native"].columns["name"][0] == "own"
    beside = (
        f"{abs(gap.value):.3g} D {'above' if gap.value < 0 else 'below'} the lowest end"
        if gap.value
        else "as low as the lowest end"
    )
    r = numbers["attraction radius"]
    drawn = (
        "is not known" if math.isnan(r.value)
        else f"is above q = {r.value:g}" if r.value
        else f"is at q = {r.high:g} and above, as far as was looked"
    )  # fmt: skip
    sentence = (
        f"The native state {'the system was built around' if own else 'that was given'}, u = "
        f"{numbers['native u']}, is {beside} of {numbers['slow anneals']} anneals of {time.value:,.0f} "
        f"{time.unit}; a share of {hits} of them reach it. The region from which half of all descents return "
        f"to it {drawn}."
    )
    if gap.value < 0:
        return Verdict("info", "lower states exist", sentence, "", finding.doubts)
    label = "reached" if hits.value >= REACHED else "seldom reached" if hits.value else "not reached"
    return Verdict("info", label, sentence, "", finding.doubts)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    slow = 10.0 if isinstance(subject.system, Smooth) else 0.2 if isinstance(subject.system, Flips) else 1.0
    return slow * {"quick": 1.0, "normal": 1.5, "full": 2.0}[effort]


instrument = Instrument(
    name="native",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap", "native"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Golf courses and funnels: Bryngelson, Wolynes, PNAS 84 (1987) 7524; intervals of shares: Brown, "
    "Cai, DasGupta, Stat. Sci. 16 (2001) 101.",
    what="The native state (the system's own, or given; if it is not a local minimum, the one below it) "
    "beside the ends of anneals: its gap, the lowest energy of any end less its own, in units of D, the mean "
    "random energy less its own; z, by how many of their standard deviations it lies below the mean of the "
    f"slow ends; the share of slow ends that hit it (overlap above {HIT}, modulo symmetry); and the "
    f"attraction radius, the largest of the overlaps {STARTS[0]}, {STARTS[1]}, ... {STARTS[-1]} from which "
    f"fewer than half of all states return to it (overlap above {RETURNED}) when they fall at T = 0. States "
    "at an overlap: of spins, just enough are turned over at random; chains are heated from the native "
    "state, coordinates leave it along random rays, and the first state at that overlap is taken, so that "
    "they know more of where they came from than spins do.",
    why="The bottom of a funnel draws from far away, and is reached; a hole in a golf course is as low, but "
    "draws from next to it only, and is hit by luck.",
    judged="Lower states exist (info) if an end is lower than the native state; else reached (info) if at "
    f"least {REACHED:.0%} of slow ends hit it, seldom reached (info) if fewer do, and not reached (info) if "
    "none does.",
    calibrations=calibrations,
)
