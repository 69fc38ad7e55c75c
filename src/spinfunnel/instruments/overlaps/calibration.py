"""Overlaps against systems of which every state is known, points and trees of known triangles, and nulls."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.instruments.overlaps import measuring
from spinfunnel.instruments.overlaps.judging import phase
from spinfunnel.instruments.overlaps.series import exact_moments
from spinfunnel.samples import PAIRS, REPLICAS, Draw, Samples, sample
from spinfunnel.systems import system as named
from spinfunnel.systems.known import known_overlaps
from spinfunnel.systems.protocols import Flips


def run(name: str, size: int, sweeps: int, sets: int, seed: int, disorder: int = 1) -> tuple[Flips, Samples]:
    """Sample a named system of spins."""
    system = named(name, size=size, seed=disorder)
    assert isinstance(system, Flips)
    return system, Samples.of([sample(system, Draw(i, sweeps, 0.0, 0), seed) for i in range(sets)])


def enumerated(name: str, size: int, sweeps: int, sets: int, seed: int) -> Iterable[CalibrationRow]:
    """Compare moments and P(q), each at another temperature, with the exact law of the overlap."""
    system, samples = run(name, size, sweeps, sets, seed)
    exact = known_overlaps(system, samples.temperatures)
    assert exact is not None
    q, law, twice = exact
    q2, binder = exact_moments(exact)
    identity = twice - law @ q**4 / 2 - q2**2 / 2
    found = measuring.moments(samples)
    law = law[:, ::-1]  # from q = -1 to 1
    assert samples.overlaps is not None
    if samples.overlaps.min() >= 0:
        law = (law + law[:, ::-1]) / 2
    _, density, error = measuring.distribution(samples, system.size, spins=True)
    width = measuring.edges(system.size, spins=True, signed=True)[1][-1]
    for quantity, k, known, (value, sigma), cap in (
        ("<q²>", 7, q2, found["q2"], 0.02),
        ("Binder cumulant", 10, binder, found["binder"], 0.06),
        ("<q12² q13²> - <q⁴>/2 - <q²>²/2", 13, identity, found["gg_12_13"], 0.02),
        ("P(q = 1)", 15, law[:, -1], (density[:, -1] * width, error[:, -1] * width), 0.02),
    ):
        yield CalibrationRow.measured(
            "overlaps", f"{name}, N {system.size}, T {samples.temperatures[k]:.2f}", quantity,
            exact=float(known[k]), value=float(value[k]), error=float(sigma[k]), cap=cap,
        )  # fmt: skip


def _all_states(seed: int) -> Iterable[CalibrationRow]:
    for name, size in (("sk", 14), ("ising2d", 4), ("sk?field=0.4", 12)):
        yield from enumerated(name, size, 1000, 16, seeds(seed, name))


def _energies_at_random(seed: int) -> Iterable[CalibrationRow]:
    yield from enumerated("rem", 10, 4000, 16, seeds(seed, "rem"))


def overlapping(overlaps: Array) -> Samples:
    """Take overlaps (T, sets, 6) as what a run at one temperature left."""
    none = np.zeros(0)
    return Samples(np.ones(1), none, None, overlaps[:, None], None, None, none, none, 1, 1, none, 0.0)


def _triangles(seed: int) -> Iterable[CalibrationRow]:
    """Overlaps of random directions in many dimensions are independent; leaves of a tree are ultrametric."""
    rng = np.random.default_rng(seeds(seed, "directions"))
    found = measuring.moments(overlapping(0.1 * rng.standard_normal((1000, 64, len(PAIRS))).clip(-9, 9)))
    for quantity, key, exact in (
        ("(d_max - d_mid) / width", "k", 3 / (2 * math.sqrt(math.pi))),
        ("the same over independent distances", "k_ratio", 1.0),
    ):
        value, error = found[key]
        yield CalibrationRow.measured(
            "overlaps", "random directions", quantity,
            exact=exact, value=float(value[0]), error=float(error[0]), cap=0.02,
        )  # fmt: skip
    leaf = rng.integers(0, 8, size=(200, 16, REPLICAS))
    shared = [sum(leaf[..., a] >> k == leaf[..., b] >> k for k in range(3)) / 3 for a, b in PAIRS]
    tree = measuring.moments(overlapping(np.stack(shared, axis=-1)))
    yield CalibrationRow.deterministic(
        "overlaps", "leaves of a binary tree", "(d_max - d_mid) / width",
        exact=0, value=float(tree["k"][0][0]), tolerance=1e-12,
    )  # fmt: skip


def _words(seed: int, draws: int, size: int) -> Iterable[CalibrationRow]:
    """Count what glasses are called above and below Tc = 1, and ferromagnets at their coldest."""
    from spinfunnel.instruments.overlaps import tabulated

    above = below = cold = broad = 0
    for draw in range(draws):
        _, samples = run("sk", size, 2000, 4, seeds(seed, "sk", draw), seeds(seed, draw))
        rows = tabulated(samples, size, spins=True)[0].rows()
        words = [(row["T"], phase(row)) for row in rows]
        above += any(word in ("broad", "ordered") for t, word in words if t > HOT)
        below += min(words, key=lambda one: abs(one[0] - 0.4))[1] == "broad"
        _, samples = run("ising2d", 8, 2000, 4, seeds(seed, "ising2d", draw))
        words = [(row["T"], phase(row)) for row in tabulated(samples, 64, spins=True)[0].rows()]
        cold += words[-1][1] == "ordered"
        broad += any(word == "broad" for t, word in words if t < 1.7)
    for system, quantity, k, limit in (
        (f"sk, N {size}, T > {HOT}", "not called a paramagnet", above, {"at_most": 0.1}),
        (f"sk, N {size}, T 0.4", "broad", below, {"at_least": 0.4}),
        ("ising2d, L 8, lowest T", "ordered", cold, {"at_least": 0.95}),
        ("ising2d, L 8, T < 1.7", "called broad", broad, {"at_most": 0.05}),
    ):
        yield CalibrationRow.rate("overlaps", system, quantity, k=k, n=draws, **limit)


#: A glass of 64 spins is a paramagnet above this.
HOT = 1.1
TRANSITIONS = "SK: Tc = 1; Ising: Onsager (1944)"
ENUMERATED = "the law of q from all 2^N states, by Walsh-Hadamard"
calibrations = (
    Calibration("enumeration", ENUMERATED, _all_states),
    Calibration("triangles", "order statistics of normal variables; a tree", _triangles),
    Calibration("random energies", ENUMERATED, _energies_at_random, "normal"),
    Calibration("words", TRANSITIONS, lambda seed: _words(seed, 12, 64), "normal"),
    Calibration("words, 60 glasses", TRANSITIONS, lambda seed: _words(seed, 60, 64), "full"),
)
