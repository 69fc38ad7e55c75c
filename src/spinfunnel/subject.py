"""A trained model, or a system, and what it can supply to the instruments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Row
from spinfunnel.matrices import Matrix
from spinfunnel.readers import digest, read
from spinfunnel.readers.configuration import read_configuration
from spinfunnel.readers.layout import Part, cut, layout
from spinfunnel.readers.tensors import Weights
from spinfunnel.systems import spelled
from spinfunnel.systems import system as named
from spinfunnel.systems.chains import Chain
from spinfunnel.systems.files import holds_couplings, read_couplings
from spinfunnel.systems.given import LOOK, look_at, state_of
from spinfunnel.systems.many_body import ManyBody
from spinfunnel.systems.protocols import Metric, Moves, Native, Pairwise, Planted, Smooth, System


@dataclass(frozen=True)
class Subject:
    """What the user pointed at: a trained model, or a system; a system has no weights.

    Attributes:
        weights: every tensor of the source, none loaded yet.
        parts: the matrices they hold, in the order of the network's depth.
        account: one row per tensor of the source: analysed, skipped (with its reason) or tied.
        system: something with an energy, or None.
        native: a state of the system that is asked about, (*shape): its own, or one that was given; or None.
        parameters: what the system was asked for with: its parameters and its seed.
        origin: what `subject_of` makes it of in another process; None if it is only in this one's memory.
    """

    weights: Weights
    parts: tuple[Part, ...] = ()
    account: list[Row] = field(default_factory=list)
    system: System | None = None
    native: Array | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    origin: tuple[Any, ...] | None = None

    @property
    def supplies(self) -> frozenset[str]:
        """The needs of instruments that this subject can meet."""
        system = self.system
        met = {
            "weights": bool(self.parts),
            "system": system is not None,
            "moves": isinstance(system, Pairwise | Moves),
            "overlap": isinstance(system, Metric),
            "anneals": isinstance(system, Pairwise | Moves | Smooth),
            "gradient": isinstance(system, Smooth),
            "couplings": isinstance(system, Pairwise | ManyBody | Chain),
            "native": self.native is not None,
        }
        return frozenset(need for need, there in met.items() if there)

    @property
    def digest(self) -> str:
        """A SHA-256, as hex, of the weights' bytes; of a system, of its name, numbers and native state.

        The numbers are its couplings, or what its moves must know, or else energies of random states.
        """
        if self.system is None:
            return digest(self.weights)
        system, hashed = self.system, hashlib.sha256()
        told = (system.name, system.convention, system.shape, sorted(self.parameters.items()))
        hashed.update(repr((*told, self.native is None)).encode())
        if isinstance(system, Pairwise):
            arrays: tuple[Any, ...] = (system.indptr, system.indices, system.couplings, system.fields)
        else:
            arrays = system.data if isinstance(system, Moves) else (system.energy(system.random(LOOK, 0)),)
        for array in (*arrays, *([] if self.native is None else [self.native])):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Give what a report says of its subject before anything is measured."""
        known: dict[str, Any] = {
            "source": self.weights.source,
            "format": self.weights.format,
            "parameters": self.weights.parameters,
            "matrices": len(self.parts),
            "digest": self.digest,
            "notes": list(self.weights.notes),
        }
        if self.system is not None:
            known["system"] = {"name": self.system.name, "N": self.system.size, **self.parameters}
        return known

    def load(self, part: Part) -> Matrix:
        """Read one matrix now.

        Raises:
            BadInput: if its tensor cannot be read after all.
        """
        tensor = self.weights[part.name]
        return Matrix(part, cut(part, tensor.load()), tensor.dtype)


def subject_of(
    source: Any,
    *,
    slices: bool = False,
    size: int | None = None,
    seed: int = 0,
    native: Array | Path | str | None = None,
) -> Subject:
    """Make a subject of a path, a torch module, a mapping of arrays, one array, a system, or a subject.

    `slices` takes a convolution as one matrix per kernel position instead of unfolding it. `size` and `seed`
    are those of a system that `system:NAME` names. `native` is a state of the system, (*shape), or the path
    of a file that holds it; "none" hides the system's own.

    Raises:
        BadInput: if the source cannot be read, or is none of these; if a size is given to what has its own,
            or a native state that the system cannot be in; or if a system is not what it must be.

    >>> import numpy as np
    >>> subject = subject_of({"head.weight": np.eye(8, 16), "head.bias": np.zeros(8)})
    >>> [part.row_name for part in subject.parts], subject.account[1]["status"]
    (['head.weight'], 'skipped')
    >>> sorted(subject_of("system:sk", size=16).supplies)
    ['anneals', 'couplings', 'moves', 'overlap', 'system']
    >>> subject_of("system:sk", size=16, native=np.ones(16)).supplies >= {"native"}
    True
    """
    if isinstance(source, str) and source.startswith("system:"):
        _, size, parameters = spelled(source, size)
        made = named(source, size, seed)
        return _of_system(source, made, parameters | {"seed": seed}, (source, size, seed), native)
    if size is not None:
        raise BadInput(f"--size is for system:NAME, and {source!s:.80} has its own: leave --size out")
    if isinstance(source, str | Path) and holds_couplings(source):
        path = str(Path(source).absolute())
        return _of_system(str(source), read_couplings(source), {}, (path, None, seed), native)
    if isinstance(source, System):
        look_at(source)
        return _of_system(source.name, source, {}, None, native)
    if isinstance(source, Subject) and source.system is not None and native is not None:
        origin = None if source.origin is None else source.origin[:3]
        return _of_system(source.weights.source, source.system, source.parameters, origin, native)
    if native is not None:
        raise BadInput(f"--native is a state of a system, and {source!s:.80} is a model: leave --native out")
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
            "give a path, a torch.nn.Module, a mapping of arrays, an array, or a system"
        )
    weights = read(source)
    laid_out = layout(weights, slices=slices)
    origin = None if weights.path is None else (weights.path,)
    return Subject(weights, tuple(laid_out.parts), laid_out.account, origin=origin)


def _of_system(
    source: str,
    system: System,
    parameters: Mapping[str, object],
    origin: tuple[Any, ...] | None,
    native: Array | Path | str | None,
) -> Subject:
    """Say whose native state is used. One given as an array is in this process's memory only."""
    state, whose = None, "none; --native FILE gives one"
    if isinstance(native, str) and native == "none":
        whose = "hidden by --native none" if isinstance(system, Native) else "none"
        origin = origin and (*origin, native)
    elif isinstance(native, str | Path):
        state, whose = state_of(system, read_configuration(native), str(native)), f"given in {native}"
        origin = origin and (*origin, str(Path(native).absolute()))
    elif native is not None:
        state, whose, origin = state_of(system, native, "the native state"), "given", None
    elif isinstance(system, Native):
        certified = f"planted, the lowest: {system.certificate}" if isinstance(system, Planted) else ""
        state, whose = system.native, certified or "the system's own"
    if state is not None:
        whose += f"; its energy is {float(system.energy(state[None])[0]):.10g}"
    notes = (f"{system.convention}; k_B = 1", f"native state: {whose}")
    weights = Weights(source, "system", (), notes=notes)
    return Subject(weights, system=system, native=state, parameters=parameters, origin=origin)


def _is_module(source: Any) -> bool:
    return any(kind.__module__.startswith("torch.nn") for kind in type(source).__mro__)
