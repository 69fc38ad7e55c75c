"""Planted bugs in paths and pockets: each must turn a calibration red."""

import inspect

import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.dynamics import flip_paths

PATHS, POCKETS = flip_paths.calibrations
SLOW = pytest.mark.slow  # to compile


def red(calibration):
    return [row for row in judge_calibration(calibration.run(0)).rows if not row.ok]


@pytest.mark.parametrize(
    ("calibration", "function", "right", "wrong"),
    [
        (PATHS, "walk", "peak = max(peak, lowest)", "peak = peak"),
        pytest.param(PATHS, "walk", "then < lowest", "lowest == np.inf or then > lowest", marks=SLOW),
        (PATHS, "walked", "np.maximum(peaks[moving], lowest)", "lowest"),
        (POCKETS, "flood", "lids[last] = max(energy, lids[last - 1])", "lids[last] = energy"),
        pytest.param(POCKETS, "flood", "heappush(queue, (then, parent, rank + 1))", "pass", marks=SLOW),
        pytest.param(POCKETS, "flood", "max(energy, lids[count - 1])", "energies[count - 1]", marks=SLOW),
    ],
    ids=["no peak", "dearest first", "last energy", "no lid", "one flip a state", "too little beyond"],
)
def test_a_planted_bug_is_seen(monkeypatch, calibration, function, right, wrong):
    source = inspect.getsource(getattr(flip_paths, function))
    assert source.count(right) == 1
    names = dict(vars(flip_paths))
    exec(compile(source.replace(right, wrong), "mutant", "exec"), names)
    monkeypatch.setattr(flip_paths, function, names[function])
    assert red(calibration)


def test_the_originals_are_green():
    assert not red(PATHS)
    assert not red(POCKETS)
