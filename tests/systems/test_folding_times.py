"""Folding times and temperatures: limits, symmetric cases by hand, and what cannot be."""

import math

import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.folding_times import (
    YEAR,
    BryngelsonWolynes,
    levinthal,
    zwanzig,
    zwanzig_estimate,
)


def test_one_and_two_bonds_by_hand():
    assert zwanzig(1, 0.7, rate=4) == pytest.approx(1 / 4)
    k = 2 * math.exp(-0.7)  # from 2 wrong: 1/2; from 1 wrong: right at 1, back at k
    assert zwanzig(2, 0.7, rate=1) == pytest.approx(1 / 2 + 1 + k / 2)


def test_without_errors_the_slowest_bond_decides():
    harmonic = sum(1 / s for s in range(1, 51))
    assert zwanzig(50, 30.0, rate=1) == pytest.approx(harmonic, rel=1e-10)


def test_the_published_example():
    """A bias of 2 T a bond makes a second of 1e27 years: 100 bonds, 2 wrong states each, 1 ns."""
    assert zwanzig(100, 2) == pytest.approx(0.973, abs=5e-4)
    assert zwanzig(100, 0) / YEAR > levinthal(100) / YEAR > 1e27
    assert zwanzig_estimate(100, 2) / zwanzig(100, 2) == pytest.approx(0.961, abs=1e-3)


def test_the_gap_of_a_ratio_and_back():
    for ratio in (1.0, 1.3, 1.6, 2.0, 5.0):
        model = BryngelsonWolynes.of_ratio(ratio, entropy=50, roughness=2.0)
        assert model.ratio == pytest.approx(ratio, rel=1e-6)
        assert model.z_score == pytest.approx(math.sqrt(25) * (ratio + 1 / ratio))
        assert model.free_energy(model.folding_temperature) == pytest.approx(-model.gap)


def test_a_glass_is_frozen_below_its_temperature():
    model = BryngelsonWolynes.of_ratio(2.0, entropy=50, roughness=2.0)
    glass = model.glass_temperature
    assert model.free_energy(glass / 5) == model.free_energy(glass) == pytest.approx(-2.0 * math.sqrt(100))
    assert model.free_energy(2 * glass) < model.free_energy(glass)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: zwanzig(0, 1.0), "bonds must be positive, not 0"),
        (lambda: zwanzig(10, math.nan), "finite, not nan"),
        (lambda: zwanzig(10, 1.0, rate=-1), "rate must be positive, not -1"),
        (lambda: zwanzig(10, -800.0), r"about e\^8007, beyond"),
        (lambda: zwanzig_estimate(10, 800.0), "e\\^799"),
        (lambda: zwanzig_estimate(1000, 0), r"about e\^1099, beyond"),
        (lambda: levinthal(700), r"about e\^769"),
        (lambda: levinthal(10, states=0), "states must be positive"),
        (lambda: BryngelsonWolynes(10, 1, 0), "gap must be positive"),
        (
            lambda: BryngelsonWolynes(50, 1, 9.9).folding_temperature,
            "9.9 below the mean, the glass 10: it does",
        ),
        (lambda: BryngelsonWolynes.of_ratio(0.9, entropy=10, roughness=1), "at least 1, not 0.9"),
        (lambda: BryngelsonWolynes(50, 1, 12).free_energy(0), "temperature must be positive"),
    ],
)
def test_what_cannot_be_is_explained(make, says):
    with pytest.raises(BadInput, match=says):
        make()
