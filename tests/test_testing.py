"""The shipped kits: what passes. What they must find is in tests/mutants."""

import pytest

from spinfunnel.systems import system
from spinfunnel.testing import check_system


@pytest.mark.parametrize("size", [1, 2, 16, 17, 200])
def test_systems_of_any_size_are_checked(size):
    check_system(system("sk?field=.2", size=size), batch=3, seed=4)


def test_one_configuration_is_a_batch():
    check_system(system("ea", size=3), batch=1)
