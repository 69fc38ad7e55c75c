"""Which hidden units of a network may change places without changing what it computes.

Found by following every axis of every tensor while the model runs, and proved, as far as numbers can, by
doing it: after a random exchange of the units the losses are the same to rounding, or the group is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinfunnel.core import Array, seeds
from spinfunnel.networks.axes import Axis, Moves, factors, leaves, places
from spinfunnel.networks.batch_statistics import renormalised
from spinfunnel.systems.network_loss import NetworkLoss

#: A model is followed on so few examples, or on many if these do not meet all parameters; what is found is
#: proved on many. Losses that differ by less than this share of the largest are the same.
EXAMPLES, MANY, SAME = 4, 256, 1e-4
#: Units are exchanged in so many ways.
DRAWS = 6
#: Before units are exchanged, all weights are moved by this share: zeros and ones would hide what is wrong.
JITTER = 0.1


@dataclass(frozen=True, eq=False)
class Units:
    """Units that may change places, as wholes; and within each of them, the units of `inner` as well.

    Hidden units and channels have nothing within. Heads of attention have: what is summed over within one.
    """

    leaf: Axis
    inner: tuple[Axis, ...]
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        within = "".join(f" x {axis.size}" for axis in self.inner[:1])
        return f"{self.leaf.size}{within} units of {self.parameters[0]}"

    def random(self, rng: np.random.Generator) -> Moves:
        """Draw one way to exchange them, all equally likely."""
        count = self.leaf.size
        outer = np.arange(count) if self.leaf.fixed else rng.permutation(count)
        within = {one: (self.leaf, rng.permuted(np.tile(np.arange(one.size), (count, 1)), axis=1))
                  for one in self.inner}  # fmt: skip
        return {self.leaf: outer, **within}


@dataclass(frozen=True)
class Symmetry:
    """The units of a network that may change places.

    Attributes:
        axes: those of each parameter, by name.
        groups: independent groups of units.
        doubts: what was not followed, and what was dropped.
    """

    axes: dict[str, list[Axis]]
    groups: tuple[Units, ...]
    doubts: tuple[str, ...]

    def exchanged(self, named: Mapping[str, Array], moves: Moves) -> dict[str, Array]:
        """Give the parameters with their units in other places."""
        found = {}
        for name, value in named.items():
            for k, axis in enumerate(self.axes[name]):
                if any(leaf in moves for leaf in leaves(axis)):
                    value = np.take(value, places(axis, moves), axis=k)
            found[name] = value
        return found

    def copy(self, system: NetworkLoss, w: Array, seed: int) -> Array:
        """Give weights (P,) that compute the same as w (P,), with all units in random places."""
        moves: dict[Any, Any] = {}
        for k, group in enumerate(self.groups):
            moves |= group.random(np.random.default_rng(seeds(seed, "units", k)))
        return system.flat(self.exchanged(system.mapping(w), moves))


def symmetry(system: NetworkLoss, seed: int = 0) -> Symmetry:
    """Find the groups of units of a network that may change places.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    >>> data = [torch.randn(8, 3)]
    >>> found = symmetry(NetworkLoss(net, lambda model, x: model(x)[:, 0] ** 2, data))
    >>> [str(group) for group in found.groups]
    ['5 units of 0.weight']
    """
    many = renormalised(system.few(MANY, seeds(seed, "proof")))
    few = renormalised(system.few(EXAMPLES, seeds(seed, "symmetry")))
    axes, tracer = _followed(few)
    if len(tracer.used) < len(system.blocks):
        axes, tracer = _followed(many)
    doubts = []
    own = {leaf for some in axes.values() for axis in some for leaf in leaves(axis)}
    if left := [name for name, met in tracer.unknown.items() if any(leaf.root in own for leaf in met)]:
        doubts.append(f"units that meet {', '.join(sorted(left))} were left in place")
    groups, dropped = _proved(many, few, axes, _groups(axes, tracer.contexts), seed)
    if dropped:
        names = "; ".join(map(str, dropped))
        doubts.append(
            f"{names} look alike to the trace, but exchanging them changes the losses: left in place"
        )
    heads = {leaf for group in groups for leaf in (group.leaf, *group.inner)}
    matrices = [block.name for block in system.blocks if len(block.shape) > 1 and block.name in tracer.used]
    alone = [
        name for name in matrices if heads.isdisjoint(leaf for axis in axes[name] for leaf in leaves(axis))
    ]
    if alone and len(matrices) > 1:
        doubts.append(
            f"no units of {', '.join(alone[:3])}{' and others' * (len(alone) > 3)} may change places"
        )
    return Symmetry(axes, groups, tuple(doubts))


def _followed(system: NetworkLoss) -> tuple[dict[str, list[Axis]], Any]:
    """Give the axes of all parameters, and the tracer that has met them."""
    from spinfunnel.networks.tracing import traced

    batches = list(system.batches)
    with system.put(system.native) as module:
        named = dict(module.named_parameters())
        parameters = {block.name: named[block.name] for block in system.blocks}
        return traced(lambda: [system.functions[0](module, batch) for batch in batches], parameters)


def _groups(axes: Mapping[str, Sequence[Axis]], contexts: Sequence[Sequence[Axis]]) -> tuple[Units, ...]:
    """Gather the free leaves, each with those that are always met within it."""
    found: dict[Axis, list[str]] = {}
    around: dict[Axis, list[Axis]] = {}
    for name, own in axes.items():
        for axis in own:
            for leaf, outer in _nested(axis):
                found.setdefault(leaf, [])
                found[leaf] += [name] if name not in found[leaf] else []
                around[leaf] = [one for one in around.get(leaf, outer) if one in outer]
    for context in contexts:
        there = {leaf for axis in context for leaf in leaves(axis)}
        for leaf in there & around.keys():
            around[leaf] = [one for one in around[leaf] if one in there]
    within = {leaf: outer[0] for leaf, outer in around.items() if outer and not leaf.fixed and leaf.size > 1}
    within = {leaf: outer for leaf, outer in within.items() if outer not in within}
    heads = dict.fromkeys(
        within.get(leaf, leaf) for leaf in found if leaf in within or (not leaf.fixed and leaf.size > 1)
    )
    return tuple(
        Units(head, tuple(leaf for leaf, outer in within.items() if outer is head), tuple(found[head]))
        for head in heads
    )


def _nested(axis: Axis, outer: tuple[Axis, ...] = ()) -> list[tuple[Axis, tuple[Axis, ...]]]:
    """List the leaves of an axis, each with the leaves it lies within."""
    root = axis.root
    if root.kind == "leaf":
        return [(root, outer)]
    found = []
    for part in factors([root]) if root.kind == "product" else root.parts:
        found += _nested(part, outer)
        if root.kind == "product" and part.root.kind == "leaf":
            outer = (*outer, part.root)
    return found


def _proved(
    system: NetworkLoss, few: NetworkLoss, axes: dict[str, list[Axis]], groups: tuple[Units, ...], seed: int
) -> tuple[tuple[Units, ...], list[Units]]:
    """Exchange units at random, all together, and if that changes the losses, group by group.

    Of groups of two or three, many exchanges move none: several are tried on a few examples, then one on all.
    """
    tried = [(_in_double(few), DRAWS), (_in_double(system), 1)]
    rng = np.random.default_rng(seeds(seed, "jitter"))
    w = system.native.astype(np.float64)
    w += JITTER * (w + np.sqrt(np.mean(w**2))) * rng.standard_normal(w.shape)
    before = [precise.losses_at(w) for precise, _ in tried]

    def same(some: Sequence[Units]) -> bool:
        found = Symmetry(axes, tuple(some), ())
        return all(
            np.abs(precise.losses_at(found.copy(precise, w, seeds(seed, draw))) - known).max()
            <= SAME * np.abs(known).max()
            for (precise, draws), known in zip(tried, before, strict=True)
            for draw in range(draws)
        )

    if same(groups):
        return groups, []
    kept = tuple(group for group in groups if same([group]))
    return (kept, [group for group in groups if group not in kept]) if same(kept) else ((), list(groups))


def _in_double(system: NetworkLoss) -> NetworkLoss:
    """Compute in double precision if the model lets us."""
    try:
        precise = NetworkLoss(system.module, system.functions[0], system.batches, dtype="float64")
        precise.losses_at(precise.native)
    except (RuntimeError, TypeError):  # a model that states its own precision somewhere
        return system
    return precise
