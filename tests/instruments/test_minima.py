from dataclasses import replace

import numpy as np
import pytest

from spinfunnel.core import Number
from spinfunnel.instruments.minima import calibration, counting, instrument, judge, measure, series
from spinfunnel.subject import subject_of
from spinfunnel.systems import system

CALIBRATIONS = {one.name: one for one in instrument.calibrations}
LOOKS = {"landscape of minima", "energies permuted (null)", "energies of minima"}


def look(it, sets=2, times=(10, 100, 1000), change=lambda made: made):
    made = [change(calibration.anneals(it, 1, times, seed)) for seed in range(sets)]
    return measure(subject_of(it), findings={}, seed=0, budget=None, readings=made)


def flat(made, states):
    """The same anneals, of which all ends and snapshots are these few states."""
    ends = np.resize(states, made.ends.shape)
    return replace(
        made,
        ends=ends,
        structures=ends[0],
        energies=np.zeros(ends.shape[:2]),
        structure_energies=np.zeros(ends.shape[1]),
        random_energies=np.zeros(8),
    )


@pytest.fixture(scope="module")
def glass():
    return look(system("sk", size=48, seed=1))


def test_the_finding_counts_what_it_lists(glass):
    table, clusters = glass.table("minima"), glass.table("clusters")
    assert glass.numbers["minima met"].value == len(table) > 10
    assert table["count"].sum() == glass.numbers["descents"].value == 2 * (160 + 3 * 16)
    assert table["energy"].is_monotonic_increasing
    assert table["q_best"][0] == 1
    assert clusters["ends"].sum() == 32
    assert clusters["ends"].is_monotonic_decreasing
    assert clusters["minima"].sum() == len(table)
    assert 1 / (clusters["share"] ** 2).sum() == pytest.approx(glass.numbers["n_eff"].value)


def test_the_funnel_and_its_null_are_on_one_scale(glass):
    assert {one.panel for one in glass.series} == LOOKS
    real, null = (
        [one for one in glass.series if one.panel == panel and one.kind == "scatter3d"]
        for panel in ("landscape of minima", "energies permuted (null)")
    )
    assert [one.axes for one in real] == [one.axes for one in null]
    assert all(axis.low < axis.high for one in real for axis in one.axes)
    heights = [np.sort(np.concatenate([one.z for one in group])) for group in (real, null)]
    np.testing.assert_array_equal(*heights)
    assert any((a.z != b.z).any() for a, b in zip(real, null, strict=True))
    table = glass.table("minima").set_index("name")
    for one in real:
        away = np.hypot(one.x, one.y)
        np.testing.assert_allclose(away, 1 - table.loc[list(one.names), "q_best"], atol=1e-9)


def test_no_minimum_is_below_the_surface_and_its_rim_is_round_and_level(glass):
    points, heights = np.random.default_rng(0).standard_normal((30, 2)), np.arange(30.0)
    z = series.plain_with_wells(points, heights, 40.0, *points.T, width=0.6)
    assert (z <= heights).all()
    assert (z < heights).any()
    for one in glass.series:
        if one.kind == "surface":
            np.testing.assert_allclose(np.hypot(one.x, one.y)[-1], np.hypot(one.x, one.y).max())
            np.testing.assert_allclose(one.z[-1], one.z.max())


def test_words():
    def said(value, low, high, replicas=32):
        numbers = {"n_eff": Number(value, low=low, high=high), "slow anneals": Number(replicas)}
        return judge(replace(template, numbers=template.numbers | numbers)).label

    template = look(system("mattis", size=12, seed=1))
    assert said(1.0, 1.0, 1.0) == "one basin"
    assert said(2.0, 1.8, 2.2) == "a few basins"
    assert said(12.0, 9.0, 14.0) == "many basins"
    assert said(5.5, 5.0, 6.5) == "cannot tell"
    assert said(5.8, 5.4, 5.9, replicas=16) == "many basins"


def test_a_ferromagnet_is_one_basin_and_one_point():
    found = look(system("mattis", size=24, seed=1))
    assert judge(found).label == "one basin"
    assert found.numbers["unseen share"].value == 0
    assert {one.panel for one in found.series} == {"energies of minima"}, "nothing to map"
    assert "one minimum only" in found.doubts[0]


def test_two_basins_of_one_energy_are_a_doubt():
    found = look(calibration.two_magnets(24))
    assert found.numbers["basins"].value == 2
    assert any("symmetry or degeneracy? 2 basins" in doubt for doubt in found.doubts)
    assert judge(found).label == "a few basins"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_minima_of_one_energy_and_no_fall_are_doubts_and_no_map(count):
    it = system("rem", size=10)
    states = it.random(count, 0)
    found = look(it, change=lambda made: flat(made, states))
    assert found.numbers["minima met"].value == count
    assert np.isnan(found.numbers["range of slow ends / D"].value)
    assert len(found.doubts) >= 2
    assert {one.panel for one in found.series} == {"energies of minima"}
    assert all(np.isfinite(one.x).all() and np.isfinite(one.y).all() for one in found.series)
    assert judge(found).sentence


def test_chains_and_clusters_have_minima_too():
    chain = look(system("go", size=16, seed=2), times=(10, 100))
    assert chain.numbers["minima met"].value > 1
    cluster = look(system("lj", size=7), sets=1, times=(1, 5, 20))
    assert cluster.numbers["lowest u"].value == pytest.approx(-16.505384 / 7, abs=1e-5)


def test_from_r_replicas_n_eff_is_at_most_r():
    found = counting.effective_number(np.arange(16), 0)
    assert found.value == found.high == 16
    assert found.low is not None
    assert found.low < 16


@pytest.mark.parametrize("name", [name for name, one in CALIBRATIONS.items() if one.effort == "quick"])
def test_the_calibrations_hold(name):
    rows = list(CALIBRATIONS[name].run(2))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


@pytest.mark.slow
def test_a_palindrome_folds_into_one_state():
    rows = list(CALIBRATIONS["folded palindrome"].run(2))
    assert all(row.ok for row in rows), rows
