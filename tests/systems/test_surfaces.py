"""Surfaces of two coordinates: all stationary points, their number, and the ways between them."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.surfaces import (
    calibrations,
    curvy_valley,
    double_well,
    mueller_brown,
    stationary_points,
)

SURFACES = [mueller_brown, curvy_valley, double_well]


@pytest.mark.parametrize("make", SURFACES)
def test_minima_less_saddles_plus_maxima_is_one(make):
    """Poincare and Hopf: so it must be where energy rises on all sides."""
    points = stationary_points(make())
    assert sum((-1) ** point.index for point in points) == 1
    x = np.array([point.x for point in points])
    assert np.abs(make().gradient(x)).max() < 1e-11
    assert [point.energy for point in points] == sorted(point.energy for point in points)


@pytest.mark.parametrize("make", SURFACES)
def test_a_finer_grid_finds_no_more(make):
    coarse, fine = stationary_points(make(), starts=21), stationary_points(make(), starts=71)
    assert len(coarse) == len(fine)
    for one, other in zip(coarse, fine, strict=True):
        assert np.abs(one.x - other.x).max() < 1e-9
        assert one.index == other.index


def test_the_straight_way_across_the_curvy_valley_is_three_times_as_high():
    surface, t = curvy_valley(), np.linspace(-1, 1, 20001)[:, None]
    end = stationary_points(surface)[1].x
    assert surface.energy(t * end).max() == pytest.approx(2.97667, abs=5e-6)
    winding = t[:, 0] * end[0]
    assert surface.energy(np.stack([winding, np.sin(winding)], axis=-1)).max() == pytest.approx(
        1.0, abs=1e-12
    )


@pytest.mark.parametrize("make", SURFACES)
def test_random_points_fill_the_box(make):
    surface = make()
    x = surface.random(4000, 3)
    assert (x >= surface.box[0]).all()
    assert (x <= surface.box[1]).all()
    assert np.abs(x.mean(axis=0) - surface.box.mean(axis=0)).max() < 0.02 * np.ptp(surface.box, axis=0).max()


def test_overlaps_know_the_mirror_images():
    x = np.array([[0.9, 0.3], [1.0, 0.2]])
    assert double_well().overlap(x, x * [-1, 1]) == pytest.approx(1)
    assert curvy_valley().overlap(x, -x) == pytest.approx(1)
    assert (curvy_valley().overlap(x, x * [-1, 1]) < 0.1).all()
    assert (mueller_brown().overlap(x, -x) < 0.1).all()
    assert mueller_brown().overlap(x, x + np.array([0.05, 0])) == pytest.approx(np.exp(-1))
    for make in (curvy_valley, double_well):
        surface = make()
        for image in surface.images:
            assert surface.energy(x @ image.T) == pytest.approx(surface.energy(x))


def test_there_are_two_coordinates():
    with pytest.raises(BadInput, match="2 coordinates, not 7"):
        curvy_valley(7)


def test_calibrations_hold():
    assert all(row.ok for known in calibrations for row in known.run(0))
