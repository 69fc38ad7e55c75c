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


def _centred(steps: Array) -> Array:
    """Give the inner products (..., T, T) of the positions about their mean."""
    gram = displacements(steps)
    gram = gram - gram.mean(axis=-1, keepdims=True)
    return np.asarray(gram - gram.mean(axis=-2, keepdims=True))


def shares(steps: Array) -> Array:
    """Give the shares of variance (..., T) of all principal components, descending; they sum to one.

    >>> shares(inner_products(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]))).round(3)
    array([0.861, 0.139, 0.   ])
    """
    values = np.maximum(np.linalg.eigvalsh(_centred(steps))[..., ::-1], 0)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def path(steps: Array, count: int = 2) -> Array:
    """Give the positions (T, count) along the first principal components, about their mean.

    Signs are such that it ends on the positive side of where it began.

    >>> path(np.ones((2, 2)), 1).round(6)
    array([[-1.],
           [ 0.],
           [ 1.]])
    """
    values, vectors = np.linalg.eigh(_centred(steps))
    along = vectors[:, ::-1][:, :count] * np.sqrt(np.maximum(values[::-1][:count], 0))
    return np.asarray(along * np.where(along[-1] < along[0], -1, 1))


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


def without_drift(times: Array, distances: Array, share: float = 0.25) -> Array:
    """Give the correlations (n, n) between steps of walks that only fluctuate, like this one at short times.

    They are independent Ornstein-Uhlenbeck walks at rest, as in a bowl with many curvatures, and a free one:
    |w_t - w_s|² = B |t - s| + Σ A_k (1 - e^{-κ_k |t - s|}), A, B >= 0, by least squares over pairs no further
    apart than `share` of the time, where a slow drift is not yet seen. Shapes: times (T,), distances (T, T).

    >>> t = np.arange(16.0)
    >>> apart = np.abs(t[:, None] - t)
    >>> abs(without_drift(t, apart)[0, :2].round(2)), without_drift(t, 1.0 * (apart > 0))[0, :2].round(2)
    (array([1., 0.]), array([ 1. , -0.5]))
    """
    from scipy.optimize import nnls

    apart = np.abs(times[:, None] - times)
    long, short = float(times[-1] - times[0]), np.diff(times)
    i, j = np.nonzero(np.triu(apart <= max(share * long, 3 * float(short.max())), 1))
    rates = np.geomspace(1 / long, 5 / float(short.min()), 24)

    def shapes(lags: Array) -> Array:
        return np.concatenate([-np.expm1(-lags[..., None] * rates), lags[..., None] / long], axis=-1)

    squares = distances[i, j]
    if not squares.max() > 0:
        return np.eye(len(short))
    weights = nnls(shapes(apart[i, j]), squares / float(squares.max()))[0]
    covariance = -np.diff(np.diff(shapes(apart) @ weights, axis=0), axis=1) / 2
    size = np.sqrt(np.diagonal(covariance))
    return np.asarray(covariance / size / size[:, None])


def surrogates(
    lengths: Array, correlation: Array, dimension: float, draws: int, seed: int
) -> Iterator[Array]:
    """Draw inner products (n, n) of Gaussian steps in D dimensions, correlated so, and of these lengths.

    Correlation: the identity, a random walk; c² off the diagonal, a drift and a walk; `without_drift`.

    >>> next(surrogates(np.array([3.0, 4.0]), np.eye(2), 10, 1, seed=0)).diagonal()
    array([ 9., 16.])
    """
    n, d = len(lengths), max(1, round(dimension))
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    rng, below = np.random.default_rng(seeds(seed, "surrogates")), np.tri(n, k=-1)
    for _ in range(draws):
        if d > n:  # Bartlett: no step is ever written out
            half = rng.standard_normal((n, n)) * below
            half.flat[:: n + 1] = np.sqrt(rng.chisquare(d - np.arange(n)))
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
    n = len(steps)
    later = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)) / ((n + 1) // 2)
    total = float(np.trace(steps))
    return float(later @ steps @ later) / total if total > 0 else 0.0


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

    With hold > 0 it is an Ornstein-Uhlenbeck walk, which starts at rest.
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
        found = shares(np.array(all_steps))[:, :3]
        error = found.std(axis=0, ddof=1) / math.sqrt(walks)
        for k in range(3):
            yield CalibrationRow.measured(
                "random_walks", name, f"share of component {k + 1}, {how}",
                exact=float(exact[k]), value=float(found[:, k].mean()), error=float(error[k]), cap=0.005,
            )  # fmt: skip


def _held(seed: int) -> Iterable[CalibrationRow]:
    """Ornstein-Uhlenbeck walks: the correlation of successive steps, and the dimension in which they walk."""
    records, dimension, walks = 100, 100, 24
    times = np.arange(records, dtype=float)
    for hold in (0.0, 0.2, 0.9):
        found = []
        for i in range(walks):
            steps = inner_products(brownian(records, dimension, seeds(seed, hold, i), hold=hold))
            near = without_drift(times, squared_distances(steps))
            found.append((near[0, 1], effective_dimension(steps)))
        values = np.array(found).mean(axis=0)
        name = f"Ornstein-Uhlenbeck, D {dimension}, T {records}, goes back by {hold:g}"
        for quantity, exact, value, tolerance in (
            ("fitted correlation of successive steps", -hold / 2, values[0], 0.03),
            ("effective dimension", dimension, values[1], 0.1 * dimension),
        ):
            yield CalibrationRow.deterministic(
                "random_walks", name, quantity, exact=exact, value=float(value), tolerance=tolerance
            )


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
