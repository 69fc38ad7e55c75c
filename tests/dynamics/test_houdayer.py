import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics.houdayer import Pairs, calibrations, houdayer, turn_clusters
from spinfunnel.dynamics.replicas import NEVER, Ladders
from spinfunnel.maths.compiling import compiled
from spinfunnel.systems import exact, system
from spinfunnel.testing import check_dynamics

RUNGS = np.array([2.0, 1.0])


def test_calibration():
    rows = list(calibrations[0].run(0))
    assert all(row.ok and abs(row.sigma) < 4 for row in rows), rows


def test_it_keeps_the_contract():
    check_dynamics(
        lambda system, t, seed: houdayer(
            system, [3 * t, 1.7 * t, t], sweeps=900, burn_in=100, pairs=40, seed=seed, keep_states=True
        ),
        system=system("ea?dimension=2&law=gauss&field=0.3", size=3, seed=2),
    )


@pytest.mark.parametrize("name", ["ea?dimension=2", "ea?dimension=2&law=gauss", "ea?field=0.5&law=gauss"])
@pytest.mark.parametrize("size", [3, 4])
def test_a_move_keeps_the_energy_and_the_overlap_of_the_pair(name, size):
    glass = system(name, size=size, seed=3)
    them, places = Pairs(glass, 20, len(RUNGS), 1), Ladders.of(RUNGS, 40, 1)
    them.temper(places, 3, every=NEVER, kept=0)
    a, b = places.at[::2].ravel(), places.at[1::2].ravel()
    moved = 0
    for _ in range(20):
        before = them.final
        _, indptr, indices, couplings, matrix = them.graph
        local = them.local.swapaxes(1, 2) if len(matrix) else them.local
        compiled(turn_clusters)(
            them.spins, local, places.at, them.own, them.free, indptr, indices, couplings, them.counts
        )
        after = them.final
        pair = glass.energy(before)[a] + glass.energy(before)[b]
        np.testing.assert_allclose(glass.energy(after)[a] + glass.energy(after)[b], pair, rtol=0, atol=1e-9)
        assert (after[a] * after[b] == before[a] * before[b]).all()
        width = them.width
        shown = np.array([local[r // width, :, r % width] for r in range(them.replicas)])
        np.testing.assert_allclose(them.unit * shown, glass.local_fields(after), atol=1e-4)
        moved += int((after != before).any(axis=1).sum())
    assert moved > 100
    assert them.counts[0].sum() > 0


def test_in_two_dimensions_clusters_are_small_and_in_three_they_percolate():
    flat = houdayer(system("ea?dimension=2", size=10, seed=1), [3.0, 1.5], sweeps=200, burn_in=100, pairs=8)
    deep = houdayer(system("ea", size=6, seed=1), [6.0, 4.0], sweeps=200, burn_in=100, pairs=8)
    assert flat.stats["sign_share"][0] < 0.65
    assert deep.stats["sign_share"][0] > 0.9
    assert (flat.stats["cluster_share"] <= 0.5).all()
    assert flat.energies.shape == (200, 8)
    assert flat.stats["energies"].shape == (200, 2, 16)


def test_one_seed_gives_one_trace():
    glass = system("ea?dimension=2", size=6)
    one, again, more = (houdayer(glass, RUNGS, sweeps=60, pairs=pairs, seed=4) for pairs in (5, 5, 5))
    assert (one.energies == again.energies).all()
    assert (one.final == more.final).all()


def test_bad_input():
    with pytest.raises(BadInput, match="use temper"):
        houdayer(system("sk", size=8), RUNGS, sweeps=5)
    with pytest.raises(BadInput, match="pairs of spins"):
        houdayer(system("rem", size=4), RUNGS, sweeps=5)
    with pytest.raises(BadInput, match="different"):
        houdayer(system("ea?dimension=2", size=4), [1.0], sweeps=5)


def test_a_ring_equilibrates():
    """Taken in turn, its walls are only carried around: the order of sites is that of all other lanes."""
    ring = system("ising1d", size=32)
    trace = houdayer(ring, [4.0, 2.0], sweeps=2000, burn_in=500, pairs=16)
    u = trace.stats["energies"].mean(axis=(0, 2)) / 32
    np.testing.assert_allclose(u, exact.ring(32, np.array([4.0, 2.0])).u, atol=0.01)
