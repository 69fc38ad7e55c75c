"""The random numbers of a user's code: its own, so that it draws the same each time, and others draw on.

Loaders that shuffle, data that are augmented and networks that are built take numbers from generators that
are global to the process: Python's, numpy's and torch's.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np


def _states() -> tuple[Any, ...]:
    """Give the states of all global generators; torch's only where it is in use."""
    found, torch = (random.getstate(), np.random.get_state()), sys.modules.get("torch")  # noqa: NPY002
    if torch is None:
        return found
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return (*found, torch.random.get_rng_state(), cuda)


def _put(states: tuple[Any, ...]) -> None:
    python, numpy, *others = states
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    if others:
        (cpu, cuda), torch = others, sys.modules["torch"]
        torch.random.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


@contextmanager
def drawn_apart(seed: int | None) -> Iterator[None]:
    """Draw what is drawn inside from `seed`, or as it comes; afterwards all generators are as they were.

    >>> with drawn_apart(3):
    ...     first = random.random(), np.random.random()
    >>> with drawn_apart(3):
    ...     first == (random.random(), np.random.random())
    True
    """
    if seed is not None:
        with suppress(ImportError):
            import torch
    before = _states()
    try:
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            if "torch" in sys.modules:
                torch.manual_seed(seed % 2**63)
        yield
    finally:
        _put(before)


def steadily(batches: Iterable[Any]) -> Iterator[Any]:
    """Read batches: in the same order whenever they are read, also where a loader shuffles or augments.

    >>> class Shuffled:
    ...     def __iter__(self):
    ...         return iter(np.random.permutation(1000).tolist())
    >>> list(Shuffled()) == list(Shuffled()), list(steadily(Shuffled())) == list(steadily(Shuffled()))
    (False, True)
    """
    end = object()
    with drawn_apart(0):
        iterator, mine = iter(batches), _states()
    while True:
        with drawn_apart(None):
            _put(mine)
            batch, mine = next(iterator, end), _states()
        if batch is end:
            return
        yield batch
