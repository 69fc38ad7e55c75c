"""What else a tail could be: lognormal, exponential, truncated power law, or no power law at all.

With u = ln(x/xmin), a power law is an exponential law of u. Its two classic rivals *contain* it: their
densities are ∝ e^(-a u - b T(u)) with b >= 0, T = u² for the lognormal and T = e^u - 1 for the power law with
an exponential cutoff, and b = 0 is the power law. So twice the gain in log-likelihood is tested against half
a chi-squared (Self, Liang, JASA 82 (1987) 605); the test of Vuong (Econometrica 57 (1989) 307), made for
models that do not contain each other, is kept for the exponential.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import chdtrc, ndtr

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.maths.heavy_tails import PowerLaw, fit_power_law
from spinfunnel.maths.spectra import gram_eigenvalues

#: Below this many points even a pure lognormal is missed more often than found.
FEWEST = 50

#: Gauss-Legendre nodes and weights on [0, 40] for a density of mean 1 whose logarithm is concave.
_PANELS = tuple(pairwise([0, 0.5, 1.5, 4, 12, 40]))
_x, _w = np.polynomial.legendre.leggauss(24)
_NODES = np.concatenate([(b - a) / 2 * _x + (a + b) / 2 for a, b in _PANELS])
_WEIGHTS = np.concatenate([(b - a) / 2 * _w for a, b in _PANELS])


@dataclass(frozen=True)
class TailComparison:
    """A power-law tail against other laws, for the `n` points strictly above xmin.

    `cv` is the coefficient of variation of ln(x/xmin), 1 for a power law, and `p_lighter`, `p_heavier` its
    one-sided p-values. `lognormal` and `truncated` are 2 Δ ln L in favour of that law over the power law,
    with p-values `p_lognormal`, `p_truncated`. `exponential` is Vuong's z: positive favours the power law;
    `p_exponential` is two-sided. `word` is the conclusion: the name of a law, "heavier than a power law", or
    "cannot tell".
    """

    n: int
    cv: float
    p_lighter: float
    p_heavier: float
    lognormal: float
    p_lognormal: float
    truncated: float
    p_truncated: float
    exponential: float
    p_exponential: float
    word: str


def compare_tails(eigenvalues: Array, fit: PowerLaw) -> TailComparison:
    """Compare a fitted tail with lognormal, truncated power law and exponential.

    Shape (n,), any order. A power law is named only if neither law that contains it is better (5 %, the two
    together) and it beats the exponential (Vuong, 10 %). Once it is rejected, the rival with the least BIC is
    named. With fewer than 50 points in the tail the word is always "cannot tell".

    >>> x = np.exp(np.sqrt(np.linspace(0, 9, 200)))  # far lighter than a power law
    >>> compare_tails(x, fit_power_law(x)).p_lighter < .001
    True
    """
    x = np.sort(np.asarray(eigenvalues, dtype=np.float64).ravel())
    excess = x[len(x) - fit.tail + 1 :] / fit.xmin
    n = len(excess)
    if n < 3 or excess[0] == excess[-1]:
        nan = math.nan
        return TailComparison(n, nan, nan, nan, nan, nan, nan, nan, nan, nan, "cannot tell")
    u = np.log(excess)
    mean = float(u.mean())
    v = u / mean
    square = float(np.mean(v * v))
    lighter = _greenwood(square / n, n)
    lognormal = 2 * n * _gain(v, v * v, _NODES**2)
    with np.errstate(over="ignore"):
        truncated = 2 * n * _gain(v, excess - 1, np.expm1(mean * _NODES))
    # Per point: ln of the power law's density, and of the exponential's.
    power = -math.log(mean * fit.xmin) - (1 + 1 / mean) * u
    scale = float(np.mean(excess - 1))
    exponential = -math.log(scale * fit.xmin) - (excess - 1) / scale
    difference = power - exponential
    vuong = float(difference.mean() / difference.std()) * math.sqrt(n)
    p_lognormal, p_truncated = _half_chi_squared(lognormal), _half_chi_squared(truncated)
    p_exponential = 2 * float(ndtr(-abs(vuong)))
    word = "cannot tell"
    if fit.tail >= FEWEST:
        gains = {
            "lognormal": lognormal - math.log(n),
            "truncated power law": truncated - math.log(n),
            "exponential": -2 * float(difference.sum()),
        }
        if min(p_lognormal, p_truncated) < 0.025:
            word = max(gains, key=gains.__getitem__)
        elif 1 - lighter < 0.025:
            word = "heavier than a power law"
        elif vuong > 0 and p_exponential < 0.1:
            word = "power law"
    return TailComparison(
        n,
        math.sqrt(max(square - 1, 0.0)),
        lighter,
        1 - lighter,
        lognormal,
        p_lognormal,
        truncated,
        p_truncated,
        vuong,
        p_exponential,
        word,
    )


def goodness_of_fit(
    eigenvalues: Array, fit: PowerLaw, rng: np.random.Generator, *, resamples: int = 100
) -> float:
    """Give the share of spectra drawn from the fitted law that fit worse: CSN's semi-parametric p-value.

    Each point of a draw is from the fitted tail with probability tail/points, else from the spectrum below
    xmin, and the draw is fitted anew, xmin included. A small p is evidence against a power law, at its level
    or better (eigenvalues repel); a large p is no evidence for one: a third of noise spectra have p > .1.
    """
    x = np.sort(np.asarray(eigenvalues, dtype=np.float64).ravel())[-fit.points :] if fit.tail else np.empty(0)
    if not len(x):
        return math.nan
    body = x[: fit.points - fit.tail]
    worse = 0
    for _ in range(resamples):
        k = int(rng.binomial(fit.points, fit.tail / fit.points)) if len(body) else fit.points
        tail = fit.xmin * np.exp(rng.exponential(1 / (fit.alpha - 1), k))
        below = rng.choice(body, fit.points - k) if k < fit.points else body[:0]
        worse += fit_power_law(np.concatenate([below, tail])).distance >= fit.distance
    return (1 + worse) / (1 + resamples)


def _gain(v: Array, t: Array, t_nodes: Array) -> float:
    """Give max over (a, b >= 0) of the mean log-likelihood of e^(-a v - b t)/Z, less that of e^-v.

    v has mean 1. Minus the log-likelihood, a ⟨v⟩ + b ⟨t⟩ + ln Z, is convex; Newton, started inside.
    """
    unit = float(t.max())
    t_mean, t_nodes = float(t.mean()) / unit, np.minimum(t_nodes / unit, 1e100)
    law = _WEIGHTS * np.exp(-_NODES)
    if float(law @ t_nodes) <= t_mean * float(law.sum()):
        return 0.0  # the likelihood falls as b leaves 0: the power law itself is best

    def cost(a: float, b: float) -> tuple[float, Array]:
        exponent = -a * _NODES - b * t_nodes
        top = float(exponent.max())
        density = _WEIGHTS * np.exp(exponent - top)
        z = float(density.sum())
        return a + b * t_mean + math.log(z) + top, density / z

    a, b = 0.8, 0.2
    value, density = cost(a, b)
    for _ in range(60):
        m, k = float(density @ _NODES), float(density @ t_nodes)
        dv, dt = _NODES - m, t_nodes - k
        vv, vt, tt = float(density @ (dv * dv)), float(density @ (dv * dt)), float(density @ (dt * dt))
        determinant = vv * tt - vt * vt
        if determinant <= 0:
            break
        g_a, g_b = 1 - m, t_mean - k
        step_a = -(tt * g_a - vt * g_b) / determinant
        step_b = -(vv * g_b - vt * g_a) / determinant
        decrement = -(g_a * step_a + g_b * step_b)
        if decrement < 1e-10:
            break
        size = 1.0 if b + step_b > 0 else 0.9 * b / -step_b
        while True:
            new_value, new_density = cost(a + size * step_a, b + size * step_b)
            if new_value <= value - 1e-4 * size * decrement or size < 1e-8:
                break
            size /= 2
        a, b, value, density = a + size * step_a, b + size * step_b, new_value, new_density
    return max(1 - value, 0.0)


def _half_chi_squared(ratio: float) -> float:
    """P-value of twice a log-likelihood gain when the parameter lies on the boundary under the null."""
    return 0.5 * float(chdtrc(1, ratio)) if ratio > 0 else 1.0


def _greenwood(statistic: float, n: int) -> float:
    """P(G <= statistic) for Greenwood's G = Σu²/(Σu)² of n exponentials: cv² = n G - 1.

    A shifted lognormal with the exact first three moments (Moran, JRSS B 9 (1947) 92): G is independent of
    S = Σu, so E G^k = E (Σu²)^k / E S^2k. Lower tail from n = 50: 5 % is .043-.050, 1 % is .005-.010.
    """
    cumulants = 2.0 * n, (24 - 2**2) * n, (720 - 3 * 24 * 2 + 2 * 2**3) * n
    raw = (
        cumulants[0],
        cumulants[1] + cumulants[0] ** 2,
        cumulants[2] + 3 * cumulants[1] * cumulants[0] + cumulants[0] ** 3,
    )
    mean, second, third = (raw[k - 1] / math.prod(range(n, n + 2 * k)) for k in (1, 2, 3))
    deviation = math.sqrt(second - mean**2)
    skew = (third - 3 * second * mean + 2 * mean**3) / deviation**3
    root = math.cbrt((skew**2 + 2 + math.sqrt(skew**4 + 4 * skew**2)) / 2)
    w = root + 1 / root - 1  # e^(σ²) of the lognormal: skew = (w + 2)√(w - 1)
    place = (statistic - mean) / deviation * math.sqrt(w - 1) + 1  # x over the lognormal's mean
    if place <= 0:
        return 0.0
    spread = math.sqrt(math.log(w))
    return float(ndtr(math.log(place) / spread + spread / 2))


def _words(draws: Iterable[Array]) -> list[str]:
    """Give the conclusion on each sample as a whole, its least value taken as xmin."""
    words = []
    for draw in draws:
        least = float(draw.min())
        alpha = 1 + 1 / float(np.mean(np.log(draw / least)))
        words.append(compare_tails(draw, PowerLaw(alpha, least, math.nan, len(draw), len(draw))).word)
    return words


def _cut_off(rng: np.random.Generator, n: int) -> Array:
    """Draw n values of density ∝ x^-2 e^(-x/10), x >= 1, by rejection."""
    x = 1 / (1 - rng.random(20 * n))
    return x[rng.random(len(x)) < np.exp((1 - x) / 10)][:n]


def _false_rejections(seed: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "tails", "false rejections"))
    for alpha, n in ((2.5, 50), (4.0, 50), (2.5, 100), (4.0, 100), (2.5, 384), (4.0, 384)):
        words = _words(rng.pareto(alpha - 1, n) + 1 for _ in range(400))
        wrong = sum(word not in ("power law", "cannot tell") for word in words)
        system = f"power law {alpha}, n = {n}"
        yield CalibrationRow.rate("tails", system, "another law named", k=wrong, n=400, at_most=0.11)


def _power(seed: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "tails", "power"))
    lighter = ("exponential", "lognormal", "truncated power law")
    cases = (
        ("exponential, n = 100", lambda: 1 + rng.exponential(size=100), ("exponential",), 0.85),
        ("lognormal, n = 200", lambda: rng.lognormal(size=200), ("lognormal",), 0.75),
        (
            "top fifth of a lognormal, n = 200",
            lambda: np.sort(rng.lognormal(size=1000))[-200:],
            lighter,
            0.78,
        ),
        ("power law 2 cut off at 10, n = 384", lambda: _cut_off(rng, 384), lighter, 0.9),
        ("power law 2.5, n = 200", lambda: rng.pareto(1.5, 200) + 1, ("power law",), 0.83),
        ("ln x Pareto, n = 200", lambda: np.exp(rng.pareto(3, 200)), ("heavier than a power law",), 0.9),
    )
    for system, draw, right, least in cases:
        words = _words(draw() for _ in range(400))
        k = sum(word in right for word in words)
        quantity = " or ".join(right) + " named"
        yield CalibrationRow.rate("tails", system, quantity, k=k, n=400, at_least=least)


def _fit_level(seed: int, draws: int) -> Iterable[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "tails", "goodness of fit"))

    def small(draw: Callable[[], Array]) -> int:
        spectra = [draw() for _ in range(draws)]
        return sum(goodness_of_fit(x, fit_power_law(x), rng, resamples=50) < 0.1 for x in spectra)

    k = small(lambda: rng.pareto(1.5, 64) + 1)
    limit = 0.1 + 3 * math.sqrt(0.09 / draws)
    yield CalibrationRow.rate("tails", "iid power law 2.5, n = 64", "p < .1", k=k, n=draws, at_most=limit)
    k = small(lambda: gram_eigenvalues(rng.normal(size=(128, 256))))
    yield CalibrationRow.rate("tails", "128 x 256 noise", "p < .1", k=k, n=draws, at_least=0.45)


calibrations = (
    Calibration("a power law is not called something else", "half chi-squared, 5 %", _false_rejections),
    Calibration("what is no power law is called so", "samples of known law", _power),
    Calibration("goodness of fit", "CSN section 4.1", lambda seed: _fit_level(seed, 100)),
    Calibration("goodness of fit", "CSN section 4.1", lambda seed: _fit_level(seed, 400), "full"),
)
