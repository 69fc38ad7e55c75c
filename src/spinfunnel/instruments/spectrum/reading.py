"""One matrix against noise of its shape: what is measured, and what it is called."""

from __future__ import annotations

from math import inf, isfinite, nan, sqrt

import numpy as np

from spinfunnel.core import Array, Effort, Outcome, Reading, Row, RowVerdict, seeds
from spinfunnel.instruments.spectrum.series import ccdf, density
from spinfunnel.maths.bulk import Bulk, fit_bulk, is_orthogonal
from spinfunnel.maths.heavy_tails import RANK_CUT, bootstrap_alpha, fit_power_law
from spinfunnel.maths.nulls import null_p_value, null_quantile
from spinfunnel.maths.random_matrices import invert_spikes
from spinfunnel.maths.spectra import (
    effective_rank,
    entropy,
    rank,
    second_moment,
    stable_rank,
)
from spinfunnel.maths.tail_alternatives import compare_tails, goodness_of_fit
from spinfunnel.matrices import Matrix, decomposition_seconds

#: Level of each single test against the Wishart null; three of them are combined.
LEVEL = 0.01
#: Below this many eigenvalues no test has power, and nothing is said.
FEWEST = 16
#: Entries this close to being spikes on their own call for the shuffled null: max|w| / sd (MN)^(1/4).
NEAR = 0.7
#: A bulk less than this many times its limit away may be the entries' doing, if they have a fourth moment.
BEYOND = 2.0
#: A bulk and a number of spikes this many times those of one shuffle need no permutation test (0 of 900
#: matrices of Student-t entries, df 1.5 to 5, were that far off).
FAR = (1.5, 4.0)
#: Refits for the interval of α: its own half-width is known to 21, 16 and 9 %.
RESAMPLES: dict[Effort, int] = {"quick": 40, "normal": 64, "full": 200}
#: Shuffles of a permutation test, at the most and at the least; between them, what five seconds allow. With
#: 99, a test that rejected is upheld by chance in 1 of 100; with 19, in 1 of 20.
SHUFFLES, FEWEST_SHUFFLES, SHUFFLE_SECONDS = 99, 19, 5.0

LABELS: dict[str, Outcome] = {
    "like noise": "warning",
    "structured": "good",
    "heavy-tailed": "good",
    "orthogonal": "info",
    "heavy entries": "info",
    "bulk not MP": "info",
    "cannot tell": "unsure",
}


def each(matrix: Matrix, *, seed: int, effort: Effort) -> Reading:
    """Measure one matrix; what cannot be measured is NaN."""
    row: Row = {
        "name": matrix.part.name,
        "part": matrix.part.part,
        "layout": matrix.part.layout,
        "M": matrix.small,
        "N": matrix.large,
    }
    if matrix.entries.nonfinite:
        return Reading(row | {"problem": f"{matrix.entries.nonfinite} entries are NaN or infinite"})
    ev = matrix.eigenvalues
    if ev[-1] <= 0:
        return Reading(row | {"problem": "all entries are zero"})
    row |= size(ev, matrix.large)
    there = int(np.count_nonzero(ev > RANK_CUT * ev[-1]))
    if there < FEWEST:
        which = f"{there} of {matrix.small} eigenvalues are not zero"
        if matrix.small < FEWEST:
            which = f"{matrix.small} eigenvalues"
        row["problem"] = f"only {which}: no test has power"
        return Reading(row, density(matrix, with_law=False))
    if is_orthogonal(ev):
        return Reading(row | {"orthogonal": 1}, density(matrix))
    row |= tail(ev, matrix.small, matrix.large, seed, effort)
    row |= entries(matrix)
    row |= against_noise(ev, matrix.bulk, matrix.large, matrix.entries.kurtosis)
    if row["deviates"] and (effort == "full" or may_be_entries(row)):
        row |= against_shuffled(matrix, row)
    return Reading(row, (*density(matrix), *ccdf(matrix, row)))


def size(ev: Array, large: int) -> Row:
    """How large the matrix is, in the norms and ranks that its spectrum gives."""
    return {
        "frobenius_norm": sqrt(ev.sum()),
        "spectral_norm": sqrt(ev[-1]),
        "stable_rank": stable_rank(ev),
        "effective_rank": effective_rank(ev),
        "rank": rank(ev, len(ev), large),
        "entropy": entropy(ev),
    }


def tail(ev: Array, small: int, large: int, seed: int, effort: Effort) -> Row:
    """The power-law tail, its interval, its null, and the other laws that could end the spectrum."""
    fit = fit_power_law(ev)
    row: Row = {"alpha": fit.alpha, "xmin": fit.xmin, "D": fit.distance, "tail": fit.tail}
    if not isfinite(fit.alpha):  # all eigenvalues that are not zero are equal
        return row | {"alpha_low": nan, "alpha_high": nan, "alpha_null_p": nan, "tail_law": "cannot tell"}
    rng = np.random.default_rng(seeds(seed, "bootstrap"))
    interval = bootstrap_alpha(ev, fit, rng, resamples=RESAMPLES[effort])
    row |= {
        "alpha_low": nan if interval.low is None else interval.low,
        "alpha_high": nan if interval.high is None else interval.high,
        "alpha_null_p": null_p_value("alpha", fit.alpha, small, large, side="lower"),
        "alpha_null_low": null_quantile("alpha", 0.05, small, large),
        "alpha_null_median": null_quantile("alpha", 0.5, small, large),
        "alpha_null_high": null_quantile("alpha", 0.95, small, large),
        "tail_law": compare_tails(ev, fit).word,
    }
    if effort == "full":
        row["power_law_p"] = goodness_of_fit(ev, fit, np.random.default_rng(seeds(seed, "fit")))
    return row


def against_noise(ev: Array, bulk: Bulk, large: int, kurtosis: float) -> Row:
    """Three tests against the Wishart null, each at 1 %: bulk shape, edge, second moment."""
    small, second = len(ev), second_moment(ev, large, kurtosis)
    row: Row = {
        "mp_ks": bulk.ks_statistic,
        "mp_ks_limit": bulk.ks_limit,
        "bulk_is_mp": int(bulk.is_mp),
        "sigma": bulk.sigma if bulk.sigma is not None else nan,
        "edge": bulk.threshold,
        "above_edge": len(bulk.spikes),
        "second_moment": second,
        "second_moment_p": null_p_value("second moment", second, small, large, side="both"),
    }
    row["deviates"] = int(any(_rejections(row).values()))
    if bulk.is_mp and len(bulk.spikes):
        spikes = invert_spikes(bulk.spikes, bulk.variance, bulk.small, bulk.large)
        row |= {
            "top_strength": float(spikes.strength[-1]),
            "top_left_overlap": float(sqrt(spikes.left_overlap2[-1])),
            "top_right_overlap": float(sqrt(spikes.right_overlap2[-1])),
        }
    return row


def entries(matrix: Matrix) -> Row:
    """What the entries alone would do: an entry, or the mean, can be a spike by itself."""
    moments, scale = matrix.entries, (matrix.small * matrix.large) ** 0.25
    sd = sqrt(moments.variance)
    return {
        "entry_ratio": moments.largest / (sd * scale) if sd else inf,
        "mean_ratio": abs(moments.mean) * scale / sd if sd else inf,
        "excess_kurtosis": moments.kurtosis - 3,
    }


def may_be_entries(row: Row) -> bool:
    """Tell whether heavy entries alone could give this deviation, so that shuffling them is worth its cost.

    A single entry is near the edge; or the deviation is small and the entries have a fourth moment.
    """
    small = row["mp_ks"] < BEYOND * row["mp_ks_limit"]
    return bool(row["entry_ratio"] > NEAR or (small and row["excess_kurtosis"] > 0.5))


def against_shuffled(matrix: Matrix, row: Row) -> Row:
    """Does the deviation survive when the same entries stand in random places?

    A permutation test of each of the three tests that rejected: the entries explain it once a shuffle is as
    far off. It ends as soon as all are explained, or one is so far off that no shuffle comes near.
    """
    seen, shuffled = _extremes(row, matrix.eigenvalues[-1]), against_noise_of(matrix.shuffled, matrix)
    left = {name for name, rejects in _rejections(row).items() if rejects}
    counted: Row = {"shuffled_above_edge": shuffled["above_edge"], "shuffled_mp_ks": shuffled["mp_ks"]}
    far = row["mp_ks"] > FAR[0] * max(shuffled["mp_ks"], row["mp_ks_limit"])
    if far and row["above_edge"] > FAR[1] * (shuffled["above_edge"] + 1):
        return counted | {"entries_explain": 0}
    allowed = SHUFFLE_SECONDS / decomposition_seconds(matrix.part)
    for number in range(int(min(SHUFFLES, max(FEWEST_SHUFFLES, allowed)))):
        ev = matrix.shuffle(number) if number else matrix.shuffled
        other = _extremes(against_noise_of(ev, matrix), ev[-1])
        left -= {name for name in left if other[name] >= seen[name]}
        if not left:
            break
    return counted | {"entries_explain": int(not left)}


def against_noise_of(ev: Array, matrix: Matrix) -> Row:
    """Test another spectrum of the same entries."""
    return against_noise(ev, fit_bulk(ev, matrix.small, matrix.large), matrix.large, matrix.entries.kurtosis)


def _rejections(row: Row) -> dict[str, bool]:
    return {
        "bulk": not row["bulk_is_mp"],
        "edge": row["above_edge"] > 0,
        "second moment": row["second_moment_p"] < LEVEL,
    }


def _extremes(row: Row, top: float) -> dict[str, tuple[float, ...]]:
    """How far off each test is, larger being further."""
    return {
        "bulk": (row["mp_ks"],),
        "edge": (row["above_edge"], top),
        "second moment": (abs(row["second_moment"] - 1),),
    }


def judge_row(row: Row) -> RowVerdict:
    """Name one spectrum. Each label is a statement against the null of the same shape."""
    label, reason = _name(row)
    return RowVerdict(LABELS[label], label, reason)


def _name(row: Row) -> tuple[str, str]:
    if row["problem"]:
        return "cannot tell", row["problem"]
    if row.get("orthogonal") == 1:
        return "orthogonal", "all singular values are equal: an orthogonal matrix times a factor"
    above = int(row["above_edge"])
    if not row["deviates"]:
        return "like noise", (
            f"bulk, edge and second moment are those of noise of this shape; α = {row['alpha']:.1f}, "
            f"as small in {_percent(row['alpha_null_p'])} of noise"
        )
    if row.get("entries_explain") == 1:
        return "heavy entries", (
            f"the same entries in random places give the same spectrum; the largest is "
            f"{row['entry_ratio']:.1f} of what makes an entry a spike by itself"
        )
    if row["bulk_is_mp"]:
        text = (
            f"{above} spike{'s' * (above != 1)} above the edge of a noise bulk"
            if above
            else (f"a noise bulk and edge, but eigenvalues too unequal (p = {row['second_moment_p']:.2g})")
        )
        if above and row["mean_ratio"] > 1:
            text += "; the mean of the entries is one of them"
        return "structured", text
    how = f"bulk is {row['mp_ks'] / row['mp_ks_limit']:.1f} times the 1 % limit away from Marchenko-Pastur"
    if row["alpha_null_p"] < LEVEL and row["tail_law"] == "power law":
        return "heavy-tailed", (
            f"{how}; tail of {int(row['tail'])} with α = {row['alpha']:.2f} "
            f"[{row['alpha_low']:.2f}, {row['alpha_high']:.2f}], noise has {row['alpha_null_median']:.1f}"
        )
    return "bulk not MP", f"{how}; {above} of {int(row['M'])} eigenvalues above the fitted edge"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"
