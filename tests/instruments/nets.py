"""Small torch networks with one part of every kind, trained for a few steps with some parts frozen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

#: The parts that can be frozen, by the first word of their tensors' names.
PARTS = ("embedding", "conv", "lstm", "dense", "output")


class EveryKind(nn.Module):
    """Grey levels 0..16 are embedded, convolved, read row by row by an LSTM, then classified."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(18, 64, padding_idx=17)
        self.conv = nn.Conv2d(64, 16, 3, padding=1)
        self.lstm = nn.LSTM(128, 48, batch_first=True)
        self.dense = nn.Linear(48, 64)
        self.output = nn.Linear(64, 10)

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        image = self.embedding(levels).permute(0, 3, 1, 2)
        rows = torch.relu(self.conv(image)).permute(0, 2, 1, 3).flatten(2)
        return self.output(torch.relu(self.dense(self.lstm(rows)[0][:, -1])))


@lru_cache(maxsize=1)
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    return torch.tensor(data.images).long(), torch.tensor(data.target)


def train(rule: str, frozen: Sequence[str], seed: int, steps: int = 20) -> dict[str, np.ndarray]:
    """Give the weights after `steps` batches of 64. SGD: rate .05, decay 1e-3; AdamW: rate 1e-3, decay .1."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EveryKind()
        for name in frozen:
            net.get_submodule(name).requires_grad_(False)
        free = [p for p in net.parameters() if p.requires_grad]
        optimiser = (
            torch.optim.SGD(free, lr=0.05, weight_decay=1e-3)
            if rule == "SGD"
            else torch.optim.AdamW(free, lr=1e-3, weight_decay=0.1)
        )
        levels, labels = digits()
        for _ in range(steps):
            batch = torch.randint(0, len(labels), (64,))
            loss = nn.functional.cross_entropy(net(levels[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return {name: tensor.detach().numpy().copy() for name, tensor in net.state_dict().items()}
