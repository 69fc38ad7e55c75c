"""How often the labels are wrong: noise of many laws and shapes, planted structure, heavy entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.instruments.spectrum.reading import each, judge_row
from spinfunnel.maths.entry_laws import LAWS, draw_entries
from spinfunnel.maths.heavy_tails import fit_power_law
from spinfunnel.maths.nulls import null_p_value
from spinfunnel.maths.random_matrices import marchenko_pastur_edges, wishart_eigenvalues
from spinfunnel.maths.spectra import gram_eigenvalues
from spinfunnel.matrices import Matrix
from spinfunnel.readers.layout import Part

SMALL = ((32, 32), (64, 64), (64, 256), (128, 128))
LARGE = (*SMALL, (128, 512), (256, 256), (384, 384), (384, 1536), (768, 768), (768, 3072))


def room(draws: int) -> float:
    """Widen a limit by two standard errors of a share of 5 %, where few draws could not test it closely."""
    return 0.0 if draws >= 400 else 2 * (0.05 * 0.95 / draws) ** 0.5


def label(array: Array, seed: int = 0) -> str:
    """Give the label of one matrix."""
    matrix = Matrix(Part("W", "", array.shape, array.shape), array, str(array.dtype))
    reading = each(matrix, seed=seed, effort="quick")
    return judge_row({"problem": "", **reading.row}).label


def noise(seed: int, shapes: Iterable[tuple[int, int]], draws: int) -> Iterator[CalibrationRow]:
    """Call pure noise anything but noise: at most 4 % pooled, and no cell above 18 of 200."""
    wrong = total = 0
    for law in LAWS:
        for rows, columns in shapes:
            k = 0
            for draw in range(draws):
                rng = np.random.default_rng(seeds(seed, law, rows, columns, draw))
                k += label(draw_entries(law, rows, columns, rng)) != "like noise"
            wrong, total = wrong + k, total + draws
            if draws >= 100:  # fewer say nothing about a single cell
                system = f"{law} entries, {rows} x {columns}"
                yield CalibrationRow.rate(
                    "spectrum", system, "not called like noise", k=k, n=draws, at_most=0.09
                )
    yield CalibrationRow.rate(
        "spectrum", "noise, all laws and shapes", "not called like noise", k=wrong, n=total, at_most=0.04
    )


def heavy_entries(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Independent Student-t entries have no structure, whatever their spectrum looks like."""
    for df in (2.5, 3, 5):
        wrong = 0
        for rows, columns in ((64, 64), (128, 512), (256, 256)):
            for draw in range(draws):
                rng = np.random.default_rng(seeds(seed, df, rows, columns, draw))
                found = label(rng.standard_t(df, size=(rows, columns)))
                wrong += found not in ("heavy entries", "like noise")
        yield CalibrationRow.rate(
            "spectrum", f"Student-t entries, df {df}, 64 x 64 to 256 x 256",
            "called neither heavy entries nor like noise",
            k=wrong, n=3 * draws, at_most=0.08 + room(3 * draws),
        )  # fmt: skip


def with_spectrum(ev: Array, columns: int, rng: np.random.Generator) -> Array:
    """Make a matrix (len(ev), columns) with these eigenvalues and random singular vectors."""
    left = np.linalg.qr(rng.normal(size=(len(ev), len(ev))))[0]
    right = np.linalg.qr(rng.normal(size=(columns, len(ev))))[0]
    made: Array = (left * np.sqrt(ev)) @ right.T
    return made


def with_tail(size: int, share: float, alpha: float, rng: np.random.Generator) -> Array:
    """Make noise (size, size) whose largest eigenvalues are a Pareto tail of exponent α from the edge on."""
    ev, k = wishart_eigenvalues(size, size, rng), max(1, round(share * size))
    edge = size * marchenko_pastur_edges(1.0)[1]
    ev[-k:] = np.sort(edge * (1 + rng.pareto(alpha - 1, size=k)))
    return with_spectrum(ev, size, rng)


def tails(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Glue a Pareto tail to noise: the combined tests must see it in 2 % of the eigenvalues, α in 10 %."""
    for size, at_least in ((128, 0.95), (384, 0.98)):
        seen = 0
        for draw in range(draws):
            rng = np.random.default_rng(seeds(seed, "tail", size, draw))
            seen += label(with_tail(size, 0.02, rng.choice([2.0, 3.0, 4.0]), rng)) != "like noise"
        yield CalibrationRow.rate(
            "spectrum", f"noise {size} x {size}, Pareto tail (α 2, 3 or 4) on 2 % of the eigenvalues",
            "not called like noise", k=seen, n=draws, at_least=at_least - room(draws),
        )  # fmt: skip
    for alpha in (2.0, 3.0):
        seen = 0
        for draw in range(draws):
            rng = np.random.default_rng(seeds(seed, "exponent", alpha, draw))
            fit = fit_power_law(gram_eigenvalues(with_tail(384, 0.1, alpha, rng)))
            seen += null_p_value("alpha", fit.alpha, 384, 384, side="lower") < 0.05
        yield CalibrationRow.rate(
            "spectrum", f"noise 384 x 384, Pareto tail (α {alpha:.0f}) on 10 % of the eigenvalues",
            "p of α in noise below 5 %", k=seen, n=draws, at_least=0.95 - room(draws),
        )  # fmt: skip


def spikes(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Plant five directions of twice the threshold in noise: structured, in all shapes."""
    for rows, columns in ((64, 64), (128, 384)):
        right = 0
        for draw in range(draws):
            rng = np.random.default_rng(seeds(seed, "spikes", rows, columns, draw))
            left = np.linalg.qr(rng.normal(size=(rows, 5)))[0]
            planted = left @ np.linalg.qr(rng.normal(size=(columns, 5)))[0].T
            array = 0.7 * (rng.normal(size=(rows, columns)) + 2 * (rows * columns) ** 0.25 * planted)
            right += label(array) == "structured"
        yield CalibrationRow.rate(
            "spectrum", f"noise {rows} x {columns}, 5 spikes of 2 thresholds",
            "called structured", k=right, n=draws, at_least=0.95 - room(draws),
        )  # fmt: skip


SOURCE = "by construction"
calibrations = (
    Calibration("noise is noise", SOURCE, lambda seed: noise(seed, SMALL, 50)),
    Calibration("noise is noise, every cell", SOURCE, lambda seed: noise(seed, LARGE, 200), "full"),
    Calibration("heavy entries", SOURCE, lambda seed: heavy_entries(seed, 30)),
    Calibration("heavy entries, 200 draws", SOURCE, lambda seed: heavy_entries(seed, 200), "full"),
    Calibration("a tail is seen", SOURCE, lambda seed: tails(seed, 60)),
    Calibration("a tail is seen, 400 draws", SOURCE, lambda seed: tails(seed, 400), "full"),
    Calibration("spikes are seen", SOURCE, lambda seed: spikes(seed, 60)),
)
