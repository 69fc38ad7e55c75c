"""The terminal as commands see it: a console, and a bar for long work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from spinfunnel.units import Progress


def terminal() -> Console:
    """Give the console that results are printed to."""
    from rich.console import Console

    return Console(highlight=False)


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Progress | None]:
    """Show a bar with the time left, and what is running, on stderr, if it is a terminal and work is long."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), SpinnerColumn(), TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def progress(done: float, total: float, name: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(ascii(name)[1:-1])[:60])

        yield progress
