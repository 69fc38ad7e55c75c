"""A trained model, and what it can supply to the instruments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinfunnel.core import BadInput, Row
from spinfunnel.matrices import Matrix
from spinfunnel.readers import read
from spinfunnel.readers.layout import Part, cut, layout
from spinfunnel.readers.tensors import Weights


@dataclass(frozen=True)
class Subject:
    """What the user pointed at.

    Attributes:
        weights: every tensor of the source, none loaded yet.
        parts: the matrices they hold, in the order of the network's depth.
        account: one row per tensor of the source: analysed, skipped (with its reason) or tied.
    """

    weights: Weights
    parts: tuple[Part, ...]
    account: list[Row]

    @property
    def supplies(self) -> frozenset[str]:
        """The needs of instruments that this subject can meet."""
        return frozenset({"weights"}) if self.parts else frozenset()

    def load(self, part: Part) -> Matrix:
        """Read one matrix now.

        Raises:
            BadInput: if its tensor cannot be read after all.
        """
        tensor = self.weights[part.name]
        return Matrix(part, cut(part, tensor.load()), tensor.dtype)


def subject_of(source: Any, *, slices: bool = False) -> Subject:
    """Make a subject of a path, a torch module, a mapping of arrays, one array, or a subject.

    `slices` takes a convolution as one matrix per kernel position instead of unfolding it.

    Raises:
        BadInput: if the source cannot be read, or is none of these.

    >>> import numpy as np
    >>> subject = subject_of({"head.weight": np.eye(8, 16), "head.bias": np.zeros(8)})
    >>> [part.row_name for part in subject.parts], subject.account[1]["status"]
    (['head.weight'], 'skipped')
    """
    if isinstance(source, Subject):
        return source
    if hasattr(source, "__array__") and not isinstance(source, type):  # of numpy, PyTorch, JAX or pandas
        if len(source.shape) < 2:
            shape = tuple(source.shape)
            raise BadInput(f"an array of shape {shape} has no spectrum: give a matrix, or a mapping")
        source = {"W": source}
    if not isinstance(source, str | Path | Mapping) and not _is_module(source):
        raise BadInput(
            f"cannot diagnose an object of type {type(source).__name__}: "
            "give a path, a torch.nn.Module, a mapping of arrays, or an array"
        )
    weights = read(source)
    laid_out = layout(weights, slices=slices)
    return Subject(weights, tuple(laid_out.parts), laid_out.account)


def _is_module(source: Any) -> bool:
    return any(kind.__module__.startswith("torch.nn") for kind in type(source).__mro__)
