"""What every reader returns: the named tensors of a source, none of them loaded yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from spinfunnel.core import Array


@dataclass(frozen=True)
class Tensor:
    """One array of a weight file. Nothing is read from the file until `load()` is called.

    Attributes:
        name: the file's own full name for it.
        shape: as stored.
        dtype: the file's own word, in numpy's spelling (float32, bfloat16, float8_e4m3fn, int8, complex64).
        load: reads the array now, in its stored type (ml_dtypes supplies bfloat16 and float8). The array
            may be a read-only view of the file or of the caller's own memory: never write to it.
        skipped: why it cannot or should not be analysed (optimiser state, not numeric); empty otherwise.
        tied_to: the name of the tensor it shares its memory with, which is the one that is analysed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Array]
    skipped: str = ""
    tied_to: str = ""

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class Weights:
    """All tensors of one source, in the order of the network's depth as far as their names tell it.

    Attributes:
        source: what the user gave, as text (a path, or a Python type).
        format: one word or two ("safetensors", "safetensors, 2 shards", "PyTorch checkpoint", "dict").
        tensors: every tensor of the source, also those that are skipped.
        path: where to read it again from another process; None for arrays in memory.
        files: the weight files that were read, in order (several when it is sharded).
        hints: facts from the folder's config that help to split fused tensors (heads, hidden size).
        notes: things the user should know (entries of a checkpoint that were left out, and why).
    """

    source: str
    format: str
    tensors: tuple[Tensor, ...]
    path: str | None = None
    files: tuple[str, ...] = ()
    hints: dict[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    def __getitem__(self, name: str) -> Tensor:
        return self._by_name[name]

    @property
    def parameters(self) -> int:
        """How many numbers the source holds, tied tensors counted once and skipped ones included."""
        return sum(tensor.parameters for tensor in self.tensors if not tensor.tied_to)


def quoted(text: str, limit: int = 80) -> str:
    r"""Quote text that came out of a file, for an error message: no control characters, not too long.

    >>> print(quoted("\x1b[31mred\u202e"))
    '\x1b[31mred\u202e'
    """
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
