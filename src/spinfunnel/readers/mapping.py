"""Reads dictionaries of arrays, nested ones too: numpy, PyTorch, or anything that makes a numpy array."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.readers.tensors import Tensor, quoted


def read_mapping(source: Mapping[Any, Any]) -> tuple[Tensor, ...]:
    """List the arrays of a dictionary in its own order; those that share memory are tied.

    Raises:
        BadInput: if two arrays come out with the same name, or a container holds itself.
    """
    try:
        return tie(describe(".".join(keys), value) for keys, value in leaves(source))
    except RecursionError:
        raise BadInput("the dictionary holds containers nested without end; give its arrays alone") from None


def leaves(source: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk nested dictionaries, lists and tuples: the keys that lead to each value, and the value.

    >>> list(leaves({"a": {"b": 1}, "c": [2, 3]}))
    [(('a', 'b'), 1), (('c', '0'), 2), (('c', '1'), 3)]
    """
    if isinstance(source, Mapping):
        items = list(source.items())
    elif isinstance(source, list | tuple):
        items = list(enumerate(source))
    else:
        yield keys, source
        return
    for key, value in items:
        text = (
            str(key).encode("utf-8", "backslashreplace").decode()
        )  # half a surrogate pair cannot be printed
        yield from leaves(value, (*keys, text))


def describe(name: str, value: Any) -> tuple[Tensor, object]:
    """Describe one array, and identify the memory it lies in (None when it has none)."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        from spinfunnel.readers.checkpoint import describe_torch

        return describe_torch(name, value)
    array = np.asarray(value)
    numeric = array.dtype.kind in "biufc" or array.dtype.name.startswith(("bfloat", "float"))
    reason = "" if numeric else f"not numbers ({array.dtype})"
    where = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.name)
    return (
        Tensor(name, array.shape, array.dtype.name, partial(_read_only, array), skipped=reason),
        where if array.size and array is value else None,
    )


def tie(described: Iterable[tuple[Tensor, object]]) -> tuple[Tensor, ...]:
    """Mark tensors that lie in the same memory as tied to the first of them.

    Raises:
        BadInput: if a name occurs twice.
    """
    first: dict[object, str] = {}
    tensors: dict[str, Tensor] = {}
    for tensor, where in described:
        if tensor.name in tensors:
            raise BadInput(f"two arrays are named {quoted(tensor.name)}; rename one of them")
        owner = first.setdefault(where, tensor.name) if where is not None else tensor.name
        tensors[tensor.name] = tensor if owner == tensor.name else replace(tensor, tied_to=owner)
    return tuple(tensors.values())


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
