"""The columns of WeightWatcher 0.7.7's default `analyze()`, by its conventions, for those who compare.

Formulas, not judgements of ours: Martin, Peng, Mahoney, Nature Communications 12 (2021) 4122.
"""

from __future__ import annotations

import math

import numpy as np

from spinfunnel.core import Array
from spinfunnel.maths.heavy_tails import fit_power_law

#: Eigenvalues up to this are left out of the power-law fit: an absolute value, so α depends on units.
FLOOR = 1e-5
#: Eigenvalues below this are counted as weak rank loss: absolute too.
WEAK = 1e-6


def weightwatcher_columns(slices: Array, *, convolution: bool = False) -> dict[str, float | int | str]:
    """Give one row of WeightWatcher's table for a layer of shape (rf, a, b): rf matrices, pooled.

    A linear layer or an embedding is (1, a, b). A 2-D convolution is (kernel positions, out, in) with
    `convolution=True`: every slice is multiplied by √½, also that of a 1 x 1 kernel, so that `norm` is half
    the squared Frobenius norm. `sv_min` is the largest of the slices' smallest singular values.

    Equal to WeightWatcher wherever there are 20 eigenvalues or more, but for these: `M <= N` always (it swaps
    them for an even number of slices), and where no tail can be fitted α is NaN and nothing is warned of (it
    has α = -1, which it calls over-trained). Below 20 eigenvalues it fits another way, we do not.

    >>> row = weightwatcher_columns(np.diag(np.arange(1., 31))[None])
    >>> row["lambda_max"], row["stable_rank"], row["num_evals"]
    (900.0, 10.505555555555556, 30)
    """
    scale = math.sqrt(0.5) if convolution else 1.0
    rf, (small, large) = len(slices), sorted(slices.shape[1:])
    singular = np.linalg.svd(slices.astype(np.float64) * scale, compute_uv=False)
    eigenvalues = np.sort(np.square(singular).ravel())
    tolerance = large * np.finfo(np.float64).eps
    rank_of_slices = int((singular > tolerance * singular[:, :1]).sum())
    pooled = np.sqrt(eigenvalues)
    rank = int((pooled > tolerance * pooled[-1]).sum())
    largest, norm = float(eigenvalues[-1]), float(eigenvalues.sum())
    row: dict[str, float | int | str] = {
        "N": large,
        "M": small,
        "Q": large / small,
        "rf": rf,
        "num_evals": len(eigenvalues),
        "sv_max": float(singular.max()),
        "sv_min": float(singular[:, -1].max()),
        "rank_loss": len(eigenvalues) - rank_of_slices,
        "weak_rank_loss": int((eigenvalues < WEAK).sum()),
        "lambda_max": largest,
        "norm": norm,
        "spectral_norm": largest,
        "matrix_rank": rank,
    }
    if not largest > 0:
        return row | {"status": "failed", "warning": ""}
    fit = fit_power_law(eigenvalues, floor=FLOOR)
    alpha, shares = fit.alpha, eigenvalues / norm + 1e-10
    with np.errstate(divide="ignore"):
        powers = alpha * np.log(eigenvalues / largest)
    return row | {
        "alpha": alpha,
        "xmin": fit.xmin,
        "xmax": largest if fit.tail else math.nan,
        "D": fit.distance,
        "sigma": fit.sigma,
        "num_pl_spikes": int((eigenvalues >= fit.xmin).sum()),
        "log_norm": math.log10(norm),
        "log_spectral_norm": math.log10(largest),
        "alpha_weighted": alpha * math.log10(largest),
        "log_alpha_norm": alpha * math.log10(largest) + math.log10(float(np.exp(powers).sum())),
        "stable_rank": norm / largest,
        "entropy": -float(shares @ np.log(shares)) / math.log(rank) if rank > 1 else math.nan,
        "status": "success" if fit.tail else "failed",
        "warning": "over-trained" if alpha < 2 else "under-trained" if alpha > 6 else "",
    }
