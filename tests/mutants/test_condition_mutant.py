"""A planted bug must turn the calibration of `condition` red."""

import numpy as np

from spinfunnel.instruments import condition, instrument


def rows():
    return [row for calibration in instrument("condition").calibrations for row in calibration.run(4)]


def test_duplicates_compared_without_their_norms_are_missed(monkeypatch):
    assert all(row.ok for row in rows())
    right = condition.duplicates
    monkeypatch.setattr(condition, "duplicates", lambda a, norms, seed: right(a, np.ones_like(norms), seed))
    assert not all(row.ok for row in rows())
