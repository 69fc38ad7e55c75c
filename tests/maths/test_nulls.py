import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths import nulls
from spinfunnel.maths.bulk import fit_bulk
from spinfunnel.maths.heavy_tails import fit_power_law
from spinfunnel.maths.nulls import LEVELS, STATISTICS, build, draw, null_p_value, null_quantile
from spinfunnel.maths.spectra import entropy, gram_eigenvalues, second_moment, stable_rank


@pytest.fixture
def no_cache_yet(tmp_path, monkeypatch):
    """An empty cache, a short budget for fresh draws, and nothing remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(nulls, "FRESH_DRAWS", (4, 4))
    nulls._quantiles.cache_clear()
    yield tmp_path / "spinfunnel" / "nulls"
    nulls._quantiles.cache_clear()


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("shape", [(8, 8), (64, 65), (300, 30_000), (2, 10**6)])
def test_scaling_is_undone_and_increases(name, shape):
    statistic = STATISTICS[name]
    g = np.array([-1.0, 0.3, 1.1])
    values = statistic.value(g, *shape)
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(statistic.scaled(values, *shape), g, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (20, 27), (40, 900), (57, 57), (110, 140)])
def test_direct_gaussian_matrices_follow_the_table(shape):
    rng, draws = np.random.default_rng(31), 600
    p = {name: np.empty(draws) for name in STATISTICS}
    for i in range(draws):
        ev = gram_eigenvalues(3.7 * rng.standard_normal(shape))
        values = {
            "alpha": fit_power_law(ev).alpha,
            "ks": fit_bulk(ev, *shape).ks_statistic,
            "second moment": second_moment(ev, shape[1]),
            "stable rank": stable_rank(ev),
            "entropy": entropy(ev),
        }
        for name, value in values.items():
            p[name][i] = null_p_value(name, value, *shape)
    for name, ps in p.items():
        for level in (0.05, 0.5, 0.95):
            error = np.sqrt(level * (1 - level) / draws)
            assert abs((ps <= level).mean() - level) < 4 * error + 0.01, (name, level)


@pytest.mark.parametrize("name", STATISTICS)
def test_p_value_and_quantile_are_inverse(name):
    for level in (0.002, 0.01, 0.3, 0.97):
        value = null_quantile(name, level, 100, 170)
        assert null_p_value(name, value, 100, 170) == pytest.approx(level, rel=1e-6)
        assert null_p_value(name, value, 100, 170, side="upper") == pytest.approx(1 - level, rel=1e-6)
        both = null_p_value(name, value, 100, 170, side="both")
        assert both == pytest.approx(2 * min(level, 1 - level), rel=1e-6)


def test_p_values_end_with_the_table():
    assert null_p_value("alpha", 1.01, 100, 100) == pytest.approx(LEVELS[0])
    assert null_p_value("alpha", 1e9, 100, 100, side="upper") == pytest.approx(LEVELS[0])
    assert np.isnan(null_p_value("alpha", np.nan, 100, 100))


def test_nothing_is_said_where_nothing_is_known():
    assert np.isnan(null_quantile("ks", 0.99, 7, 900))
    assert np.isnan(null_p_value("ks", 3.0, nulls.FARTHEST + 1, 10_000))
    assert np.isfinite(null_quantile("ks", 0.99, nulls.FARTHEST, 10_000))
    with pytest.raises(BadInput, match="alpha, ks"):
        null_quantile("beta", 0.5, 100, 100)
    with pytest.raises(BadInput, match=r"0\.001 to 0\.999"):
        null_quantile("ks", 0.9999, 100, 100)


def test_alpha_has_the_null_that_others_simulated():
    # 5 %, 50 %, 95 % points measured by direct simulation with another program, good to about 3 %
    for shape, expected in {(64, 64): (2.4, 4.0, 9.4), (384, 1536): (5.7, 10.8, 31.0)}.items():
        found = [null_quantile("alpha", level, *shape) for level in (0.05, 0.5, 0.95)]
        np.testing.assert_allclose(found, expected, rtol=0.06)


def test_the_table_is_what_build_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(nulls, "SIZES", np.array([8, 16]))
    cells = []
    build(tmp_path / "a.npz", share=0.005, told=cells.append)
    assert len(cells) == 2 * len(nulls.ROOTS)
    with np.load(tmp_path / "a.npz") as table:
        first = {name: table[name] for name in STATISTICS}
        assert all(np.isfinite(values).all() for values in first.values())
    first["ks"][1, 2] = np.nan  # as if cut short there
    np.savez(tmp_path / "b.npz", **first)
    build(tmp_path / "b.npz", share=0.005, told=cells.append)
    assert len(cells) == 2 * len(nulls.ROOTS) + 1
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        for name in STATISTICS:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.slow
def test_shipped_cell_is_drawn_again_exactly():
    sample = draw(8, 8 / nulls.ROOTS[3] ** 2, nulls.draws_of(8), seed=0)
    for name, values in sample.items():
        np.testing.assert_allclose(
            nulls._table()[name][0, 3], np.nanquantile(values, LEVELS), rtol=1e-5, atol=1e-6
        )


def test_fresh_draws_are_made_once_and_kept(no_cache_yet, monkeypatch):
    monkeypatch.setattr(nulls, "wishart_eigenvalues", lambda m, n, rng: 1 + np.sort(rng.random(m)))
    value = null_quantile("ks", 0.5, 3000, 3001, fresh=True)
    assert [path.name for path in no_cache_yet.iterdir()] == ["3000x3001.npz"]
    monkeypatch.setattr(nulls, "draw", None)
    nulls._quantiles.cache_clear()
    assert null_quantile("ks", 0.5, 3000, 3001, fresh=True) == value
    assert value > 10 * null_quantile("ks", 0.5, 3000, 3001)  # these were not noise


@pytest.mark.parametrize("trouble", ["a file in the way", "a broken file"])
def test_an_unusable_cache_is_no_error(no_cache_yet, monkeypatch, trouble):
    monkeypatch.setattr(nulls, "wishart_eigenvalues", lambda m, n, rng: 1 + np.sort(rng.random(m)))
    if trouble == "a file in the way":
        no_cache_yet.parent.write_text("not a folder")
    else:
        no_cache_yet.mkdir(parents=True)
        (no_cache_yet / "3000x3001.npz").write_bytes(b"PK\x03\x04 and no more")
    assert np.isfinite(null_quantile("ks", 0.5, 3000, 3001, fresh=True))


def test_calibrations_hold():
    rows = [row for c in nulls.calibrations if c.effort == "quick" for row in c.run(13)]
    assert rows
    assert all(row.ok for row in rows)


@pytest.mark.slow
def test_calibrations_hold_at_full_effort():
    assert all(row.ok for c in nulls.calibrations if c.effort == "full" for row in c.run(13))
