"""The systems and the oracle against each other: closed forms, identities of the disorder, certificates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.systems import exact, planted
from spinfunnel.systems.enumeration import correlations, enumerate_states
from spinfunnel.systems.lattices import ea, ferromagnet, ising1d, ising2d, ising_triangular
from spinfunnel.systems.mean_field import hopfield, mattis, sk
from spinfunnel.systems.rem import rem
from spinfunnel.systems.spins import PlantedSpins, Spins, random_spins


def _same(system: str, quantity: str, *, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "systems", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _mean(system: str, quantity: str, *, sample: Array, known: float, cap: float) -> CalibrationRow:
    return CalibrationRow.measured(
        "systems",
        system,
        quantity,
        exact=known,
        value=float(sample.mean()),
        error=float(sample.std(ddof=1) / math.sqrt(len(sample))),
        cap=cap,
    )


def closed_forms(seed: int) -> Iterator[CalibrationRow]:
    """Enumerate small tori and rings; follow Kaufman's torus to Onsager's plane."""
    t = np.array([0.8, 2.0, exact.TC_SQUARE, 2.5, 6.0])
    for name, system, known in (
        ("4 x 4 torus", ising2d(4), exact.kaufman(4, 4, t)),
        ("5 x 4 torus", ferromagnet((5, 4), "torus", 0.0), exact.kaufman(5, 4, t)),
        ("ring of 12", ising1d(12), exact.ring(12, t)),
        ("chain of 2", ising1d(2), exact.chain(2, t)),
        ("4 x 4 torus in a field", ising2d(4, field=0.3), exact.transfer(4, 4, t, field=0.3)),
        ("4 x 4 triangular", ising_triangular(4), exact.transfer(4, 4, t, diagonal=1.0)),
        (
            "4 x 4 triangular antiferromagnet in a field",
            ising_triangular(4, coupling=-1, field=0.2),
            exact.transfer(4, 4, t, coupling=-1, diagonal=-1.0, field=0.2),
        ),
    ):
        found = enumerate_states(system, t).thermal
        for quantity in ("log_z", "u", "c"):
            worst = float(np.abs(getattr(found, quantity) - getattr(known, quantity)).max())
            label = f"{quantity}, enumeration less closed form, worst of {len(t)} T"
            yield _same(name, label, found=worst, known=0, tolerance=1e-12)
    for temperature in (2.0, 2.5):
        yield _same(
            f"256 x 256 torus, T {temperature}",
            "u, Kaufman against Onsager",
            found=float(exact.kaufman(256, 256, temperature).u[0]),
            known=float(exact.onsager(temperature)[0]),
            tolerance=1e-9,
        )


def fields(seed: int) -> Iterator[CalibrationRow]:
    """Enumerate a ferromagnet of all coupled to all in a field, in a random gauge: Z is a sum of N + 1."""
    n, t = 17, 1.3
    for h in (0.3, -0.7):
        gauge = random_spins(1, n, seeds(seed, "gauge", h))[0].astype(np.float64)
        log_z, u, m = exact.curie_weiss(n, h, t)
        system = Spins.of_matrix((np.outer(gauge, gauge) - np.eye(n)) / n, h * gauge)
        found, name = enumerate_states(system, [t]), f"all to all, N {n}, h {h}, T {t}"
        magnetisation = float(correlations(system, t)[0] @ gauge / n)
        yield _same(name, "log Z", found=float(found.thermal.log_z[0]), known=log_z, tolerance=1e-10)
        yield _same(name, "u", found=float(found.thermal.u[0]), known=u, tolerance=1e-11)
        yield _same(name, "<s>", found=magnetisation, known=m, tolerance=1e-11)
        along = float(system.energy(np.sign(h) * gauge[None])[0])
        yield _same(name, "lowest, all along h", found=found.ground_energy, known=along, tolerance=1e-11)


def counting(seed: int) -> Iterator[CalibrationRow]:
    """Count states: a ring with one negative bond has 2N lowest; a side of 2 has one bond, not two."""
    n = 9
    signs = np.ones(n)
    signs[4] = -1
    frustrated = Spins.of_edges(np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1), signs, size=n)
    found = enumerate_states(frustrated)
    assert found.counts is not None
    name = f"ring of {n}, one bond negative"
    yield _same(name, "ground energy", found=found.ground_energy, known=2 - n, tolerance=0)
    yield _same(name, "degeneracy", found=found.degeneracy, known=2 * n, tolerance=0)
    for k, count in zip(range(1, n + 1, 2), found.counts, strict=True):
        known = 2 * math.comb(n, k)
        yield _same(name, f"states with {k} bonds unsatisfied", found=count, known=known, tolerance=0)
    for dimension, known in ((2, 4), (3, 12)):
        bonds, _ = ea(2, seed, dimension=dimension, law="gauss").bonds
        yield _same(f"EA, 2^{dimension}", "bonds", found=len(bonds), known=known, tolerance=0)


def disorder(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average over disorder what integration by parts over Gaussian couplings, or Nishimori's gauge, says."""

    def average(of: Callable[[int], float], name: str) -> Array:
        return np.array([of(seeds(seed, name, draw)) for draw in range(draws)])

    for n, t in ((8, 0.5), (10, 1.0)):

        def glass(own: int, n: int = n, t: float = t) -> float:
            system = sk(n, own)
            _, two = correlations(system, t)
            return energy(system, two) + (1 - float((two**2).mean())) / (2 * t)

        name = f"Gaussian SK, N {n}, T {t}"
        quantity = "u + (1 - <q^2>) / 2T"
        yield _mean(name, quantity, sample=average(glass, name), known=0, cap=0.015)
    for side, dimension, t in ((3, 2, 0.7), (2, 3, 1.0)):

        def lattice(own: int, side: int = side, dimension: int = dimension, t: float = t) -> float:
            system = ea(side, own, dimension=dimension, law="gauss")
            _, two = correlations(system, t)
            edges, _ = system.bonds
            link = float((two[edges[:, 0], edges[:, 1]] ** 2).mean())
            return energy(system, two) + len(edges) / system.size * (1 - link) / t

        name = f"Gaussian EA, {side}^{dimension}, T {t}"
        quantity = "u + (z/2)(1 - <q_link>) / T"
        yield _mean(name, quantity, sample=average(lattice, name), known=0, cap=0.03)
    p = 0.85
    t, u = exact.nishimori(p)
    name = f"+-1 EA, 3 x 3, p {p}, on the Nishimori line"

    def line(own: int) -> float:
        return float(enumerate_states(planted.nishimori(3, own, p=p), [t]).thermal.u[0])

    yield _mean(name, "u", sample=average(line, name), known=u, cap=0.02)


def energy(system: Spins, two: Array) -> float:
    """Give the energy per spin that correlations <s_i s_j> (N, N) mean, without a field."""
    edges, couplings = system.bonds
    return -float(couplings @ two[edges[:, 0], edges[:, 1]]) / system.size


def lowest(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average lowest energies whose mean over disorder is known: two or three SK spins, and the REM."""
    what = "ground energy per spin"
    for n in (2, 3):
        systems = [sk(n, seeds(seed, "sk", n, i)) for i in range(draws)]
        sample = np.array([enumerate_states(system).ground_energy / n for system in systems])
        yield _mean(f"Gaussian SK, N {n}", what, sample=sample, known=exact.sk_ground_energy(n), cap=0.01)
    for n in (6, 12):
        mean, _ = exact.rem_ground_energy(n)
        sample = np.array([rem(n, seeds(seed, "rem", i)).table.min() / n for i in range(draws)])
        yield _mean(f"REM, N {n}", what, sample=sample, known=mean, cap=0.01)
        width = 12 * (exact.rem_ground_energy_cdf(sample, n) - 0.5) ** 2  # of a uniform number
        yield _mean(f"REM, N {n}", "its law's width, share", sample=width, known=1, cap=0.03)


#: Ground energies per spin of Gaussian SK glasses measured once, by another enumeration: N -> (e, error).
SK_MEASURED = {8: (-0.5745, 0.0008), 12: (-0.6169, 0.0011), 16: (-0.6440, 0.0014), 20: (-0.658, 0.004)}


def sk_lowest(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average SK's lowest energies at N = 8 to 20 over glasses; e_N = e_0 + a N^(-2/3) leads to Parisi's."""
    what, means = "ground energy per spin, against another measurement", []
    for n, (known, error) in SK_MEASURED.items():
        glasses = (sk(n, seeds(seed, "sk lowest", n, i)) for i in range(draws))
        sample = np.array([enumerate_states(glass).ground_energy / n for glass in glasses])
        means.append((n, float(sample.mean()), float(sample.std(ddof=1) / math.sqrt(draws))))
        yield CalibrationRow.measured(
            "systems", f"Gaussian SK, N {n}", what,
            exact=known, value=means[-1][1], error=math.hypot(error, means[-1][2]), cap=0.01,
        )  # fmt: skip
    sizes, values, errors = np.array(means).T
    (_, limit), covariance = np.polyfit(sizes ** (-2 / 3), values, 1, w=1 / errors, cov="unscaled")
    yield CalibrationRow.deterministic(
        "systems", "Gaussian SK, N 8 to 20", "e_0 by N^(-2/3) (literature: Crisanti & Rizzo 2002)",
        exact=exact.E0_SK, value=float(limit), tolerance=0.01 + 3 * math.sqrt(covariance[1, 1]),
    )  # fmt: skip


def certificates(seed: int) -> Iterator[CalibrationRow]:
    """Enumerate planted systems: nothing is below what was planted."""
    systems: dict[str, PlantedSpins] = {"Mattis, N 13": mattis(13, seed)}
    for alpha in (0.2, 0.5, 0.9, 1.5):
        systems[f"Wishart, N 16, alpha {alpha}"] = planted.wishart(16, seed, alpha=alpha)
    for tile in (1, 2, 3, 4):
        systems[f"tiles F{tile}, 4 x 4"] = planted.tiles2d(4, seed, tile=tile)
    for faces in (2, 4, 6):
        systems[f"tiles, first cube F{faces}"] = _first_cube(planted.tiles3d(4, seed, faces=faces))
    for name, system in systems.items():
        found, own = enumerate_states(system), float(system.energy(system.native[None])[0])
        known = system.ground_energy
        yield _same(name, "ground energy", found=found.ground_energy, known=known, tolerance=1e-11)
        yield _same(name, "energy of the native state", found=own, known=known, tolerance=1e-11)
    one = enumerate_states(hopfield(14, seed, patterns=1)).ground_energy
    yield _same(
        "Hopfield, N 14, P 1", "ground energy: a Mattis magnet's", found=one, known=-6.5, tolerance=1e-12
    )


def _first_cube(system: PlantedSpins) -> PlantedSpins:
    """Cut the cube at the origin out of planted cubes: its 8 spins are at 0 and 1 along every axis."""
    corners = np.ravel_multi_index(tuple(np.indices((2, 2, 2)).reshape(3, 8)), system.sides)
    matrix = system.matrix.toarray()[np.ix_(corners, corners)]
    return PlantedSpins.of_matrix(
        matrix,
        native=system.native[corners],
        ground_energy=4 * system.ground_energy / system.size,  # of N/4 cubes
        certificate=system.certificate,
    )


ENUMERATED, BY_PARTS = "enumeration of all states", "Gaussian integration by parts; Nishimori (1981)"
calibrations = (
    Calibration("closed forms", "Kaufman (1949), Onsager (1944)", closed_forms),
    Calibration("fields", ENUMERATED, fields),
    Calibration("counting", ENUMERATED, counting),
    Calibration("planted states", ENUMERATED, certificates),
    Calibration("identities of the disorder", BY_PARTS, lambda seed: disorder(seed, 1000)),
    Calibration("identities, 20,000 draws", BY_PARTS, lambda seed: disorder(seed, 20_000), "full"),
    Calibration("lowest energies of SK", ENUMERATED, lambda seed: sk_lowest(seed, 200)),
    Calibration("lowest energies of SK, 4,000 draws", ENUMERATED, lambda seed: sk_lowest(seed, 4000), "full"),
    Calibration("lowest energies", "order statistics of normal variables", lambda seed: lowest(seed, 2000)),
)
