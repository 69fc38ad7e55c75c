"""Merge trees against trees done by hand, brute force, and what may not matter: order, ties, labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinfunnel.core import BadInput
from spinfunnel.maths.merge_trees import calibrations, cube_saddles, layout, merge_tree

INF = np.inf


@pytest.fixture
def tree():
    """Two funnels, 0 with 1 and 2 beside it, 3 with 4; 5 is joined to nothing."""
    minima = np.array([-10.0, -7.0, -6.0, -9.0, -8.0, -5.0])
    saddles = np.array([0.0, -4.0, -5.0, -1.0, -6.0, -3.0])
    joined = np.array([[1, 3], [0, 1], [0, 2], [2, 4], [3, 4], [1, 2]])
    return merge_tree(minima, saddles, joined)


def test_a_tree_done_by_hand(tree):
    assert tree.elders.tolist() == [0, 0, 0, 0, 3, 5]
    assert tree.meets.tolist() == [INF, -4, -5, -1, -6, INF]
    assert tree.barriers().tolist() == [INF, 3, 1, 8, 2, INF]
    assert tree.roots.tolist() == [0, 5]
    assert tree.superbasins(-4.5).tolist() == [0, 1, 0, 3, 3, 5]
    assert tree.superbasins(-1).tolist() == [0, 0, 0, 0, 0, 5]
    assert tree.passes(np.arange(6), 4).tolist() == [-1, -1, -1, -6, -8, INF]
    assert float(tree.passes(2, 1)) == -4


def test_some_of_the_minima_keep_their_tree(tree):
    few = tree.of(np.array([3, 0, 1]))
    assert few.elders.tolist() == [1, 1, 1]
    assert few.meets.tolist() == [-1, INF, -4]


def test_saddles_of_one_energy_act_at_once():
    minima = np.array([-3.0, -1.0, -2.0, -1.0])
    joined = np.array([[1, 2], [2, 0], [3, 1], [3, 1], [2, 2]])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 1, 4, 3]):
        tree = merge_tree(minima, np.zeros(5), joined[order])
        assert tree.elders.tolist() == [0, 0, 0, 0]
        assert tree.meets.tolist() == [INF, 0, 0, 0]


def test_of_equal_minima_the_first_is_the_elder():
    tree = merge_tree(np.zeros(3), np.array([0.0, 1.0]), np.array([[2, 1], [1, 0]]))
    assert tree.elders.tolist() == [0, 0, 1]
    assert tree.barriers().tolist() == [INF, 1, 0]


def test_without_saddles_there_is_a_forest():
    tree = merge_tree(np.array([1.0, 0.0]), np.zeros(0), np.zeros((0, 2)))
    assert tree.roots.tolist() == [1, 0]
    drawn = layout(tree)
    assert sorted(drawn.x[:, 0]) == [0, 1]
    assert (drawn.y[:, 2] == drawn.y[0, 2]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_and_order_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    count, edges = rng.integers(1, 12), rng.integers(0, 25)
    minima, joined = rng.permutation(count) / 7.0, rng.integers(0, count, (edges, 2))
    saddles = np.round(2 + rng.random(edges), 1)
    tree = merge_tree(minima, saddles, joined)
    names, order = rng.permutation(count), rng.permutation(edges)
    old = np.argsort(names)
    other = merge_tree(minima[old], saddles[order], names[joined][order][:, ::-1])
    assert (other.meets == tree.meets[old]).all()
    assert (other.elders == names[tree.elders[old]]).all()
    level = rng.uniform(2, 3)
    assert (other.superbasins(level)[names] == names[tree.superbasins(level)]).all()


def drawn_at_random(rng, most):
    count = int(rng.integers(1, 30))
    minima, joined = rng.normal(size=count), rng.integers(0, count, (int(rng.integers(0, 60)), 2))
    saddles = minima[joined].max(axis=1) + rng.exponential(size=len(joined))
    tree = merge_tree(minima, saddles, joined)
    return tree, layout(tree, levels=int(rng.integers(2, 30)), most=most)


def cross(one, other):
    """Whether two pieces of lines cross, away from their ends."""

    def side(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    (a, b), (c, d) = one, other
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def test_no_two_lines_cross_and_every_minimum_has_its_place():
    rng = np.random.default_rng(1)
    for _ in range(60):
        tree, drawn = drawn_at_random(rng, 300)
        n = len(tree.minima)
        assert sorted(drawn.x[:, 0]) == list(range(n))
        assert (drawn.y[:, 0] == tree.minima[drawn.minima]).all()
        assert (np.diff(drawn.y, axis=1) >= 0).all()
        points = np.stack([drawn.x, drawn.y], axis=-1)
        pieces = [points[:, :2], points[:, 1:]]
        pieces = [(tuple(p), tuple(q)) for half in pieces for p, q in half if (p != q).any()]
        assert not any(cross(one, other) for i, one in enumerate(pieces) for other in pieces[:i])


def test_lines_meet_their_elders_at_a_level_above(tree):
    drawn = layout(tree, levels=10)
    assert drawn.minima[0] == 0
    assert drawn.x[0, 0] in (2, 3)  # of six: the lowest is in the middle
    step = 0.9  # from -10 to -1
    for row, k in enumerate(drawn.minima):
        if np.isfinite(tree.meets[k]):
            assert 0 <= drawn.y[row, 2] - tree.meets[k] < step
            assert drawn.x[row, 2] == drawn.x[drawn.minima == tree.elders[k], 0][0]
        else:
            assert drawn.y[row, 2] == pytest.approx(-1 + step)
    x, y = drawn.lines(drawn.minima != 5)
    assert len(x) == len(y) == 5 * 4
    assert np.isnan(y[3::4]).all()
    assert np.isfinite(y).sum() == 15


def test_only_the_lowest_are_drawn():
    tree, _ = drawn_at_random(np.random.default_rng(3), 300)
    drawn = layout(tree, most=5)
    assert len(drawn.minima) == 5
    assert sorted(tree.minima[drawn.minima]) == sorted(tree.minima)[:5]


@pytest.mark.parametrize(
    ("minima", "saddles", "joined", "says"),
    [
        ([], [], [], "at least one minimum"),
        ([0, np.nan], [], [], "minimum 2 is not finite"),
        ([0, 1], [INF], [[0, 1]], "saddle 1 is not finite"),
        ([0, 1], [2], [[0, 2]], "minima 1 and 3"),
        ([0, 1], [2], [[-1, 1]], "minima 0 and 2"),
        ([0, 1], [0.5], [[0, 1]], "below a minimum"),
        ([0, 1], [2, 3], [[0, 1]], "pairs of minima"),
    ],
)
def test_what_is_no_database_is_refused(minima, saddles, joined, says):
    with pytest.raises(BadInput, match=says):
        merge_tree(np.array(minima), np.array(saddles), np.array(joined))


def test_steps_of_a_cube_are_all_there_once():
    saddles, joined = cube_saddles(np.arange(8.0))
    assert len(saddles) == 12
    assert (saddles == joined.max(axis=1)).all()
    assert {(int(a ^ b)).bit_count() for a, b in joined} == {1}
    assert len({tuple(pair) for pair in joined.tolist()}) == 12


@pytest.mark.parametrize("calibration", calibrations, ids=lambda one: one.name)
def test_the_calibrations_hold(calibration):
    rows = list(calibration.run(1))
    assert all(row.ok for row in rows), rows
