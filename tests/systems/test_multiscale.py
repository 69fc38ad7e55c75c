"""The multiscale glass: its law, its ends and the dial between them."""

import itertools
import math

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.many_body import ManyBody, NativeManyBody, PlantedManyBody
from spinfunnel.systems.multiscale import Scales, multiscale
from spinfunnel.systems.protocols import Native, Planted
from spinfunnel.systems.pspin import covariance
from spinfunnel.testing import check_system


@pytest.mark.parametrize("bias", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("orders", ["2,3,4", "2", "2,4", "3"])
def test_promises_are_kept_along_the_dial(bias, orders):
    made = multiscale(12, 1, bias=bias, orders=orders, levels=2)
    check_system(made)
    assert isinstance(made, Native) == (bias > 0)
    assert isinstance(made, Planted) == (bias == 1)


def test_covariance_is_the_sum_over_couplings_of_their_variance():
    scales = Scales(12, (2, 3), (0.7, 1.9), levels=3, decay=0.5)
    x, y = (np.random.default_rng(k).choice([-1, 1], size=(30, 12)) for k in (0, 1))
    expected = np.zeros(30)
    shares = 2 ** (-0.5 * np.arange(3)) / (2 ** (-0.5 * np.arange(3))).sum()
    for (p, weight), (level, share) in itertools.product(((2, 0.7), (3, 1.9)), enumerate(shares)):
        n = 12 // 2**level
        for block in range(2**level):
            for term in itertools.combinations(range(block * n, (block + 1) * n), p):
                same = (x * y)[:, term].prod(axis=1)
                expected += weight * share * math.factorial(p) / (2 * n ** (p - 1)) * same
    assert scales.covariance(x, y) == pytest.approx(expected, abs=1e-13)


def test_covariance_goes_to_powers_of_the_overlaps_of_blocks():
    scales = Scales(512, (2, 3), (0.5, 0.5), levels=2, decay=0.0)
    up = np.ones((1, 512), dtype=np.int8)
    other = np.where(np.arange(512) < 64, -1, 1)[None]  # overlap 1/2 in the first half, 1 in the second
    power = lambda q: (q**2 + q**3) / 2  # noqa: E731
    expected = 512 / 2 * (power(0.75) / 2 + (power(0.5) + power(1)) / 4)
    assert scales.covariance(up, other)[0] == pytest.approx(expected, rel=0.02)


def test_one_order_of_weight_two_on_one_level_has_the_law_of_pspin():
    x, y = (np.random.default_rng(k).choice([-1, 1], size=(30, 14)) for k in (0, 1))
    for p in (2, 3, 5):
        scales = Scales(14, (p,), (2.0,), levels=1)
        assert scales.covariance(x, y) == pytest.approx(covariance(x, y, p), abs=1e-12)


def test_one_seed_has_one_noise_and_one_native_state_whatever_the_bias():
    glass, middle, funnel = (multiscale(16, 3, bias=bias) for bias in (0.0, 0.6, 1.0))
    assert type(glass) is ManyBody
    assert type(middle) is NativeManyBody
    assert type(funnel) is PlantedManyBody
    assert (middle.native == funnel.native).all()
    assert middle.couplings == pytest.approx(0.8 * glass.couplings + 0.6 * funnel.couplings, abs=1e-14)
    x, up = middle.random(20, 0), np.tile(middle.native, (20, 1))
    toward = Scales(16).covariance(x, up)
    assert middle.energy(x) == pytest.approx(0.8 * glass.energy(x) - 0.6 * toward, abs=1e-12)


def test_the_ends_are_a_mattis_magnet_and_sk():
    magnet = multiscale(20, 5, bias=1.0, orders="2", levels=1)
    pairs = magnet.orders[0][1]
    assert (magnet.couplings == magnet.native[pairs].prod(axis=1) / 20).all()
    assert magnet.ground_energy == pytest.approx(-19 / 2, abs=1e-13)
    glass = multiscale(200, 5, bias=0.0, orders="2", levels=1)
    spread = glass.couplings.std() * math.sqrt(200)
    assert spread == pytest.approx(1, abs=4 / math.sqrt(2 * len(glass.couplings)))
    assert (Scales(200, (2,), (1.0,), levels=1).variances(glass.orders[0][1]) == 1 / 200).all()


def test_the_dial_brings_the_lowest_state_to_the_native_one():
    def near(bias):
        made = [multiscale(12, seed, bias=bias, levels=2) for seed in range(40)]
        return np.mean([m.overlap(enumerate_states(m).ground_state[None], m.native[None])[0] for m in made])

    assert abs(near(0.4)) < 0.2  # 200 seeds: 0.00, 0.16 at bias .8, 0.75 at .9 and 0.99 at .95
    assert near(0.95) > 0.9


def test_parameters_are_read_from_text():
    made = system("system:multiscale?bias=0&orders=2,5&weights=1,.5&levels=1&decay=0", size=8)
    assert [spins.shape for _, spins in made.orders] == [(28, 2), (56, 5)]
    assert "2,5" in made.convention


@pytest.mark.parametrize(
    ("text", "size", "says"),
    [
        ("multiscale?bias=1.1", 16, "it cannot be 1.1"),
        ("multiscale?bias=nan", 16, "it cannot be nan"),
        ("multiscale?orders=2;3", 16, "commas between them, such as 2,3,4, not '2;3'"),
        ("multiscale?orders=", 16, "commas between them"),
        ("multiscale?orders=2,2", 16, "must be different"),
        ("multiscale?orders=1,2", 16, "2 to N = 16 spins, not 1"),
        ("multiscale?weights=1,2", 16, "3 orders need as many weights, got 2"),
        ("multiscale?weights=1,2,-1", 16, "weights of orders must be positive"),
        ("multiscale?decay=inf", 16, "decay of levels must be finite"),
        ("multiscale?levels=0", 16, "0 levels need"),
        ("multiscale?levels=4", 16, "N in 8 equal blocks of at least 4 spins"),
        ("multiscale", 18, "N = 18 does not give them"),
        ("multiscale", 128, "take at most 100 spins, or lower orders"),
    ],
)
def test_what_cannot_be_made_is_explained(text, size, says):
    with pytest.raises(BadInput, match=says):
        system(text, size=size)
