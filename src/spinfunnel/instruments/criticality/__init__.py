"""How many directions lead down from stationary points, does their number grow with energy or loss?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinfunnel.core import Effort, Finding, Instrument, Number, Table, Verdict, seeds
from spinfunnel.dynamics.saddles import FLAT
from spinfunnel.instruments.criticality import of_networks
from spinfunnel.instruments.criticality.calibration import calibrations
from spinfunnel.instruments.criticality.measuring import (
    Points,
    correlation,
    searches,
    stationary,
    threshold,
)
from spinfunnel.instruments.criticality.series import order, relation, spectra
from spinfunnel.subject import Subject
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.protocols import Smooth

#: Doubts: a smaller share of searches converged; a larger share of the points has other zero modes than most;
#: a larger share of all directions is flat.
CONVERGED, OTHERWISE, FLAT_SHARE = 0.5, 0.1, 0.5
#: The level at which index and energy are called related.
LEVEL = 0.01


def measure(
    subject: Subject,
    *,
    findings: Mapping[str, Finding],
    seed: int,
    budget: float | None,
    readings: Sequence[Any] = (),
) -> Finding:
    """Climb to stationary points, tell them apart, and relate their index to their energy."""
    system = subject.system
    if isinstance(system, NetworkLoss):
        return of_networks.measure(subject, seed, budget)
    assert isinstance(system, Smooth)
    points = stationary(system, seeds(seed, "climb"))
    numbers = {
        "searches": Number(points.searches, kind="count"),
        "share that converged": Number(
            points.converged / points.searches,
            error=math.sqrt(points.converged * (points.searches - points.converged) / points.searches**3),
        ),
        "stationary points": Number(len(points.energies), kind="count"),
    }
    if not len(points.energies):
        return Finding("criticality", "landscape", numbers=numbers, doubts=_doubts(points))
    numbers["zero modes"] = Number(_usual(points), kind="count")
    numbers["highest index"] = Number(int(points.index.max()), kind="count")
    if (found := correlation(points)) is not None:
        numbers |= {"Spearman of index and u": Number(found[0]), "its p": Number(found[1])}
    if order(system) is not None and (zero := threshold(points, system.size)) is not None:
        numbers["u at index zero"] = zero
    curved = np.abs(points.spectra) > FLAT * np.abs(points.spectra).max(axis=1, keepdims=True)
    table = Table({
        "energy": points.energies,
        "u": points.energies / system.size,
        "index": points.index,
        "index_share": points.share,
        "lowest_eigenvalue": np.where(curved, points.spectra, np.inf).min(axis=1),
        "gradient": points.slopes,
        "zero_modes": points.flat,
        "found": points.times,
    })  # fmt: skip
    return Finding(
        "criticality",
        "landscape",
        numbers=numbers,
        tables={"stationary points": table},
        series=(*relation(system, points), *spectra(system, points)),
        doubts=_doubts(points),
    )


def _usual(points: Points) -> int:
    return int(np.bincount(points.flat).argmax())


def _doubts(points: Points) -> tuple[str, ...]:
    doubts, total = [], len(points.energies)
    if points.converged < CONVERGED * points.searches:
        doubts.append(
            f"only {points.converged} of {points.searches} searches ended where the gradient is zero: what "
            "is seen may be the part that is easy to find; look at other seeds"
        )
    if not total:
        return tuple(doubts)
    others = int((points.flat != _usual(points)).sum())
    if others > OTHERWISE * total:
        doubts.append(
            f"{others} of {total} points have other zero modes than most, as pieces that came apart have, or "
            "flat valleys: look at the column zero_modes"
        )
    if np.median(points.flat) > FLAT_SHARE * np.median(points.flat + points.modes):
        doubts.append(
            "most directions are flat, so that the index is that of few: leave out what does nothing"
        )
    if np.ptp(points.index) == 0:
        doubts.append("all points have one index, which relates to nothing: look at other seeds")
    return tuple(doubts)


def judge(finding: Finding) -> Verdict:
    """Say how index and energy go together, and where the index goes to zero."""
    if "examples" in finding.numbers:
        return of_networks.judge(finding)
    numbers = finding.numbers
    tried = f"of {numbers['searches']} searches ({numbers['share that converged']} converged)"
    if "zero modes" not in numbers:
        return Verdict(
            "unsure", "none found", f"No stationary point was found {tried}.",
            "Look at other seeds, or scale the coordinates to order one.", finding.doubts[:1],
        )  # fmt: skip
    said = [
        f"{numbers['stationary points']} stationary points, of index 0 to {numbers['highest index']}, {tried}"
    ]
    label = "few points"
    if "its p" in numbers:
        rho, p = numbers["Spearman of index and u"].value, numbers["its p"].value
        label = "index grows with energy" if rho > 0 else "index falls with energy"
        if p >= LEVEL:
            label = "no relation seen"
        said.append(f"Spearman's ρ of index and energy is {rho:.2f} (p = {p:.1g})")
    if "u at index zero" in numbers:
        said.append(f"the index goes to zero at u = {numbers['u at index zero']}")
    said.append(f"flat directions, left out: {numbers['zero modes']}")
    sentence = "; ".join(said) + "."
    if finding.doubts:
        return Verdict(
            "unsure", label, sentence, "Take the relation as that of these points only.", finding.doubts[:1]
        )
    return Verdict("info", label, sentence)


def cost(subject: Subject, effort: Effort) -> float:
    """Estimate CPU seconds: searches of about 60 steps, each a Hessian and its eigenvectors."""
    if isinstance(subject.system, NetworkLoss):
        return of_networks.cost(subject, effort)
    assert subject.system is not None
    n = math.prod(subject.system.shape)
    return float(1.0 + searches(n) * 60 * (2e-4 + 4e-9 * min(n, 1000) ** 3))


instrument = Instrument(
    name="criticality",
    question="landscape",
    needs=frozenset({"gradient"}),
    measure=measure,
    judge=judge,
    cost=cost,
    source="Index and energy: Cavagna, Giardina, Parisi, J. Phys. A 34 (2001) 5317; Broderix, Bhattacharya, "
    "Cavagna, Zippelius, Giardina, Phys. Rev. Lett. 85 (2000) 5360. Searches: Cerjan, Miller, J. Chem. Phys. "
    "75 (1981) 2800; Yin, Zhang, Zhang, SIAM J. Sci. Comput. 41 (2019) A3576. Of networks: Dauphin et al., "
    "NeurIPS 27 (2014), arXiv 1406.2572; Choromanska et al., AISTATS 2015, arXiv 1412.0233; Newton-MR: "
    "Roosta, Liu, Xu, Mahoney, arXiv 1810.00303.",
    what="Stationary points of the energy, of index 0 (minima) up to a quarter of all directions: their "
    "energies, how many directions lead down from each, and the spectrum of the Hessian there. Of a network, "
    "points of low gradient, whatever their index, by searches from the way of training.",
    why="In mean-field glasses the index tells the energy: above a threshold there are saddles, below it "
    "minima, and where the index goes to zero descents get stuck.",
    judged="Measured (info): whether index and energy go together (Spearman, 1 %; of networks 5 %, by "
    "permutations), and, of spherical p-spin glasses, where the index goes to zero. Searches are told where "
    "to begin, so the points are no fair sample. Eigenvalues below 1e-8 of the largest are zero; of "
    "networks, below a hundredth of it. A point of a network counts if straight down its gradient, for as "
    "far as the weights are long, the loss would change by less than .5 % of its range between untrained and "
    "trained; searches that ended elsewhere are drawn, not counted. Unsure if less than half of the "
    "searches, or of a network fewer than six, end at a stationary point; if zero modes are most, or not "
    "those of most points; or if all points have one index, or much the same loss.",
    calibrations=calibrations,
)
