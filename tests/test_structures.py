import numpy as np
import pytest

from spinfunnel.dynamics import descend, quench
from spinfunnel.structures import all_overlaps, distinct, groups
from spinfunnel.systems import system


def test_mirror_images_are_one_minimum():
    ring = system("ising1d", size=12)
    ends = quench(ring, ring.random(64, 0), seed=1)
    found = distinct(ring, ends.final, ends.energies[0])
    assert found.counts.sum() == 64
    assert len(found.energies) == len({(int(x[0]) * x).tobytes() for x in ends.final.astype(np.int8)})
    assert (np.diff(found.energies) >= 0).all()


def test_a_cluster_of_atoms_is_known_however_it_is_turned():
    few = system("lj", size=7)
    start = few.random(12, 0)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    down = descend(few, np.concatenate([start, (start @ turn)[:, rng.permutation(7)]])).final
    found = distinct(few, down, few.energy(down))
    assert len(found.energies) <= 4  # LJ7 has four minima
    assert found.counts.sum() == 24


def test_only_the_lowest_are_kept():
    glass = system("sk", size=60)
    ends = quench(glass, glass.random(40, 0), seed=1)
    few = distinct(glass, ends.final, ends.energies[0], most=5)
    assert len(few.energies) == len(few.counts) == 5
    assert few.overlaps.shape == (5, 5)
    assert few.energies[0] == ends.energies.min()
    np.testing.assert_array_equal(few.overlaps, few.overlaps.T)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_states_can_be_grouped(count):
    assert list(groups(np.eye(count))) == list(range(count))


def test_groups_are_numbered_as_they_first_appear():
    q = np.array([[1, 0.1, 0.1, 0.95], [0.1, 1, 0.9, 0.1], [0.1, 0.9, 1, 0.1], [0.95, 0.1, 0.1, 1]])
    assert list(groups(q)) == [0, 1, 1, 0]
    assert list(groups(q, cut=0.05)) == [0, 0, 0, 0]


def test_overlaps_of_all_pairs():
    glass = system("sk?field=0.2", size=20)
    x = glass.random(6, 0)
    np.testing.assert_allclose(all_overlaps(glass, x), x.astype(float) @ x.T / 20)
