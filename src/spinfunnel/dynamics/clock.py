"""Counting steps until a deadline, and saying how far they are."""

from __future__ import annotations

import time
from collections.abc import Iterator

from spinfunnel.dynamics.replicas import Progress

#: Seconds between two words to `progress`.
SILENCE = 0.1


def ticks(total: int, name: str, deadline: float | None, progress: Progress | None) -> Iterator[int]:
    """Count 1..total, until `deadline` (a `time.time()`), and tell `progress` now and then.

    A step is counted when the loop comes back for the next.

    >>> list(ticks(3, "steps", None, None))
    [1, 2, 3]
    """
    said = time.time()
    for k in range(1, total + 1):
        if deadline is not None and time.time() >= deadline:
            return
        yield k
        if progress and (k == total or time.time() >= said + SILENCE):
            said = time.time()
            progress(k, total, name)
