"""Planted bugs must turn the calibration of `folding` red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.folding import calibration, measuring

RUNS = {one.name: one.run for one in calibration.calibrations}


def red(name):
    return {row.quantity.split(" ")[0] for row in judge_calibration(RUNS[name](0)).rows if not row.ok}


def rewritten(monkeypatch, old, new, name):
    source = inspect.getsource(measuring)
    assert source.count(old) == 1
    names = dict(vars(measuring))
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    monkeypatch.setattr(calibration, name, names[name])


def test_the_original_is_green():
    assert [red(name) for name in ("random energies", "Go chain", "decoys", "no funnel")] == [set()] * 4


@pytest.mark.parametrize(
    ("old", "new", "name", "run", "wrong"),
    [
        ("entropy = count - math.log(copies(system))", "entropy = count / 2", "random_energies",
         "random energies", "Tg"),
        ("entropy = count - math.log(copies(system))", "entropy = count", "random_energies",
         "Go chain", "Tf"),
        ("deviation = float(mine.mean()), float(mine.std())", "deviation = 0.0, float(mine.std())",
         "random_energies", "Go chain", "Tf"),
        ("apart = found.overlaps <= CUT", "apart = found.overlaps <= 1", "decoys", "decoys", "standard"),
        ("np.isin(found.replica, kept)", "np.isin(found.replica % 2, kept)", "rank_correlation",
         "no funnel", "rank"),
        ("for values in (energies, found.overlaps)", "for values in (energies, energies)", "rank_correlation",
         "no funnel", "rank"),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_noticed(monkeypatch, old, new, name, run, wrong):
    rewritten(monkeypatch, old, new, name)
    assert wrong in red(run)
