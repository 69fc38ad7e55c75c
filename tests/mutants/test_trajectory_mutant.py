"""Planted bugs must turn the calibration of `trajectory` red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.trajectory import calibration, measuring
from spinfunnel.maths import random_walks


def red(name):
    (one,) = (c for c in calibration.calibrations if c.name == name)
    return [row.quantity for row in judge_calibration(one.run(0)).rows if not row.ok]


def rewritten(monkeypatch, module, function, old, new):
    source = inspect.getsource(module)
    assert source.count(old) == 1
    names = {"__name__": "mutant"}
    monkeypatch.setitem(__import__("sys").modules, "mutant", measuring)  # where dataclasses look types up
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(calibration, function, names[function])


def test_the_original_is_green():
    assert [c.name for c in calibration.calibrations if c.effort == "quick" and red(c.name)] == []


def test_components_about_the_start_instead_of_the_mean_are_noticed(monkeypatch):
    monkeypatch.setattr(random_walks, "_centred", random_walks.displacements)
    found = red("components")
    assert "share of component 1" in found
    assert "share in the null of component 1" in found


def test_nulls_of_another_length_are_noticed(monkeypatch):
    rewritten(
        monkeypatch, measuring, "moved", "drawn = surrogates(steps, correlation,",
        "drawn = surrogates(steps[: n // 4], correlation[: n // 4, : n // 4],",
    )  # fmt: skip
    assert any("in the null" in quantity for quantity in red("components"))


def test_speed_that_forgets_the_steps_between_snapshots_is_noticed(monkeypatch):
    rewritten(monkeypatch, measuring, "moved", "self.lengths / np.diff(self.times)", "self.lengths")
    assert red("exponents") == ["highest speed"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("half = len(times) // 2\n    last,", "half = 0\n    last,"),
        ("products[half:, half:], times[half:]", "np.diag(np.diag(products))[half:, half:], times[half:]"),
        ("drift=float(seen / chance.mean())", "drift=float(chance.mean() / seen)"),
        ("p_held=sign_flips(form, draws, seed)[1]", "p_held=sign_flips(form, draws, seed)[0]"),
    ],
)
def test_a_wrong_last_half_is_noticed(monkeypatch, old, new):
    rewritten(monkeypatch, measuring, "last_half", old, new)
    assert any(not row.ok for row in calibration._called(12, 0))


def test_a_verdict_on_fewer_snapshots_than_can_tell_is_noticed(monkeypatch):
    assert not red("the fewest snapshots")
    monkeypatch.setattr(calibration, "FEWEST", 20)
    (found,) = red("the fewest snapshots")
    assert found.startswith("called at rest")


def test_ageing_over_waiting_times_of_other_lengths_is_noticed(monkeypatch):
    rewritten(
        monkeypatch, measuring, "moved", "self.distances[quarter, 2 * quarter]", "self.distances[0, quarter]"
    )
    assert len(red("ageing")) == 1


def test_a_level_taken_from_the_noise_is_noticed(monkeypatch):
    rewritten(monkeypatch, measuring, "levelled", "end + LEFT * (float(losses[0]) - end)", "end")
    assert red("levelling off")


def test_steps_that_are_not_differences_are_noticed(monkeypatch):
    monkeypatch.setattr(calibration, "inner_products", lambda w: (w @ w.T)[1:, 1:])
    assert red("exponents")
