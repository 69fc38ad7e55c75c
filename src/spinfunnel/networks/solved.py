"""Networks about whose loss something is known exactly: regressions, deep linear networks, labels by heart.

Calibrations compare instruments with them. They need PyTorch, but nothing here draws from its global stream.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spinfunnel.core import Array
from spinfunnel.systems.network_loss import NetworkLoss


def linear_regression(x: Array, y: Array, w: Array, noise: float) -> NetworkLoss:
    """Give the losses -ln N(y | x w, noise²), in nats, of x (n, p) in ragged batches, at weights w (p,).

    >>> loss = linear_regression(np.eye(4, 2), np.zeros(4), np.zeros(2), 1.0)
    >>> round(float(loss.energy(np.zeros((1, 2)))[0]), 6), loss.counts
    (0.918939, [2, 2])
    """
    import torch

    def losses(model: Any, batch: Any) -> Any:
        off = (model(batch[0])[:, 0] - batch[1]) / noise
        return off**2 / 2 + math.log(2 * math.pi * noise**2) / 2

    cut = [len(x) // 2, len(x) - 3] if len(x) > 6 else [len(x) // 2]
    parts = zip(np.split(x, cut), np.split(y, cut), strict=True)
    return NetworkLoss(_readout(w), losses, [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in parts])


def logistic_regression(x: Array, y: Array, w: Array) -> NetworkLoss:
    """Give the losses -ln p(y | x w), in nats, of inputs x (n, p) and y (n,) in {0, 1}, at weights w (p,)."""
    import torch

    def losses(model: Any, batch: Any) -> Any:
        logits = model(batch[0])[:, 0]
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, batch[1], reduction="none")

    return NetworkLoss(_readout(w), losses, [(torch.from_numpy(x), torch.from_numpy(y))])


def _readout(w: Array) -> Any:
    import torch

    model = torch.nn.Linear(len(w), 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(w[None]))
    return model


def deep_linear(values: Array, hidden: int) -> NetworkLoss:
    """Give the loss |W2 W1 - diag(values)|²/2 of a linear network from d inputs to d outputs, float64.

    The unit vectors are its inputs; the energy is that of all of them together. Its stationary points learn
    some of the values and leave the others: `deep_linear_saddles`.
    """
    import torch

    d = len(values)
    with torch.random.fork_rng(devices=[]):
        model = torch.nn.Sequential(
            torch.nn.Linear(d, hidden, bias=False), torch.nn.Linear(hidden, d, bias=False)
        ).double()

    def losses(model: Any, batch: Any) -> Any:
        return d * ((model(batch[0]) - batch[1]) ** 2).sum(dim=1) / 2

    units = torch.eye(d, dtype=torch.float64)
    return NetworkLoss(
        model, losses, [(units, torch.diag(torch.from_numpy(np.asarray(values, dtype=float))))]
    )


def deep_linear_saddles(values: Array, hidden: int) -> list[tuple[float, int]]:
    """Give the energy and the index of every kind of stationary point of `deep_linear`, by energy.

    Where r of the d values are learned, the energy is Σ s²/2 over the others. Each of these can be begun in
    each of the hidden - r free units, along which the energy is -s a b: one direction down. And each can
    take over the unit of a learned value t: (a² + b²) t/2 - s a b, one direction down if s > t. Where W2 and
    W1 are not balanced, an invertible change of hidden coordinates makes them so, and keeps the index.

    >>> deep_linear_saddles(np.array([2.0, 1.0]), 2)
    [(0.0, 0), (0.5, 1), (2.0, 2), (2.5, 4)]
    """
    from itertools import chain, combinations

    places = range(len(values))
    subsets = chain.from_iterable(combinations(places, r) for r in range(min(len(values), hidden) + 1))
    found = []
    for learned in subsets:
        left = [values[i] for i in places if i not in learned]
        taken = sum(bool(s > values[i]) for s in left for i in learned)
        energy = sum(float(s) ** 2 for s in left) / 2
        found.append((energy, len(left) * (hidden - len(learned)) + taken))
    return sorted(found)


def taught(seed: int, shuffled: bool) -> NetworkLoss:
    """Train a network of 64 hidden units on 300 points, by a linear teacher's five labels, or these shuffled.

    It learns both to losses near zero.
    """
    import torch

    rng = torch.Generator().manual_seed(seed % 2**63)
    x = torch.randn(300, 20, generator=rng)
    y = (x @ torch.randn(20, 5, generator=rng)).argmax(dim=1)
    if shuffled:
        y = y[torch.randperm(300, generator=rng)]

    def build() -> Any:
        return torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        model = build()
    descent = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(400):
        descent.zero_grad()
        loss: Any = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        descent.step()

    def losses(model: Any, batch: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

    return NetworkLoss(model, losses, [(x, y)], build=build)
