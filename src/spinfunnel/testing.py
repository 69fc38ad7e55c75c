"""Kits that test what others write against the contracts: one line a system.

They raise AssertionError, whose message says which promise is broken and by how much.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spinfunnel.core import Array, BadInput, Number, Trace
from spinfunnel.dynamics.population import by_family
from spinfunnel.maths.random_numbers import streams
from spinfunnel.maths.statistics import mean_of_replicas
from spinfunnel.systems import system as named
from spinfunnel.systems.chain_enumeration import enumerate_chains
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.enumeration import blocks, enumerate_states
from spinfunnel.systems.protocols import Flips, Metric, Moves, Pairwise, Planted, Smooth, System

#: Systems of at most so many spins are compared with the enumeration of all their states.
FEW = 16

#: Energies agree to this, relative to the larger of 1 and the largest energy met.
ROUNDING = 1e-10


def check_system(system: System, *, batch: int = 16, seed: int = 0) -> None:
    """Check a system against every protocol it states.

    Energies do not depend on the batch; flip costs, and the costs of moves, are differences of energies;
    couplings are symmetric and give the energy; gradients and Hessians are its derivatives; overlaps are in
    [-1, 1], symmetric and modulo the global flip; a planted state has the energy it claims, and nothing is
    lower. Of systems that can turn single spins over, up to 16 of them, all states are looked at.

    >>> from spinfunnel.systems import system
    >>> check_system(system("sk", size=12))

    Raises:
        AssertionError: if a promise is broken.
    """
    _random(system, batch, seed)
    x, y = system.random(batch, seed), system.random(batch, seed + 1)
    before = x.copy()
    _energy(system, x)
    if isinstance(system, Pairwise):
        _pairwise(system, x)
    if isinstance(system, Flips):
        _flips(system, x, seed)
    if isinstance(system, Moves):
        _moves(system, x, seed)
    if isinstance(system, Smooth):
        _smooth(system, x, seed)
    if isinstance(system, Metric):
        _metric(system, x, y)
    if isinstance(system, Planted):
        _planted(system, x)
    if isinstance(system, Flips) and system.size <= FEW:
        _all_states(system)
    _require((x == before).all(), "configurations must not be changed by the questions asked about them")


def _require(holds: bool | np.bool, promise: str) -> None:
    if not holds:
        raise AssertionError(promise)


def _same(left: Array | float, right: Array | float, promise: str) -> None:
    """Require equality within rounding; the message says by how much it fails."""
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    _require(left.shape == right.shape, f"{promise}: shapes {left.shape} and {right.shape} differ")
    worst = float(np.abs(left - right).max(initial=0.0))
    scale = max(1.0, float(np.abs(left).max(initial=0.0)))
    _require(worst <= ROUNDING * scale, f"{promise}: they differ by up to {worst:g}")


def _random(system: System, batch: int, seed: int) -> None:
    _require(bool(system.name) and bool(system.convention), "a system has a name and states its convention")
    x, shape = system.random(batch, seed), (batch, *system.shape)
    _require(x.shape == shape, f"random({batch}, seed) must have shape {shape}, has {x.shape}")
    _require((x == system.random(batch, seed)).all(), "one seed must give one draw")
    if not isinstance(system, Flips):
        differ = (x[0] != system.random(batch, seed + 1)).any() or (x[0] != x).any()
        _require(bool(np.isfinite(x).all()) and bool(differ), "random draws must be finite and differ")
        return
    _require(x.dtype == np.int8 and bool((np.abs(x) == 1).all()), "spins are int8, +1 or -1")
    many = system.random(4096, seed)
    _require((x[0] != many).any(), "random draws must differ from each other")
    excess = float(np.abs(many.mean(axis=0, dtype=np.float64)).max()) * 64
    _require(excess < 6, f"random spins must be up as often as down, one is {excess:.1f} sigma off")


def _energy(system: System, x: Array) -> None:
    energies = system.energy(x)
    _require(energies.shape == (len(x),), f"energy must have shape ({len(x)},), has {energies.shape}")
    _require(np.isfinite(energies).all(), "energies must be finite")
    alone = np.concatenate([system.energy(x[i : i + 1]) for i in range(len(x))])
    _same(energies, alone, "an energy must not depend on the rest of the batch")
    _same(energies, system.energy(x.astype(np.float64)), "an energy must not depend on the dtype of spins")


def _pairwise(system: Pairwise, x: Array) -> None:
    n = system.size
    _require(system.indptr.shape == (n + 1,), f"indptr must have shape ({n + 1},), has {system.indptr.shape}")
    _require(
        len(system.indices) == len(system.couplings) == system.indptr[-1],
        "indices and couplings must have indptr[-1] entries",
    )
    _require(system.fields.shape == (n,), f"fields must have shape ({n},), has {system.fields.shape}")
    rows = np.repeat(np.arange(n), np.diff(system.indptr))
    _require((np.diff(rows * n + system.indices) > 0).all(), "neighbours must ascend, each given once")
    matrix = np.zeros((n, n))
    matrix[rows, system.indices] = system.couplings
    _require((matrix == matrix.T).all(), "couplings must be symmetric, each bond stored twice")
    _require(not np.diagonal(matrix).any(), "no spin is coupled to itself")
    s = x.astype(np.float64)
    defined = np.array([-(row @ np.triu(matrix, 1) @ row) - system.fields @ row for row in s])
    _same(system.energy(x), defined, "energy must be -sum_{i<j} J_ij s_i s_j - sum h_i s_i of the arrays")


def _flips(system: Flips, x: Array, seed: int) -> None:
    costs, n = system.flip_cost(x), system.size
    _require(costs.shape == x.shape, f"flip_cost must have shape {x.shape}, has {costs.shape}")
    energies = system.energy(x)
    for i in np.random.default_rng(seed).permutation(n)[:64]:
        flipped = x.copy()
        flipped[:, i] *= -1
        _same(costs[:, i], system.energy(flipped) - energies, f"flip_cost of spin {i} must be what it costs")


def _moves(system: Moves, x: Array, seed: int) -> None:
    """Propose moves one after the other: each costs what it says, and leaves behind what it says."""
    rng = streams(seed, "check moves", 1)[0]
    memory = np.zeros(system.memory)
    for start in x[:4]:
        here = start.copy()
        with np.errstate(over="ignore"):
            energy = system.prepare(here, memory, system.data)
            _same(energy, system.energy(here[None])[0], "prepare must give the energy")
            made = 0
            for _ in range(200):
                before = here.copy()
                cost, ratio = system.propose(here, memory, system.data, rng)
                _require((here == before).all(), "propose must leave the configuration as it is")
                if not np.isfinite(cost):
                    continue
                _require(bool(np.isfinite(ratio)), "the log ratio of a move that can be made must be finite")
                system.accept(here, memory, system.data)
                made += 1
                energy += cost
                _same(energy, system.energy(here[None])[0], "the costs of moves must add up to the energy")
        _require(made > 0, "of 200 moves, not one could be made")
        _require((here != start).any(), "moves must change the configuration")


#: Steps of numerical derivatives, and how far, relative to the largest entry, they may be off.
STEP, DERIVED = 1e-5, 1e-5


def _smooth(system: Smooth, x: Array, seed: int) -> None:
    """Compare gradient and Hessian with differences, along the surface."""
    rng = np.random.default_rng(seed)
    x = system.settle(x)
    energies, gradients = system.energy_and_gradient(x)
    _same(energies, system.energy(x), "energy_and_gradient must give the energy")
    _same(gradients, system.gradient(x), "energy_and_gradient must give the gradient")
    _require(gradients.shape == x.shape, f"gradient must have shape {x.shape}, has {gradients.shape}")
    for _ in range(3):
        v = rng.standard_normal(x.shape)
        v = (system.settle(x + STEP * v) - system.settle(x - STEP * v)) / (2 * STEP)  # along the surface
        ahead, behind = system.settle(x + STEP * v), system.settle(x - STEP * v)
        axes = tuple(range(1, x.ndim))
        slope = (system.energy(ahead) - system.energy(behind)) / (2 * STEP)
        _close(np.sum(gradients * v, axis=axes), slope, "the gradient must be what the energy changes by")
        curve = np.sum(v * (system.gradient(ahead) - system.gradient(behind)), axis=axes) / (2 * STEP)
        _close(np.sum(v * system.hvp(x, v), axis=axes), curve, "v H v must be what the gradient changes by")


def _close(left: Array, right: Array, promise: str) -> None:
    worst = float(np.abs(left - right).max())
    room = DERIVED * max(1.0, float(np.abs(right).max()))
    _require(worst <= room, f"{promise}: they differ by up to {worst:g}")


def _metric(system: Metric, x: Array, y: Array) -> None:
    q = system.overlap(x, y)
    _require(q.shape == (len(x),), f"overlap must have shape ({len(x)},), has {q.shape}")
    _require((np.abs(q) <= 1).all(), f"overlaps must be in [-1, 1], one is {np.abs(q).max():g}")
    _same(q, system.overlap(y, x), "overlap(x, y) must be overlap(y, x)")
    _same(system.overlap(x, x), np.ones(len(x)), "a configuration's overlap with itself must be 1")
    near = system.nearest(x, y)
    _same(system.overlap(y, near), np.ones(len(x)), "the nearest image of y must be the same state as y")
    _same(system.energy(near), system.energy(y), "the nearest image of y must have the energy of y")
    if isinstance(system, Pairwise):
        turned = (-x).astype(np.int8)
        free = not system.fields.any()
        _same(
            system.overlap(turned, x),
            np.full(len(x), 1.0 if free else -1.0),
            "the overlap with all spins turned over must be 1 without a field, and -1 in one",
        )
        if free:
            _same(system.energy(x), system.energy(turned), "without a field, energy is even")


def _planted(system: Planted, x: Array) -> None:
    native = system.native
    _require(native.shape == system.shape, f"native must have shape {system.shape}, has {native.shape}")
    if isinstance(system, Flips):
        _require(native.dtype == np.int8 and bool((np.abs(native) == 1).all()), "native spins are int8, +-1")
    _require(bool(system.certificate), "a planted system says why nothing is lower")
    _same(system.energy(native[None]), np.array([system.ground_energy]), "energy(native) must be the claimed")
    room = ROUNDING * max(1.0, abs(system.ground_energy))
    _require(system.energy(x).min() >= system.ground_energy - room, "a random state is below the planted one")
    if isinstance(system, Flips):
        least = float(system.flip_cost(native[None]).min())
        _require(least >= -room, f"turning one spin of the planted state over gains {-least:g}")


def _all_states(system: System) -> None:
    """Compare the oracle with the system itself, state by state."""
    n, found = system.size, enumerate_states(system)
    _same(
        system.energy(found.ground_state[None]),
        np.array([found.ground_energy]),
        "the enumerated ground state must have the enumerated energy",
    )
    for start, energies in blocks(system):
        states = np.arange(start, start + len(energies))
        x = (2 * ((states[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
        _same(system.energy(x), energies, "enumeration and energy must agree on every state")
    if isinstance(system, Planted):
        _same(found.ground_energy, system.ground_energy, "enumeration must find nothing below the planted")


def check_dynamics(
    sample: Callable[[System, float, int], Trace],
    *,
    system: System | None = None,
    temperature: float = 1.0,
    seed: int = 0,
) -> None:
    """Check a dynamics `sample(system, temperature, seed)` that gives a `Trace` of equilibrium states.

    Its trace holds together (shapes, final and best configurations, their energies); one seed gives the same
    bits and another seed others; and the mean energy of its records at the temperature is the exact one,
    within 5 of its own error bars, which may be at most 3 % of it. The exact one is that of all 2^10 states
    of a glass in a field, or of the `system` given: spins or a lattice chain, few enough to look at all
    states, or a smooth energy of one or two coordinates, by quadrature.

    >>> from spinfunnel.dynamics import metropolis
    >>> check_dynamics(lambda system, t, seed: metropolis(system, t, sweeps=800, burn_in=200, seed=seed))

    Raises:
        AssertionError: if a promise is broken.
        BadInput: if the exact mean energy of the system cannot be known.
    """
    glass = _glass(seed) if system is None else system
    trace = _repeated(glass, lambda s: sample(glass, temperature, s), seed)
    other = sample(glass, temperature, seed + 1)
    _require(not np.array_equal(other.energies, trace.energies), "another seed must give other energies")
    replicas = trace.energies.T
    _require(
        len(np.unique(replicas, axis=0)) == len(replicas) > 1,
        "a trace needs two or more replicas, each with its own random numbers",
    )
    _, exact, where = _known(glass, temperature)
    found = _mean(glass, trace, temperature)
    assert found.error is not None
    _require(found.error <= 0.03 * abs(exact), f"u = {found} is too rough to tell: sample longer")
    sigma = (found.value - exact) / found.error
    _require(abs(sigma) <= 5, f"u at T = {temperature} is {found}, but {where} {exact:.5f}: {sigma:+.1f} σ")


def check_search(
    sample: Callable[[System, int], Trace], *, system: System | None = None, seed: int = 0
) -> None:
    """Check a search `sample(system, seed)` that gives a `Trace` on its way to a state of lowest energy.

    Its trace holds together, as that of `check_dynamics`; one seed gives the same bits; and of the same
    systems it finds the lowest energy (of coordinates: none on a fine grid is lower).

    >>> from spinfunnel.dynamics import anneal
    >>> check_search(lambda system, seed: anneal(system, sweeps=100, seed=seed))

    Raises:
        AssertionError: if a promise is broken.
        BadInput: if the lowest energy of the system cannot be known.
    """
    glass = _glass(seed) if system is None else system
    trace = _repeated(glass, lambda s: sample(glass, s), seed)
    lowest, _, where = _known(glass, 1.0)
    room = ROUNDING * max(1.0, abs(lowest))
    _require(
        trace.best_energy <= lowest + room,
        f"the lowest energy found is {trace.best_energy:.6g}, but {where} {lowest:.6g}",
    )


def _glass(seed: int) -> System:
    return named("sk?field=0.4", size=10, seed=seed)


def _repeated(system: System, sample: Callable[[int], Trace], seed: int) -> Trace:
    """Give what one seed gives, if it holds together and comes out the same again."""
    trace, again = sample(seed), sample(seed)
    _trace(system, trace)
    _require(np.array_equal(again.energies, trace.energies), "one seed must give the same energies")
    _require(np.array_equal(again.final, trace.final), "one seed must give the same final configurations")
    return trace


def _mean(system: System, trace: Trace, temperature: float) -> Number:
    """Give u of the records at the temperature; of a population, a family is one block, not a replica."""
    records = trace.energies[trace.temperatures == temperature]
    _require(len(records) > 0, f"nothing is recorded at T = {temperature}")
    if "family" in trace.stats:
        row = by_family(records[-1], trace.stats["family"], system.size)
        return Number(row["u"], error=row["u_error"])
    return mean_of_replicas(records / system.size)


def _known(system: System, temperature: float) -> tuple[float, float, str]:
    """Give the lowest energy and u at a temperature, both exact, and in words of which states."""
    if isinstance(system, Chain):
        chains = enumerate_chains(system, [temperature])
        return chains.ground_energy, float(chains.thermal.u[0]), "of all conformations"
    if isinstance(system, Smooth):
        return *_quadrature(system, temperature), "by quadrature"
    if system.random(1, 0).dtype == np.int8:
        spins = enumerate_states(system, [temperature])
        return spins.ground_energy, float(spins.thermal.u[0]), "of all states"
    raise BadInput(f"nothing exact is known of {system.name}: take spins, a chain, or a smooth energy")


#: Points of a grid along each coordinate, and the share of the weight at its border that is none.
POINTS, NONE = 801, 1e-9


def _quadrature(system: Smooth, temperature: float) -> tuple[float, float]:
    """Give the lowest energy on a grid, three times as wide as random draws are, and u by its sum."""
    if system.size > 2 or type(system).settle is not Smooth.settle:
        raise BadInput(f"{system.name} is not an energy of one or two coordinates in flat space: take one")
    draws = system.random(4096, 0)
    low, high = draws.min(axis=0), draws.max(axis=0)
    sides = np.linspace(2 * low - high, 2 * high - low, POINTS).T
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
    with np.errstate(over="ignore"):
        energies = system.energy(grid.reshape(-1, system.size)).reshape(grid.shape[:-1])
    lowest = float(energies.min())
    weights = np.exp((lowest - energies) / temperature)
    inside = weights[(slice(1, -1),) * system.size].sum()
    if weights.sum() - inside > NONE * inside:
        raise BadInput(f"{system.name} at T = {temperature:g} goes further than its random draws: cool it")
    some = weights > 0  # where it is zero, the energy may be infinite
    means = [
        float(weights[part][some[part]] @ energies[part][some[part]] / weights[part].sum())
        for part in ((slice(None),) * system.size, (slice(None, None, 2),) * system.size)
    ]
    if abs(means[0] - means[1]) > 1e-3 * abs(means[0]):
        raise BadInput(f"{system.name} at T = {temperature:g} is too narrow for a grid: warm it")
    return lowest, means[0] / system.size


def _trace(system: System, trace: Trace) -> None:
    records, replicas = trace.energies.shape
    _require(trace.times.shape == trace.temperatures.shape == (records,), "times and temperatures are (T,)")
    _require(bool((np.diff(trace.times) > 0).all()), "times must ascend")
    _require(trace.final.shape == (replicas, *system.shape), "final is (R, *shape)")
    _require(trace.best.shape == system.shape, "best is one configuration")
    _same(system.energy(trace.best[None]), np.array([trace.best_energy]), "best_energy must be that of best")
    room = 1e-5 * max(1.0, abs(trace.best_energy))
    _require(trace.best_energy <= trace.energies.min() + room, "nothing recorded may be below best_energy")
    if trace.states is not None:
        _require(trace.states.shape == (records, replicas, *system.shape), "states are (T, R, ...)")
        worst = np.abs(system.energy(trace.states[-1]) - trace.energies[-1]).max()
        _require(worst <= room, f"recorded energies must be those of recorded states, one is {worst:g} off")
