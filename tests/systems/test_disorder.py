"""The laws that couplings are drawn from, lattices, and planted states."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.lattices import ea, ising3d, torus
from spinfunnel.systems.mean_field import hopfield, hopfield_patterns, mattis, sk
from spinfunnel.systems.planted import nishimori, tiles2d, tiles3d, wishart
from spinfunnel.systems.rem import rem


@pytest.mark.parametrize(
    ("sides", "degree"),
    [
        ((7,), 2),
        ((4, 4), 4),
        ((3, 5), 4),
        ((3, 4, 5), 6),
        ((2, 2), 2),
        ((2, 2, 2), 3),
        ((2, 5), 3),
        ((1, 4), 2),
    ],
)
def test_every_site_of_a_torus_has_its_neighbours_once(sides, degree):
    edges = torus(sides)
    assert (np.bincount(edges.ravel()) == degree).all()
    assert len({frozenset(edge) for edge in edges.tolist()}) == len(edges)
    place = np.stack(np.unravel_index(edges, sides), axis=-1)
    steps = np.abs(place[:, 0] - place[:, 1])
    assert (np.minimum(steps, np.array(sides) - steps).sum(axis=1) == 1).all()


def test_a_side_must_be_positive():
    with pytest.raises(BadInput, match="positive"):
        torus((3, 0))


def test_ferromagnets_are_lowest_when_all_spins_agree():
    assert ising3d(4, field=0.5).energy(np.array([[1] * 64, [-1] * 64])).tolist() == [-224, -160]


@pytest.mark.parametrize(("law", "kurtosis"), [("pm", 1), ("gauss", 3)])
@pytest.mark.parametrize(
    ("make", "variance"), [(lambda law: ea(16, law=law), 1), (lambda law: sk(160, law=law), 1 / 160)]
)
def test_couplings_have_the_law_that_is_stated(make, variance, law, kurtosis):
    _, j = make(law).bonds
    assert j.mean() / (variance / len(j)) ** 0.5 == pytest.approx(0, abs=3.5)
    assert (j**2).mean() / variance == pytest.approx(1, abs=3.5 * (2 / len(j)) ** 0.5)
    assert (j**4).mean() / variance**2 == pytest.approx(kurtosis, abs=3.5 * (96 / len(j)) ** 0.5)


def test_every_mattis_bond_is_satisfied():
    system = mattis(9, seed=4)
    edges, couplings = system.bonds
    assert couplings == pytest.approx(system.native[edges].prod(axis=1) / 9)
    assert abs(int(system.native.sum())) < 9  # the gauge is not trivial


def test_hopfield_couplings_are_the_sum_over_patterns():
    patterns = hopfield_patterns(200, seed=3, patterns=2)
    system = hopfield(200, seed=3, patterns=2)
    expected = np.einsum("mi,mj->ij", patterns, patterns, dtype=float) / 200
    assert system.matrix.toarray() == pytest.approx(expected - np.diag(np.diagonal(expected)))
    assert (system.flip_cost(patterns) > 0).all()  # far below capacity, every pattern is a minimum


def test_wishart_vectors_do_not_see_the_planted_state():
    system = wishart(24, seed=1, alpha=0.5)
    matrix = system.matrix.toarray()
    # J t + (its missing diagonal) t = 0, and the diagonal is what H lacks to be a sum of squares
    diagonal = -(matrix @ system.native) * system.native
    assert diagonal.sum() == pytest.approx(2 * system.ground_energy)
    full = -(matrix + np.diag(diagonal))
    values = np.linalg.eigvalsh(full)
    assert values[0] > -1e-12
    assert (values > 1e-10).sum() == 12  # alpha N vectors
    assert np.trace(full) / 24 == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("tile", [1, 2, 3, 4])
def test_tiles_have_weak_bonds_one_negative_and_share_none(tile):
    system = tiles2d(6, seed=2, tile=tile)
    edges, couplings = system.bonds
    ungauged = couplings * system.native[edges].prod(axis=1)
    assert len(edges) == 72
    assert (ungauged == -1).sum() == 18
    assert (ungauged == 1).sum() == 18 * (tile - 1)
    assert (ungauged == 2).sum() == 18 * (4 - tile)
    assert system.ground_energy == -(6 - tile) * 18
    assert tiles2d(6, seed=3, tile=tile).ground_energy == system.ground_energy


@pytest.mark.parametrize("faces", [2, 4, 6])
def test_cubes_have_frustrated_faces_and_hold_every_bond_once(faces):
    """A face is frustrated if the product of its four couplings is negative; it is in one cube at most."""
    side = 6
    system = tiles3d(side, seed=2, faces=faces)
    edges, couplings = system.bonds
    assert sorted(map(tuple, edges)) == sorted(map(tuple, np.sort(torus((side,) * 3), axis=1)))
    assert set(couplings) == {-1, 1}
    matrix, sites = system.matrix.toarray(), np.arange(side**3).reshape((side,) * 3)
    frustrated = 0
    for lowest in np.ndindex((side,) * 3):
        if len({c % 2 for c in lowest}) == 1:
            for fixed in range(3):
                for height in (0, 1):
                    one, two = np.delete(np.eye(3, dtype=int), fixed, axis=0)
                    base = np.array(lowest) + height * np.eye(3, dtype=int)[fixed]
                    corners = [sites[tuple((base + step) % side)] for step in (0 * one, one, one + two, two)]
                    frustrated += matrix[corners, np.roll(corners, -1)].prod() < 0
    assert frustrated == faces * side**3 / 4
    assert system.ground_energy == -(12 - faces) * side**3 / 4


def test_nishimori_bonds_are_ferromagnetic_with_the_given_share():
    _, couplings = nishimori(64, p=0.8).bonds
    assert couplings.mean() == pytest.approx(0, abs=3.5 / len(couplings) ** 0.5)  # the gauge hides them
    system = nishimori(24, p=1.0, seed=5)
    matrix = system.matrix.toarray()
    loops = np.trace(np.linalg.matrix_power(matrix, 4))
    assert loops == np.trace(np.linalg.matrix_power(np.abs(matrix), 4))  # no loop is frustrated
    matrix = nishimori(24, p=0.8, seed=5).matrix.toarray()
    square = 24**2 * 8  # 4-step loops about one of N plaquettes; the others go back and forth
    straight = np.trace(np.linalg.matrix_power(np.abs(matrix), 4)) - square
    share = (np.trace(np.linalg.matrix_power(matrix, 4)) - straight) / square
    assert share == pytest.approx(0.6**4, abs=3.5 * (1 / 24))


def test_rem_energies_are_normal_of_variance_n_and_found_by_state():
    system = rem(16, seed=2)
    assert system.size == 16
    assert system.table.var() / 16 == pytest.approx(1, abs=3.5 * (2 / 2**16) ** 0.5)
    x = np.full((2, 16), -1)
    x[1, [0, 3]] = 1
    assert system.energy(x).tolist() == system.table[[0, 9]].tolist()
