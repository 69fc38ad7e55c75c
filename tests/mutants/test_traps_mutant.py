"""A planted bug must turn the calibration of `traps` red."""

import numpy as np

from spinfunnel.instruments import instrument
from spinfunnel.matrices import Matrix


def rows():
    return [row for calibration in instrument("traps").calibrations for row in calibration.run(4)]


def test_permuting_rows_instead_of_entries_is_seen(monkeypatch):
    """Whole rows in random places keep all structure: false spikes stay, but planted entries do too, so
    the check that turns red is that of learned directions."""
    import spinfunnel as sf

    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(100, 1)), rng.normal(size=(1, 120))
    array = rng.normal(size=(100, 120)) + 4 * 12000**0.25 * (u / np.linalg.norm(u)) * (v / np.linalg.norm(v))
    assert sf.traps(array, effort="full").table()["shuffled_spikes"][0] == 0
    monkeypatch.setattr(Matrix, "shuffle", lambda self, number: self.eigenvalues)
    assert sf.traps(array, effort="full").table()["shuffled_spikes"][0] == 1


def test_a_wrong_threshold_turns_the_calibration_red(monkeypatch):
    assert all(row.ok for row in rows())
    from spinfunnel.instruments import traps
    from spinfunnel.maths.bulk import fit_bulk

    monkeypatch.setattr(traps, "fit_bulk", lambda ev, m, n: fit_bulk(ev, m, n, level=0.5))
    assert not all(row.ok for row in rows())
