"""A planted bug must turn the calibration of `weightwatcher` red."""

from spinfunnel.instruments import instrument, weightwatcher


def rows():
    return [row for calibration in instrument("weightwatcher").calibrations for row in calibration.run(4)]


def test_a_norm_per_n_in_the_eigenvalues_is_seen(monkeypatch):
    """Dividing the eigenvalues by N leaves α alone but moves xmin."""
    assert all(row.ok for row in rows())
    right = weightwatcher.weightwatcher_columns
    monkeypatch.setattr(
        weightwatcher, "weightwatcher_columns", lambda stack: right(stack / stack.shape[2] ** 0.5)
    )
    assert not all(row.ok for row in rows())
