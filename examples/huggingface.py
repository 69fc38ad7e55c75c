"""A Hugging Face model from a local folder: a small BERT that tells which module a line of Python is from.

    spinfunnel diagnose examples/huggingface.py

For a model of your own, put its folder in the place of `trained_once()`, and its data in that of `data()`.
The folder is read with trust_remote_code=False: no code in it is run. Here the model is made and trained on
the first run, in seconds, and saved to the user's cache. Needs: pip install "spinfunnel[torch]" transformers.
"""

import hashlib
import inspect
import tarfile
import turtle
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification
from transformers import ByT5Tokenizer as BytesOfText
from transformers.utils import logging

from spinfunnel import Subject
from spinfunnel.core import cache_folder

MODULES = (inspect, tarfile, turtle)
logging.disable_progress_bar()


def build():
    """An untrained BERT over bytes: 384 of them, with ByT5's special ones."""
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=384,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=40,
            num_labels=len(MODULES),
        )
    )


def data():
    """Lines of source code in a fixed random order, in batches as the tokenizer makes them, with labels."""
    lines = [
        (line.strip(), label)
        for label, module in enumerate(MODULES)
        for line in inspect.getsource(module).splitlines()
        if len(line.strip()) > 20
    ]
    order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(0)).tolist()
    tokenizer = BytesOfText()

    def batches(chosen, size=250):
        for i in range(0, len(chosen), size):
            texts, labels = zip(*[lines[j] for j in chosen[i : i + size]], strict=True)
            batch = tokenizer(list(texts), padding=True, truncation=True, max_length=40, return_tensors="pt")
            yield batch | {"labels": torch.tensor(labels)}

    return [list(batches(part)) for part in (order[:1000], order[1000:1500], order[1500:2000])]


TRAIN, SEARCH, CERTIFY = data()


def logits(model, batch):
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


def losses(model, batch):
    return torch.nn.functional.cross_entropy(logits(model, batch), batch["labels"], reduction="none")


def errors(model, batch):
    return (logits(model, batch).argmax(1) != batch["labels"]).float()


def train(seed, epochs=40):
    torch.manual_seed(seed)
    model = build().train()  # with its dropout
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(TRAIN))
    for _ in range(epochs):
        for i in torch.randperm(len(TRAIN)).tolist():
            optimiser.zero_grad()
            losses(model, TRAIN[i]).mean().backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def trained_once():
    """Train on the first run, and give the folder the model was saved to; a changed file trains anew."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "examples" / f"{Path(__file__).stem}-{key}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        train(0).save_pretrained(unfinished)
        unfinished.rename(folder)
    return folder


def task():
    folder = trained_once()
    return Subject(
        model=AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ),
        losses=losses,
        errors=errors,
        train=TRAIN,
        search=SEARCH,
        certify=CERTIFY,
        build=build,
        train_fn=train,
    )
