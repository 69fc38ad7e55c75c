"""Names and numbers as people may see them: nothing from a weight file reaches a screen unescaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from rich.cells import cell_len, set_cell_size

from spinfunnel.core import Verdict, significant

#: What each outcome looks like where there is no colour.
MARKS = {"bad": "✖", "warning": "▲", "unsure": "?", "info": "◆", "good": "●", "": "·"}

_LETTERS = ("alpha", "beta", "gamma", "kappa", "lambda", "rho", "sigma", "theta", "tau")
_GREEK = dict(zip(_LETTERS, "αβγκλρσθτ", strict=True))


def visible(text: object) -> str:
    r"""Show control, direction and other invisible characters as escapes; leave all others alone.

    >>> visible("a\x1b[31m\n\u202eb"), visible("層.weight")
    ('a\\x1b[31m\\n\\u202eb', '層.weight')
    """
    if (text := str(text)).isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else char
        for char in text
    )


def title(key: str) -> str:
    """Head a column: spaces for underscores, Greek letters for their names.

    >>> title("p_null"), title("alpha")
    ('p null', 'α')
    """
    return " ".join(_GREEK.get(word, word) for word in visible(key).split("_"))


def cell(value: Any, digits: int = 4) -> str:
    """Write a table cell for people: counts with thin spaces, other numbers to `digits` places.

    >>> cell(22713216), cell(0.012345, 3), cell(np.nan), cell(True)
    ('22\u202f713\u202f216', '0.0123', '–', 'yes')
    """
    value = scalar(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return significant(value, digits)
    return "–" if value is None else visible(value)


def big(count: int) -> str:
    """Write a count in the field's short form.

    >>> big(22_713_216), big(999), big(7_241_732_096)
    ('22.7 M', '999', '7.24 B')
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{significant(count / size, 3)} {letter}"
    return str(count)


def facts(subject: Mapping[str, Any]) -> list[str]:
    """Say in a few words what a report is about: the size of a model, or the parameters of a system.

    >>> facts({"format": "safetensors", "parameters": 1200, "matrices": 3})
    ['safetensors', '1.20 k parameters', '3 matrices']
    >>> facts({"system": {"name": "sk", "N": 128, "law": "gauss", "field": 0.0, "seed": 1}})
    ['N = 128', 'law gauss', 'field 0', 'seed 1']
    >>> model = {"format": "PyTorch module", "parameters": 1200, "matrices": 3}
    >>> facts(model | {"loss": {"free weights": 1100, "examples": 50}})[1:3]
    ['1.20 k parameters, 1.10 k of them free', 'loss on 50 examples']
    """
    if "system" not in subject:
        size, loss = f"{big(subject['parameters'])} parameters", []
        if "loss" in subject:
            free, examples = subject["loss"]["free weights"], cell(subject["loss"]["examples"])
            size += f", {big(free)} of them free" if free != subject["parameters"] else ", all free"
            loss = [f"loss on {examples} examples"]
        return [visible(subject["format"]), size, *loss, f"{cell(subject['matrices'])} matrices"]
    asked = dict(subject["system"])
    del asked["name"]
    said = [f"N = {cell(asked.pop('N'))}"]
    return said + [visible(f"{key} {cell(value)}") for key, value in asked.items()]


def percent(share: float) -> str:
    """Write a share, never rounding a part to nothing or to all.

    >>> percent(.9963), percent(0.00001), percent(.99999), percent(1.0)
    ('99.6 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1 - 1e-12:  # what was added up may miss 1 by rounding
        return "> 99.9 %"
    return f"{100 * share:.{3 if share >= 0.1 else 2}g} %"


def together(failed: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Join the rows of what failed in the same place and the same way, in the order of the first.

    >>> together([{"instrument": i, "where": "w", "error": "unreadable"} for i in "ab"])
    [{'instrument': 'a, b', 'where': 'w', 'error': 'unreadable'}]
    """
    names: dict[tuple[str, str], list[str]] = {}
    for row in failed:
        names.setdefault((row["where"], row["error"]), []).append(row["instrument"])
    return [
        {"instrument": ", ".join(found), "where": where, "error": error}
        for (where, error), found in names.items()
    ]


def told(doubt: str, verdict: Verdict | None) -> bool:
    """Tell whether a verdict's sentence already says what is doubted.

    >>> told("too few points", Verdict("unsure", "cannot tell", "Too few points."))
    True
    """
    return verdict is not None and doubt[1:] in verdict.sentence


def scalar(value: Any) -> Any:
    """Give numpy's scalars as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def ending(names: Sequence[str]) -> str:
    """Give the dotted ending that all names share, which tells nothing about one of them.

    >>> ending(["a.0.weight", "a.1.weight"]), ending(["a.weight"]), ending(["a.weight", "b.bias"])
    ('.weight', '', '')
    """
    ends = {name[name.rfind(".") :] if "." in name[1:] else "" for name in names}
    return ends.pop() if len(ends) == 1 and len(names) > 1 else ""


def short(names: Sequence[str], width: int) -> list[str]:
    """Shorten dotted names: without their common ending, and where they do not fit, by first letters.

    Of names that begin alike, the beginning they share goes first, for all of them, unless nine in ten fit;
    then each loses the parts at its left. What is still too long loses its middle.

    >>> short(["encoder.layer.0.attention.output.dense", "encoder.layer.1.output.dense", "head.dense"], 24)
    ['e.l.0.attention.output', 'e.l.1.output', 'head']
    """
    end = ending(names)
    groups: dict[str, list[list[str]]] = {}
    for name in names:
        parts = name.removesuffix(end).split(".")
        groups.setdefault(parts[0], []).append(parts)
    found: dict[str, str] = {}
    for group in groups.values():
        fit = sum(cell_len(".".join(parts)) <= width for parts in group) >= 0.9 * len(group)
        alike = takewhile(
            lambda column: len(set(column)) == 1, zip(*(parts[:-1] for parts in group), strict=False)
        )
        shared = 0 if fit else len(list(alike))
        for parts in group:
            # What is not made of identifiers has no parts to stand for.
            most = len(parts) if all(part.isidentifier() or part.isdigit() for part in parts[:-1]) else 1
            for count in range(min(shared, most - 1), most):
                if cell_len(written := _initials(parts, count)) <= width:
                    break
            found[".".join(parts)] = middle(written, width)
    return [found[name.removesuffix(end)] for name in names]


def _initials(parts: Sequence[str], count: int) -> str:
    """Write a dotted name with its first `count` parts as their first letters; numbers stay."""
    return ".".join([part if part.isdigit() else part[:1] for part in parts[:count]] + list(parts[count:]))


def middle(text: str, width: int) -> str:
    """Shorten a text to `width` terminal cells by leaving out its middle.

    >>> middle("encoder.layer.0.attention.query.weight", 20)
    'encoder.la…ry.weight'
    """
    if cell_len(text) <= width:
        return text
    half = (width - 1) // 2
    head, tail = set_cell_size(text, width - 1 - half).rstrip(), ""
    for char in reversed(text[-width:]):
        if cell_len(char + tail) > half:
            break
        tail = char + tail
    return f"{head}…{tail}"
