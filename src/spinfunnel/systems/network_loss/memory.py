"""How much memory this process takes, and how much it may take."""

from __future__ import annotations

import os
from pathlib import Path

#: Where the system does not tell: what torch and the other libraries take alone.
LIBRARIES = 300_000_000


def machine() -> int:
    """Give the bytes of memory that this machine has, in use or not."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def available(told: Path = Path("/proc/meminfo")) -> int:
    """Give the bytes that can be had now, with those that only cache files; half of all if nobody tells.

    >>> 0 < available() <= machine(), available(Path("nothing here")) == machine() // 2
    (True, True)
    """
    try:
        lines = told.read_text().splitlines()
    except OSError:
        return machine() // 2
    found = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024 * found[0] if found else machine() // 2


def in_use(told: Path = Path("/proc/self/statm")) -> int:
    """Give the bytes that this process takes now, with the user's model and data in it.

    >>> in_use() > 10_000_000, in_use(Path("nothing here"))
    (True, 300000000)
    """
    try:
        pages = int(told.read_text().split()[1])
    except OSError:
        return LIBRARIES
    return pages * os.sysconf("SC_PAGE_SIZE")
