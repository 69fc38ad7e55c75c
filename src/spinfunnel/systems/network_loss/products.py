"""Products of vectors with the second derivatives of a network's loss, and with matrices like them.

A product is a derivative of a derivative. The graph of the first one is built once and kept for all products
where memory allows; otherwise it is built again, batch by batch, each time.

    hessian   H v    = d(g . v)/dw, with g the gradient of the loss
    ggn       J^T L J v, J the derivative of the model's outputs, L the Hessian of the loss in the outputs
    fisher    sum_i c_i g_i (g_i . v), g_i the gradients of the examples' losses, c_i their shares
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spinfunnel.core import Array, BadInput

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
        self.kept: list[Callable[[Any], Any]] | None = None
        if system.in_memory and system.kept_bytes[kind] <= system.memory:
            self.kept = [self._prepared(batch) for batch in system.batches]

    def __matmul__(self, v: Any) -> Any:
        """Give the product with one vector (p,), or with the columns of a matrix (p, k)."""
        import torch

        if not isinstance(v, torch.Tensor):
            given = torch.from_numpy(np.ascontiguousarray(v, dtype=self.dtype)).to(self.device)
            return (self @ given).cpu().numpy()
        if v.ndim == 2:
            return torch.stack([self @ column for column in v.T], dim=1)
        v = v.to(self.theta.dtype)
        total = torch.zeros_like(self.theta)
        for product in self.kept if self.kept is not None else map(self._prepared, self.system.batches):
            total += product(v)
        return total

    def _prepared(self, batch: Any) -> Callable[[Any], Any]:
        """Differentiate once, and give the function that multiplies a vector with this batch's part."""
        with self.system._math():
            return {"hessian": self._hessian, "ggn": self._ggn, "fisher": self._fisher}[self.kind](batch)

    def _hessian(self, batch: Any) -> Callable[[Any], Any]:
        loss = self.system._mean(self._parameters(), batch)
        slope = _grad(loss, self.theta, create_graph=True)
        return lambda v: _grad(slope, self.theta, v)

    def _ggn(self, batch: Any) -> Callable[[Any], Any]:
        loss, outputs = self._with_outputs(batch)
        slopes = [_grad(loss, z, create_graph=True) for z in outputs]
        pulls = [_pull(z, self.theta) for z in outputs]

        def product(v: Any) -> Any:
            pushed = [_grad(pulled, dummy, v) for dummy, pulled in pulls]
            return sum(
                _grad(z, self.theta, sum(_grad(slope, z, u) for slope, u in zip(slopes, pushed, strict=True)))
                for z in outputs
            )

        return product

    def _fisher(self, batch: Any) -> Callable[[Any], Any]:
        values, weights = self.system._values(self._parameters(), batch)
        shares = (weights.double() / self.system.total_weight).to(values.dtype)
        dummy, pulled = _pull(values, self.theta)
        return lambda v: _grad(values, self.theta, shares * _grad(pulled, dummy, v))

    def _parameters(self) -> dict[str, Any]:
        parts = self.theta.split([block.stop - block.start for block in self.chosen])
        free = {block.name: part.view(block.shape) for block, part in zip(self.chosen, parts, strict=True)}
        return {**self.fixed, **free}

    def _with_outputs(self, batch: Any) -> tuple[Any, list[Any]]:
        """Give a batch's loss, and what the model put out on the way to it."""
        from torch.utils._pytree import tree_leaves

        seen: list[Any] = []
        hook = self.system.module.register_forward_hook(lambda module, given, output: seen.append(output))
        try:
            loss = self.system._mean(self._parameters(), batch)
        finally:
            hook.remove()
        if len(seen) != 1:
            raise BadInput(
                f"the losses call the model {len(seen)} times a batch: Gauss-Newton products need one call"
            )
        leaves = [z for z in tree_leaves(seen[0]) if getattr(z, "requires_grad", False)]
        used = [z for z in leaves if _grad(loss, z) is not None and bool(_grad(loss, z).any())]
        return loss, used or leaves[:1]

    @staticmethod
    def bytes_kept(system: NetworkLoss, kind: str) -> int:
        """Estimate the bytes of the graphs of all batches from the first: each tensor saved counts once."""
        import torch

        seen: dict[int, int] = {}

        def count(tensor: Any) -> Any:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        one = object.__new__(Products)
        one.system, one.kind, one.chosen = system, kind, list(system.blocks)
        one.fixed, one.theta = {}, system._tensor(system.native).requires_grad_(True)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            try:
                kept = one._prepared(next(iter(system.batches)))
            except BadInput:
                return 0
        del kept
        return int(sum(seen.values()) * system.examples / system.counts[0])


def _pull(outputs: Any, theta: Any) -> tuple[Any, Any]:
    """Give u and J^T u, a linear function of u whose derivative gives J v."""
    import torch

    dummy = torch.zeros_like(outputs, requires_grad=True)
    return dummy, _grad(outputs, theta, dummy, create_graph=True)


def _grad(outputs: Any, inputs: Any, vector: Any = None, *, create_graph: bool = False) -> Any:
    """Differentiate, keep the graph; what does not depend on the inputs has a derivative of zero."""
    import torch

    if not outputs.requires_grad:
        return torch.zeros_like(inputs)
    found = torch.autograd.grad(
        outputs, inputs, vector, retain_graph=True, create_graph=create_graph, materialize_grads=True
    )
    return found[0]
