from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spinfunnel.core import Number
from spinfunnel.instruments import instrument
from spinfunnel.instruments.criticality import cost, judge, measure
from spinfunnel.instruments.criticality.networks import (
    of_the_glass,
    permuted,
    scale,
    spectrum,
    starts,
    work,
)
from spinfunnel.instruments.criticality.of_networks import related
from spinfunnel.networks.solved import deep_linear, deep_linear_saddles, taught
from spinfunnel.subject import Subject
from spinfunnel.systems.complexity import index_share
from spinfunnel.systems.network_loss import NetworkLoss

torch = pytest.importorskip("torch")
CALIBRATIONS = {one.name: one for one in instrument("criticality").calibrations}


@pytest.fixture(scope="module")
def subject():
    system = taught(1, shuffled=False)
    return Subject(system=system, losses=system.functions[0], effort="quick")


@pytest.fixture(scope="module")
def found(subject):
    return measure(subject, findings={}, seed=0, budget=None)


def test_the_index_is_larger_at_saddles_than_below(found):
    table = found.table("low-gradient points")
    mine = table[~table["name"].str.endswith("permuted")]
    assert len(mine) == found.numbers["searches"].value
    assert set(mine["end"]) <= {"stationary", "stalled", "unfinished"}
    assert (
        mine["gradient"][mine["end"] == "stationary"] <= found.numbers["gradient that counts as none"].value
    ).all()
    assert mine["name"].iloc[-1] == "trained"
    assert mine["index_share"].iloc[0] > 0.01 > mine["index_share"].iloc[-1]
    assert mine["downward_share"].iloc[0] > 0.3 > mine["downward_share"].iloc[-1]


def test_what_stalled_is_drawn_but_not_counted(found):
    table = found.table("low-gradient points")
    stationary = (table["end"] == "stationary") & ~table["name"].str.endswith("permuted")
    assert found.numbers["stationary points"].value == stationary.sum()
    drawn = {one.label: len(one.x) for one in found.series if "all eigenvalues" in one.panel}
    assert drawn.get("stationary points", 0) == stationary.sum()
    assert sum(drawn[label] for label in drawn if "glass" not in label) == len(table)


def test_the_verdict_says_how_many_and_what_the_null_did(found):
    said = judge(found)
    numbers = found.numbers
    assert f"{numbers['stationary points']} of {numbers['searches']} searches ended" in said.sentence
    assert "from permuted weights (null)" in said.sentence
    assert said.sentence.endswith("examples).")
    assert len(said.sentence) <= 280, "three lines in a terminal"
    if not found.doubts:
        assert said.outcome == "info"
    assert judge(replace(found, doubts=("few",))).outcome == "unsure"


@pytest.mark.parametrize(
    ("rho", "p", "label"),
    [
        (0.9, 1e-3, "index grows with loss"),
        (-0.9, 1e-3, "index falls with loss"),
        (0.4, 0.3, "no relation seen"),
    ],
)
def test_labels(found, rho, p, label):
    numbers = {**found.numbers, "Spearman of index and loss": Number(rho), "its p": Number(p)}
    assert judge(replace(found, numbers=numbers, doubts=())).label == label


@pytest.mark.slow
def test_one_seed_gives_the_same_bits(subject, found):
    again = measure(subject, findings={}, seed=0, budget=None)
    for name, column in found.tables["low-gradient points"].columns.items():
        np.testing.assert_array_equal(again.tables["low-gradient points"].columns[name], column)


class Priced:
    """A loss of so many examples, each of which costs the same."""

    within = NetworkLoss.within

    def __init__(self, examples, seconds):
        self.examples, self.seconds = examples, seconds

    def few(self, examples, seed):
        return Priced(examples, self.seconds * examples / self.examples)


def test_little_time_means_fewer_examples_and_then_less_work(subject):
    assert work(Priced(300, 1e-3), "quick", 9.0, 0)[1].examples == 300
    todo, few = work(Priced(4000, 0.1), "normal", 45.0, 0)
    assert few.examples in (256, 512, 1024)
    assert todo.cost * few.seconds <= 45
    assert work(Priced(4000, 10.0), "normal", 45.0, 0)[1].examples == 64
    late = measure(subject, findings={}, seed=0, budget=1e-9)
    said = judge(late)
    assert (said.outcome, said.label) == ("unsure", "not searched")
    assert "more than the 0 s there are" in said.sentence
    assert cost(subject, "quick") < 9


def test_searches_begin_on_the_way_of_training(subject):
    system = subject.system
    x, names = starts(subject, system, 5, seed=0)
    assert names[0] == "0% of the way"
    np.testing.assert_array_equal(x[-1], system.trained)
    energies = system.energy(x)
    assert energies[0] > energies[-1]
    snapshots = [(1 - a) * x[0] + a * x[-1] for a in np.linspace(0, 1, 9)]
    history = SimpleNamespace(
        steps=np.arange(9) * 10,
        losses=system.energy(np.array(snapshots)),
        mapping=lambda i: system.mapping(snapshots[i]),
    )
    x, names = starts(replace(subject, history=history), system, 4, seed=0)
    assert names[0] == "step 0"
    assert names[-1] == "trained"
    np.testing.assert_allclose(x[0], snapshots[0], rtol=1e-6)


def test_the_null_has_the_same_entries_in_every_parameter(subject):
    system = subject.system
    w = system.trained[None].astype(float)
    null = permuted(system, w, 0)
    assert not np.array_equal(null, w)
    for block in system.blocks:
        part = slice(block.start, block.stop)
        np.testing.assert_array_equal(np.sort(null[0, part]), np.sort(w[0, part]))


def test_the_gradient_that_counts_as_none(subject):
    reach, none = scale(subject.system, 0)
    assert 1 < reach < 3
    assert none == pytest.approx(5e-3 * reach / np.linalg.norm(subject.system.trained))


@pytest.mark.slow
def test_a_network_that_nothing_has_trained_is_doubted():
    system = taught(1, shuffled=False)
    system.native = system.random(1, 3)[0] * 3
    found = measure(Subject(system=system, losses=1, effort="quick"), findings={}, seed=0, budget=None)
    assert "not below that at untrained ones" in found.doubts[0]


def test_index_and_loss_are_seldom_related_by_chance():
    rng = np.random.default_rng(0)
    found = [related(rng.integers(3, size=8), rng.normal(size=8), i) for i in range(200)]
    chance = sum(one is not None and one[1] < 0.05 for one in found)
    assert 1 <= chance <= 20
    assert related(np.arange(5), np.arange(5), 0) is None
    assert related(np.repeat([0, 1], [6, 3]), np.r_[np.zeros(6), 1, 3, 2], 0)[1] < 0.05
    assert related(np.arange(8), -np.arange(8.0), 0) == pytest.approx((-1, 1e-4), abs=3e-4)


def test_the_glass_is_scaled_to_points_that_are_its_own():
    u = np.array([-1.5, -1.2, -0.8, -0.3])
    losses = 3.0 + 0.7 * u
    grid = 3.0 + 0.7 * np.linspace(-1.6, 0, 9)
    np.testing.assert_allclose(
        of_the_glass(losses, index_share(u, 3), grid), index_share(np.linspace(-1.6, 0, 9), 3), atol=1e-3
    )
    assert of_the_glass(losses[:2], index_share(u[:2], 3), grid) is None
    assert of_the_glass(-losses, index_share(u, 3), grid) is None


def test_stationary_points_of_a_linear_network_are_where_they_should_be():
    values = np.array([2.0, 1.0])
    system = deep_linear(values, 2)
    middle = np.zeros(system.size)
    np.testing.assert_allclose(system.gradient(middle[None]), 0)
    assert spectrum(system, middle, steps=8, probes=1, seed=0)[0] * system.size == pytest.approx(4)
    assert (system.energy(middle[None])[0], 4) == pytest.approx(deep_linear_saddles(values, 2)[-1])


@pytest.mark.parametrize("name", ["linear networks", "index by probes"])
def test_the_calibrations_hold(name):
    rows = list(CALIBRATIONS[name].run(1))
    assert rows
    assert all(row.ok for row in rows), rows
