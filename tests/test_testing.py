"""The shipped kits: what passes. What they must find is in tests/mutants."""

import inspect
from functools import partial

import numpy as np
import pytest

from spinfunnel import dynamics
from spinfunnel.core import BadInput
from spinfunnel.dynamics import (
    anneal,
    basin_hopping,
    descend,
    houdayer,
    langevin,
    metropolis,
    population_annealing,
    quench,
    swendsen_wang,
    temper,
    wolff,
)
from spinfunnel.systems import system
from spinfunnel.testing import _quadrature, check_dynamics, check_search, check_system


@pytest.mark.parametrize("size", [1, 2, 16, 17, 200])
def test_systems_of_any_size_are_checked(size):
    check_system(system("sk?field=.2", size=size), batch=3, seed=4)


def test_one_configuration_is_a_batch():
    check_system(system("ea", size=3), batch=1)


def ladder(t):
    return [3 * t, 1.7 * t, t]


#: Dynamics, on what, and how. Nothing named is the glass of ten spins.
EQUILIBRIUM = [
    ("metropolis", "", partial(metropolis, sweeps=600, burn_in=100)),
    ("metropolis", "", partial(metropolis, sweeps=600, burn_in=100, order="random")),
    ("metropolis", "", partial(metropolis, sweeps=600, burn_in=100, rule="heat bath")),
    ("metropolis", "", partial(metropolis, sweeps=600, burn_in=100, order="random", rule="heat bath")),
    ("metropolis", "rem8", partial(metropolis, sweeps=1500, burn_in=200, replicas=64)),
    ("metropolis", "xorsat10", partial(metropolis, sweeps=1500, burn_in=200, replicas=64)),
    ("metropolis", "heteropolymer7", partial(metropolis, sweeps=1500, burn_in=200, replicas=64)),
    ("temper", "", lambda x, t, seed: temper(x, ladder(t), sweeps=600, ladders=40, seed=seed, burn_in=50)),
    ("temper", "rem8", lambda x, t, seed: temper(x, ladder(t), sweeps=600, ladders=40, seed=seed)),
    ("houdayer", "ea3?dimension=2&law=gauss&field=0.3",
     lambda x, t, seed: houdayer(x, ladder(t), sweeps=600, pairs=40, seed=seed, burn_in=50)),
    ("swendsen_wang", "", partial(swendsen_wang, sweeps=800, burn_in=100, replicas=64)),
    ("wolff", "", partial(wolff, clusters=4000, burn_in=500, record_every=4, replicas=64)),
    ("population_annealing", "", lambda x, t, seed: population_annealing(x, [t], seed=seed)),
    ("population_annealing", "rem8", lambda x, t, seed: population_annealing(x, [t], seed=seed)),
    ("langevin", "double-well", partial(langevin, step=0.005, steps=4000, record_every=200, replicas=500)),
    ("langevin", "double-well", partial(langevin, method="mala", step=0.1, steps=2000, record_every=20)),
    ("langevin", "double-well", partial(langevin, method="underdamped", step=0.1, steps=999, record_every=9)),
]  # fmt: skip

SEARCHES = [
    ("anneal", "", partial(anneal, sweeps=100)),
    ("anneal", "rem8", partial(anneal, sweeps=200)),
    ("anneal", "heteropolymer7", partial(anneal, sweeps=200)),
    ("quench", "", lambda x, seed: quench(x, x.random(64, seed), seed=seed)),
    ("quench", "xorsat10", lambda x, seed: quench(x, x.random(64, seed), seed=seed)),
    ("quench", "heteropolymer7", lambda x, seed: quench(x, x.random(64, seed), seed=seed)),
    ("descend", "mueller-brown", lambda x, seed: descend(x, x.random(16, seed))),
    ("basin_hopping", "mueller-brown", partial(basin_hopping, hops=5, temperature=20.0)),
]


@pytest.mark.parametrize(("name", "given", "how"), EQUILIBRIUM)
def test_every_dynamics_keeps_its_promises(name, given, how):
    check_dynamics(lambda x, t, seed: how(x, t, seed=seed), system=system(given) if given else None)


@pytest.mark.parametrize(("name", "given", "how"), SEARCHES)
def test_every_search_keeps_its_promises(name, given, how):
    check_search(lambda x, seed: how(x, seed=seed), system=system(given) if given else None)


def test_no_dynamics_is_forgotten():
    exported = {name: getattr(dynamics, name) for name in dynamics.__all__}
    moves = {name for name, each in exported.items() if inspect.signature(each).return_annotation == "Trace"}
    assert {name for name, _, _ in (*EQUILIBRIUM, *SEARCHES)} == moves


def test_quadrature_is_right():
    """The energy along y is T/2; that along x is so at low T, and at any T a sum over x alone."""
    lowest, u = _quadrature(system("double-well"), 0.01)
    assert lowest == pytest.approx(0, abs=1e-4)
    assert u == pytest.approx(0.01 / 2, rel=0.01)
    x = np.linspace(-5, 5, 20001)
    e = (x**2 - 1) ** 2
    assert 2 * _quadrature(system("double-well"), 1.0)[1] == pytest.approx(
        e @ np.exp(-e) / np.exp(-e).sum() + 0.5, rel=1e-9
    )


@pytest.mark.parametrize(
    ("name", "size", "temperature", "why"),
    [
        ("lj", 5, 1.0, "one or two coordinates"),
        ("spherical-pspin", 10, 1.0, "flat space"),
        ("double-well", 2, 100.0, "cool it"),
        ("double-well", 2, 1e-6, "warm it"),
    ],
)
def test_what_cannot_be_known_is_said(name, size, temperature, why):
    with pytest.raises(BadInput, match=why):
        check_dynamics(
            lambda given, t, seed: langevin(given, t, step=1e-9, steps=2, replicas=2, seed=seed),
            system=system(name, size=size), temperature=temperature,
        )  # fmt: skip
