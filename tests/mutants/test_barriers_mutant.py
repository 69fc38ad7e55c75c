"""Planted bugs in barriers: each must turn a calibration red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.barriers import calibration, measuring

FLOODED, SURFACE, _ = calibration.calibrations


def red(of):
    return [row for row in judge_calibration(of.run(0)).rows if not row.ok]


def test_the_originals_are_green():
    assert not red(FLOODED)
    assert not red(SURFACE)


@pytest.mark.parametrize(
    ("of", "function", "right", "wrong"),
    [
        (FLOODED, "joined", "np.maximum(highest, floor)", "floor"),
        (FLOODED, "climbs", "tree.passes(*pairs.T)", "2 * tree.passes(*pairs.T)"),
        (FLOODED, "flip_ways", "Ways(ends, highest,", "Ways(ends[::-1], highest,"),
        (SURFACE, "smooth_ways", "np.minimum(small, bands.highest)", "small - 1"),
        (SURFACE, "smooth_ways", "energies[apart]", "energies[apart] - 1"),
    ],
)
def test_a_planted_bug_is_seen(monkeypatch, of, function, right, wrong):
    source = inspect.getsource(getattr(measuring, function))
    assert source.count(right) == 1
    names = dict(vars(measuring))
    exec(compile(source.replace(right, wrong), "mutant", "exec"), names)
    monkeypatch.setattr(measuring, function, names[function])
    assert red(of)
