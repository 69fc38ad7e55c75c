"""Small networks with units that may change places, and a wide one trained twice."""

from __future__ import annotations

from typing import Any

from spinfunnel.core import Array, seeds
from spinfunnel.networks.batch_statistics import renormalised
from spinfunnel.systems.network_loss import NetworkLoss

#: Units of each small network that may change places: hidden units; channels; of attention the stream, heads
#: as wholes, and the hidden units of the block; of recurrent layers what is embedded, and each one's states;
#: and groups of channels as wholes, which have others within them, and the channels of two more convolutions.
UNITS = {
    "MLP": 16 + 12,
    "convolutions and BatchNorm": 8 + 6,
    "attention": 16 + 4 + 32,
    "LSTM of two layers": 8 + 7 + 7,
    "GRU, both ways": 8 + 7 + 7,
    "convolutions in groups": 3 + 10 + 5,
}
#: How the wide network is trained.
WIDTH, EPOCHS, BATCHES, RATE = 256, 40, 28, 1e-3
#: Examples and epochs of those that are trained all at once.
SOME, OFTEN = 1000, 40


def small(seed: int) -> dict[str, NetworkLoss]:
    """Give untrained networks on random data, in double precision, by the names in `UNITS`."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.read = nn.Embedding(9, 16), nn.Linear(16, 3)
            self.block = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.read(self.block(self.embed(x)).mean(1))

    class Recurrent(nn.Module):
        def __init__(self, layer: Any, **given: Any) -> None:
            super().__init__()
            self.embed, self.layer = nn.Embedding(9, 8), layer(8, 7, batch_first=True, **given)
            self.read = nn.Linear(14 if given.get("bidirectional") else 7, 3)

        def forward(self, x: Any) -> Any:
            return self.read(self.layer(self.embed(x))[0].mean(1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds(seed, "small") % 2**63)
        mlp = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3))
        convolutions = nn.Sequential(
            nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3),
        )  # fmt: skip
        made = {
            "MLP": (mlp, torch.randn(64, 5)),
            "convolutions and BatchNorm": (convolutions, torch.randn(64, 2, 6, 6)),
            "attention": (Attention(), torch.randint(9, (64, 5))),
        }
        labels = torch.randint(3, (64,))
        grouped = nn.Sequential(
            nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 12, 1, groups=3), nn.ReLU(),
            nn.Conv2d(12, 10, 1), nn.ReLU(), nn.Conv2d(10, 10, 3, groups=10), nn.Tanh(),
            nn.Conv2d(10, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3),
        )  # fmt: skip
        words = torch.randint(9, (64, 4))
        made["LSTM of two layers"] = (Recurrent(nn.LSTM, num_layers=2), words)
        made["GRU, both ways"] = (Recurrent(nn.GRU, bidirectional=True), words)
        made["convolutions in groups"] = (grouped, torch.randn(64, 2, 6, 6))
    return {
        name: renormalised(NetworkLoss(model, _entropy, [(inputs, labels)], dtype="float64"))
        for name, (model, inputs) in made.items()
    }


def digits_twice(seed: int) -> tuple[NetworkLoss, Array]:
    """Train a 64-256-256-10 ReLU network on digits from two seeds; give the first's loss, and the second."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    digits = load_digits()
    images, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)

    def trained(which: int) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds(seed, "training", which) % 2**63)
            hidden = [nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
            model = nn.Sequential(*hidden, nn.Linear(WIDTH, 10))
            optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
            for _ in range(EPOCHS):
                for some in torch.randperm(len(labels)).tensor_split(BATCHES):
                    optimiser.zero_grad()
                    _entropy(model, (images[some], labels[some])).mean().backward()
                    optimiser.step()
        return model

    system = NetworkLoss(trained(0), _entropy, [(images, labels)])
    return system, system.flat({name: p.detach().numpy() for name, p in trained(1).named_parameters()})


def digits_often(width: int, count: int, seed: int) -> list[NetworkLoss]:
    """Train 64-width-width-10 ReLU networks on digits, all at once; give their losses."""
    import torch
    from sklearn.datasets import load_digits
    from torch.nn import Linear, ReLU, Sequential

    digits = load_digits()
    x = torch.tensor(digits.data[:SOME] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target[:SOME])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds(seed, "trained", width) % 2**63)
        models = [
            Sequential(Linear(64, width), ReLU(), Linear(width, width), ReLU(), Linear(width, 10))
            for _ in range(count)
        ]
        own = zip(*(model.parameters() for model in models), strict=True)
        stacks = [torch.stack(list(same)).detach().requires_grad_(True) for same in own]
        optimiser = torch.optim.Adam(stacks, lr=0.06 / width**0.75)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, OFTEN)
        for _ in range(OFTEN):
            orders = torch.stack([torch.randperm(SOME) for _ in models])
            for some in torch.split(orders, 64, dim=1):
                out = x[some]
                for weight, bias in zip(stacks[::2], stacks[1::2], strict=True):
                    out = out if weight is stacks[0] else out.relu()
                    out = torch.baddbmm(bias[:, None], out, weight.transpose(1, 2))
                optimiser.zero_grad()
                loss = torch.nn.functional.cross_entropy(out.flatten(0, 1), y[some].flatten())
                torch.autograd.backward([count * loss])
                optimiser.step()
            schedule.step()
        with torch.no_grad():
            for i, model in enumerate(models):
                for parameter, stack in zip(model.parameters(), stacks, strict=True):
                    parameter.copy_(stack[i])
    batches = list(zip(torch.split(x, 250), torch.split(y, 250), strict=True))
    return [NetworkLoss(model, _entropy, batches) for model in models]


def _entropy(model: Any, batch: Any) -> Any:
    from torch.nn.functional import cross_entropy

    return cross_entropy(model(batch[0]), batch[1], reduction="none")
