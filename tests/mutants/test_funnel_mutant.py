"""Planted bugs in cooling, fork and the rule: each must turn a calibration red."""

import numpy as np

from spinfunnel import coolings
from spinfunnel.instruments import instrument
from spinfunnel.instruments.funnel import calibration, rule
from spinfunnel.maths import bootstrap
from spinfunnel.systems import spins


def red(name, run):
    (found,) = [one for one in run if one.name == name]
    return [row for row in found.run(0) if not row.ok or abs(row.sigma or 0) > 4]


def test_the_symmetry_is_forgotten(monkeypatch):
    name, cards = "ends of a ferromagnet", instrument("cooling").calibrations
    assert red(name, cards) == []
    monkeypatch.setattr(spins.Spins, "overlap", lambda self, x, y: (x.astype(float) * y).mean(axis=1))
    assert red(name, cards)


def test_t90_is_the_first_crossing_of_a_noisy_curve(monkeypatch):
    name, cards = "T90", instrument("cooling").calibrations
    assert red(name, cards) == []
    monkeypatch.setattr(coolings, "DONE", 0.8)
    assert red(name, cards)


def test_forks_begin_at_random_states(monkeypatch):
    name, cards = "survival", instrument("fork").calibrations
    assert red(name, cards) == []
    swept = coolings._swept

    def elsewhere(system, temperatures, seed, **how):
        return swept(system, temperatures, seed, **(how | {"start": None}))

    monkeypatch.setattr(coolings, "_swept", elsewhere)
    monkeypatch.setattr(coolings, "STAY", 2)
    monkeypatch.setattr(coolings, "BACK", 2)
    assert red(name, cards)


def test_a_replica_is_paired_with_itself(monkeypatch):
    name = "bootstrap of pairs"
    assert red(name, bootstrap.calibrations) == []
    pairs = bootstrap.mean_of_pairs

    def with_itself(table, seed):
        found = pairs(table, seed)
        return type(found)(float(np.mean(table)), found.low, found.high)

    monkeypatch.setattr(bootstrap, "mean_of_pairs", with_itself)
    assert red(name, bootstrap.calibrations)


def test_the_rule_forgets_that_a_funnel_survives(monkeypatch):
    assert red("the rule", calibration.calibrations) == []
    monkeypatch.setattr(rule, "SURVIVES", (0.0, 0.0))
    assert red("the rule", calibration.calibrations)
