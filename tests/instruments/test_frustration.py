"""Frustration: loops by brute force, bonds by hand, the index where it is known, and the words."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.coolings import Cooling, cool
from spinfunnel.core import BadInput
from spinfunnel.instruments import frustration as it
from spinfunnel.instruments.frustration import bonds, calibration, loops
from spinfunnel.instruments.frustration.nulls import student
from spinfunnel.subject import subject_of
from spinfunnel.systems import system
from spinfunnel.systems.spins import Spins


def by_hand(spins, length):
    """Count triangles, or squares without a bond across, the slow way: every set of three or four spins."""
    j = np.sign(spins.matrix.toarray())
    count = frustrated = 0
    for sites in itertools.combinations(range(spins.size), length):
        ways = [sites] if length == 3 else [(sites[0], *rest) for rest in itertools.permutations(sites[1:])]
        for way in ways:
            if length == 4 and (way[1] > way[3] or j[way[0], way[2]] or j[way[1], way[3]]):
                continue
            around = np.prod([j[a, b] for a, b in zip(way, (*way[1:], way[0]), strict=True)])
            count += around != 0
            frustrated += around < 0
    return count, frustrated


def sparse(size, share, seed):
    rng = np.random.default_rng(seed)
    there = np.triu(rng.random((size, size)) < share, 1)
    there[np.arange(size - 1), np.arange(1, size)] = True
    return Spins.of_matrix(np.where(there | there.T, (n := rng.standard_normal((size, size))) + n.T, 0))


@pytest.mark.parametrize("make", [
    lambda: sparse(14, 0.3, 0), lambda: sparse(14, 0.15, 1), lambda: sparse(12, 0.7, 2),
    lambda: system("ea", 2), lambda: system("ea?dimension=2", 4), lambda: system("hopfield?patterns=2", 10),
    lambda: system("ising-triangular?coupling=-1", 4),
])  # fmt: skip
def test_loops_are_those_that_can_be_counted_by_hand(make):
    spins = make()
    found = {one.length: (one.count, one.frustrated) for one in loops.elementary(spins)}
    for length in (3, 4):
        assert found.get(length, (0, 0)) == by_hand(spins, length)


def test_bonds_without_strength_close_no_loop():
    square = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])
    without = Spins.of_edges(square, np.array([1.0, 1, 1, -1, 0]), size=4)
    (found,) = loops.elementary(without)
    assert (found.length, found.count, found.frustrated) == (4, 1, 1)
    both = loops.elementary(Spins.of_edges(square, np.array([1.0, 1, 1, -1, 1]), size=4))
    assert [(one.length, one.count, one.frustrated) for one in both] == [(3, 2, 1)]


def test_a_tree_has_no_loop():
    assert loops.elementary(Spins.of_edges(np.array([[0, 1], [1, 2], [1, 3]]), np.ones(3), size=4)) == []


def test_too_many_loops_are_drawn_and_say_so():
    (found,) = loops.elementary(system("sk", size=300), 1)
    assert not found.every
    assert found.share.error == pytest.approx(0.5 / np.sqrt(found.count), rel=0.01)
    (again,) = loops.elementary(system("sk", size=300), 1)
    assert found == again


@pytest.mark.parametrize(
    "name", ["sk?field=.2", "ea?law=gauss", "multiscale", "xorsat", "go", "heteropolymer", "hp", "designed"]
)
def test_parts_sum_to_the_energy_and_stay_between_their_least_and_most(name):
    made = system(name, size=4 if name.startswith("ea") else 20, seed=1)
    parts, x = bonds.interactions(made), made.random(20, 2)
    each = parts.energies(x)
    np.testing.assert_allclose(each.sum(axis=1), made.energy(x), atol=1e-9)
    assert (each >= parts.least).all()
    assert (each <= parts.most).all()
    assert (parts.least < parts.most).all()


def test_what_is_unsatisfied_is_weighed():
    ring = Spins.of_edges(
        np.array([[0, 1], [1, 2], [2, 0]]), np.array([1.0, 2.0, -5.0]), np.array([0, 0, 2.0]), size=3
    )
    share, misfit = bonds.interactions(ring).unsatisfied(np.array([1, 1, 1]))
    assert (share, misfit) == (0.25, 0.5)
    share, misfit = bonds.interactions(ring).unsatisfied(np.array([-1, 1, 1]))
    assert (share, misfit) == (0.25, 0.1)


def test_a_chain_that_attracts_where_it_touches_not_is_unsatisfied():
    chain = system("hp?sequence=HPPH", size=4)
    square, line = (
        np.array([[0, 0], [0, 1], [1, 1], [1, 0]]),
        np.stack([np.arange(4), np.zeros(4, int)], axis=1),
    )
    parts = bonds.interactions(chain)
    assert parts.unsatisfied(square) == (0, 0)
    assert parts.unsatisfied(line) == (1, 1)
    assert bonds.made(chain, square).tolist() == [-1]
    assert bonds.made(chain, line).tolist() == []


@pytest.mark.parametrize("name", ["sk?field=.2", "multiscale", "designed"])
def test_decoys_have_the_moments_of_their_bonds(name):
    made = system(name, size=20, seed=3)
    x = made.random(50, 4)
    every = np.concatenate([bonds.made(made, one) for one in x])
    assert bonds.decoys(made, x) == pytest.approx((every.mean(), every.std()))


def test_the_index_is_positive_where_a_bond_is_better_off():
    np.testing.assert_allclose(bonds.index(np.array([-3.0, 1.0]), 0.5, 2.0), [1.75, -0.25])
    assert bonds.index(np.array([-1.0]), -1.0, 0.0) is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: bonds.interactions(system("lj13")), "neither of coupled spins nor a chain"),
        (lambda: bonds.interactions(system("rem8")), "has no bonds"),
        (
            lambda: bonds.interactions(Spins.of_edges(np.array([[0, 1]]), np.zeros(1), size=2)),
            "of any strength",
        ),
        (lambda: bonds.decoys(system("go"), None), "give some"),
    ],
)
def test_what_has_no_bonds_is_explained(make, says):
    with pytest.raises(BadInput, match=says):
        make()


def looked_at(name, size, native="own"):
    subject = subject_of(f"system:{name}", size=size, seed=3)
    subject = replace(subject, native=None if native is None else getattr(subject.system, "native", None))
    made = cool(subject.system, Cooling(0, (10, 100), 1.0, 0), seed=1)
    return it.measure(subject, findings={}, seed=5, budget=None, readings=[made])


@pytest.mark.parametrize(
    ("name", "size", "label"),
    [
        ("mattis", 40, "unfrustrated"),
        ("ea", 6, "as frustrated as chance"),
        ("nishimori?p=.95", 16, "less frustrated than chance"),
        ("wishart?alpha=.3", 48, "more frustrated than chance"),
        ("go", 16, "unfrustrated"),
        ("pspin", 20, "as frustrated as chance"),
    ],
)
def test_words(name, size, label):
    found = looked_at(name, size)
    said = it.judge(found)
    assert said.label == label
    assert said.outcome == ("good" if label == "unfrustrated" else "info")
    assert label == "unfrustrated" or label in said.sentence
    doubted = it.judge(replace(found, doubts=("1 of 3 sets was not run",)))
    assert (doubted.outcome, doubted.label) == ("unsure", label)


def test_the_lowest_state_known_is_looked_at_and_the_native_state_too():
    found, hidden = looked_at("wishart?alpha=.3", 48), looked_at("wishart?alpha=.3", 48, native=None)
    states = found.tables["states"].rows()
    assert [row["state"] for row in states] == ["best of the anneals", "native"]
    assert found.numbers["misfit"].value == min(row["misfit"] for row in states) == states[1]["misfit"]
    assert [row["state"] for row in hidden.tables["states"].rows()] == ["best of the anneals"]
    assert hidden.numbers["misfit"].value > found.numbers["misfit"].value


def test_what_is_drawn_and_told_is_the_index_of_the_lowest_state():
    found = looked_at("ea?law=gauss", 4)
    panels = {one.panel for one in found.series}
    assert panels == {
        f"Local frustration against {what}, N = 64" for what in ("random states", "inherent structures")
    }
    for one in found.series:
        if one.kind == "step":
            assert len(one.x) == len(one.y) + 1
            assert one.y.sum() == pytest.approx(1)
    assert {one.label for one in found.series if one.kind == "step"} == {"as they are", "couplings shuffled"}
    assert len(found.tables["shuffled"].columns["misfit"]) == 9
    assert found.tables["loops"].rows()[0]["loops"] == 3 * 64 + 3 * 16  # and those around the torus


def test_decoys_that_are_all_alike_say_nothing():
    """Every quench of a magnet of all to all ends in its ground state."""
    numbers = looked_at("mattis", 40).numbers
    assert numbers["minimally frustrated, against random states"].value == 1
    assert not any("inherent" in name for name in numbers)


def test_one_more_of_its_kind_is_not_told_apart():
    rng = np.random.default_rng(0)
    p = np.array([student(row[0], row[1:]) for row in rng.standard_normal((4000, 9))])
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.006)
    assert student(0.5, np.full(8, 0.5)) == 1
    assert student(0.4, np.full(8, 0.5)) == 0


@pytest.mark.parametrize(
    "one", [one for one in calibration.calibrations if one.effort == "quick"], ids=lambda one: one.name
)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
def test_glasses_are_as_frustrated_as_chance_and_magnets_less():
    rows = list(calibration._words(1))
    assert len(rows) == 2
    assert all(row.ok for row in rows), rows
