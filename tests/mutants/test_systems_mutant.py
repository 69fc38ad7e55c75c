"""Planted bugs in the systems and their oracle: each must turn a calibration, or the kit, red."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import calibration, enumeration, exact, lattices, mean_field, planted, system
from spinfunnel.systems.spins import PlantedSpins, Spins
from spinfunnel.testing import check_system

COUNT = count()


def red(*words):
    """Run the quick calibrations of these names; give the rows that fail."""
    return [
        row
        for known in calibration.calibrations
        if known.effort == "quick" and (not words or known.name in words)
        for row in known.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def off():
    """Give the systems whose identities of the disorder fail by many errors, with half of the usual draws."""
    return [row.system for row in calibration.disorder(0, 1000) if abs(row.sigma) > 4]


def test_the_originals_are_green():
    assert red() == []


# The oracle.


def test_field_of_the_wrong_sign_in_the_oracle(monkeypatch):
    right = enumeration._independent
    monkeypatch.setattr(enumeration, "_independent", lambda fields, constant: right(-fields, constant))
    assert {row.quantity for row in red("fields")} >= {"<s>"}
    with pytest.raises(AssertionError, match="enumerated"):
        check_system(system("ising1d?field=.5", size=5))


def test_degeneracy_off_by_the_global_flip(monkeypatch):
    right = calibration.enumerate_states

    def wrong(*given):
        found = right(*given)
        return replace(found, degeneracy=found.degeneracy // 2)

    monkeypatch.setattr(calibration, "enumerate_states", wrong)
    assert [row.quantity for row in red("counting")] == ["degeneracy"]


def test_states_counted_once_that_are_made_by_halves(monkeypatch):
    right = enumeration._Sums.thermal
    halved = lambda self, n: replace(right(self, n), log_z=right(self, n).log_z - np.log(2))  # noqa: E731
    monkeypatch.setattr(enumeration._Sums, "thermal", halved)
    assert {row.quantity[:5] for row in red("closed forms")} == {"log_z"}


def test_moments_that_are_not_moved_to_a_new_lowest_energy(monkeypatch):
    monkeypatch.setattr(enumeration._Sums, "_recentre", lambda self, low: None)
    assert {row.quantity for row in red("fields")} == {"log Z", "u"}


def test_spins_above_a_block_that_act_on_none_below(monkeypatch):
    monkeypatch.setattr(enumeration, "LOW", 6)
    assert not red("closed forms", "planted states")
    right = enumeration._independent
    monkeypatch.setattr(
        enumeration, "_independent", lambda fields, constant: right(fields * (len(fields) != 3), constant)
    )
    assert red("closed forms")
    assert red("planted states")


def test_correlations_of_the_wrong_pairs(monkeypatch):
    right = calibration.correlations

    def wrong(*given):
        one, two = right(*given)
        return one, np.roll(two, 1, axis=0)

    monkeypatch.setattr(calibration, "correlations", wrong)
    assert len(off()) == 4  # all but the Nishimori line, which asks for no correlations


# The closed forms.


def test_kaufman_with_even_and_odd_swapped(monkeypatch):
    right = exact._product

    def wrong(m, jets, last, sign):
        """Give the even products the signs and the last factor of the odd ones."""
        return right(m, jets, None, sign) if last is not None else right(m, jets[:, 1:], last, sign)

    monkeypatch.setattr(exact, "_product", wrong)
    assert any("torus" in row.system for row in red("closed forms"))


def test_kaufman_with_a_gamma_zero_that_does_not_change_sign(monkeypatch):
    right = exact._gamma_zero
    monkeypatch.setattr(exact, "_gamma_zero", lambda k: tuple(np.sign(right(k)[0]) * g for g in right(k)))
    assert any("torus" in row.system for row in red("closed forms"))


def test_onsager_with_the_modulus_not_squared(monkeypatch):
    right = exact.ellipk
    monkeypatch.setattr(exact, "ellipk", lambda m: right(np.sqrt(m)))
    assert {row.quantity for row in red("closed forms")} == {"u, Kaufman against Onsager"}


def test_weakest_of_three_bonds_by_a_wrong_angle(monkeypatch):
    right = exact.sk_ground_energy
    monkeypatch.setattr(exact, "sk_ground_energy", lambda n: right(n) * (1.1 if n == 3 else 1))
    assert {row.system for row in red("lowest energies")} == {"Gaussian SK, N 3"}


# The systems.


def test_bonds_of_a_torus_counted_twice_where_a_side_is_two(monkeypatch):
    def wrong(sides):
        sites = np.arange(np.prod(sides)).reshape(sides)
        pairs = [
            np.stack([sites, np.roll(sites, -1, axis)], axis=-1).reshape(-1, 2) for axis in range(len(sides))
        ]
        return np.concatenate(pairs)

    assert wrong((4, 4)).shape == lattices.torus((4, 4)).shape
    assert len(wrong((2, 2))) == 8
    monkeypatch.setattr(lattices, "torus", wrong)
    with pytest.raises(BadInput, match="given twice"):
        red("counting")


def test_sherrington_kirkpatrick_couplings_of_variance_1_over_n_less_1(monkeypatch):
    right = mean_field.draw
    monkeypatch.setattr(
        mean_field, "draw", lambda law, n, rng: right(law, n, rng) * {28: 8 / 7, 45: 10 / 9}.get(n, 1) ** 0.5
    )
    assert set(off()) == {"Gaussian SK, N 8, T 0.5", "Gaussian SK, N 10, T 1.0"}


def test_wishart_vectors_that_see_the_planted_state(monkeypatch):
    right = planted.random_spins

    def wrong(batch, size, seed):
        spins = right(batch, size, seed).copy()
        spins[:, 0] *= size != 16  # that of the Wishart glasses here
        return spins

    monkeypatch.setattr(planted, "random_spins", wrong)
    assert any("Wishart" in row.system for row in red("planted states"))


def test_rem_of_half_the_variance(monkeypatch):
    right = calibration.rem
    monkeypatch.setattr(
        calibration, "rem", lambda *given: replace(right(*given), table=right(*given).table / np.sqrt(2))
    )
    assert {row.system[:3] for row in red("lowest energies")} == {"REM"}


# The kit.


def wrong_energy(self, x):
    return -np.einsum("bi,bi->b", x, self.local_fields(x) - self.fields) / 2 + np.asarray(x) @ self.fields


@pytest.mark.parametrize(
    ("method", "wrong", "says"),
    [
        ("energy", wrong_energy, "of the arrays"),
        ("energy", lambda self, x: np.arange(len(x)), "rest of the batch"),
        ("energy", lambda self, x: np.full(len(x), np.nan), "finite"),
        ("energy", lambda self, x: np.ones((len(x), 1)), "energy must have shape"),
        ("flip_cost", lambda self, x: 2 * x * (self.local_fields(x) - self.fields), "flip_cost of spin"),
        ("flip_cost", lambda self, x: x * self.local_fields(x), "flip_cost of spin"),
        ("overlap", lambda self, x, y: np.mean(x * y, axis=1) ** 2, "must be -1 without|must be 1 without"),
        ("overlap", lambda self, x, y: np.sum(np.multiply(x, y, dtype=float), axis=1), r"in \[-1, 1\]"),
        ("overlap", lambda self, x, y: np.mean(x, axis=1, dtype=float), "must be overlap|itself"),
        ("random", lambda self, batch, seed: np.ones((batch, self.size), dtype=np.int8), "differ|sigma"),
        ("random", lambda self, batch, seed: np.ones((batch, self.size)), "int8"),
        (
            "random",
            lambda self, batch, seed: np.random.default_rng().choice(
                np.array([-1, 1], np.int8), (batch, self.size)
            ),
            "one seed",
        ),
    ],
)
def test_the_kit_finds_broken_promises(monkeypatch, method, wrong, says):
    made = system("ea?dimension=2&law=gauss&field=.3", size=4)
    check_system(made)
    monkeypatch.setattr(Spins, method, wrong)
    with pytest.raises(AssertionError, match=says):
        check_system(made)


def test_the_kit_finds_an_overlap_that_minds_the_global_flip(monkeypatch):
    monkeypatch.setattr(Spins, "overlap", lambda self, x, y: np.mean(np.multiply(x, y, dtype=float), axis=1))
    check_system(system("sk?field=.1", size=10))
    with pytest.raises(AssertionError, match=r"must be (1 without a field|the same state)"):
        check_system(system("sk", size=10))


def test_the_kit_finds_configurations_that_were_changed(monkeypatch):
    right = Spins.flip_cost

    def wrong(self, x):
        costs = right(self, x)
        x[0] *= -1
        return costs

    monkeypatch.setattr(Spins, "flip_cost", wrong)
    with pytest.raises(AssertionError):
        check_system(system("ea", size=3))


@pytest.mark.parametrize(
    ("size", "change", "says"),
    [
        (40, {"ground_energy": -1.0}, "energy\\(native\\)"),
        (40, {"native": np.ones(40, np.int8)}, "energy\\(native\\)"),
        (40, {"certificate": ""}, "why nothing is lower"),
        (40, {"native": np.ones(40)}, "int8"),
    ],
)
def test_the_kit_finds_false_certificates(size, change, says):
    made = planted.wishart(size, seed=1)
    assert isinstance(made, PlantedSpins)
    with pytest.raises(AssertionError, match=says):
        check_system(replace(made, **change))


def test_the_kit_finds_a_planted_state_that_is_only_a_local_minimum():
    n = 12
    ring = lattices.ising1d(n)
    wall = np.where(np.arange(n) < 6, 1, -1).astype(np.int8)
    edges, couplings = ring.bonds
    made = PlantedSpins.of_edges(
        edges,
        couplings,
        size=n,
        native=wall,
        ground_energy=float(ring.energy(wall[None])[0]),
        certificate="hope",
    )
    with pytest.raises(AssertionError, match="below the planted"):
        check_system(made, batch=1)


def test_a_transfer_matrix_that_forgets_the_diagonal(monkeypatch):
    right = exact.transfer
    monkeypatch.setattr(
        exact, "transfer", lambda *given, **named: right(*given, **{**named, "diagonal": 0.0})
    )
    assert {row.system for row in red("closed forms")} == {
        "4 x 4 triangular",
        "4 x 4 triangular antiferromagnet in a field",
    }


def test_a_cube_with_a_bond_too_many_that_is_negative(monkeypatch):
    right = planted.tiles3d

    def wrong(size, seed=0, *, faces=6):
        made = right(size, seed, faces=faces)
        return replace(made, ground_energy=made.ground_energy - made.size / 4 * 2)

    monkeypatch.setattr(planted, "tiles3d", wrong)
    assert {row.system for row in red("planted states")} == {f"tiles, first cube F{n}" for n in (2, 4, 6)}
