"""The order of tensors along the network's depth, from their names.

PyTorch's checkpoints and dictionaries keep the order in which layers were made. The safetensors library
does not: it writes tensors alphabetically (within a type). So a file that is *not* alphabetical is in its
author's order, which is kept; one that is gets this order: embeddings, encoder, the rest, decoder, head,
and within each of them names sorted with their numbers compared as numbers (layer 2 before layer 10).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Matched against the part of a name before its first number, so that a block's own `embed` or `output`
# stays inside the block. The first stage that matches wins.
STAGES = (
    (0, re.compile(r"(^|[._/])(\w*emb(ed|edding|eddings)?(_\w*)?|wte|wpe|shared)([._/]|$)", re.I)),
    (
        4,
        re.compile(
            r"(^|[._/])(lm_head|\w*head|classifier|cls|score|pooler|logits|output|fc|fc_out)([._/]|$)"
        ),
    ),
    (1, re.compile(r"(^|[._/])enc(oder)?([._/]|$)")),
    (3, re.compile(r"(^|[._/])dec(oder)?([._/]|$)")),
)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that compares numbers in names as numbers.

    >>> sorted(["h.10.w", "h.9.w"], key=natural)
    ['h.9.w', 'h.10.w']
    """
    pieces = re.split(r"([0-9]{1,18})", name)
    return [(0, int(piece), "") if i % 2 else (1, 0, piece) for i, piece in enumerate(pieces)]


def stage(name: str) -> int:
    """Where in a network a name belongs: 0 embeddings, 1 encoder, 2 unknown, 3 decoder, 4 head.

    >>> [stage(n) for n in ("wte.weight", "encoder.layer.0.output.dense.weight", "lm_head.weight")]
    [0, 1, 4]
    """
    before_numbers = re.split(r"[0-9]", name, maxsplit=1)[0]
    return next((number for number, pattern in STAGES if pattern.search(before_numbers)), 2)


def by_depth(names: Sequence[str], groups: Sequence[str] | None = None) -> list[str]:
    """Order names by depth; `groups` are what the writer sorted by before the name (the types).

    >>> by_depth(["h.0.w", "h.1.w", "h.10.w", "h.2.w", "wte"])
    ['wte', 'h.0.w', 'h.1.w', 'h.2.w', 'h.10.w']
    >>> by_depth(["conv1", "lstm", "final_conv"])   # not alphabetical: its author's own order
    ['conv1', 'lstm', 'final_conv']
    """
    keys = groups if groups is not None else [""] * len(names)
    alphabetical = all(
        a_key != b_key or a < b
        for (a, a_key), (b, b_key) in zip(
            zip(names, keys, strict=True), zip(names[1:], keys[1:], strict=True), strict=False
        )
    )
    return sorted(names, key=lambda name: (stage(name), natural(name))) if alphabetical else list(names)
