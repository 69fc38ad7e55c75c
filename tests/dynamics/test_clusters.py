import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import clusters, replicas
from spinfunnel.dynamics.clusters import Clusters, heat_capacity, swendsen_wang, wolff
from spinfunnel.systems import system
from spinfunnel.systems.spins import Spins
from spinfunnel.testing import check_dynamics

CALIBRATIONS = {one.name: one for one in clusters.calibrations}


@pytest.mark.parametrize("name", ["clusters in frustrated systems", "clusters on small tori"])
def test_calibration(name):
    rows = list(CALIBRATIONS[name].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clusters on a torus of 32", "clusters on a torus of 64"])
def test_large_calibration(name):
    rows = list(CALIBRATIONS[name].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


def test_they_keep_the_contract():
    check_dynamics(
        lambda system, t, seed: swendsen_wang(
            system, t, sweeps=800, burn_in=100, replicas=64, seed=seed, keep_states=True
        )
    )
    check_dynamics(
        lambda system, t, seed: wolff(
            system, t, clusters=4000, burn_in=500, record_every=4, replicas=64, seed=seed
        )
    )


def test_threads_and_pieces_change_no_bit(monkeypatch):
    glass = system("ea?dimension=2&law=gauss", size=6)
    for sample in (
        lambda **how: swendsen_wang(glass, 1.0, sweeps=50, burn_in=7, record_every=3, **how),
        lambda **how: wolff(glass, 1.0, clusters=50, burn_in=7, record_every=3, **how),
    ):
        one = sample(replicas=9)
        assert (sample(replicas=9, threads=3).energies == one.energies).all()
        assert (sample(replicas=12).energies[:, :9] == one.energies).all()
        with monkeypatch.context() as patch:
            patch.setattr(replicas, "PIECE", 1.0)
            assert (sample(replicas=9).energies == one.energies).all()


def test_cold_and_hot_clusters():
    """At T near 0 all spins of a connected magnet turn together; at T = infinity each turns alone."""
    magnet = system("mattis", size=30)
    cold = wolff(magnet, 1e-3, clusters=10, burn_in=200, keep_states=True)
    assert cold.stats["cluster_size"] == 30
    assert np.allclose(cold.energies, magnet.ground_energy)
    assert (cold.states[1:] == -cold.states[:-1]).all()
    assert swendsen_wang(magnet, 1e9, sweeps=10).stats["cluster_size"] == pytest.approx(1, abs=1e-3)


def test_a_field_much_stronger_than_heat_holds_all_spins():
    held = system("ising2d?field=50", size=4)
    for trace in (
        swendsen_wang(held, 1.0, sweeps=50, burn_in=50),
        wolff(held, 1.0, clusters=50, burn_in=500),
    ):
        assert (trace.final == 1).all()


def test_a_bond_of_zero_holds_nothing():
    pair = Spins.of_edges(np.array([[0, 1], [1, 2]]), np.array([0.0, 1.0]), size=3)
    assert wolff(pair, 1e-3, clusters=200, burn_in=100).stats["cluster_size"] < 2.2
    products = swendsen_wang(pair, 1e-3, sweeps=4000, burn_in=10, keep_states=True).states
    assert np.abs((products[..., 0] * products[..., 1]).mean()) < 0.02
    assert (products[..., 1] == products[..., 2]).all()


def test_the_heat_capacity_of_independent_records():
    rng = np.random.default_rng(0)
    found = [heat_capacity(rng.normal(3.0, 2.0, (50, 20)), 2.0, 5) for _ in range(400)]
    values, errors = np.array([(c.value, c.error) for c in found]).T
    assert values.mean() == pytest.approx(4 / (5 * 4), abs=4 * values.std() / 20)
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_a_replica_takes_the_place_of_another():
    them = Clusters(system("ising2d", size=4), 5, 0, single=False)
    before = them.final
    them.take(np.array([1, 1, 4, 3, 4]))
    assert (them.final == before[[1, 1, 4, 3, 4]]).all()


def test_interruption_keeps_what_there_is(monkeypatch):
    monkeypatch.setattr(replicas, "PIECE", 1.0)

    def interrupt(*_):
        raise KeyboardInterrupt

    trace = wolff(system("ising2d", size=8), 2.0, clusters=10**6, progress=interrupt)
    assert trace.stopped == "interrupted"
    assert 0 < len(trace.energies) < 10**6
    assert swendsen_wang(system("ising2d", size=8), 2.0, sweeps=10, deadline=0.0).stopped == "deadline"


def test_bad_input():
    with pytest.raises(BadInput, match="pairs of spins"):
        swendsen_wang(system("rem", size=4), 1.0, sweeps=5)
    with pytest.raises(BadInput, match="positive"):
        wolff(system("ising2d", size=4), -1.0, clusters=5)
    with pytest.raises(BadInput, match="clusters must be at least 1"):
        wolff(system("ising2d", size=4), 1.0, clusters=0)
