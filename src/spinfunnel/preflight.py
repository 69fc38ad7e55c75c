"""What must hold before a network's loss is an energy, checked on its first examples before any long work.

An energy depends on the weights alone, and is a mean over examples that do not know of each other. Dropout,
batch statistics, a scalar loss or data of another shape break this; each is refused in one line. What may be
meant so, such as weights that were never trained, is a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, SpinfunnelError, seeds
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.network_loss.batches import arrays, rows_of, taken
from spinfunnel.systems.network_loss.drawing import steadily
from spinfunnel.systems.network_loss.modules import plain_form
from spinfunnel.task_file import guarded, told, written_in

#: So many examples are looked at, in the first few batches; data of fewer are a doubt.
LOOK = 64
#: Two evaluations may differ by this share of the largest loss (sums in another order, on a GPU).
SAME = 1e-4
#: Losses of a batch and of its halves may differ by this share of the largest, and by so many times what
#: a change of every weight in its last digit makes of them.
ALIKE, ROUNDINGS = 1e-3, 100
#: Untrained weights have a lower loss than as many copies with shuffled entries once in `SHUFFLES + 1` times.
SHUFFLES = 19
#: To see whether a model follows its weights, all are moved by this share.
MOVED = 0.01


def check(
    model: Any,
    losses: Callable[[Any, Any], Any] | None,
    errors: Callable[[Any, Any], Any] | None,
    batches: Iterable[Any] | None,
    build: Callable[[], Any] | None = None,
) -> tuple[str, ...]:
    """Look at a model, its losses and its data, and give the doubts; the model itself is not touched.

    What `NetworkLoss` says by itself (half precision, frozen parameters) is not said again.

    Raises:
        BadInput: if the losses cannot be an energy: of the wrong shape, not finite, random, not of single
            examples, without a gradient; or if the model, the data or the errors do not fit them.

    >>> import torch
    >>> x, model = torch.linspace(-1, 1, 80)[:, None], torch.nn.Linear(1, 1)
    >>> data = [(x, torch.zeros(80, 1))]
    >>> check(model, lambda model, batch: ((model(batch[0]) - batch[1]) ** 2).mean(), None, data)
    Traceback (most recent call last):
    spinfunnel.core.BadInput: losses gave one number for a batch of 80: one loss an example is needed, of \
shape (80,); use reduction="none"
    """
    if not callable(losses):
        raise BadInput("the task has no losses: give Subject(losses=...), losses(model, batch) -> (n,)")
    if not any(kind.__module__.startswith("torch.nn") for kind in type(model).__mro__):
        raise BadInput(f"model is of type {type(model).__name__}: it must be a torch.nn.Module")
    path = written_in(losses)
    first, all_of_them = guarded(lambda: _first(batches), path, "reading train")
    system = NetworkLoss(model, losses, first, errors=errors, build=build)
    if build is not None:
        guarded(lambda: system.random(1, 0), path, "build()")
    calls = _Calls(system, losses, errors, path)
    doubts = calls.gradient()
    values = calls.losses()
    doubts += calls.repeated(values)
    calls.twice()
    doubts += calls.halved(values)
    if errors is not None:
        doubts += calls.errors(values)
    doubts += _untrained(system)
    if system.native.dtype == np.float64:
        doubts.append("the model is in float64, which takes about twice as long as float32")
    if all_of_them and len(values) < LOOK:
        doubts.append(f"there are only {len(values)} examples: what is measured says little of any others")
    return tuple(doubts)


def _first(batches: Any) -> tuple[list[Any], bool]:
    """Give the first batches, and whether there are no others; each is read anew."""
    if batches is None:
        raise BadInput("the task has no data: give Subject(train=...), a list of batches or a DataLoader")
    if not hasattr(batches, "__iter__"):
        how = ", which loads batches of its examples" * hasattr(batches, "__getitem__")
        raise BadInput(
            f"train is of type {type(batches).__name__}: give a list of batches or a DataLoader{how}"
        )
    if hasattr(batches, "shape") or (
        isinstance(batches, tuple) and all(hasattr(a, "shape") for a in batches)
    ):
        made = "one array" if hasattr(batches, "shape") else "a tuple of arrays"
        raise BadInput(f"train is {made}, whose parts would be taken for batches: put it in a list, [train]")
    if isinstance(batches, Iterator):
        raise BadInput(
            f"train is a {type(batches).__name__} and can be read only once: give a list or a DataLoader"
        )
    kept, seen = list[Any](), 0
    for batch in steadily(batches):
        if seen >= LOOK:
            return kept, False
        kept.append(batch)
        seen += _length(batch) or 1
    if not kept:
        raise BadInput("train holds no batch: give a list of batches, or a DataLoader, that is not empty")
    if not list(islice(steadily(batches), 1)):
        raise BadInput("train is empty when it is read a second time: give a list or a DataLoader")
    return kept, True


def _length(batch: Any) -> int | None:
    """Count the examples of a batch: the length of its first array; None if it has none."""
    return next((int(a.shape[0]) for a in arrays(batch) if len(a.shape)), None)


def _described(batch: Any) -> str:
    """Say what a batch is made of.

    >>> _described({"x": np.zeros((2, 3)), "y": np.zeros(2, int)})
    'a dict of (2, 3) float64 and (2,) int64'
    """
    parts = [f"{tuple(a.shape)} {str(a.dtype).removeprefix('torch.')}" for a in arrays(batch)[:6]]
    return f"a {type(batch).__name__} of {' and '.join(parts) or 'no tensors'}"


def _flatter(shape: Sequence[int]) -> str:
    """Say how losses of a shape become (n,)."""
    if len(shape) == 2 and shape[1] == 1:
        return "leave out the last axis, [:, 0]"
    if len(shape) == 2 and shape[0] == shape[1]:
        return "it seems that (n, 1) met (n,), which makes every pair of examples: leave out the last axis"
    return "take the mean over what belongs to one example, or flatten them (and give weights beside them)"


def _hint(message: str) -> str:
    """Say what to do about what torch says of a batch."""
    if "numpy.ndarray" in message:
        return "the batch holds arrays of numpy: make tensors of them in losses, torch.as_tensor"
    if "same dtype" in message or "expected scalar type" in message:
        return "bring the batch to the dtype of the model, next(model.parameters()).dtype"
    return "do the data fit the model?"


class _Calls:
    """The user's functions, called on a private copy of the model and the first batches."""

    def __init__(self, system: NetworkLoss, losses: Any, errors: Any, path: Path | None) -> None:
        self.system, self.path = system, path
        self.module, self.batches = system.module, list(system.batches)
        self.functions = {"losses": losses, "errors": errors}

    def called(self, name: str, batch: Any) -> Any:
        """Call one of the functions; what goes wrong is told with the batch and the line."""
        try:
            with plain_form():
                return self.functions[name](self.module, batch)
        except SpinfunnelError:
            raise
        except Exception as error:
            what = told(error, self.path, "")
            raise BadInput(f"{name} failed on {_described(batch)}: {what}; {_hint(what)}") from error

    def pair(self, batch: Any) -> tuple[Any, Any]:
        """Give the losses (n,) and weights (n,) of a batch, as tensors, once their form is right."""
        import torch

        found = self.called("losses", batch)
        values, weights = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if not isinstance(values, torch.Tensor):
            raise BadInput(
                f"losses gave a {type(values).__name__}: it must give a tensor, one loss an example"
            )
        examples = _length(batch)
        if values.ndim == 0:
            single = any(len(a.shape) == 0 for a in arrays(batch))
            raise BadInput(
                f"losses gave one number for a batch of {examples}: one loss an example is needed, of shape "
                f'({examples},); use reduction="none"'
                + f"; or is {_described(batch)} one example? train must hold batches"
                * single
            )
        if values.ndim != 1:
            raise BadInput(
                f"losses are of shape {tuple(values.shape)}, and (n,) is needed: {_flatter(values.shape)}"
            )
        if weights is None:
            return values, torch.ones_like(values)
        if not isinstance(weights, torch.Tensor) or weights.shape != values.shape:
            shape = tuple(getattr(weights, "shape", ())) or type(weights).__name__
            raise BadInput(
                f"losses are of shape {tuple(values.shape)}, their weights {shape}: make them alike"
            )
        if not bool((weights >= 0).all()) or not bool(weights.sum() > 0):
            raise BadInput("the weights of losses must not be negative, and not all zero")
        return values, weights

    def losses(self) -> Array:
        """Give the losses (n,) of all batches."""
        with self.system.still():
            values = np.concatenate([_numpy(self.pair(batch)[0]) for batch in self.batches])
        if bad := int(np.sum(~np.isfinite(values))):
            raise BadInput(
                f"{bad} of the first {len(values)} losses are not finite at these weights, such as "
                f"{values[~np.isfinite(values)][0]}: train again, or mend the losses"
            )
        return values

    def gradient(self) -> list[str]:
        """Refuse losses that do not depend on the weights."""
        import torch

        named = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            values, _ = self.pair(self.batches[0])
        mend = "compute them with the model that is handed to losses, not under no_grad and not detached"
        if not values.requires_grad:
            raise BadInput(f"the losses do not depend on the weights: {mend}")
        slopes = torch.autograd.grad(
            values.double().sum(), list(named.values()), allow_unused=True, create_graph=True
        )
        unused = [name for name, slope in zip(named, slopes, strict=True) if slope is None]
        if len(unused) == len(named):
            raise BadInput(f"the losses depend on none of the weights that are free: {mend}")
        doubts = []
        if unused:
            count = sum(named[name].numel() for name in unused)
            doubts.append(f"{count:,} parameters have no part in the losses ({_listed(unused)})")
        if not any(bool(slope.any()) for slope in slopes if slope is not None):
            doubts.append("the gradient is exactly zero on the first batch: the losses may be saturated")
        if low := self.watched()[1]:
            doubts.append(f"losses are computed in half precision ({_listed(low)}): leave out autocast")
        return doubts

    def twice(self) -> None:
        """Refuse losses with no second derivative, and models that other weights cannot be put into."""
        system = self.system.over(self.batches[:1])
        try:
            system.hessian() @ system.native
        except Exception as error:
            what = told(error, self.path, "").rstrip(".")
            raise BadInput(
                f"the losses cannot be differentiated twice: {what}; use operations that "
                "can, or look at the weights alone: save them to a file, and diagnose that"
            ) from error
        moved = system.native * (1 + MOVED)
        with plain_form(), system.still():
            with system.put(moved):
                inside = _numpy(self.pair(self.batches[0])[0])
            handed = _numpy(system._values(system._parameters(system._tensor(moved)), self.batches[0])[0])
        if not np.allclose(inside, handed, ALIKE, ALIKE * np.abs(inside).max(), equal_nan=True):
            raise BadInput(
                "the losses do not follow weights that are handed to the model: it reads them from somewhere "
                "else, such as a list; let forward read them from the modules that own them"
            )

    def repeated(self, values: Array) -> list[str]:
        """Refuse losses that differ when they are computed again; doubt what calls change in the model."""
        import torch

        before = {name: value.clone() for name, value in self.module.named_buffers()}
        apart = float(np.abs(self.losses() - values).max())
        changed = [
            name
            for name, value in self.module.named_buffers()
            if value.is_floating_point() and not torch.equal(value, before.get(name, value))
        ]
        if apart > SAME * float(np.abs(values).max()):
            drawn = self.watched()[0]
            if changed and not drawn:
                raise BadInput(
                    f"the losses change with every call, by up to {apart:.3g}, as forward writes to "
                    f"{_listed(changed)}: let it do so in training only, `if self.training:`"
                )
            said = f" ({_listed(drawn)})" if drawn else ""
            raise BadInput(
                f"the losses are random: computed twice, they differ by up to {apart:.3g}{said}; leave the "
                "model in eval mode, and draw nothing in losses"
            )
        if changed:
            return [f"each call changes {_listed(changed)} in the model: if losses depend on it, they drift"]
        return []

    def watched(self) -> tuple[list[str], list[str]]:
        """Name what draws random numbers in the losses, what gives half precision, and in which modules."""
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        inside, drawn, low = ["losses"], list[str](), list[str]()

        class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                out, named = func(*args, **(kwargs or {})), f"{func.overloadpacket.__name__} in {inside[-1]}"
                if torch.Tag.nondeterministic_seeded in func.tags:
                    drawn.append(named)
                if getattr(out, "dtype", None) in (torch.float16, torch.bfloat16):
                    low.append(named)
                return out

        hooks = []
        for name, module in self.module.named_modules():
            named = name or type(module).__name__
            hooks.append(module.register_forward_pre_hook(lambda *_, named=named: inside.append(named)))
            hooks.append(module.register_forward_hook(lambda *_: inside.pop() and None))
        with self.system.still(), Watch():  # type: ignore[no-untyped-call]
            self.called("losses", self.batches[0])
        for hook in hooks:
            hook.remove()
        return list(dict.fromkeys(drawn)), list(dict.fromkeys(low))

    def halved(self, values: Array) -> list[str]:
        """Refuse losses that are others when the batch is cut in two; rounding is measured, and forgiven."""
        batch = self.batches[0]
        unchecked = "whether examples of a batch influence each other could not be checked: "
        with self.system.still():
            whole = _numpy(self.pair(batch)[0])
            rows = rows_of(batch, len(whole))
            if rows == 1:
                return []
            if not arrays(batch):
                return [f"{unchecked}the batch, {_described(batch)}, cannot be cut in two"]
            cuts = np.array_split(np.arange(rows), 2)
            try:
                halves = np.concatenate([_numpy(self.pair(taken(batch, cut, rows))[0]) for cut in cuts])
            except Exception:  # also where a tensor of another layout cannot be indexed
                return [f"{unchecked}half of {_described(batch)} fails"]
        if len(halves) != len(whole):
            return [f"{unchecked}the batch has {len(whole)} losses, and its halves {len(halves)}"]
        apart = float(np.abs(np.sort(halves) - np.sort(whole)).max())  # tokens may come in another order
        if apart <= ALIKE * float(np.abs(values).max()) + ROUNDINGS * self.rounding(values):
            return []
        norms = {
            name or type(module).__name__: module
            for name, module in self.module.named_modules()
            if "BatchNorm" in type(module).__name__
        }
        training = [name for name, module in norms.items() if module.training]
        forgetful = [name for name, module in norms.items() if getattr(module, "running_mean", None) is None]
        if not training and not forgetful and any(a.shape[:1] not in ((), (rows,)) for a in arrays(batch)):
            return [f"{unchecked}half of {_described(batch)} has losses that differ by up to {apart:.3g}"]
        said = f" ({_listed(training)} in train mode)" if training else ""
        said = said or (f" ({_listed(forgetful)} without running statistics)" if forgetful else "")
        raise BadInput(
            f"the losses depend on the batch: cut in two, the first batch has losses that differ by up to "
            f"{apart:.3g}{said}; leave the model in eval mode, divide by no batch size, and where examples "
            "are compared with each other, let a batch be one example: one loss, of shape (1,)"
        )

    def rounding(self, values: Array) -> float:
        """Say how far the losses move when every weight is changed in its last digit."""
        signs = np.random.default_rng(seeds(0, "rounding")).choice([-1, 1], self.system.size)
        with self.system.put(self.system.native * (1 + np.finfo(self.system.dtype).eps * signs)):
            return float(np.abs(self.losses() - values).max())

    def errors(self, values: Array) -> list[str]:
        """Refuse errors that are none, and doubt those that seem to be their opposite."""
        found = []
        with self.system.still():
            for batch in self.batches:
                wrong, count = self.called("errors", batch), len(self.pair(batch)[0])
                if tuple(getattr(wrong, "shape", ())) != (count,):
                    shape = tuple(getattr(wrong, "shape", ())) or type(wrong).__name__
                    raise BadInput(
                        f"errors are of shape {shape}, and as many as losses are needed: ({count},)"
                    )
                found.append(_numpy(wrong))
        all_errors = np.concatenate(found)
        if not np.all((all_errors >= 0) & (all_errors <= 1)):
            outside = all_errors[~((all_errors >= 0) & (all_errors <= 1))][0]
            raise BadInput(f"an error is {outside:.4g}: it must lie in [0, 1], 0 for right and 1 for wrong")
        right, wrong = values[all_errors < 0.5], values[all_errors >= 0.5]
        if len(right) and len(wrong) and wrong.mean() < right.mean():
            return ["what counts as an error has the lower losses: does errors give 1 for what is right?"]
        return []


def _untrained(system: NetworkLoss) -> list[str]:
    """Doubt weights that do no better than the same numbers in another order, tensor by tensor.

    Fresh weights are drawn independently, so that all orders are equally likely: they are told from trained
    ones at a false rate of 1 / (SHUFFLES + 1).
    """
    few = system.few(LOOK, 0)
    x = np.tile(few.native, (SHUFFLES + 1, 1))
    for i in range(SHUFFLES):
        rng = np.random.default_rng(seeds(0, "shuffled", i))
        for block in few.blocks:
            x[i, block.start : block.stop] = rng.permutation(x[i, block.start : block.stop])
    energies = few.energy(x)
    lowest, own = float(np.nan_to_num(energies[:-1], nan=np.inf).min()), float(energies[-1])
    if own < lowest:
        return []
    return [
        f"the model seems untrained: its loss, {own:.4g}, is no lower than that of the same weights shuffled "
        f"in each tensor (lowest of {SHUFFLES}: {lowest:.4g})"
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _numpy(tensor: Any) -> Array:
    return np.asarray(tensor.detach().double().cpu().numpy())
