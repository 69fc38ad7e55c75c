"""`spinfunnel new`: write a file to begin with."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from spinfunnel.core import BadInput


def new(
    what: Annotated[str, typer.Argument(help="task: a Python file that hands over a network and its data.")],
    path: Annotated[
        Path, typer.Argument(help="Where to write it: a file, or a folder for task.py.", show_default=True)
    ] = Path("task.py"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented task.py, which runs as it stands; put your network and data in its four places.

    Only a task that is named on the command line, as FILE.py or FILE.py:name, is ever run. Nothing stored in
    a weight file is.
    """
    if what != "task":
        raise BadInput(f"there is no template for {what!r}: write `spinfunnel new task`")
    if path.is_dir():
        path = path / "task.py"
    if path.suffix != ".py":
        raise BadInput(f"{path} does not end in .py, as a task must: write `spinfunnel new task {path}.py`")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (files("spinfunnel") / "data" / "task_template.py").read_text(encoding="utf-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text.replace("task.py", path.name))
    except FileExistsError:
        raise BadInput(f"{path} is there already: choose another path, or add --force") from None
    typer.echo(f"written: {path}; it runs as it stands, and your network goes in where it says HERE")
    typer.echo(f"next:    spinfunnel diagnose {shlex.quote(str(path))} --out report")
