"""Planted bugs in couplings among many spins: each must turn a calibration, or the kit, red."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from spinfunnel.systems import enumeration, many_body_calibration
from spinfunnel.systems.many_body import ManyBody, PlantedManyBody
from spinfunnel.systems.many_body_calibration import clauses, disorder, freezing, limits, nishimori
from spinfunnel.systems.many_body_calibration import toward_the_rem as toward
from spinfunnel.testing import check_system

multiscale, pspin, rem, xorsat = (
    import_module(f"spinfunnel.systems.{name}") for name in ("multiscale", "pspin", "rem", "xorsat")
)


def red(rows):
    """Give the rows that fail, of fewer draws than the calibrations take."""
    return [row for row in rows if not (row.ok or row.kind == "value") or abs(row.sigma or 0) > 4.5]


def test_the_originals_are_green():
    for rows in (
        disorder(0, 25),
        toward(0, 12, 25),
        limits(0, 100),
        nishimori(0, 80),
        clauses(0),
        freezing(0, 400),
    ):
        assert red(rows) == []


def test_block_couplings_of_the_strength_of_the_whole(monkeypatch):
    """Every level's couplings divided by powers of N, not of the blocks' size."""
    right = multiscale.Scales._laws.fget
    wrong = lambda self: [  # noqa: E731
        (order, n, variance * (n / self.size) ** (order - 1)) for order, n, variance in right(self)
    ]
    variances = multiscale.Scales.variances

    def mutant(self, terms):
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(multiscale.Scales, "_laws", property(wrong))
            return variances(self, terms)

    monkeypatch.setattr(multiscale.Scales, "variances", mutant)
    assert {row.system.partition(",")[0] for row in red(disorder(0, 25))} == {"multiscale"}


def test_a_term_counted_on_the_finest_level_only_that_holds_it(monkeypatch):
    right = multiscale.Scales.variances

    def wrong(self, terms):
        if self.levels == 1:
            return right(self, terms)
        inside = terms[:, 0] // (self.size // 2) == terms[:, -1] // (self.size // 2)
        return right(self, terms) * np.where(inside, 0.7, 1)

    monkeypatch.setattr(multiscale.Scales, "variances", wrong)
    assert red(disorder(0, 25))
    assert red(limits(0, 100))


def test_pspin_without_the_factorial(monkeypatch):
    monkeypatch.setattr(pspin.math, "factorial", lambda p: p)
    right = pspin.covariance
    monkeypatch.setattr(many_body_calibration, "covariance", lambda x, y, p: right(x, y, p) * {3: 2, 4: 6}[p])
    assert {row.system for row in red(disorder(0, 25))} == {"3-spin, N 12", "4-spin, N 12"}


def test_noise_that_does_not_shrink_as_the_bias_grows(monkeypatch):
    right = multiscale.multiscale

    def wrong(size, seed=0, *, bias=0.5, **given):
        made = right(size, seed, bias=bias, **given)
        if not 0 < bias < 1:
            return made
        noise = right(size, seed, bias=0, **given).couplings
        return replace(made, couplings=made.couplings + (1 - np.sqrt(1 - bias**2)) * noise)

    monkeypatch.setattr(many_body_calibration, "multiscale", wrong)
    assert red(disorder(0, 25))
    assert red(nishimori(0, 80))


def test_order_two_with_the_variance_of_pspin(monkeypatch):
    right = multiscale.multiscale

    def wrong(*args, **given):
        made = right(*args, **given)
        return replace(made, couplings=made.couplings * np.sqrt(2))

    monkeypatch.setattr(many_body_calibration, "multiscale", wrong)
    names = {row.quantity for row in red(limits(0, 100))}
    assert {"ground energy per spin", "ground energy per spin, less SK's", "J less Mattis's"} <= names


def test_couplings_of_four_where_there_should_be_six(monkeypatch):
    right = pspin.subsets

    def wrong(size, order):
        return right(size, min(order, 4))

    monkeypatch.setattr(pspin, "subsets", wrong)
    assert any("6-spin" in row.system for row in red(toward(0, 12, 25)))


def test_a_transform_with_one_sign_wrong(monkeypatch):
    right = enumeration.walsh
    monkeypatch.setattr(enumeration, "walsh", lambda values: right(values)[::-1])
    with pytest.raises(AssertionError, match="enumerat"):
        check_system(pspin.pspin(8))


def test_a_transform_that_forgets_one_spin(monkeypatch):
    right = enumeration.walsh

    def wrong(values):
        half = len(values) // 2
        return np.concatenate([right(values[:half]), right(values[half:])])

    monkeypatch.setattr(enumeration, "walsh", wrong)
    assert {row.quantity for row in red(limits(0, 50))} >= {"ground energy"}
    assert {row.quantity for row in red(clauses(0))} >= {"ground energy", "degeneracy"}


def test_solutions_counted_by_the_rank_of_the_wrong_equations(monkeypatch):
    right = ManyBody.symmetries.func
    wrong = property(lambda self: right(self)[1:])
    monkeypatch.setattr(PlantedManyBody, "symmetries", wrong, raising=False)
    assert {row.quantity for row in red(clauses(0))} == {"degeneracy"}


def test_one_clause_that_the_planted_state_does_not_satisfy(monkeypatch):
    right = xorsat.xorsat

    def wrong(size, seed=0):
        made = right(size, seed)
        return replace(made, couplings=made.couplings * np.where(np.arange(size) == 0, -1, 1))

    monkeypatch.setattr(many_body_calibration, "xorsat", wrong)
    assert {row.quantity for row in red(clauses(0))} >= {"energy of the native state"}
    with pytest.raises(AssertionError, match="energy\\(native\\)"):
        check_system(wrong(20))


def test_rem_of_half_the_variance_freezes_elsewhere(monkeypatch):
    right = rem.rem
    wrong = lambda *given: replace(right(*given), table=right(*given).table / np.sqrt(2))  # noqa: E731
    monkeypatch.setattr(many_body_calibration, "rem", wrong)
    assert len([row for row in red(freezing(0, 400)) if row.quantity == "P(q = 1)"]) >= 3


def test_a_native_state_that_is_not_as_low_as_it_says(monkeypatch):
    right = rem.rem_native

    def wrong(size, seed, native=1.6):
        return right(size, seed, native=native * 0.98)

    monkeypatch.setattr(many_body_calibration, "rem_native", wrong)
    assert len(red(freezing(0, 400))) == 2  # the odds where it folds, and the ground energy


def test_a_native_state_above_another(monkeypatch):
    right = rem.rem_native

    def wrong(*given, **named):
        made = right(*given, **named)
        return replace(made, table=made.table - np.where(np.arange(len(made.table)) == 7, 40, 0))

    monkeypatch.setattr(many_body_calibration, "rem_native", wrong)
    assert red(freezing(0, 400))
    with pytest.raises(AssertionError, match="below the planted"):
        check_system(wrong(12))


# Moves, which the kit drives.


def accept_that_forgets_the_others(x, memory, data):
    i = int(memory[x.shape[0]])
    memory[i] = -memory[i]
    x[i] = -x[i]


def accept_that_counts_once(x, memory, data, right=ManyBody.accept):
    before = memory.copy()
    right(x, memory, data)
    i = int(before[x.shape[0]])
    mine = memory[i]
    memory[...] = (before + memory) / 2
    memory[i] = mine


@pytest.mark.parametrize("wrong", [accept_that_forgets_the_others, accept_that_counts_once])
def test_the_kit_finds_moves_that_remember_wrongly(monkeypatch, wrong):
    monkeypatch.setattr(ManyBody, "accept", staticmethod(wrong))
    with pytest.raises(AssertionError, match="costs of moves"):
        check_system(pspin.pspin(9))


def test_the_kit_finds_a_prepare_that_counts_terms_once_for_each_spin(monkeypatch):
    right = ManyBody.prepare
    monkeypatch.setattr(ManyBody, "prepare", staticmethod(lambda *given: 3 * right(*given)))
    with pytest.raises(AssertionError, match="prepare must give the energy"):
        check_system(pspin.pspin(9))
