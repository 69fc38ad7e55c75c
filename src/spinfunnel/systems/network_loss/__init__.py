"""A network's loss over fixed examples, as a function of its weights: an energy like any other.

This package is the one place among the systems that needs torch. Everything random in a model is off: it is
evaluated in eval mode, on a private copy, so that the user's own module is never touched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any
from weakref import WeakSet

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.systems.network_loss.batches import held, mapped, rows_of, size_in_bytes, taken
from spinfunnel.systems.network_loss.cost import counted, seconds_of_gradient
from spinfunnel.systems.network_loss.drawing import drawn_apart
from spinfunnel.systems.network_loss.memory import available
from spinfunnel.systems.network_loss.modules import (
    blocks_of,
    matched,
    plain_form,
    private,
    still,
)
from spinfunnel.systems.network_loss.products import KINDS, Products
from spinfunnel.systems.protocols import Metric, Native, Smooth

#: Of the memory that is free, data and kept graphs may take this share each.
SHARE = 0.25
#: Replicas go through one vectorised pass, at most so many at a time, where a batch takes fewer floating
#: point operations than this: there, calling costs more than computing (measured: .9 to 3 times as fast,
#: mostly 1.5; above that, .4 to 1.8).
TOGETHER, CALLING = 16, 15_000_000
#: They may take so many bytes.
REPLICAS = 250_000_000
#: While a product is made, its batch takes this much of what its graph does (measured: 1.2).
BESIDE = 1.5
#: Whoever multiplies with second derivatives makes so much of it that it takes at least so many gradients.
GRADIENTS = 100
#: Losses of a batch and of its halves may differ by this share of the largest.
ALIKE = 1e-3
#: Where time is short, a loss is looked at on no fewer examples than these.
LEAST = 64


class NetworkLoss(Smooth, Metric, Native):
    """E(w), the weighted mean of a network's losses over n examples, of its weights w (P,).

    Args:
        model: a `torch.nn.Module`, trained. Frozen parameters stay as they are and are no part of w; shared
            ones are counted once. The padding row of an embedding is held still by torch: its slope is zero.
        losses: losses(model, batch) -> (n,), or a pair of losses and weights, both (n,).
        batches: an iterable of batches that can be read more than once.
        errors: errors(model, batch) -> (n,) in [0, 1], or None.
        build: build() -> a fresh, untrained model, or None.
        dtype: "float32" or "float64"; None, the model's own, and float32 for half precision.
        device: where to compute; None, where the model is.
        memory: bytes that data, and kept graphs, may each take; None, a quarter of what is free.

    Raises:
        BadInput: if the model cannot be copied or has no free parameter, or the data hold no batch.

    >>> import torch
    >>> x, y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(6)
    >>> loss = NetworkLoss(torch.nn.Linear(3, 1), lambda model, b: (model(b[0])[:, 0] - b[1]) ** 2, [(x, y)])
    >>> loss.size, [block.name for block in loss.blocks], loss.examples
    (4, ['weight', 'bias'], 6)
    >>> bool(np.allclose(loss.hessian() @ np.eye(4, dtype="f")[3], 2 * np.r_[x.mean(0), 1], atol=1e-6))
    True
    """

    name = "network"
    convention = "E(w) = weighted mean of the losses over the examples, in eval mode; k_B = 1"

    def __init__(
        self,
        model: Any,
        losses: Callable[[Any, Any], Any],
        batches: Iterable[Any],
        *,
        errors: Callable[[Any, Any], Any] | None = None,
        build: Callable[[], Any] | None = None,
        dtype: str | None = None,
        device: Any = None,
        memory: int | None = None,
    ) -> None:
        """Copy the model, keep the data, and count the examples."""
        self.module, self.doubts = private(model, dtype, device)
        self.blocks = blocks_of(self.module)
        if not self.blocks:
            there = "all parameters of the model are frozen" if len([*self.module.parameters()]) else ""
            raise BadInput(f"{there or 'the model has no parameters'}: let some require gradients")
        named = dict(self.module.named_parameters())
        first = named[self.blocks[0].name]
        self.device, self.torch_dtype = first.device, first.dtype
        self.dtype = np.dtype(str(first.dtype).removeprefix("torch."))
        self.native = self.flat({b.name: named[b.name].detach().cpu().numpy() for b in self.blocks})
        self.functions = (losses, errors)
        self.build = build
        self.memory = memory or int(SHARE * available())
        self._kept_bytes: dict[str, tuple[int, int]] = {}
        self.keeping = WeakSet[Products]()  # the one that keeps graphs, of this loss or over other data
        self.follows = {p.dtype for p in model.parameters() if p.is_floating_point()} != {self.torch_dtype}
        self.batches, self.in_memory = held(batches, self._held, self.memory)

    @property
    def size(self) -> int:
        """P, the number of free weights."""
        return self.blocks[-1].stop

    @property
    def trained(self) -> Array:
        """The weights (P,) the model came with."""
        return self.native

    def _held(self, batch: Any) -> Any:
        """Bring a batch to the device; where the model's precision was changed, its inputs follow."""

        def tensor(value: Any) -> Any:
            if not hasattr(value, "to"):
                return value
            follows = value.dtype.is_floating_point and self.follows
            return value.to(device=self.device, dtype=self.torch_dtype if follows else value.dtype)

        return mapped(batch, tensor)

    # -- the data ------------------------------------------------------------------------------------------

    def over(self, batches: Iterable[Any]) -> NetworkLoss:
        """Give the same model's loss over other data."""
        other = copy.copy(self)
        for cached in ("_per_example", "total_weight", "seconds", "vectorised", "together", "divisible"):
            other.__dict__.pop(cached, None)
        other._kept_bytes = {}
        other.batches, other.in_memory = held(batches, self._held, self.memory)
        return other

    def few(self, examples: int, seed: int) -> NetworkLoss:
        """Give the same loss on some of the examples, drawn without repetition, the same for one seed.

        Where losses are given per token, whole sequences are drawn, of about so many tokens together; and
        whole batches, where these cannot be cut.
        """
        if examples >= self.examples:
            return self
        rows = [1] * len(self.counts)
        if self.divisible:
            rows = [rows_of(batch, count) for batch, count in zip(self.batches, self.counts, strict=True)]
        chosen = np.zeros(sum(rows), dtype=bool)
        rng = np.random.default_rng(seeds(seed, "few"))
        share = max(1, round(len(chosen) * examples / self.examples))
        chosen[rng.choice(len(chosen), share, replace=False)] = True
        parts, at = [], 0
        for batch, length in zip(self.batches, rows, strict=True):
            mine = np.flatnonzero(chosen[at : at + length])
            at += length
            if len(mine):
                parts.append(taken(batch, mine, length) if self.divisible else batch)
        return self.over(parts)

    @cached_property
    def divisible(self) -> bool:
        """Whether batches can be cut: halves of the first that has two rows have the losses of the whole.

        Those of graphs, whose nodes are counted otherwise than their examples, cannot; nor can those whose
        examples are compared with each other.
        """
        pairs = zip(self.batches, self.counts, strict=True)
        cuttable = ((one, rows) for one, count in pairs if (rows := rows_of(one, count)) > 1)
        batch, rows = next(cuttable, (None, 1))
        if rows == 1:
            return True
        try:
            halves = [taken(batch, half, rows) for half in np.array_split(np.arange(rows), 2)]
            with plain_form(), self.still():
                whole, *parts = (self._values(None, one)[0].detach().cpu() for one in (batch, *halves))
        except Exception:  # as the user's code may raise on what it was not written for
            return False
        here, there = np.sort(np.asarray(whole)), np.sort(np.concatenate(parts))
        close = len(here) == len(there) and np.allclose(here, there, ALIKE, ALIKE * np.abs(here).max())
        return bool(close)

    def within(self, seconds: float, gradients: float, seed: int) -> NetworkLoss:
        """Give the same loss on as many examples as let so many gradients take so many CPU seconds.

        On all of them, or else on a power of two: at least 64, even where that takes longer.
        """
        few, examples = self, self.examples
        while few.seconds * gradients > seconds and examples > LEAST:
            examples = max(LEAST, 1 << ((examples - 1).bit_length() - 1))
            few = self.few(examples, seed)
        return few

    @cached_property
    def _per_example(self) -> tuple[Array, Array, list[int]]:
        """Losses, weights, and how many examples each batch has, at the trained weights."""
        losses, weights, counts = [], [], []
        with plain_form(), self.still():
            for batch in self.batches:
                values, shares = self._values(None, batch)
                losses.append(values.detach().double().cpu().numpy())
                weights.append(shares.double().cpu().numpy())
                counts.append(len(values))
        return np.concatenate(losses), np.concatenate(weights), counts

    @property
    def counts(self) -> list[int]:
        """How many examples each batch holds."""
        return self._per_example[2]

    @property
    def examples(self) -> int:
        """The number n of examples, or of tokens where losses are given per token."""
        return len(self._per_example[0])

    @property
    def weights_of_examples(self) -> Array:
        """The weights (n,) of the examples in the mean."""
        return self._per_example[1]

    @cached_property
    def total_weight(self) -> float:
        """What the weights of all examples add up to."""
        return float(self._per_example[1].sum())

    # -- the energy and its derivatives --------------------------------------------------------------------

    def energy(self, x: Array) -> Array:
        """Give the losses (batch,) at the weights x (batch, P); what is not finite stays so."""
        return self._over_replicas(x, gradients=False)[0]

    def gradient(self, x: Array) -> Array:
        """Give the gradients (batch, P)."""
        return self._over_replicas(x, gradients=True)[1]

    def energy_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Give both from one pass."""
        return self._over_replicas(x, gradients=True)

    def hvp(self, x: Array, v: Array) -> Array:
        """Give the Hessians at x times the vectors v, both (batch, P); at one point, `hessian` is quicker."""
        return np.stack([self.hessian(w) @ u for w, u in zip(x, v, strict=True)])

    def losses_at(self, w: Array) -> Array:
        """Give the losses (n,) of the examples at the weights w (P,)."""
        return self._each(self.functions[0], w)

    def errors_at(self, w: Array) -> Array | None:
        """Give the errors (n,) of the examples at the weights w (P,); None if the user stated none."""
        return None if self.functions[1] is None else self._each(self.functions[1], w)

    def _each(self, function: Callable[[Any, Any], Any], w: Array) -> Array:
        with plain_form(), self.still(), self.put(w) as module:
            found = [function(module, batch) for batch in self.batches]
        values = [one[0] if isinstance(one, tuple) else one for one in found]
        return np.concatenate([np.asarray(value.detach().double().cpu().numpy()) for value in values])

    def hessian(self, w: Array | None = None, blocks: Sequence[str] | None = None) -> Products:
        """Give the Hessian at w (P,), by default the trained weights, or its part for some blocks."""
        return Products(self, "hessian", self.native if w is None else w, blocks)

    def ggn(self, w: Array | None = None, blocks: Sequence[str] | None = None) -> Products:
        """Give J^T H_out J, the Gauss-Newton matrix, with J that of the model's outputs."""
        return Products(self, "ggn", self.native if w is None else w, blocks)

    def fisher(self, w: Array | None = None, blocks: Sequence[str] | None = None) -> Products:
        """Give the empirical Fisher matrix, the weighted mean of g g^T over the examples' gradients g."""
        return Products(self, "fisher", self.native if w is None else w, blocks)

    @cached_property
    def seconds(self) -> float:
        """CPU seconds of one gradient over all examples, counted for a nominal core and not timed."""
        return seconds_of_gradient(self)

    def kept_bytes(self, kind: str) -> tuple[int, int]:
        """Bytes of the graphs that products of a kind keep, and of the largest batch's alone."""
        if kind not in self._kept_bytes:
            self._kept_bytes[kind] = Products.bytes_kept(self, kind)
        return self._kept_bytes[kind]

    def bytes(self, seconds: float, vectors: int) -> int:
        """Bytes that looking at this loss adds at most: some of the data, graphs, and so many flat vectors.

        Where GRADIENTS take more than so many CPU seconds, graphs are kept of fewer examples.
        """
        few = self.within(seconds, GRADIENTS, 0)
        graphs = [BESIDE * max(self.kept_bytes(kind)[1] for kind in KINDS)]
        for total, largest in map(few.kept_bytes, KINDS):
            graphs.append(BESIDE * largest + (total if few.in_memory and total <= few.memory else 0))
        data = sum(map(size_in_bytes, self.batches)) if self.in_memory else self.memory
        replicas = min(REPLICAS, TOGETHER * self._replica) if self.vectorised else 0
        return data + int(max(graphs) + replicas) + vectors * self.size * self.dtype.itemsize

    @cached_property
    def vectorised(self) -> bool:
        """Whether replicas are evaluated together: where calling a batch's operations costs most."""
        with self.still():
            return counted(lambda: self._values(None, next(iter(self.batches)))).flops <= CALLING

    @cached_property
    def together(self) -> int:
        """How many replicas are evaluated together: as many as fit, up to a limit.

        What is free at the hour counts only if it is very little: with other parts, sums round otherwise.
        """
        return int(np.clip(min(self.memory, REPLICAS) / self._replica, 1, TOGETHER))

    @property
    def _replica(self) -> float:
        """Bytes that one of several replicas takes."""
        return BESIDE * self.kept_bytes("hessian")[1] + 4 * self.native.nbytes

    def _over_replicas(self, x: Array, gradients: bool) -> tuple[Array, Array]:
        """Evaluate replicas together where that pays, else one after the other; float64 sums."""
        assert self.total_weight > 0  # known from here on: it cannot be found out inside of torch's vmap
        if len(x) > 1 and self.vectorised:
            size = self.together
            try:
                blocks = [self._stacked(x[i : i + size], gradients) for i in range(0, len(x), size)]
                return np.concatenate([b[0] for b in blocks]), np.concatenate([b[1] for b in blocks])
            except Exception:  # what torch cannot vectorise; what fails for another reason fails again below
                self.vectorised = False
        energies, slopes = np.empty(len(x)), np.empty((len(x), self.size if gradients else 0), self.dtype)
        for i, w in enumerate(x):
            energies[i], slope = self._one(w, gradients)
            if gradients:
                slopes[i] = slope
        return energies, slopes

    def _one(self, w: Array, gradients: bool) -> tuple[float, Array | None]:
        import torch

        total = 0.0
        slope: Any = 0.0
        with plain_form(), self._differentiating(gradients), self.put(w) as module:
            free = [p for p in module.parameters() if p.requires_grad]
            for batch in self.batches:
                loss = self._mean(None, batch)
                total += float(loss.detach())
                if gradients:
                    parts = torch.autograd.grad(loss, free, materialize_grads=True)
                    slope = slope + torch.cat([part.reshape(-1) for part in parts])
        return total, slope.cpu().numpy() if gradients else None

    def _stacked(self, x: Array, gradients: bool) -> tuple[Array, Array]:
        import torch

        def loss(theta: Any, batch: Any) -> tuple[Any, Any]:
            value = self._mean(self._parameters(theta), batch)
            return value.to(theta.dtype), value

        thetas = self._tensor(x)
        energies: Any = 0.0
        slopes: Any = 0.0
        with plain_form(), _strict(), self._differentiating(gradients):
            for batch in self.batches:
                if gradients:
                    grads, values = torch.vmap(torch.func.grad(loss, has_aux=True), (0, None))(thetas, batch)
                    slopes = slopes + grads
                else:
                    values = torch.vmap(loss, (0, None))(thetas, batch)[1]
                energies = energies + values.detach()
        energy = energies.cpu().numpy()
        return energy, slopes.detach().cpu().numpy() if gradients else np.empty((len(x), 0), self.dtype)

    def _differentiating(self, gradients: bool) -> AbstractContextManager[Any]:
        import torch

        return torch.enable_grad() if gradients else self.still()

    def _mean(self, params: dict[str, Any] | None, batch: Any) -> Any:
        """Give what a batch adds to the energy, in float64 so that many small terms are not lost."""
        values, weights = self._values(params, batch)
        return (values.double() * weights.double()).sum() / self.total_weight

    def _values(self, params: dict[str, Any] | None, batch: Any) -> tuple[Any, Any]:
        """Call the user's losses, with other weights in the model, or with those that were put into it."""
        import torch

        if params is None:
            found = self.functions[0](self.module, batch)
        else:
            holder = _holder()(self.module, self.functions[0])
            named = {f"model.{at}": params[block.name] for block in self.blocks for at in block.places}
            found = torch.func.functional_call(holder, named, (batch,), tie_weights=False)
        values, weights = found if isinstance(found, tuple) else (found, torch.ones_like(found))
        return values, weights.detach()

    # -- weights, flat and named ---------------------------------------------------------------------------

    def mapping(self, w: Array) -> dict[str, Array]:
        """Give the parameters by name, in their shapes, of flat weights (P,)."""
        return {block.name: w[block.start : block.stop].reshape(block.shape) for block in self.blocks}

    def flat(self, named: Mapping[str, Array]) -> Array:
        """Give the flat weights (P,) of parameters by name; names of no free parameter are passed over.

        All names may be behind one prefix, such as "module." or "model.".

        Raises:
            BadInput: if a parameter is missing, or has another shape.
        """
        parts = []
        names = matched([block.names for block in self.blocks], named)
        for block, name in zip(self.blocks, names, strict=True):
            if name is None or tuple(np.shape(named[name])) != block.shape:
                there = "missing" if name is None else np.shape(named[name])
                raise BadInput(f"{block.name} is {there}, the model has {block.shape}: another architecture?")
            parts.append(np.asarray(named[name], dtype=self.dtype).reshape(-1))
        return np.concatenate(parts)

    @contextmanager
    def put(self, w: Array) -> Iterator[Any]:
        """Lend the private module with the weights w (P,) in it."""
        import torch

        named = dict(self.module.named_parameters())
        before = {block.name: named[block.name].detach().clone() for block in self.blocks}

        def fill(values: Mapping[str, Any]) -> None:
            with torch.no_grad():
                for name, value in values.items():
                    named[name].copy_(value)

        fill(self._parameters(self._tensor(w)))
        try:
            yield self.module
        finally:
            fill(before)

    def _tensor(self, w: Array) -> Any:
        import torch

        given = torch.from_numpy(np.array(w, dtype=self.dtype))
        return given.to(self.device)

    def _parameters(self, theta: Any) -> dict[str, Any]:
        """Cut a flat tensor (..., P) into named parameters; one cut has one concatenation as its gradient."""
        parts = theta.split([block.stop - block.start for block in self.blocks])
        return {block.name: part.view(block.shape) for block, part in zip(self.blocks, parts, strict=True)}

    def still(self) -> AbstractContextManager[None]:
        """Hold the private module's weights still: losses may be computed, and no graph of them is built."""
        return still(self.module.parameters())

    # -- what every system can do --------------------------------------------------------------------------

    def random(self, batch: int, seed: int) -> Array:
        """Draw weights (batch, P): those of fresh models, or Gaussian with each block's own mean square."""
        if self.build is not None:
            return np.stack([self._built(seeds(seed, "random", i)) for i in range(batch)])
        rng = np.random.default_rng(seeds(seed, "random"))
        x = rng.normal(size=(batch, self.size)).astype(self.dtype)
        for block in self.blocks:
            x[:, block.start : block.stop] *= np.sqrt(np.mean(self.native[block.start : block.stop] ** 2))
        return x

    def _built(self, seed: int) -> Array:
        assert self.build is not None
        with drawn_apart(seed):
            fresh = self.build()
        return self.flat({name: p.detach().float().cpu().numpy() for name, p in fresh.named_parameters()})

    def overlap(self, x: Array, y: Array) -> Array:
        """Give the cosines (batch,) of the angles between weights x and y (batch, P)."""
        lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
        return np.asarray((x * y).sum(axis=-1) / np.maximum(lengths, np.finfo(float).tiny))


@contextmanager
def _strict() -> Iterator[None]:
    """Let what torch cannot vectorise fail, instead of running in a slow loop and warning of it."""
    import torch

    functorch: Any = torch._C._functorch
    slow = functorch._is_vmap_fallback_enabled()
    functorch._set_vmap_fallback_enabled(False)
    try:
        yield
    finally:
        functorch._set_vmap_fallback_enabled(slow)


def _holder() -> Any:
    """Give the class of a module that calls a function on its model: so torch can put weights into it."""
    import torch

    class Holder(torch.nn.Module):
        def __init__(self, model: Any, function: Any) -> None:
            super().__init__()
            self.model, self.function = model, function
            self.training = False

        def forward(self, batch: Any) -> Any:
            return self.function(self.model, batch)

    return Holder
