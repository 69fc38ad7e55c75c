"""Tables in markdown, and the numbers in them."""

from __future__ import annotations


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Write a markdown table; vertical bars, which end a cell, become slashes, and < is no tag."""

    def cell(text: str) -> str:
        parts = str(text).replace("|", "/").replace("\n", " ").split("`")
        return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))

    lines = [heads, [":--" for _ in heads], *rows]
    return "".join("| " + " | ".join(map(cell, line)) + " |\n" for line in lines)


def short(value: float | None, digits: int = 3) -> str:
    """Write a number, or nothing where there is none."""
    from spinfunnel.core import significant

    return "" if value is None else significant(value, digits)
