"""A small residual network with BatchNorm on scikit-learn's 8 x 8 digits.

    spinfunnel diagnose examples/digits_resnet.py

It is trained on the first run, in seconds; the Recorder's folder is kept in the user's cache, and the trained
weights are the last that it holds. Needs: pip install "spinfunnel[torch,demo]".
"""

import hashlib
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from spinfunnel import Recorder, Subject
from spinfunnel.core import cache_folder
from spinfunnel.record import read


class Block(nn.Module):
    """x + f(x), f two convolutions; where the shape changes, x goes through a convolution of 1 x 1."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        same = channels == out and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x):
        f = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(f + self.short(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.blocks = nn.Sequential(Block(12, 12, 1), Block(12, 24, 2), Block(24, 24, 1))
        self.output = nn.Linear(24, 10)

    def forward(self, images):
        x = self.blocks(torch.relu(self.norm(self.conv(images))))
        return self.output(x.mean(dim=(2, 3)))


def build():
    return ResNet()


def data():
    """1797 digits in a fixed random order: 1000 to train on, 400 to choose by, 397 to certify on."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(digits.images, dtype=torch.float32)[order, None] / 16
    labels = torch.tensor(digits.target)[order]
    parts = zip(images.split([1000, 400, 397]), labels.split([1000, 400, 397]), strict=True)
    return [list(zip(x.split(250), y.split(250), strict=True)) for x, y in parts]


TRAIN, SEARCH, CERTIFY = data()


def losses(model, batch):
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels, reduction="none")


def errors(model, batch):
    images, labels = batch
    return (model(images).argmax(1) != labels).float()


def train(seed, folder=None, epochs=20):
    """Train from a seed, and write what happens to a folder if one is given.

    BatchNorm takes the statistics of batches here, and the running ones, which the Recorder keeps too, in
    all that spinfunnel does: it looks at the network in eval mode.
    """
    torch.manual_seed(seed)
    model = build().train()
    recorder = Recorder(folder, model, every=10, force=True) if folder else None
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    images, labels = (torch.cat(parts) for parts in zip(*TRAIN, strict=True))
    steps = epochs * len(labels) // 50
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        chosen = torch.randint(len(labels), (50,))
        loss = losses(model, (images[chosen], labels[chosen])).mean()
        optimiser.zero_grad()
        loss.backward()
        if recorder:
            recorder(step, loss=loss, lr=schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    if recorder:
        recorder.finish()
    return model.eval()


def trained_once():
    """Train on the first run, and give the folder of its history; a changed file trains anew."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "examples" / f"{Path(__file__).stem}-{key}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        train(0, unfinished)
        unfinished.rename(folder)
    return folder


def task():
    folder = trained_once()
    return Subject(
        model=build(),
        weights=read(folder).last,
        losses=losses,
        errors=errors,
        train=TRAIN,
        search=SEARCH,
        certify=CERTIFY,
        build=build,
        train_fn=train,
        history=folder,
    )
