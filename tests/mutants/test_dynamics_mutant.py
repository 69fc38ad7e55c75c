"""Planted bugs in the dynamics: each must turn a calibration red, or break the contract."""

import inspect

import numpy as np
import pytest
from tests.dynamics.moves import lopsided

from spinfunnel.calibrate import judge_calibration
from spinfunnel.core import seeds
from spinfunnel.dynamics import (
    annealing,
    calibration,
    engines,
    kernels,
    lanes,
    metropolis,
    replicas,
    temper,
    walkers,
)
from spinfunnel.maths import statistics
from spinfunnel.testing import check_dynamics

MOVED, MOVED_AND_TEMPERED = "own moves against enumeration", "own moves, tempered"
CALIBRATIONS = {one.name: one for one in calibration.calibrations}


def red(name):
    return [row for row in judge_calibration(CALIBRATIONS[name].run(0)).rows if not row.ok]


def rewritten(monkeypatch, old, new, module=kernels, loops=("run", "temper", "exchange")):
    """Give the loops of a module with one piece of their source replaced."""
    source = inspect.getsource(module)
    assert source.count(old) == 1
    names = {"__name__": module.__name__}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    for loop in loops:
        monkeypatch.setattr(module, loop, names[loop])


def simple(system, temperature, seed):
    return metropolis(system, temperature, sweeps=900, burn_in=100, replicas=256, seed=seed)


def test_the_originals_are_green():
    for name in CALIBRATIONS:
        assert red(name) == []
    check_dynamics(simple)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_a_temperature_five_percent_off(monkeypatch, factor):
    right = replicas.positive
    for function in (metropolis, temper):
        monkeypatch.setattr(inspect.getmodule(function), "positive", lambda t: factor * right(t))
    assert red("metropolis against enumeration")
    assert red("metropolis against the torus")
    assert red("tempering against enumeration")
    assert red(MOVED)
    assert red(MOVED_AND_TEMPERED)
    with pytest.raises(AssertionError, match="of all states"):
        check_dynamics(simple)


@pytest.mark.slow
def test_swaps_by_energies_per_spin(monkeypatch):
    rewritten(
        monkeypatch, "(energies[cold] - energies[hot])", "(energies[cold] - energies[hot]) / lane_at.size"
    )
    assert red("tempering against enumeration")
    assert not red("metropolis against enumeration")
    assert red(MOVED_AND_TEMPERED)


@pytest.mark.slow
def test_swaps_of_the_wrong_sign(monkeypatch):
    rewritten(monkeypatch, "(energies[cold] - energies[hot])", "(energies[hot] - energies[cold])")
    assert red("tempering against enumeration")
    assert red(MOVED_AND_TEMPERED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        (
            "in range(indptr[i], indptr[i + 1]):\n            coupling, field",
            "in range(indptr[i] + (i == 3), indptr[i + 1]):\n            coupling, field",
            "ising2d",
        ),
        (
            "for j in range(n):\n                        mine",
            "for j in range(n - 1):\n                        mine",
            "sk",
        ),
    ],
    ids=["sparse", "dense"],
)
def test_the_local_field_of_one_neighbour_is_not_updated(monkeypatch, right, wrong, where):
    rewritten(monkeypatch, right, wrong)
    bad = red("metropolis against enumeration")
    assert bad
    assert all(row.system.startswith(where) for row in bad)


@pytest.mark.parametrize(("engine", "check"), [(lanes, "metropolis against enumeration"), (walkers, MOVED)])
def test_all_replicas_share_their_random_numbers(monkeypatch, engine, check):
    """Energies stay right, and overlaps between replicas come out too large: <q²> alone can tell."""
    right = engine.streams
    monkeypatch.setattr(engine, "streams", lambda seed, name, n: np.tile(right(seed, name, 1), (n, 1)))
    bad = red(check)
    squares = [row for row in bad if row.quantity == "<q²>"]
    assert squares
    assert all(row.value > row.exact for row in squares)


@pytest.mark.slow
def test_a_uniform_number_with_too_few_bits(monkeypatch):
    rewritten(monkeypatch, "WIDTH) >> np.uint32(8))", "WIDTH) >> np.uint32(8) & np.uint32(0xF00000))")
    assert red("metropolis against enumeration")


@pytest.mark.parametrize(
    "wrong",
    ["beta * (log_ratio - cost)", "-log_ratio - beta * cost", "-beta * cost"],
    ids=["multiplied by beta", "inverted", "left out"],
)
def test_the_ratio_of_proposals_is_mistaken(monkeypatch, wrong):
    """Only a system that proposes lopsidedly can tell; where the ratio is one, nothing changes."""
    given = lopsided(8)
    check_dynamics(simple, system=given, temperature=1.8)
    rewritten(monkeypatch, "log_ratio - beta * cost", wrong, walkers, ["walk"])
    with pytest.raises(AssertionError, match="of all states"):
        check_dynamics(simple, system=given, temperature=1.8)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("energy[r] += cost", "energy[r] += cost * (cost < 0)"),
        ("uniform(rng) < np.exp(exponent)", "uniform(rng) < np.exp(1.05 * exponent)"),
    ],
    ids=["a cost is not counted", "the factor is five percent off"],
)
def test_a_walker_goes_wrong(monkeypatch, right, wrong):
    rewritten(monkeypatch, right, wrong, walkers, ["walk", "accepted"])
    assert red(MOVED)


def test_an_anneal_that_never_cools(monkeypatch):
    monkeypatch.setattr(annealing, "betas", lambda share, hot, cold, schedule: np.full(len(share), 1 / hot))
    assert red("annealing against enumeration")


def test_a_window_that_closes_too_soon(monkeypatch):
    monkeypatch.setattr(statistics, "WINDOW", 1)
    rows = [row for one in statistics.calibrations for row in one.run(seeds(0, "mutant"))]
    assert not judge_calibration(rows).ok


def test_a_chain_taken_in_turn(monkeypatch):
    """Domain walls are carried around by the sweep: u stays where the random start left it."""
    assert red("metropolis against the ring") == []
    monkeypatch.setattr(engines, "usual_order", lambda system: "sequential")
    assert len(red("metropolis against the ring")) == 3
