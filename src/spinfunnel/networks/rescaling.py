"""Networks that are the same function of their data with other weights, since their layers can be rescaled.

What a landscape's pictures and numbers say of one they should say of the other; not all do.
"""

from __future__ import annotations

import copy
from typing import Any

from spinfunnel.core import seeds
from spinfunnel.systems.network_loss import NetworkLoss

#: What is rescaled: two layers with ReLUs between them, or convolutions before batch normalisations.
KINDS = ("relu", "batch normalisation")
#: Steps of training, so that the weights are near a minimum.
STEPS = 100


def rescaled(kind: str, by: float, seed: int) -> tuple[NetworkLoss, NetworkLoss]:
    """Give the losses of a small network and of the same function with its layers rescaled, in float64.

    "relu": (W1, b1, W2) -> (c W1, c b1, W2 / c). "batch normalisation", in eval mode: every convolution, its
    bias, and the mean and the variance that the normalisation behind it remembers, times c, c, c and c².

    >>> import numpy as np
    >>> one, other = rescaled("relu", 3.0, seed=0)
    >>> bool(np.isclose(*(loss.energy(loss.trained[None])[0] for loss in (one, other)), rtol=1e-12, atol=0))
    True
    """
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seeds(seed, "rescaled", kind) % 2**63)
        if kind == "relu":
            model: Any = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
            x, y = torch.randn(40, 6), torch.randint(3, (40,))
        else:
            model = nn.Sequential(
                *(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU()),
                *(nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
                *(nn.Flatten(), nn.Linear(16, 3)),
            )
            x, y = torch.randn(40, 2, 6, 6), torch.randint(3, (40,))
    model, x = model.double(), x.double()
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(STEPS):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        if kind == "relu":
            for value, factor in ((twin[0].weight, by), (twin[0].bias, by), (twin[2].weight, 1 / by)):
                value *= factor
        else:
            for convolution, norm in (twin[0:2], twin[3:5]):
                for value in (convolution.weight, convolution.bias, norm.running_mean):
                    value *= by
                norm.running_var *= by**2
                norm.eps *= by**2

    def losses(module: Any, batch: Any) -> Any:
        return nn.functional.cross_entropy(module(batch[0]), batch[1], reduction="none")

    return NetworkLoss(model, losses, [(x, y)]), NetworkLoss(twin, losses, [(x, y)])
