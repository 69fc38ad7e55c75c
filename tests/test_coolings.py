import numpy as np
import pytest

from spinfunnel.coolings import REPLICAS, WORK, Cooling, Coolings, cool, coolings, where_fallen
from spinfunnel.core import BadInput
from spinfunnel.dynamics import quench
from spinfunnel.systems import system
from spinfunnel.systems.protocols import Metric, Moves, Smooth, System

TIMES = (10, 100, 1000)


@pytest.fixture(scope="module")
def glass():
    return system("sk", size=48, seed=3)


@pytest.fixture(scope="module")
def made(glass):
    return cool(glass, Cooling(0, TIMES, 1.0, 0), seed=5)


def test_shapes_are_as_stated(glass, made):
    assert made.ends.shape == (3, REPLICAS, 48)
    assert made.energies.shape == (3, REPLICAS)
    assert made.survivors.shape == (2, REPLICAS, 48)
    records = len(made.temperatures)
    assert made.cooling.shape == made.quicker.shape == made.heating.shape == (records, REPLICAS)
    assert (np.diff(made.temperatures) < 0).all()
    assert made.correlations.shape == (len(made.waits), len(made.lags), REPLICAS)
    assert len(made.structures) == len(made.structure_energies)


def test_all_that_is_called_a_minimum_is_one(glass, made):
    for states, energies in (
        *zip(made.ends, made.energies, strict=True),
        *zip(made.survivors, made.survivor_energies, strict=True),
        (made.structures, made.structure_energies),
    ):
        assert (glass.flip_cost(states) >= -1e-9).all()
        np.testing.assert_allclose(glass.energy(states), energies)


def test_slower_is_deeper_and_curves_go_the_right_way(made):
    means = made.energies.mean(axis=1)
    assert means[2] < means[1] < means[0]
    hot, cold = made.cooling.mean(axis=1)[[0, -1]]
    assert hot > cold
    assert made.heating.mean(axis=1)[0] > made.heating.mean(axis=1)[-1]  # hot to cold, as the other curves
    assert made.cooling[-1].mean() == pytest.approx(means[-1], abs=0.5)
    assert made.cold < made.t90[0] < made.hot


def test_a_set_depends_on_its_seed_and_number_alone(glass, made):
    again = cool(glass, Cooling(0, TIMES, 1.0, 0), seed=5)
    other = cool(glass, Cooling(1, TIMES, 1.0, 0), seed=5)
    np.testing.assert_array_equal(again.ends, made.ends)
    np.testing.assert_array_equal(again.survivors, made.survivors)
    assert (other.ends != made.ends).any()
    both = Coolings.of([made, other])
    assert both.ends.shape == (3, 2 * REPLICAS, 48)
    assert both.best_energy == min(made.best_energy, other.best_energy)
    assert len(both.t90) == 2


def test_ageing_is_slower_after_a_longer_wait(made):
    overlaps = made.correlations.mean(axis=2)
    assert overlaps[-1, -1] >= overlaps[0, -1] - 0.1
    assert (overlaps[:, 0] > overlaps[:, -1] - 0.05).all()


@pytest.mark.parametrize("name", ["go", "rem-native", "xorsat", "double-well", "lj7"])
def test_anything_with_moves_or_a_gradient_cools(name):
    size = {"go": 12, "rem-native": 10, "xorsat": 12}.get(name)
    some = system(name, size=size, seed=1)
    made = cool(some, Cooling(0, TIMES, 1.0, 0) if size else Cooling(0, (1, 3, 10), 1.0, 0), seed=0)
    assert np.isfinite(made.energies).all()
    assert made.unit == ("sweeps" if size else "hops")
    if isinstance(some, Moves) and size:
        down = quench(some, made.ends[-1], seed=1)
        assert (down.energies[0] <= made.energies[-1] + 1e-9).all()


@pytest.mark.parametrize("effort", ["quick", "normal", "full"])
def test_plans_have_the_sets_of_their_effort(effort):
    planned = coolings(system("sk", size=64), effort)
    assert len(planned) == WORK[effort][0]
    assert planned[0].times[-1] == WORK[effort][1]
    assert planned[0].seconds > 0
    assert planned[1].row_name == "anneals 17 to 32"


def test_t90_of_a_noisy_curve_is_not_its_first_crossing():
    t = np.linspace(2, 0.01, 400)
    spiked = t - 2
    spiked[20] = -1.9  # one record far too low
    assert where_fallen(t, spiked, 0.0, -2.0) == pytest.approx(0.2, abs=0.02)
    assert where_fallen(t, np.zeros(400), 0.0, -2.0) == t[-1]  # it never falls


def test_energies_that_are_not_finite_are_refused():
    class Broken(System):
        name, convention, size = "broken", "E = nan", 4

        def energy(self, x):
            return np.full(len(x), np.nan)

        def random(self, batch, seed):
            return np.ones((batch, 4), dtype=np.int8)

    with pytest.raises(BadInput, match="nan"):
        cool(Broken(), Cooling(0, TIMES, 1.0, 0), seed=0)


class Bowl(Smooth, Metric):
    name, convention, size, shape, scale = "bowl", "E = s x^2", 2, (2,), 1.0

    def energy(self, x):
        return self.scale * (x**2).sum(axis=1)

    def gradient(self, x):
        return 2 * self.scale * x

    def hvp(self, x, v):
        return 2 * self.scale * v

    def overlap(self, x, y):
        return np.exp(-np.abs(x - y).max(axis=1))

    def random(self, batch, seed):
        return np.random.default_rng(seed).normal(size=(batch, 2))


@pytest.mark.parametrize(("scale", "said"), [(0.0, "so nothing can anneal"), (-1.0, "has its energy one")])
def test_a_plain_and_a_hill_are_refused(scale, said):
    ground = Bowl()
    ground.scale = scale
    with pytest.raises(BadInput, match=said):
        cool(ground, Cooling(0, (1, 2, 3), 1.0, 0), seed=0)
