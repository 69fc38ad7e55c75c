"""The user's module: a private copy of it, the names of its parameters, and how it is run.

Models come wrapped, compiled, in half precision, with tensors of an earlier pass kept in them. The copy is
the plain model in eval mode; the user's own is never touched.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput

HALF = {"torch.float16", "torch.bfloat16"}
#: Modules that only hold another one, and where; and what compiling puts into the names of parameters.
WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "AveragedModel": "module",
            "OptimizedModule": "_orig_mod"}  # fmt: skip
COMPILED = "_orig_mod."


@dataclass(frozen=True)
class Block:
    """One parameter tensor in the flat weights: `w[start:stop].reshape(shape)`.

    `kind` is "linear" (out, in), "conv" (out, in, ...), "embedding" (rows, features), "norm", "bias" or
    "other". A shared one goes by several `names`; `places` are those of them that lead to different modules.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int
    kind: str
    names: tuple[str, ...]
    places: tuple[str, ...]


def unwrapped(model: Any) -> Any:
    """Give the model itself, of one that is wrapped for several devices, averaged or compiled."""
    while (inside := WRAPPERS.get(type(model).__name__)) is not None:
        model = getattr(model, inside)
    return model


def private(model: Any, dtype: str | None, device: Any) -> tuple[Any, tuple[str, ...]]:
    """Copy the model, in eval mode; half precision becomes float32. Give the doubts beside it.

    Tensors of an earlier pass, which modules may hold, are cut from what they were computed of. Embeddings
    have dense gradients: sparse ones cannot be differentiated again.

    Raises:
        BadInput: if the model cannot be copied, was compiled by torch.jit, or has complex weights.
    """
    import torch
    from torch.utils._pytree import tree_leaves

    model = unwrapped(model)
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise BadInput("the model was compiled by torch.jit: give the module that it was made of")
    inside = [part for module in model.modules() for part in tree_leaves(vars(module))]
    computed = [part for part in inside if isinstance(part, torch.Tensor) and part.grad_fn is not None]
    try:
        module = copy.deepcopy(model, {id(part): part.detach().clone() for part in computed}).eval()
    except Exception as error:
        said = " ".join(str(error).split())
        raise BadInput(
            f"the model cannot be copied ({said}): let it hold no files, locks or generators"
        ) from None
    for part in module.modules():
        if getattr(part, "sparse", False) is True:
            part.sparse = False
    for name, value in module.named_parameters():
        if value.is_complex() and value.requires_grad:
            raise BadInput(
                f"{name} is complex, and a loss is looked at as a function of real weights: make two real "
                "parameters of it and put them together in forward (torch.complex), or freeze it"
            )
    doubts = []
    present = {str(p.dtype) for p in module.parameters() if p.is_floating_point()}
    if dtype is not None:
        module = module.double() if dtype == "float64" else module.float()
    elif present & HALF or len(present) > 1:
        which = ", ".join(sorted(name.removeprefix("torch.") for name in present))
        doubts.append(f"the model is in {which}; it was looked at as a float32 copy")
        module = module.float()
    frozen = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    if frozen:
        doubts.append(f"{frozen:,} frozen parameters are left out: the loss is a function of the others")
    return module.to(device) if device is not None else module, tuple(doubts)


def blocks_of(module: Any) -> tuple[Block, ...]:
    """List the free parameters of a module, shared ones once, as they lie in the flat weights."""
    aliases: dict[int, list[str]] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        aliases.setdefault(id(value), []).append(name)
    blocks, at = [], 0
    for name, value in module.named_parameters():
        if value.requires_grad:
            owner, _, leaf = name.rpartition(".")
            kind = _kind(module.get_submodule(owner), leaf, value.dim())
            stop, names = at + value.numel(), aliases[id(value)]
            places = {_place(module, alias): alias for alias in reversed(names)}
            blocks.append(
                Block(name, tuple(value.shape), at, stop, kind, tuple(names), tuple(places.values()))
            )
            at = stop
    return tuple(blocks)


def _place(module: Any, name: str) -> tuple[int, str]:
    owner, _, leaf = name.rpartition(".")
    return id(module.get_submodule(owner)), leaf


def _kind(owner: Any, leaf: str, dimensions: int) -> str:
    """Tell what a parameter is, by the module that owns it; (in, out) matrices of others are "other"."""
    what = type(owner).__name__.lower()
    if "norm" in what and dimensions == 1:
        return "norm"
    if "bias" in leaf or dimensions == 1:
        return "bias"
    if "embedding" in what:
        return "embedding"
    if "transpose" not in what and hasattr(owner, "kernel_size") and dimensions > 2:
        return "conv"
    return "linear" if dimensions == 2 and "conv1d" not in what else "other"


def matched(wanted: Sequence[Sequence[str]], there: Iterable[str]) -> list[str | None]:
    """Give, for each parameter, which may go by several names, the one it has among those that are there.

    All may be behind one prefix, which trainers and wrappers put before them; of two such, none is meant.

    >>> matched([["0.weight"], ["0.bias"]], ["model.0.weight", "model.0.bias", "step"])
    ['model.0.weight', 'model.0.bias']
    >>> matched([["0.weight"]], ["student.0.weight", "teacher.0.weight"])
    [None]
    """
    plain = {name.replace(COMPILED, ""): name for name in there}
    own = [[name.replace(COMPILED, "") for name in names] for names in wanted]

    def behind(prefix: str) -> list[str | None]:
        return [next((plain[prefix + one] for one in names if prefix + one in plain), None) for names in own]

    found = behind("")
    if own and None in found:
        ends = {name.removesuffix(one) for name in plain for one in own[0] if name.endswith(f".{one}")}
        whole = [those for those in map(behind, sorted(ends)) if None not in those]
        return whole[0] if len(whole) == 1 else found
    return found


def loaded(model: Any, named: Mapping[str, Array], source: str) -> Any:
    """Give a copy of a model with the arrays of a weight file in it; `source` is what errors call the file.

    Raises:
        BadInput: if a tensor of the model is missing in the file, or has another shape.
    """
    import torch

    filled = copy.deepcopy(model)
    state = {  # these share memory with the copy
        name: value for name, value in unwrapped(filled).state_dict().items() if torch.is_tensor(value)
    }
    shared: dict[Any, list[str]] = {}
    for name, value in state.items():
        shared.setdefault((value.data_ptr(), value.shape) if value.numel() else name, []).append(name)
    groups = list(shared.values())
    for (name, *_), stored in zip(groups, matched(groups, named), strict=True):
        value = state[name]
        if stored is None or tuple(named[stored].shape) != tuple(value.shape):
            there = "missing" if stored is None else named[stored].shape
            raise BadInput(
                f"{source}: {name} is {there}, the model has {tuple(value.shape)}: is it of this model?"
            )
        with torch.no_grad():
            value.copy_(torch.from_numpy(np.array(named[stored], dtype=_plain(named[stored].dtype))))
    return filled


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Numpy's own types stay; what it borrows, such as bfloat16, goes through float32 without loss."""
    return dtype if dtype.kind in "biufc" and dtype.isbuiltin else np.dtype("f")


@contextmanager
def plain_form() -> Iterator[None]:
    """Attention in its plain form, and nothing compiled: else it cannot be differentiated twice."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if "torch._dynamo" in sys.modules:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def still(parameters: Iterable[Any]) -> Iterator[None]:
    """Hold parameters still: no graph of them is built, and losses may yet differentiate by their inputs."""
    import torch

    free = [value for value in parameters if value.requires_grad]
    for value in free:
        value.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for value in free:
            value.requires_grad_(True)


@contextmanager
def piecewise() -> Iterator[None]:
    """Compute recurrent layers step by step: oneDNN does an LSTM in one piece, which shows no gates."""
    import torch

    core: Any = torch._C
    whole = core._get_mkldnn_enabled()
    core._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        core._set_mkldnn_enabled(whole)
