"""What the positions along an axis of a tensor stand for: units that may change places, and all the rest.

An axis is made of leaves, each a set of units: it is a leaf, or a product of axes (the outermost first, as in
a reshaped tensor), or a concatenation. Axes that must be permuted alike are tied together; one whose order
means something is fixed. Where ties contradict each other, axes are fixed: fewer symmetries, none wrong.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array

#: How units change places: of a leaf (n,), or of one whose moves depend on another leaf, that and (m, n).
Moves: TypeAlias = "Mapping[Axis, Array | tuple[Axis, Array]]"


class Axis:
    """An axis of `size` positions. Tied axes share one root, which says what they are made of.

    Of two leaves the elder becomes the root, so that those found in one run of a model stand in the next.
    """

    __slots__ = ("born", "fixed", "kind", "parts", "size", "tied_to")
    _births = itertools.count()

    def __init__(
        self,
        size: int,
        *,
        fixed: bool = False,
        kind: Literal["leaf", "product", "concatenation"] = "leaf",
        parts: tuple[Axis, ...] = (),
    ) -> None:
        """Make an axis that is tied to no other; a fixed one is a leaf."""
        self.size, self.fixed, self.kind, self.parts = size, fixed, kind, parts
        self.tied_to: Axis | None = None
        self.born = next(self._births)

    @property
    def root(self) -> Axis:
        """The axis that stands for all that are tied to this one."""
        here = self
        while here.tied_to is not None:
            here = here.tied_to
        return here


def product(parts: Sequence[Axis]) -> Axis:
    """Give the axis whose positions are those of all parts together, the last running fastest."""
    kept = [part for part in factors(parts) if part.size > 1]
    if len(kept) == 1:
        return kept[0]
    size = math.prod(part.size for part in kept)
    return Axis(size, kind="product", parts=tuple(kept)) if kept else Axis(1, fixed=True)


def concatenation(parts: Sequence[Axis]) -> Axis:
    """Give the axis of the positions of the parts, one part after the other."""
    kept = [piece for part in parts for piece in _pieces(part) if piece.size]
    if len(kept) == 1:
        return kept[0]
    return Axis(sum(part.size for part in kept), kind="concatenation", parts=tuple(kept))


def factors(axes: Iterable[Axis]) -> list[Axis]:
    """Give what the product of the axes is made of: no products any more."""
    found = []
    for axis in axes:
        root = axis.root
        found += factors(root.parts) if root.kind == "product" else [root]
    return found


def _pieces(axis: Axis) -> list[Axis]:
    root = axis.root
    if root.kind != "concatenation":
        return [root]
    return [piece for part in root.parts for piece in _pieces(part)]


def fix(*axes: Axis) -> None:
    """Let no unit of the axes change its place."""
    for axis in axes:
        root = axis.root
        root.fixed = root.kind == "leaf"
        fix(*root.parts)


def leaves(axis: Axis) -> list[Axis]:
    """Give the sets of units along an axis, fixed ones too.

    >>> heads, inner = Axis(4), Axis(8)
    >>> qkv = concatenation([product([heads, inner])] * 2 + [Axis(32)])
    >>> qkv.size, [leaf.size for leaf in leaves(qkv)]
    (96, [4, 8, 4, 8, 32])
    """
    root = axis.root
    return [root] if root.kind == "leaf" else [leaf for part in root.parts for leaf in leaves(part)]


def tie(a: Axis, b: Axis) -> None:
    """Say that two axes are always permuted alike.

    >>> a, b = Axis(12), product([Axis(3), Axis(4)])
    >>> tie(a, b)
    >>> a.root is b and [leaf.size for leaf in leaves(a)]
    [3, 4]
    """
    a, b = a.root, b.root
    if a is b or a.size == b.size == 1:
        return
    if a.size != b.size:
        fix(a, b)
    elif a.kind == b.kind == "leaf" and a.born < b.born:
        tie(b, a)
    elif a.kind == "leaf":
        a.tied_to = b
        if a.fixed:
            fix(b)
    elif b.kind == "leaf":
        tie(b, a)
    elif a.kind == b.kind == "product":
        _tie_factors(a, b)
    elif a.kind == b.kind:
        _tie_pieces(a, b)
    else:
        whole, blocks = (a, b) if a.kind == "product" else (b, a)
        outer, *inner = factors([whole])
        rest, pieces = product(inner), _pieces(blocks)
        if [piece.size for piece in pieces] != [rest.size] * outer.size:
            fix(a, b)
            return
        fix(outer)
        for piece in pieces:
            tie(piece, rest)
        blocks.tied_to = whole


def _tie_factors(a: Axis, b: Axis) -> None:
    """Cut the factors of two products until they are equally long, and tie them in pairs."""
    left, right = factors([a]), factors([b])
    while left:
        x, y = left.pop(0), right.pop(0)
        if x.size != y.size:
            long, short, waiting = (x, y, left) if x.size > y.size else (y, x, right)
            cut = split(long, (short.size, long.size // short.size))
            if cut is None:
                fix(a, b)
                return
            x, y = cut[0], short
            waiting.insert(0, cut[1])
        tie(x, y)
        left, right = factors(left), factors(right)  # the tie may have cut what is waiting
    a.tied_to = b


def _tie_pieces(a: Axis, b: Axis) -> None:
    """Cut the pieces of two concatenations where either is cut, and tie them in pairs."""
    ends = {end for axis in (a, b) for end in itertools.accumulate(part.size for part in _pieces(axis))}
    for start, end in itertools.pairwise(sorted({0, *ends})):
        x, y = part_of(a, start, end), part_of(b, start, end)
        if x is None or y is None:
            fix(a, b)
            return
        tie(x, y)
    a.tied_to = b


def split(axis: Axis, sizes: Sequence[int]) -> list[Axis] | None:
    """Give the axes (one a size) whose product this axis is, or None, and it is fixed, if it is no such.

    >>> axis = Axis(12)
    >>> heads, inner = split(axis, (3, 4))
    >>> [leaf.size for leaf in leaves(axis)], split(axis, (2, 6)) is None, heads.root.fixed
    ([3, 4], True, True)
    """
    found, left = [], [factor for factor in factors([axis]) if factor.size > 1]
    for size in sizes:
        taken: list[Axis] = []
        while (missing := size // math.prod(part.size for part in taken)) > 1:
            first = left.pop(0) if left else Axis(1)
            if first.size > missing and first.size % missing == 0 and first.kind == "leaf":
                inner = (Axis(missing, fixed=first.fixed), Axis(first.size // missing, fixed=first.fixed))
                first.kind, first.parts, first.fixed = "product", inner, False
                first, behind = inner
                left.insert(0, behind)
            elif first.kind == "concatenation" and first.size > missing:
                tie(first, product([Axis(missing), Axis(first.size // missing)]))
                if first.root.kind != "product":
                    fix(axis)
                    return None
                left = factors([first, *left])
                continue
            if first.size == 1 or missing % first.size:
                fix(axis)
                return None
            taken.append(first)
        found.append(product(taken))
    return found


def part_of(axis: Axis, start: int, end: int) -> Axis | None:
    """Give the positions from `start` to before `end`, or None, and it is fixed, if these cannot be told.

    >>> axis = Axis(12)
    >>> part_of(axis, 4, 12).size, [leaf.size for leaf in leaves(axis)]
    (8, [4, 8])
    """
    root = axis.root
    if (start, end) == (0, root.size):
        return root
    if root.kind == "leaf":
        parts = [Axis(size, fixed=root.fixed) for size in (start, end - start, root.size - end)]
        root.kind, root.fixed = "concatenation", False
        root.parts = tuple(part for part in parts if part.size)
        return parts[1]
    if root.kind == "product":
        outer, *inner = factors([root])
        rest = product(inner)
        if start % rest.size == 0 and end % rest.size == 0:
            fix(outer)
            chosen = Axis((end - start) // rest.size, fixed=True)
            return product([chosen, rest])
        fix(root)
        return None
    found, at = [], 0
    for piece in _pieces(root):
        low, high = max(start - at, 0), min(end - at, piece.size)
        at += piece.size
        if low < high:
            part = part_of(piece, low, high)
            if part is None:
                fix(root)
                return None
            found.append(part)
    return concatenation(found)


def regroup(axes: Sequence[Axis], shape: Sequence[int]) -> list[Axis]:
    """Give the axes of a reshaped tensor.

    >>> channels, inner = Axis(8), Axis(4)
    >>> batch, flat = regroup([Axis(5, fixed=True), channels, Axis(3, fixed=True), inner], (5, 96))
    >>> [leaf.size for leaf in leaves(flat)], leaves(flat)[0] is channels
    ([8, 3, 4], True)
    """
    if 0 in shape:
        return [Axis(size, fixed=True) for size in shape]
    found, left = [], list(axes)
    sizes = list(shape)
    while sizes:
        here, there = [sizes.pop(0)], [left.pop(0)] if left else []
        while (made := math.prod(here)) != (had := math.prod(axis.size for axis in there)):
            if made < had:
                here.append(sizes.pop(0))
            else:
                there.append(left.pop(0))
        parts = split(product(there), here)
        found += [Axis(size, fixed=True) for size in here] if parts is None else parts
    fix(*left)
    return found


def spread(array: Array, axes: Sequence[Axis]) -> Iterator[tuple[Array, list[Axis]]]:
    """Cut and reshape an array until every axis of each piece is one leaf.

    >>> a, b = Axis(2), Axis(3)
    >>> pieces = spread(np.arange(8.0), [concatenation([product([a, b]), a])])
    >>> [(piece.shape, found[0] is a) for piece, found in pieces]
    [((2, 3), True), ((2,), True)]
    """
    roots = [axis.root for axis in axes]
    for k, root in enumerate(roots):
        before, behind = array.shape[:k], array.shape[k + 1 :]
        if root.kind == "product":
            parts = factors([root])
            cut = array.reshape(*before, *(part.size for part in parts), *behind)
            yield from spread(cut, [*roots[:k], *parts, *roots[k + 1 :]])
            return
        if root.kind == "concatenation":
            ends = list(itertools.accumulate(part.size for part in root.parts))
            for block, part in zip(np.split(array, ends[:-1], axis=k), root.parts, strict=True):
                yield from spread(block, [*roots[:k], part, *roots[k + 1 :]])
            return
    yield array, roots


def places(axis: Axis, moves: Moves, at: Mapping[Axis, int] | None = None) -> Array:
    """Give the positions, (size,), to take along an axis so that its leaves are permuted.

    A move (n,) of a leaf says which unit comes to each place; a pair of another leaf, of m units, and a move
    (m, n) says so for each place of that other one. `at` says at which places we are.

    >>> heads, inner = Axis(2), Axis(3)
    >>> places(product([heads, inner]), {heads: np.array([1, 0]), inner: np.array([0, 2, 1])})
    array([3, 5, 4, 0, 2, 1])
    >>> places(product([heads, inner]), {inner: (heads, np.array([[0, 1, 2], [2, 1, 0]]))})
    array([0, 1, 2, 5, 4, 3])
    """
    root, at = axis.root, at or {}
    if root.kind == "concatenation":
        starts = itertools.accumulate((part.size for part in root.parts[:-1]), initial=0)
        parts = zip(starts, root.parts, strict=True)
        return np.concatenate([start + places(part, moves, at) for start, part in parts])
    if root.kind == "product":
        outer, *inner = factors([root])
        rest = product(inner)
        return np.concatenate(
            [
                rest.size * position + places(rest, moves, {**at, outer: place})
                for place, position in enumerate(places(outer, moves, at))
            ]
        )
    move = moves.get(root, np.arange(root.size))
    return move[1][at[move[0]]] if isinstance(move, tuple) else move
