"""Make the four checkpoints that `spinfunnel demo` looks at: one network, four fates.

    python examples/make_demo_checkpoints.py            # writes src/spinfunnel/data/demo/*.safetensors
    python examples/make_demo_checkpoints.py --check    # trains again, compares with what is there

All four are the same small network on scikit-learn's 8 x 8 digits, trained by AdamW on one CPU thread. They
start from different seeds and PyTorch's default initialisation. How each was made, and its accuracies,
stand in its safetensors metadata. About a minute in all.
"""

from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

FOLDER = Path(__file__).parents[1] / "src" / "spinfunnel" / "data" / "demo"
TRAIN = 1297  # of 1797 digits; the other 500 are the test set


@dataclass(frozen=True)
class Fate:
    """What happens to one of the four networks."""

    seed: int
    story: str
    epochs: int = 30
    weight_decay: float = 0.01
    shifts: bool = True
    noisy: float = 0.0
    frozen: tuple[str, ...] = ()


FATES = {
    "trained": Fate(1, "well trained"),
    "noisy-labels": Fate(
        2,
        "overfitted: half of the training labels were drawn at random",
        epochs=200,
        weight_decay=0.0,
        shifts=False,
        noisy=0.5,
    ),
    "untrained": Fate(3, "never trained: PyTorch's default initialisation", epochs=0),
    "half-frozen": Fate(
        4,
        "its first three layers were frozen at their initialisation, as when the weights of a backbone "
        "fail to load and nobody notices",
        epochs=100,
        shifts=False,
        frozen=("conv1", "conv2", "dense1"),
    ),
}


def network() -> nn.Sequential:
    """140,000 parameters: two convolutions, four dense layers."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            dense1=nn.Linear(512, 160),
            relu3=nn.ReLU(),
            dense2=nn.Linear(160, 160),
            relu4=nn.ReLU(),
            dense3=nn.Linear(160, 160),
            relu5=nn.ReLU(),
            output=nn.Linear(160, 10),
        )
    )


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (1797, 1, 8, 8) in [-1, 1] and their labels, in a fixed random order."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    return images[order], torch.tensor(data.target)[order]


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each image by at most one pixel each way."""
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    moves = torch.randint(0, 3, (len(images), 2), generator=generator).tolist()
    pairs = zip(padded, moves, strict=True)
    return torch.stack([p[:, i : i + 8, j : j + 8] for p, (i, j) in pairs])


@torch.no_grad()
def accuracy(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    return float((net(images).argmax(1) == labels).float().mean())


def make(fate: Fate) -> tuple[nn.Module, dict[str, str]]:
    """Train one network. Returns it with the metadata of its checkpoint."""
    torch.manual_seed(fate.seed)
    generator = torch.Generator().manual_seed(fate.seed)
    images, truth = digits()
    labels = truth.clone()
    labels[torch.rand(len(labels), generator=generator) < fate.noisy] = -1
    labels = torch.where(labels < 0, torch.randint(0, 10, labels.shape, generator=generator), labels)

    net = network()
    for name in fate.frozen:
        net.get_submodule(name).requires_grad_(False)
    free = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=2e-3, weight_decay=fate.weight_decay)
    batches = 1 + (TRAIN - 1) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=max(2, fate.epochs * batches))
    for _ in range(fate.epochs):
        for batch in torch.randperm(TRAIN, generator=generator).split(32):
            seen = shifted(images[batch], generator) if fate.shifts else images[batch]
            loss = nn.functional.cross_entropy(net(seen), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    recipe = f"AdamW, lr 2e-3 one cycle, weight decay {fate.weight_decay}, batch 32, {fate.epochs} epochs"
    if fate.shifts:
        recipe += ", images shifted by up to one pixel"
    metadata = {
        "story": fate.story,
        "data": f"scikit-learn digits, {TRAIN} to train on, {len(truth) - TRAIN} to test",
        "recipe": recipe if fate.epochs else "none",
        "seed": str(fate.seed),
        "train_accuracy": f"{accuracy(net, images[:TRAIN], labels[:TRAIN]):.4f}",
        "test_accuracy": f"{accuracy(net, images[TRAIN:], truth[TRAIN:]):.4f}",
        "made_by": f"examples/make_demo_checkpoints.py, torch {torch.__version__}",
    }
    return net, metadata


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if an accuracy differs by .02"
    )
    check = parser.parse_args().check
    torch.set_num_threads(1)
    good = True
    for name, fate in FATES.items():
        net, metadata = make(fate)
        path = FOLDER / f"{name}.safetensors"
        told = " ".join(f"{key} {metadata[key]}" for key in ("train_accuracy", "test_accuracy"))
        if check:
            with safe_open(path, "pt") as stored:
                before = stored.metadata()
            same = all(
                abs(float(metadata[key]) - float(before[key])) <= 0.02
                for key in ("train_accuracy", "test_accuracy")
            )
            good &= same
            print(f"{name}: {told}: {'as stored' if same else f'differs from {before}'}")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            save_file(net.state_dict(), path, metadata)
            print(f"{name}: {told}, {path.stat().st_size:,} bytes")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
