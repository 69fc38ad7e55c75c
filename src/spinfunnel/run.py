"""Plan the work, do it unit by unit, and gather a report; the home of `diagnose`.

A unit of work is one matrix, or one independent set of ladders of a system, looked at by several instruments.
Units can be done in any order, in other processes, and in parts: what is finished is kept, so a run that was
cut short goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from spinfunnel.core import (
    EFFORTS,
    BadInput,
    Effort,
    Finding,
    Instrument,
    Question,
    Reading,
    Table,
    seeds,
)
from spinfunnel.instruments import NAMES, instrument
from spinfunnel.matrices import decomposition_bytes, decomposition_seconds
from spinfunnel.readers.layout import Part
from spinfunnel.report import Report
from spinfunnel.samples import Draw, Samples, draws, sample
from spinfunnel.subject import Subject, subject_of
from spinfunnel.units import Failure, Progress, Skipped, Unit, run_units, said

#: Longer plans than this (CPU seconds) are spread over processes and kept in the user's cache folder.
LONG = 10.0

#: What the interpreter and the libraries take in each process, in bytes (measured: about 200 MB).
BASELINE = 200_000_000


@dataclass(frozen=True)
class Plan:
    """What a run will do, before it does it: seconds of CPU and bytes of memory are estimates.

    `pieces` are what is looked at one by one: matrices, or independent sets of ladders of a system.
    """

    subject: Subject
    instruments: tuple[Instrument, ...]
    pieces: tuple[Part, ...] | tuple[Draw, ...]
    not_run: list[dict[str, str]]
    effort: Effort
    seed: int
    seconds: float
    memory: int
    jobs: int

    def __str__(self) -> str:
        names = ", ".join(one.name for one in self.instruments) or "nothing"
        wall = self.seconds / self.jobs
        about = f"{wall:.0f} s" if wall < 120 else f"{wall / 60:.0f} min"
        return (
            f"{self._what()}; {names}; about {about} on {self.jobs} process{'es' * (self.jobs > 1)}, "
            f"{self.memory / 1e6:.0f} MB each"
        )

    def _what(self) -> str:
        if self.subject.system is None:
            return f"{len(self.pieces)} matrices, {self.subject.weights.parameters:,} parameters"
        sweeps = f", {len(self.pieces)} sets of ladders" if self.pieces else ""
        return f"{self.subject.weights.source}, N = {self.subject.system.size}{sweeps}"


#: The questions that no instrument of this version answers, and what those to come will need.
TO_COME: dict[Question, tuple[str, str]] = {
    "landscape": (
        "a model, its loss and data",
        "instruments of a later version: a task.py will supply them (today: systems, as system:NAME)",
    ),
    "bound": ("a model and held-out data", "instruments of a later version: a task.py will supply them"),
    "training": ("a training history", "instruments of a later version: checkpoints or a log will supply it"),
}

#: How the user supplies what an instrument needs and a subject lacks.
HOW = {
    "weights": "the source holds no matrix of two or more rows and columns that can be analysed",
    "data": "give a task.py with data (a later version: `spinfunnel new task`)",
    "system": "it looks at something with an energy: give system:NAME, see `spinfunnel list systems`",
    "moves": "it samples by parallel tempering, for which spins coupled in pairs, or moves, must be stated",
    "overlap": "the system does not say how alike two of its configurations are",
}


def plan(
    source: Any,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    also: Sequence[str] = (),
    effort: Effort = "normal",
    jobs: int | None = None,
    slices: bool = False,
    size: int | None = None,
    seed: int = 0,
) -> Plan:
    """Decide what will run on a source, in which order, and estimate what it costs.

    `also` names instruments to run beside the usual ones: of weights for a model, of systems for a system.

    Raises:
        BadInput: for an unreadable source, an unknown instrument or effort, or a bad number of jobs.
    """
    if effort not in EFFORTS:
        raise BadInput(f"effort is {effort!r}: it must be quick, normal or full")
    if jobs is not None and jobs < 1:
        raise BadInput(f"jobs is {jobs}: it must be at least 1")
    subject = subject_of(source, slices=slices, size=size, seed=seed)
    only, skip, also = ([names] if isinstance(names, str) else names for names in (only, skip, also))
    for name in (*only, *skip, *also):
        instrument(name)  # so that a misspelt name is an error before anything runs
    wanted = {*(only or _usual(subject)), *also} - {*skip}
    chosen = [instrument(name) for name in NAMES if name in wanted]
    if not chosen:
        raise BadInput("no instrument is left to run; choose fewer to leave out, or others to run")
    able = tuple(one for one in chosen if one.needs <= subject.supplies)
    not_run = [
        {
            "instrument": one.name,
            "question": one.question,
            "needs": ", ".join(sorted(one.needs - subject.supplies)),
            "how": "; ".join(_how(need, subject) for need in sorted(one.needs - subject.supplies)),
        }
        for one in chosen
        if one not in able
    ]
    if not only and subject.system is None:
        not_run += [
            {"instrument": "", "question": question, "needs": needs, "how": how}
            for question, (needs, how) in TO_COME.items()
        ]
    pieces: tuple[Part, ...] | tuple[Draw, ...] = subject.parts
    if subject.system is not None and any(_looks(one) for one in able):
        pieces = draws(subject.system, effort)
    seconds = sum(one.cost(subject, effort) for one in able)
    seconds += sum(piece.seconds for piece in pieces if isinstance(piece, Draw))
    memory = BASELINE + max(map(_bytes, pieces), default=0)
    if subject.origin is None or (jobs is None and seconds < LONG):
        jobs = 1  # arrays in memory are not copied to other processes, which cost a second to start
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(pieces)))
    return Plan(subject, able, pieces, not_run, effort, seed, seconds, memory, jobs)


def _usual(subject: Subject) -> list[str]:
    """Name the instruments that run unless others are asked for: those for systems, or those for weights."""
    every = [instrument(name) for name in NAMES]
    of_systems = subject.system is not None
    return [one.name for one in every if one.default and ("system" in one.needs) == of_systems]


def _looks(one: Instrument) -> bool:
    """Tell whether an instrument looks at one piece after the other: at matrices, or at sets of ladders."""
    return one.each is not None or "moves" in one.needs


def _seconds(piece: Part | Draw) -> float:
    return piece.seconds if isinstance(piece, Draw) else decomposition_seconds(piece)


def _bytes(piece: Part | Draw) -> int:
    return 4 * piece.bytes if isinstance(piece, Draw) else decomposition_bytes(piece)


def _how(need: str, subject: Subject) -> str:
    seen = "; ".join(f"{row['name']}: {row['reason']}" for row in subject.account[:3])
    return f"{HOW[need]} ({seen})" if need == "weights" else HOW.get(need, need)


def diagnose(
    source: Any,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    effort: Effort = "normal",
    budget: float | None = None,
    seed: int = 0,
    jobs: int | None = None,
    slices: bool = False,
    size: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Look at a trained model, or at a system, with every instrument that applies, and report.

    Args:
        source: a path (weight file, index or folder), a `torch.nn.Module`, a mapping of arrays, an array,
            `system:NAME`, or a system.
        only: names of the instruments to run; empty, all those that apply.
        skip: names of instruments to leave out.
        effort: "quick", "normal", or "full" (fresh null draws, goodness of fit, every matrix shuffled; of
            systems, more and longer ladders).
        budget: seconds after which no further matrix, or set of ladders, is begun; None, no limit.
        seed: everything random is derived from it, also a system that `system:NAME` names.
        jobs: processes; None, one for short work and all cores for long work on files.
        slices: take convolutions as one matrix per kernel position.
        size: of `system:NAME`: L on lattices, else the number of spins or monomers.
        progress: called as progress(done, total, name).

    Raises:
        BadInput: if the source cannot be read, or an argument is impossible.

    >>> import numpy as np
    >>> report = diagnose({"fc.weight": np.random.default_rng(0).normal(size=(64, 96))})
    >>> report["spectrum"].table("layers")["label"][0]
    'like noise'
    """
    return carry_out(
        plan(source, only=only, skip=skip, effort=effort, jobs=jobs, slices=slices, size=size, seed=seed),
        budget=budget,
        progress=progress,
        given={"only": list(only), "skip": list(skip), "slices": slices, "size": size},
    )


def carry_out(
    plan: Plan,
    *,
    budget: float | None = None,
    progress: Progress | None = None,
    given: dict[str, Any] | None = None,
) -> Report:
    """Do what was planned. An interrupt (Ctrl-C) ends it early; what is finished is reported."""
    subject = plan.subject
    described = subject.describe()
    report = Report(
        subject=described,
        tensors=subject.account,
        findings={},
        verdicts={},
        failed=[],
        not_run=plan.not_run,
        versions=versions(),
    )
    recipe = {
        "seed": plan.seed,
        "effort": plan.effort,
        "budget": budget,
        "given": given or {},
        "digest": described["digest"],
        "versions": report.versions,
    }
    looking = tuple(one.name for one in plan.instruments if _looks(one))
    chunks = _chunks(plan) if looking else []
    units = [_unit(plan, chunk, looking, described["digest"]) for chunk in chunks]
    readings: dict[str, dict[str, Any]] = {}
    deadline = None if budget is None else time.time() + budget
    try:
        for index, result in run_units(units, jobs=plan.jobs, deadline=deadline, progress=progress):
            names = [piece.row_name for piece in chunks[index]]
            if isinstance(result, Failure):
                readings |= {name: dict.fromkeys(looking, replace(result, where=name)) for name in names}
            elif not isinstance(result, Skipped):
                readings |= dict(zip(names, result, strict=True))
    except KeyboardInterrupt:
        report.interrupted = True
    in_order = [piece.row_name for piece in plan.pieces if piece.row_name in readings]
    readings = {name: readings[name] for name in in_order}
    left = len(plan.pieces) - len(readings) if looking else 0
    for one in plan.instruments:
        _conclude(report, one, plan, readings, left, budget, recipe)
    return report


def _keeps(plan: Plan) -> bool:
    return plan.seconds > LONG and plan.subject.origin is not None


def _chunks(plan: Plan) -> list[tuple[Part | Draw, ...]]:
    """Put small matrices together where a unit has a price of its own (another process, a kept result)."""
    if plan.jobs == 1 and not _keeps(plan):
        return [(piece,) for piece in plan.pieces]
    chunks: list[tuple[Part | Draw, ...]] = []
    chunk: tuple[Part | Draw, ...] = ()
    for piece in plan.pieces:
        chunk = (*chunk, piece)
        if len(chunk) == 200 or sum(map(_seconds, chunk)) > 0.5 or isinstance(piece, Draw):
            chunks, chunk = [*chunks, chunk], ()
    return [*chunks, chunk] if chunk else chunks


def _unit(plan: Plan, pieces: tuple[Part | Draw, ...], names: tuple[str, ...], fingerprint: str) -> Unit:
    source = plan.subject if plan.jobs == 1 else plan.subject.origin
    facts = (fingerprint, pieces, names, plan.effort, plan.seed, versions(), code_digest())
    return Unit(
        pieces[0].row_name,
        look,
        (source, pieces, names, plan.seed, plan.effort),
        sum(map(_seconds, pieces)),
        hashlib.sha256(repr(facts).encode()).hexdigest() if _keeps(plan) else "",
    )


@lru_cache(maxsize=1)
def _opened(source: str, size: int | None = None, seed: int = 0) -> Subject:
    return subject_of(source, size=size, seed=seed)


def look(
    source: Subject | tuple[Any, ...],
    pieces: tuple[Part | Draw, ...],
    names: tuple[str, ...],
    seed: int,
    effort: Effort,
) -> list[dict[str, Reading | Samples | Failure]]:
    """Load matrices, one at a time, or run ladders, and let each of the named instruments look at them."""
    subject = _opened(*source) if isinstance(source, tuple) else source
    return [
        _sampled(subject, piece, names, seed)
        if isinstance(piece, Draw)
        else _look(subject, piece, names, seed, effort)
        for piece in pieces
    ]


def _sampled(
    subject: Subject, draw: Draw, names: tuple[str, ...], seed: int
) -> dict[str, Reading | Samples | Failure]:
    """Run one set of ladders; the instruments share what it gives."""
    assert subject.system is not None
    return dict.fromkeys(names, sample(subject.system, draw, seeds(seed, "samples")))


def _look(
    subject: Subject, part: Part, names: tuple[str, ...], seed: int, effort: Effort
) -> dict[str, Reading | Samples | Failure]:
    seen: dict[str, Reading | Samples | Failure] = {}
    try:
        matrix = subject.load(part)
    except Exception as error:  # a tensor that cannot be read is a row; the others are still looked at
        return dict.fromkeys(names, Failure(part.row_name, said(error)))
    for name in names:
        one = instrument(name)
        assert one.each is not None
        try:
            seen[name] = one.each(matrix, seed=seeds(seed, name, part.row_name), effort=effort)
        except Exception as error:  # one instrument's fault is a row; the others still look
            seen[name] = Failure(part.row_name, said(error))
    return seen


def _conclude(
    report: Report,
    one: Instrument,
    plan: Plan,
    readings: dict[str, dict[str, Any]],
    left: int,
    budget: float | None,
    recipe: dict[str, Any],
) -> None:
    """Gather what one instrument saw, judge it, and put both in the report; a crash becomes a row."""
    mine = [seen[one.name] for seen in readings.values()] if _looks(one) else []
    report.failed += [
        {"instrument": one.name, "where": reading.where, "error": reading.error}
        for reading in mine
        if isinstance(reading, Failure)
    ]
    good = [reading for reading in mine if not isinstance(reading, Failure)]
    if _looks(one) and not good:
        if left:
            how = "raise --budget, or let the run finish"
            report.not_run.append(
                {"instrument": one.name, "question": one.question, "needs": "time", "how": how}
            )
        return
    try:
        finding = one.measure(
            plan.subject,
            findings=report.findings,
            seed=seeds(plan.seed, one.name),
            budget=budget,
            readings=good,
        )
        if _looks(one) and left:
            finding = replace(finding, doubts=(*finding.doubts, _cut_short(plan, left, len(readings))))
        finding = judge_rows(one, replace(finding, recipe=recipe))
        verdict = one.judge(finding)
    except Exception as error:
        report.failed.append({"instrument": one.name, "where": "", "error": said(error)})
        return
    report.findings[one.name], report.verdicts[one.name] = finding, verdict


def _cut_short(plan: Plan, left: int, done: int) -> str:
    if plan.subject.system is None:
        return f"{left} of {left + done} matrices were not looked at: the run was cut short"
    return (
        f"{left} of {left + done} sets of ladders were not run, so errors are larger: the run was cut short"
    )


def judge_rows(one: Instrument, finding: Finding) -> Finding:
    """Add the columns verdict, label and reason to the table "layers", by the instrument's `judge_row`."""
    if one.judge_row is None or "layers" not in finding.tables:
        return finding
    table = finding.tables["layers"]
    judged = [one.judge_row(row) for row in table.rows()]
    columns = {
        "verdict": np.array([j.outcome for j in judged]),
        "label": np.array([j.label for j in judged]),
        "reason": np.array([j.reason for j in judged]),
    }
    return replace(finding, tables={**finding.tables, "layers": Table({**table.columns, **columns})})


def find(
    name: str, source: Any, *, seed: int = 0, effort: Effort = "normal", size: int | None = None
) -> Finding:
    """Run one instrument on a source and give its finding; `sf.spectrum(W)` is `find("spectrum", W)`.

    Raises:
        BadInput: if the source cannot be read or does not supply what the instrument needs.
        RuntimeError: if the instrument failed; the message is its own.
    """
    report = diagnose(source, only=[name], seed=seed, effort=effort, size=size)
    if name in report.findings:
        return report.findings[name]
    if report.failed:
        raise RuntimeError("; ".join(row["error"] for row in report.failed))
    raise BadInput(f"{name} needs what this source lacks: {report.not_run[0]['how']}")


@lru_cache
def versions() -> dict[str, str]:
    """Give the versions of everything that can change a number."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("spinfunnel", "numpy", "scipy", "numba", "safetensors", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@lru_cache
def code_digest() -> str:
    """Hash our own source, so that a result kept from an older version is never taken for a new one."""
    hashed = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()
