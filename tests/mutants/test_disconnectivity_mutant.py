"""Planted bugs must turn the calibration of `disconnectivity` red."""

import inspect

import pytest

from spinfunnel.instruments.disconnectivity import calibration, measuring


def red():
    return {
        row.system.split(",")[0] for one in calibration.calibrations[:2] for row in one.run(0) if not row.ok
    }


def test_the_original_is_green():
    assert red() == set()


@pytest.mark.parametrize(("share", "wrong"), [(0.05, "ising2d"), (0.8, "xorsat")])
def test_another_threshold_is_noticed(monkeypatch, share, wrong):
    monkeypatch.setattr(measuring, "SHARE", share)
    assert wrong in red()


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (
            "tree.passes(np.flatnonzero(others), lowest) - tree.minima[others]",
            "barriers[others] / 2",
            "Mueller-Brown",
        ),
        ("- bottom\n", "- float(tree.minima.mean())\n", "Mueller-Brown"),
        ("np.append(lowest, np.flatnonzero(deep))", "np.append(lowest, np.flatnonzero(others))", "ising2d"),
        ("barriers >= SHARE * height", "tree.meets - bottom >= SHARE * height", "ising2d"),
    ],
)
def test_a_wrong_funnel_is_noticed(monkeypatch, old, new, wrong):
    source = inspect.getsource(measuring.funnels_of)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(measuring)))
    monkeypatch.setattr(calibration, "funnels_of", names["funnels_of"])
    assert wrong in red()


def test_mirror_images_that_are_two_are_noticed(monkeypatch):
    whole = calibration.of_states
    monkeypatch.setattr(calibration, "of_states", lambda energies, mirrored: whole(energies, mirrored=False))
    assert {"mattis", "ising2d"} <= red()
