"""Lay one network beside another: which unit of the second is which unit of the first?

Two networks trained from different seeds may compute the same with their units in other places. Units are
matched by what they weigh (their weights are as alike as can be) or by what they do (their pre-activations
are, over the data). Finding the best matching of all layers together is hard; of one group of units, with the
others held, it is an assignment problem, solved exactly.
Source: Ainsworth, Hayase & Srinivasa, ICLR 2023 (by weights); Li, Yosinski, Clune, Lipson & Hopcroft,
ICLR 2016, and Jordan et al., ICLR 2023 (by activations).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.networks.axes import Axis, Moves, leaves, spread
from spinfunnel.networks.batch_statistics import renormalised
from spinfunnel.networks.symmetry import Symmetry, Units, symmetry
from spinfunnel.systems.network_loss import NetworkLoss

#: Layers are matched in turn until nothing changes, at most so often.
SWEEPS = 100
#: Activations are compared on so many examples, and in each batch at no more than so many of their places.
EXAMPLES, PLACES = 512, 16384


@dataclass
class Likeness:
    """How alike units of one network are to those of another, the sum over all places where they are met.

    `whole` (n, n) compares units; `within` compares, for each leaf within them, (n, m, n, m).
    """

    whole: Array
    within: dict[Axis, Array]

    @classmethod
    def none(cls, group: Units) -> Likeness:
        """Begin with nothing known."""
        n = group.leaf.size
        inner = {leaf: np.zeros((n, leaf.size, n, leaf.size)) for leaf in group.inner}
        return cls(np.zeros((n, n)), inner)

    def add(self, group: Units, a: Array, b: Array, axes: list[Axis], normalise: bool = False) -> None:
        """Add the products of two arrays, summed over all axes but those of the units."""
        for k in (k for k, axis in enumerate(axes) if axis is group.leaf):
            inner = [j for j, axis in enumerate(axes) if axis in self.within]
            if not inner:
                x, y = (np.moveaxis(one, k, 0).reshape(group.leaf.size, -1) for one in (a, b))
                self.whole += _products(x, y, normalise)
            for j in inner:
                leaf = axes[j]
                x, y = (
                    np.moveaxis(one, (k, j), (0, 1)).reshape(group.leaf.size * leaf.size, -1)
                    for one in (a, b)
                )
                self.within[leaf] += _products(x, y, normalise).reshape(self.within[leaf].shape)

    def best(self, group: Units) -> Moves:
        """Assign units, and what is within each, so that they are as alike as can be.

        Which units within go together is worked out for every pair of units first.
        """
        from scipy.optimize import linear_sum_assignment

        n = group.leaf.size
        worth, inside = self.whole.copy(), {}
        for leaf, alike in self.within.items():
            table = np.empty((n, n, leaf.size), dtype=np.int64)
            for i, j in np.ndindex(n, n):
                if group.leaf.fixed and i != j:
                    continue
                table[i, j] = linear_sum_assignment(alike[i, :, j], maximize=True)[1]
                worth[i, j] += alike[i, np.arange(leaf.size), j, table[i, j]].sum()
            inside[leaf] = table
        places = np.arange(n) if group.leaf.fixed else linear_sum_assignment(worth, maximize=True)[1]
        return {group.leaf: places, **{
            leaf: (group.leaf, table[np.arange(n), places]) for leaf, table in inside.items()
        }}  # fmt: skip


def _products(x: Array, y: Array, normalise: bool) -> Array:
    x, y = x.astype(np.float64), y.astype(np.float64)
    if normalise:  # to correlations
        step = x.shape[1] // PLACES + 1
        x, y = x[:, ::step], y[:, ::step]
        x, y = (one - one.mean(axis=1, keepdims=True) for one in (x, y))
        x, y = (one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12) for one in (x, y))
    return np.asarray(x @ y.T)


def by_weights(system: NetworkLoss, found: Symmetry, a: Array, b: Array, seed: int) -> Array:
    """Give the weights b (P,) with units exchanged so that their product with a (P,) is as large as it gets.

    Groups of units are taken in turns, in random order, each assigned anew while the others stay, until no
    exchange makes the product larger.
    """
    ours, theirs = system.mapping(a), system.mapping(b)
    touched = {
        group: [name for name in found.axes if _meets(found.axes[name], group)] for group in found.groups
    }
    rng = np.random.default_rng(seeds(seed, "order"))
    for _ in range(SWEEPS):
        better = False
        for k in rng.permutation(len(found.groups)):
            group = found.groups[k]
            alike = Likeness.none(group)
            for name in touched[group]:
                pairs = zip(*(spread(one[name], found.axes[name]) for one in (ours, theirs)), strict=True)
                for (x, axes), (y, _) in pairs:
                    alike.add(group, x, y, axes)
            tried = found.exchanged({name: theirs[name] for name in touched[group]}, alike.best(group))
            gain = sum(_dot(ours[name], tried[name]) - _dot(ours[name], theirs[name]) for name in tried)
            size = sum(_dot(ours[name], ours[name]) + _dot(theirs[name], theirs[name]) for name in tried)
            if gain > 1e-9 * size:
                theirs, better = theirs | tried, True
        if not better:
            break
    return system.flat(theirs)


def by_activations(system: NetworkLoss, found: Symmetry, a: Array, b: Array, seed: int) -> Array:
    """Give the weights b (P,) with units exchanged so that pre-activations go with those of a (P,).

    Of each group, correlations over the data are added up over all sums over inputs that lead to its units,
    but for those that other examples reach in the two, as where a router sends them to experts.
    """
    system = renormalised(system.few(EXAMPLES, seeds(seed, "activations")))
    alike = {group: Likeness.none(group) for group in found.groups}
    for batch in system.batches:
        ours, theirs = (list(_sums(system, found, w, batch)) for w in (a, b))
        seen = zip(ours, theirs, strict=True) if len(ours) == len(theirs) else ()
        for (x, axes), (y, _) in seen:
            for group in found.groups:
                if group.leaf in axes and x.shape == y.shape:
                    alike[group].add(group, x, y, axes, normalise=True)
    named = system.mapping(b)
    for group in found.groups:
        named = found.exchanged(named, alike[group].best(group))
    return system.flat(named)


def _sums(system: NetworkLoss, found: Symmetry, w: Array, batch: Any) -> Iterator[tuple[Array, list[Axis]]]:
    """Run the model, and give what each sum over inputs gave, if it leads to units that may change places."""
    from spinfunnel.networks.tracing import traced

    heads, seen = {group.leaf for group in found.groups}, list[tuple[Array, list[Axis]]]()

    def watch(out: Any, axes: list[Axis]) -> None:
        if heads & {leaf for axis in axes for leaf in leaves(axis)}:
            seen.append((out.double().cpu().numpy(), axes))

    with system.put(w) as module:
        named = dict(module.named_parameters())
        traced(
            lambda: system.functions[0](module, batch),
            {block.name: named[block.name] for block in system.blocks},
            found.axes,
            watch,
        )
    for out, axes in seen:
        yield from spread(out, axes)


def _meets(axes: list[Axis], group: Units) -> bool:
    return any(leaf in (group.leaf, *group.inner) for axis in axes for leaf in leaves(axis))


def _dot(x: Array, y: Array) -> float:
    return float(np.vdot(x, y))


def aligned(
    system: NetworkLoss, a: Array, b: Array, seed: int, found: Symmetry | None = None
) -> dict[str, Array]:
    """Lay the network of weights b (P,) beside that of a (P,): b in other places, by the name of the method.

    What the weights compute stays the same. Which method is better, the path between the two must tell.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    >>> system = NetworkLoss(net, lambda model, x: model(x)[:, 0] ** 2, [torch.randn(64, 3)])
    >>> found = symmetry(system)
    >>> shuffled = found.copy(system, system.trained, seed=1)
    >>> back = aligned(system, system.trained, shuffled, seed=0, found=found)
    >>> {method: bool((w == system.trained).all()) for method, w in back.items()}
    {'weights': True, 'activations': True}
    """
    found = symmetry(system, seed) if found is None else found
    return {
        "weights": by_weights(system, found, a, b, seed),
        "activations": by_activations(system, found, a, b, seed),
    }
