"""The generated parts of the pages of instruments, and the lists that lead to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from measured import calibration_rows, recorded
from tables import table

FOLDER = Path(__file__).parent / "instruments"
#: The instruments of a model and its data, in the order in which their pages are read.
OF_A_TASK = ("curvature", "slices", "sharpness", "paths", "criticality", "evidence", "trajectory")
#: What every page has: its generated parts, and its sections.
PARTS = ("card", "judgement", "costs", "checks", "sources")
SECTIONS = (
    "How to read the picture",
    "The nulls",
    "When not to believe it",
    "What it needs",
    "What the verdicts mean",
    "What it costs",
    "Example",
    "How it is checked",
    "Sources",
)


def page_of(name: str) -> Path:
    """The page of an instrument, whether it is there or not."""
    return FOLDER / f"{name}.md"


def question(name: str) -> str:
    """The question that an instrument answers: what its page is headed, behind its name."""
    question = page_of(name).read_text(encoding="utf-8").partition("\n")[0].partition(": ")[2]
    return f"{question[0].upper()}{question[1:]}"


# The parts of a page.


def _instrument(name: str) -> Any:
    from spinfunnel.instruments import instrument

    return instrument(name)


def needs(name: str) -> str:
    """What an instrument needs: first of the subject, then of other instruments, then what it only uses."""
    wanted = sorted(
        _instrument(name).needs, key=lambda need: (need[-1] == "?", need.startswith("finding:"), need)
    )
    said = [
        f"what `{need[8:].rstrip('?')}` finds" if need.startswith("finding:") else f"`{need.rstrip('?')}`"
        for need in wanted
    ]
    uses = [words for words, need in zip(said, wanted, strict=True) if need[-1] == "?"]
    must = ", ".join(words for words, need in zip(said, wanted, strict=True) if need[-1] != "?")
    return f"Needs {must}" + (f"; uses {', '.join(uses)} if there." if uses else ".")


def card(name: str) -> str:
    """What an instrument looks at and why, in which chapter, and what it needs."""
    from spinfunnel.core import QUESTIONS

    one = _instrument(name)
    runs = "Runs by default." if one.default else "Runs only when it is asked for."
    return f"*{QUESTIONS[one.question]}* {needs(name)} {runs}\n\n{one.what}\n\n**Why.** {one.why}\n"


def judgement(name: str) -> str:
    """How an instrument judges."""
    return f"{_instrument(name).judged}\n"


def sources(name: str) -> str:
    """Where its methods come from."""
    return f"{_instrument(name).source}\n"


def checks(name: str) -> str:
    """Every recorded row of an instrument's calibration."""
    rows = [row for row in recorded().get("rows", []) if row["of"] == name]
    return calibration_rows(rows) if rows else "Not recorded yet: `make calibrate` does it.\n"


#: CPU seconds of one gradient over all examples, for which costs are told.
GRADIENTS = (0.001, 0.01, 0.1, 1.0)
#: Snapshots and weights of a history, for which the cost of looking at it is told.
HISTORIES = ((50, 10_000), (50, 1_000_000), (100, 10_000_000))


def sizes(name: str) -> Callable[[str], dict[str, Any]]:
    """How much an instrument looks at, at most, by effort."""
    from importlib import import_module

    module = import_module(f"spinfunnel.instruments.{name}")
    if name == "curvature":
        return lambda effort: asdict(module.PLANS[effort])
    if name in ("slices", "sharpness"):
        return lambda effort: asdict(module.SIZES[effort])
    if name == "evidence":
        return lambda effort: asdict(module.WORK[module.MOST[effort] - 1])
    if name == "criticality":
        networks = import_module("spinfunnel.instruments.criticality.networks")
        return lambda effort: asdict(networks.WORK[networks.MOST[effort] - 1])
    if name == "paths":
        ways = import_module("spinfunnel.instruments.paths.comparing")
        return lambda effort: {"points": ways.POINTS[effort], "cycles of a chain": ways.CYCLES[effort]}
    return lambda effort: {"draws of each null": module.DRAWS[effort]}


@cache
def _task(seconds: float, other: bool) -> Any:
    """A small task in which a gradient is said to take so long; of two networks, if wanted."""
    import numpy as np
    import torch

    from spinfunnel import Subject, subject_of

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    x = torch.randn(4096, 3)
    given = Subject(model=model, losses=lambda model, x: model(x)[:, 0] ** 2, train=[x])
    subject = subject_of(given, effort="full")
    subject.system.__dict__["seconds"] = seconds
    return replace(subject, other=np.zeros(subject.system.size) if other else None)


def costs(name: str) -> str:
    """How much is looked at by effort, and about what that takes."""
    from types import SimpleNamespace

    from spinfunnel.core import EFFORTS

    one, size = _instrument(name), sizes(name)
    rows = [
        [key.replace("_", " "), *(str(size(effort)[key]) for effort in EFFORTS)] for key in size(EFFORTS[0])
    ]
    if name == "trajectory":
        timed = {
            f"{count} snapshots of {weights:,} weights": SimpleNamespace(
                history=SimpleNamespace(steps=range(count), size=weights)
            )
            for count, weights in HISTORIES
        }
    else:
        timed = {f"{each:g} s a gradient": _task(each, name == "paths") for each in GRADIENTS}
    rows += [[f"time, {key}", *(_about(one.cost(it, e)) for e in EFFORTS)] for key, it in timed.items()]
    return table(["", *EFFORTS], rows)


def _about(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


# The lists.


def questions() -> str:
    """The instruments of a task: the question of each, with a link to its page, and what it needs."""
    rows = [[f"[{name}](instruments/{name}.md)", question(name), needs(name)] for name in OF_A_TASK]
    return table(["instrument", "what it answers", ""], rows)


def cards() -> str:
    """Every instrument: its card, or its page if it has one, and how often it was wrong where one knows."""
    from spinfunnel.instruments import NAMES

    text = ""
    for name in NAMES:
        one = _instrument(name)
        text += f"## {name}\n\n{card(name)}\n"
        if page_of(name).is_file():
            text += (
                f"[Its page](../instruments/{name}.md) has pictures, how it judges, and its calibration.\n\n"
            )
            continue
        text += f"**How it judges.** {one.judged}\n\n**Source.** {one.source}\n\n"
        text += f"**Calibration.**\n\n{checks(name)}\n" if one.calibrations else ""
    return text.rstrip() + "\n"


def page_blocks() -> dict[str, Callable[[], str]]:
    """The generated parts of the page of every instrument that has one."""
    parts = {"card": card, "judgement": judgement, "costs": costs, "checks": checks, "sources": sources}
    return {f"{part} of {name}": partial(make, name) for name in OF_A_TASK for part, make in parts.items()}


BLOCKS: dict[str, Callable[[], str]] = {
    "instruments": cards,
    "instruments of a task": questions,
    **page_blocks(),
}
