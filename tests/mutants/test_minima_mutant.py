"""Planted bugs must turn the calibration of `minima` red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.minima import calibration, counting, measuring
from spinfunnel.systems.spins import Spins, overlap


def red(run):
    return [(row.system, row.quantity) for row in judge_calibration(run(0)).rows if not row.ok]


def test_the_original_is_green():
    for run in (calibration._all_states, calibration._magnets, calibration._shares):
        assert red(run) == []


def test_a_forgotten_mirror_image_is_noticed(monkeypatch):
    monkeypatch.setattr(Spins, "overlap", lambda self, x, y: overlap(x, y))
    assert {("mattis, N 24", "minima of lowest energy"), ("mattis, N 24", "basins")} <= set(
        red(calibration._magnets)
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("counts == 1", "counts == 2"),
        ("ends = np.quantile(drawn * value / drawn.mean()", "ends = np.quantile(drawn"),
        ("value = replicas**2 / float((counts**2).sum())", "value = replicas / float(counts.max())"),
    ],
)  # kinds seen once; draws that fall together more often; the largest share alone
def test_a_wrong_count_is_noticed(monkeypatch, old, new):
    source = inspect.getsource(counting)
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(counting)))
    monkeypatch.setattr(counting, "effective_number", names["effective_number"])
    monkeypatch.setattr(counting, "unseen", names["unseen"])
    assert red(calibration._shares) or red(calibration._magnets)


def test_states_that_are_told_apart_by_energy_alone_are_noticed(monkeypatch):
    def by_energy(system, states, energies, most=400):
        found = real(system, states, energies, most)
        _, first = np.unique(found.energies.round(6), return_index=True)
        return type(found)(
            found.states[first], found.energies[first], found.counts[first], found.overlaps[first][:, first]
        )

    real = measuring.distinct
    monkeypatch.setattr(measuring, "distinct", by_energy)
    assert ("two magnets apart, N 24", "minima of lowest energy") in red(calibration._magnets)
