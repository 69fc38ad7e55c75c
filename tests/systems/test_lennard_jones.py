"""Lennard-Jones clusters: the compiled loop, moves within walls, shapes, overlaps."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.random_numbers import streams
from spinfunnel.systems.lennard_jones import (
    APART,
    calibrations,
    cluster,
    icosahedron,
    lj,
    lj_reference,
    sorted_distances,
)
from spinfunnel.systems.protocols import Native
from spinfunnel.testing import check_system


@pytest.mark.parametrize("atoms", [2, 3, 8, 38])
def test_promises_are_kept(atoms):
    check_system(lj(atoms), seed=2)


def test_the_compiled_loop_is_the_sum_over_pairs():
    system = lj(17)
    x = system.random(3, 0)
    r = sorted_distances(x)
    energies, gradients = system.energy_and_gradient(x)
    assert energies == pytest.approx((4 * (r**-12 - r**-6)).sum(axis=1), rel=1e-12)
    plain = np.empty((17, 3))
    assert cluster(x[0], plain, np.empty((7, 17))) == pytest.approx(energies[0], rel=1e-13)
    assert plain == pytest.approx(gradients[0], rel=1e-9)
    assert gradients.sum(axis=1) == pytest.approx(0, abs=1e-9)


def test_atoms_on_top_of_each_other_are_infinitely_high():
    assert lj(2).energy(np.zeros((1, 2, 3))) == np.inf


def test_random_atoms_are_apart_and_within_the_ball():
    system = lj(38)
    x = system.random(20, 5)
    assert sorted_distances(x)[:, 0].min() > APART
    assert np.linalg.norm(x, axis=-1).max() < system.radius
    assert x.mean(axis=(0, 1)) == pytest.approx(0, abs=0.2)


def test_moves_stay_within_the_walls_and_shift_all_atoms():
    system = lj(6)
    x, memory = system.random(1, 0)[0], np.empty(4)
    rng, start = streams(0, "walls", 1)[0], x.copy()
    system.prepare(x, memory, system.data)
    shifts, refused = [], 0
    with np.errstate(over="ignore"):
        for _ in range(3000):
            cost, ratio = system.propose(x, memory, system.data, rng)
            assert ratio == 0
            refused += not np.isfinite(cost)
            if np.isfinite(cost):
                shifts.append(memory[1:] - x[int(memory[0])])
                system.accept(x, memory, system.data)
                assert np.linalg.norm(x, axis=1).max() <= system.radius
    assert refused > 10
    assert (np.abs(x - start).max(axis=1) > 0).all()
    assert np.abs(shifts).max() <= system.step


@pytest.mark.parametrize(("shells", "atoms"), [(1, 13), (2, 55), (3, 147), (4, 309)])
def test_icosahedra_have_magic_numbers(shells, atoms):
    points = icosahedron(shells)
    assert len(points) == atoms
    assert points.mean(axis=0) == pytest.approx(0, abs=1e-12)


def test_overlaps_know_no_numbering_place_turn_or_mirror():
    system, rng = lj(13), np.random.default_rng(0)
    x = system.random(4, 1)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    moved = (x[:, rng.permutation(13)] @ turn) + [1.0, -2.0, 3.0]
    assert system.overlap(x, moved) == pytest.approx(1, abs=1e-9)
    assert system.overlap(x, -x) == pytest.approx(1, abs=1e-9)
    assert (system.overlap(x, x[::-1]) < 0.5).all()
    assert system.energy(moved) == pytest.approx(system.energy(x), rel=1e-9)


def test_native_states_are_the_best_known_and_the_two_shapes_of_38_differ():
    system = lj(38)
    assert isinstance(system, Native)
    assert not isinstance(lj(37), Native)
    assert system.energy(system.native[None])[0] == pytest.approx(-173.928427, abs=1e-6)
    part = lj_reference(55)[:38]
    assert system.overlap(system.native[None], part[None])[0] < 0.05


def test_what_cannot_be_made_is_explained():
    with pytest.raises(BadInput, match="13, 38, 55, 75 atoms, not 14"):
        lj_reference(14)
    with pytest.raises(BadInput, match=r"\(batch, 3, 3\), these have \(2, 3\)"):
        lj(3).energy(np.ones((2, 3)))


def test_calibrations_hold():
    assert all(row.ok for known in calibrations for row in known.run(0))
