"""Products of vectors with the second derivatives of a network's loss, and with matrices like them.

A product is a derivative of a derivative. The graph of the first one is built once and kept for all products
where memory allows; otherwise it is built again, batch by batch, each time.

    hessian   H v    = d(g . v)/dw, with g the gradient of the loss
    ggn       J^T L J v, J the derivative of the model's outputs, L the Hessian of the loss in the outputs
    fisher    sum_i c_i g_i (g_i . v), g_i the gradients of the examples' losses, c_i their shares
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.network_loss.batches import arrays, dense
from spinfunnel.systems.network_loss.cost import counted
from spinfunnel.systems.network_loss.modules import plain_form

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

KINDS = ("hessian", "ggn", "fisher")


class Products:
    """A symmetric matrix (p, p) that is only ever multiplied: `products @ v`, v (p,) or (p, k).

    Vectors may be numpy arrays or torch tensors; what comes back is of the same kind.
    """

    def __init__(self, system: NetworkLoss, kind: str, w: Array, blocks: Sequence[str] | None = None) -> None:
        """Build the graphs now if they may be kept."""
        known = [block.name for block in system.blocks]
        if unknown := [name for name in blocks or () if name not in known]:
            raise BadInput(f"there is no parameter {unknown[0]!r}; there are {', '.join(known[:5])}, ...")
        self.system, self.kind = system, kind
        self.chosen = [block for block in system.blocks if blocks is None or block.name in blocks]
        self.dtype, self.device = system.dtype, system.device
        size = sum(block.stop - block.start for block in self.chosen)
        self.shape = (size, size)
        values = system.mapping(np.asarray(w, dtype=system.dtype))
        self.fixed = {name: system._tensor(value) for name, value in values.items()}
        free = [values[block.name].reshape(-1) for block in self.chosen]
        self.theta = system._tensor(np.concatenate(free)).requires_grad_(True)
        self.keeps = system.in_memory and system.kept_bytes(kind)[0] <= system.memory
        self.kept: list[Callable[[Any], Any]] | None = None
        self._graphs()

    def __matmul__(self, v: Any) -> Any:
        """Give the product with one vector (p,), or with the columns of a matrix (p, k)."""
        import torch

        if not isinstance(v, torch.Tensor):
            given = torch.from_numpy(np.ascontiguousarray(v, dtype=self.dtype)).to(self.device)
            return (self @ given).cpu().numpy()
        if v.ndim == 2:
            return torch.stack([self @ column for column in v.T.contiguous()], dim=1)
        v = v.to(self.theta.dtype)
        total = torch.zeros_like(self.theta)
        for product in self._graphs():
            total += product(v)
        return total

    def _graphs(self) -> Iterable[Callable[[Any], Any]]:
        """Give each batch's product; graphs are kept for one matrix at a time, the one used last."""
        if not self.keeps:
            return map(self._prepared, self.system.batches)
        if self.kept is None:
            for other in self.system.keeping:
                other.kept = None
            self.system.keeping.clear()
            self.kept = [self._prepared(batch) for batch in self.system.batches]
            self.system.keeping.add(self)
        return self.kept

    def _prepared(self, batch: Any) -> Callable[[Any], Any]:
        """Differentiate once, and give the function that multiplies a vector with this batch's part."""
        import torch

        with plain_form(), torch.enable_grad():
            return {"hessian": self._hessian, "ggn": self._ggn, "fisher": self._fisher}[self.kind](batch)

    def _hessian(self, batch: Any) -> Callable[[Any], Any]:
        loss = self.system._mean(self._parameters(), batch)
        slope = _grad([loss], [self.theta], create_graph=True)
        return lambda v: _grad(slope, [self.theta], [v])[0]

    def _ggn(self, batch: Any) -> Callable[[Any], Any]:
        loss, outputs, cuts = self._cut(batch)
        slopes = _grad([loss], cuts, create_graph=True)
        dummies, pulled = _pull(outputs, self.theta)

        def product(v: Any) -> Any:
            pushed = _grad(pulled, dummies, [v])
            return _grad(outputs, [self.theta], _grad(slopes, cuts, pushed))[0]

        return product

    def _fisher(self, batch: Any) -> Callable[[Any], Any]:
        values, weights = self.system._values(self._parameters(), batch)
        shares = (weights.double() / self.system.total_weight).to(values.dtype)
        dummies, pulled = _pull([values], self.theta)
        return lambda v: _grad([values], [self.theta], [shares * _grad(pulled, dummies, [v])[0]])[0]

    def _parameters(self) -> dict[str, Any]:
        parts = self.theta.split([block.stop - block.start for block in self.chosen])
        free = {block.name: part.view(block.shape) for block, part in zip(self.chosen, parts, strict=True)}
        return {**self.fixed, **free}

    def _cut(self, batch: Any) -> tuple[Any, list[Any], list[Any]]:
        """Give a batch's loss, the outputs of the model, and what the loss sees in their place."""
        from torch.utils._pytree import tree_flatten, tree_unflatten

        outputs: list[Any] = []
        cuts: list[Any] = []
        calls = 0

        def cut(module: Any, given: Any, output: Any) -> Any:
            nonlocal calls
            calls += 1
            leaves, form = tree_flatten(output)
            for i, z in enumerate(leaves):
                if getattr(z, "requires_grad", False):
                    outputs.append(z)
                    cuts.append(z.detach().requires_grad_(True))
                    leaves[i] = cuts[-1]
            return tree_unflatten(leaves, form)

        hook = self.system.module.register_forward_hook(cut)
        try:
            loss = self.system._mean(self._parameters(), batch)
        except RuntimeError as error:  # as where a loss differentiates outputs by inputs
            said = " ".join(str(error).split())
            raise BadInput(
                f"the losses use more of the model than its outputs, and Gauss-Newton does not: {said:.200}"
            ) from error
        finally:
            hook.remove()
        if calls != 1:
            raise BadInput(f"the losses call the model {calls} times a batch: Gauss-Newton needs one call")
        if not outputs:
            raise BadInput("the model puts out no tensor, nor a tuple or dictionary of some, with a gradient")
        return loss, outputs, cuts

    @staticmethod
    def bytes_kept(system: NetworkLoss, kind: str) -> tuple[int, int]:
        """Measure what the graphs of all batches take, and that of the largest batch.

        One batch of each shape is looked at. What data and weights take anyway is not counted.
        """
        one = Products.__new__(Products)
        one.system, one.kind, one.chosen, one.fixed = system, kind, list(system.blocks), {}
        one.theta = system._tensor(system.native).requires_grad_(True)
        found: dict[Any, int] = {}
        total = 0
        for batch in system.batches:
            form = tuple((tuple(a.shape), str(a.dtype)) for a in arrays(batch))
            if form not in found:
                found[form] = one._measured(batch)
            total += found[form]
        return total, max(found.values())

    def _measured(self, batch: Any) -> int:
        """Build one graph, and add up the memory that what it saves takes, each piece once."""
        import torch

        class Saved:
            def __init__(self, tensor: Any) -> None:
                self.tensor = tensor.detach()

        alive = WeakSet[Any]()

        def pack(tensor: Any) -> Any:
            saved = Saved(tensor)
            alive.add(saved)
            return saved

        try:
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
                kept = self._prepared(batch)
                parts = (part.untyped_storage() for one in alive for part in dense(one.tensor))
                pieces = {part.data_ptr(): part.nbytes() for part in parts}
        except BadInput:
            return 0
        except RuntimeError:  # losses of torch.func allow no hooks: at most, all that is computed is kept
            return int(counted(lambda: self._prepared(batch)).bytes + self.theta.nbytes)
        del kept
        module = self.system.module
        data = [part for one in arrays(batch) for part in dense(one)]
        known = [self.theta, *module.parameters(), *module.buffers(), *data]
        for tensor in known:
            if isinstance(tensor, torch.Tensor):
                pieces.pop(tensor.untyped_storage().data_ptr(), None)
        return int(
            sum(pieces.values()) + self.theta.nbytes
        )  # of the gradient, which no node of the graph saves


def _pull(outputs: list[Any], theta: Any) -> tuple[list[Any], tuple[Any, ...]]:
    """Give u and J^T u, a linear function of u whose derivative gives J v."""
    import torch

    dummies = [torch.zeros_like(z, requires_grad=True) for z in outputs]
    return dummies, _grad(outputs, [theta], dummies, create_graph=True)


def _grad(
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    vectors: Sequence[Any] | None = None,
    *,
    create_graph: bool = False,
) -> tuple[Any, ...]:
    """Differentiate, keep the graph; what does not depend on the inputs has a derivative of zero."""
    import torch

    live = [i for i, z in enumerate(outputs) if z.requires_grad]
    if not live:
        return tuple(torch.zeros_like(x) for x in inputs)
    return torch.autograd.grad(
        [outputs[i] for i in live],
        inputs,
        None if vectors is None else [vectors[i] for i in live],
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=True,
    )
