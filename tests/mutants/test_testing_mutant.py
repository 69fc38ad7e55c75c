"""Planted bugs in dynamics and searches: the kits that test them must turn red, and say why."""

import importlib
import inspect
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from spinfunnel.dynamics import anneal, descend, metropolis, population, population_annealing
from spinfunnel.maths import integrators
from spinfunnel.systems import system
from spinfunnel.testing import check_dynamics, check_search

langevin = importlib.import_module("spinfunnel.dynamics.langevin")
STEPS = {
    "overdamped": {"step": 0.005, "steps": 4000, "record_every": 200, "replicas": 500},
    "mala": {"step": 0.1, "steps": 2000, "record_every": 20},
    "underdamped": {"step": 0.1, "steps": 4000, "record_every": 50},
}


@pytest.mark.parametrize(
    ("method", "module", "name", "old", "new"),
    [
        ("overdamped", integrators, "euler_maruyama", "math.sqrt(2 * step", "math.sqrt(step"),
        ("mala", langevin, "mala", "(new_energy - energy) / t", "(new_energy - energy) / (1.2 * t)"),
        ("underdamped", integrators, "baoab", "1 - kept**2", "1 - kept"),
    ],
)
def test_langevin_of_the_wrong_law(monkeypatch, method, module, name, old, new):
    source = inspect.getsource(getattr(module, name))
    assert source.count(old) == 1
    names = dict(vars(module))
    exec(compile(source.replace(old, new), "mutant", "exec", dont_inherit=True), names)
    monkeypatch.setattr(langevin, name, names[name])
    with pytest.raises(AssertionError, match="by quadrature"):
        check_dynamics(
            lambda well, t, seed: langevin.langevin(well, t, method=method, seed=seed, **STEPS[method]),
            system=system("double-well"),
        )


def test_a_chain_at_the_wrong_temperature():
    def warm(chain, t, seed):
        trace = metropolis(chain, 1.2 * t, sweeps=1500, burn_in=200, replicas=64, seed=seed)
        return replace(trace, temperatures=trace.temperatures / 1.2)

    with pytest.raises(AssertionError, match="of all conformations"):
        check_dynamics(warm, system=system("heteropolymer7"), temperature=1.0)


def test_records_at_another_temperature():
    with pytest.raises(AssertionError, match="nothing is recorded"):
        check_dynamics(lambda glass, t, seed: metropolis(glass, 2 * t, sweeps=10, seed=seed))


def cooled(glass, t, seed):
    return population_annealing(glass, [t], population=1000, sweeps=1, seed=seed)


def test_a_population_that_is_not_resampled(monkeypatch):
    given = system("rem10")
    check_dynamics(cooled, system=given)
    monkeypatch.setattr(population, "resampled", lambda copies, shift: np.arange(len(copies)))
    with pytest.raises(AssertionError, match="of all states"):
        check_dynamics(cooled, system=given)


def test_a_population_whose_families_are_forgotten():
    """Relatives counted as independent make error bars too small: of 24 seeds 5 show it, this is one."""

    def forgetful(glass, t, seed):
        return replace(cooled(glass, t, seed), stats={})

    given = {"system": system("rem10"), "temperature": 0.3}
    check_dynamics(cooled, **given)
    with pytest.raises(AssertionError, match="of all states"):
        check_dynamics(forgetful, **given)


def backwards(glass, seed):
    """Give the highest end of an anneal for its best."""
    trace = anneal(glass, sweeps=1, hot=100.0, cold=10.0, anneals=64, seed=seed)
    energies = glass.energy(trace.final)
    return replace(trace, best=trace.final[energies.argmax()], best_energy=float(energies.max()))


CALLS = count()


def hot(given, seed):
    return metropolis(given, 50.0, sweeps=1, replicas=4, seed=seed)


@pytest.mark.parametrize(
    ("search", "given", "why"),
    [
        (hot, "", "of all states"),
        (hot, "go9", "of all conformations"),
        (lambda x, seed: descend(x, np.array([[0.6, 0.0]])), "mueller-brown", "by quadrature"),
        (lambda x, seed: hot(x, next(CALLS)), "", "the same energies"),
        (backwards, "", "below best_energy"),
    ],
    ids=["too hot", "too hot for a chain", "in the next minimum", "forgets its seed", "keeps the worst"],
)
def test_a_search_that_is_wrong(search, given, why):
    with pytest.raises(AssertionError, match=why):
        check_search(search, system=system(given) if given else None)
