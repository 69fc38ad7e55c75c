"""What are the energy, the heat and the entropy at every temperature? By parallel tempering, reweighted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.core import Array, Effort, Finding, Instrument, Number, Table, Verdict
from spinfunnel.instruments.thermodynamics.calibration import calibrations
from spinfunnel.instruments.thermodynamics.measuring import Measured, measured
from spinfunnel.instruments.thermodynamics.series import curves, order, settling
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.samples import Samples, doubts_about, memories
from spinfunnel.subject import Subject
from spinfunnel.systems.known import known
from spinfunnel.systems.protocols import Native, Planted


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Samples],
) -> Finding:
    """Put the sets of ladders together, measure, and put beside it what is known."""
    system = subject.system
    assert system is not None
    samples = Samples.of(readings)
    found = measured(samples, system.size)
    t, tau = samples.temperatures, memories(samples)
    columns: dict[str, Array] = {"T": t}
    for name, values in found.rungs.values.items():
        columns |= {name: values, f"{name}_error": found.rungs.errors[name]}
    along, hidden = None, isinstance(system, Native) and subject.native is None
    if samples.along is not None and not hidden:
        along = [mean_of_replicas(samples.along[:, k]) for k in range(len(t))]
        columns["m"] = np.array([one.value for one in along])
        columns["m_error"] = np.array([one.error for one in along])
    columns |= {"tau_sweeps": tau, "swaps": _per_rung(samples.acceptance)}
    for fact in known(system, t, subject.parameters):
        if fact.exact:
            exact = {f"{name}_exact": getattr(fact, name) for name in ("u", "c", "s")}
            columns |= {name: values for name, values in exact.items() if np.isfinite(values).all()}
    return Finding(
        "thermodynamics",
        "landscape",
        numbers=_numbers(subject, samples, found),
        tables={"temperatures": Table(columns)},
        series=(
            *curves(found, known(system, found.grid.temperatures, subject.parameters), system),
            *order(system, t, along),
            *settling(samples, tau, system),
        ),
        doubts=doubts_about(samples),
    )


def _per_rung(acceptance: Array) -> Array:
    """Give each rung the share of its swaps that were accepted, the mean of those with its neighbours."""
    below, above = np.append(acceptance, acceptance[-1]), np.insert(acceptance, 0, acceptance[0])
    return np.asarray((below + above) / 2)


def _numbers(subject: Subject, samples: Samples, found: Measured) -> dict[str, Number]:
    system = subject.system
    assert system is not None
    n, last = system.size, {k: Number(float(v[-1]), error=float(found.rungs.errors[k][-1]))
                            for k, v in found.rungs.values.items()}  # fmt: skip
    numbers = {
        "lowest T": Number(float(samples.temperatures[-1]), kind="exact"),
        "u at lowest T": last["u"],
        "lowest u met": Number(samples.best_energy / n, kind="exact"),
    }
    if "s" in last:
        numbers["s at lowest T"] = last["s"]
    if isinstance(system, Planted) and subject.native is not None:
        numbers["planted u"] = Number(system.ground_energy / n, kind="exact")
    if found.peak:
        numbers |= {"T of the peak of c": found.peak[0], "peak of c": found.peak[1]}
    return numbers | {
        "ladders": Number(samples.energies.shape[2], kind="count"),
        "sweeps of each": Number(samples.sweeps, kind="count"),
        "round trips of a ladder": Number(float(np.median(samples.round_trips)), kind="median"),
    }


def judge(finding: Finding) -> Verdict:
    """Say what the energy, the heat and the entropy do, and whether the ladders had settled."""
    table, numbers = finding.tables["temperatures"].columns, finding.numbers
    t, u = table["T"], table["u"]
    fall = f"u = E/N falls from {u[0]:.4g} to {numbers['u at lowest T']}"
    said = [f"From T = {t[0]:.3g} down to {t[-1]:.3g}, {fall}"]
    if "s" in table:
        said[0] += f", and s = S/N to {numbers['s at lowest T']}"
    if "peak of c" in numbers:
        said.append(f"c peaks at T = {numbers['T of the peak of c']}, where it is {numbers['peak of c']}")
    else:
        said.append("c has no peak between these temperatures")
    lowest = f"the lowest u met is {numbers['lowest u met'].value:.6g}"
    if "planted u" in numbers:
        gap = numbers["lowest u met"].value - numbers["planted u"].value
        lowest += ", the planted one" if abs(gap) < 1e-9 else f", {gap:.3g} above the planted one"
    said.append(lowest)
    if "u_exact" in table:
        there = table["u_error"] > 0  # where nothing ever moves, nothing tells an error
        sigma = np.abs((u - table["u_exact"])[there] / table["u_error"][there]).max(initial=0.0)
        said.append(f"u is within {sigma:.1f} σ of the exact curve at all {there.sum()} temperatures")
    sentence = "; ".join(said) + "."
    if finding.doubts:
        return Verdict(
            "unsure", "not settled", sentence, "Run longer: --effort normal, or full.", finding.doubts[:1]
        )
    return Verdict("info", "measured", sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the ladders, which all instruments share."""
    return {"quick": 1.0, "normal": 2.0, "full": 6.0}[effort]


instrument = Instrument(
    name="thermodynamics",
    question="landscape",
    needs=frozenset({"system", "moves"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Tempering: Hukushima, Nemoto, J. Phys. Soc. Jpn. 65 (1996) 1604. Reweighting: Ferrenberg, "
    "Swendsen, Phys. Rev. Lett. 63 (1989) 1195; Shirts, Chodera, J. Chem. Phys. 129 (2008) 124105.",
    what="Energy u, heat capacity c, entropy s and free energy f per spin at every temperature, the overlap "
    "with a planted state or the magnetisation, and how long the energy remembers.",
    why="Where c peaks the system changes; an entropy that is spent above T = 0 is a glass's; and no overlap "
    "may be believed before the energy has settled.",
    judged="Measured (info), with the errors of independent ladders. Not settled (unsure) if u of the second "
    "half of the run differs from that of the quarter before at 1 %, over all temperatures together; if the "
    "run has fewer than 50 autocorrelation times of the energy; or if half of the ladders made fewer than 10 "
    "round trips between the hottest and the coldest temperature. What is exactly known is drawn beside it.",
    calibrations=calibrations,
)
