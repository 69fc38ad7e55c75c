"""Follow every axis of every tensor through a model while it runs, operation by operation.

Nothing is known of modules: the operations that torch carries out are seen one by one, whatever Python code
called them. Each has a rule that says which axes it ties together; an operation without a rule fixes all axes
of what goes in and comes out, so that what is not understood costs symmetries, never their truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spinfunnel.networks.axes import Axis, concatenation, fix, leaves, part_of, regroup, split, tie
from spinfunnel.systems.network_loss.modules import piecewise, plain_form, still

#: Called with the output of each sum over units times weights, and its axes.
Watch: TypeAlias = Callable[[Any, list[Axis]], None]

SAME = {"_to_copy", "detach", "alias", "lift_fresh", "copy", "native_dropout", "_prelu_kernel", "contiguous",
        "hardswish", "hardsigmoid"}  # fmt: skip
NORMALISED = {"_softmax", "_log_softmax", "_safe_softmax"}
UNIFORM = {
    "zeros",
    "ones",
    "full",
    "zeros_like",
    "ones_like",
    "full_like",
    "new_zeros",
    "new_ones",
    "new_full",
}
RESHAPED = {"view", "_unsafe_view", "reshape", "_reshape_alias", "unflatten", "flatten"}
SUMMED = {"sum", "mean", "amax", "amin", "var", "std", "var_mean", "linalg_vector_norm", "logsumexp", "any",
          "all", "prod"}  # fmt: skip
ORDERED = {"max", "min", "argmax", "argmin"}
SUMS = {"mm", "bmm", "addmm", "baddbmm", "convolution", "linear", "embedding"}
#: Where places mean something: classes that are looked up, what comes before and behind. All axes are fixed.
LOOKED_UP = {"nll_loss_forward", "nll_loss2d_forward", "gather", "tril", "triu", "sort", "topk", "cumsum"}
BATCH_NORMS = {"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
               "cudnn_batch_norm", "miopen_batch_norm"}  # fmt: skip


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Knows the axes of every tensor that is made while it is active.

    Attributes:
        used: names of the parameters that were looked at.
        contexts: the axes of each tensor that was met.
        unknown: operations without a rule, and the units that met them.
    """

    def __init__(self, parameters: dict[str, Any], axes: dict[str, list[Axis]], watch: Watch | None) -> None:
        """Begin with the parameters' axes."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.watch = watch
        self.known: dict[Any, list[Axis]] = {}
        self.kept: list[Any] = []  # while they live, no other tensor can take their place in memory
        self.used: set[str] = set()
        self.contexts: list[list[Axis]] = []
        self.unknown: dict[str, list[Axis]] = {}
        self.uniform = set[Any]()
        self.stacked: dict[Any, Callable[[], list[Axis]]] = {}
        self.names = {_key(value): name for name, value in parameters.items()}
        for name, value in parameters.items():
            self.known[_key(value)] = axes[name]

    def of(self, tensor: Any) -> list[Axis]:
        """Give the axes of a tensor; one that was not made here, such as an input, has fixed ones."""
        key = _key(tensor)
        if key in self.names:
            self.used.add(self.names[key])
        if key in self.stacked:
            self.note(tensor, self.stacked.pop(key)())
        if key not in self.known:
            self.note(tensor, [Axis(size, fixed=True) for size in tensor.shape])
        return self.known[key]

    def note(self, tensor: Any, axes: list[Axis]) -> None:
        """Remember the axes of a tensor; one that was written to in place keeps those it had, tied."""
        key = _key(tensor)
        for old, new in zip(self.known.get(key, axes), axes, strict=True):
            tie(old, new)
        if key not in self.known:
            self.known[key] = axes
            self.kept.append(tensor)
            self.contexts.append(axes)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Carry out one operation, and follow its axes."""
        given = dict(zip((one.name for one in func._schema.arguments), args, strict=False)) | (kwargs or {})
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        turned = torch.Tag.inplace_view in func.tags  # it is another tensor afterwards
        found = self._followed(name, func, given, tensors, tensors) if turned else None
        out = func(*args, **(kwargs or {}))
        outs = [one for one in tree_leaves(out) if isinstance(one, torch.Tensor)]
        if name == "stack":  # its parts are tied once it is looked at: recurrent layers stack what few read
            self.stacked[_key(out)] = partial(self._stacked, given["tensors"], given.get("dim", 0))
            self.kept += [out, *tensors]
            return out
        found = found if turned else self._followed(name, func, given, tensors, outs)
        if found is None:
            for tensor in tensors:
                if name not in LOOKED_UP:
                    self._left(name, self.of(tensor))
                fix(*self.of(tensor))
            found = [[Axis(size, fixed=True) for size in one.shape] for one in outs]
        for one, axes in zip(outs, found, strict=True):
            self.note(one, axes)
        if func._schema.is_mutable:
            self.uniform -= set(map(_key, outs))
        if self.watch is not None and name in SUMS and type(outs[0]) is torch.Tensor:
            self.watch(outs[0], found[0])
        return out

    def _left(self, name: str, axes: Sequence[Axis]) -> None:
        """Remember which units are left in place, as they cannot be followed through an operation."""
        met = [leaf for axis in axes for leaf in leaves(axis) if leaf.size > 1 and not leaf.fixed]
        self.unknown.setdefault(name, []).extend(met)

    def _followed(
        self, name: str, func: Any, given: dict[str, Any], tensors: list[Any], outs: list[Any]
    ) -> list[list[Axis]] | None:
        """Give the axes of each output, or None if there is no rule."""
        shapes = [tuple(one.shape) for one in outs]
        if torch.Tag.pointwise in func.tags or name in SAME:
            return [self._broadcast(tensors, shape) for shape in shapes]
        if name in UNIFORM:
            self.uniform |= set(map(_key, outs))
            return [[Axis(size) for size in shape] for shape in shapes]
        if name in RESHAPED:
            return [regroup(self.of(tensors[0]), shapes[0])]
        if name in NORMALISED:
            return [self.of(tensors[0])]
        if name in SUMMED or name in ORDERED:
            return self._reduced(given, shapes, ordered=name in ORDERED)
        if name in BATCH_NORMS:
            return self._batch_norm(tensors, shapes)
        spatial = next((k for k in (1, 2, 3) if f"{k}d" in name), 0)
        if spatial and ("pool" in name or name.startswith("upsample")):
            axes = self.of(tensors[0])
            fix(*axes[-spatial:])
            return [[*axes[:-spatial], *(Axis(n, fixed=True) for n in s[-spatial:])] for s in shapes]
        rule = getattr(self, f"_{name.lstrip('_')}_rule", None)
        return None if rule is None else rule(given, shapes)

    # -- shapes --------------------------------------------------------------------------------------------

    def _broadcast(self, tensors: Sequence[Any], shape: Sequence[int]) -> list[Axis]:
        """Tie the axes of all tensors that stand for one axis of the output."""
        found = []
        for k, size in enumerate(shape):
            here = [self.of(t)[t.ndim - len(shape) + k] for t in tensors if t.ndim - len(shape) + k >= 0]
            here = [axis for axis in here if axis.size == size > 1]
            for other in here[1:]:
                tie(here[0], other)
            found.append(here[0] if here else Axis(size, fixed=True))
        return found

    def _reduced(self, given: Any, shapes: Sequence[Any], *, ordered: bool) -> list[list[Axis]]:
        axes, dims = self.of(given["self"]), given.get("dim")
        chosen = set(range(len(axes))) if dims is None or dims == [] else {*_wrapped(dims, len(axes))}
        if ordered:  # the place of the largest depends on the order
            fix(*(axes[k] for k in chosen))
        if len(shapes[0]) == len(axes):
            return [[Axis(1, fixed=True) if k in chosen else a for k, a in enumerate(axes)] for _ in shapes]
        return [[axis for k, axis in enumerate(axes) if k not in chosen] for _ in shapes]

    def _permute_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["self"])
        return [[axes[k] for k in _wrapped(given["dims"], len(axes))]]

    def _transpose_rule(self, given: Any, shapes: Any) -> Any:
        axes = [*self.of(given["self"])]
        if axes:
            i, j = _wrapped([given["dim0"], given["dim1"]], len(axes))
            axes[i], axes[j] = axes[j], axes[i]
        return [axes]

    def _t_rule(self, given: Any, shapes: Any) -> Any:
        return [self.of(given["self"])[::-1]]

    def _unsqueeze_rule(self, given: Any, shapes: Any) -> Any:
        axes = [*self.of(given["self"])]
        (at,) = _wrapped(given["dim"], len(axes) + 1)
        return [[*axes[:at], Axis(1, fixed=True), *axes[at:]]]

    def _squeeze_rule(self, given: Any, shapes: Any) -> Any:
        axes, dims = self.of(given["self"]), given.get("dim")
        chosen = range(len(axes)) if dims is None else _wrapped(dims, len(axes))
        return [[axis for k, axis in enumerate(axes) if k not in chosen or axis.size > 1]]

    def _expand_rule(self, given: Any, shapes: Any) -> Any:
        axes, (shape,) = self.of(given["self"]), shapes
        new = len(shape) - len(axes)
        return [[axes[k - new] if k >= new and axes[k - new].size == size else Axis(size)
                 for k, size in enumerate(shape)]]  # fmt: skip

    def _select_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["self"])
        (at,) = _wrapped(given["dim"], len(axes))
        fix(axes[at])
        return [[*axes[:at], *axes[at + 1 :]]]

    def _unbind_rule(self, given: Any, shapes: Any) -> Any:
        if _key(given["self"]) in self.uniform:  # as the first states of recurrent layers, one a layer
            return [[Axis(size) for size in shape] for shape in shapes]
        return self._select_rule({"dim": 0, **given}, shapes) * len(shapes)

    def _slice_rule(self, given: Any, shapes: Any) -> Any:
        axes = [*self.of(given["self"])]
        (at,) = _wrapped(given.get("dim", 0), len(axes))
        size = axes[at].size
        start, end, step = slice(given.get("start"), given.get("end"), given.get("step", 1)).indices(size)
        axes[at] = (
            self._cut(axes[at], start, max(start, end)) if step == 1 else self._lost(axes[at], shapes[0][at])
        )
        return [axes]

    def _split_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["self"])
        (at,) = _wrapped(given.get("dim", 0), len(axes))
        found, start = [], 0
        for shape in shapes:
            found.append([*axes[:at], self._cut(axes[at], start, start + shape[at]), *axes[at + 1 :]])
            start += shape[at]
        return found

    _split_with_sizes_rule = _unsafe_split_rule = _split_rule

    def _cut(self, axis: Axis, start: int, end: int) -> Axis:
        return part_of(axis, start, end) or Axis(end - start, fixed=True)

    def _lost(self, axis: Axis, size: int) -> Axis:
        fix(axis)
        return Axis(size, fixed=True)

    def _cat_rule(self, given: Any, shapes: Any) -> Any:
        parts = [self.of(one) for one in given["tensors"] if one.ndim == len(shapes[0])]
        (at,) = _wrapped(given.get("dim", 0), len(shapes[0]))
        for other in parts[1:]:
            for k, axis in enumerate(other):
                if k != at:
                    tie(parts[0][k], axis)
        return [[*parts[0][:at], concatenation([part[at] for part in parts]), *parts[0][at + 1 :]]]

    def _stacked(self, tensors: Sequence[Any], dim: int) -> list[Axis]:
        axes = self._broadcast(tensors, tuple(tensors[0].shape))
        (at,) = _wrapped(dim, len(axes) + 1)
        return [*axes[:at], Axis(len(tensors), fixed=True), *axes[at:]]

    def _constant_pad_nd_rule(self, given: Any, shapes: Any) -> Any:
        axes, pad = [*self.of(given["self"])], [*given["pad"]]
        if min(pad) < 0:
            return None
        for k in range(len(pad) // 2):
            before, behind = pad[2 * k : 2 * k + 2]
            axes[-1 - k] = concatenation([Axis(before), axes[-1 - k], Axis(behind)])
        return [axes]

    def _flip_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["self"])
        fix(*(axes[k] for k in _wrapped(given["dims"], len(axes))))
        return [axes]

    _roll_rule = _flip_rule

    def _index_rule(self, given: Any, shapes: Any) -> Any:
        axes, indices = self.of(given["self"]), [*given["indices"]]
        kept, at, places = [], 0, []
        for index in indices:
            wide = 1 if index is None or index.dtype not in (torch.bool, torch.uint8) else index.ndim
            if index is None:
                kept.append((at, axes[at]))
            else:
                fix(*axes[at : at + wide], *self.of(index))
                places.append(at)
            at += wide
        kept += list(enumerate(axes))[at:]
        new = [Axis(0, fixed=True)] * (len(shapes[0]) - len(kept))
        adjacent = places == [*range(places[0], places[0] + len(places))]
        before = [axis for k, axis in kept if adjacent and k < places[0]]
        behind = [axis for k, axis in kept if not (adjacent and k < places[0])]
        found = [*before, *new, *behind]
        return [
            [axis if axis.size else Axis(n, fixed=True) for axis, n in zip(found, shapes[0], strict=True)]
        ]

    def _index_select_rule(self, given: Any, shapes: Any) -> Any:
        axes = [*self.of(given["self"])]
        (at,) = _wrapped(given["dim"], len(axes))
        axes[at] = self._lost(axes[at], shapes[0][at])
        return [axes]

    def _index_add_rule(self, given: Any, shapes: Any) -> Any:
        """Add rows to those that an index tells: their places along the one axis mean something."""
        axes, *others = (self.of(given[key]) for key in ("self", "source", "src", "index") if key in given)
        (at,) = _wrapped(given["dim"], len(axes))
        for other in (one for one in others if len(one) == len(axes)):
            fix(axes[at], other[at])
            for k in {*range(len(axes))} - {at}:
                tie(axes[k], other[k])
        return [axes]

    _scatter_add_rule = _index_add_rule

    def _pack_padded_sequence_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["input"])
        fix(*axes[:2])
        return [[Axis(shapes[0][0], fixed=True), *axes[2:]], [Axis(shapes[1][0], fixed=True)]]

    def _pad_packed_sequence_rule(self, given: Any, shapes: Any) -> Any:
        rows, *axes = self.of(given["data"])
        fix(rows)
        return [[*(Axis(n, fixed=True) for n in shapes[0][:2]), *axes], [Axis(shapes[1][0], fixed=True)]]

    # -- sums over units times weights ---------------------------------------------------------------------

    def _mm_rule(self, given: Any, shapes: Any) -> Any:
        return self._product(given["self"], given["mat2"])

    def _bmm_rule(self, given: Any, shapes: Any) -> Any:
        return self._product(given["self"], given["mat2"])

    def _addmm_rule(self, given: Any, shapes: Any) -> Any:
        return self._product(given["mat1"], given["mat2"], given["self"])

    _sparse_addmm_rule = _addmm_rule

    def _baddbmm_rule(self, given: Any, shapes: Any) -> Any:
        return self._product(given["batch1"], given["batch2"], given["self"])

    def _mv_rule(self, given: Any, shapes: Any) -> Any:
        (rows, inner), (vector,) = self.of(given["self"]), self.of(given["vec"])
        tie(inner, vector)
        return [[rows]]

    def _dot_rule(self, given: Any, shapes: Any) -> Any:
        tie(self.of(given["self"])[0], self.of(given["tensor"])[0])
        return [[]]

    def _vdot_rule(self, given: Any, shapes: Any) -> Any:
        return self._dot_rule({"self": given["self"], "tensor": given["other"]}, shapes)

    def _linear_rule(self, given: Any, shapes: Any) -> Any:
        axes, (out, inner) = self.of(given["input"]), self.of(given["weight"])
        tie(axes[-1], inner)
        if given.get("bias") is not None:
            tie(out, self.of(given["bias"])[0])
        return [[*axes[:-1], out]]

    def _product(self, a: Any, b: Any, added: Any = None) -> Any:
        (*batch, rows, left), (*other, right, columns) = self.of(a), self.of(b)
        for x, y in zip((*batch, left), (*other, right), strict=True):
            tie(x, y)
        axes = [*batch, rows, columns]
        if added is not None:
            for own, axis in zip(self.of(added)[::-1], axes[::-1], strict=False):
                if own.size > 1:
                    tie(own, axis)
        return [axes]

    def _convolution_rule(self, given: Any, shapes: Any) -> Any:
        axes, weight, groups = self.of(given["input"]), self.of(given["weight"]), given["groups"]
        into, out = (1, 0) if not given["transposed"] else (0, 1)
        fix(*axes[2:], *weight[2:])
        channels = weight[out]
        if groups == 1:
            tie(axes[1], weight[into])
        elif weight[into].size == 1 and channels.size == axes[1].size == groups:  # one filter a channel
            tie(axes[1], channels)
        else:  # groups as wholes, and what comes out of each; what goes into each has its place
            inside = split(axes[1], (groups, axes[1].size // groups))
            outside = split(channels, (groups, shapes[0][1] // groups)) if out == 0 else None
            if inside is None or outside is None:
                fix(axes[1], *weight[:2])
                channels = Axis(shapes[0][1], fixed=True)
            else:
                tie(inside[0], outside[0])
                self._left("a convolution in groups", inside[1:])
                fix(inside[1], weight[into])
        if given["bias"] is not None:
            tie(channels, self.of(given["bias"])[0])
        return [[axes[0], channels, *(Axis(size, fixed=True) for size in shapes[0][2:])]]

    def _embedding_rule(self, given: Any, shapes: Any) -> Any:
        rows, columns = self.of(given["weight"])
        fix(rows)
        return [[*self.of(given["indices"]), columns]]

    def _weight_norm_interface_rule(self, given: Any, shapes: Any) -> Any:
        direction, length = self.of(given["v"]), self.of(given["g"])
        for x, y in zip(direction, length, strict=True):
            if y.size > 1:
                tie(x, y)
        return [direction, length]

    # -- what normalises -----------------------------------------------------------------------------------

    def _batch_norm(self, tensors: Sequence[Any], shapes: Sequence[Any]) -> list[list[Axis]]:
        axes = self.of(tensors[0])
        for one in tensors[1:]:
            tie(axes[1], self.of(one)[0])
        return [axes, *([axes[1]] if shape == (axes[1].size,) else [Axis(n, fixed=True) for n in shape]
                        for shape in shapes[1:])]  # fmt: skip

    def _native_layer_norm_rule(self, given: Any, shapes: Any) -> Any:
        axes, over = self.of(given["input"]), len(given["normalized_shape"])
        for own in (given.get("weight"), given.get("bias")):
            for axis, mine in zip(axes[-over:], self.of(own) if own is not None else (), strict=False):
                tie(axis, mine)
        return [[*axes[: len(axes) - over], *axes[len(axes) - over :]], *(
            [*axes[: len(axes) - over], *(Axis(1, fixed=True) for _ in range(over))] for _ in shapes[1:]
        )]  # fmt: skip

    _fused_rms_norm_rule = _native_layer_norm_rule

    def _native_group_norm_rule(self, given: Any, shapes: Any) -> Any:
        axes = self.of(given["input"])
        for own in (given.get("weight"), given.get("bias")):
            if own is not None:
                tie(axes[1], self.of(own)[0])
        parts = split(axes[1], (given["group"], axes[1].size // given["group"]))
        groups = parts[0] if parts else Axis(given["group"], fixed=True)
        return [axes, *([axes[0], groups] for _ in shapes[1:])]

    def _glu_rule(self, given: Any, shapes: Any) -> Any:
        axes = [*self.of(given["self"])]
        (at,) = _wrapped(given.get("dim", -1), len(axes))
        half = axes[at].size // 2
        gates = self._cut(axes[at], half, 2 * half)
        axes[at] = self._cut(axes[at], 0, half)
        tie(axes[at], gates)
        return [axes]


def _key(tensor: Any) -> Any:
    """Tell tensors apart by what they see of memory: torch may wrap one in more than one Python object."""
    if tensor.numel() == 0 or tensor.layout != torch.strided:
        return id(tensor)
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype


def _wrapped(dims: int | Iterable[int], count: int) -> list[int]:
    return [dim % count for dim in ([dims] if isinstance(dims, int) else dims)] if count else []


def traced(
    run: Callable[[], Any],
    parameters: dict[str, Any],
    axes: dict[str, list[Axis]] | None = None,
    watch: Watch | None = None,
) -> tuple[dict[str, list[Axis]], Tracer]:
    """Run a model and give the axes of its parameters; what `run` returns is fixed.

    `axes` are those of an earlier run, to which this one adds nothing but ties. Attention is computed in its
    plain form, of which every operation is seen.

    >>> from torch import nn
    >>> net, x = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), torch.ones(4, 3)
    >>> axes, _ = traced(lambda: net(x), dict(net.named_parameters()))
    >>> [[leaf.fixed for axis in found for leaf in leaves(axis)] for found in axes.values()]
    [[False, True], [False], [True, False], [True]]
    """
    if axes is None:
        axes = {name: [Axis(size) for size in value.shape] for name, value in parameters.items()}
    tracer = Tracer(parameters, axes, watch)
    with plain_form(), still(parameters.values()), piecewise(), tracer:
        out = run()
    for one in tree_leaves(out):
        if isinstance(one, torch.Tensor):
            fix(*tracer.of(one))
    for name in {*parameters} - tracer.used:
        fix(*axes[name])
    return axes, tracer
