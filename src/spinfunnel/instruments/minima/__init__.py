"""Which local minima are there, how many basins do they make, and what do they look like together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Effort, Finding, Instrument, Number, Row, Table, Verdict
from spinfunnel.instruments.minima.calibration import calibrations
from spinfunnel.instruments.minima.counting import effective_number, unseen
from spinfunnel.instruments.minima.measuring import Minima, tell_apart
from spinfunnel.instruments.minima.series import energies, funnel
from spinfunnel.structures import CUT, room
from spinfunnel.subject import Subject
from spinfunnel.systems.protocols import Metric

#: There is one basin if the effective number is below the first, and many from the second on; of few
#: replicas, from a third of them on.
ONE, MANY = 1.5, 6.0


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Tell apart all minima that the anneals met, and group those where the slow ones ended."""
    system = subject.system
    assert isinstance(system, Metric)
    made = Coolings.of(readings)
    found = tell_apart(system, made)
    met, slow, scale = found.met, made.energies[-1], made.drop if made.drop > 0 else np.nan
    clusters = Table.of(
        [_cluster(made, found, basin, system.size) for basin in range(found.labels.max() + 1)]
    )
    pictures, embedded = funnel(met, found.basins, float(made.random_energies.mean()), system.size, seed)
    return Finding(
        "minima",
        "landscape",
        numbers={
            "minima met": Number(len(met.energies), kind="count"),
            "descents": Number(found.states, kind="count"),
            "minima of lowest energy": Number(found.lowest, kind="count"),
            "lowest u": Number(float(met.energies[0]) / system.size, kind="exact"),
            "slow anneals": Number(len(slow), kind="count"),
            "cooling time": Number(float(made.times[-1]), kind="count", unit=made.unit),
            "basins": Number(len(clusters), kind="count"),
            "n_eff": effective_number(found.labels, seed),
            "unseen share": unseen(found.ends),
            "spread of slow ends / D": Number(float(slow.std()) / scale, kind="standard deviation"),
            "range of slow ends / D": Number(float(np.ptp(slow)) / scale, kind="largest less smallest"),
            "spread of all minima / D": Number(float(met.energies.std()) / scale, kind="standard deviation"),
            "stress of the map": Number(embedded.stress, kind="exact"),
        },
        tables={
            "minima": Table({
                "name": np.array([f"minimum {i + 1}" for i in range(len(met.energies))]),
                "energy": met.energies,
                "u": met.energies / system.size,
                "count": met.counts,
                "group": found.basins + 1,
                "q_best": met.overlaps[0],
            }),
            "clusters": clusters,
        },
        series=(
            *pictures,
            *energies(
                np.concatenate([made.structure_energies, *made.energies]), made.random_energies, system.size
            ),
        ),
        doubts=_doubts(found, clusters, bool(made.drop > 0)),
    )  # fmt: skip


def _cluster(made: Coolings, found: Minima, basin: int, size: int) -> Row:
    """Give the table row of one basin of slow ends."""
    slow, mine = made.energies[-1], found.labels == basin
    return {
        "name": f"basin {basin + 1}",
        "ends": int(mine.sum()),
        "share": float(mine.mean()),
        "lowest": float(slow[mine].min()),
        "mean": float(slow[mine].mean()),
        "lowest_u": float(slow[mine].min()) / size,
        "minima": int((found.basins == basin).sum()),
    }


def _doubts(found: Minima, clusters: Table, falls: bool) -> tuple[str, ...]:
    said, lowest, all_energies = [], clusters.columns["lowest"], found.met.energies
    equal = int((np.abs(lowest - lowest.min()) <= room(all_energies)).sum())
    if len(all_energies) == 1:
        said.append("one minimum only: all descents end in it, and there is nothing to compare it with")
    elif np.ptp(all_energies) <= room(all_energies):
        said.append("all minima have one energy: how they differ, energies do not tell")
    if equal > 1:
        said.append(
            f"symmetry or degeneracy? {equal} basins have exactly the lowest energy: they are one if a "
            "symmetry that the overlap does not know makes one of the other"
        )
    if not falls:
        said.append("random states are as low as the best: energies cannot be given as shares of D")
    return tuple(said)


def judge(finding: Finding) -> Verdict:
    """Name how many basins slow anneals end in."""
    numbers = finding.numbers
    many = min(MANY, numbers["slow anneals"].value / 3)
    count = numbers["n_eff"]
    assert count.low is not None
    assert count.high is not None
    words = ["one basin" if n < ONE else "a few basins" if n < many else "many basins"
             for n in (count.low, count.high)]  # fmt: skip
    time = numbers["cooling time"]
    few, one = len(finding.tables["clusters"]) == 1, len(finding.tables["minima"]) == 1
    sentence = (
        f"{numbers['slow anneals']} anneals of {time.value:,.0f} {time.unit} end in {numbers['basins']} "
        f"basin{'' if few else 's'} (n_eff = {count}). {numbers['descents']} descents met "
        f"{numbers['minima met']} distinct minim{'um' if one else 'a'}, {numbers['minima of lowest energy']} "
        f"of the lowest energy (u = {numbers['lowest u']}); one more slow anneal ends in a minimum that no "
        f"other did with probability {numbers['unseen share']}."
    )
    if words[0] != words[1]:
        return Verdict("unsure", "cannot tell", sentence, "Make more anneals: --effort normal, or full.")
    return Verdict("info", words[0], sentence, evidence=finding.doubts[:1])


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds, without those of the anneals, which several instruments share."""
    return {"quick": 0.5, "normal": 1.0, "full": 2.0}[effort]


instrument = Instrument(
    name="minima",
    question="landscape",
    needs=frozenset({"system", "anneals", "overlap"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Inherent structures: Stillinger, Weber, Phys. Rev. A 25 (1982) 978; unseen share: Good, "
    "Biometrika 40 (1953) 237; the map: Torgerson, Psychometrika 17 (1952) 401.",
    what="The distinct local minima, modulo symmetry, in which anneals of all cooling times and snapshots "
    "on their way end when taken downhill: how many, how degenerate the lowest is, and their spread in units "
    "of D = mean random energy less the best. Slow ends are grouped into basins by average linkage, while "
    f"their mean overlap is above {CUT}; n_eff = 1 / Σ p² of the basins' shares, with what other replicas "
    "would see in 90 % of cases; the unseen share is the chance that one more slow anneal ends in a minimum "
    "that none did. The funnel is drawn over a map of the minima: the distance from the middle is 1 - q to "
    "the lowest, exactly, minima in one direction are like each other, and colours are the basins of the "
    "slow ends they are most like. The surface is a plain with a well on every minimum: walls are drawn, "
    "not measured (see barriers); its top is the mean energy of random states, or twice the range of minima "
    "above the lowest, if that is less. Beside it, the same map with the energies permuted.",
    why="A funnel has one basin, towards which energies fall from all sides; a glass has many, all about as "
    "low; and permuted energies fall nowhere.",
    judged=f"By the 90 % interval of n_eff: one basin (info) below {ONE}, many basins (info) from {MANY:g} "
    "on (or a third of the replicas, if that is less), a few basins (info) between; cannot tell (unsure) if "
    "the interval holds a limit. From R replicas n_eff is at most R.",
    calibrations=calibrations,
)
