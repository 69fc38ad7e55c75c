"""A small perceptron on scikit-learn's 8 x 8 digits, with the history of its training.

    spinfunnel diagnose examples/digits_mlp.py

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


def build():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def data():
    """1797 digits in a fixed random order: 1000 to train on, 400 to choose by, 397 to certify on."""
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(digits.data, dtype=torch.float32)[order] / 16
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


def train(seed, folder=None, epochs=60):
    """Train from a seed, and write what happens to a folder if one is given."""
    torch.manual_seed(seed)
    model = build()
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
