"""Is the native state, or the best, deeper than decoys and random states? Tf, Tg, Z, and times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Array, Axis, Effort, Finding, Instrument, Number, Series, Table, Verdict
from spinfunnel.instruments.folding.calibration import calibrations
from spinfunnel.instruments.folding.measuring import (
    Compared,
    RandomEnergies,
    compared,
    decoys,
    random_energies,
    rank_correlation,
    times,
)
from spinfunnel.structures import CUT
from spinfunnel.subject import Subject
from spinfunnel.systems.protocols import Flips, Metric, Native

#: Random energies are called skewed from here, where they are so by three standard errors.
SKEWED = 0.5
#: What two other instruments may have found, and what it is called here.
OTHERS = {
    ("density_of_states", "T where half of the weight is native"): "Tf, half of the weight native",
    ("thermodynamics", "T of the peak of c"): "T of the peak of c",
}


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Compare minima that anneals met, and random states, with the native state, or with the best."""
    system, native = subject.system, subject.native
    assert isinstance(system, Metric)
    made, n = Coolings.of(readings), system.size
    found = compared(system, made, native)
    model = random_energies(system, made.random_energies, found.energy)
    which = "native u" if native is not None else "lowest u"
    numbers = {which: Number(found.energy / n, kind="exact")}
    numbers["decoys"] = Number(float((found.overlaps <= CUT).sum()), kind="count")
    if (told := decoys(found, made.structure_energies)) is not None:
        numbers |= dict(
            zip(("mean energy of decoys", "standard deviation of decoys", "Z"), told, strict=True)
        )
        numbers["gap below decoys"] = Number(told[0].value - found.energy, error=told[0].error)
    if model is not None:
        numbers |= _of_random_states(model)
    for (instrument, name), here in OTHERS.items():
        if instrument in findings and name in findings[instrument].numbers:
            numbers[here] = findings[instrument].numbers[name]
    if isinstance(system, Native) and native is not None and np.array_equal(native, system.native):
        half = half_order(findings["thermodynamics"]) if "thermodynamics" in findings else None
        numbers |= {} if half is None else {"Tf, half of the native order": half}
    if model is not None and "Tf, half of the weight native" in numbers:
        numbers["Tf/Tg, Tf of the ladders"] = _ratio(numbers["Tf, half of the weight native"], model.glass)
    if (slope := rank_correlation(found, made.structure_energies)) is not None:
        numbers["rank correlation of energy and overlap"] = slope
    gap = float(made.random_energies.mean()) - found.energy
    numbers |= times(system, made, found, None if model is None else model.entropy, gap)
    u = made.structure_energies / n
    return Finding(
        "folding",
        "landscape",
        numbers=numbers,
        tables={"structures": Table({"u": u, "q": found.overlaps, "replica": found.replica})},
        series=(*_energy_and_overlap(u, found, native is not None, n), *_energies(made, found, n)),
        doubts=_doubts(system, made, found, native),
    )


def _of_random_states(model: RandomEnergies) -> dict[str, Number]:
    told = {
        "S0": Number(model.entropy, kind="exact"),
        "mean energy of random states": model.mean,
        "standard deviation of random states": model.deviation,
        "skewness of random states": model.skewness,
        "depth": model.depth,
        "Tg": model.glass,
    }
    if model.folding is not None and model.ratio is not None:
        told |= {"Tf": model.folding, "Tf/Tg": model.ratio}
    return told


def _ratio(above: Number, below: Number) -> Number:
    """Divide two numbers measured apart."""
    assert above.error is not None
    assert below.error is not None
    value = above.value / below.value
    relative = np.hypot(above.error / above.value, below.error / below.value)
    return Number(value, error=float(value * relative))


def half_order(thermodynamics: Finding) -> Number | None:
    """Give the highest temperature, between rungs, where the overlap with the native state is a half."""
    columns = thermodynamics.tables["temperatures"].columns
    if "m" not in columns:
        return None
    log_t, m, error = np.log(columns["T"]), columns["m"], columns["m_error"]
    crossings = np.flatnonzero((m[:-1] < 0.5) & (m[1:] >= 0.5))
    if not len(crossings):
        return None
    k = int(crossings[0])
    slope = (m[k + 1] - m[k]) / (log_t[k + 1] - log_t[k])
    t = float(np.exp(log_t[k] + (0.5 - m[k]) / slope))
    return Number(t, error=float(t * max(error[k], error[k + 1]) / abs(slope)))


def _doubts(system: Metric, made: Coolings, found: Compared, native: Array | None) -> tuple[str, ...]:
    said = []
    lowest = float(min(made.best_energy, made.structure_energies.min()))
    room = 1e-7 * max(1.0, abs(lowest))
    if native is not None and lowest < found.energy - room:
        said.append(
            f"a state of energy {lowest:.6g} was found below the native state's {found.energy:.6g}: check "
            "the native state, or the energy"
        )
    if native is not None and isinstance(system, Flips):
        gain = -float(system.flip_cost(native[None]).min())
        if gain > room:
            said.append(f"the native state is no minimum: one spin turned over gains {gain:.4g}; quench it")
    if np.ptp(made.random_energies) <= room:
        said.append("all random states have the same energy: there is no roughness to compare with")
    return tuple(said)


def _energy_and_overlap(u: Array, found: Compared, native: bool, n: int) -> Iterator[Series]:
    """Draw the minima met: how alike the native state, or the best of other replicas, against energy."""
    whose = "native state" if native else "best of other replicas"
    shared = {
        "axes": (Axis(f"overlap with the {whose}"), Axis("u = E / N")), "kind": "scatter",
        "panel": f"Energy and overlap of minima, N = {n}",
    }  # fmt: skip
    yield Series(found.overlaps, u, label="minima met on the way", **shared)  # type: ignore[arg-type]
    here = np.array([1.0]), np.array([found.energy / n])
    yield Series(*here, label="native" if native else "best", **shared)  # type: ignore[arg-type]


def _energies(made: Coolings, found: Compared, n: int) -> Iterator[Series]:
    """Draw the energies of random states and of decoys, and where the native state, or the best, is."""
    axes, panel = (Axis("u = E / N"), Axis("share")), f"Random states, decoys, and the gap, N = {n}"
    apart = made.structure_energies[found.overlaps <= CUT]
    edges = np.linspace(*_span(made.random_energies), 31)
    share = np.histogram(made.random_energies, edges)[0] / len(made.random_energies)
    yield Series(edges / n, share, label="random states", axes=axes, kind="step", panel=panel)
    if len(apart):
        edges = np.linspace(*_span(apart), 31)
        share = np.histogram(apart, edges)[0] / len(apart)
        yield Series((edges[1:] + edges[:-1]) / (2 * n), share, label="decoys", axes=axes, panel=panel)
    at = np.array([found.energy / n])
    yield Series(at, np.zeros(1), label="native, or best", axes=axes, kind="vline", panel=panel)


def _span(energies: Array) -> tuple[float, float]:
    low, high = float(energies.min()), float(energies.max())
    room = 1e-6 * max(1.0, abs(low))
    return (low, high) if high - low > room else (low - room, high + room)


def judge(finding: Finding) -> Verdict:
    """Say how deep the native state, or the best, is, and what that does not mean."""
    numbers = finding.numbers
    what = "the native state" if "native u" in numbers else "the lowest state found"
    said = []
    if "depth" not in numbers:
        said.append("how many states there are is unknown, and so are Tf and Tg")
    elif "Tf/Tg" in numbers:
        said.append(
            f"Tf/Tg = {numbers['Tf/Tg']} by the formulas of random energies, with S0 = {numbers['S0']}"
        )
    else:
        depth = f"{numbers['depth']} times as deep as that many random energies go"
        said.append(f"Tf/Tg is not above 1, for {what} is {depth}")
    if "Tf/Tg, Tf of the ladders" in numbers:
        said.append(f"with Tf where half of the weight is native, {numbers['Tf/Tg, Tf of the ladders']}")
    if "Z" in numbers:
        said.append(f"Z = {numbers['Z']} standard deviations below {numbers['decoys']} decoys")
    else:
        said.append("there are no decoys, or all have one energy, and so no Z")
    skewness = numbers.get("skewness of random states", Number(0.0))
    if abs(skewness.value) > max(SKEWED, 3 * (skewness.error or 0.0)):
        said.append(f"random energies are skewed, by {skewness}, so the formulas are a rough guess")
    sentence = "; ".join(said)
    sentence = (
        f"{sentence[0].upper()}{sentence[1:]}. This says how deep {what} is beside others, never whether it "
        "is reached: it does not vote on what the landscape is."
    )
    if finding.doubts:
        return Verdict("unsure", "not comparable", sentence, finding.doubts[0], finding.doubts[:1])
    return Verdict("info", "measured", sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    return 0.5


instrument = Instrument(
    name="folding",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Tf, Tg: Bryngelson, Wolynes, PNAS 84 (1987) 7524; Levinthal, in Mossbauer Spectroscopy in "
    "Biological Systems (1969) 22; biased search: Zwanzig, Szabo, Bagchi, PNAS 89 (1992) 20; minima: "
    "Stillinger, Weber, Phys. Rev. A 25 (1982) 978.",
    what="The energy of the native state (given, or else the lowest found) beside those of decoys, minima "
    "that anneals met elsewhere, and of random states: the gap, Z, Tg and Tf of random energies, and Tf "
    "of the ladders; energy against overlap of minima; the times of Levinthal, of Zwanzig, and of the "
    "anneals.",
    why="A chain folds if its native state is stable above the temperature at which all others would freeze: "
    "Tf > Tg. Whether it is found is another question, which Tf/Tg does not answer: random energies "
    "with a native state far below have a high ratio, and nothing leads there.",
    judged="Reported (info), and it never votes. Decoys are minima met on the way whose overlap with the "
    "native state is at most 0.8; the replica that found the best is compared with the best of all others. "
    "S0 is N ln 2 of spins, and of lattice chains the logarithm of the number of walks, less symmetry; it is "
    "a poor guess where the spectrum is bounded or skewed, and a skewness above 0.5 is said. Unsure if a "
    "state lies below the native one, or that is no minimum, or all random states have one energy.",
    calibrations=calibrations,
)
