"""How a trajectory in many dimensions moves, and how chance would move in its place.

All that is asked of a trajectory w_0, ..., w_n of P coordinates is told by the inner products of its steps,
S_ij = Δ_i·Δ_j, (n, n): distances, angles, principal components, wherever it went. A null is then a law of
such matrices: Gaussian steps that are correlated as a model says, each as long as the measured one.

Sources: principal components of a random walk: Antognini, Sohl-Dickstein, PCA of high dimensional random
walks with comparison to neural network training, NeurIPS 31 (2018), arXiv 1806.08805; centred positions of
a walk are the inverse of the Laplacian of a chain, which gives their spectrum. Wishart matrices: Bartlett,
Proc. R. Soc. Edinburgh 53 (1933) 260.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, Number, seeds

#: Steps shorter than this share of the longest are rounding: they have no direction.
ROUNDING = 1e-12
#: More dimensions than this are not told from infinitely many.
MOST = 1e6


def inner_products(positions: Array) -> Array:
    """Give the inner products S (n, n) of the steps between positions (n + 1, P), in double precision.

    Those of a trajectory in pieces, (n + 1, p) each, are the sum over the pieces.

    >>> inner_products(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]]))
    array([[25.,  4.],
           [ 4.,  1.]])
    """
    steps = np.diff(np.asarray(positions, dtype=np.float64), axis=0)
    return np.asarray(steps @ steps.T)


def displacements(steps: Array) -> Array:
    """Give the inner products (..., T, T) of w_t - w_0, T = n + 1, from those of the steps (..., n, n).

    >>> displacements(np.eye(2))
    array([[0., 0., 0.],
           [0., 1., 1.],
           [0., 1., 2.]])
    """
    padded = np.pad(steps, [(0, 0)] * (np.ndim(steps) - 2) + [(1, 0), (1, 0)])
    return np.asarray(np.cumsum(np.cumsum(padded, axis=-1), axis=-2))


def squared_distances(steps: Array) -> Array:
    """Give |w_t - w_s|² for all pairs, (T, T)."""
    gram = displacements(steps)
    square = np.diagonal(gram)
    return np.asarray(np.maximum(square[:, None] + square - 2 * gram, 0))


def principal(steps: Array, count: int = 2) -> tuple[Array, Array]:
    """Give the shares of variance (..., T) of all principal components, and the path (T, count) in the first.

    Shares descend and sum to one. A path is given of one trajectory, not of a stack of them; its signs are
    such that it ends on the positive side of where it began.

    >>> shares, path = principal(inner_products(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])))
    >>> shares.round(6), path[:, 0].round(6)
    (array([1., 0., 0.]), array([-1.,  0.,  1.]))
    """
    gram = displacements(steps)
    gram = gram - gram.mean(axis=-1, keepdims=True)
    gram = gram - gram.mean(axis=-2, keepdims=True)
    if gram.ndim > 2:
        values = np.maximum(np.linalg.eigvalsh(gram)[..., ::-1], 0)
        return values / values.sum(axis=-1, keepdims=True), np.empty(0)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    path = vectors[:, :count] * np.sqrt(values[:count])
    path *= np.where(path[-1] < path[0], -1, 1)
    total = float(values.sum())
    return values / total if total > 0 else values, path


def walk_shares(records: int, count: int) -> Array:
    """Give the shares of variance of the first components of T records of a random walk, as P → ∞: exact.

    The k-th is 6 / ((T² - 1) 4 sin²(π k / 2T)), and 6/(π k)² as T → ∞.

    >>> walk_shares(10**6, 3).round(4)
    array([0.6079, 0.152 , 0.0675])
    """
    k = np.arange(1, count + 1)
    return np.asarray(6 / ((records**2 - 1) * 4 * np.sin(np.pi * k / (2 * records)) ** 2))


def cosines(steps: Array) -> Array:
    """Give the cosines of the angles between all pairs of steps, (n, n); of a step of no length, nan."""
    length = np.sqrt(np.maximum(np.diagonal(steps), 0))
    length = np.where(length > ROUNDING * length.max(initial=0.0), length, np.nan)
    return np.asarray(steps / length / length[:, None])


def effective_dimension(steps: Array) -> float:
    """Tell in how many dimensions the steps fluctuate: one over the variance of cosines between them.

    Independent steps in D dimensions have cosines of variance 1/D. Steps that remember have a mean cosine
    that depends on how far they are apart; it is taken off first. At least 1, at most a million.

    >>> rng = np.random.default_rng(0)
    >>> walk = rng.standard_normal((200, 50)).cumsum(axis=0)
    >>> round(effective_dimension(inner_products(walk)))
    50
    """
    cosine = cosines(steps)
    total = pairs = 0.0
    for lag in range(1, len(cosine) - 1):
        alike = np.diagonal(cosine, lag)
        alike = alike[np.isfinite(alike)]
        if len(alike) > 1:
            total += float(((alike - alike.mean()) ** 2).sum())
            pairs += len(alike) - 1
    return float(np.clip(pairs / total if total > pairs / MOST else MOST, 1, MOST))


def drift_share(steps: Array) -> float:
    """Give c², the mean cosine between steps of a drift under a walk with the lengths of these, in [0, 1].

    It is the one with which walks get on the mean as far as this: |w_n - w_0|² = Σ ℓ² + c² Σ_{i≠j} ℓ_i ℓ_j.

    >>> drift_share(np.ones((5, 5))), drift_share(np.eye(5))
    (1.0, 0.0)
    """
    squares = np.maximum(np.diagonal(steps), 0)
    own, all_pairs = float(squares.sum()), float(np.sqrt(squares).sum() ** 2)
    if all_pairs <= own:
        return 0.0
    return float(np.clip((float(steps.sum()) - own) / (all_pairs - own), 0, 1))


def relaxation(times: Array, distances: Array, share: float = 0.25) -> float:
    """Fit the rate κ of |w_t - w_s|² = A (1 - e^{-κ |t - s|}), as of an Ornstein-Uhlenbeck walk at rest.

    Least squares over pairs not further apart than `share` of the time, where a slow drift is not yet seen.
    Shapes: times (T,), distances (T, T) squared. The rate is per unit of time, at least .01 over all of it.

    >>> t = np.arange(64.0)
    >>> round(relaxation(t, 1 - np.exp(-0.1 * np.abs(t[:, None] - t))), 3)
    0.1
    """
    i, j = np.triu_indices(len(times), 1)
    lags, squares = times[j] - times[i], distances[i, j]
    long = float(times[-1] - times[0])
    near = lags <= max(share * long, float(np.diff(times).max()))
    lags, squares = lags[near], squares[near]

    def fit(rates: Array) -> float:
        shape = -np.expm1(-rates[:, None] * lags)
        height = (shape @ squares) / (shape**2).sum(axis=1)
        return float(rates[((squares - height[:, None] * shape) ** 2).sum(axis=1).argmin()])

    step = float(np.diff(times).min())
    best = fit(np.geomspace(0.01 / long, 10 / step, 120))
    return fit(best * np.geomspace(0.9, 1.1, 101))


def ornstein_uhlenbeck(times: Array, rate: float) -> Array:
    """Give the correlations (n, n) between steps of an Ornstein-Uhlenbeck walk at rest, recorded at `times`.

    >>> ornstein_uhlenbeck(np.arange(3.0), 100.0).round(6)  # records that forget: what goes up comes down
    array([[ 1. , -0.5],
           [-0.5,  1. ]])
    """
    at = np.exp(-rate * np.abs(times[:, None] - times))
    covariance = np.diff(np.diff(at, axis=0), axis=1)
    size = np.sqrt(np.diagonal(covariance))
    return np.asarray(covariance / size / size[:, None])


def surrogates(
    lengths: Array, correlation: Array, dimension: float, draws: int, seed: int
) -> Iterator[Array]:
    """Draw inner products (n, n) of Gaussian steps in D dimensions, correlated so, and of these lengths.

    Correlation: the identity, a random walk; c² off the diagonal, a drift and a walk; `ornstein_uhlenbeck`.

    >>> next(surrogates(np.array([3.0, 4.0]), np.eye(2), 10, 1, seed=0)).diagonal()
    array([ 9., 16.])
    """
    n, d = len(lengths), max(1, round(dimension))
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seeds(seed, "surrogates"))
    for _ in range(draws):
        if d > n:  # Bartlett: no step is ever written out
            half = np.tril(rng.standard_normal((n, n)), -1)
            half[np.diag_indices(n)] = np.sqrt(rng.chisquare(d - np.arange(n)))
        else:
            half = rng.standard_normal((n, d))
        steps = root @ half
        steps *= (lengths / np.sqrt((steps**2).sum(axis=1)))[:, None]
        yield steps @ steps.T


def spread(steps: Array) -> tuple[float, Array]:
    """Give the squared radius of gyration over that of a walk with the same lengths; and its form (n, n).

    R² = Σ_{s<t} |w_t - w_s|² / T² = Σ S∘M, M_ij = min(i, j) (T - max(i, j)) / T²; of uncorrelated steps the
    mean is the trace. The ratio is 1 for a walk, below 1 for what is held, (n + 1)/2 on a straight line.

    >>> spread(np.eye(50))[0], round(spread(np.ones((50, 50)))[0], 6)
    (1.0, 25.5)
    """
    i = np.arange(1, len(steps) + 1)
    form = steps * np.minimum(i, i[:, None]) * (len(i) + 1 - np.maximum(i, i[:, None])) / (len(i) + 1) ** 2
    expected = float(np.trace(form))
    return (float(form.sum()) / expected if expected > 0 else 0.0), form


def sign_flips(form: Array, draws: int, seed: int) -> tuple[float, float]:
    """Tell how likely ε·form·ε of random signs ε is as high, and as low, as of all signs alike: two p-values.

    If the steps are independent and each is as likely to go back as forth, signs change nothing, and the
    p-values are exact in any dimension, of any lengths.

    >>> high, low = sign_flips(np.ones((20, 20)), 400, seed=0)
    >>> high < 0.01, low
    (True, 1.0)
    """
    signs = np.random.default_rng(seeds(seed, "sign flips")).choice([-1.0, 1.0], size=(draws, len(form)))
    flipped, seen = np.einsum("ki,ki->k", signs @ form, signs), float(form.sum())
    tie = 1e-9 * float(np.abs(form).sum())
    return tuple((1 + int((side >= -tie).sum())) / (1 + draws) for side in (flipped - seen, seen - flipped))  # type: ignore[return-value]


def halves_apart(steps: Array) -> float:
    """Give the squared distance between the means of the first and the second half of the positions.

    It is over the sum of squared steps: of what is at rest it falls as 1/n², of a walk it is about 1/3.

    >>> round(halves_apart(np.eye(1000)), 2)
    0.33
    """
    total = float(np.trace(steps))
    records = len(steps) + 1
    weight = np.zeros(records)
    weight[: records // 2], weight[records - records // 2 :] = -1 / (records // 2), 1 / (records // 2)
    return float(weight @ displacements(steps) @ weight) / total if total > 0 else 0.0


def growth(times: Array, squares: Array) -> Number | None:
    """Give the exponent a of |w_t - w_0| ~ t^a: 1/2 for diffusion, 1 for a straight line. None: too short.

    Least squares in logarithms, every half octave counting alike. Error: the spread of the slopes of octaves
    of their own, so that it is large where there is no power law. Shapes: times and squares (T,); what is at
    time zero, or has not moved, is left out. Fewer than three octaves are too short.

    >>> t = np.arange(1.0, 65.0)
    >>> print(round(growth(t, t).value, 6), round(growth(t, t**2).value, 6), growth(t[:5], t[:5]))
    0.5 1.0 None
    """
    moved = (times > 0) & (squares > 0)
    if moved.sum() < 4:
        return None
    x, y = np.log2(times[moved]), np.log2(squares[moved]) / 2
    octaves = math.floor(x[-1] - x[0] + 1e-9)
    if octaves < 3:
        return None
    grid = x[-1] - np.arange(2 * octaves + 1)[::-1] / 2
    there = np.interp(grid, x, y)
    local = np.diff(there[::2])
    slope = float(np.polyfit(grid, there, 1)[0])
    return Number(slope, error=float(local.std(ddof=1) / math.sqrt(octaves)))


def brownian(records: int, dimension: int, seed: int, *, hold: float = 0.0) -> Array:
    """Walk: positions (T, D) of Gaussian steps of unit size; each step goes back by `hold` of the way.

    With hold > 0 it is an Ornstein-Uhlenbeck walk, which starts at rest: |w_t - w_s|² tends to
    2 D / (1 - (1 - hold)²).
    """
    from scipy.signal import lfilter

    noise = np.random.default_rng(seeds(seed, "brownian")).standard_normal((records, dimension))
    if hold:
        noise[0] /= math.sqrt(1 - (1 - hold) ** 2)
    return np.asarray(lfilter([1.0], [1.0, hold - 1], noise, axis=0))


def _components(seed: int, records: int, dimension: int, walks: int) -> Iterable[CalibrationRow]:
    """Principal components of walks that are walked, and of those that are only drawn as inner products."""
    name, exact = f"random walk, D {dimension}, T {records}", walk_shares(records, 3)
    walked = [inner_products(brownian(records, dimension, seeds(seed, i))) for i in range(walks)]
    drawn = list(surrogates(np.ones(records - 1), np.eye(records - 1), dimension, walks, seeds(seed, "draw")))
    for how, all_steps in (("walked", walked), ("drawn", drawn)):
        shares = np.array([principal(steps)[0][:3] for steps in all_steps])
        error = shares.std(axis=0, ddof=1) / math.sqrt(walks)
        for k in range(3):
            yield CalibrationRow.measured(
                "random_walks", name, f"share of component {k + 1}, {how}",
                exact=float(exact[k]), value=float(shares[:, k].mean()), error=float(error[k]), cap=0.005,
            )  # fmt: skip


def _held(seed: int) -> Iterable[CalibrationRow]:
    """The rate of Ornstein-Uhlenbeck walks, and the dimension in which they walk."""
    records, dimension, walks, hold = 200, 100, 24, 0.2
    times = np.arange(records, dtype=float)
    found = []
    for i in range(walks):
        steps = inner_products(brownian(records, dimension, seeds(seed, "held", i), hold=hold))
        found.append((relaxation(times, squared_distances(steps)), effective_dimension(steps)))
    values, name = np.array(found), f"Ornstein-Uhlenbeck, D {dimension}, T {records}"
    error = values.std(axis=0, ddof=1) / math.sqrt(walks)
    yield CalibrationRow.measured(
        "random_walks", name, "rate", exact=-math.log1p(-hold), value=float(values[:, 0].mean()),
        error=float(error[0]), cap=0.01,
    )  # fmt: skip
    yield CalibrationRow.deterministic(
        "random_walks", name, "effective dimension", exact=dimension, value=float(values[:, 1].mean()),
        tolerance=0.15 * dimension,
    )  # fmt: skip


def _flipped(seed: int) -> Iterable[CalibrationRow]:
    """Walks, of steps of all lengths, seem directed, or held, as often as the level says."""
    rng = np.random.default_rng(seeds(seed, "lengths"))
    for dimension in (2, 50):
        high = low = 0
        for i in range(400):
            steps = rng.standard_normal((24, dimension)) * rng.lognormal(0, 1, (24, 1))
            p_high, p_low = sign_flips(spread(steps @ steps.T)[1], 199, seeds(seed, dimension, i))
            high, low = high + (p_high <= 0.05), low + (p_low <= 0.05)
        name = f"random walk, D {dimension}, lengths of a wide law"
        for k, what in ((high, "directed"), (low, "held")):
            yield CalibrationRow.rate("random_walks", name, f"called {what} at 5 %", k=k, n=400, at_most=0.09)


WALK = "Antognini, Sohl-Dickstein (2018), and exact at every T"
calibrations = (
    Calibration("components of a walk", WALK, lambda seed: _components(seed, 200, 5000, 16)),
    Calibration("longer walks", WALK, lambda seed: _components(seed, 400, 20_000, 12), "normal"),
    Calibration("held walks", "by construction", _held),
    Calibration("sign flips", "exact test", _flipped),
)
