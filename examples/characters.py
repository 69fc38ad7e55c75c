"""A small transformer that guesses the next character of Python's own documentation.

    spinfunnel diagnose examples/characters.py

An example is a line of 17 characters: its loss is the mean over the 16 that are guessed, its error the share
that is guessed wrong. The embedding is used again as the output layer: shared weights count once. It is
trained on the first run, in less than a minute; the Recorder's folder is kept in the user's cache.
"""

import hashlib
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import nn
from torch.nn import functional

from spinfunnel import Recorder, Subject
from spinfunnel.core import cache_folder
from spinfunnel.record import read

CONTEXT, WIDTH, HEADS = 16, 32, 4
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        """x (batch, time, width); every place sees itself and those before it."""
        q, k, v = (
            layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(seen.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.inner, self.outer = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.outer(functional.gelu(self.inner(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.characters = nn.Embedding(len(ALPHABET), WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(WIDTH)
        self.output = nn.Linear(WIDTH, len(ALPHABET), bias=False)
        nn.init.normal_(self.characters.weight, std=0.1)
        self.output.weight = self.characters.weight

    def forward(self, text):
        x = self.characters(text) + self.places.weight[: text.shape[1]]
        return self.output(self.norm(self.blocks(x)))


def build():
    return Transformer()


def data():
    """Lines of the documentation, in a fixed random order: lists of (batch, 17) characters."""
    text = "".join(c for topic in sorted(topics) for c in topics[topic] if c in ALPHABET)
    codes = torch.tensor([ALPHABET.index(c) for c in text])
    lines = codes[: len(codes) // (CONTEXT + 1) * (CONTEXT + 1)].view(-1, CONTEXT + 1)
    lines = lines[torch.randperm(len(lines), generator=torch.Generator().manual_seed(0))]
    return [list(part.split(250)) for part in (lines[:1000], lines[1000:1500], lines[1500:2000])]


TRAIN, SEARCH, CERTIFY = data()


def losses(model, lines):
    guesses = model(lines[:, :-1])
    return functional.cross_entropy(guesses.transpose(1, 2), lines[:, 1:], reduction="none").mean(dim=1)


def errors(model, lines):
    return (model(lines[:, :-1]).argmax(2) != lines[:, 1:]).float().mean(dim=1)


def train(seed, folder=None, steps=1000):
    """Train from a seed, and write what happens to a folder if one is given."""
    torch.manual_seed(seed)
    model = build()
    recorder = Recorder(folder, model, every=25, force=True) if folder else None
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    lines = torch.cat(TRAIN)
    for step in range(steps):
        loss = losses(model, lines[torch.randint(len(lines), (32,))]).mean()
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
