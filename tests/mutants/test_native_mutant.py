"""Planted bugs must turn the calibration of `native` red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.native import calibration, leaving
from spinfunnel.systems.spins import Spins, overlap


def hole(seed):
    return calibration._hole(seed, 12, 4000)


def red(run):
    return [row.quantity for row in judge_calibration(run(0)).rows if not row.ok]


def test_the_original_is_green():
    assert red(hole) == []
    assert red(calibration._magnet) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.where(turned, -same, same)", "same"),  # nothing leaves
        ("order[:, : flips(system.size, q)]", "order[:, : flips(system.size, q) + 1]"),
        ("rng.permuted(np.tile(np.arange(system.size), (replicas, 1)), axis=1)",
         "np.tile(np.arange(system.size), (replicas, 1))"),  # always the same spins
        ("> RETURNED", "> 0.5"),  # minima nearby have returned
        ("quench(system, states, seed=seed).final", "steepest(system, states, 1e-9)"),
    ],
)  # fmt: skip
def test_a_wrong_way_out_or_back_is_noticed(monkeypatch, old, new):
    source = inspect.getsource(leaving)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(leaving)))
    for name in ("away", "returns"):
        monkeypatch.setattr(leaving, name, names[name])
    assert red(hole)


def test_a_forgotten_mirror_image_is_noticed(monkeypatch):
    monkeypatch.setattr(Spins, "overlap", lambda self, x, y: overlap(x, y))
    assert "native hits" in red(calibration._magnet)
