"""Batches of any structure: tuples, lists, dictionaries, and what Hugging Face makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.network_loss.drawing import steadily


def mapped(batch: Any, change: Callable[[Any], Any]) -> Any:
    """Give the batch with `change` done to each tensor or array in it; all else stays as it is.

    >>> import numpy as np
    >>> mapped({"x": (np.zeros(3), "label")}, len)
    {'x': (3, 'label')}
    """
    if hasattr(batch, "shape") and hasattr(batch, "dtype"):
        return change(batch)
    if isinstance(batch, Mapping):
        changed = {key: mapped(value, change) for key, value in batch.items()}
        return changed if type(batch) is dict else _like(batch, changed)
    if isinstance(batch, tuple | list):
        parts = [mapped(part, change) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
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
    """Give some of the batch's examples: every array as long as the batch has examples is indexed.

    >>> import numpy as np
    >>> taken([np.arange(4), np.eye(3)], np.array([0, 2]), 4)[0]
    array([0, 2])
    """
    return mapped(batch, lambda a: a[indices] if len(a.shape) and a.shape[0] == examples else a)


def rows_of(batch: Any, losses: int) -> int:
    """Count the examples of a batch that gives so many losses: an array is as long, or else the first is.

    >>> import numpy as np
    >>> rows_of([np.zeros((4, 9))], 4), rows_of([np.zeros((4, 9))], 36)
    (4, 4)
    """
    lengths = [int(a.shape[0]) for a in arrays(batch) if len(a.shape)]
    return losses if losses in lengths or not lengths else lengths[0]


def size_in_bytes(batch: Any) -> int:
    """Count the bytes of a batch's tensors and arrays."""
    return sum(int(a.nbytes) for a in arrays(batch))


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
