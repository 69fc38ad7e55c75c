"""Planted bugs in directions, lines and planes: each must turn a calibration of `slices` red."""

import inspect

import numpy as np
import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.instruments.slices import calibration, lines, planes
from spinfunnel.maths import directions

CALIBRATIONS = {one.name: one for one in calibration.calibrations}


def red(*names):
    rows = judge_calibration([row for name in names for row in CALIBRATIONS[name].run(1)]).rows
    return [row.quantity for row in rows if not row.ok]


def test_the_original_is_green():
    assert red("quadratics", "shapes", "directions", "random walks") == []


def test_directions_normalised_by_the_root_of_the_number_of_weights(monkeypatch):
    def wrong(direction, weights, filters):
        return np.where(filters >= 0, direction, 0.0) / np.sqrt(len(weights)) * np.linalg.norm(weights)

    monkeypatch.setattr(directions, "filter_normalised", wrong)
    assert "|d_f| / |w_f| - 1, largest" in red("directions")
    assert "losses on a line, largest difference" in red("rescaled networks")


def test_the_direction_of_a_bias_is_the_bias_itself(monkeypatch):
    right = directions.filter_normalised

    def wrong(direction, weights, filters):
        return np.where(filters >= 0, right(direction, weights, filters), weights)

    monkeypatch.setattr(directions, "filter_normalised", wrong)
    assert "what biases and norms move by, largest" in red("directions")


def test_one_filter_for_a_whole_layer(monkeypatch):
    right = calibration.filters_of

    def wrong(blocks, size):
        found = right(blocks, size)
        for block in blocks:
            found[block.start : block.stop] = found[block.start : block.stop].min()
        return np.unique(found, return_inverse=True)[1] - 1

    monkeypatch.setattr(calibration, "filters_of", wrong)
    assert "number of filters" in red("directions")


def test_directions_that_are_all_positive(monkeypatch):
    right = directions.filter_normalised
    monkeypatch.setattr(directions, "filter_normalised", lambda d, w, filters: right(np.abs(d), w, filters))
    assert "mean cosine of two directions" in red("directions")


@pytest.mark.parametrize(
    ("module", "name", "old", "new"),
    [
        (lines, "losses", "at[i : i + chunk] @ d", "0.9 * at[i : i + chunk] @ d"),
        (lines, "line", "float(product @ direction)", "float(product @ product)"),
        (lines, "line", "np.linspace(-reach, reach, points)", "np.linspace(0, 2 * reach, points)"),
        (planes, "plane", "np.meshgrid(x, y)", 'np.meshgrid(x, y, indexing="ij")'),
        (planes, "plane", "(e[2, 2] - e[2, 0] - e[0, 2] + e[0, 0]) / 4", "(e[2, 2] - e[2, 0]) / 4"),
        (planes, "path", "vectors.T @ away / np.sqrt(values)[:, None]", "vectors.T @ away"),
        (planes, "path", "values / (away**2).sum()", "values / values.sum()"),
    ],
)
def test_a_wrong_formula_is_noticed(monkeypatch, module, name, old, new):
    source = inspect.getsource(getattr(module, name))
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec", dont_inherit=True), names := dict(vars(module)))
    for user in (module, planes, calibration):
        if hasattr(user, name):
            monkeypatch.setattr(user, name, names[name])
    try:
        found = red("random walks" if name == "path" else "quadratics")
    except ValueError:
        return
    assert found


def test_rounding_is_taken_for_basins(monkeypatch):
    monkeypatch.setattr(lines, "_wiggle", lambda loss: 0.0)
    assert red("shapes")
