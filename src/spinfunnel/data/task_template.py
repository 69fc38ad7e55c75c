"""Tells spinfunnel what to look at: a trained network, its data and its losses.

    spinfunnel diagnose task.py

It runs as it stands, on a small network that it trains on scikit-learn's digits in a few seconds
(pip install "spinfunnel[torch,demo]"). Put your own in at the four places marked HERE.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from spinfunnel import Subject


# HERE 1: your network, as it is before training. Import it from beside this file, or from anywhere.
def build():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


# HERE 2: your data: lists of batches, or DataLoaders, that can be read more than once. A batch is whatever
# your losses take: a tuple, a dictionary, what a Hugging Face tokenizer gives.
def batches(first, last):
    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(0))[first:last]
    images = torch.tensor(digits.data, dtype=torch.float32)[order] / 16
    labels = torch.tensor(digits.target)[order]
    return list(zip(images.split(100), labels.split(100), strict=True))


TRAIN, SEARCH, CERTIFY = batches(0, 1000), batches(1000, 1400), batches(1400, 1797)


# HERE 3: the loss of each example, (n,): reduction="none", and no mean. Where examples do not count alike, as
# tokens do not behind the end of a sentence, return a pair: losses (n,) and weights (n,).
def losses(model, batch):
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels, reduction="none")


# The error of each example, (n,): 0 is right, 1 is wrong, or anything between. Leave it out if there is none.
def errors(model, batch):
    images, labels = batch
    return (model(images).argmax(1) != labels).float()


# HERE 4: where the trained weights come from. If they are in a file, leave this out, and below write
# weights="model.safetensors" (or .pt, .ckpt, ...): nothing stored in it is executed.
def train(seed):
    torch.manual_seed(seed)
    model = build()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        for batch in TRAIN:
            optimiser.zero_grad()
            losses(model, batch).mean().backward()
            optimiser.step()
    return model.eval()


def task():
    return Subject(
        model=train(seed=0),  # or build(), with
        # weights="model.safetensors",
        losses=losses,
        errors=errors,
        train=TRAIN,
        search=SEARCH,  # held-out data to choose by
        certify=CERTIFY,  # held-out data that nothing was chosen by: what is proven is proven on these
        build=build,  # for what needs fresh networks to compare with
        train_fn=train,  # for what needs a second trained network, from another seed
        # history="history",  # the folder of a spinfunnel.Recorder that watched the training
    )
