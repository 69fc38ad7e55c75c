"""Couplings among many spins against what is known of them: closed forms of their disorder, and counting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.systems import exact
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.many_body import ManyBody, NativeManyBody, PlantedManyBody
from spinfunnel.systems.mean_field import sk
from spinfunnel.systems.multiscale import Scales, multiscale
from spinfunnel.systems.pspin import covariance, krawtchouk, pspin
from spinfunnel.systems.rem import rem, rem_native, rem_participation
from spinfunnel.systems.spins import random_spins
from spinfunnel.systems.xorsat import xorsat

#: States of one draw over which products of energies are averaged.
STATES = 32


def _same(system: str, quantity: str, *, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "many_body", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def _mean(system: str, quantity: str, sample: Array, *, known: float, cap: float) -> CalibrationRow:
    error = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return CalibrationRow.measured(
        "many_body", system, quantity, exact=known, value=float(sample.mean()), error=error, cap=cap
    )


def _draws(seed: int, count: int, of: Callable[[int], float]) -> Array:
    return np.array([of(seeds(seed, "draw", i)) for i in range(count)])


def _together(make: Callable[[int], ManyBody], turn: Array, bias: float, own: int) -> float:
    """Average over states H(x) H(y) less what bias adds on average, y being x with some spins turned over."""
    system = make(own)
    x = random_spins(STATES, system.size, own)
    y = np.where(turn, -x, x)
    if not isinstance(system, NativeManyBody):
        return float((system.energy(x) * system.energy(y)).mean())
    toward = [bias * TILTED.covariance(spins, np.tile(system.native, (STATES, 1))) for spins in (x, y)]
    return float(((system.energy(x) + toward[0]) * (system.energy(y) + toward[1])).mean())


#: A hierarchy none of whose parameters is the default, and the same as parameters of `multiscale`.
TILTED = Scales(12, (2, 3), (1.0, 0.5), levels=2, decay=-1.0)
BIAS = 0.6


def tilted(seed: int, bias: float = BIAS) -> ManyBody:
    """Make the glass of that hierarchy."""
    return multiscale(12, seed, bias=bias, orders="2,3", weights="1,.5", levels=2, decay=-1.0)


def disorder(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average H(x) H(y) over disorder, for y that differs from x in few, many, scattered or all spins."""
    usual = Scales(16)
    for name, make, known, bias in (
        ("3-spin, N 12", partial(pspin, 12), partial(covariance, p=3), 0.0),
        ("4-spin, N 12", partial(pspin, 12, p=4), partial(covariance, p=4), 0.0),
        ("multiscale, N 16, no bias", partial(multiscale, 16, bias=0), usual.covariance, 0.0),
        (
            "multiscale, orders 2 3, N 12, bias .6",
            tilted,
            lambda x, y: (1 - BIAS**2) * TILTED.covariance(x, y),
            BIAS,
        ),
    ):
        size = make(0).size
        spins, up = np.arange(size), np.ones((1, size), dtype=np.int8)
        for where, turn in (
            ("alike", spins < 0),
            ("a quarter turned over", spins < size // 4),
            ("every fourth turned over", spins % 4 == 0),
            ("half turned over", spins < size // 2),
            ("all turned over", spins >= 0),
        ):
            exact_value = float(known(up, np.where(turn, -up, up))[0]) / size
            sample = _draws(seeds(seed, name, where), draws, partial(_together, make, turn, bias))
            yield _mean(name, f"E H(x) H(y) / N, {where}", sample / size, known=exact_value, cap=0.05)


def toward_the_rem(seed: int, n: int, draws: int) -> Iterator[CalibrationRow]:
    """Follow how alike the energies of two states are as more and more spins, up to half, are coupled."""
    for apart in (1, 2):
        turn = np.arange(n) < apart
        for p in range(2, n // 2 + 1, 2):
            sums = krawtchouk(n, p)
            variance = math.factorial(p) / n ** (p - 1) * sums[0]
            sample = _draws(
                seeds(seed, n, apart, p), draws, partial(_together, partial(pspin, n, p=p), turn, 0.0)
            )
            yield _mean(
                f"{p}-spin, N {n}, one level",
                f"E H(x) H(y) / E H^2 at overlap {1 - 2 * apart / n:.3f}",
                sample / variance,
                known=float(sums[apart] / sums[0]),
                cap=0.05,
            )


def limits(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Compare the ends of the multiscale glass: SK by ground energies, Mattis and the funnel exactly."""

    def lowest(make: Callable[[int], float], *names: object) -> Array:
        return _draws(seeds(seed, *names), draws, make)

    def glass(own: int, n: int) -> float:
        return enumerate_states(multiscale(n, own, bias=0, orders="2", levels=1)).ground_energy / n

    name, what = "multiscale, order 2, one level, no bias", "ground energy per spin"
    sample = lowest(lambda own: glass(own, 3), 3)
    yield _mean(f"{name}, N 3", what, sample, known=exact.sk_ground_energy(3), cap=0.02)
    ours = lowest(lambda own: glass(own, 10), 10, "multiscale")
    textbook = lowest(lambda own: enumerate_states(sk(10, own)).ground_energy / 10, 10, "sk")
    yield _mean(f"{name}, N 10", f"{what}, less SK's", ours - textbook, known=0, cap=0.02)

    magnet = multiscale(12, seed, bias=1, orders="2", levels=1)
    assert isinstance(magnet, PlantedManyBody)
    (_, pairs) = magnet.orders[0]
    off = float(np.abs(magnet.couplings - magnet.native[pairs].prod(axis=1) / 12).max())
    yield _same("multiscale, order 2, one level, bias 1", "J less Mattis's", found=off, known=0, tolerance=0)

    funnel, scales = multiscale(16, seed, bias=1), Scales(16)
    assert isinstance(funnel, PlantedManyBody)
    x = funnel.random(STATES, seed)
    toward = scales.covariance(x, np.tile(funnel.native, (STATES, 1)))
    worst = float(np.abs(funnel.energy(x) + toward).max())
    yield _same("multiscale, N 16, bias 1", "H(x) + C(x, native)", found=worst, known=0, tolerance=1e-12)
    found = enumerate_states(funnel)
    planted = funnel.ground_energy
    yield _same(
        "multiscale, N 16, bias 1", "ground energy", found=found.ground_energy, known=planted, tolerance=1e-11
    )
    yield _same("multiscale, N 16, bias 1", "degeneracy", found=found.degeneracy, known=1, tolerance=0)


def nishimori(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average u at T = (1 - bias^2) / bias, where the native state is as good as any: -bias C(t, t) / N."""
    up = np.ones((1, 12), dtype=np.int8)
    for bias in (0.3, 0.6, 0.8):
        t = (1 - bias**2) / bias

        def energy(own: int, bias: float = bias, t: float = t) -> float:
            return float(enumerate_states(tilted(own, bias), [t]).thermal.u[0])

        sample = _draws(seeds(seed, bias), draws, energy)
        known = -bias * float(TILTED.covariance(up, up)[0]) / 12
        yield _mean(
            f"multiscale, orders 2 3, N 12, bias {bias:g}", f"u at T {t:.3f}", sample, known=known, cap=0.03
        )


def clauses(seed: int) -> Iterator[CalibrationRow]:
    """Count the lowest states of 3-XORSAT: as many as linear equations have solutions, 2^(N - rank)."""
    for n in (12, 13, 14, 15, 16, 17, 18):
        system = xorsat(n, seeds(seed, "xorsat", n))
        found, known = enumerate_states(system), 2 ** len(system.symmetries)
        own = float(system.energy(system.native[None])[0])
        yield _same(f"3-XORSAT, N {n}", "energy of the native state", found=own, known=-n, tolerance=0)
        yield _same(f"3-XORSAT, N {n}", "ground energy", found=found.ground_energy, known=-n, tolerance=0)
        yield _same(f"3-XORSAT, N {n}", "degeneracy", found=found.degeneracy, known=known, tolerance=0)


def freezing(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Average the weight of states that two replicas share in the REM, below and above where it freezes."""
    for n, t in ((6, 0.3), (12, 0.4), (12, 0.7), (12, 1.2)):

        def shared(own: int, n: int = n, t: float = t) -> float:
            table = rem(n, own).table
            weights = np.exp((table.min() - table) / t)
            return float((weights @ weights) / weights.sum() ** 2)

        sample = _draws(seeds(seed, n, t), draws, shared)
        yield _mean(f"REM, N {n}, T {t}", "P(q = 1)", sample, known=rem_participation(n, t), cap=0.02)
    native = 2.0
    fold = (native + math.sqrt(native**2 - 2 * math.log(2))) / (2 * math.log(2))

    def odds(own: int) -> float:
        table = rem_native(12, own, native=native).table
        return float(np.exp((table.min() - table) / fold).sum()) - 1

    yield _mean(
        "REM with a native state at -2 N, N 12, T where it folds",
        "odds against the native state",
        _draws(seeds(seed, "odds"), draws // 4, odds),
        known=1 - 2.0**-12,
        cap=0.01,
    )
    golf = enumerate_states(rem_native(12, seed))
    yield _same(
        "REM with a native state, N 12",
        "ground energy",
        found=golf.ground_energy,
        known=-19.2,
        tolerance=1e-12,
    )
    yield _same("REM with a native state, N 12", "degeneracy", found=golf.degeneracy, known=1, tolerance=0)


BY_GAUSS, ENUMERATED = "sums over sets of spins (Krawtchouk)", "enumeration of all states"
calibrations = (
    Calibration("covariance of energies", BY_GAUSS, lambda seed: disorder(seed, 70)),
    Calibration("covariance of energies, 1,200 draws", BY_GAUSS, lambda seed: disorder(seed, 1200), "full"),
    Calibration("toward the REM", BY_GAUSS, lambda seed: toward_the_rem(seed, 12, 100)),
    Calibration("toward the REM, N 16", BY_GAUSS, lambda seed: toward_the_rem(seed, 16, 150), "normal"),
    Calibration("limits of the multiscale glass", ENUMERATED, lambda seed: limits(seed, 400)),
    Calibration("Nishimori's line, many spins", "Nishimori (1981)", lambda seed: nishimori(seed, 200)),
    Calibration("3-XORSAT", "elimination over GF(2)", clauses),
    Calibration("freezing of the REM", "integration over one energy", lambda seed: freezing(seed, 1000)),
)
