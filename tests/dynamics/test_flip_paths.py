import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import flip_paths, quench
from spinfunnel.dynamics.flip_paths import exact_barriers, path_bounds, pocket
from spinfunnel.systems import system


@pytest.mark.parametrize("given", flip_paths.calibrations, ids=lambda one: one.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_calibrations(given, seed):
    assert not [row for row in given.run(seed) if not row.ok]


@pytest.mark.parametrize("name", ["sk40", "ea4", "pspin20", "perceptron21"])
def test_bounds_only_fall_with_the_number_of_tries(name):
    given = system(name)
    ends = quench(given, given.random(12, 1)).final
    found = [path_bounds(given, ends[:6], ends[6:], tries=tries) for tries in (1, 2, 3, 5, 9)]
    assert (np.diff(found, axis=0) <= 0).all()
    assert (found[-1] >= np.maximum(given.energy(ends[:6]), given.energy(ends[6:])) - 1e-9).all()
    again = path_bounds(given, ends[:6], ends[6:], tries=9)
    assert (again == found[-1]).all()


def test_compiled_and_plain_walks_meet_the_same_barrier_where_there_is_one_way():
    """A path along which each spin can only follow the one before: both must climb to the same energy."""
    given = system("ising1d", size=12)
    up = np.ones((1, 12), dtype=np.int8)
    ends = np.where(np.arange(12) < np.array([[3], [6], [11]]), -up, up).astype(np.int8)
    plain = flip_paths.walked(
        given, np.repeat(up, 3, axis=0), ends.copy(), np.ones((3, 4), np.uint32), 2, False
    )
    assert plain == pytest.approx(path_bounds(given, np.repeat(up, 3, axis=0), ends)) == [-8.0, -8.0, -8.0]


def test_the_mirror_image_is_the_same_state_only_without_a_field():
    up = np.ones((1, 9), dtype=np.int8)
    free, held = system("ising2d", size=3), system("sk?field=0.5", size=9)
    assert path_bounds(free, up, -up) == free.energy(up)
    assert path_bounds(held, up, -up) > max(held.energy(up), held.energy(-up))
    assert exact_barriers(free, np.concatenate([up, -up])) == pytest.approx(free.energy(up)[0])


def test_a_pocket_escapes_over_the_exact_barrier():
    given = system("ea?dimension=2&law=gauss", size=4, seed=3)
    ends = np.unique(quench(given, given.random(50, 0)).final, axis=0)
    ends = ends[np.argsort(given.energy(ends))]
    found = pocket(given, ends[-1], most=5000)
    at = [np.flatnonzero((found.states == end).all(axis=1)) for end in ends]
    reached = np.array([len(one) > 0 for one in at])
    assert reached.sum() > 2
    exact = exact_barriers(given, ends)[-1]
    lids = np.array([found.lids[one[0]] if len(one) else np.inf for one in at])
    mirrored = [np.flatnonzero((found.states == -end).all(axis=1)) for end in ends]
    lids = np.minimum(lids, [found.lids[one[0]] if len(one) else np.inf for one in mirrored])
    assert lids[reached] == pytest.approx(exact[reached])
    assert (np.diff(found.lids) >= 0).all()
    assert (found.energies <= found.lids + 1e-12).all()
    assert found.energies == pytest.approx(given.energy(found.states))


def test_a_pocket_of_all_states_has_nothing_beyond():
    given = system("sk", size=6)
    found = pocket(given, np.ones(6), most=100)
    assert len(np.unique(found.states, axis=0)) == 64
    assert found.beyond == np.inf


def test_what_cannot_be_joined():
    given = system("sk", size=8)
    with pytest.raises(BadInput, match="shape"):
        path_bounds(given, np.ones((2, 8)), np.ones((3, 8)))
    with pytest.raises(BadInput, match="at least one try"):
        path_bounds(given, np.ones((2, 8)), np.ones((2, 8)), tries=0)
    with pytest.raises(BadInput, match="at most 18"):
        exact_barriers(system("sk", size=19), np.ones((2, 19)))
    with pytest.raises(BadInput, match="pocket"):
        pocket(given, np.ones(7))
    assert path_bounds(given, np.ones((0, 8)), np.ones((0, 8))).shape == (0,)
