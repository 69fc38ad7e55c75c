"""Hessians that are known: of three regressions, in ragged batches, and of random matrices."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds
from spinfunnel.dynamics.descent import descend
from spinfunnel.instruments.curvature.measuring import PLANS, spectrum
from spinfunnel.instruments.curvature.outliers import NEXT, standing_apart
from spinfunnel.maths.lanczos import Diagonal, top_eigenpairs, wigner, wishart
from spinfunnel.maths.random_matrices import wishart_eigenvalues
from spinfunnel.systems.network_loss import NetworkLoss

#: Small networks that are brought to a minimum.
NETWORKS = 42
#: Examples, in batches that are not of one size, features, outputs.
BATCHES, FEATURES, OUTPUTS = (16, 16, 5), 12, 5


def _row(system: str, quantity: str, found: float, known: float, tolerance: float) -> CalibrationRow:
    return CalibrationRow.deterministic(
        "curvature", system, quantity, exact=known, value=found, tolerance=tolerance
    )


def regression(kind: str, seed: int) -> tuple[NetworkLoss, Array]:
    """Make a linear model's loss over ragged batches that are dictionaries, and its Hessian (P, P).

    linear: |Wx - y|², H = 2 I ⊗ <x x^T>; logistic: H = <s (1 - s) x x^T>, s the probability said;
    softmax: H = <(diag p - p p^T) ⊗ x x^T>; with <> the mean over all examples.
    """
    torch = importlib.import_module("torch")
    functional, rng = torch.nn.functional, np.random.default_rng(seeds(seed, kind))
    outputs, n = 1 if kind == "logistic" else OUTPUTS, sum(BATCHES)
    x = rng.standard_normal((n, FEATURES)) * np.geomspace(3, 0.3, n)[:, None]  # batches are not alike
    y = rng.integers(0, max(2, outputs), n)
    w = rng.standard_normal((outputs, FEATURES)) / 2
    model = torch.nn.Linear(FEATURES, outputs, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(w))

    def losses(model: Any, batch: dict[str, Any]) -> Any:
        said, known = model(batch["x"]), batch["y"]
        if kind == "linear":
            return ((said - known[:, None]) ** 2).sum(dim=1)
        if kind == "logistic":
            return functional.binary_cross_entropy_with_logits(said[:, 0], known.double(), reduction="none")
        return functional.cross_entropy(said, known, reduction="none")

    logits = x @ w.T
    if kind == "linear":
        inner = np.broadcast_to(2 * np.eye(outputs), (n, outputs, outputs))
    elif kind == "logistic":
        s = 1 / (1 + np.exp(-logits))
        inner = (s * (1 - s))[:, :, None]
    else:
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        inner = p[:, :, None] * np.eye(outputs) - p[:, :, None] * p[:, None, :]
    hessian = np.einsum("nab,ni,nj->aibj", inner, x, x).reshape(w.size, w.size) / n
    parts = np.split(np.arange(n), np.cumsum(BATCHES)[:-1])
    batches = [{"x": torch.from_numpy(x[i]), "y": torch.from_numpy(y[i])} for i in parts]
    return NetworkLoss(model, losses, batches), hessian


def _regressions(seed: int) -> Iterator[CalibrationRow]:
    if importlib.util.find_spec("torch") is None:
        return
    for kind in ("linear", "logistic", "softmax"):
        loss, dense = regression(kind, seed)
        name, scale = f"{kind} regression, batches of {BATCHES}", float(np.abs(dense).max())
        for said, matrix in (("Hessian", loss.hessian()), ("Gauss-Newton matrix", loss.ggn())):
            wrong = np.abs(matrix @ np.eye(loss.size) - dense).max() / scale
            yield _row(name, f"largest error of the {said}, of its largest entry", float(wrong), 0, 1e-8)
        found = top_eigenpairs(loss.hessian(), 4, bottom=1, tolerance=1e-9, seed=seed)
        values = np.linalg.eigvalsh(dense)
        wrong = np.abs(found.values - values[[-1, -2, -3, -4, 0]]).max() / values[-1]
        yield _row(name, "error of the upper 4 and the lowest eigenvalue", float(wrong), 0, 1e-8)


def _ab(seed: int) -> Iterator[CalibrationRow]:
    """E = (ab - 1)²/2: a minimum at (1, 1), where λ = 0 and 2, and a saddle at 0, where λ = ±1."""
    if importlib.util.find_spec("torch") is None:
        return
    for name, w, known in (("minimum", (1.0, 1.0), (2, 0)), ("saddle", (0.0, 0.0), (1, -1))):
        loss = product(w)
        found = spectrum(loss.hessian(), PLANS["quick"], seed)
        yield _row(f"(ab - 1)²/2, {name}", "largest eigenvalue", float(found.top[0]), known[0], 1e-9)
        yield _row(f"(ab - 1)²/2, {name}", "lowest eigenvalue", found.least, known[1], 1e-9)
        yield _row(f"(ab - 1)²/2, {name}", "trace", found.trace.value, sum(known), 1e-9)


def product(w: tuple[float, float]) -> NetworkLoss:
    """Make the loss (ab - 1)²/2 of a linear network with two weights, at w."""
    torch = importlib.import_module("torch")
    one = torch.ones(1, 1, dtype=torch.float64)
    layers = [torch.nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in w]
    for layer, value in zip(layers, w, strict=True):
        torch.nn.init.constant_(layer.weight, value)
    return NetworkLoss(torch.nn.Sequential(*layers), lambda model, x: (model(x)[:, 0] - 1) ** 2 / 2, [one])


def _counts(seed: int) -> Iterator[CalibrationRow]:
    """Negative directions, and their share of the curvature, of a random matrix whose centre is not zero."""
    n = 400
    matrix = wigner(n, np.random.default_rng(seeds(seed, "index"))) + 0.5 * np.eye(n)
    found, values = spectrum(matrix, PLANS["full"], seed), np.linalg.eigvalsh(matrix)
    index, share = found.index, found.downward
    assert index.error is not None
    assert share.error is not None
    exact = float((values < -found.band).sum())
    yield CalibrationRow.measured(
        "curvature", "Wigner + 1/2, n 400", "directions down", exact=exact, value=index.value,
        error=index.error, cap=0.02 * n,
    )  # fmt: skip
    exact = float(np.maximum(-values, 0).sum() / np.abs(values).sum())
    yield CalibrationRow.measured(
        "curvature", "Wigner + 1/2, n 400", "share of the curvature that is negative", exact=exact,
        value=share.value, error=share.error, cap=0.02,
    )  # fmt: skip


def edge(n: int, count: int, rng: np.random.Generator) -> Array:
    """Draw the largest eigenvalues, descending, of a symmetric Gaussian matrix (n, n), from its corner.

    Its tridiagonal form is drawn (Dumitriu & Edelman 2002); the first 12 n^(1/3) + 4 count rows matter.
    """
    size = min(n, int(12 * n ** (1 / 3)) + 4 * count)
    beside = np.sqrt(rng.chisquare(n - 1 - np.arange(size - 1)))
    diagonal = math.sqrt(2) * rng.standard_normal(size)
    found = eigvalsh_tridiagonal(diagonal, beside, lapack_driver="sterf", check_finite=False)
    return np.asarray(found[: -count - 1 : -1])


def _null(seed: int) -> Iterator[CalibrationRow]:
    """How often something seems to stand apart in a random matrix, and how often what does is counted."""
    draws, count = 300, 30
    for name in ("Wigner, n 300", "Wigner, n 100,000", "Wishart, 300 x 1,000"):
        rng = np.random.default_rng(seeds(seed, "null", name))
        false = right = 0
        for _ in range(draws):
            if name.startswith("Wishart"):
                values = wishart_eigenvalues(300, 1000, rng)[: -count - 1 : -1]
            else:
                values = edge(int(name.split()[-1].replace(",", "")), count, rng)
            false += standing_apart(values) > 0
            gap = 4 * (values[0] - values[NEXT])
            planted = values[0] + gap * (1 + np.sort(rng.uniform(0, 2, 9))[::-1])
            right += standing_apart(np.append(planted, values)) == 9
        yield CalibrationRow.rate(
            "curvature", name, "something seems to stand apart", k=false, n=draws, at_most=0.03
        )
        yield CalibrationRow.rate(
            "curvature", name, "nine planted are counted", k=right, n=draws, at_least=0.96
        )


def _outliers(seed: int) -> Iterator[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "planted"))
    bulk = np.linalg.eigvalsh(wishart(800, 0.25, rng))
    values = np.append(bulk, rng.uniform(20, 100, 10))
    for effort, plan in PLANS.items():
        if plan.pairs > 10 + NEXT:
            found = spectrum(Diagonal(values), plan, seed)
            yield _row("10 planted in Wishart", f"stand apart, effort {effort}", found.apart, 10, 0)
    wrong = abs(found.trace.value / values.sum() - 1)
    yield _row("10 planted in Wishart", "trace, relative error", float(wrong), 0, 0.03)


def _laws(seed: int) -> Iterator[CalibrationRow]:
    rng = np.random.default_rng(seeds(seed, "laws"))
    beta = np.sort(rng.beta(0.05, 3, 600)) * rng.choice([-0.3, 1.0], 600)
    for name, values, law in (
        ("Wigner", np.linalg.eigvalsh(wigner(600, rng)), "semicircle"),
        ("Wishart, c .25", np.linalg.eigvalsh(wishart(600, 0.25, rng)), "Marchenko-Pastur"),
        ("Wishart, c 4", np.linalg.eigvalsh(wishart(600, 4.0, rng)), "Marchenko-Pastur"),
        ("mostly near zero, tails of both signs", beta, "neither"),
    ):
        found = spectrum(Diagonal(values), PLANS["normal"], seed).bulk
        yield _row(f"{name}, n 600", f"bulk is called {law}", float(found.law == law), 1, 0)


def at_minimum(sizes: tuple[int, int, int], decay: float, seed: int) -> NetworkLoss:
    """Make the loss of a small tanh network at a minimum, that of L-BFGS in double precision.

    It learns another network's outputs with noise on them. With weight decay no direction is flat.
    """
    torch = importlib.import_module("torch")
    inputs, hidden, outputs = sizes
    layers = torch.nn.Linear(inputs, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, outputs)
    model = torch.nn.Sequential(*layers).double()
    rng = np.random.default_rng(seeds(seed, sizes))
    x = rng.standard_normal((200, inputs))
    y = 2 * np.tanh(x @ rng.standard_normal((inputs, hidden))) @ rng.standard_normal((hidden, outputs))
    y += 0.5 * rng.standard_normal(y.shape)

    def losses(model: Any, batch: Any) -> Any:
        weights = sum((p**2).sum() for p in model.parameters())
        return ((model(batch[0]) - batch[1]) ** 2).sum(dim=1) / 2 + decay * weights / 2

    batches = [(torch.from_numpy(x), torch.from_numpy(y))]
    begin = rng.standard_normal((1, sum(p.numel() for p in model.parameters())))
    system = NetworkLoss(model, losses, batches)
    found = descend(system, begin, most=4000, tolerance=1e-9).final
    torch.nn.utils.vector_to_parameters(torch.from_numpy(found[0]), model.parameters())
    return NetworkLoss(model, losses, batches)


def _minima(seed: int) -> Iterator[CalibrationRow]:
    """How often a minimum is called a saddle: that it is one, all eigenvalues in double precision tell."""
    if importlib.util.find_spec("torch") is None:
        return
    from spinfunnel.instruments.curvature import judge, measure
    from spinfunnel.subject import Subject

    called: dict[str, list[str]] = {"float64": [], "float32": []}
    for i in range(NETWORKS):
        sizes, decay = ((2, 3, 1), (3, 4, 1), (4, 6, 2))[i % 3], (1e-2, 1e-3)[i % 2]
        own = seeds(seed, "minimum", i)
        found = at_minimum(sizes, decay, own)
        dense = found.hessian() @ np.eye(found.size)
        if np.linalg.eigvalsh((dense + dense.T) / 2)[0] < 1e-6:
            continue  # it is none, or hardly
        for dtype, labels in called.items():
            system = NetworkLoss(found.module, found.functions[0], found.batches, dtype=dtype)
            finding = measure(Subject(system=system, effort="quick"), findings={}, seed=own, budget=None)
            labels.append(judge(finding).label)
    for dtype, labels in called.items():
        name, n = f"tanh networks at minima, {dtype}", len(labels)
        yield CalibrationRow.rate(
            "curvature", name, "called on a saddle", k=labels.count("on a saddle"), n=n, at_most=0.03
        )
        yield CalibrationRow.rate(
            "curvature", name, "called at a minimum", k=labels.count("at a minimum"), n=n, at_least=0.8
        )


calibrations = (
    Calibration("regressions", "dense Hessians in closed form", _regressions),
    Calibration("two weights", "closed form", _ab),
    Calibration("directions down", "dense eigenvalues", _counts),
    Calibration("gaps", "edges of random matrices: Dumitriu & Edelman (2002)", _null, "normal"),
    Calibration("what stands apart", "by construction", _outliers),
    Calibration("law of the bulk", "random matrices", _laws),
    Calibration("minima", "dense eigenvalues in double precision", _minima, "full"),
)
