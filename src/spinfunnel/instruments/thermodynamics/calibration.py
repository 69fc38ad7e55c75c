"""Thermodynamics against systems of which every state, or the partition function, is known."""

from __future__ import annotations

from collections.abc import Iterable

from spinfunnel.core import Calibration, CalibrationRow, seeds
from spinfunnel.instruments.thermodynamics.measuring import measured
from spinfunnel.samples import Draw, Samples, sample
from spinfunnel.systems import system as named
from spinfunnel.systems.known import known


def against(
    name: str, size: int, sweeps: int, caps: tuple[float, float, float], seed: int, sets: int = 12
) -> Iterable[CalibrationRow]:
    """Compare u, c and s, each at another temperature, with what is exactly known."""
    system = named(name, size=size, seed=1)
    samples = Samples.of([sample(system, Draw(i, sweeps, 0.0, 0), seed) for i in range(sets)])
    found = measured(samples, system.size).rungs
    exact = known(system, found.temperatures)[0]
    for quantity, share, cap in zip("ucs", (0.4, 0.6, 0.9), caps, strict=True):
        k = int(share * len(found.temperatures))
        yield CalibrationRow.measured(
            "thermodynamics", f"{name}, N {system.size}, T {found.temperatures[k]:.2f}", quantity,
            exact=float(getattr(exact, quantity)[k]), value=float(found.values[quantity][k]),
            error=float(found.errors[quantity][k]), cap=cap,
        )  # fmt: skip


def _enumerated(seed: int) -> Iterable[CalibrationRow]:
    for name, size in (("sk", 14), ("ea?dimension=2&law=gauss", 4), ("ising2d", 4)):
        yield from against(name, size, 1000, (0.01, 0.02, 0.005), seeds(seed, name))


def _on_the_torus(side: int, sweeps: int, seed: int) -> Iterable[CalibrationRow]:
    yield from against("ising2d", side, sweeps, (0.01, 0.06, 0.005), seeds(seed, "torus", side))


def _other_moves(seed: int) -> Iterable[CalibrationRow]:
    yield from against("rem", 10, 1000, (0.02, 0.04, 0.01), seeds(seed, "rem"))


KAUFMAN = "Kaufman, Phys. Rev. 76 (1949) 1232"
calibrations = (
    Calibration("enumeration", "all 2^N states", _enumerated),
    Calibration("torus of 8", KAUFMAN, lambda seed: _on_the_torus(8, 2000, seed)),
    Calibration("torus of 16", KAUFMAN, lambda seed: _on_the_torus(16, 8000, seed), "normal"),
    Calibration("moves of its own", "all 2^N states", _other_moves),
)
