"""Planted bugs in the laws of noise: each must turn a calibration red."""

import numpy as np
import pytest

from spinfunnel.maths import random_matrices
from spinfunnel.maths.random_matrices import Strengths, marchenko_pastur_edges


def red(word):
    """Run the calibrations whose name contains a word; give the rows that fail."""
    return [
        row
        for calibration in random_matrices.calibrations
        if word in calibration.name
        for row in calibration.run(0)
        if not row.ok or abs(row.sigma or 0) > 4
    ]


def test_the_originals_are_green():
    assert red("") == []


def test_cdf_without_its_second_arctangent(monkeypatch):
    def wrong(x, y):
        lower, upper = marchenko_pastur_edges(y)
        root = np.sqrt(np.maximum((upper - x) * (x - lower), 0.0))
        turn = (1 + y) * np.arctan2(upper + lower - 2 * x, 2 * root)
        inside = (np.pi * y + root - turn + (1 - y) * np.pi / 2) / (2 * np.pi * y)
        return np.clip(inside, 0.0, 1.0)

    monkeypatch.setattr(random_matrices, "marchenko_pastur_cdf", wrong)
    assert red("laws")


@pytest.mark.parametrize("attribute", ["_TW_SHAPE", "_TW_SCALE", "_TW_SHIFT"])
def test_tracy_widom_with_a_digit_wrong(monkeypatch, attribute):
    random_matrices.tracy_widom_quantile.cache_clear()
    monkeypatch.setattr(random_matrices, attribute, getattr(random_matrices, attribute) * 1.01)
    try:
        assert red("laws")
    finally:
        random_matrices.tracy_widom_quantile.cache_clear()


def test_bidiagonal_with_as_many_degrees_of_freedom_in_every_row(monkeypatch):
    right = np.random.default_rng

    class Wrong:
        def __init__(self, seed):
            self.rng = right(seed)

        def chisquare(self, df):
            return self.rng.chisquare(np.full(np.shape(df), np.max(df)))

        def __getattr__(self, name):
            return getattr(self.rng, name)

    monkeypatch.setattr(random_matrices.np.random, "default_rng", Wrong)
    assert red("Wishart")


@pytest.mark.parametrize(
    ("mutant", "word"),
    [
        ("strength before the second root", "strengths"),
        ("overlaps without h", "overlaps"),
        ("sides swapped", "overlaps"),
    ],
)
def test_wrong_inversion_of_spikes(monkeypatch, mutant, word):
    right = random_matrices.invert_spikes

    def wrong(spikes, variance, small, large):
        found, y = right(spikes, variance, small, large), small / large
        if mutant == "sides swapped":
            return Strengths(found.strength, found.right_overlap2, found.left_overlap2)
        if mutant == "overlaps without h":
            h = found.strength**2 / (variance * large)
            return Strengths(found.strength, 1 - y / (h * (h + y)), 1 - y / (h * (h + 1)))
        return Strengths(
            np.sqrt(spikes - variance * (small + large)), found.left_overlap2, found.right_overlap2
        )

    monkeypatch.setattr(random_matrices, "invert_spikes", wrong)
    assert red(word)
