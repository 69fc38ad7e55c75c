"""What users give: a system of their own, and a state of one, looked at before anything is run."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import MAKERS, system
from spinfunnel.systems.given import look_at, state_of
from spinfunnel.systems.protocols import Native, System


class Bowl(System):
    """A user's system: two coordinates, and the least a system must have."""

    name, convention, size = "bowl", "H = x^2 + y^2", 2

    def energy(self, x):
        return (x**2).sum(axis=1)

    def random(self, batch, seed):
        return np.random.default_rng(seed).normal(size=(batch, 2))


def test_a_system_that_keeps_its_promises_passes():
    look_at(Bowl())


@pytest.mark.parametrize("name", MAKERS)
def test_our_own_systems_pass_and_their_native_states_are_states(name):
    made = system(name, seed=1)
    look_at(made)
    if isinstance(made, Native):
        assert (state_of(made, made.native, "native") == made.native).all()


def broken(**methods):
    return type("Broken", (Bowl,), methods)()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (broken(energy=lambda self, x: np.full(len(x), np.nan)), "64 of 64 random states have nan"),
        (broken(energy=lambda self, x: 1 / np.zeros(len(x))), "64 of 64 random states have inf"),
        (broken(energy=lambda self, x: np.where(x[:, 0] > 9, 0, -np.inf)), "have -inf"),
        (broken(energy=lambda self, x: x**2), r"must give 64 numbers, it gives float64 of shape \(64, 2\)"),
        (broken(energy=lambda self, x: 1.0), r"of shape \(\)"),
        (broken(energy=lambda self, x: (x + 0j).sum(axis=1)), "complex128"),
        (broken(energy=lambda self, x: None), "it gives object"),
        (broken(energy=lambda self, x: x.no_such_thing), "AttributeError: .*no_such_thing"),
        (
            broken(random=lambda self, batch, seed: np.zeros(2)),
            r"states of shape \(64, 2\), these have \(2,\)",
        ),
        (broken(random=lambda self, batch, seed: np.zeros((batch, 2))), "same states for seeds 0 and 1"),
        (
            broken(random=lambda self, batch, seed: np.random.default_rng().normal(size=(batch, 2))),
            "same states for the same seed",
        ),
        (type("Bare", (Bowl,), {"name": property()})(), "system Bare failed .*AttributeError"),
        (broken(random=lambda self: None), "TypeError"),
        (broken(size=3), r"states of shape \(64, 3\)"),
    ],
)
def test_what_is_wrong_with_a_system_is_one_line(made, says):
    with pytest.raises(BadInput, match=says) as caught:
        look_at(made)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("sk4", [1, 0, 0, 1], "of x = 0 and 1, give 2 x - 1"),
        ("sk4", [True, False, True, True], "give 2 x - 1"),
        ("sk4", [1, -1, 2, 1], "it holds 2"),
        ("sk4", [1, -1, 0, 1], "it holds 0"),
        ("sk4", [1, -1, 1], r"of shape \(3,\), and a state of sk of \(4,\)"),
        ("sk4", [[1, -1], [1, -1]], r"of shape \(2, 2\)"),
        ("sk4", [1, -1, np.nan, 1], "finite numbers"),
        ("sk4", ["up"] * 4, "finite numbers"),
        ("hp20", np.arange(40).reshape(20, 2), "no state of hp: .*broken"),
        ("hp20", np.full((20, 2), 0.5), "whole numbers"),
        ("lj4", np.zeros((4, 3)), "energy (nan|inf)"),
        ("spherical-pspin8", np.ones(8) * 2, "off the surface"),
        ("spherical-pspin8", np.zeros(8), "off the surface"),
    ],
)
def test_what_is_no_state_is_one_line(name, given, says):
    with pytest.raises(BadInput, match=says) as caught:
        state_of(system(name), np.array(given), "my state")
    assert str(caught.value).startswith("my state ")
    assert "\n" not in str(caught.value)


def test_a_state_takes_the_type_and_shape_that_states_have():
    column = state_of(system("sk4"), np.array([[1.0], [-1.0], [1.0], [1.0]]), "column")
    assert (column.dtype, column.shape) == (np.int8, (4,))
    chain = state_of(system("go", size=9), system("go", size=9).native.astype(float), "chain")
    assert chain.dtype == np.int64
    assert state_of(system("spherical-pspin8"), np.ones(8), "on the sphere").dtype == np.float64
