"""Can all couplings be satisfied at once? Frustrated loops, unsatisfied bonds, and what each bond suffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spinfunnel.coolings import Coolings
from spinfunnel.core import Effort, Finding, Instrument, Number, Row, Table, Verdict, seeds
from spinfunnel.dynamics.engines import nanoseconds
from spinfunnel.instruments.frustration import bonds
from spinfunnel.instruments.frustration.calibration import calibrations
from spinfunnel.instruments.frustration.loops import Loops, elementary
from spinfunnel.instruments.frustration.nulls import LEVEL, NULLS, REPLICAS, SWEEPS, shuffled_ones, student
from spinfunnel.instruments.frustration.series import distribution
from spinfunnel.subject import Subject
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.protocols import Pairwise

#: Random conformations that are decoys of chains; those of spins need not be drawn.
RANDOM = 512
#: What loops of so many bonds are called, and the decoys that bonds are compared with.
NAMED = {3: "triangles", 4: "squares"}
DECOYS = {"random": "random states", "inherent": "inherent structures"}


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Coolings],
) -> Finding:
    """Count frustrated loops, look at every bond in the lowest state known, and shuffle the couplings."""
    system, made = subject.system, Coolings.of(readings)
    assert system is not None
    random = system.random(RANDOM, seeds(seed, "random")) if isinstance(system, Chain) else None
    laws = {"random": bonds.decoys(system, random), "inherent": bonds.decoys(system, made.structures)}
    known = {"best of the anneals": made.ends.reshape(-1, *system.shape)[made.energies.argmin()]}
    if subject.native is not None:
        known["native"] = subject.native
    parts, rows, indices = bonds.interactions(system), [], []
    for name, state in known.items():
        share, misfit = parts.unsatisfied(state)
        energy = float(system.energy(state[None])[0])
        row: Row = {"state": name, "energy": energy, "unsatisfied": share, "misfit": misfit}
        found = {key: bonds.index(bonds.made(system, state), *law) for key, law in laws.items()}
        indices.append({key: z for key, z in found.items() if z is not None and len(z)})
        for key, z in indices[-1].items():
            row[f"minimally_{key}"], row[f"highly_{key}"] = bonds.shares(z)
        rows.append(row)
    lowest = min(range(len(rows)), key=lambda k: rows[k]["energy"])
    loops = elementary(system, seeds(seed, "loops")) if isinstance(system, Pairwise) else []
    misfits, of_shuffled = shuffled_ones(system, random, seed)
    names = np.array(["as they are", *["shuffled"] * NULLS])
    tables = {"states": Table.of(rows), "shuffled": Table({"couplings": names, "misfit": misfits})}
    if loops:
        tables["loops"] = _table(loops)
    series = []
    for key, z in indices[lowest].items():
        curves = {"as they are": z} | ({"couplings shuffled": of_shuffled} if key == "random" else {})
        series += distribution(DECOYS[key], curves, system.size)
    numbers = {f"frustrated {NAMED[one.length]}": one.share for one in loops}
    numbers |= {
        "unsatisfied bonds": Number(rows[lowest]["unsatisfied"], kind="exact"),
        "misfit": Number(rows[lowest]["misfit"], kind="exact"),
    }
    for key in indices[lowest]:
        for word in ("minimally", "highly"):
            share = rows[lowest][f"{word}_{key}"]
            numbers[f"{word} frustrated, against {DECOYS[key]}"] = Number(share, kind="exact")
    spread = float(misfits[1:].std(ddof=1))
    numbers |= {
        "misfit, quick anneals": Number(float(misfits[0]), kind="exact"),
        "the same, shuffled": Number(float(misfits[1:].mean()), error=spread, kind="standard deviation"),
        "p": Number(student(misfits[0], misfits[1:]), kind="two-sided"),
    }
    return Finding("frustration", "landscape", numbers=numbers, tables=tables, series=tuple(series))


def _table(loops: Sequence[Loops]) -> Table:
    return Table.of(
        [
            {
                "bonds": one.length,
                "loops": one.count,
                "frustrated": one.share.value,
                "error": one.share.error or 0.0,
                "looked_at": "all" if one.every else "drawn",
            }
            for one in loops
        ]
    )


def judge(finding: Finding) -> Verdict:
    """Say whether couplings stand in each other's way, and whether more or less than by chance."""
    numbers = finding.numbers
    misfit, p = numbers["misfit"].value, numbers["p"].value
    quick, shuffled = numbers["misfit, quick anneals"], numbers["the same, shuffled"]
    if misfit < bonds.ROUNDING:
        label = "unfrustrated"
        said = "Everything is satisfied at once in the lowest state known: nothing is frustrated."
    else:
        label = "as frustrated as chance"
        if p < LEVEL:
            label = f"{'less' if quick.value < shuffled.value else 'more'} frustrated than chance"
        share = 100 * numbers["unsatisfied bonds"].value
        said = (
            f"In the lowest state known {share:.3g} % of bonds are unsatisfied, at a misfit of {misfit:.3g}."
        )
        for name in NAMED.values():
            if f"frustrated {name}" in numbers:
                said += f" Of {name}, a share of {numbers[f'frustrated {name}']} is frustrated."
    said += (
        f" Quick anneals leave a misfit of {quick.value:.3g}, and of {shuffled} where the same couplings "
        f"are shuffled (p = {p:.2g})"
    )
    sentence = f"{said}." if label == "unfrustrated" else f"{said}: it is {label}."
    if finding.doubts:
        return Verdict("unsure", label, sentence, "Let the run finish.", finding.doubts[:1])
    return Verdict("good" if label == "unfrustrated" else "info", label, sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds of the quick anneals, without those of the anneals that all instruments share."""
    assert subject.system is not None
    return 0.5 + 1e-9 * (NULLS + 1) * REPLICAS * SWEEPS * nanoseconds(subject.system)


instrument = Instrument(
    name="frustration",
    question="landscape",
    needs=frozenset({"system", "couplings", "anneals"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Loops: Toulouse, Commun. Phys. 2 (1977) 115. Misfit: after Kobe, Klotz, Phys. Rev. E 52 "
    "(1995) 5660. Index and its limits (literature): Ferreiro, Komives, Wolynes, PNAS 104 (2007) 19819. "
    "Minimal frustration: Bryngelson, Wolynes, PNAS 84 (1987) 7524.",
    what="The share of frustrated triangles and squares among couplings of pairs. In the lowest state "
    "known (of the anneals, or the native): the bonds (terms, fields; of chains, pairs that attract and "
    "do not touch, or touch and repel) that are unsatisfied, and the misfit, what that costs from all "
    "satisfied, 0, to none, 1. And the index Z of each bond (of chains, each contact made): by how many "
    "standard deviations it is better off than bonds in decoys, which are random states, or inherent "
    "structures. Minimally frustrated is Z of 0.78 and above, highly frustrated -1 and below. A chain cannot "
    "make all contacts that attract, so that most of its misfit is geometry.",
    why="A funnel is said to be a landscape of minimal frustration: what lowers one part of the energy "
    "lowers the others too. It has no vote: a system may be unfrustrated and yet trap what is cooled, or "
    "as frustrated as a glass and yet lead everything to one state.",
    judged="Unfrustrated (good) if everything is satisfied in the lowest state known. Else the system, "
    "and 8 on the same graph with the sizes of their couplings permuted and signs drawn (of chains, "
    "contact energies permuted), are annealed alike, 16 replicas in 300 sweeps, and the misfits of the "
    "best states compared: less, or more, frustrated than chance (info) if the system's differs by "
    "Student's t at 1 %, else as frustrated as chance (info).",
    calibrations=calibrations,
)
