"""Batches of any structure: tuples, lists, dictionaries, dataclasses, and what Hugging Face makes of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.network_loss.drawing import steadily


def mapped(batch: Any, change: Callable[[Any], Any], listed: Callable[[Any], Any] | None = None) -> Any:
    """Give the batch with `change` done to each tensor or array in it; all else stays as it is.

    What `listed` gives of a list, if that is not None, takes the list's place.

    >>> import numpy as np
    >>> mapped({"x": (np.zeros(3), "label")}, len)
    {'x': (3, 'label')}
    """
    if hasattr(batch, "shape") and hasattr(batch, "dtype"):
        return change(batch)
    if isinstance(batch, Mapping):
        changed = {key: mapped(value, change, listed) for key, value in batch.items()}
        return changed if type(batch) is dict else _like(batch, changed)
    if isinstance(batch, tuple | list):
        if listed is not None and (given := listed(batch)) is not None:
            return given
        parts = [mapped(part, change, listed) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    if is_dataclass(batch) and not isinstance(batch, type):
        other = copy.copy(batch)
        for name, value in vars(batch).items():
            object.__setattr__(other, name, mapped(value, change, listed))
        return other
    return batch


def _like(batch: Any, changed: dict[str, Any]) -> Any:
    try:
        return type(batch)(changed)
    except TypeError:
        return changed


def arrays(batch: Any) -> list[Any]:
    """List the tensors and arrays in a batch."""
    found: list[Any] = []
    mapped(batch, found.append)
    return found


def taken(batch: Any, indices: Array, examples: int) -> Any:
    """Give some of the batch's examples: every array, or list, as long as the batch has examples is indexed.

    >>> import numpy as np
    >>> taken([np.arange(4), np.eye(3), ["a", "b", "c", "d"]], np.array([0, 2]), 4)[::2]
    [array([0, 2]), ['a', 'c']]
    """

    def listed(parts: Any) -> Any:
        if type(parts) is not list or not _of_examples(parts, examples):
            return None
        return [parts[i] for i in indices]

    return mapped(batch, lambda a: a[indices] if len(a.shape) and a.shape[0] == examples else a, listed)


def _of_examples(parts: Any, examples: int) -> bool:
    """Tell whether a list holds one thing an example, and not arrays of all of them."""
    return len(parts) == examples and not any(a.shape[:1] == (examples,) for a in arrays(parts))


def rows_of(batch: Any, losses: int) -> int:
    """Count the examples of a batch of so many losses: an array or list is as long, or else the first is.

    >>> import numpy as np
    >>> rows_of([np.zeros((4, 9))], 4), rows_of([np.zeros((4, 9))], 36)
    (4, 4)
    """
    lengths = [int(a.shape[0]) for a in arrays(batch) if len(a.shape)]
    lists: list[int] = []
    mapped(batch, lambda a: a, lambda parts: lists.append(len(parts)) if type(parts) is list else None)
    return losses if losses in [*lengths, *lists] or not lengths else lengths[0]


def size_in_bytes(batch: Any) -> int:
    """Count the bytes of a batch's tensors and arrays."""
    return sum(int(part.nbytes) for a in arrays(batch) for part in dense(a))


def dense(a: Any) -> list[Any]:
    """List the arrays that hold the numbers of a tensor or array: itself, or what a sparse one is made of."""
    layout = str(getattr(a, "layout", ""))
    if layout == "torch.sparse_coo":
        return [a._values(), a._indices()]
    return [a.values(), a.crow_indices(), a.col_indices()] if layout == "torch.sparse_csr" else [a]


def held(batches: Iterable[Any], change: Callable[[Any], Any], limit: int) -> tuple[Iterable[Any], bool]:
    """Keep all batches in memory, or, if they take more than `limit` bytes, read them anew each time.

    Raises:
        BadInput: if there are none, or if they can be read only once.
    """
    kept: list[Any] = []
    left = limit
    for batch in steadily(batches):
        kept.append(change(batch))
        left -= size_in_bytes(batch)
        if left < 0:
            if isinstance(batches, Iterator):
                raise BadInput("the batches can be read only once: give a list or a DataLoader")
            return Streamed(batches, change), False
    if not kept:
        raise BadInput("the data hold no batch: give a loader, or a list of batches, that is not empty")
    return kept, True


class Streamed:
    """Batches that are read, and changed, anew each time they are asked for."""

    def __init__(self, batches: Iterable[Any], change: Callable[[Any], Any]) -> None:
        """Keep both."""
        self.batches, self.change = batches, change

    def __iter__(self) -> Any:
        """Read them, in the same order each time."""
        return map(self.change, steadily(self.batches))
