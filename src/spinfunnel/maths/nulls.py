"""What the statistics of a spectrum are in pure noise of the same shape: a table of quantiles, interpolated.

Null: the eigenvalues of W W^T, W of M x N independent Gaussian entries (uniform, truncated normal and rounded
entries share it, heavy-tailed ones do not). Each statistic is first centred and scaled by what is known of it
in closed form, so that its quantiles vary little with the shape; these are tabulated over ln M, M = 8 to
2048, and sqrt(M/N), 0 to 1, and interpolated by cubics in both.

Measured on 15 held-out shapes from 9 x 9 to 768 x 3072 and 384 x 30522: the table's 1 % is .005 to .020, its
5 % .034 to .061; continued to M = 3000 to 8192, .000 to .035 and .033 to .083 (60 to 300 draws).

`python -m spinfunnel.maths.nulls` makes the table again (resumable, about 15 minutes of one core).
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from scipy.special import ndtr, ndtri

from spinfunnel.core import Array, BadInput, Calibration, CalibrationRow, cache_folder, seeds
from spinfunnel.maths.bulk import fit_bulk
from spinfunnel.maths.heavy_tails import fit_power_law
from spinfunnel.maths.random_matrices import top_center_and_scale, wishart_eigenvalues
from spinfunnel.maths.spectra import entropy, second_moment, stable_rank

#: The shapes of the table: M, and sqrt(M/N) for N/M = 10^6, 100, 10, 3, 1.5, 1.1, 1.
SIZES = np.array([8, 12, 16, 24, 32, 64, 128, 256, 512, 1024, 2048])
ROOTS = 1 / np.sqrt([1e6, 100, 10, 3, 1.5, 1.1, 1])
LEVELS = np.array([.001, .0025, .005, .01, .025, .05, .1, .2, .35, .5])  # fmt: skip
LEVELS = np.concatenate([LEVELS, 1 - LEVELS[-2::-1]])

#: Largest M to which the table is continued, as a straight line in ln M through its last `LINE` sizes.
FARTHEST = 8192
LINE = 4

#: Fresh draws for a larger shape: FRESH / M^2 of them (each takes about 1e-8 M^2 s), within these bounds.
FRESH, FRESH_DRAWS = 6e9, (60, 400)

Side = Literal["lower", "upper", "both"]


@dataclass(frozen=True)
class Statistic:
    """One number of a spectrum, and the map to the scale on which its null is tabulated (increasing).

    Every function takes M and N after its first argument; `of` takes the ascending eigenvalues.
    """

    of: Callable[[Array, Any, Any], float]
    scaled: Callable[[Any, float, float], Any]
    value: Callable[[Any, float, float], Any]


def _expected_second_moment(m: float, n: float) -> float:
    return m * (m + n + 1) / (m * n + 2)


def _top(s: Any, m: float, n: float) -> Any:
    """Stable rank from the negative Tracy-Widom variable of the largest eigenvalue, and back."""
    center, scale = top_center_and_scale(m, n)
    return m * n / (center - scale * s)


STATISTICS: dict[str, Statistic] = {
    # of heavy_tails.fit_power_law; for N >> M the eigenvalues spread by sqrt(M/N) about N, alpha inversely
    "alpha": Statistic(
        of=lambda ev, m, n: fit_power_law(ev).alpha,
        scaled=lambda v, m, n: np.log(v - 1) + np.log(m / n) / 2,
        value=lambda g, m, n: 1 + np.exp(g - np.log(m / n) / 2),
    ),
    # Bulk.ks_statistic: M times the distance of the bulk from Marchenko-Pastur, noise level fitted
    "ks": Statistic(
        of=lambda ev, m, n: fit_bulk(ev, len(ev), n).ks_statistic,
        scaled=lambda v, m, n: v,
        value=lambda g, m, n: g,
    ),
    # spectra.second_moment; its standard deviation is near 2/N
    "second moment": Statistic(
        of=lambda ev, m, n: second_moment(ev, n),
        scaled=lambda v, m, n: (v - _expected_second_moment(m, n)) * n / 2,
        value=lambda g, m, n: _expected_second_moment(m, n) + 2 * g / n,
    ),
    # spectra.stable_rank = M N / (largest eigenvalue / s2)
    "stable rank": Statistic(
        of=lambda ev, m, n: stable_rank(ev),
        scaled=lambda v, m, n: (top_center_and_scale(m, n)[0] - m * n / v) / top_center_and_scale(m, n)[1],
        value=_top,
    ),
    # spectra.entropy; ln M less H is M/(2N) and some (Page, Phys. Rev. Lett. 71 (1993) 1291)
    "entropy": Statistic(
        of=lambda ev, m, n: entropy(ev),
        scaled=lambda v, m, n: m / 2 - (1 - v) * math.log(m) * n,
        value=lambda g, m, n: 1 - (m / 2 - g) / (n * math.log(m)),
    ),
}


def null_quantile(statistic: str, level: float, small: int, large: int, *, fresh: bool = False) -> float:
    """Give the value that the statistic of M x N noise stays below with probability `level`.

    `statistic` is one of `STATISTICS`, `level` is in [.001, .999]. NaN for M < 8, where no test has power.
    M from 2048 to 8192 is extrapolated, larger M is NaN; with `fresh`, median and width of any M > 2048 come
    from draws (60 to 400, about a minute a shape, 3 at M = 16384, then kept in the user's cache folder) and
    only the form of the law from the table.

    Raises:
        BadInput: if the statistic is unknown or the level is outside the table.

    >>> round(null_quantile("alpha", 0.5, 384, 384))
    8
    """
    if not LEVELS[0] <= level <= LEVELS[-1]:
        raise BadInput(f"the null is tabulated for levels from {LEVELS[0]} to {LEVELS[-1]}, not {level}")
    quantiles = _quantiles(statistic, small, large, fresh)
    g = np.interp(ndtri(level), ndtri(LEVELS), quantiles)
    return float(STATISTICS[statistic].value(g, small, large))


def null_p_value(
    statistic: str, value: float, small: int, large: int, *, side: Side = "lower", fresh: bool = False
) -> float:
    """Give the probability that noise of this shape has a value so low (or so high; or twice the lesser).

    Not resolved below .001 (.002 for both sides): a smaller one is given as that. NaN where `null_quantile`
    is NaN, or the value is.

    >>> round(null_p_value("alpha", 2.5, 384, 384), 4), round(null_p_value("alpha", 8.0, 384, 384), 1)
    (0.001, 0.5)
    """
    quantiles = _quantiles(statistic, small, large, fresh)
    if not math.isfinite(value) or np.isnan(quantiles).any():
        return math.nan
    g = STATISTICS[statistic].scaled(value, small, large)
    below = float(ndtr(np.interp(g, quantiles, ndtri(LEVELS))))
    return {"lower": below, "upper": 1 - below, "both": 2 * min(below, 1 - below)}[side]


@lru_cache(maxsize=4096)
def _quantiles(statistic: str, small: int, large: int, fresh: bool) -> Array:
    """Scaled quantiles at LEVELS, for one shape."""
    if statistic not in STATISTICS:
        raise BadInput(f"no null of {statistic!r} is known; these are: {', '.join(STATISTICS)}")
    columns = _table()[statistic]
    roots, weights = _cubic(ROOTS, math.sqrt(small / large))
    columns = np.einsum("j,ijk->ik", weights, columns[:, roots])
    if small < SIZES[0]:
        return np.full(len(LEVELS), np.nan)
    if small <= SIZES[-1]:
        sizes, weights = _cubic(np.log(SIZES), math.log(small))
        quantiles = weights @ columns[sizes]
    else:
        line = np.polyfit(np.log(SIZES[-LINE:]), columns[-LINE:], 1)
        quantiles = line[0] * math.log(small) + line[1]
        if fresh:
            median, width = _fresh(small, large)[statistic]
            standard = columns[-LINE:] - columns[-LINE:, [9]]
            standard = (standard / (standard[:, [_HIGH]] - standard[:, [_LOW]])).mean(axis=0)
            quantiles = median + width * standard
        elif small > FARTHEST:
            return np.full(len(LEVELS), np.nan)
    return np.maximum.accumulate(quantiles)


_LOW, _HIGH = 7, len(LEVELS) - 8  # the quantiles .2 and .8, whose distance is the width of a law


def _cubic(nodes: Array, x: float) -> tuple[Array, Array]:
    """The four nodes about x, and their weights in Lagrange's cubic through them."""
    first = int(np.clip(np.searchsorted(nodes, x) - 2, 0, len(nodes) - 4))
    chosen = np.arange(first, first + 4)
    near = nodes[chosen]
    weights = [math.prod((x - near[j]) / (near[i] - near[j]) for j in range(4) if j != i) for i in range(4)]
    return chosen, np.array(weights)


@lru_cache(maxsize=1)
def _table() -> dict[str, Array]:
    """Scaled quantiles by statistic, arrays (sizes, roots, levels)."""
    with np.load(BytesIO((files("spinfunnel") / "data" / "nulls.npz").read_bytes())) as stored:
        return {name: stored[name].astype(np.float64) for name in STATISTICS}


# Drawing.


def draw(small: int, large: float, draws: int, seed: int) -> dict[str, Array]:
    """Draw the scaled statistics of noise matrices, arrays (draws,); large need not be whole.

    >>> sorted(draw(16, 32, 2, seed=0)) == sorted(STATISTICS)
    True
    """
    rng = np.random.default_rng(seeds(seed, "null", small, large))
    sample = {name: np.full(draws, np.nan) for name in STATISTICS}
    for i in range(draws):
        ev = wishart_eigenvalues(small, large, rng)
        for name, statistic in STATISTICS.items():
            sample[name][i] = statistic.scaled(statistic.of(ev, small, large), small, large)
    return sample


def _fresh(small: int, large: int) -> dict[str, tuple[float, float]]:
    """Median and width of each scaled statistic, from draws; kept in the user's cache folder."""
    kept = cache_folder() / "nulls" / f"{small}x{large}.npz"
    with suppress(OSError, ValueError, KeyError, BadZipFile), np.load(BytesIO(kept.read_bytes())) as stored:
        return {name: (float(stored[name][0]), float(stored[name][1])) for name in STATISTICS}
    sample = draw(small, large, int(np.clip(FRESH / small**2, *FRESH_DRAWS)), seed=0)
    found = {name: np.quantile(g, [0.5, LEVELS[_LOW], LEVELS[_HIGH]]) for name, g in sample.items()}
    row = {name: (float(q[0]), float(q[2] - q[1])) for name, q in found.items()}
    with suppress(OSError):
        _write(kept, {name: np.array(pair) for name, pair in row.items()})
    return row


def _write(path: Path, arrays: dict[str, Array]) -> None:
    """Write an .npz whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as handle:
        np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]
    Path(handle.name).replace(path)


def draws_of(small: int) -> int:
    """How many draws a cell of the shipped table has.

    >>> draws_of(32), draws_of(2048)
    (10000, 1000)
    """
    return 10_000 if small <= 128 else {256: 6000, 512: 4000, 1024: 2500, 2048: 1000}[small]


def build(path: Path, *, seed: int = 0, share: float = 1.0, told: Callable[[str], None] = print) -> None:
    """Make the table at `path`, cell by cell; cells that are there already are kept.

    `share` of the usual draws is made in each cell; `told` hears of every finished cell.
    """
    shape = (len(SIZES), len(ROOTS), len(LEVELS))
    table = {name: np.full(shape, np.nan, dtype=np.float32) for name in STATISTICS}
    if path.exists():
        with np.load(path) as stored:
            table = {name: stored[name] for name in STATISTICS}
    for i, small in enumerate(SIZES.tolist()):
        for j, root in enumerate(ROOTS.tolist()):
            if np.isfinite(table["ks"][i, j]).all():
                continue
            start = time.process_time()
            sample = draw(small, small / root**2, max(int(share * draws_of(small)), 2), seed)
            for name, g in sample.items():
                table[name][i, j] = np.nanquantile(g, LEVELS)
            _write(path, dict(table))
            told(f"M {small}, N/M {1 / root**2:g}: {time.process_time() - start:.1f} s")


# Calibrations.

_SIDES: dict[str, Side] = {"alpha": "lower", "ks": "upper", "second moment": "both", "stable rank": "lower"}


def _held_out(shapes: Sequence[tuple[int, int, int]]) -> Callable[[int], Iterator[CalibrationRow]]:
    """Share of fresh draws of shapes between the nodes of the table that fall below a nominal p-value."""

    def run(seed: int) -> Iterator[CalibrationRow]:
        for m, n, draws in shapes:
            sample = draw(m, n, draws, seeds(seed, "held out"))
            for name, side in _SIDES.items():
                values = STATISTICS[name].value(sample[name], m, n)
                p = np.array([null_p_value(name, v, m, n, side=side) for v in values])
                for level in (0.01, 0.05):
                    row = partial(
                        CalibrationRow.rate,
                        "nulls",
                        f"noise {m} x {n}",
                        f"p({name}) below {level}",
                        k=int((p < level).sum()),
                        n=draws,
                    )
                    slack = 4 * math.sqrt(level / draws)
                    yield row(at_most=1.3 * level + slack)
                    if level / 1.3 > slack:
                        yield row(at_least=level / 1.3 - slack)

    return run


calibrations = (
    Calibration(
        "held-out shapes", "fresh draws", _held_out([(24, 30, 1500), (48, 500, 1500), (100, 130, 1500)])
    ),
    Calibration(
        "held-out shapes, larger",
        "fresh draws",
        _held_out([(384, 390, 2000), (384, 30522, 2000), (768, 3072, 1000), (1500, 1600, 500)]),
        effort="full",
    ),
    Calibration("beyond the table", "fresh draws", _held_out([(4096, 4096, 200)]), effort="full"),
)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=build.__doc__)
    parser.add_argument("--out", type=Path, default=Path("nulls.npz"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of draws")
    given = parser.parse_args()
    build(given.out, seed=given.seed, share=given.share)
