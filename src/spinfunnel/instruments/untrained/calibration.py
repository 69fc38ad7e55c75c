"""How often the labels are wrong: own networks with frozen layers, noise of many laws, small changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.instruments.untrained.reading import FEWEST_TO_MATCH, each, judge_row
from spinfunnel.maths.entry_laws import LAWS, draw_entries
from spinfunnel.matrices import Matrix
from spinfunnel.readers.layout import Part

SIZES = (32, 128, 128, 64, 10)
FROZEN = ((), (1,), (0, 2, 3))


def label(array: Array) -> str:
    """Give the label of one matrix."""
    matrix = Matrix(Part("W", "", array.shape, array.shape), array, str(array.dtype))
    reading = each(matrix, seed=0, effort="quick")
    return judge_row({"problem": "", "init": "", **reading.row}).label


def fresh(rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Draw U(+-1/sqrt columns) in float32 as PyTorch does, with one rounding: k / 2^24 times 2b, less b."""
    bound = float(np.float32(columns**-0.5))
    u = rng.integers(0, 2**24, size=(rows, columns)) / 2.0**24
    return (u * (2 * bound) - bound).astype(np.float32)


def train(
    rule: Literal["SGD", "AdamW"], frozen: Sequence[int], rng: np.random.Generator, steps: int = 150
) -> list[Array]:
    """Train a ReLU network on what a random one answers; give its weights. Frozen layers stay as drawn.

    Batches of 64; SGD with rate .05 and decay 1e-3, AdamW with rate 1e-3 and decay .1. All in float32.
    """
    weights = [fresh(after, before, rng) for before, after in pairwise(SIZES)]
    teacher = [rng.normal(size=w.shape).astype(np.float32) for w in weights]
    means, squares = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(1, steps + 1):
        x = rng.normal(size=(64, SIZES[0])).astype(np.float32)
        answer = forward(teacher, x)[-1].argmax(1)
        layers = forward(weights, x)
        odds = np.exp(layers[-1] - layers[-1].max(1, keepdims=True))
        error = odds / odds.sum(1, keepdims=True)
        error[np.arange(64), answer] -= 1
        error /= 64
        for i in reversed(range(len(weights))):
            gradient, w = error.T @ layers[i], weights[i]
            error = (error @ w) * (layers[i] > 0)
            if i in frozen:
                continue
            if rule == "SGD":
                weights[i] = w - np.float32(0.05) * (gradient + np.float32(1e-3) * w)
                continue
            means[i] += np.float32(0.1) * (gradient - means[i])
            squares[i] += np.float32(1e-3) * (gradient**2 - squares[i])
            scaled = means[i] / np.float32(1 - 0.9**step)
            spread = np.sqrt(squares[i] / np.float32(1 - 0.999**step)) + np.float32(1e-8)
            weights[i] = w * np.float32(1 - 1e-4) - np.float32(1e-3) * scaled / spread
    return weights


def forward(weights: Sequence[Array], x: Array) -> list[Array]:
    """Give the input of every layer, and the output."""
    layers = [x]
    for i, w in enumerate(weights, 1):
        x = x @ w.T
        layers.append(np.maximum(x, 0) if i < len(weights) else x)
        x = layers[-1]
    return layers


def own_nets(seed: int, nets: int) -> Iterator[CalibrationRow]:
    """Freeze layers of networks: each frozen one must be found, and no other be called untouched."""
    found = frozen_parts = wrong = trained_parts = decayed = 0
    for net in range(nets):
        for rule in ("SGD", "AdamW"):
            for frozen in FROZEN:
                rng = np.random.default_rng(seeds(seed, net, rule, frozen))
                for i, w in enumerate(train(rule, frozen, rng)):
                    exact = label(w) == "bit-exact init"
                    if i in frozen:
                        found, frozen_parts = found + exact, frozen_parts + 1
                        decayed += label(w * np.float32(1 - 1e-5)) == "bit-exact init"
                    else:
                        wrong, trained_parts = wrong + exact, trained_parts + 1
    system = "ReLU networks, SGD and AdamW, float32"
    yield CalibrationRow.rate(
        "untrained", system, "frozen, found bit-exact", k=found, n=frozen_parts, at_least=1.0
    )
    yield CalibrationRow.rate(
        "untrained", system, "trained, called bit-exact", k=wrong, n=trained_parts, at_most=0.0
    )
    yield CalibrationRow.rate(
        "untrained", system, "decayed once by 1e-5, called bit-exact", k=decayed, n=frozen_parts, at_most=0.0
    )


def noise(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Name initialisations that left no known bits, and mistake noise of another scale for one."""
    for rows, columns in ((32, 32), (128, 128), (64, 256)):
        named = trained = exact = accident = 0
        for law in LAWS:
            for draw in range(draws):
                rng = np.random.default_rng(seeds(seed, law, rows, columns, draw))
                w = draw_entries(law, rows, columns, rng)
                found, other = label(w), label(w * np.float32(np.exp(rng.uniform(-1, 1))))
                named += found.startswith("shape and bound of") and law != "int8-rounded"
                trained += found == "trained"
                exact += "bit-exact init" in (found, other)
                accident += other.startswith("shape and bound of")
        system, n = f"{len(LAWS)} laws, {rows} x {columns}", len(LAWS) * draws
        yield CalibrationRow.rate("untrained", system, "called trained", k=trained, n=n, at_most=0.08)
        yield CalibrationRow.rate("untrained", system, "called bit-exact", k=exact, n=2 * n, at_most=0.0)
        if rows * columns >= FEWEST_TO_MATCH:
            n_named = n - draws
            yield CalibrationRow.rate("untrained", system, "called by name", k=named, n=n_named, at_least=0.9)
            yield CalibrationRow.rate(
                "untrained", system, "rescaled at random, called by name", k=accident, n=n, at_most=0.25
            )


def changes(seed: int, draws: int) -> Iterator[CalibrationRow]:
    """Add one direction, in units of what makes it stand out: sd (M N)^(1/4)."""
    for rows, columns in ((128, 128), (128, 512)):
        for strength, limit in ((1.5, 0.85), (2.0, 0.95)):
            seen = 0
            for draw in range(draws):
                rng = np.random.default_rng(seeds(seed, rows, columns, strength, draw))
                left, right = rng.normal(size=rows), rng.normal(size=columns)
                size = strength * (rows * columns) ** 0.25 / np.linalg.norm(left) / np.linalg.norm(right)
                w = rng.normal(size=(rows, columns)) + size * np.outer(left, right)
                seen += label(w.astype(np.float32)) == "trained"
            system = f"normal layer, {rows} x {columns}, one direction of {strength:g} thresholds added"
            yield CalibrationRow.rate("untrained", system, "called trained", k=seen, n=draws, at_least=limit)


SOURCE = "by construction"
calibrations = (
    Calibration("own networks", SOURCE, lambda seed: own_nets(seed, 4)),
    Calibration("own networks, 20 of each", SOURCE, lambda seed: own_nets(seed, 20), "full"),
    Calibration("initialisations without bits", SOURCE, lambda seed: noise(seed, 25)),
    Calibration("initialisations without bits, 200 draws", SOURCE, lambda seed: noise(seed, 200), "full"),
    Calibration("small changes", SOURCE, lambda seed: changes(seed, 50)),
)
