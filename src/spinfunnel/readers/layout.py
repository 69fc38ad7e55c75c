"""Which matrices a stored tensor holds: convolutions unfolded, fused projections and gates split."""

from __future__ import annotations

from dataclasses import dataclass

from spinfunnel.core import row_name


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
    """

    name: str
    part: str
    shape: tuple[int, int]
    tensor_shape: tuple[int, ...]
    kind: str = "linear"
    layout: str = ""
    gates: int = 1

    @property
    def row_name(self) -> str:
        """The name under which tables and series know it."""
        return row_name(self.name, self.part)
