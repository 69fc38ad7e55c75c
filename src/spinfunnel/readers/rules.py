"""How to tell, from names and shapes alone, which matrices a tensor holds: tables first, then one rule each.

A weight file holds names and shapes, not layers. Every rule writes what it decided into `Part.layout`; what
cannot be told is left whole, and said so. `RULES`, at the end, lists them: the first that applies wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from spinfunnel.readers.parts import Part, Span, Take
from spinfunnel.readers.tensors import Tensor, Weights

EMBEDDING = re.compile(
    r"(^|[._/])(emb|embed|embedding|embeddings|embed_tokens|embed_positions|embed_in|wte|wpe)([._/](weight|table))?$"
)
#: Integers that are weights; wider ones are indices or counts.
QUANTISED = ("int8", "uint8")
EXPERT = re.compile(r"expert", re.IGNORECASE)
CONVOLUTION = re.compile(r"conv", re.IGNORECASE)
#: Leaves that hold weights, and the leaf that holds their bias.
BIAS = {"weight": "bias", "kernel": "bias", "w": "b", "W": "b"}

#: Gates of recurrent layers: the tensor's name, its partner's (whose inputs are the hidden units), and the
#: gates in the order they are stacked, by their number.
LSTM = ("input gate", "forget gate", "cell gate", "output gate")
TORCH_RNN = re.compile(r"(?P<stem>.*(weight|w))_(ih|hh)(?P<layer>(_l\d+)?(_reverse)?)")
TORCH_GATES = {4: LSTM, 3: ("reset gate", "update gate", "new gate")}
KERAS_RNN = re.compile(r"(?P<stem>(.*[./])?)(recurrent_)?kernel(?P<layer>(:0)?)")
KERAS_GATES = {4: LSTM, 3: ("update gate", "reset gate", "new gate")}

#: Tensors that stack several projections, and what they stack, in order.
QKV = ("query", "key", "value")
FUSED = (
    (r"in_proj_weight|(c_attn|qkv|qkv_proj|to_qkv|[Ww]_?qkv|query_key_value)(\.weight)?", QKV),
    (r"(to_kv|kv)(\.weight)?", ("key", "value")),
    (r"gate_up_proj(\.weight)?", ("gate", "up")),
)
#: Families (`model_type`) that store query, key and value group by group of heads, not one after the other.
GROUPED = {"gpt_neox", "gpt_neox_japanese", "bloom", "falcon", "RefinedWeb", "RefinedWebModel", "internlm2"}
#: Names whose order is not known without the family, and families with an order we do not undo.
UNORDERED = re.compile(r"query_key_value|(^|[._/])wqkv")
OTHER_ORDER = {"codegen", "chatglm"}

#: Kernels have sides smaller than this, so larger ones make a stack of matrices.
LARGEST_KERNEL = 32
#: A tensor that would fall into more parts than this is unfolded instead.
MOST_PARTS = 4096


@dataclass(frozen=True)
class Seen:
    """What a rule may look at: one tensor, the names and shapes of all, and the folder's hints."""

    tensor: Tensor
    shapes: Mapping[str, tuple[int, ...]]
    hints: Mapping[str, int | str]
    slices: bool = False
    conv1d: bool = False

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.tensor.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape, as stored."""
        return self.tensor.shape

    @cached_property
    def bias(self) -> int | None:
        """Length of the bias that goes with it: the number of outputs. None when there is none."""
        found = re.fullmatch(r"(|.*[._/])(weight|kernel|w|W)(:0)?", self.name)
        partner = f"{found[1]}{BIAS[found[2]]}{found[3] or ''}" if found else ""
        shape = self.shapes.get(partner, ())
        return shape[0] if len(shape) == 1 else None

    @property
    def is_kernel(self) -> bool:
        """Whether it follows the convention of Keras and flax: `kernel`, with the outputs last."""
        return re.fullmatch(r"(.*[._/])?kernel(:0)?", self.name) is not None

    @property
    def is_embedding(self) -> bool:
        """Whether it is a table of vectors; one with a bias is a linear map that only has such a name."""
        return EMBEDDING.search(self.name) is not None and self.bias is None

    def part(self, word: str, shape: Iterable[int], kind: str, layout: str, **how: object) -> Part:
        """One of its matrices."""
        rows, columns = shape
        if self.tensor.dtype in QUANTISED:
            layout = "; ".join(filter(None, [layout, "integers as stored: scales are not applied"]))
        return Part(self.name, word, (rows, columns), self.shape, kind, layout, **how)  # type: ignore[arg-type]


def times(shape: Iterable[int]) -> str:
    """Write a shape as people do: 64 x 3 x 3."""
    return " x ".join(map(str, shape))


def context(weights: Weights, slices: bool) -> Iterable[Seen]:
    """See every tensor of a source in the light of all others."""
    shapes = {tensor.name: tensor.shape for tensor in weights.tensors}
    # GPT-2 stores its linear maps inputs first; one fused projection of d x 3d gives all of them away.
    conv1d = any(len(s) == 2 and s[1] == 3 * s[0] for n, s in shapes.items() if n.endswith("c_attn.weight"))
    return (Seen(tensor, shapes, weights.hints, slices, conv1d) for tensor in weights.tensors)


def embedding(seen: Seen) -> list[Part] | None:
    """A table of vectors, perhaps stored with leading sides of one (1 x positions x width)."""
    shape = seen.shape[-2:]
    if not seen.is_embedding or prod(seen.shape) != prod(shape):
        return None
    return [
        seen.part("", shape, "embedding", f"stored as {times(seen.shape)}" if len(seen.shape) > 2 else "")
    ]


def stack(seen: Seen) -> list[Part] | None:
    """Experts, or any three sides of which the last two are too large for a kernel: one matrix each."""
    expert = EXPERT.search(seen.name) is not None
    large = min(seen.shape[1:]) >= LARGEST_KERNEL and not CONVOLUTION.search(seen.name)
    if len(seen.shape) != 3 or seen.shape[0] > MOST_PARTS or not (expert or large):
        return None
    kind, word = ("expert", "expert") if expert else ("linear", "matrix")
    count, *shape = seen.shape
    fused, hidden = "gate_up_proj" in seen.name, int(seen.hints.get("hidden_size", 0))
    if not fused or shape.count(hidden) != 1 or sum(shape) % 2 != hidden % 2:
        said = f"one of {count} in {times(seen.shape)}{'; gate and up fused, not split' if fused else ''}"
        return [seen.part(f"{word} {i}", shape, kind, said, take=(i,)) for i in range(count)]
    # The side that is not the hidden size is the fused one: it becomes the rows.
    axes = (0, 2, 1) if shape[0] == hidden else ()
    half = (sum(shape) - hidden) // 2
    said = f"{half} x {hidden}, half of one of {count} in {times(seen.shape)}"
    gate: Span = (0, half, None)
    up: Span = (half, None, None)
    if seen.hints.get("model_type") == "gpt_oss":  # alternates them, the others put one after the other
        gate, up = (0, None, 2), (1, None, 2)
    return [
        seen.part(f"{word} {i}, {name}", (half, hidden), kind, said, axes=axes, take=(i, rows))
        for i in range(count)
        for name, rows in (("gate", gate), ("up", up))
    ]


def convolution(seen: Seen) -> list[Part] | None:
    """Three sides and more: out x in x k x k unfolded to out x (in k k), or one out x in matrix a position.

    A transposed convolution is stored in x out x k x k, which only its bias can tell.
    """
    if len(seen.shape) < 3:
        return None
    sides = len(seen.shape)
    axes: tuple[int, ...] = ()
    order = ""
    if seen.is_kernel and max(seen.shape[:-2]) < LARGEST_KERNEL:
        axes, order = (sides - 1, sides - 2, *range(sides - 2)), ", stored outputs last"
    elif seen.bias is not None and seen.bias == seen.shape[1] != seen.shape[0]:
        axes, order = (1, 0, *range(2, sides)), ", a transposed convolution stored inputs first"
    outputs, inputs, *kernel = (seen.shape[i] for i in axes) if axes else seen.shape
    if seen.slices and 1 < prod(kernel) <= MOST_PARTS and min(outputs, inputs) > 1:
        return [
            seen.part(
                f"slice {','.join(map(str, position))}",
                (outputs, inputs),
                "convolution",
                f"{outputs} x {inputs}, one of {prod(kernel)} positions of {times(seen.shape)}{order}",
                axes=axes,
                take=((None, None, None), (None, None, None), *position),
            )
            for position in product(*map(range, kernel))
        ]
    shape = (outputs, inputs * prod(kernel))
    said = f"{times(shape)}, unfolded from {times(seen.shape)}{order}"
    return [seen.part("", shape, "convolution", said, axes=axes)]


def recurrent(seen: Seen) -> list[Part] | None:
    """Weights of an LSTM or GRU, one matrix per gate, told by the ratio of their sides to the hidden size."""
    axes: tuple[int, ...]
    if found := TORCH_RNN.fullmatch(seen.name):
        stem, layer = found["stem"], found["layer"]
        projection = seen.shapes.get(
            f"{stem}_hr{layer}", ()
        )  # an LSTM with a projection has hidden > outputs
        hidden = (projection or seen.shapes.get(f"{stem}_hh{layer}", ()))[1:]
        axes, stored, gates = (), "", TORCH_GATES
        rows, columns = seen.shape
    elif found := KERAS_RNN.fullmatch(seen.name):
        hidden = seen.shapes.get(f"{found['stem']}recurrent_kernel{found['layer']}", ())[:1]
        axes, stored, gates = (1, 0), f", stored {times(seen.shape)}", KERAS_GATES
        columns, rows = seen.shape
    else:
        return None
    if not hidden or rows not in (hidden[0], 3 * hidden[0], 4 * hidden[0]):
        return None
    size, count = hidden[0], rows // hidden[0]
    if count == 1:
        return [seen.part("", (rows, columns), "recurrent", stored.strip(", "), axes=axes)]
    said = f"{size} x {columns}, one of {count} gates of {rows} x {columns}{stored}"
    return [
        seen.part(
            gate,
            (size, columns),
            "recurrent",
            said,
            gates=count,
            axes=axes,
            take=((i * size, (i + 1) * size, None),),
        )
        for i, gate in enumerate(gates[count])
    ]


def linear(seen: Seen) -> list[Part]:
    """Any other matrix, rows = outputs; split if it is several projections in one and it is known how."""
    conv1d = seen.conv1d and re.search(r"(^|[._/])c_(attn|proj|fc)\.weight$", seen.name) is not None
    outputs_last = seen.bias is not None and seen.bias == seen.shape[1] != seen.shape[0]
    axes = (1, 0) if seen.is_kernel or conv1d or outputs_last else ()
    rows, columns = (seen.shape[1], seen.shape[0]) if axes else seen.shape
    stored = f", stored {times(seen.shape)}" if axes else ""
    fused = next((words for name, words in FUSED if re.search(rf"(^|[._/])({name})$", seen.name)), ())
    if not fused:
        note = f"{rows} x {columns}{stored}" if axes else ""
        return [seen.part("", (rows, columns), "linear", note, axes=axes)]
    blocks = _blocks(seen, fused, rows, columns)
    if isinstance(blocks, str):
        return [seen.part("", (rows, columns), "linear", f"{rows} x {columns}{stored}; {blocks}", axes=axes)]
    groups, sizes = blocks
    parts, start = [], 0
    for word, size in zip(fused, sizes, strict=True):
        shape = (groups * size, columns)
        said = f"{times(shape)} of a fused {rows} x {columns}{stored}"
        take: Take = ((start, start + size, None),)
        split: tuple[int, ...] = ()
        if groups > 1:
            said += f", stored in {groups} groups of heads"
            split, take = (groups, rows // groups, columns), ((None, None, None), *take)
        parts.append(seen.part(word, shape, "linear", said, axes=axes, split=split, take=take))
        start += size
    return parts


def _blocks(seen: Seen, fused: tuple[str, ...], rows: int, columns: int) -> tuple[int, list[int]] | str:
    """In how many groups a fused matrix is stored, and how many rows of each belong to what; or why not."""
    if fused != QKV:
        return (1, [rows // 2] * 2) if rows % 2 == 0 else "fused, not split: an odd number of rows"
    family = str(seen.hints.get("model_type", ""))
    if family in OTHER_ORDER or (UNORDERED.search(seen.name) and family not in GROUPED):
        return f"fused, not split: order unknown{f' for {family}' if family else ' without a config'}"
    heads = int(seen.hints.get("heads", 0))
    keys = int(seen.hints.get("key_value_heads", heads))
    grouped = family in GROUPED
    if family in ("falcon", "RefinedWebModel", "RefinedWeb", "gpt_bigcode"):
        new = seen.hints.get("new_decoder_architecture", family == "RefinedWeb")
        if family == "gpt_bigcode" or not new:
            single = bool(seen.hints.get("multi_query", family != "RefinedWeb"))
            keys, grouped = (1, False) if single else (heads, True)
    width = int(seen.hints.get("head_dim", 0)) or (columns // heads if heads else 0)
    if heads and keys and heads % keys == 0 and rows == (heads + 2 * keys) * width:
        if grouped:
            return keys, [heads // keys * width, width, width]
        return 1, [heads * width, keys * width, keys * width]
    if not grouped and (rows == 3 * columns or ("to_qkv" in seen.name and rows % 3 == 0)):
        return 1, [rows // 3] * 3
    return "fused, not split: number of heads unknown"


RULES = (embedding, stack, convolution, recurrent, linear)


def parts_of(seen: Seen) -> list[Part]:
    """All matrices of one tensor of two sides or more."""
    return next(parts for rule in RULES if (parts := rule(seen)) is not None)
