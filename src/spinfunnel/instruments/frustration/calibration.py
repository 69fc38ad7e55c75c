"""Frustration of magnets, of glasses whose signs are drawn, and of bonds that were turned over on purpose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.instruments.frustration import bonds, loops, nulls
from spinfunnel.systems import system as named
from spinfunnel.systems.chains import designed, go
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.mean_field import mattis
from spinfunnel.systems.planted import nishimori
from spinfunnel.systems.protocols import Pairwise
from spinfunnel.systems.shuffled import shuffled_couplings
from spinfunnel.systems.spins import Spins


def _exact(system: str, quantity: str, *, known: float, found: float, tolerance: float = 0) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "frustration", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _pairs(name: str, size: int, seed: int = 0) -> Pairwise:
    made = named(name, size=size, seed=seed)
    assert isinstance(made, Pairwise)
    return made


def _magnets(seed: int) -> Iterable[CalibrationRow]:
    """Count loops of lattices: all are known, and so is which of them are frustrated."""
    for name, size, triangles, squares, share in (
        ("ising2d", 8, 0, 8**2, 0),
        ("ising3d", 6, 0, 3 * 6**3, 0),
        ("ising-triangular", 7, 2 * 7**2, 0, 0),
        ("ising-triangular?coupling=-1", 7, 2 * 7**2, 0, 1),
        ("mattis", 24, math.comb(24, 3), 0, 0),
    ):
        found = loops.elementary(_pairs(name, size, seed))
        for what, length, count in (("triangles", 3, triangles), ("squares", 4, squares)):
            counted = sum(one.count for one in found if one.length == length)
            yield _exact(f"{name}, {size}", what, known=count, found=counted)
        frustrated = sum(one.frustrated for one in found) / sum(one.count for one in found)
        yield _exact(f"{name}, {size}", "frustrated share of loops", known=share, found=frustrated)


def share_of(systems: Sequence[Pairwise], length: int) -> tuple[float, float]:
    """Give the mean share of frustrated loops over draws, and its error."""
    found = [one for system in systems for one in loops.elementary(system) if one.length == length]
    values = np.array([one.share.value for one in found])
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def _signs_drawn(seed: int) -> Iterable[CalibrationRow]:
    """A loop of random signs is frustrated as often as not, on whatever graph."""
    for name, size, length, draws in (
        ("ea?dimension=2", 8, 4, 200),
        ("ea?dimension=2", 16, 4, 60),
        ("ea", 4, 4, 100),
        ("ea?law=gauss", 6, 4, 40),
        ("sk", 24, 3, 100),
    ):
        systems = [_pairs(name, size, seeds(seed, name, size, k)) for k in range(draws)]
        value, error = share_of(systems, length)
        yield CalibrationRow.measured(
            "frustration", f"{name}, {size}", f"frustrated share of loops of {length}",
            exact=0.5, value=value, error=error, cap=0.01,
        )  # fmt: skip
    for name, size, length in (("mattis", 24, 3), ("ising2d", 12, 4)):
        nulls = [
            shuffled_couplings(_pairs(name, size, seed), seeds(seed, name, "null", k)) for k in range(100)
        ]
        value, error = share_of([one for one in nulls if isinstance(one, Pairwise)], length)
        yield CalibrationRow.measured(
            "frustration", f"{name}, {size}, shuffled", f"frustrated share of loops of {length}",
            exact=0.5, value=value, error=error, cap=0.01,
        )  # fmt: skip


def flipped(size: int, share: float, seed: int) -> Spins:
    """Make a Mattis magnet, each of whose bonds is turned over with a probability."""
    edges, couplings = mattis(size, seed).bonds
    rng = np.random.default_rng(seeds(seed, "flipped"))
    return Spins.of_edges(edges, np.where(rng.random(len(edges)) < share, -couplings, couplings), size=size)


def _turned_over(seed: int) -> Iterable[CalibrationRow]:
    """A loop of n bonds, each turned over with probability p, is frustrated with (1 - (1 - 2p)^n)/2."""
    for p in (0.1, 0.25):
        own = [seeds(seed, p, k) for k in range(100)]
        for name, length, systems in (
            ("nishimori, 12", 4, [nishimori(12, one, p=1 - p) for one in own]),
            ("Mattis, N 24", 3, [flipped(24, p, one) for one in own]),
        ):
            value, error = share_of(systems, length)
            quantity = f"frustrated share of loops of {length}"
            yield CalibrationRow.measured(
                "frustration", f"{name}, a share {p} of bonds turned over", quantity,
                exact=(1 - (1 - 2 * p) ** length) / 2, value=value, error=error, cap=0.01,
            )  # fmt: skip


def _drawn(seed: int) -> Iterable[CalibrationRow]:
    """Draw triangles where they are too many, with the error that the draw has."""
    for p in (0.0, 0.2):
        glass = flipped(300, p, seeds(seed, "drawn", p))
        (found,) = loops.elementary(glass, seeds(seed, p))
        matrix = np.sign(glass.matrix.toarray())
        every = (1 - np.einsum("ij,ji->", matrix @ matrix, matrix) / (300 * 299 * 298)) / 2
        if p == 0:
            yield _exact("Mattis, N 300", "frustrated share, drawn", known=0, found=found.share.value)
            continue
        assert found.share.error is not None
        yield CalibrationRow.measured(
            "frustration", f"Mattis, N 300, a share {p} of bonds turned over", "frustrated share, drawn",
            exact=float(every), value=found.share.value, error=found.share.error, cap=0.002,
        )  # fmt: skip


def _bonds(seed: int) -> Iterable[CalibrationRow]:
    """Look at every bond where the ground state is known."""
    magnet = mattis(40, seed)
    z = bonds.index(bonds.made(magnet, magnet.native), *bonds.decoys(magnet, None))
    assert z is not None
    off = float(np.abs(z - 1).max())
    yield _exact("mattis, N 40, native", "Z less 1, worst bond", known=0, found=off, tolerance=1e-12)
    sampled = bonds.decoys(magnet, magnet.random(20_000, seed))
    spread = float(np.abs(magnet.couplings).max())
    yield _exact(
        "mattis, N 40",
        "mean of a bond in random states over |J|",
        known=0,
        found=sampled[0] / spread,
        tolerance=0.01,
    )
    yield _exact("mattis, N 40", "its deviation over |J|", known=1, found=sampled[1] / spread, tolerance=1e-3)
    for name, size in (("sk?field=.3", 14), ("ea?dimension=2", 4), ("pspin", 12), ("multiscale", 16)):
        system = named(name, size=size, seed=seed)
        parts, lowest = bonds.interactions(system), enumerate_states(system)
        misfit = parts.unsatisfied(lowest.ground_state)[1]
        known = (1 - lowest.ground_energy / float(parts.least.sum())) / 2
        yield _exact(
            f"{name}, N {system.size}",
            "misfit of the ground state",
            known=known,
            found=misfit,
            tolerance=1e-12,
        )
    triangles = _pairs("ising-triangular?coupling=-1", 3)
    third = bonds.interactions(triangles).unsatisfied(enumerate_states(triangles).ground_state)
    name = "triangular antiferromagnet, 3"
    yield _exact(name, "unsatisfied bonds of the ground state", known=1 / 3, found=third[0], tolerance=1e-12)
    native = go(25, seed)
    yield _exact(
        "go, N 25, native", "misfit", known=0, found=bonds.interactions(native).unsatisfied(native.native)[1]
    )
    chain = designed(12, seed)
    x = chain.random(50, seed)
    worst = float(np.abs(bonds.interactions(chain).energies(x).sum(axis=1) - chain.energy(x)).max())
    yield _exact(
        "designed, N 12", "energy less that of all contacts, worst", known=0, found=worst, tolerance=1e-12
    )


def _words(seed: int) -> Iterable[CalibrationRow]:
    """Count glasses, and magnets with few bonds turned over, that are told from shuffled ones."""
    glass = magnet = 0
    for k in range(DRAWS):
        own = seeds(seed, "words", k)
        found = nulls.shuffled_ones(_pairs("sk", 48, own), None, own)[0]
        glass += nulls.student(found[0], found[1:]) < nulls.LEVEL
        found = nulls.shuffled_ones(flipped(48, 0.1, own), None, own)[0]
        less = found[0] < found[1:].mean()
        magnet += less and nulls.student(found[0], found[1:]) < nulls.LEVEL
    quantity = "told from shuffled couplings"
    yield CalibrationRow.rate("frustration", "sk, N 48", quantity, k=glass, n=DRAWS, at_most=0.06)
    name = "Mattis, N 48, a share .1 of bonds turned over"
    yield CalibrationRow.rate(
        "frustration", name, "less frustrated than chance", k=magnet, n=DRAWS, at_least=0.95
    )


#: Systems that are told from shuffled ones, or not.
DRAWS = 100
BY_SYMMETRY = "signs are drawn independently"
calibrations = (
    Calibration("loops of magnets", "counted by hand", _magnets),
    Calibration("loops of random signs", BY_SYMMETRY, _signs_drawn),
    Calibration("bonds turned over", BY_SYMMETRY, _turned_over),
    Calibration("triangles drawn", "the trace of J³", _drawn),
    Calibration("bonds", "enumeration of all states", _bonds),
    Calibration("words", "systems as random as their nulls", _words, "normal"),
)
