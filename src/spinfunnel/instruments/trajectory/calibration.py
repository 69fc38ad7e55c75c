"""Walks, drifts and walks at rest, of which it is known how they move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.instruments.trajectory.measuring import FEWEST, Motion, last_half, levelled, moved
from spinfunnel.maths.random_walks import brownian, inner_products, walk_shares

#: Snapshots, dimensions, and draws of nulls.
RECORDS, DIMENSION, DRAWS = 64, 50, 120


def at_rest(seed: int, *, hold: float = 0.3, creep: float = 0.0) -> Array:
    """Walk about a place, (T, D), that moves by `creep` in every record, in units of the fluctuations."""
    walk = brownian(RECORDS, DIMENSION, seed, hold=hold)
    walk[:, 0] += creep * math.sqrt(DIMENSION) * np.arange(RECORDS)
    return walk


def straight(seed: int, *, noise: float = 0.5) -> Array:
    """Walk on in one direction by one a record, with noise of this size, (T, D)."""
    walk = noise / math.sqrt(DIMENSION) * brownian(RECORDS, DIMENSION, seed)
    walk[:, 0] += np.arange(RECORDS)
    return walk


def stopping(seed: int) -> Array:
    """Come to a stop: a walk whose steps become shorter by a fifth in every record, (T, D)."""
    return np.asarray(0.8 ** np.arange(RECORDS)[:, None] * brownian(1, DIMENSION, seed))


#: What walks, how it must be called, and the least share of the time.
WALKS: tuple[tuple[str, Callable[[int], Array], Motion, float], ...] = (
    ("Ornstein-Uhlenbeck walk at rest", at_rest, "at rest", 0.95),
    ("the same, its place creeping", lambda seed: at_rest(seed, creep=0.4), "directed", 0.95),
    ("random walk", lambda seed: brownian(RECORDS, DIMENSION, seed), "diffusing", 0.95),
    ("drift and walk", straight, "directed", 0.95),
    ("relaxation to a point", stopping, "stopped", 1.0),
)


def _called(count: int, seed: int) -> Iterator[CalibrationRow]:
    """Every walk is called what it is, and what has arrived is seldom called moving."""
    times = np.arange(RECORDS, dtype=float)
    for name, walk, motion, least in WALKS:
        products = [inner_products(walk(seeds(seed, name, i))) for i in range(count)]
        calls = [last_half(one, times, DRAWS, seeds(seed, i)).motion for i, one in enumerate(products)]
        yield CalibrationRow.rate(
            "trajectory", name, f"called {motion}", k=calls.count(motion), n=count, at_least=least
        )
        if motion == "at rest":
            wrong = calls.count("directed")
            yield CalibrationRow.rate("trajectory", name, "called directed", k=wrong, n=count, at_most=0.03)


def _fewest(seed: int) -> Iterator[CalibrationRow]:
    """The fewest snapshots of which anything is said tell what is at rest from what goes on."""
    times, count = np.arange(FEWEST, dtype=float), 100
    walks: tuple[tuple[str, Motion, float], ...] = (
        ("Ornstein-Uhlenbeck walk at rest", "at rest", 0.3),
        ("random walk", "diffusing", 0.0),
    )
    for name, motion, hold in walks:
        draws = [brownian(FEWEST, DIMENSION, seeds(seed, name, i), hold=hold) for i in range(count)]
        products = [inner_products(walk) for walk in draws]
        calls = [last_half(one, times, DRAWS, seeds(seed, i)).motion for i, one in enumerate(products)]
        yield CalibrationRow.rate(
            "trajectory", f"{name}, {FEWEST} snapshots", f"called {motion}", k=calls.count(motion), n=count,
            at_least=0.85,
        )  # fmt: skip


def _exponents(seed: int) -> Iterator[CalibrationRow]:
    """Distances grow as t^1/2 in walks and as t on lines, at snapshots of any spacing; speed is constant."""
    walks, found = 24, []
    uneven = np.unique(np.geomspace(1, 2000, 60).astype(int))
    for i in range(walks):
        walk = brownian(2000, 200, seeds(seed, "exponent", i))
        measured = moved(inner_products(walk[uneven - 1]), uneven.astype(float), 2, seed)
        assert measured.early is not None
        found.append(measured.early.value)
    values = np.array(found)
    yield CalibrationRow.measured(
        "trajectory", "random walk, snapshots at 1, 2, 3, ..., 2000", "exponent of |w - w₀|", exact=0.5,
        value=float(values.mean()), error=float(values.std(ddof=1) / math.sqrt(walks)), cap=0.01,
    )  # fmt: skip
    line = moved(inner_products(np.outer(uneven, [3.0, 4.0])), uneven.astype(float), 2, seed)
    assert line.early is not None
    name = "straight line, the same snapshots"
    for quantity, exact, value in (
        ("exponent of |w - w₀|", 1.0, line.early.value),
        ("highest speed", 5.0, float(line.speed.max())),
        ("lowest speed", 5.0, float(line.speed.min())),
        ("share of the first component", 1.0, float(line.shares[0])),
        ("excess over a drift and a walk", 0.0, line.excess.value),
    ):
        yield CalibrationRow.deterministic(
            "trajectory", name, quantity, exact=exact, value=value, tolerance=1e-6
        )


def _components(seed: int) -> Iterator[CalibrationRow]:
    """Of random walks nothing is more than chance, and the null is the walk's own."""
    records, dimension, walks = 120, 2000, 16
    times, exact = np.arange(records, dtype=float), walk_shares(records, 3)
    shares, nulls, excess = [], [], []
    for i in range(walks):
        walk = brownian(records, dimension, seeds(seed, "components", i))
        found = moved(inner_products(walk), times, 40, seeds(seed, i))
        shares.append(found.shares[:3])
        nulls.append(found.walk.mean[:3])
        excess.append(found.excess.value)
    name = f"random walk, D {dimension}, T {records}"
    for quantity, values in (("share", np.array(shares)), ("share in the null", np.array(nulls))):
        for k in range(3):
            yield CalibrationRow.measured(
                "trajectory", name, f"{quantity} of component {k + 1}", exact=float(exact[k]),
                value=float(values[:, k].mean()),
                error=float(values[:, k].std(ddof=1) / math.sqrt(walks)), cap=0.005,
            )  # fmt: skip
    yield CalibrationRow.deterministic(  # the drift of a walk is a little more than none
        "trajectory", name, "excess over a drift and a walk, mean", exact=0.0, value=float(np.mean(excess)),
        tolerance=0.02,
    )  # fmt: skip


def _ages(seed: int) -> Iterator[CalibrationRow]:
    """What is at rest, or walks, does not age; a walk whose steps become shorter does, by as much."""
    times, cooling = np.arange(101.0), 0.98 ** np.arange(101.0)
    walks: tuple[tuple[str, Callable[[int], Array], float], ...] = (
        ("random walk", lambda i: brownian(101, 2000, i), 1.0),
        ("Ornstein-Uhlenbeck walk at rest", lambda i: brownian(101, 2000, i, hold=0.3), 1.0),
        ("walk, its steps shorter by 2 % each", lambda i: _shrinking(cooling, i), 0.98**100),
    )
    for name, walk, exact in walks:
        found = [moved(inner_products(walk(seeds(seed, name, i))), times, 2, seed).ageing for i in range(12)]
        yield CalibrationRow.measured(
            "trajectory", name, "squared displacement of the last quarter over the second", exact=exact,
            value=float(np.mean(found)), error=float(np.std(found, ddof=1) / math.sqrt(len(found))),
            cap=0.03 * exact,
        )  # fmt: skip


def _shrinking(sizes: Array, seed: int) -> Array:
    steps = np.diff(brownian(len(sizes) + 1, 2000, seed), axis=0)
    return np.asarray((steps * sizes[:, None]).cumsum(axis=0))


def _loss(seed: int) -> Iterator[CalibrationRow]:
    """A loss e^{-t/10} has 5 % of its fall left at t = 10 ln 20 = 29.96; noise shifts that by little."""
    noise = np.random.default_rng(seeds(seed, "loss")).standard_normal(200)
    for size, tolerance in ((0.0, 1.0), (0.005, 4.0)):
        found = levelled(np.exp(-np.arange(200) / 10) + size * noise)
        yield CalibrationRow.deterministic(
            "trajectory", f"exponential fall, noise {size:g}", "levelled off at", exact=10 * math.log(20),
            value=math.nan if found is None else float(found), tolerance=tolerance,
        )  # fmt: skip


calibrations = (
    Calibration("called what they are", "by construction", partial(_called, 40)),
    Calibration("the fewest snapshots", "by construction", _fewest),
    Calibration("called what they are, 200 of each", "by construction", partial(_called, 200), "full"),
    Calibration("exponents", "1/2 and 1", _exponents),
    Calibration("components", "exact at every T; Antognini, Sohl-Dickstein (2018)", _components, "normal"),
    Calibration("ageing", "by construction", _ages),
    Calibration("levelling off", "by construction", _loss),
)
