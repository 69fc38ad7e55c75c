"""`spinfunnel list` and `spinfunnel explain`: what there is, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from spinfunnel.cli.calibrating import calibration_table
from spinfunnel.cli.screen import terminal
from spinfunnel.core import QUESTIONS, BadInput


def list_(
    what: Annotated[str, typer.Argument(help="instruments, or systems.")] = "instruments",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the instruments, by the question they answer; or the systems, with their conventions."""
    from spinfunnel.instruments import NAMES, instrument

    if what not in ("instruments", "systems"):
        raise BadInput(f"there is no list of {what!r}: write `spinfunnel list` or `spinfunnel list systems`")
    if what == "systems":
        _list_systems(as_json)
        return
    all_of_them = [instrument(name) for name in NAMES]
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"name": one.name, "question": one.question, "needs": sorted(one.needs), "what": one.what}
                    for one in all_of_them
                ]
            )
        )
        return
    from rich.table import Table

    console = terminal()
    for key, question in QUESTIONS.items():
        mine = [one for one in all_of_them if one.question == key]
        if not mine:
            continue
        table = Table(
            title=question, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
        )
        table.add_column("instrument", style="cyan", no_wrap=True)
        table.add_column("needs")
        table.add_column("what it looks at")
        for one in mine:
            table.add_row(one.name, _needs(one.needs)[0], one.what)
        console.print(table)
    console.print("\nspinfunnel explain NAME tells how one works, how it judges, and how often it is wrong.")


def _needs(needs: Iterable[str]) -> tuple[str, str]:
    """Say what must be there, and what can be used where it is there; findings by their instrument."""
    plain = sorted(need.removeprefix("finding:") for need in needs)
    must = ", ".join(need for need in plain if not need.endswith("?"))
    return must, ", ".join(need.rstrip("?") for need in plain if need.endswith("?"))


def _list_systems(as_json: bool) -> None:
    from spinfunnel.systems import MAKERS, SIZE, SIZES, parameters, system

    rows: list[dict[str, Any]] = [
        {
            "name": name, "size": SIZES.get(name, SIZE), "parameters": parameters(name),
            "convention": system(name, size=SIZES.get(name, 8)).convention,
        }
        for name in MAKERS
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    from rich.padding import Padding
    from rich.text import Text

    console = terminal()
    for row in rows:
        own = "".join(f" {key}={value}" for key, value in row["parameters"].items())
        line = f"[cyan]{row['name']}[/] size {row['size']}"
        console.print(line + f" [dim]·{own}[/]" * bool(own), highlight=False)
        console.print(Padding(Text(row["convention"]), (0, 0, 0, 4)))
    console.print(
        "\nk_B = 1, spins are +-1. --size is L on lattices, else the number of spins, monomers, atoms or "
        "weights. Parameters are given as system:NAME?key=value&key=value, such as "
        "system:wishart?alpha=0.3; a size may stand behind the name, as in system:lj38.",
        highlight=False,
    )
    console.print("spinfunnel explain system:NAME tells what is known of one.")


def explain(
    name: Annotated[
        str, typer.Argument(help="An instrument, as `spinfunnel list` prints it; or system:NAME.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print an instrument's card: what, why, how it judges, its source, and its measured error rates.

    Of a system, print its Hamiltonian, and what is known of it before anything is measured.
    """
    from spinfunnel.calibrate import measured
    from spinfunnel.instruments import instrument

    if name.startswith("system:"):
        _explain_system(name, as_json)
        return
    one = instrument(name)
    rows = measured(name)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "name": one.name, "question": one.question, "needs": sorted(one.needs), "what": one.what,
                    "why": one.why, "judged": one.judged, "source": one.source, "calibration": rows,
                }
            )
        )  # fmt: skip
        return
    from rich.padding import Padding
    from rich.text import Text

    console, (must, can) = terminal(), _needs(one.needs)
    console.print(
        f"[bold cyan]{one.name}[/]  ·  {QUESTIONS[one.question]}  ·  needs {must}"
        + f"; uses {can}, if given" * bool(can)
    )
    for title, text in (
        ("What", one.what), ("Why", one.why), ("How it judges", one.judged), ("Source", one.source),
    ):  # fmt: skip
        console.print(f"\n[bold]{title}[/]")
        console.print(Padding(Text(text), (0, 0, 0, 2)))
    console.print("\n[bold]Calibration[/] (measured by `make calibrate`)")
    console.print(calibration_table(rows) if rows else "  none recorded")


def _explain_system(source: str, as_json: bool) -> None:
    from spinfunnel.systems import spelled, system
    from spinfunnel.systems.facts import facts

    name, _, chosen = spelled(source)
    convention, known = system(source).convention, facts(name)
    if as_json:
        rows = [{**asdict(fact), "text": fact.text} for fact in known]
        typer.echo(json.dumps({"name": name, "parameters": chosen, "convention": convention, "known": rows}))
        return
    from rich.padding import Padding
    from rich.text import Text

    console = terminal()
    console.print(f"[bold cyan]{name}[/]")
    console.print(convention, markup=False)
    where = ""
    for fact in known:
        if fact.where != where:
            where = fact.where
            console.print(f"\n[bold]{where}[/]", highlight=False)
        source = "literature: " * (fact.kind == "literature") + fact.source.replace("`", "")
        line = Text.assemble(f"{fact.quantity}: ", (fact.text, "bold"), ("  " + source, "dim"))
        console.print(Padding(line, (0, 0, 0, 2)))
