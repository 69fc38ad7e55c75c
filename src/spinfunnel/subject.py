"""A trained model, or a system, and what it can supply to the instruments."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from spinfunnel import record
from spinfunnel.core import Array, BadInput, Effort, Row
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
from spinfunnel.task_file import aside, folder_of, guarded, is_task, load, written_in

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

#: Examples of the training data that are looked at, by effort; None, all of them.
EXAMPLES: dict[Effort, int | None] = {"quick": 1_024, "normal": 4_096, "full": None}
#: A second network is tried on so many examples; losses that differ by a smaller share are the same.
BESIDE, SAME = 256, 0.01


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained model and what it can supply, or a system, which has no weights.

    A task gives the first block of attributes, with what there is; `subject_of` adds the others.

    Attributes:
        model: a `torch.nn.Module`, trained; it is copied, and never changed.
        weights: a file of weights to put into it, or None; a relative path begins at the task file.
            Afterwards: every tensor, none loaded yet.
        losses: losses(model, batch) -> (n,), one for each example; or a pair with their weights (n,).
        errors: errors(model, batch) -> (n,), in [0, 1].
        train: the batches it was trained on: a list or a loader, which can be read again and again.
        search: batches that choices may be made on. certify: batches that nothing was ever chosen on.
        groups: names of parameters that belong together.
        build: build() -> an untrained model. train_fn: train_fn(seed) -> a model trained afresh.
        history: the folder of a `Recorder`; a relative path as in weights. Afterwards: what it recorded.
        parts: the matrices the weights hold, in the order of the network's depth.
        account: one row per tensor of the source: analysed, skipped (with its reason) or tied.
        system: something with an energy, or None; of a task, the loss over the training data.
        held_out: the loss over `search`, or None.
        other: flat weights (P,) of a second model of the same architecture, or None.
        native: a state of the system that is asked about, (*shape): its own, or one that was given; or None.
        parameters: what the system was asked for with: its parameters and its seed.
        doubts: what may make the loss another one than the user means.
        effort: how much work its instruments put in.
        origin: what `subject_of` makes it of in another process; None if it is only in this one's memory.
    """

    model: Any = None
    weights: Any = None
    losses: Callable[[Any, Any], Any] | None = None
    errors: Callable[[Any, Any], Any] | None = None
    train: Iterable[Any] | None = None
    search: Iterable[Any] | None = None
    certify: Iterable[Any] | None = None
    groups: Mapping[str, tuple[str, ...]] | None = None
    build: Callable[[], Any] | None = None
    train_fn: Callable[[int], Any] | None = None
    history: Any = None

    parts: tuple[Part, ...] = ()
    account: list[Row] = field(default_factory=list)
    system: Any = None
    held_out: NetworkLoss | None = None
    other: Array | None = None
    native: Array | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    effort: Effort = "normal"
    origin: tuple[Any, ...] | None = None

    @property
    def supplies(self) -> frozenset[str]:
        """The needs of instruments that this subject can meet."""
        system, loss = self.system, self.losses is not None
        met = {
            "weights": bool(self.parts),
            "system": system is not None and not loss,
            "loss": system is not None and loss,
            "moves": isinstance(system, Pairwise | Moves),
            "overlap": isinstance(system, Metric),
            "anneals": isinstance(system, Pairwise | Moves | Smooth) and not loss,
            "gradient": isinstance(system, Smooth),
            "couplings": isinstance(system, Pairwise | ManyBody | Chain),
            "native": self.native is not None,
            "build": self.build is not None,
            "train_fn": self.train_fn is not None,
            "other": self.other is not None,
            "history": self.history is not None,
        }
        return frozenset(need for need, there in met.items() if there)

    @property
    def digest(self) -> str:
        """A SHA-256, as hex, of the weights' bytes; of a system, of its name, numbers and native state.

        The numbers are its couplings, or what its moves must know, or else energies of random states.
        """
        if self.system is None or self.losses is not None:
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
            "notes": [*self.weights.notes, *self.doubts],
        }
        if self.losses is not None and self.system is not None:
            known["loss"] = {"examples": self.system.examples, "free weights": self.system.size}
        elif self.system is not None:
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
    other: Any = None,
    effort: Effort = "normal",
) -> Subject:
    """Make a subject of a path, a torch module, a mapping of arrays, one array, a system, or a subject.

    `slices` takes a convolution as one matrix per kernel position instead of unfolding it. `size` and `seed`
    are those of a system that `system:NAME` names. `native` is a state of the system, (*shape), or the path
    of a file that holds it; "none" hides the system's own. `other` is a second model, of a task's
    architecture, in any form that a first one may have. A path `FILE.py` or `FILE.py:name` is run; nothing
    else is ever executed.

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
    given, source = source, _loaded(source)
    if isinstance(source, Subject) and source.system is None and (source.losses or source is not given):
        for option, value in (("size", size), ("native", native)):
            if value is not None:
                raise BadInput(f"--{option} is for a system, and a task has its own: leave --{option} out")
        with aside(), threadpool_limits(1):
            source = _of_task(source, str(given) if source is not given else "", slices, seed, effort)
    if other is not None:
        return _compared(source, other)
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
    if isinstance(source, Subject) and (source.parts or source.system is not None):
        return source
    history = _history(source.history) if isinstance(source, Subject) else None
    if isinstance(source, Subject):
        source = source.model if source.weights is None else source.weights
    if isinstance(source, str | Path) and record.is_history(source):
        history = record.read(source)
        source = history.last
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
    return Subject(
        weights=weights, parts=tuple(laid_out.parts), account=laid_out.account, history=history, origin=origin
    )


def _history(given: Any) -> Any:
    return record.read(given) if isinstance(given, str | Path) else given


def _loaded(source: Any) -> Any:
    """Run a task file: the one kind of source that is executed. Anything else is given back.

    Its relative paths begin at the file, wherever it is called from.
    """
    if not isinstance(source, str | Path) or not is_task(source):
        return source
    task, folder = load(source, Subject), folder_of(source)

    def placed(path: Any) -> Any:
        return folder / path if isinstance(path, str | Path) else path

    return replace(task, weights=placed(task.weights), history=placed(task.history))


def _apart(function: Callable[..., Any] | None, what: str) -> Callable[..., Any] | None:
    """Let the user's function that makes a model draw and print aside; what it raises is told in a line."""
    if function is None:
        return None

    @wraps(function)
    def called(*seed: int) -> Any:
        with aside(*seed):
            model = guarded(lambda: function(*seed), written_in(function), what)
        if not _is_module(model):
            raise BadInput(f"{what} gave a {type(model).__name__}: it must give a torch.nn.Module")
        return model

    return called


def _of_task(task: Subject, path: str, slices: bool, seed: int, effort: Effort) -> Subject:
    """Look at a task before it is believed, and make an energy of its loss over some of its data."""
    from spinfunnel.preflight import check
    from spinfunnel.systems.network_loss import NetworkLoss
    from spinfunnel.systems.network_loss.modules import loaded, unwrapped

    model, losses, data = task.model, task.losses, task.train
    if model is None or losses is None or data is None:
        lacking = next(name for name in ("model", "losses", "train") if getattr(task, name) is None)
        raise BadInput(f"the task has no {lacking}: a landscape needs Subject(model=, losses=, train=)")
    task = replace(
        task,
        build=_apart(task.build, "build()"),
        train_fn=_apart(task.train_fn, "train_fn(seed)"),
        history=_history(task.history),
    )
    if task.weights is not None:
        read_in = read(task.weights)
        model = loaded(model, {tensor.name: tensor.load() for tensor in read_in.tensors}, str(task.weights))
    doubts = check(model, losses, task.errors, data, task.build)
    everything = NetworkLoss(model, losses, data, errors=task.errors, build=task.build)
    most = EXAMPLES[effort]
    system = everything if most is None else everything.few(most, seed)
    if system is not everything:
        some = f"the loss is over {system.examples:,} of {everything.examples:,} examples"
        doubts = (*doubts, f"{some}; --effort full takes all")
    plain = subject_of(unwrapped(model), slices=slices)
    return replace(
        task,
        model=model,
        weights=replace(plain.weights, source=path or plain.weights.source),
        parts=plain.parts,
        account=plain.account,
        system=system,
        held_out=None if task.search is None else system.over(task.search),
        native=system.native,
        doubts=(*doubts, *system.doubts),
        effort=effort,
    )


def _compared(subject: Any, other: Any) -> Subject:
    """Put a second model's weights beside those of a task."""
    if not isinstance(subject, Subject) or subject.losses is None:
        raise BadInput("two models are compared on data: give a task.py first, then the second model")
    other = _loaded(other)
    if isinstance(other, Subject):
        other = other.model if other.weights is None else other.weights
    tensors = (other if isinstance(other, Weights) else read(other)).tensors
    named = {one.name: one.load() for one in tensors}
    w = subject.system.flat(named)
    if doubt := _elsewhere(subject.system, named, w):
        return replace(subject, doubts=(*subject.doubts, doubt))
    return replace(subject, other=w)


def _elsewhere(system: NetworkLoss, named: Mapping[str, Array], w: Array) -> str:
    """Say why a second network is not compared, if free weights alone do not make it what it is."""
    from spinfunnel.networks.batch_statistics import renormalised
    from spinfunnel.systems.network_loss import NetworkLoss
    from spinfunnel.systems.network_loss.modules import loaded

    few = system.few(BESIDE, 0)
    try:
        second = NetworkLoss(loaded(few.module, named, "the second"), few.functions[0], few.batches)
    except BadInput:  # a file of free weights alone
        return ""
    with aside(), threadpool_limits(1):
        pairs = ((renormalised(second), second.native), (renormalised(few), w))
        own, here = (float(loss.energy(x[None])[0]) for loss, x in pairs)
    if abs(own - here) <= SAME * max(abs(own), abs(here)):
        return ""
    return (
        f"the second network was not compared: its loss is {own:.4g}, and {here:.4g} where what is no free "
        "weight, buffers and frozen parameters, is that of the first"
    )


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
    return Subject(weights=weights, system=system, native=state, parameters=parameters, origin=origin)


def _is_module(source: Any) -> bool:
    return any(kind.__module__.startswith("torch.nn") for kind in type(source).__mro__)
