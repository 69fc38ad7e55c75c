"""Planted bugs must turn the calibration of `merge_trees` red."""

import inspect

import pytest

from spinfunnel.maths import merge_trees


def red():
    return {row.quantity for one in merge_trees.calibrations for row in one.run(0) if not row.ok}


def plant(monkeypatch, name, old, new):
    """Put a changed copy in place; what is compiled of it is not kept."""
    source = inspect.getsource(getattr(merge_trees, name))
    assert source.count(old) == 1
    exec(compile(source.replace(old, new), "mutant", "exec"), names := dict(vars(merge_trees)))
    monkeypatch.setattr(merge_trees, name, names[name])


def test_the_original_is_green():
    assert red() == set()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("join", "if rank[other] < rank[one]:", "if rank[other] > rank[one]:"),
        ("join", "one, one, saddles[saddle]", "one, one, saddles[order[0]]"),
        ("merge_tree", "np.argsort(saddles)", "np.arange(len(saddles))"),
        ("cube_saddles", ".max(axis=1)", ".mean(axis=1).clip(energies[joined].min(axis=1))"),
    ],
)
def test_a_wrong_tree_is_noticed(monkeypatch, name, old, new):
    if name == "cube_saddles":
        monkeypatch.setattr(merge_trees, "check_saddles", lambda *arrays: None)
    plant(monkeypatch, name, old, new)
    assert red()


def test_a_way_that_leaves_an_elder_too_early_is_noticed(monkeypatch):
    source = inspect.getsource(merge_trees.MergeTree.passes)
    wrong = source.replace("self.meets[a] <= self.meets[b]", "self.meets[a] >= self.meets[b]")
    assert wrong != source
    exec("class Wrong:\n" + wrong, names := dict(vars(merge_trees)))
    monkeypatch.setattr(merge_trees.MergeTree, "passes", names["Wrong"].passes)
    assert red()
