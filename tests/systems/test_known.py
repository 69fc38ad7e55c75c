import numpy as np
import pytest

from spinfunnel.systems import spelled, system
from spinfunnel.systems.exact import TC_REM
from spinfunnel.systems.known import known

T = np.array([0.9, 1.7, 3.0])


def only(name, size, t=T):
    (found,) = known(system(name, size=size), t)
    return found


@pytest.mark.parametrize(("name", "size"), [("ising1d", 12), ("ising2d", 4), ("mattis", 12)])
def test_closed_forms_are_what_enumeration_gives(name, size, monkeypatch):
    counted = only(name, size)
    monkeypatch.setattr("spinfunnel.systems.known.FEW", 0)
    closed = only(name, size)
    assert "states" in counted.label
    assert "states" not in closed.label
    assert closed.exact
    for quantity in ("u", "s") if name == "mattis" else ("u", "c", "s"):
        np.testing.assert_allclose(getattr(closed, quantity), getattr(counted, quantity), atol=1e-12)


def test_entropy_goes_from_ln_2_to_the_ground_states():
    ring = only("ising1d", 12, np.array([0.05, 1e4]))
    np.testing.assert_allclose(ring.s, [np.log(2) / 12, np.log(2)], atol=1e-6)


def test_limits_do_not_pretend_to_be_exact():
    (glass,) = known(system("sk", size=64), T)
    assert not glass.exact
    np.testing.assert_allclose(glass.u, -1 / (2 * glass.temperatures))
    assert (glass.temperatures >= 1).all()
    rem = known(system("rem", size=17), np.array([0.3, TC_REM, 5.0]))[-1]
    np.testing.assert_allclose(rem.s, [0, 0, np.log(2) - 1 / 50], atol=1e-12)
    np.testing.assert_allclose(rem.u[0], rem.u[1])


def test_the_nishimori_line_is_a_point():
    _, _, parameters = spelled("nishimori?p=0.85")
    (point,) = known(system("nishimori?p=0.85", size=8), T, parameters)
    assert point.u == pytest.approx(-1.4)
    assert point.temperatures == pytest.approx(1 / np.arctanh(0.7))


def test_nothing_is_known_of_a_glass_in_a_field():
    assert known(system("sk?field=0.3", size=64), T) == []
    assert known(system("ising2d?field=0.1", size=8), T) == []
