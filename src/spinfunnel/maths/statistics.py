"""Means of correlated series: how long a chain remembers, how wrong its mean is, whether it has settled.

Sources: Sokal, Monte Carlo Methods in Statistical Mechanics (1997), section 3; jackknife: Efron, The
Jackknife, the Bootstrap and Other Resampling Plans (1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, Number, SpinfunnelError, seeds

#: The window is the least M with M >= 5 τ(M) (Sokal eq. 3.20).
WINDOW = 5
#: A chain shorter than this many τ does not know its τ.
FEWEST = 50


class ChainTooShort(SpinfunnelError):
    """The chain is too short to know its autocorrelation time; `estimate` is what it says nevertheless."""

    def __init__(self, estimate: Number, length: int) -> None:
        super().__init__(
            f"{length} records are fewer than {FEWEST} autocorrelation times (about {estimate.value:.3g} "
            "records each): make the chain longer"
        )
        self.estimate = estimate


def autocorrelation_time(series: Array) -> Number:
    """Give the integrated autocorrelation time τ = 1 + 2 Σ ρ(t), in records, of (T,) or of (T, R) chains.

    The variance of a mean over T records is τ/T times the variance of one record. The replicas share τ: their
    autocovariances are averaged, about their common mean. Error: Sokal eq. 3.19.

    >>> autocorrelation_time(np.tile([1.0, -1.0, -1.0, 1.0], 100)).value < 1
    True

    Raises:
        ChainTooShort: if T < 50 τ; it carries the estimate.
        BadInput: if the series never changes, is not finite, or has fewer than two records.
    """
    x = np.asarray(series, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    length, replicas = x.shape
    if length < 2 or not np.isfinite(x).all():
        raise BadInput(f"an autocorrelation time needs two or more finite records, not {length}")
    x = x - x.mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * length, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, axis=0)[:length].mean(axis=1) / (length - np.arange(length))
    if covariance[0] <= 0:
        raise BadInput("the series never changes: it has no autocorrelation time")
    running = 2 * np.cumsum(covariance / covariance[0]) - 1
    wide_enough = np.arange(length) >= WINDOW * running
    window = int(np.argmax(wide_enough)) if wide_enough.any() else length - 1
    tau = float(running[window])
    estimate = Number(tau, error=abs(tau) * math.sqrt(2 * (2 * window + 1) / (length * replicas)))
    if length < FEWEST * tau:
        raise ChainTooShort(estimate, length)
    return estimate


def mean_of_replicas(series: Array) -> Number:
    """Give the mean of (T, R) records of R independent replicas; each replica is one block.

    >>> print(mean_of_replicas(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])))
    2.0 ± 0.6

    Raises:
        BadInput: with fewer than two replicas.
    """
    blocks = np.asarray(series, dtype=np.float64).mean(axis=0)
    if blocks.ndim != 1 or len(blocks) < 2:
        raise BadInput("an error bar needs two or more independent replicas: series must be (T, R >= 2)")
    return Number(float(blocks.mean()), error=float(blocks.std(ddof=1) / math.sqrt(len(blocks))))


def share_of(k: int, n: int, *, level: float = 0.95) -> Number:
    """Give the share k/n with the interval of Jeffreys (Brown, Cai & DasGupta, Stat. Sci. 16 (2001) 101).

    >>> print(share_of(50, 100))
    0.5000 [0.4032, 0.5968]
    """
    from scipy.special import betaincinv

    low, high = betaincinv(k + 0.5, n - k + 0.5, [(1 - level) / 2, (1 + level) / 2])
    low, high = 0.0 if k == 0 else float(low), 1.0 if k == n else float(high)
    return Number(k / n, low=low, high=high, level=level, kind="Jeffreys interval")


def jackknife(estimate: Callable[[Array], Array], blocks: int) -> tuple[Array, Array]:
    """Give an estimate from B independent blocks, and its errors, by leaving out each in turn.

    `estimate` is called with the numbers of the blocks to use, ascending; it gives an array of any shape.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> [x.round(4).item() for x in jackknife(lambda kept: values[kept].mean(), 3)]  # the error is std / √3
    [2.0, 0.5774]

    Raises:
        BadInput: with fewer than two blocks.
    """
    if blocks < 2:
        raise BadInput("an error bar needs two or more independent blocks")
    every = np.arange(blocks)
    left_out = np.array([estimate(np.delete(every, i)) for i in every])
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(estimate(every)), np.sqrt(spread * (blocks - 1) / blocks)


def drift(series: Array) -> tuple[Array, Array]:
    """Tell whether chains still drift: the mean of the second half less that of the quarter before it.

    Shapes: series (T, ..., R) of R independent replicas. Gives that difference in units of its own error,
    which the spread of the replicas tells, and its two-sided p-value by Student's law, each (...).

    >>> rng = np.random.default_rng(0)
    >>> settled = rng.standard_normal((64, 8))
    >>> bool(drift(settled)[1] > 0.01), bool(drift(settled + np.linspace(3, 0, 64)[:, None])[1] > 0.01)
    (True, False)

    Raises:
        BadInput: with fewer than four records or two replicas.
    """
    from scipy.special import stdtr

    x = np.asarray(series, dtype=np.float64)
    length, replicas = len(x), x.shape[-1]
    if length < 4 or replicas < 2:
        raise BadInput(f"a drift needs four records of two replicas, not {length} of {replicas}")
    moved = x[length // 2 :].mean(axis=0) - x[length // 4 : length // 2].mean(axis=0)
    error = moved.std(axis=-1, ddof=1) / math.sqrt(replicas)
    rounding = 1e-9 * np.abs(x).max(initial=0.0)  # what is frozen moves by less
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.where(error > rounding, moved.mean(axis=-1) / error, 0.0)
    return sigma, np.asarray(2 * stdtr(replicas - 1, -np.abs(sigma)))


def autoregressive(length: int, replicas: int, memory: float, seed: int) -> Array:
    """Draw stationary chains x_t = a x_{t-1} + noise, (T, R): ρ(t) = a^t, so τ = (1 + a)/(1 - a)."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(seeds(seed, "autoregressive"))
    noise = rng.standard_normal((length, replicas))
    noise[0] /= math.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], noise, axis=0))


def _against_autoregressive(seed: int) -> Iterable[CalibrationRow]:
    for memory in (0.5, 0.9):
        exact = (1 + memory) / (1 - memory)
        tau = autocorrelation_time(autoregressive(10_000, 128, memory, seeds(seed, memory)))
        assert tau.error is not None
        yield CalibrationRow.measured(
            "statistics", f"AR(1), a = {memory}", "autocorrelation time",
            exact=exact, value=tau.value, error=tau.error, cap=0.03 * exact,
        )  # fmt: skip


def _drifting(seed: int) -> Iterable[CalibrationRow]:
    """Settled chains seem to drift as often as the level says; those that began far away are found out."""
    settled = moving = 0
    for draw in range(400):
        chains = autoregressive(200, 16, 0.5, seeds(seed, "drift", draw))
        settled += float(drift(chains)[1]) < 0.01
        late = chains + 5 * np.exp(-np.arange(200) / 40)[:, None]
        moving += float(drift(late)[1]) < 0.01
    yield CalibrationRow.rate(
        "statistics", "AR(1), a = 0.5, settled", "called drifting at 1 %", k=settled, n=400, at_most=0.03
    )
    yield CalibrationRow.rate(
        "statistics", "the same, on its way from 5", "called drifting", k=moving, n=400, at_least=0.95
    )


calibrations = (
    Calibration("autoregressive", "τ = (1 + a)/(1 - a), exact", _against_autoregressive),
    Calibration("drift", "by construction", _drifting),
)
