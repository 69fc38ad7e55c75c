import numpy as np
import pytest

from spinfunnel.maths import random_walks
from spinfunnel.maths.random_walks import (
    brownian,
    cosines,
    displacements,
    drift_share,
    effective_dimension,
    growth,
    halves_apart,
    inner_products,
    path,
    shares,
    sign_flips,
    spread,
    squared_distances,
    surrogates,
    walk_shares,
    without_drift,
)


def trajectory(seed=0, records=30, dimension=40):
    return np.random.default_rng(seed).standard_normal((records, dimension)).cumsum(axis=0)


@pytest.mark.parametrize(
    "one", [c for c in random_walks.calibrations if c.effort == "quick"], ids=lambda one: one.name
)
def test_the_calibrations_hold(one):
    rows = list(one.run(1))
    assert rows
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
def test_longer_walks_hold():
    (longer,) = (c for c in random_walks.calibrations if c.effort == "normal")
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in longer.run(1))


def test_all_is_told_by_the_inner_products_of_the_steps():
    w = trajectory()
    steps = inner_products(w)
    moved = w - w[0]
    np.testing.assert_allclose(displacements(steps), moved @ moved.T, atol=1e-9)
    np.testing.assert_allclose(squared_distances(steps), ((w[:, None] - w) ** 2).sum(axis=-1), atol=1e-9)
    centred = w - w.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(shares(steps), values**2 / (values**2).sum(), atol=1e-12)
    np.testing.assert_allclose(np.abs(path(steps, 3)), np.abs(left * values)[:, :3], atol=1e-9)
    assert (path(steps)[-1] >= path(steps)[0]).all()
    mean_distance = (centred**2).sum() / len(w)
    ratio, form = spread(steps)
    assert form.sum() == pytest.approx(mean_distance)
    assert ratio == pytest.approx(mean_distance / np.trace(form))
    for records in (30, 29):
        x = w[:records]
        apart = x[-(records // 2) :].mean(axis=0) - x[: records // 2].mean(axis=0)
        steps = inner_products(x)
        assert halves_apart(steps) == pytest.approx(apart @ apart / np.trace(steps))


def test_small_steps_far_from_the_origin_keep_their_precision():
    w = 1e6 + 1e-3 * trajectory()
    np.testing.assert_allclose(inner_products(w), 1e-6 * inner_products(trajectory()), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("records", [3, 10, 100])
def test_the_components_of_a_walk_are_exact_at_any_length(records):
    """In infinitely many dimensions all steps are at right angles."""
    np.testing.assert_allclose(shares(np.eye(records - 1))[:2], walk_shares(records, 2))


def test_drawn_steps_have_their_lengths_and_correlations_in_few_and_many_dimensions():
    lengths, n = np.geomspace(0.1, 10, 12), 12
    together = np.full((n, n), 0.3)
    np.fill_diagonal(together, 1)
    for dimension, tolerance in ((4, 0.05), (400, 0.02)):
        drawn = np.array(list(surrogates(lengths, together, dimension, 400, seed=0)))
        np.testing.assert_allclose(np.diagonal(drawn.mean(axis=0)), lengths**2)
        mean = cosines(drawn.mean(axis=0))[np.triu_indices(n, 1)].mean()
        assert mean == pytest.approx(0.3, abs=tolerance)
    free = np.array(list(surrogates(lengths, np.eye(n), 25, 400, seed=0)))
    spreads = (free / lengths / lengths[:, None])[:, *np.triu_indices(n, 1)].var()
    assert spreads == pytest.approx(1 / 25, rel=0.1)


def test_one_seed_gives_one_draw():
    one, same, other = (next(surrogates(np.ones(5), np.eye(5), 9, 1, seed=s)) for s in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_drift_is_told_from_the_way_it_came():
    rng = np.random.default_rng(0)
    direction = np.zeros(4000)
    direction[0] = 1
    steps = 0.5**0.5 * direction + 0.5**0.5 * rng.standard_normal((60, 4000)) / 4000**0.5
    assert drift_share(steps @ steps.T) == pytest.approx(0.5, abs=0.03)
    assert effective_dimension(np.zeros((3, 3))) >= 1


def test_what_does_not_move_is_not_divided_by():
    still = np.zeros((10, 10))
    assert spread(still)[0] == 0
    assert halves_apart(still) == 0
    assert (without_drift(np.arange(11.0), squared_distances(still)) == np.eye(10)).all()
    assert sign_flips(still, 99, seed=0) == (1, 1)
    assert drift_share(still) == 0


def test_a_slow_drift_is_not_fitted_as_one():
    """Under noise that forgets, successive steps look the same with and without a drift."""
    times = np.arange(80.0)
    walk = brownian(80, 200, seed=0, hold=0.5)
    drifting = walk + np.outer(0.2 * times, np.eye(200)[0])
    for w in (walk, drifting):
        near = without_drift(times, squared_distances(inner_products(w)))
        assert near[0, 1] == pytest.approx(-0.25, abs=0.05)
        assert np.linalg.eigvalsh(near).min() > -1e-9


def test_growth_tells_where_there_is_no_power_law():
    t = np.arange(1.0, 257.0)
    assert growth(t, t**1.4).value == pytest.approx(0.7)
    assert growth(t, t**1.4).error < 1e-9
    assert growth(t, np.minimum(t, 16)).error > 0.05
    assert growth(t, 0 * t) is None
