"""One matrix of a stored tensor: how it is described before anything is loaded, and how it is cut out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from spinfunnel.core import Array, row_name

#: Start, stop and step of a slice; and one index per axis, a number or a slice.
Span: TypeAlias = tuple[int | None, int | None, int | None]
Take: TypeAlias = tuple[int | Span, ...]


@dataclass(frozen=True)
class Part:
    """One matrix of a tensor, known before anything is loaded.

    Attributes:
        name: the tensor's full name in the file.
        part: which part of it ("" when it is the whole tensor; "query", "input gate", "slice 0,1").
        shape: (rows, columns) of the matrix, rows = outputs as far as the layout tells.
        tensor_shape: shape of the whole tensor as stored.
        kind: "linear", "convolution", "embedding", "recurrent" or "expert".
        layout: how the matrix was made, for people ("64 x 27, unfolded from 64 x 3 x 3 x 3"); may be empty.
        gates: how many blocks of equal size the tensor stacks along one axis (4 for an LSTM), else 1.
        axes, split, take: how `cut` makes it: axes in this order, reshaped to `split`, indexed by `take`,
            reshaped to `shape`. Empty ones change nothing.
    """

    name: str
    part: str
    shape: tuple[int, int]
    tensor_shape: tuple[int, ...]
    kind: str = "linear"
    layout: str = ""
    gates: int = 1
    axes: tuple[int, ...] = ()
    split: tuple[int, ...] = ()
    take: Take = ()

    @property
    def row_name(self) -> str:
        """The name under which tables and series know it."""
        return row_name(self.name, self.part)


def cut(part: Part, array: Array) -> Array:
    """Cut one matrix out of its loaded tensor: float32 or float64, a view where it can be one.

    bfloat16, float16, float8 and 8-bit integers become float32, which holds them exactly; 32- and 64-bit
    integers become float64.

    Raises:
        ValueError: if the array has not the shape the part was told from.

    >>> part = Part("qkv", "key", (2, 3), (6, 3), take=((2, 4, None),))
    >>> cut(part, np.arange(18, dtype=np.float32).reshape(6, 3))
    array([[ 6.,  7.,  8.],
           [ 9., 10., 11.]], dtype=float32)
    """
    if array.shape != part.tensor_shape:
        raise ValueError(f"{part.name} has shape {array.shape}, its layout was made for {part.tensor_shape}")
    if part.axes:
        array = array.transpose(part.axes)
    if part.split:
        array = array.reshape(part.split)
    array = array[tuple(slice(*item) if isinstance(item, tuple) else item for item in part.take)]
    wide = np.promote_types(array.dtype, np.float32)
    return array.astype(min(wide, np.dtype(np.float64), key=lambda t: t.itemsize), copy=False).reshape(
        part.shape
    )
