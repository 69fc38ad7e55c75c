"""Energy, heat, entropy and free energy per spin, with errors, from the ladders of a system."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinfunnel.core import Array, Number
from spinfunnel.maths.reweighting import counted, multi_histogram
from spinfunnel.maths.statistics import jackknife
from spinfunnel.samples import Samples

#: Temperatures at which the curves are drawn.
GRID = 120

#: Energies are recorded in single precision.
ROUNDING = 1e-7


@dataclass(frozen=True)
class Curves:
    """Quantities per spin at temperatures (T,): values and errors, each (T,), by name."""

    temperatures: Array
    values: Mapping[str, Array]
    errors: Mapping[str, Array]


@dataclass(frozen=True)
class Measured:
    """What samples say: at the rungs, on a fine grid between them, and the peak of c, (T, c), if inside."""

    rungs: Curves
    grid: Curves
    peak: tuple[Number, Number] | None


def measured(samples: Samples, size: int) -> Measured:
    """Measure u, c, s and f per spin, with errors from the jackknife over independent ladders.

    u and c at the rungs are means and fluctuations, c = β² (<E²> - <E>²) / N; the error of u is at least that
    of independent records whose fluctuation all rungs tell, for what was not seen to move may have been
    missed. All between them, and s and f, come from the number of states that all rungs together tell
    (`maths.reweighting`). Of spins, random states tell it too, of which there are 2^N, and so
    s = u/T + ln Z / N has no free constant; of others, s and f are unknown.
    """
    t = samples.temperatures
    grid = np.geomspace(t[0], t[-1], GRID)
    runs, betas, known_count = list(samples.energies.transpose(1, 0, 2)), 1 / t, samples.hottest is not None
    if samples.hottest is not None:
        runs, betas = [samples.hottest, *runs], np.concatenate([[0.0], betas])
    names = ("u", "c", "s", "f") if known_count else ("u", "c")
    found, counts = counted(runs, float(betas[-1]))
    blocks = len(counts)
    block = np.arange(samples.energies.shape[2]) % blocks
    wanted = 1 / np.concatenate([t, grid])

    def estimate(kept: Array) -> Array:
        """Give u, c, s, f and the fluctuation of u, (5, K + GRID), and below them T and c of the peak."""
        mine = samples.energies[:, :, np.isin(block, kept)]
        mean = mine.mean(axis=(0, 2))
        heat = wanted[: len(t)] ** 2 * ((mine - mean[:, None]) ** 2).mean(axis=(0, 2))
        log_z, energy, variance = multi_histogram(found, counts[kept].sum(axis=0), betas).thermal(wanted)
        log_z = log_z + size * math.log(2) * known_count
        u, c = energy / size, wanted**2 * variance / size
        u[: len(t)], c[: len(t)] = mean / size, heat / size
        s = wanted * energy / size + log_z / size
        peak = np.zeros((1, len(wanted)))
        peak[0, :2] = _peak(grid, c[len(t) :])
        spread = np.sqrt(np.maximum(variance, 0)) / size
        return np.concatenate([[u, c, s, -log_z / wanted / size, spread], peak])

    values, errors = jackknife(estimate, blocks)
    unseen = values[4, : len(t)] / math.sqrt(samples.energies[:, 0].size)
    rounded = ROUNDING * np.abs(values[0, : len(t)])
    errors[0, : len(t)] = np.max([errors[0, : len(t)], unseen, rounded], axis=0)
    first, rest = slice(len(t)), slice(len(t), None)

    def curves(temperatures: Array, part: slice) -> Curves:
        of = {name: (values[i, part], errors[i, part]) for i, name in enumerate(("u", "c", "s", "f"))}
        return Curves(temperatures, {k: of[k][0] for k in names}, {k: of[k][1] for k in names})

    inside = grid[1] > values[5, 0] > grid[-2]
    at, top = (Number(float(values[5, i]), error=float(errors[5, i])) for i in (0, 1))
    return Measured(curves(t, first), curves(grid, rest), (at, top) if inside else None)


def _peak(t: Array, c: Array) -> tuple[float, float]:
    """Give T and c of the top of a curve on a geometric grid, by a parabola through three points."""
    i = int(c[1:-1].argmax()) + 1
    slope, bend = (c[i + 1] - c[i - 1]) / 2, c[i + 1] - 2 * c[i] + c[i - 1]
    off = float(np.clip(-slope / bend, -1, 1)) if bend < 0 else math.copysign(1, slope)
    return float(t[i] * (t[i + 1] / t[i]) ** off), float(c[i] + slope * off + bend * off**2 / 2)
