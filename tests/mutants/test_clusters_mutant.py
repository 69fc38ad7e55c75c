"""Planted bugs in cluster moves and population annealing: each must turn a calibration red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.dynamics import clusters, population
from spinfunnel.dynamics.houdayer import houdayer as tempered_pairs

houdayer = inspect.getmodule(tempered_pairs)
CALIBRATIONS = {one.name: one for module in (clusters, houdayer, population) for one in module.calibrations}
FRUSTRATED, HOUDAYER = "clusters in frustrated systems", "Houdayer's clusters against enumeration"
POPULATION = "population annealing against enumeration"


def red(name):
    return [row for row in judge_calibration(CALIBRATIONS[name].run(0)).rows if not row.ok]


def rewritten(monkeypatch, module, function, old, new):
    """Put in a compiled function as if its source were another; nothing of it is cached."""
    source = inspect.getsource(module)
    assert source.count(old) == 1
    names = {"__name__": module.__name__}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(module, function, names[function])


@pytest.mark.parametrize("name", [FRUSTRATED, HOUDAYER, POPULATION])
def test_the_originals_are_green(name):
    assert red(name) == []


def test_a_bond_probability_without_its_factor_two(monkeypatch):
    rewritten(monkeypatch, clusters, "run", "np.exp(-2 * now * strengths[k])", "np.exp(-now * strengths[k])")
    assert {row.system.split(", ")[-1] for row in red(FRUSTRATED)} == {"Swendsen-Wang", "Wolff"}


@pytest.mark.parametrize(
    ("right", "wrong", "of"),
    [
        ("stays = 1 / (1 + np.exp(-2 * beta", "stays = 1 / (1 + np.exp(2 * beta", "Swendsen-Wang"),
        ("turns = pull <= 0 or uniform", "turns = uniform(rng) >= 0 or uniform", "Wolff"),
    ],
)
def test_a_field_that_pulls_the_wrong_way_or_not_at_all(monkeypatch, right, wrong, of):
    rewritten(monkeypatch, clusters, "run", right, wrong)
    bad = red(FRUSTRATED)
    assert bad
    assert all("field" in row.system and row.system.endswith(of) for row in bad)


def test_bonds_active_whatever_their_sign(monkeypatch):
    monkeypatch.setattr(clusters, "run", clusters.run)
    source = "satisfied & (uniform(rng) < chances[kinds[k]])"
    rewritten(monkeypatch, clusters, "run", source, "uniform(rng) < chances[kinds[k]]")
    assert red(FRUSTRATED)


def test_an_overlap_cluster_turned_over_in_one_replica_only(monkeypatch):
    rewritten(
        monkeypatch,
        houdayer,
        "turn_clusters",
        "turn_over(other, local[b // width], lane_b, i, indptr, indices, couplings)",
        "pass",
    )
    assert red(HOUDAYER)


def test_clusters_where_replicas_agree_turned_over_in_a_field(monkeypatch):
    rewritten(monkeypatch, houdayer, "turn_clusters", "same = free and 2", "same = 2")
    bad = red(HOUDAYER)
    assert bad
    assert all("field" in row.system for row in bad)


def test_resampling_with_wrong_weights(monkeypatch):
    right = population.expected_copies
    monkeypatch.setattr(population, "expected_copies", lambda energies, step: right(energies, 0.8 * step))
    assert red(POPULATION)


def test_no_resampling(monkeypatch):
    monkeypatch.setattr(population, "resampled", lambda copies, shift: np.arange(len(copies)))
    assert red(POPULATION)


def test_log_z_by_the_mean_energy(monkeypatch):
    """The mean of the logarithm in place of the logarithm of the mean: thermodynamic integration, badly."""
    monkeypatch.setattr(population, "log_mean_weight", lambda energies, step: -step * float(energies.mean()))
    bad = red(POPULATION)
    assert bad
    assert all(row.quantity.startswith("Z") for row in bad)
