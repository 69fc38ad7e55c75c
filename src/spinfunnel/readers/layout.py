"""Which matrices the tensors of a source hold, and the account of all of them.

A convolution out x in x k x k is unfolded to out x (in k k), or cut into one out x in matrix per position of
its kernel; query, key and value stored as one are split, and so are gates; each expert is a matrix of its
own; rows are outputs. `rules.py` has the table of names. Vectors, single rows and columns, complex numbers
and integer buffers hold no spectrum: they are skipped, and the account says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinfunnel.core import Row
from spinfunnel.readers.parts import Part, cut
from spinfunnel.readers.rules import QUANTISED, context, parts_of, times
from spinfunnel.readers.tensors import Tensor, Weights

__all__ = ["Layout", "Part", "cut", "layout"]


@dataclass(frozen=True)
class Layout:
    """The matrices of a source, and the account of all its tensors.

    Attributes:
        parts: the matrices, in the order of the tensors.
        account: one row per tensor: name, shape, dtype, parameters, share (of all parameters; 0 for a tied
            one), status ("analysed", "skipped" or "tied") and reason. Shares sum to 1.
    """

    parts: tuple[Part, ...]
    account: list[Row]


def layout(weights: Weights, *, slices: bool = False) -> Layout:
    """Say which matrices the tensors of a source hold; nothing is loaded.

    Args:
        weights: what `read` gave.
        slices: cut convolutions into one matrix per position of the kernel instead of unfolding them.

    >>> import numpy as np
    >>> from spinfunnel.readers import read
    >>> found = layout(read({"conv.weight": np.ones((8, 3, 5, 5)), "conv.bias": np.ones(8)}))
    >>> found.parts[0].layout, found.account[1]["reason"]
    ('8 x 75, unfolded from 8 x 3 x 5 x 5', 'a vector has no spectrum')
    """
    total = weights.parameters
    parts: list[Part] = []
    account: list[Row] = []
    for seen in context(weights, slices):
        tensor = seen.tensor
        status, reason = "skipped", not_analysed(tensor)
        if tensor.tied_to:
            status, reason = "tied", f"shares its memory with {tensor.tied_to}"
        elif not reason:
            found = parts_of(seen)
            single = next((part for part in found if min(part.shape) == 1), None)
            if single is not None:
                reason = f"{times(single.shape)}: a single row or column has no spectrum"
            else:
                status, reason = "analysed", _how(found)
                parts += found
        account.append(
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
                "parameters": tensor.parameters,
                "share": tensor.parameters / total if total and not tensor.tied_to else 0.0,
                "status": status,
                "reason": reason,
            }
        )
    return Layout(tuple(parts), account)


def not_analysed(tensor: Tensor) -> str:
    """Why a tensor cannot hold a matrix of weights, by its type and number of sides; empty when it may."""
    if tensor.skipped:
        return tensor.skipped
    if tensor.parameters == 0:
        return "it is empty"
    if tensor.dtype.startswith("complex"):
        return "complex numbers are not analysed"
    if tensor.dtype == "bool" or ("int" in tensor.dtype and tensor.dtype not in QUANTISED):
        return f"{tensor.dtype}: a mask, indices or counts, not weights"
    if len(tensor.shape) < 2:
        return "a vector has no spectrum" if tensor.shape else "a single number has no spectrum"
    return ""


def _how(parts: list[Part]) -> str:
    """What the account says of an analysed tensor: how it was made into matrices."""
    if len(parts) == 1:
        return parts[0].layout
    words = ", ".join(part.part for part in parts[:4])
    return f"in {len(parts)} parts: {words}{', …' if len(parts) > 4 else ''}"
