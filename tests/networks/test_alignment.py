import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from spinfunnel.networks.alignment import aligned, by_activations, by_weights
from spinfunnel.networks.examples import small
from spinfunnel.networks.symmetry import symmetry
from spinfunnel.systems.network_loss import NetworkLoss


def losses(model, x):
    return mse_loss(model(x)[:, 0], x[:, 0] * x[:, 1], reduction="none")


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 10), nn.Tanh(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1))
    return NetworkLoss(net, losses, [torch.randn(200, 4)], dtype="float64")


def test_noise_is_no_hindrance(system):
    units, a = symmetry(system), system.native
    noisy = units.copy(system, a + 0.01 * np.random.default_rng(0).normal(size=a.size), seed=3)
    for w in aligned(system, a, noisy, 0, units).values():
        assert np.abs(w - a).max() < 0.06


def test_what_is_aligned_computes_the_same(system):
    a, b = system.random(2, seed=4)
    units = symmetry(system)
    for w in aligned(system, a, b, 0, units).values():
        assert system.losses_at(w) == pytest.approx(system.losses_at(b), abs=1e-12)
        assert sorted(np.abs(w)) == pytest.approx(sorted(np.abs(b)))


def test_weights_are_never_less_alike_than_before_and_the_order_is_that_of_the_seed(system):
    units = symmetry(system)
    for seed in range(5):
        a, b = system.random(2, seed=seed)
        w = by_weights(system, units, a, b, 0)
        assert a @ w >= a @ b
        assert (by_weights(system, units, a, b, 0) == w).all()


def test_one_group_is_assigned_as_well_as_by_trying_all_orders():
    import itertools

    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    system = NetworkLoss(net, losses, [torch.randn(20, 4)], dtype="float64")
    a, b = system.random(2, seed=0)
    units = symmetry(system)
    leaf = units.groups[0].leaf
    orders = (np.array(order) for order in itertools.permutations(range(5)))
    best = max(a @ system.flat(units.exchanged(system.mapping(b), {leaf: order})) for order in orders)
    assert a @ by_weights(system, units, a, b, 0) == pytest.approx(best)


def test_units_that_do_the_same_are_matched_though_their_weights_differ(system):
    """A ReLU with larger weights before it and smaller ones behind does the same."""
    units, a = symmetry(system), system.native
    named = {name: value.copy() for name, value in system.mapping(a).items()}
    scale = np.linspace(0.2, 5, 8)
    named["2.weight"] *= scale[:, None]
    named["2.bias"] *= scale
    named["4.weight"] /= scale
    b = system.flat(named)
    assert system.losses_at(b) == pytest.approx(system.losses_at(a))
    back = by_activations(system, units, a, units.copy(system, b, seed=2), 0)
    assert back == pytest.approx(b)


def test_copies_of_networks_are_laid_back_exactly():
    for network in small(5).values():
        units, a = symmetry(network), network.native
        for w in aligned(network, a, units.copy(network, a, seed=1), 0, units).values():
            assert (w == a).all()
