"""One state or many? Overlaps of replicas: P(q), its cumulants, links, identities, and triangles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spinfunnel.core import Array, Effort, Finding, Instrument, Number, Row, Table, Verdict
from spinfunnel.instruments.overlaps.calibration import calibrations
from spinfunnel.instruments.overlaps.judging import phase
from spinfunnel.instruments.overlaps.measuring import distribution, moments, peak_and_valley
from spinfunnel.instruments.overlaps.series import against_temperature, distributions, shown_rungs
from spinfunnel.samples import Samples, doubts_about, unsettled
from spinfunnel.subject import Subject
from spinfunnel.systems.known import known_overlaps
from spinfunnel.systems.protocols import Flips


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Samples],
) -> Finding:
    """Put the sets of replicas together, and measure their overlaps."""
    system = subject.system
    assert system is not None
    samples, spins = Samples.of(readings), isinstance(system, Flips)
    table, law, density = tabulated(samples, system.size, spins=spins)
    t, overlaps, found = samples.temperatures, samples.overlaps, {}
    assert overlaps is not None
    for name in table.columns:
        if f"{name}_error" in table.columns:
            found[name] = table.columns[name], table.columns[f"{name}_error"]
    exact = known_overlaps(system, t) if spins else None
    last = {name: Number(float(v[-1]), error=float(e[-1])) for name, (v, e) in found.items()}
    return Finding(
        "overlaps",
        "landscape",
        numbers={
            "lowest T": Number(float(t[-1]), kind="exact"),
            "⟨q²⟩ there": last["q2"],
            "Binder cumulant": last["binder"],
            "most probable |q| (qEA)": Number(float(table.columns["q_peak"][-1]), kind="mode"),
            "share of small |q|": last["share_small"],
            "triangles, 0 ultrametric": last["k_ratio"],
            "replicas": Number(samples.energies.shape[2], kind="count"),
        },
        tables={"temperatures": table, "distribution": law},
        series=(
            *distributions(t, law.columns["q"], density, exact, system.size),
            *against_temperature(t, found, exact, system.size),
        ),
        doubts=(*doubts_about(samples), *unsettled((overlaps**2).mean(axis=3), t, "<q²>")),
    )


def tabulated(samples: Samples, size: int, *, spins: bool) -> tuple[Table, Table, Array]:
    """Give the table of temperatures, that of P(q) at a few of them, and P(q) at all, (K, bins)."""
    middles, density, error = distribution(samples, size, spins=spins)
    peak, small, share, share_error = peak_and_valley(samples, middles, density)
    columns: dict[str, Array] = {"T": samples.temperatures}
    for name, (values, errors) in moments(samples).items():
        columns |= {name: values, f"{name}_error": errors}
        if name == "q2":
            columns |= {"q_peak": peak, "q_small": small}
            columns |= {"share_small": share, "share_small_error": share_error}
    law = {"q": middles}
    for k in shown_rungs(len(density)):
        name = f"T={samples.temperatures[k]:.3g}"
        law |= {name: density[k], f"{name}_error": error[k]}
    return Table(columns), Table(law), density


def judge(finding: Finding) -> Verdict:
    """Name what P(q) looks like at the lowest temperature, and from where on."""
    table = finding.tables["temperatures"]
    rows = table.rows()
    words = [phase(row) for row in rows]
    label, t = words[-1], rows[-1]["T"]
    since = next(i for i in range(len(words)) if all(word == label for word in words[i:]))
    here = f"T = {t:.3g}" if since == len(rows) - 1 else f"T = {rows[since]['T']:.3g} and below"
    sentence = f"At {here}, {SAID[label]}. At the lowest, T = {t:.3g}, {_peak(label, rows[-1], finding)}. "
    sentence += "This is P(q) of one system, not its average over disorder."
    if finding.doubts or label == "cannot tell":
        return Verdict("unsure", label, sentence, "Run longer: --effort normal, or full.", finding.doubts[:1])
    return Verdict("info", label, sentence)


SAID = {
    "paramagnet": "P(q) is one peak at zero: replicas have nothing in common but chance",
    "ordered": "P(q) has its weight at one |q|: replicas are in one state, or in it and its mirror image",
    "broad": "P(q) is broad, as it is where there are many states",
    "cannot tell": "one state and many cannot be told apart",
}


def _peak(label: str, row: Row, finding: Finding) -> str:
    if label == "paramagnet":
        return f"⟨q²⟩ = {finding.numbers['⟨q²⟩ there']}"
    share = finding.numbers["share of small |q|"]
    return (
        f"the most probable |q| is {row['q_peak']:.2f}, and a share of {share} is below {row['q_small']:.2f}"
    )


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the ladders, which all instruments share."""
    return {"quick": 0.5, "normal": 2.0, "full": 10.0}[effort]


instrument = Instrument(
    name="overlaps",
    question="landscape",
    needs=frozenset({"system", "moves", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="P(q): Parisi, Phys. Rev. Lett. 50 (1983) 1946; cumulant: Binder, Z. Phys. B 43 (1981) 119; "
    "identities: Ghirlanda, Guerra, J. Phys. A 31 (1998) 9149; triangles: Katzgraber, Hartmann, Phys. "
    "Rev. Lett. 102 (2009) 037207.",
    what="The distribution P(q) of the overlap of two replicas at every temperature: moments, Binder "
    "cumulant, most probable |q|, overlap of links, residuals of the identities of Ghirlanda and Guerra, "
    "and how ultrametric triangles of replicas are.",
    why="A funnel has one state, and its replicas agree; a glass has many, and P(q) is broad.",
    judged="At the lowest temperature: paramagnet (info) if the Binder cumulant is below 0.5, <q²> below "
    "0.25, and the most probable |q| below half of the root of <q²>; else broad (info) if more than 2 % of "
    "the weight is below half of the most probable |q| or of the root of <q²>, whichever is larger, ordered "
    "(info) if less is, and cannot tell (unsure) within two standard errors of 2 %. With a doubt (see "
    "thermodynamics; also if <q²> drifts) it is unsure. All of it is of one system: a glass of a hundred "
    "spins may well look ordered, and the identities hold on average over disorder only.",
    calibrations=calibrations,
)
