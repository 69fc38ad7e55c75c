"""`spinfunnel calibrate`: every instrument against systems whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from spinfunnel.cli.arguments import effort_named
from spinfunnel.cli.screen import progress_bar, terminal


def calibrate(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these (an instrument or maths module).")
    ] = None,
    effort: Annotated[str, typer.Option(help="quick, normal or full (minutes).")] = "quick",
    seed: Annotated[int, typer.Option(help="All random systems are derived from it.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the rows as JSON to this file.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows as JSON, and nothing else.")
    ] = False,
) -> None:
    """Compare every instrument with systems whose answer is known; exit 1 if a row fails."""
    from spinfunnel.calibrate import run_calibrations, to_json

    with progress_bar(not as_json) as progress:
        result = run_calibrations(
            names or (),
            effort=effort_named(effort),
            seed=seed,
            jobs=jobs,
            keep=effort == "full",
            progress=progress,
        )
    document = to_json(result, effort=effort, seed=seed)
    if out:
        out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if as_json:
        typer.echo(json.dumps(document, allow_nan=False))
    else:
        console = terminal()
        console.print(calibration_table(document["rows"]))
        for failure in result.failures:
            console.print(f"[red]crashed[/] {failure}", markup=True)
        if result.chi2_p is not None and result.ks_p is not None:
            console.print(f"the set of sigmas: chi-squared p = {result.chi2_p:.3f}, KS p = {result.ks_p:.3f}")
        failed = sum(not row.ok for row in result.rows)
        console.print(f"{len(result.rows)} rows, {failed} failed: {'ok' if result.ok else 'NOT OK'}")
    if not result.ok:
        raise typer.Exit(1)


def calibration_table(rows: list[dict[str, Any]]) -> Any:
    """Make a table, to be printed, of what was known and what was measured."""
    from rich.table import Table

    def short(value: float | None, digits: int = 4) -> str:
        return "" if value is None else f"{value:.{digits}g}"

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("system: quantity", overflow="fold", ratio=1)
    for column in ("known", "measured", "deviation", "limit", ""):
        table.add_column(column, justify="right", no_wrap=True)
    of = ""
    for row in rows:
        if row["of"] != of:
            of = row["of"]
            table.add_row(f"[bold cyan]{of}[/]")
        error = row["error"]
        table.add_row(
            f"{row['system']}: {row['quantity']}",
            short(row["exact"]),
            short(row["value"]) + (f" ± {short(error, 2)}" if error is not None else ""),
            "" if row["sigma"] is None else f"{row['sigma']:+.1f} σ",
            short(row["limit"] if row["limit"] is not None else row["tolerance"], 3),
            "[green]ok[/]" if row["ok"] else "[red]FAILED[/]",
        )
    return table
