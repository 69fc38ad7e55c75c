"""The fast fit against the naive one, and every statistical promise of heavy_tails against samples of known law."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.maths.heavy_tails import fit_power_law


def naive_fit(eigenvalues, floor):
    """Try every candidate in turn: the definition, and the referee of the fast method."""
    x = np.sort(eigenvalues[eigenvalues > floor])
    best = (np.inf, np.nan, np.nan, 0)
    for i in range(len(x) - 1):
        tail = x[i:]
        n = len(tail)
        alpha = 1 + n / np.log(tail / tail[0]).sum()
        if not 1 < alpha < np.inf:
            continue
        distance = np.abs(1 - (tail / tail[0]) ** (1 - alpha) - np.arange(n) / n).max()
        if distance < best[0]:
            best = (distance, alpha, tail[0], n)
    return best


def wishart(rng, m, n):
    return np.linalg.eigvalsh((w := rng.normal(size=(m, n)) * 0.7) @ w.T)


def correlated(rng, m, n, alpha=2.5):
    """Spectrum of Σ^½ G with a random Pareto population: eigenvalues repel, and the tail is real."""
    scale = rng.pareto(alpha - 1, m) + 1
    return np.linalg.eigvalsh((w := np.sqrt(scale)[:, None] * rng.normal(size=(m, n))) @ w.T)


def pareto(rng, n, alpha):
    return 0.3 * (rng.pareto(alpha - 1, n) + 1)


SPECTRA = {
    "wishart": lambda rng: wishart(rng, 128, 300),
    "square wishart": lambda rng: wishart(rng, 100, 100),
    "pareto": lambda rng: pareto(rng, 384, 3.0),
    "correlated": lambda rng: correlated(rng, 96, 150),
    "lognormal": lambda rng: rng.lognormal(-1, 1.3, 200),
    "twenty": lambda rng: pareto(rng, 20, 2.2),
    "ties": lambda rng: np.round(pareto(rng, 150, 2.5), 2),
    "log-uniform over six decades": lambda rng: 10 ** rng.uniform(-6, 0, 120),
}


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("floor", [1e-5, None])
def test_the_fast_fit_is_the_naive_fit(kind, floor):
    rng = np.random.default_rng(7)
    for _ in range(8):
        x = SPECTRA[kind](rng)
        distance, alpha, xmin, tail = naive_fit(x, floor if floor is not None else 1e-10 * x.max())
        fit = fit_power_law(x, floor=floor)
        assert fit.tail == tail
        assert [fit.alpha, fit.xmin, fit.distance] == pytest.approx([alpha, xmin, distance], rel=1e-9)
        assert fit.sigma == pytest.approx((alpha - 1) / np.sqrt(tail), rel=1e-9)


def test_alpha_does_not_depend_on_units_and_an_absolute_floor_would():
    x = correlated(np.random.default_rng(1), 120, 120)
    fit, tiny = fit_power_law(x), fit_power_law(1e-7 * x)
    assert (tiny.alpha, tiny.tail) == (pytest.approx(fit.alpha, rel=1e-9), fit.tail)
    assert fit_power_law(1e-7 * x, floor=1e-5).points < len(x)


@pytest.mark.parametrize(
    "x", [[], np.zeros(50), np.ones(50), np.arange(1.0, 8), [1e-3] * 100 + [1e-3 * (1 + 1e-14)]], ids=str
)
def test_nothing_to_fit_is_nan_and_no_number_that_could_be_labelled(x):
    fit = fit_power_law(np.asarray(x))
    assert np.isnan([fit.alpha, fit.xmin, fit.distance, fit.sigma]).all()
    assert fit.tail == 0


def test_infinite_eigenvalues_are_refused():
    with pytest.raises(BadInput, match="finite"):
        fit_power_law(np.array([1.0, np.inf] * 10))
