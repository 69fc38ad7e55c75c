"""Units exchanged in one place but not in another must turn the calibration of copies red."""

import inspect

import numpy as np
import pytest

from spinfunnel.instruments.paths.calibration import _copies
from spinfunnel.networks import alignment, axes, symmetry, tracing


def red():
    return {row.quantity.split(" that may")[0] for row in _copies(0) if not row.ok}


def rewritten(monkeypatch, module, name, old, new):
    source = inspect.getsource(module)
    assert source.count(old) == 1
    names = dict(vars(module))
    exec(compile(source.replace(old, new), module.__file__, "exec"), names)
    monkeypatch.setattr(module, name, names[name])
    return names[name]


def test_the_original_is_green():
    assert red() == set()


def test_rows_that_are_permuted_without_the_columns_of_the_next_layer(monkeypatch):
    def exchanged(self, named, moves):
        return {
            name: np.take(value, axes.places(self.axes[name][0], moves), axis=0)
            for name, value in named.items()
        }

    monkeypatch.setattr(symmetry.Symmetry, "exchanged", exchanged)
    assert red() == {"units", "the copy is elsewhere (its distance is above 0.3)"}  # the proof refuses them


def test_rows_without_columns_where_nothing_is_proved(monkeypatch):
    right = symmetry.Symmetry.exchanged

    def exchanged(self, named, moves):
        found = right(self, named, moves)
        return {
            name: named[name] if value.ndim == 2 and "read" not in name else value
            for name, value in found.items()
        }

    monkeypatch.setattr(symmetry, "_proved", lambda system, few, own, groups, seed: (groups, []))
    monkeypatch.setattr(symmetry.Symmetry, "exchanged", exchanged)
    assert "loss of the copy" in red()


def test_heads_that_are_moved_where_they_are_made_but_not_where_they_are_read(monkeypatch):
    right = symmetry.Symmetry.exchanged

    def exchanged(self, named, moves):
        return {**right(self, named, moves), **{name: named[name] for name in named if "out_proj" in name}}

    monkeypatch.setattr(symmetry.Symmetry, "exchanged", exchanged)
    assert red() == {"units"}  # refused
    monkeypatch.setattr(symmetry, "_proved", lambda system, few, own, groups, seed: (groups, []))
    assert "loss of the copy" in red()


def test_heads_taken_for_the_slow_part_of_an_axis_when_they_are_the_fast_one(monkeypatch):
    right = tracing.regroup
    monkeypatch.setattr(tracing, "regroup", lambda own, shape: right(own[::-1], shape[::-1])[::-1])
    assert red()


def test_gates_of_which_one_stays_behind(monkeypatch):
    right = symmetry.Symmetry.exchanged

    def exchanged(self, named, moves):
        found = right(self, named, moves)
        for name in [name for name in named if "weight_hh" in name]:
            gate = len(named[name]) // named[name].shape[1]
            found[name] = np.concatenate([found[name][: -len(found[name]) // gate],
                                          named[name][-len(found[name]) // gate :]])  # fmt: skip
        return found

    monkeypatch.setattr(symmetry.Symmetry, "exchanged", exchanged)
    assert red() == {"units"}  # refused
    monkeypatch.setattr(symmetry, "_proved", lambda system, few, own, groups, seed: (groups, []))
    assert "loss of the copy" in red()


@pytest.mark.parametrize("line", ["fix(inside[1], weight[into])", "tie(inside[0], outside[0])"])
def test_groups_of_a_convolution_whose_inputs_are_moved_alone(monkeypatch, line):
    rewritten(monkeypatch, tracing, "Tracer", line, "pass")
    assert red() == {"units"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("by_weights", "theirs, better = theirs | tried, True", "better = False"),
        ("by_activations", "named = found.exchanged(named, alike[group].best(group))", "pass"),
        ("by_weights", "gain > 1e-9 * size", "gain < -1e-9 * size"),
    ],
)
def test_an_alignment_that_does_nothing_or_the_worst(monkeypatch, name, old, new):
    rewritten(monkeypatch, alignment, name, old, new)
    method = "activations" if "activations" in name else "weights"
    assert f"barrier to the copy, aligned by {method}" in red()


def test_a_likeness_that_takes_units_the_other_way_round(monkeypatch):
    right = alignment._products
    monkeypatch.setattr(alignment, "_products", lambda x, y, normalise: right(x, y, normalise).T)
    assert any(one.startswith("barrier to the copy") for one in red())
