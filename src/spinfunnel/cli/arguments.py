"""What users typed, read; and what is wrong with it, told before any work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from spinfunnel.core import EFFORTS, BadInput, Effort


def names_in(given: Sequence[str] | None) -> list[str]:
    """Read names with commas between, of an option that may be given more than once.

    >>> names_in(["spectrum, traps", "condition"])
    ['spectrum', 'traps', 'condition']
    """
    return [name.strip() for name in ",".join(given or ()).split(",") if name.strip()]


def effort_named(text: str) -> Effort:
    """Read an effort."""
    for effort in EFFORTS:
        if text == effort:
            return effort
    raise BadInput(f"--effort is {text!r}: it must be quick, normal or full")


def duration(text: str) -> float | None:
    """Read a duration.

    >>> duration("5m"), duration("90s"), duration("")
    (300.0, 90.0, None)
    """
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise BadInput(f"--budget is {text!r}: write a positive time such as 90s, 5m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def writable(folder: Path) -> None:
    """Find out before long work, not after it, that a folder cannot be written to."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder"
        ) from None
