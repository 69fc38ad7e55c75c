import numpy as np
import pytest

from spinfunnel.core import cache_folder
from spinfunnel.dynamics import kernels, lanes, metropolis
from spinfunnel.dynamics.lanes import Lanes
from spinfunnel.systems import system


def test_the_random_numbers_are_those_of_xoshiro128plusplus():
    """The first numbers from the state 1, 2, 3, 4, as published with the generator; lane 1 of 3."""
    state = np.zeros(12, np.uint32)
    state[1::3] = 1, 2, 3, 4
    with np.errstate(over="ignore"):
        drawn = [int(kernels.uniform(state, 1, 3)) for _ in range(5)]
    assert drawn == [641, 1573767, 3222811527, 3517856514, 836907274]
    assert not state[0::3].any()


def test_the_power_of_two_is_good_to_single_precision():
    x = np.linspace(-40, 0, 4001).astype(np.float32)
    found = np.array([kernels.power_of_two(v) for v in x])
    assert np.abs(found / np.exp2(x.astype(float)) - 1).max() < 3e-7
    assert kernels.power_of_two(np.float32(5)) == 1
    assert 0 < kernels.power_of_two(np.float32(-1e30)) < 1e-12


def test_compiled_loops_do_what_the_source_says():
    """Two sweeps of a glass in a field, in compiled code and in plain Python: the same spins, to the bit."""
    for at_random, heat_bath, name in ((False, False, "sk?field=0.7"), (True, True, "ising1d?field=0.7")):
        glass = system(name, size=9)
        one, two = Lanes(glass, 64, 5), Lanes(glass, 64, 5)
        one.how = (at_random, heat_bath)
        one.sweep(0.8, np.array([1.0, 1.5], np.float32), every=1)
        with np.errstate(over="ignore"):
            kernels.run(
                two.spins[0], two.local[0], np.full(64, 0.8 * two.unit, np.float32), two.rng[0], two.sites,
                at_random, heat_bath, *two.graph, np.array([1.0, 1.5], np.float32), 0, 1,
                np.empty((2, 64)), np.empty((0, 9, 64), np.int8), two.kept[0], two.best_energy[0],
            )  # fmt: skip
        assert (one.spins == two.spins).all()
        assert (one.rng == two.rng).all()
        assert np.allclose(one.local, two.local, atol=1e-5)


def test_a_matrix_of_couplings_changes_nothing_but_the_speed(monkeypatch):
    glass = system("sk?field=0.2&law=pm", size=16)  # all fields are multiples of 1/4 and 1/5: nearly exact
    dense = metropolis(glass, 0.7, sweeps=40, keep_states=True)
    monkeypatch.setattr(lanes, "DENSE", 2.0)
    assert Lanes(glass, 64, 0).local.shape == (1, 16, kernels.WIDTH)
    sparse = metropolis(glass, 0.7, sweeps=40, keep_states=True)
    assert (dense.states == sparse.states).all()
    assert np.allclose(dense.energies, sparse.energies, atol=1e-4)


def test_lanes_have_streams_of_their_own():
    glass = system("sk", size=9)
    many, few, one = (
        them.rng.reshape(-1, 4, them.width).transpose(0, 2, 1).reshape(-1, 4)
        for them in (Lanes(glass, count, 0) for count in (1000, 10, 1))
    )
    assert len(np.unique(many, axis=0)) == len(many) == 1024
    assert (few == many[:16]).all()
    assert (one == many[:1]).all()


@pytest.mark.parametrize("name", ["sk?field=0.3", "ea?law=gauss", "ea?field=0.7"])
@pytest.mark.parametrize("how", [{}, {"order": "random", "rule": "heat bath"}])
def test_a_lane_does_the_same_whatever_the_width(name, how):
    glass = system(name, size=4 if name.startswith("ea") else 30)
    wide = metropolis(glass, 0.7, sweeps=300, replicas=64, keep_states=True, **how)
    for replicas, width in ((1, 1), (16, 16)):
        narrow = metropolis(glass, 0.7, sweeps=300, replicas=replicas, keep_states=True, **how)
        assert Lanes(glass, replicas, 0).width == width
        assert (narrow.energies == wide.energies[:, :replicas]).all()
        assert (narrow.states == wide.states[:, :replicas]).all()


def test_machine_code_is_kept_in_the_cache_folder_and_nowhere_else(monkeypatch, tmp_path):
    import inspect
    from pathlib import Path

    import numba

    users = numba.config.CACHE_DIR
    metropolis(system("sk", size=9), 1.0, sweeps=1)
    assert users == numba.config.CACHE_DIR
    assert not list(Path(inspect.getfile(kernels)).parent.rglob("*.nb?"))
    assert list((cache_folder() / "numba").rglob("*.nbi"))
