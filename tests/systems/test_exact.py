"""Closed forms against published numbers, series, derivatives and each other."""

import math
from functools import partial

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.exact import (
    E0_REM,
    E0_SK,
    E0_SK_SYMMETRIC,
    TC_REM,
    TC_SQUARE,
    chain,
    curie_weiss,
    kaufman,
    nishimori,
    onsager,
    rem_ground_energy,
    ring,
    sk_at_line,
    sk_ground_energy,
    yang,
)


def test_constants():
    assert pytest.approx(2.269185314213, abs=1e-12) == TC_SQUARE
    assert pytest.approx(0.849322, abs=5e-7) == TC_REM
    assert pytest.approx(-1.177410, abs=5e-7) == E0_REM
    assert E0_SK_SYMMETRIC < E0_SK < -0.763


@pytest.mark.parametrize(
    ("side", "known"),
    [
        (8, (-1.745683, -1.491589, -1.222321)),
        (16, (-1.745531, -1.453065, -1.131318)),
        (32, (-1.745565, -1.433658, -1.107292)),
        (64, (-1.745565, -1.423938, -1.106083)),
    ],
)
def test_kaufman_at_published_sizes(side, known):
    assert kaufman(side, side, [2.0, TC_SQUARE, 2.5]).u == pytest.approx(known, abs=6e-7)


@pytest.mark.parametrize("temperature", [0.7, 2.0, TC_SQUARE, 2.4, 10.0])
@pytest.mark.parametrize("of", [partial(kaufman, 5, 8), partial(ring, 7), partial(chain, 7)])
def test_u_and_c_are_the_derivatives_of_log_z(of, temperature):
    n, k, d = (40 if of(2.0).log_z[0] > 15 else 7), 1 / temperature, 2e-4
    below, at, above = (float(of(1 / x).log_z[0]) for x in (k - d, k, k + d))
    assert of(temperature).u[0] == pytest.approx(-(above - below) / (2 * d) / n, abs=2e-6)
    assert of(temperature).c[0] == pytest.approx(k**2 * (above - 2 * at + below) / d**2 / n, abs=2e-6)


def test_a_torus_may_be_turned_and_may_be_large_hot_or_cold():
    t = [0.1, 1.0, 2.2, TC_SQUARE, 3.0, 1e3]
    for name in ("log_z", "u", "c"):
        one, two = getattr(kaufman(5, 12, t), name), getattr(kaufman(12, 5, t), name)
        assert one == pytest.approx(two, rel=1e-12, abs=1e-11)
    large = kaufman(1000, 1000, [0.1, 1.5, 3.0, 1e4])
    assert np.isfinite(large.c).all()
    assert large.u == pytest.approx(onsager([0.1, 1.5, 3.0, 1e4]), abs=1e-9)


def test_onsager_has_both_series():
    """Hot: -2 tanh K (1 + 2 tanh^2 K + ...) by counting loops; cold: -2 + 8 e^{-8K} + 24 e^{-12K} + ..."""
    v = math.tanh(0.05)
    assert onsager(20.0)[0] == pytest.approx(-2 * v - 4 * v**3 * (1 - v**2), abs=2e-5)
    x = math.exp(-4 / 0.7)
    assert onsager(0.7)[0] == pytest.approx(-2 + 8 * x**2 + 24 * x**3, abs=40 * x**4 * 4)


def test_yang_has_the_low_temperature_series_and_vanishes_above():
    x = math.exp(-2 / 0.9)
    assert yang(0.9)[0] == pytest.approx(1 - 2 * x**4 - 8 * x**6 - 34 * x**8, abs=200 * x**10)
    assert yang(2.0)[0] == pytest.approx(0.9113193779, abs=1e-10)
    assert yang([TC_SQUARE + 1e-9, 5.0]).tolist() == [0, 0]


def test_a_long_ring_is_a_long_chain():
    assert ring(2000, 1.0).u == pytest.approx(-np.tanh(1.0), abs=1e-12)
    assert chain(10**9, 1.0).u == pytest.approx(-np.tanh(1.0), abs=1e-8)


def test_curie_weiss_without_coupling_between_spins_is_one_spin():
    log_z, u, m = curie_weiss(1, 0.4, 0.5)
    assert (log_z, u, m) == pytest.approx(
        (math.log(2 * math.cosh(0.8)), -0.4 * math.tanh(0.8), math.tanh(0.8))
    )


def test_nishimori_line():
    t, u = nishimori(0.85, 3)
    assert math.tanh(1 / t) == pytest.approx(0.7)
    assert u == pytest.approx(-2.1)


@pytest.mark.parametrize("n", [10, 16, 20])
def test_the_lowest_random_energy_is_near_gumbels(n):
    """The asymptotic law misses the exact mean by a few parts in 1000, and ever less."""
    a = math.sqrt(2 * n * math.log(2))
    gumbel = -(a - (math.log(n * math.log(2)) + math.log(4 * math.pi)) / (2 * a) + 0.5772 / a) / math.sqrt(n)
    mean, deviation = rem_ground_energy(n)
    assert mean == pytest.approx(gumbel, abs=0.01)
    assert mean > gumbel
    assert deviation == pytest.approx(math.pi / math.sqrt(6) / a / math.sqrt(n), rel=0.1)


def test_lowest_of_two_and_three_sherrington_kirkpatrick_spins():
    rng = np.random.default_rng(0)
    j = rng.normal(size=(200_000, 3)) / math.sqrt(3)
    states = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    sample = (-j @ states.T).min(axis=1) / 3
    assert sk_ground_energy(3) == pytest.approx(sample.mean(), abs=4 * sample.std() / 200_000**0.5)
    assert sk_ground_energy(2) == pytest.approx(-math.sqrt(2 / math.pi) / math.sqrt(2) / 2)
    with pytest.raises(BadInput, match="2 or 3"):
        sk_ground_energy(4)


@pytest.mark.parametrize(
    ("temperature", "field"), [(0.9, 0.03877), (0.8, 0.11758), (0.7, 0.23203), (0.6, 0.38266), (0.4, 0.79451)]
)
def test_at_line_at_published_points(temperature, field):
    assert sk_at_line(temperature) == pytest.approx(field, abs=6e-6)


def test_at_line_near_tc():
    assert sk_at_line(0.99) ** 2 / (4 / 3 * 0.01**3) == pytest.approx(1, abs=0.02)
    for wrong in (0.0, 1.0, 1.5):
        with pytest.raises(BadInput, match="AT line"):
            sk_at_line(wrong)


@pytest.mark.parametrize("of", [onsager, yang, partial(ring, 5), partial(chain, 5), partial(kaufman, 4, 4)])
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_temperatures_are_positive(of, temperature):
    with pytest.raises(BadInput, match="temperatures must be positive"):
        of([1.0, temperature])


def test_tori_and_rings_that_would_meet_themselves_are_refused():
    with pytest.raises(BadInput, match="at least 3, not 2 x 4"):
        kaufman(2, 4, 1.0)
    with pytest.raises(BadInput, match="at least three"):
        ring(2, 1.0)
