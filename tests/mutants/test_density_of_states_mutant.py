"""Planted bugs must turn the calibration of `density_of_states`, or the law of walks under it, red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.density_of_states import calibration, measuring
from spinfunnel.systems import folding_theory


def torus(seed):
    return calibration.counted("ising2d", 4, 1000, 0.1, seed)


def chain(seed):
    return calibration.counted("go", 9, 600, 0.2, seed, 5)


def red(run):
    return {row.quantity.split(" ")[0].strip(",") for row in judge_calibration(run(0)).rows if not row.ok}


def rewritten(monkeypatch, old, new):
    source = inspect.getsource(measuring)
    assert source.count(old) == 1
    names = dict(vars(measuring))
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(calibration, "measured", names["measured"])


def test_the_original_is_green():
    assert red(torus) == red(chain) == set()
    assert red(folding_theory.calibrations[0].run) == set()


@pytest.mark.parametrize(
    ("old", "new", "run", "wrong"),
    [
        ("+ log_count)\n\n\ndef _native", "+ log_count / 2)\n\n\ndef _native", torus, {"S"}),
        ("np.gradient(s, middles)", "np.gradient(s, 2 * middles)", torus, {"dS/dE"}),
        ("+ betas * energy  #", "- betas * energy  #", chain, {"S", "dS/dE", "Tf"}),
        ("return 1 / float(brentq(excess", "return float(brentq(excess", chain, {"Tf"}),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, old, new, run, wrong):
    rewritten(monkeypatch, old, new)
    assert red(run) & wrong


def test_random_states_counted_at_the_wrong_temperature_are_noticed(monkeypatch):
    right = measuring.multi_histogram
    monkeypatch.setattr(measuring, "multi_histogram", lambda e, n, betas: right(e, n, betas * 1.05))
    assert red(torus)


def test_a_wrong_number_of_walks_is_noticed(monkeypatch):
    monkeypatch.setattr(folding_theory, "WALKS", folding_theory.WALKS[1:])
    assert red(folding_theory.calibrations[0].run)
    monkeypatch.undo()
    monkeypatch.setattr(folding_theory, "MU", 2.7)
    assert red(folding_theory.calibrations[0].run)
