"""Readers: a weight file -> named tensors, lazily, and without running anything that is stored in it."""

from spinfunnel.readers.digest import digest
from spinfunnel.readers.source import read
from spinfunnel.readers.tensors import Tensor, Weights

__all__ = ["Tensor", "Weights", "digest", "read"]
