"""Batch normalisation without a memory: every point of weight space is normalised by its own statistics.

The running statistics a model keeps are those of its trained weights. Half-way to another model, or there,
they are somebody else's: a network that normalises by them looks worse than it is. So paths are measured with
the statistics of the batches themselves, on batches that are large.
Source: Garipov, Izmailov, Podoprikhin, Vetrov & Wilson, NeurIPS 2018; Jordan et al., ICLR 2023 (REPAIR).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from spinfunnel.systems.network_loss import NetworkLoss

#: Losses that differ by less than this share of the largest are the same.
SAME = 1e-3
#: Batches are put together until they have so many examples; with fewer, statistics are noisy.
TOGETHER, FEW = 256, 32


def normalises(system: NetworkLoss) -> bool:
    """Tell whether the model has batch normalisation that keeps running statistics."""
    return any(_keeps(module) for module in system.module.modules())


def renormalised(system: NetworkLoss) -> NetworkLoss:
    """Give the same loss, with batch normalisation by the statistics of each batch; else, the system itself.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    >>> data = [torch.randn(4, 2) for _ in range(5)]
    >>> loss = renormalised(NetworkLoss(net, lambda model, x: model(x)[:, 0] ** 2, data))
    >>> loss.counts, loss.module[1].running_mean is None
    ([20], True)
    """
    if not normalises(system):
        return system
    other = system.over(_together(system))
    if not _alike(other, system):
        other = system.over(list(system.batches))
    other.module = copy.deepcopy(system.module)
    for module in other.module.modules():
        if _keeps(module):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return other


def _alike(one: NetworkLoss, other: NetworkLoss) -> bool:
    """Tell whether losses are the same, as they are not of graphs whose nodes are counted in each batch."""
    try:
        here, there = np.sort(one.losses_at(one.native)), np.sort(other.losses_at(other.native))
    except Exception:  # as the user's code may raise on what it was not written for
        return False
    return len(here) == len(there) and bool(np.allclose(here, there, SAME, SAME * np.abs(there).max()))


def _keeps(module: Any) -> bool:
    from torch.nn.modules.batchnorm import _BatchNorm

    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _together(system: NetworkLoss) -> list[Any]:
    """Put batches together, if they are alike but for the number of examples."""
    import torch
    from torch.utils._pytree import tree_map

    def joined(*parts: Any) -> Any:
        return torch.cat(parts) if isinstance(parts[0], torch.Tensor) and parts[0].ndim else parts[0]

    rows: list[list[Any]] = [[]]
    left = sum(system.counts)
    here = 0
    for batch, count in zip(system.batches, system.counts, strict=True):
        rows[-1].append(batch)
        here, left = here + count, left - count
        if here >= TOGETHER and left >= TOGETHER:
            rows.append([])
            here = 0
    try:
        return [tree_map(joined, *row) for row in rows]
    except (RuntimeError, ValueError):  # of other shapes, or kinds
        return list(system.batches)
