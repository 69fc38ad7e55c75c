import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.embedding import azimuthal, calibrations, classical_scaling


def distances(points):
    return np.linalg.norm(points[:, None] - points, axis=2)


def test_points_in_a_plane_come_back_up_to_rotation():
    points = np.random.default_rng(0).standard_normal((25, 2))
    found = classical_scaling(distances(points))
    np.testing.assert_allclose(distances(found.points), distances(points), atol=1e-9)
    assert found.kept == pytest.approx(1)
    assert found.stress == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-12)
    assert found.points[:, 0].std() > found.points[:, 1].std()


def test_signs_do_not_depend_on_how_points_are_turned():
    points = np.random.default_rng(1).standard_normal((25, 2))
    c, s = np.cos(2.0), np.sin(2.0)
    turned = points @ np.array([[c, s], [s, -c]])
    first, second = (classical_scaling(distances(one)).points for one in (points, turned))
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_fewer_points_than_the_dimensions_need_leave_zeros():
    two = classical_scaling(np.array([[0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_allclose(two.points, [[1, 0], [-1, 0]], atol=1e-12)
    one = classical_scaling(np.zeros((1, 1)))
    assert one.points.tolist() == [[0, 0]]
    assert np.isnan(one.kept)
    assert classical_scaling(np.zeros((0, 0))).points.shape == (0, 2)


def test_duplicates_stand_on_one_place_and_a_line_needs_one_direction():
    line = np.array([[0.0], [0.0], [1.0], [3.0]])
    found = classical_scaling(distances(line), 3)
    np.testing.assert_allclose(found.points[0], found.points[1], atol=1e-12)
    assert not found.points[:, 1:].any()
    assert found.kept == pytest.approx(1)
    assert not classical_scaling(np.zeros((4, 4))).points.any()


def test_the_share_kept_is_that_of_the_squared_distances():
    """Of points in space that is tr over the plane of the widest spread, by their covariance."""
    points = np.random.default_rng(2).standard_normal((40, 3)) * [3, 2, 1]
    found = classical_scaling(distances(points))
    spread = np.linalg.eigvalsh(np.cov(points.T))
    assert found.kept == pytest.approx(spread[1:].sum() / spread.sum())
    drawn, asked = distances(found.points), distances(points)
    assert (drawn**2).sum() / (asked**2).sum() == pytest.approx(found.kept)
    assert found.stress == pytest.approx(np.sqrt(((drawn - asked) ** 2).sum() / (asked**2).sum()))


def test_distances_of_no_space_are_drawn_all_the_same():
    """The triangle inequality is broken: an eigenvalue is negative, and counts as what is not kept."""
    found = classical_scaling(np.array([[0, 1, 5], [1, 0, 1], [5, 1, 0.0]]))
    assert 0 < found.kept < 1
    assert np.isfinite(found.points).all()


def test_a_map_has_exact_distances_from_its_centre_and_keeps_neighbours_together():
    rng = np.random.default_rng(4)
    two = np.concatenate([rng.normal(5, 0.1, (10, 3)), rng.normal(-5, 0.1, (10, 3)), np.zeros((1, 3))])
    found = azimuthal(distances(two), 20)
    np.testing.assert_allclose(np.hypot(*found.points.T), np.linalg.norm(two, axis=1), atol=1e-12)
    assert distances(found.points)[:10, :10].max() < 1 < distances(found.points)[:10, 10:20].min()
    drawn, asked = distances(found.points), distances(two)
    assert found.stress == pytest.approx(np.sqrt(((drawn - asked) ** 2).sum() / (asked**2).sum()))
    assert azimuthal(np.zeros((1, 1)), 0).points.tolist() == [[0, 0]]


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), np.array([[0, np.nan], [np.nan, 0]])])
def test_what_is_not_a_square_of_numbers_is_refused(bad):
    with pytest.raises(BadInput, match="square of finite numbers"):
        classical_scaling(bad)
    with pytest.raises(BadInput, match="one dimension"):
        classical_scaling(np.zeros((2, 2)), 0)


def test_the_calibrations_hold():
    rows = [row for one in calibrations for row in one.run(3)]
    assert len(rows) == 3
    assert all(row.ok for row in rows), rows
