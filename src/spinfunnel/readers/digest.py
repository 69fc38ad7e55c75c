"""A hash of what was read: for the report, and so that interrupted work is resumed only on the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from spinfunnel.readers.tensors import Weights


def digest(weights: Weights) -> str:
    """SHA-256, as hex, of the weight file; of the list of hashes and names when there are several files.

    For one file it is what `sha256sum` prints. For arrays in memory it covers names, types, shapes, values.
    """
    if len(weights.files) == 1:
        return _of_file(weights.files[0])
    whole = hashlib.sha256()
    for file in weights.files:
        whole.update(f"{_of_file(file)}  {Path(file).name}\n".encode())
    if not weights.files:
        for tensor in weights.tensors:
            whole.update(repr((tensor.name, tensor.dtype, tensor.shape, tensor.tied_to)).encode())
            if not tensor.tied_to and not tensor.skipped:
                whole.update(np.ascontiguousarray(tensor.load()).reshape(-1).view(np.uint8).data)
    return whole.hexdigest()


def _of_file(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
