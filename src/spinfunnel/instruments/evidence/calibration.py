"""Evidence where it is known: of linear regression in closed form, of logistic by a determinant."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.instruments.evidence.measuring import (
    curvature,
    gauss_newton,
    laplace,
    newton_gain,
    positive_matrix,
    posterior_mode,
)
from spinfunnel.networks.solved import linear_regression, logistic_regression, taught

#: Standard deviation of the noise of the linear regressions, which their losses know.
NOISE = 0.5


def _row(system: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "evidence", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def regression(n: int, p: int, seed: int) -> tuple[Array, Array]:
    """Draw inputs (n, p) of unequal variances, and targets (n,) of Gaussian weights, with noise."""
    rng = np.random.default_rng(seeds(seed, "regression", n, p))
    x = rng.standard_normal((n, p)) * np.geomspace(3, 0.03, p)
    return x, x @ rng.standard_normal(p) + NOISE * rng.standard_normal(n)


def exact_evidence(x: Array, y: Array, precision: float) -> float:
    """Give ln N(y | 0, NOISE² + x x^T/δ), the evidence of a linear regression."""
    covariance = NOISE**2 * np.eye(len(x)) + x @ x.T / precision
    _, log_det = np.linalg.slogdet(2 * math.pi * covariance)
    return float(-(y @ np.linalg.solve(covariance, y) + log_det) / 2)


def mode(x: Array, y: Array, precision: float) -> Array:
    """Give the mode (p,) of the posterior of a linear regression; it is the least squares' at precision 0."""
    square = x.T @ x / NOISE**2 + precision * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(square, x.T @ y / NOISE**2))


def _linear(seed: int) -> Iterator[CalibrationRow]:
    """Compare with the closed form, at the mode, and from the least squares by a step to the mode."""
    if importlib.util.find_spec("torch") is None:
        return
    x, y = regression(60, 12, seed)
    name = "linear regression, n 60, P 12"
    for precision in (0.1, 10.0):
        known = exact_evidence(x, y, precision)
        for place, w in (("mode", mode(x, y, precision)), ("least squares", mode(x, y, 0.0))):
            system = linear_regression(x, y, w, NOISE)
            matrix, what, _ = positive_matrix(system, w, steps=12, seed=seed)
            found = laplace(system, w, matrix, steps=12, probes=1, seed=seed)
            slope = found.n * system.gradient(w[None])[0] + precision * w
            value = found.log_evidence(precision).value
            value += newton_gain(matrix, slope, found.n, precision, 12)
            yield _row(name, f"ln Z at δ = {precision:g}, from the {place}", value, known, 1e-8)
            yield _row(name, f"from the {place} by the Hessian", float(what == "Hessian"), 1, 0)
    grid = np.geomspace(1e-3, 1e3, 601)
    best = float(grid[np.argmax([exact_evidence(x, y, precision) for precision in grid])])
    for _ in range(3):  # by Newton's rule, from the grid's nearest
        rise = [exact_evidence(x, y, best * math.exp(step)) for step in (-1e-3, 0.0, 1e-3)]
        best *= math.exp(-1e-3 * (rise[2] - rise[0]) / 2 / (rise[2] - 2 * rise[1] + rise[0]))
    w = mode(x, y, best)
    system = linear_regression(x, y, w, NOISE)
    found = laplace(system, w, system.hessian(w), steps=12, probes=1, seed=seed)
    yield _row(name, "precision of largest evidence, over the true", found.best_precision / best, 1, 1e-4)


def _nested(seed: int) -> Iterator[CalibrationRow]:
    """Of regressions on 2, 4 or 8 inputs, of which 4 matter, put in order by the evidence of each."""
    if importlib.util.find_spec("torch") is None:
        return
    trials, same, right = 40, 0, 0
    for trial in range(trials):
        rng = np.random.default_rng(seeds(seed, "nested", trial))
        x = rng.standard_normal((60, 8))
        y = x[:, :4] @ rng.standard_normal(4) + NOISE * rng.standard_normal(60)
        found, known = [], []
        for inputs in (2, 4, 8):
            some, precision = x[:, :inputs], 1.0
            for _ in range(2):
                w = mode(some, y, precision)
                system = linear_regression(some, y, w, NOISE)
                seen = laplace(system, w, system.hessian(w), steps=inputs, probes=1, seed=seed)
                precision = seen.best_precision
            w = mode(some, y, precision)
            system = linear_regression(some, y, w, NOISE)
            seen = laplace(system, w, system.hessian(w), steps=inputs, probes=1, seed=seed)
            found.append(seen.log_evidence(precision).value)
            known.append(exact_evidence(some, y, precision))
        same += bool((np.argsort(found) == np.argsort(known)).all())
        right += int(np.argmax(found)) == 1
    name = "linear regressions on 2, 4, 8 inputs, 4 true"
    yield CalibrationRow.rate(
        "evidence", name, "in the order of the exact evidence", k=same, n=trials, at_least=1.0
    )
    yield CalibrationRow.rate("evidence", name, "the true one is first", k=right, n=trials, at_least=0.8)


def _many(seed: int) -> Iterator[CalibrationRow]:
    """Compare with the closed form where eigenvalues are too many to be found, and probes must do."""
    if importlib.util.find_spec("torch") is None:
        return
    x, y = regression(500, 1000, seed)
    for precision in (0.3, 30.0):
        w = mode(x, y, precision)
        system = linear_regression(x, y, w, NOISE)
        found = laplace(system, w, system.hessian(w), steps=100, probes=40, seed=seeds(seed, precision))
        value = found.log_evidence(precision)
        assert value.error is not None
        yield CalibrationRow.measured(
            "evidence", "linear regression, n 500, P 1000", f"ln Z at δ = {precision:g}, by probes",
            exact=exact_evidence(x, y, precision), value=value.value, error=value.error, cap=30.0,
        )  # fmt: skip


def _logistic(seed: int) -> Iterator[CalibrationRow]:
    """Compare the log-determinant of a logistic regression with Cholesky's, by probes."""
    if importlib.util.find_spec("torch") is None:
        return
    n, p, precision = 400, 800, 2.0
    rng = np.random.default_rng(seeds(seed, "logistic"))
    x, w = rng.standard_normal((n, p)) * np.geomspace(3, 0.03, p), rng.standard_normal(p) / math.sqrt(p)
    system = logistic_regression(x, (rng.random(n) < 0.5).astype(float), w)
    share = 1 / (1 + np.exp(-x @ w))
    posterior = x.T * (share * (1 - share)) @ x + precision * np.eye(p)
    factor = np.linalg.cholesky(posterior / precision)
    found = laplace(system, w, system.hessian(w), steps=60, probes=40, seed=seed)
    value = found.volumes(precision)
    assert value.error is not None
    yield CalibrationRow.measured(
        "evidence", f"logistic regression, n {n}, P {p}", "1/2 ln det(n H/δ + 1), against Cholesky",
        exact=float(np.log(factor.diagonal()).sum()), value=value.value, error=value.error, cap=30.0,
    )  # fmt: skip


def _bars(seed: int) -> Iterator[CalibrationRow]:
    """Count how often intervals hold the truth, on a spectrum like a network's: few large, many near zero."""
    size, probes, trials, steps = 600, 6, 200, 40
    h = np.concatenate([np.geomspace(10, 1e-4, 60), np.zeros(size - 60)])
    matrix, exact, inside, bracketed = np.diag(h), float(np.log1p(1000 * h).sum()), 0, 0
    for trial in range(trials):
        seen = curvature(matrix, steps=steps, probes=probes, seed=seeds(seed, trial))
        found = seen.both.trace(lambda h: np.log1p(1000 * h))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= exact <= found.high
        ends = [rule.trace(lambda h: np.log1p(1000 * h)).value for rule in (seen.below, seen.above)]
        bracketed += ends[0] <= ends[1] + 1e-9
    name = f"60 of {size} eigenvalues above zero"
    yield CalibrationRow.rate(
        "evidence", name, "intervals at .95 that hold the truth", k=inside, n=trials, at_least=0.9
    )
    yield CalibrationRow.rate(
        "evidence", name, "Gauss and Radau below Gauss", k=bracketed, n=trials, at_least=1.0
    )


def _labels(seed: int) -> Iterator[CalibrationRow]:
    """Train on a teacher's labels, and on the same labels shuffled: only the first are worth the weights."""
    if importlib.util.find_spec("torch") is None:
        return
    trials = 4
    for shuffled in (False, True):
        worth = 0
        for trial in range(trials):
            system = taught(seeds(seed, "labels", trial), shuffled)
            w, _ = posterior_mode(system, system.trained, rounds=3, gradients=60, steps=20, seed=seed)
            found = laplace(system, w, gauss_newton(system, w)[0], steps=40, probes=4, seed=seed)
            value = found.log_evidence(found.best_precision).value
            worth += value > -found.n * float(system.energy(np.zeros_like(w)[None])[0])
        kind = "shuffled" if shuffled else "a teacher's"
        at_most, at_least = (0.0, None) if shuffled else (None, 1.0)
        yield CalibrationRow.rate(
            "evidence", f"network, {kind} labels", "explains more than it costs", k=worth, n=trials,
            at_most=at_most, at_least=at_least,
        )  # fmt: skip


calibrations = (
    Calibration("linear regression", "closed form", _linear),
    Calibration("nested regressions", "closed form; the model that made the data", _nested, "normal"),
    Calibration("linear regression by probes", "closed form", _many, "normal"),
    Calibration("logistic regression", "Cholesky's factor", _logistic),
    Calibration("error bars", "eigenvalues that were chosen", _bars, "normal"),
    Calibration("labels", "shuffled labels can be learned only by heart", _labels, "normal"),
)
