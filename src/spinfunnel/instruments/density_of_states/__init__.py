"""How many states are there at every energy? From ladders, with what as many random energies would have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.core import Array, Axis, Effort, Finding, Instrument, Number, Series, Table, Verdict
from spinfunnel.instruments.density_of_states.calibration import calibrations
from spinfunnel.instruments.density_of_states.measuring import Density, exact_entropy, measured
from spinfunnel.samples import Samples, doubts_about
from spinfunnel.subject import Subject

#: dS/dE is turned into a temperature where it is this many of its errors above zero.
ABOVE = 2.0
#: Smaller errors are those of rounding: nothing was measured.
ROUNDING = 1e-12
#: A state is below the native one by more than this share of its energy.
LOWER = 1e-6
#: What is said where ladders miss the native state, and what the temperature of half of the weight is called.
MISSED = (
    "the native state was not met as often as in equilibrium: it is counted as one state, with its images "
    "under symmetry; run longer to measure how many there are"
)
HALF = "T where half of the weight is native"
HALF_LOWEST = "T where half of the weight is at the lowest u met"


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Samples],
) -> Finding:
    """Put the sets of ladders together, count states, and put beside it what is exactly known."""
    system = subject.system
    assert system is not None
    samples, n = Samples.of(readings), system.size
    native = None if subject.native is None else float(system.energy(subject.native[None])[0])
    if native is not None and samples.best_energy < native - LOWER * max(1.0, abs(native)):
        native = None  # it is not of lowest energy, and nothing is said of its weight
    found = measured(samples, system, native)
    exact = exact_entropy(system, found.energies, found.width)
    sure = found.beta > ABOVE * found.beta_error
    temperature = np.where(sure, 1 / np.where(sure, found.beta, 1.0), np.nan)
    columns: dict[str, Array] = {
        "u": found.energies / n, "s": found.entropy / n, "s_error": found.entropy_error / n,
        "beta": found.beta, "beta_error": found.beta_error, "T": temperature,
    }  # fmt: skip
    if found.annealed is not None:
        columns["s_annealed"] = found.annealed / n
    if exact is not None:
        columns["s_exact"] = exact / n
    numbers = {
        "lowest u met": Number(samples.best_energy / n, kind="exact"),
        "lowest u counted": Number(float(columns["u"][0]), kind="exact"),
        "s there": _told(float(columns["s"][0]), float(columns["s_error"][0])),
        "width of a bin of u": Number(found.width / n, kind="exact"),
    }
    if found.log_count is not None and found.mean is not None and found.deviation is not None:
        depth = found.deviation.value * math.sqrt(2 * found.log_count)
        numbers |= {
            "s of all states": Number(found.log_count / n, kind="exact"),
            "u of random states": _per(found.mean, n),
            "standard deviation of E": found.deviation,
            "u where random energies end": Number((found.mean.value - depth) / n),
        }
    if found.half is not None:
        numbers[HALF_LOWEST if native is None else HALF] = found.half
    return Finding(
        "density_of_states",
        "landscape",
        numbers=numbers,
        tables={"energies": Table(columns)},
        series=(*_entropy(columns, found, n), *_temperature(columns, found, samples, n)),
        doubts=(*doubts_about(samples), *([MISSED] if found.missed else [])),
    )


def _told(value: float, error: float) -> Number:
    """Give what was measured, or, where no ladder has a say, what was known."""
    return Number(value, error=error) if error > ROUNDING else Number(round(value, 9) + 0.0, kind="exact")


def _per(number: Number, n: int) -> Number:
    assert number.error is not None
    return Number(number.value / n, error=number.error / n)


def _entropy(columns: Mapping[str, Array], found: Density, n: int) -> list[Series]:
    """Draw s(u): what is known, the parabola of random energies to its end, and what is measured."""
    constant = "s" if found.log_count is not None else "s, above an unknown constant"
    axes, panel = (Axis("u = E / N"), Axis(constant)), f"Entropy of states in bins of E, N = {n}"
    u, s, error = columns["u"], columns["s"], columns["s_error"]
    drawn = []
    for name, label in (("s_exact", "exact, all states"), ("s_annealed", "as many random energies")):
        if name in columns:
            y = columns[name]
            there = np.isfinite(y) & (y >= 0)
            drawn.append(Series(u[there], y[there], label=label, axes=axes, panel=panel))
    band = Series(u, s, low=s - error, high=s + error, label="measured, ± 1 σ", axes=axes, panel=panel)
    return [*drawn, Series(**{**vars(band), "kind": "scatter"})]


def _temperature(columns: Mapping[str, Array], found: Density, samples: Samples, n: int) -> list[Series]:
    """Draw T = dE/dS against u, and the mean u that ladders have at their temperatures."""
    axes, panel = (Axis("u = E / N"), Axis("T", "log")), f"Microcanonical temperature dE/dS, N = {n}"
    there = np.isfinite(columns["T"])
    t, error = columns["T"][there], columns["beta_error"][there]
    low, high = (1 / (1 / t + sign * error) for sign in (1, -1))
    mean = samples.energies.mean(axis=(0, 2)) / n
    return [
        Series(mean, samples.temperatures, label="mean u of ladders at T", axes=axes, panel=panel),
        Series(
            columns["u"][there], t, low=low, high=high, label="dE/dS", axes=axes, kind="scatter", panel=panel
        ),
    ]


def judge(finding: Finding) -> Verdict:
    """Say how far states reach down, and how far as many random energies would."""
    numbers = finding.numbers
    lowest, counted, s = (numbers[name] for name in ("lowest u met", "lowest u counted", "s there"))
    if "s of all states" in numbers:
        end, top = numbers["u where random energies end"].value, numbers["u of random states"].value
        every = f"e^({numbers['s of all states'].value:.4g} N)"
        said = [
            f"Of all {every} states, those in the bin at u = {counted.value:.4g} have s = {s}",
            f"as many random energies of the same mean and variance would end at u = {end:.4g}, and the "
            f"lowest u met, {lowest.value:.4g}, is {(top - lowest.value) / (top - end):.2f} times as deep",
        ]
    else:
        said = [
            f"Down to u = {counted.value:.4g}, s falls by {-s.value:.4g} from where the hottest ladders are",
            "how many states there are in all is unknown",
        ]
    for name, where in ((HALF, "native"), (HALF_LOWEST, "at the lowest u met")):
        if name in numbers:
            said.append(f"at T = {numbers[name]}, half of the weight is {where}")
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
    name="density_of_states",
    question="landscape",
    needs=frozenset({"system", "moves"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Many histograms: Ferrenberg, Swendsen, Phys. Rev. Lett. 63 (1989) 1195; random energies: "
    "Derrida, Phys. Rev. B 24 (1981) 2613.",
    what="The entropy s(u), the logarithm of the number of states in a bin of energy, over N; its slope, the "
    "microcanonical temperature dE/dS; and the parabola that as many random energies of the same mean and "
    "variance would have.",
    why="Where the states end below the parabola, something made them so; where half of the weight comes to "
    "be native, a chain folds; and where dS/dE grows with E, two phases are at one temperature.",
    judged="Measured (info), with the errors of independent ladders. The number of all states fixes the "
    "constant: 2^N of spins, the self-avoiding walks of chains on the square lattice; of other systems it is "
    "free, and s is counted from where the hottest ladders mostly are. Native is what has the energy of the "
    "native state, if nothing is lower; where ladders tell e times less of it than that it is there, it is "
    "taken for one state, which is a doubt. Not settled (unsure) as for thermodynamics, and with that doubt.",
    calibrations=calibrations,
)
