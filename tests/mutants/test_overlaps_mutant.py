"""Planted bugs must turn the calibration of `overlaps` red."""

import inspect

import pytest

from spinfunnel import samples
from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.overlaps import calibration, measuring


def glass(seed):
    """One of the systems of the calibration with all states."""
    return calibration.enumerated("sk", 14, 1000, 16, seed)


def red(run):
    return [row.quantity for row in judge_calibration(run(0)).rows if not row.ok]


def rewritten(monkeypatch, old, new):
    source = inspect.getsource(measuring)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(measuring)))
    monkeypatch.setattr(measuring, "moments", names["moments"])
    monkeypatch.setattr(measuring, "distribution", names["distribution"])


def test_the_original_is_green():
    assert red(glass) == []
    assert red(calibration._triangles) == []


def test_the_overlap_of_a_replica_with_itself_is_noticed(monkeypatch):
    monkeypatch.setattr(samples, "PAIRS", ((0, 0), *samples.PAIRS[1:]))
    assert "<q²>" in red(glass)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("(3 - q4 / q2**2) / 2", "(3 - q4 / q2) / 2", {"Binder cumulant"}),
        ("sharing - q4 / 2 - q2**2 / 2", "apart - q4 / 2 - q2**2 / 2", {"<q12² q13²> - <q⁴>/2 - <q²>²/2"}),
        ("counts = (counts + counts[:, :, ::-1]) / 2", "pass", {"P(q = 1)"}),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, old, new, wrong):
    rewritten(monkeypatch, old, new)
    assert set(red(glass)) == wrong


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sides[:, 2] - sides[:, 1]", "sides[:, 2] - sides[:, 0]"),
        ("3 * np.sum(f**2 * (1 - f), axis=1)", "3 * np.sum(f * (1 - f), axis=1)"),
    ],
)
def test_wrong_triangles_are_noticed(monkeypatch, old, new):
    rewritten(monkeypatch, old, new)
    assert red(calibration._triangles)
