"""Handwritten digits, 8 x 8, and a network of three layers: what `spinfunnel demo` trains, as a task.

spinfunnel diagnose task.py --effort normal          # again, with more work
spinfunnel diagnose task.py --only curvature         # one instrument
"""

from collections import OrderedDict
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from spinfunnel import Subject

HERE = Path(__file__).parent
WIDTH, EPOCHS, BATCH = 128, 40, 50
#: Of 1,797 digits so many are trained on, and so many are for choices; the rest nothing was chosen on.
TRAIN, SEARCH = 1_000, 400


def digits():
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels: 1,000 to train on, 400 to choose by."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.data, dtype=torch.float32)
    return ((images - images.mean()) / images.std())[order], torch.tensor(data.target)[order]


def network():
    """64 pixels, two layers of 128 ReLUs, 10 classes: 26,122 weights."""
    layers = {
        "hidden1": nn.Linear(64, WIDTH),
        "relu1": nn.ReLU(),
        "hidden2": nn.Linear(WIDTH, WIDTH),
        "relu2": nn.ReLU(),
        "output": nn.Linear(WIDTH, 10),
    }
    return nn.Sequential(OrderedDict(layers))


def train(seed, watch=lambda step, steps, loss: None, record=None):
    """Adam, 40 times through the digits, 50 at a time, with a rate that falls from 0.002 to 0.

    First weights and order come from the seed. `watch(step, steps, loss)` is told of every step, and
    `record(network)` makes a Recorder.
    """
    images, labels = digits()
    steps = EPOCHS * TRAIN // BATCH
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network()
        orders = torch.stack([torch.randperm(TRAIN) for _ in range(EPOCHS)])
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    recorder = record and record(net)
    for step, batch in enumerate(orders.reshape(steps, BATCH)):
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        if recorder:
            recorder(step, loss=loss, lr=schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
        watch(step + 1, steps, loss.item())
    if recorder:
        recorder.finish()
    return net.eval()


def losses(net, batch):
    """Give the loss of every image (n,)."""
    return nn.functional.cross_entropy(net(batch[0]), batch[1], reduction="none")


def errors(net, batch):
    """Give 1 for every image that is taken for another digit, (n,)."""
    return (net(batch[0]).argmax(1) != batch[1]).float()


def task():
    """Give what is diagnosed: the first of the two networks, with all that is known of it."""
    images, labels = digits()
    ends = [TRAIN, SEARCH, len(labels) - TRAIN - SEARCH]
    parts = zip(images.split(ends), labels.split(ends), strict=True)
    seen, search, certify = ([*zip(x.split(200), y.split(200), strict=True)] for x, y in parts)
    return Subject(
        model=network(),
        weights=HERE / "first.safetensors",
        losses=losses,
        errors=errors,
        train=seen,
        search=search,
        certify=certify,
        build=network,
        train_fn=train,
        history=HERE / "history",
    )
