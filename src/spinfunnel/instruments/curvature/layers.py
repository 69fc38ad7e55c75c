"""What a network's loss is like at its weights beyond the spectrum: its slope, and what each layer adds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number, Row, seeds
from spinfunnel.instruments.curvature.measuring import Plan, Spectrum
from spinfunnel.maths.lanczos import Operator, as_numpy, top_eigenpairs
from spinfunnel.maths.traces import Deflated, traces_of_blocks
from spinfunnel.systems.network_loss import NetworkLoss


@dataclass(frozen=True)
class Slope:
    """The first derivative, and what it promises.

    Attributes:
        loss: at these weights.
        gradient: its length.
        gain: the share of the loss that the best step along it would take away, were the loss a quadratic
            there: |g|⁴ / (2 g·Hg); infinite where the loss curves down along it.
    """

    loss: float
    gradient: float
    gain: float


def slope(system: NetworkLoss, hessian: Operator, w: Array) -> Slope:
    """Look along the gradient at w (P,)."""
    energy, slopes = system.energy_and_gradient(w[None])
    loss, g = float(energy[0]), slopes[0]
    square = float(np.vdot(g.astype(np.float64), g))
    if square == 0:
        return Slope(loss, 0.0, 0.0)
    along = float(np.vdot(g.astype(np.float64), hessian @ g))
    gain = square**2 / (2 * along) if along > 0 else math.inf
    return Slope(loss, math.sqrt(square), gain / max(abs(loss), 1e-300))


def layers(
    system: NetworkLoss, hessian: Operator, spectrum: Spectrum, w: Array, plan: Plan, seed: int
) -> list[Row]:
    """Give each parameter tensor's trace, largest eigenvalue, and part of the sharpest direction, in order.

    The traces are those of the upper eigenvectors, and Hutchinson's of what they leave over. The largest
    eigenvalue is sought for so many tensors as planned, of the largest traces, and is NaN for the others.
    """
    last = np.array([block.stop for block in system.blocks])
    first = np.append(0, last[:-1])
    ends = spectrum.ends
    left = Deflated(hessian, ends.values, ends.vectors)
    parts = np.add.reduceat(as_numpy(ends.vectors) ** 2, first, axis=1)
    rest, errors = traces_of_blocks(left, last, products=plan.vectors, seed=seeds(seed, "blocks"))
    traces = rest + ends.values @ parts
    rows: list[Row] = [
        {
            "name": block.name,
            "kind": block.kind,
            "parameters": block.stop - block.start,
            "trace": traces[i],
            "trace_error": errors[i],
            "mean_curvature": traces[i] / (block.stop - block.start),
            "in_sharpest": parts[0, i],
            "lambda_max": math.nan,
            "lambda_max_residual": math.nan,
        }
        for i, block in enumerate(system.blocks)
    ]
    for i in np.argsort(-traces)[: plan.layers]:
        found = top_eigenpairs(
            system.hessian(w, blocks=[system.blocks[i].name]), 1,
            tolerance=1e-2, products=plan.each, seed=seeds(seed, "block", i),
        )  # fmt: skip
        rows[i] |= {"lambda_max": float(found.values[0]), "lambda_max_residual": float(found.residuals[0])}
    return rows


@dataclass(frozen=True)
class _Residual:
    """The Hessian less the Gauss-Newton matrix."""

    hessian: Operator
    ggn: Operator

    @property
    def shape(self) -> tuple[int, ...]:
        return self.hessian.shape

    @property
    def dtype(self) -> object:
        return getattr(self.hessian, "dtype", np.dtype(np.float64))

    @property
    def device(self) -> object:
        return getattr(self.hessian, "device", None)

    def __matmul__(self, v: Array) -> Array:
        return np.asarray(self.hessian @ v - self.ggn @ v)


def gauss_newton_share(
    system: NetworkLoss, hessian: Operator, spectrum: Spectrum, w: Array, plan: Plan, seed: int
) -> Number:
    """Give tr G / tr H, with G the Gauss-Newton matrix; what is missing to 1 is the network's own curvature.

    The trace of H - G is estimated as one, because both fluctuate together.
    """
    products = max(2, plan.vectors // 2)
    ends, total = np.array([system.size]), spectrum.trace.value
    apart, error = traces_of_blocks(
        _Residual(hessian, system.ggn(w)), ends, products=products, seed=seeds(seed, "gauss-newton")
    )
    spread = math.hypot(float(error[0]), (spectrum.trace.error or 0.0) * float(apart[0]) / total)
    return Number(1 - float(apart[0]) / total, error=abs(spread / total))
