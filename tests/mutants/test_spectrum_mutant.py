"""Planted bugs: each must turn a check of the instrument red."""

import numpy as np

from spinfunnel.core import seeds
from spinfunnel.instruments.spectrum import calibration, reading
from spinfunnel.maths.bulk import fit_bulk
from spinfunnel.maths.entry_laws import draw_entries


def false_alarms(draws=60):
    """Noise of one cell that is not called noise."""
    arrays = (
        draw_entries("gaussian", 64, 256, np.random.default_rng(seeds(1, "mutant", i))) for i in range(draws)
    )
    return sum(calibration.label(array) != "like noise" for array in arrays)


def test_an_edge_at_the_wrong_level_turns_the_null_red(monkeypatch):
    assert false_alarms() <= 6
    # The mutant takes the mean of the largest eigenvalue for its 99 % quantile.
    monkeypatch.setattr("spinfunnel.matrices.fit_bulk", lambda ev, m, n: fit_bulk(ev, m, n, level=0.5))
    assert false_alarms() > 12


def test_forgetting_the_shuffled_null_turns_heavy_entries_red(monkeypatch):
    assert all(row.ok for row in calibration.heavy_entries(20, 15))
    monkeypatch.setattr(reading, "may_be_entries", lambda row: False)
    assert not all(row.ok for row in calibration.heavy_entries(20, 15))


def test_a_second_moment_without_its_kurtosis_correction_is_seen(monkeypatch):
    """Uniform entries have less fourth moment than Gaussian ones; at 64 x 256 the null must not notice."""
    right = reading.second_moment
    monkeypatch.setattr(reading, "second_moment", lambda ev, large, kurtosis: right(ev, large, 3.0) * 1.05)
    assert false_alarms() > 12
