import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.dynamics import basin_hopping, descend, elastic_band
from spinfunnel.dynamics.elastic_band import elastic_bands, saddles, sides, tops
from spinfunnel.systems import system


@pytest.mark.parametrize("given", elastic_band.calibrations, ids=lambda one: one.name)
def test_calibrations(given):
    assert not [row for row in given.run(0) if not row.ok]


@pytest.fixture(scope="module")
def cluster():
    """Seven atoms, and the ends of bands between its different minima."""
    lj = system("lj7")
    hopped = basin_hopping(lj, hops=30, replicas=8, temperature=3.0, seed=1)
    x = descend(lj, hopped.final, tolerance=1e-8).final
    energies = lj.energy(x)
    i, j = np.triu_indices(len(x), 1)
    apart = np.abs(energies[i] - energies[j]) > 1e-3
    i, j = i[apart][:4], j[apart][:4]
    return lj, x[i], lj.nearest(x[i], x[j])


def test_bands_of_a_cluster_end_at_saddles_that_join_minima(cluster):
    lj, a, b = cluster
    assert len(a) == 4
    bands = elastic_bands(lj, a, b, iterations=400)
    assert bands.images[:, 0] == pytest.approx(a)
    assert bands.images[:, -1] == pytest.approx(b)
    assert (bands.highest >= bands.energies.max(axis=1) - 1e-9).all()
    found = saddles(lj, tops(bands)[0], longest=0.2)
    assert len(found.energies)
    assert np.abs(lj.gradient(found.x)).max() < 1e-3
    ends, reached = sides(lj, found, away=0.05)
    assert reached.all()
    assert (lj.energy(ends.reshape(-1, 7, 3)).reshape(2, -1) < found.energies).all()
    assert lj.overlap(ends[0], ends[1]).min() < 0.999
    best = found.energies.min()  # no band passes below the lowest of the saddles that it could go by
    assert bands.highest.min() >= best - 1e-6


def test_more_iterations_come_down(cluster):
    lj, a, b = cluster
    few, many = (elastic_bands(lj, a, b, iterations=n).highest for n in (10, 300))
    assert (many <= few + 1e-6).all()


def test_bands_stay_on_their_sphere():
    glass = system("spherical-pspin20")
    ends = descend(glass, glass.random(4, 0)).final
    bands = elastic_bands(glass, ends[:2], ends[2:], iterations=50)
    assert np.linalg.norm(bands.images, axis=2) == pytest.approx(np.sqrt(20))
    found = saddles(glass, tops(bands)[0], longest=0.5)
    assert np.abs(glass.gradient(found.x)).max(initial=0) < 1e-4


def test_a_point_that_leads_to_no_saddle_is_left_out():
    well = system("double-well")
    assert len(saddles(well, np.array([[0.5, 0.3]]), longest=1e-3, iterations=5).energies) == 0
    none = saddles(well, np.empty((0, 2)), longest=0.1)
    assert sides(well, none, away=0.1)[1].shape == (0,)


def test_what_is_no_band():
    well = system("double-well")
    one = np.array([[1.0, 0.0]])
    with pytest.raises(BadInput, match="shape"):
        elastic_bands(well, one, np.ones((2, 2)))
    with pytest.raises(BadInput, match="3 images"):
        elastic_bands(well, one, -one, images=2)
    with pytest.raises(BadInput, match="iterations"):
        elastic_bands(well, one, -one, iterations=0)
