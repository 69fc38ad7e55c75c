"""`spinfunnel compare`: two trained models of one architecture, on one task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinfunnel.cli.arguments import duration, effort_named, names_in
from spinfunnel.cli.diagnosing import carried_out, check_gate


def compare(
    task: Annotated[
        str, typer.Argument(help="FILE.py or FILE.py:name: a task, whose code is run, with the first model.")
    ],
    other: Annotated[
        str,
        typer.Argument(help="The second model, of the same architecture: a weight file, or another FILE.py."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write report.html, report.json and one CSV a table to this folder.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run only these instruments (names, comma between); paths compares the two."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave out these instruments (names, comma between).")
    ] = None,
    effort: Annotated[str, typer.Option(help="quick, normal, or full.")] = "normal",
    budget: Annotated[str, typer.Option(help="Begin nothing further after this long: 90s, 5m, 1h.")] = "",
    seed: Annotated[int, typer.Option(help="Everything random is derived from it.")] = 0,
    figures: Annotated[Path | None, typer.Option(help="Write every figure as SVG to this folder.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and nothing else.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="bad or warning: exit with 1 if a verdict is that or worse.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are not reports of ours.")
    ] = False,
) -> None:
    """Look at a trained model beside a second one: can one walk from one to the other without climbing?"""
    from spinfunnel.run import plan

    check_gate(fail_on)
    chosen, seconds = names_in(only), duration(budget)
    planned = plan(
        task, only=chosen, skip=names_in(skip), effort=effort_named(effort), seed=seed, other=other
    )
    carried_out(planned, chosen, out, figures, seconds, as_json, fail_on, force)
