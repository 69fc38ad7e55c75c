"""Reads PyTorch checkpoints and modules. The one reader that needs torch, and only when it meets one.

Checkpoints are pickles. They are opened with `torch.load(weights_only=True)`, whose unpickler makes tensors
and plain containers and refuses everything else; what it refuses, we refuse. Needs torch >= 2.6, because
before that a crafted file could get past it (CVE-2025-32434).
"""

from __future__ import annotations

import pickle
import re
import sys
import warnings
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from spinfunnel.core import Array, BadInput, UnsafeFile
from spinfunnel.readers.folder import hints_of
from spinfunnel.readers.mapping import leaves, tie
from spinfunnel.readers.tensors import Tensor, Weights, quoted

if TYPE_CHECKING:
    import torch

OPTIMISER = "state of an optimiser"
AVERAGE = "a moving average of the weights: a second copy of the model"

#: Entries of a checkpoint that hold no model, by the name of any container; the first match gives the reason.
NOT_MODEL = (
    (re.compile(r"optim|^opt$|^opt_"), OPTIMISER),
    (re.compile(r"sched"), "state of a learning-rate schedule"),
    (re.compile(r"scaler$|^amp$"), "state of a gradient scaler"),
    (re.compile(r"rng|random_state"), "state of a random generator"),
    (re.compile(r"^(loops|callbacks|hyper_parameters|hparams|args|config|metrics|history)$"), "not a model"),
    (re.compile(r"(^|_)ema(_|$)|(^|_)swa(_|$)"), AVERAGE),
)
#: Entries a model is usually kept under: left out of its tensors' names.
WRAPPER = re.compile(r"state_dict|model(_state(_dict)?)?|module|net(work)?|weights|params")

#: Types that PyTorch cannot hand to numpy itself, and the ones of ml_dtypes that have the same bits.
NARROW = {
    name: np.dtype(getattr(ml_dtypes, name))
    for name in (
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    )
}
#: Types that PyTorch and numpy both have.
SHARED = set(map(str, map(np.dtype, "?bBhHiIlLefdFD")))
#: More entries than any model has: a file that unfolds into this many is made to exhaust memory.
MOST_ENTRIES = 1_000_000


def read_module(module: torch.nn.Module) -> Weights:
    """List parameters and persistent buffers of a module, in the order it made them; nothing is copied."""
    import torch

    state = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    lazy = next((name for name, value in state.items() if torch.nn.parameter.is_lazy(value)), None)
    if lazy is not None:
        raise BadInput(f"{quoted(lazy)} has no shape yet: run a batch through the module first")
    tensors = tie(describe_torch(name, value) for name, value in state.items())
    transformers = sys.modules.get("transformers")
    config = getattr(module, "config", None) if transformers is not None else None
    known = transformers is not None and isinstance(config, transformers.PretrainedConfig)
    hints = hints_of(config.to_dict()) if known and config is not None else {}
    return Weights(type(module).__name__, "PyTorch module", tensors, hints=hints)


def read_checkpoint(path: Path) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """List the tensors of a checkpoint in its own order, and notes on what else it holds.

    Whatever is recognised as not the model (optimiser state, a moving average) is listed as skipped.

    Raises:
        BadInput: if torch is absent or too old, or the file is broken.
        UnsafeFile: if it can be read only by executing code stored in it; nothing was executed.
    """
    kept: list[tuple[tuple[str, ...], Any]] = []
    skipped: list[tuple[tuple[str, ...], Any, str]] = []
    with_tensors, entries = set(), set()
    torch = _torch(path)
    try:
        for count, (keys, value) in enumerate(leaves(_load(torch, path))):
            entries.add(keys[:1])
            if count > MOST_ENTRIES:
                raise BadInput(f"{path} unfolds into more than {MOST_ENTRIES} entries; refused")
            if isinstance(value, torch.Tensor):
                with_tensors.add(keys[:1])
                reason = _not_model(keys)
                skipped.append((keys, value, reason)) if reason else kept.append((keys, value))
    except RecursionError:
        raise BadInput(f"{path} holds containers nested without end; refused") from None
    if not kept:  # a moving average is all there is: then it is the model
        kept = [(keys, value) for keys, value, reason in skipped if reason == AVERAGE]
        skipped = [item for item in skipped if item[2] != AVERAGE]
    names = [_without_wrappers(keys) or path.stem for keys, _ in kept]
    if len(set(names) | {".".join(keys) for keys, *_ in skipped}) < len(names) + len(skipped):
        names = [".".join(keys) for keys, _ in kept]
    described = [describe_torch(name, value) for name, (_, value) in zip(names, kept, strict=True)]
    for keys, value, reason in skipped:
        tensor, where = describe_torch(".".join(keys), value)
        described.append((replace(tensor, skipped=reason), where))
    left = [key for keys in sorted(entries - with_tensors) for key in keys]
    notes = (f"entries without tensors were left out: {', '.join(map(quoted, left[:8]))}",) if left else ()
    return tie(described), notes


def describe_torch(name: str, value: torch.Tensor) -> tuple[Tensor, object]:
    """Describe one tensor of PyTorch, and identify the memory it lies in (None when it has none)."""
    import torch

    value = value.detach()
    dtype = str(value.dtype).removeprefix("torch.")
    reason, where = "", None
    if value.is_meta:
        reason = "on the meta device: it has no values"
    elif value.is_quantized or value.layout != torch.strided or value.is_nested:
        reason = f"{'quantised' if value.is_quantized else 'sparse or nested'} storage is not read"
    elif dtype not in NARROW and dtype not in SHARED:
        reason = f"{dtype}: numpy has no such type"
    elif value.numel() * value.element_size() > value.untyped_storage().nbytes():
        reason = "it has more numbers than are stored: a view that repeats them"
    elif value.numel():
        where = (value.data_ptr(), tuple(value.shape), value.stride(), dtype)
    return Tensor(name, tuple(value.shape), dtype, partial(to_numpy, value), skipped=reason), where


def to_numpy(value: torch.Tensor) -> Array:
    """Give a tensor's values as a read-only array, without a copy where it lies in main memory already."""
    import torch

    value = value.cpu().resolve_conj().resolve_neg()
    narrow = NARROW.get(str(value.dtype).removeprefix("torch."))
    if narrow is None:
        array = value.numpy().view()
    else:
        array = value.view(torch.int16 if narrow.itemsize == 2 else torch.uint8).numpy().view(narrow)
    array.flags.writeable = False
    return array


def _torch(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise BadInput(
            f'{path} is a PyTorch checkpoint and PyTorch is not installed; pip install "spinfunnel[torch]"'
        ) from None
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < (2, 6):
        raise BadInput(
            f"{path}: PyTorch {torch.__version__} cannot read checkpoints safely; pip install 'torch>=2.6'"
        )
    return torch


def _load(torch: Any, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols and types it will drop: not for users
            zipped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True if zipped else None)
    except Exception as error:  # a hostile pickle can raise anything
        why = str(error)
        with path.open("rb") as file:
            is_pickle = zipfile.is_zipfile(path) or file.read(1) == b"\x80"
        wanted = re.search(r"GLOBAL ([\w.]{1,80})", why)
        if wanted or "legacy .tar format" in why or (is_pickle and isinstance(error, pickle.UnpicklingError)):
            what = f"it asks for {wanted[1]}" if wanted else "it is not plain tensors"
            raise UnsafeFile(
                f"{path} can be read only by executing code stored in it ({what}), so it was refused and "
                "nothing was executed; where you trust it, load it yourself with torch.load(path, "
                "weights_only=False) and save model.state_dict() with safetensors.torch.save_file"
            ) from None
        why = why.split("WeightsUnpickler error:")[-1].strip()  # before it, unsafe advice
        first = quoted(why.splitlines()[0] if why else type(error).__name__, 160)
        raise BadInput(f"{path} is a broken PyTorch checkpoint ({first}); fetch or save it again") from None


def _not_model(keys: tuple[str, ...]) -> str:
    """Why an entry is not the model's, by the names of the containers it lies in; empty when it is."""
    containers = keys[:-1]
    if re.search(r"(^|\.)state\.[0-9]+$", ".".join(containers)):  # as every torch.optim keeps its moments
        return OPTIMISER
    return next((why for key in containers for pattern, why in NOT_MODEL if pattern.search(key)), "")


def _without_wrappers(keys: tuple[str, ...]) -> str:
    while len(keys) > 1 and WRAPPER.fullmatch(keys[0]):
        keys = keys[1:]
    return ".".join(keys)
