"""Langevin dynamics of independent replicas: overdamped, with a Metropolis test (MALA), or underdamped.

Sources: Roberts & Tweedie, Bernoulli 2 (1996) 341 (overdamped, MALA); Leimkuhler & Matthews, Appl. Math. Res.
Express (2013) 34 (underdamped, BAOAB). The steps themselves, and their laws, are in `maths.integrators`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Trace, seeds
from spinfunnel.dynamics.clock import ticks
from spinfunnel.dynamics.replicas import Progress, positive, whole
from spinfunnel.maths.integrators import baoab, baoab_variances, euler_maruyama, euler_maruyama_variance
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems.protocols import Smooth, System
from spinfunnel.systems.sphere import Sphere
from spinfunnel.systems.surfaces import double_well

Method: TypeAlias = Literal["overdamped", "mala", "underdamped"]
#: After each step: x (R, *shape), energies (R,), and what the method tells beside them.
Steps: TypeAlias = Iterator[tuple[Array, Array, Array]]

NOTHING = np.empty(0)


def langevin(
    system: System,
    temperature: float,
    *,
    step: float,
    steps: int,
    replicas: int = 64,
    seed: int = 0,
    method: Method = "overdamped",
    friction: float = 1.0,
    start: Array | None = None,
    record_every: int = 1,
    keep_states: bool = False,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Follow dx = -∇E dt + sqrt(2T) dW, or, underdamped, dv = -∇E dt - γ v dt + sqrt(2γT) dW, mass 1.

    The law of "overdamped" is off by order h, that of "underdamped" by order h², that of "mala" not at all;
    MALA and underdamped motion are for flat space, overdamped motion settles on any surface after each step.
    Replicas begin at `start` (R, *shape), else at random draws. The trace's `times` are t = step, 2 step, ...
    Underdamped, `stats["kinetic"]` (T, R) has v²/2 summed over coordinates. It ends early at `deadline` (a
    `time.time()`) or at Ctrl-C; then it holds what was recorded by then.

    >>> from spinfunnel.systems import system
    >>> trace = langevin(system("double-well"), 0.2, step=0.05, steps=100, replicas=3, record_every=10)
    >>> trace.energies.shape, trace.final.shape, trace.stopped
    ((10, 3), (3, 2), 'finished')

    Raises:
        BadInput: if temperature, step or friction is not positive, a count is below one, the system has no
            gradient, the space is curved where it may not be, or the step is so long that energies explode.
    """
    if not isinstance(system, Smooth):
        raise BadInput(f"{system.name} has no gradient, which Langevin dynamics need")
    if method not in ("overdamped", "mala", "underdamped"):
        raise BadInput(f"method is {method!r}: it must be overdamped, mala or underdamped")
    if method != "overdamped" and type(system).settle is not Smooth.settle:
        raise BadInput(f"{method} needs flat space, and {system.name} lives on a surface: take overdamped")
    for name, value in (("step", step), ("friction", friction)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} must be positive and finite, not {value}")
    t = positive(temperature)
    whole(steps=steps, replicas=replicas, record_every=record_every)
    x = system.random(replicas, seeds(seed, "start")) if start is None else np.array(start, dtype=np.float64)
    if x.shape[1:] != system.shape or not len(x):
        raise BadInput(f"start must be (R >= 1, *{system.shape}), not {x.shape}")
    rng = np.random.default_rng(seeds(seed, "langevin", method))
    if method == "overdamped":
        moves = overdamped(system, x, t, step, rng)
    elif method == "mala":
        moves = mala(system, x, t, step, rng)
    else:
        moves = underdamped(system, x, t, step, friction, rng)
    records: list[tuple[Array, ...]] = []  # energies, what is told beside them, and x if kept
    best, lowest, accepted = x[0], math.inf, 0.0
    began, stopped, done = time.process_time(), "finished", 0
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for done in ticks(steps, "steps", deadline, progress):
                x, energy, beside = next(moves)
                if method == "mala":
                    accepted += float(beside.mean())
                if done % record_every:
                    continue
                if not np.isfinite(energy).all():
                    raise BadInput(f"a step of {step:g} is too long: energies exploded in {done} steps")
                records.append((energy, beside, x)[: 3 if keep_states else 2])
                if energy.min() < lowest:
                    best, lowest = x[energy.argmin()], float(energy.min())
        stopped = "finished" if done == steps else "deadline"
    except KeyboardInterrupt:
        stopped = "interrupted"
    stats: dict[str, Any] = {"method": method, "step": step, "cpu_seconds": time.process_time() - began}
    if method == "underdamped":
        stats |= {"friction": friction, "kinetic": np.array([r[1] for r in records]).reshape(-1, len(x))}
    return Trace(
        times=step * record_every * np.arange(1, len(records) + 1),
        temperatures=np.full(len(records), t),
        energies=np.array([r[0] for r in records]).reshape(-1, len(x)),
        final=x,
        best=best,
        best_energy=float(system.energy(best[None])[0]),
        accepted=accepted / done if method == "mala" and done else None,
        stopped=stopped,
        seed=seed,
        states=np.array([r[2] for r in records]).reshape(-1, *x.shape) if keep_states else None,
        stats=stats,
    )


def overdamped(system: Smooth, x: Array, t: float, h: float, rng: np.random.Generator) -> Steps:
    """Step by Euler and Maruyama, and settle."""
    x = system.settle(x)
    slope = system.gradient(x)
    while True:
        noise = rng.standard_normal(x.shape)
        x = system.settle(euler_maruyama(x, slope, step=h, temperature=t, noise=noise))
        energy, slope = system.energy_and_gradient(x)
        yield x, energy, NOTHING


def mala(system: Smooth, x: Array, t: float, h: float, rng: np.random.Generator) -> Steps:
    """Propose by Euler and Maruyama, and accept so that the law is Boltzmann's; tell what was accepted."""
    energy, slope = system.energy_and_gradient(x)
    each = (slice(None), *(None,) * (x.ndim - 1))
    coordinates = tuple(range(1, x.ndim))
    while True:
        noise = rng.standard_normal(x.shape)
        there = euler_maruyama(x, slope, step=h, temperature=t, noise=noise)
        new_energy, new_slope = system.energy_and_gradient(there)
        back = (x - there + h * new_slope) / math.sqrt(2 * h * t)  # the noise that would lead back
        ratio = (noise**2 - back**2).sum(axis=coordinates) / 2 - (new_energy - energy) / t
        accepted = np.log(rng.random(len(x))) < ratio  # never where the energy is not a number
        x = np.where(accepted[each], there, x)
        slope = np.where(accepted[each], new_slope, slope)
        energy = np.where(accepted, new_energy, energy)
        yield x, energy, accepted


def underdamped(
    system: Smooth, x: Array, t: float, h: float, friction: float, rng: np.random.Generator
) -> Steps:
    """Step by BAOAB, from velocities of Maxwell's law; tell the kinetic energies."""
    v = math.sqrt(t) * rng.standard_normal(x.shape)
    slope = system.gradient(x)
    energy = np.empty(len(x))
    coordinates = tuple(range(1, x.ndim))

    def gradient(x: Array) -> Array:
        energy[:], slope = system.energy_and_gradient(x)
        return slope

    while True:
        noise = rng.standard_normal(x.shape)
        x, v, slope = baoab(
            x, v, slope, gradient, step=h, temperature=t, friction=friction, noise=noise
        )  # fmt: skip
        yield x, energy.copy(), (v**2).sum(axis=coordinates) / 2


@dataclass(frozen=True, eq=False)
class Quadratic(Smooth):
    """E = sum_i l_i x_i²/2, whose laws under every step are known exactly.

    >>> Quadratic(np.array([2.0, 4.0])).energy(np.ones((1, 2)))
    array([3.])
    """

    curvatures: Array
    name: str = "quadratic"
    convention: str = "E = sum_i l_i x_i^2 / 2"

    @property
    def size(self) -> int:
        """The number of coordinates."""
        return len(self.curvatures)

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of x (batch, N)."""
        return np.asarray((self.curvatures * x**2).sum(axis=1) / 2)

    def gradient(self, x: Array) -> Array:
        """Give the gradients (batch, N)."""
        return np.asarray(self.curvatures * x)

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessian times v, (batch, N)."""
        return np.asarray(self.curvatures * v)

    def random(self, batch: int, seed: int) -> Array:
        """Draw x (batch, N), standard normal."""
        return np.random.default_rng(seeds(seed, "quadratic")).standard_normal((batch, self.size))


def _row(where: str, quantity: str, exact: float, series: Array, cap: float) -> CalibrationRow:
    """Compare the mean of records (T, R), whose replicas are independent."""
    found = mean_of_replicas(series)
    error = math.nan if found.error is None else found.error
    return CalibrationRow.measured(
        "langevin", where, quantity, exact=exact, value=found.value, error=error, cap=cap
    )


#: Curvature, step, temperature; each is a coordinate of its own, so that rows are independent.
CASES = ((2.0, 0.3, 1.0), (0.5, 0.3, 1.0), (5.0, 0.1, 0.5))


def _on_a_quadratic(seed: int) -> Iterator[CalibrationRow]:
    for k, h, t in CASES:
        where, well = f"quadratic, l {k:g}, h {h:g}, T {t:g}", Quadratic(np.array([k]))
        own = seeds(seed, k, h)
        for steps in (1, 3):
            x = langevin(
                well, t, step=h, steps=steps, record_every=steps, seed=own + steps,
                start=np.zeros((20_000, 1)), keep_states=True,
            ).states  # fmt: skip
            assert x is not None
            exact = euler_maruyama_variance(k, h, temperature=t, steps=steps)
            yield _row(where, f"<x²> after {steps} steps from 0", exact, x[:, :, 0] ** 2, 0.02 * exact)
        wait = round(10 / (k * h))
        trace = langevin(well, t, step=h, steps=10 * wait, replicas=2000, seed=own, keep_states=True)
        assert trace.states is not None
        exact = euler_maruyama_variance(k, h, temperature=t)
        yield _row(where, "<x²>, overdamped", exact, trace.states[wait:, :, 0] ** 2, 0.01 * exact)
        trace = langevin(
            well, t, step=h, steps=10 * wait, replicas=2000, seed=own, method="underdamped",
            friction=math.sqrt(k), keep_states=True,
        )  # fmt: skip
        assert trace.states is not None
        of_x, of_v = baoab_variances(k, h, temperature=t)
        yield _row(where, "<x²>, underdamped", of_x, trace.states[wait:, :1000, 0] ** 2, 0.02 * of_x)
        yield _row(where, "<v²>, underdamped", of_v, 2 * trace.stats["kinetic"][wait:, 1000:], 0.02 * of_v)


def _mala_in_a_double_well(seed: int) -> Iterator[CalibrationRow]:
    """Compare with Boltzmann's law of E = (x² - 1)² + y², by quadrature."""
    well = double_well()
    for t, h in ((0.3, 0.1), (0.6, 0.3)):
        x = np.linspace(-4, 4, 8001)
        weights = np.exp(-((x**2 - 1) ** 2) / t)
        weights /= weights.sum()
        trace = langevin(
            well, t, step=h, steps=2000, replicas=1500, seed=seeds(seed, t), method="mala", record_every=4,
            keep_states=True,
        )  # fmt: skip
        assert trace.states is not None
        where = f"double well, T {t:g}, h {h:g}"
        x2, y2 = np.moveaxis(trace.states[100:] ** 2, -1, 0)
        yield _row(
            where, "<(x² - 1)²>, MALA", float((x**2 - 1) ** 2 @ weights), (x2[:, :500] - 1) ** 2, 0.005
        )
        yield _row(where, "<x²>, MALA", float(x**2 @ weights), x2[:, 500:1000], 0.005)
        yield _row(where, "<y²>, MALA", t / 2, y2[:, 1000:], 0.005)


def _on_a_sphere(seed: int) -> Iterator[CalibrationRow]:
    """A spin of three components in a field, E = -3m, is Langevin's: <m> = coth(3/T) - T/3.

    Settling after each step leaves an error of order h (-0.28 h at T = 1, -0.6 h at T = 3), which two steps
    together, 2 <m>_h - <m>_2h, do without.
    """
    along = np.array([0.0, 0.0, math.sqrt(3)])
    spin = Sphere("spin", "H = -N m, N = 3, |s|^2 = 3", np.zeros((3, 3)), along, 1.0, 1)
    for t in (1.0, 3.0):
        short, long = (
            langevin(
                spin, t, step=h, steps=round(30 / h), replicas=2000, seed=seeds(seed, t, h), record_every=10
            ).energies[round(0.5 / h) :]
            for h in (0.01, 0.02)
        )
        m = (long.mean(axis=0) - 2 * short.mean(axis=0))[None] / 3
        exact = 1 / math.tanh(3 / t) - t / 3
        yield _row(f"spin in a field, T {t:g}, h 0.01 and 0.02", "<m>, overdamped, h -> 0", exact, m, 0.01)


calibrations = (
    Calibration("Langevin on a quadratic", "exact laws of the steps (maths.integrators)", _on_a_quadratic),
    Calibration("MALA in a double well", "quadrature of Boltzmann's law", _mala_in_a_double_well),
    Calibration("Langevin on a sphere", "classical spin in a field: Langevin (1905)", _on_a_sphere, "normal"),
)
