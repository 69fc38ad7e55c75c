"""The random energy model with a native state, and what its replicas share."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import exact
from spinfunnel.systems.protocols import Planted
from spinfunnel.systems.rem import rem, rem_native, rem_participation
from spinfunnel.testing import check_system


def test_one_energy_is_put_below_all_others_of_the_same_glass():
    made, glass = rem_native(12, 4, native=1.5), rem(12, 4)
    check_system(made)
    assert isinstance(made, Planted)
    assert (made.table != glass.table).sum() == 1
    assert made.table.argmin() == made.states(made.native[None])[0]
    assert made.table.min() == made.ground_energy == -18
    assert "-1.5 N" in made.convention


@pytest.mark.parametrize("native", [0.5, -1.0, np.nan])
def test_a_native_state_among_the_others_is_refused(native):
    with pytest.raises(BadInput, match="a random one is at"):
        rem_native(12, native=native)


def test_replicas_share_a_state_as_in_the_limit():
    for temperature in (0.2, 0.5):
        above = [rem_participation(n, temperature) - (1 - temperature / exact.TC_REM) for n in (15, 30, 60)]
        assert above[0] > above[1] > above[2] > 0
        assert above[2] < 0.03
    assert rem_participation(1, 1e4) == pytest.approx(1 / 2, abs=1e-6)  # all states alike
    assert rem_participation(10, 1e4) == pytest.approx(2**-10, rel=1e-5)
    with pytest.raises(BadInput, match="positive"):
        rem_participation(10, 0)


def test_two_states_share_what_two_energies_say():
    """N = 1: E of (1 + tanh^2(d / 2T)) / 2 for the difference d of two energies, of variance 2."""
    d = np.linspace(-15, 15, 20001)
    weights = np.exp(-(d**2) / 4)
    expected = weights @ ((1 + np.tanh(d / (2 * 0.3)) ** 2) / 2) / weights.sum()
    assert rem_participation(1, 0.3) == pytest.approx(expected, abs=1e-9)
