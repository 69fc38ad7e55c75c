"""Plan the work, do it unit by unit, and gather a report; the home of `diagnose`.

A unit of work is one matrix, or one independent set of ladders or anneals of a system, looked at by several
instruments. Units can be done in any order, in other processes, and in parts: what is finished is kept, so a
run that was cut short goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from spinfunnel.coolings import Cooling, Coolings, cool, coolings
from spinfunnel.core import (
    EFFORTS,
    Array,
    BadInput,
    Effort,
    Finding,
    Instrument,
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
from spinfunnel.systems.network_loss import memory
from spinfunnel.task_file import aside
from spinfunnel.units import Failure, Progress, Skipped, Unit, run_units, said

#: What is looked at piece by piece; and of sets, by the need that they meet, how they are planned, how one is
#: made, and what it is a set of. Anneals, which the verdict rests on, come first: a run may be cut short.
Piece: TypeAlias = Part | Draw | Cooling
SETS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "anneals": (coolings, cool, "anneals"),
    "moves": (draws, sample, "ladders"),
}

#: What instruments saw in one piece: of a matrix a reading each, of a set the same for all.
Seen: TypeAlias = dict[str, Reading | Samples | Coolings | Failure]
#: What another instrument found is a need that begins so.
FINDING = "finding:"

#: Longer plans than this (CPU seconds) are spread over processes and kept in the user's cache folder.
LONG = 10.0

#: What the interpreter and the libraries take in each process, in bytes (measured: about 200 MB); and what is
#: loaded while a loss is looked at, once the task is (measured: 160 to 260 MB, most of it numba).
BASELINE, LATER = 200_000_000, 250_000_000
#: Flat vectors that are held at once while a loss is looked at: the basis of a Lanczos run, and others.
VECTORS: dict[Effort, int] = {"quick": 80, "normal": 120, "full": 160}


@dataclass(frozen=True)
class Plan:
    """What a run will do, before it does it: seconds of CPU and bytes of memory are estimates.

    `pieces` are what is looked at one by one: matrices, or sets of ladders and of anneals of a system.
    """

    subject: Subject
    instruments: tuple[Instrument, ...]
    pieces: tuple[Piece, ...]
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
        if "system" not in self.subject.supplies:
            what = f"{len(self.pieces)} matrices, {self.subject.weights.parameters:,} parameters"
            if "loss" in self.subject.supplies:
                what += f", the loss on {self.subject.system.examples:,} examples"
            return what
        kinds = Counter(SETS[piece.need][2] for piece in self.pieces if not isinstance(piece, Part))
        sets = "".join(f", {count} sets of {kind}" for kind, count in kinds.items())
        return f"{self.subject.weights.source}, N = {self.subject.system.size}{sets}"


#: The question that no instrument of this version answers.
TO_COME = {
    "instrument": "",
    "question": "bound",
    "needs": "a later version",
    "how": "no instrument of this version answers it",
}

#: How the user supplies what an instrument needs and a subject lacks.
HOW = {
    "weights": "the source holds no matrix of two or more rows and columns that can be analysed",
    "loss": "give a task.py with the model, its data and its losses: `spinfunnel new task` writes one",
    "history": "record the training with spinfunnel.Recorder, and give the folder, or name it in the task",
    "build": "the task must say build=, a function that makes an untrained model",
    "train_fn": "the task must say train_fn=, a function that trains a model afresh for a seed",
    "other": "give a second model: spinfunnel compare task.py OTHER",
    "system": "it looks at something with an energy: give system:NAME, see `spinfunnel list systems`, or a "
    "file of couplings",
    "native": "give a state with --native FILE (.npy, .npz, .json, or text with one spin, or place, a line)",
    "anneals": "it anneals what states couplings of pairs, moves or a gradient, as Pairwise, Moves or Smooth",
    "gradient": "it follows a gradient: give a smooth system, such as system:lj13, or a task.py",
    "couplings": "it looks at bonds of coupled spins or of chains: give one, or a file of couplings",
    "moves": "it tempers what states couplings of pairs or moves, as Pairwise or Moves",
    "overlap": "the system must state how alike two of its configurations are, as a Metric",
}


#: What instruments need one of to look at a system, or at a model, unless only they are asked for.
OF_SYSTEMS = frozenset({"system", "gradient"})
OF_MODELS = frozenset({"weights", "loss", "gradient", "history"})


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
    native: Array | Path | str | None = None,
    other: Any = None,
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
    subject = subject_of(
        source, slices=slices, size=size, seed=seed, native=native, other=other, effort=effort
    )
    only, skip, also = ([names] if isinstance(names, str) else names for names in (only, skip, also))
    for name in (*only, *skip, *also):
        instrument(name)  # so that a misspelt name is an error before anything runs
    wanted = {*_with_needed(only or _usual(subject)), *also} - {*skip}
    chosen = _in_order([instrument(name) for name in NAMES if name in wanted])
    if not chosen:
        raise BadInput("no instrument is left to run; choose fewer to leave out, or others to run")
    able, not_run, met = [], [], set(subject.supplies)
    for one in chosen:
        if lacking := sorted(need for need in one.needs - met if not need.endswith("?")):
            not_run.append(_not_run(one, lacking, "; ".join(_how(need, subject) for need in lacking)))
        else:
            able.append(one)
            met.add(f"{FINDING}{one.name}")
    if not only and "system" not in subject.supplies:
        not_run = [*_together(not_run), TO_COME]
    pieces: tuple[Piece, ...] = subject.parts
    if "system" in subject.supplies:
        kinds = [SETS[need][0] for need in SETS if any(need in one.needs for one in able)]
        pieces = tuple(piece for planned in kinds for piece in planned(subject.system, effort))
    with aside(), threadpool_limits(1):  # to count what a loss costs, it is called
        needed = _memory(subject, able, effort) + max(map(_bytes, pieces), default=0)
        seconds = sum(one.cost(subject, effort) for one in able)
    seconds += sum(piece.seconds for piece in pieces if not isinstance(piece, Part))
    if subject.origin is None or (jobs is None and seconds < LONG):
        jobs = 1  # arrays in memory are not copied to other processes, which cost a second to start
    jobs = min(jobs or os.cpu_count() or 1, max(1, len(pieces)))
    return Plan(subject, tuple(able), pieces, not_run, effort, seed, seconds, needed, jobs)


def _memory(subject: Subject, able: Sequence[Instrument], effort: Effort) -> int:
    """Estimate the bytes that a process takes at most, beside pieces; where a loss takes too many, refuse."""
    lookers = [one for one in able if not {"loss", "gradient"}.isdisjoint(one.needs)]
    if "loss" not in subject.supplies or not lookers:
        return BASELINE
    begun, there = memory.in_use(), memory.machine()
    seconds = max(one.cost(subject, effort) for one in lookers)
    needed = begun + LATER + int(subject.system.bytes(seconds, VECTORS[effort]))
    if needed > there and subject.system.device.type == "cpu":
        raise BadInput(
            f"looking at this loss takes {needed / 1e9:.3g} GB, and the machine has {there / 1e9:.3g} GB: "
            "give smaller batches, or leave out what looks at it: "
            f"--skip {','.join(one.name for one in lookers)}"
        )
    return needed


def _usual(subject: Subject) -> list[str]:
    """Name the instruments that run unless others are asked for: those for systems, or those for models."""
    every = [instrument(name) for name in NAMES]
    looked_at = OF_SYSTEMS if "system" in subject.supplies else OF_MODELS
    mine = [one for one in every if one.default and not looked_at.isdisjoint(one.needs)]
    return [one.name for one in mine if looked_at is OF_SYSTEMS or "system" not in one.needs]


def _together(not_run: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put instruments of one question that lack the same thing into one row."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in not_run:
        key = (row["question"], row["needs"], row["how"])
        names = [rows[key]["instrument"]] if key in rows else []
        rows[key] = {**row, "instrument": ", ".join([*names, row["instrument"]])}
    return list(rows.values())


def _with_needed(names: Sequence[str]) -> set[str]:
    """Add the instruments whose findings the named ones need, and those that these need."""
    found, left = set[str](), [*names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _joined(instrument(name))
    return found


def _joined(one: Instrument) -> list[str]:
    """Name the instruments whose findings this one joins, those it can do without as well."""
    return [need.removeprefix(FINDING).rstrip("?") for need in sorted(one.needs) if need.startswith(FINDING)]


def _in_order(chosen: Sequence[Instrument]) -> list[Instrument]:
    """Put every instrument behind those whose findings it joins, and leave the order else as it is."""
    left, done = [*chosen], list[Instrument]()
    while left:
        waiting = {one.name for one in left}
        one = next(one for one in left if not waiting.intersection(_joined(one)))
        left.remove(one)
        done.append(one)
    return done


def _not_run(one: Instrument, needs: Sequence[str], how: str) -> dict[str, str]:
    return {"instrument": one.name, "question": one.question, "needs": ", ".join(needs), "how": how}


def _wants(one: Instrument, piece: Piece) -> bool:
    """Tell whether an instrument looks at a piece."""
    return one.each is not None if isinstance(piece, Part) else piece.need in one.needs


def _looks(one: Instrument) -> bool:
    """Tell whether an instrument looks at one piece after the other."""
    return one.each is not None or any(need in one.needs for need in SETS)


def _alone(one: Instrument) -> bool:
    """Tell whether an instrument works long, and by itself: on a loss, or on a history."""
    return not _looks(one) and not {"loss", "gradient", "history"}.isdisjoint(one.needs)


def _seconds(piece: Piece) -> float:
    return decomposition_seconds(piece) if isinstance(piece, Part) else piece.seconds


def _bytes(piece: Piece) -> int:
    return decomposition_bytes(piece) if isinstance(piece, Part) else 4 * piece.bytes


def _how(need: str, subject: Subject) -> str:
    if need.startswith(FINDING):
        return f"it joins what {need.removeprefix(FINDING)} finds: do not skip that, and supply what it needs"
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
    native: Array | Path | str | None = None,
    other: Any = None,
    progress: Progress | None = None,
) -> Report:
    """Look at a trained model, or at a system, with every instrument that applies, and report.

    Args:
        source: a path (weight file, index or folder), a `torch.nn.Module`, a mapping of arrays, an array,
            `system:NAME`, a file of couplings, a system, the folder of a `Recorder`, a `Subject`, or a
            task, `FILE.py` or `FILE.py:name`, which is run to make one.
        only: names of the instruments to run; empty, all those that apply.
        skip: names of instruments to leave out.
        effort: "quick", "normal", or "full" (fresh null draws, goodness of fit, every matrix shuffled; of
            systems, more and longer ladders).
        budget: seconds after which no further matrix, or set of ladders, is begun; None, no limit.
        seed: everything random is derived from it, also a system that `system:NAME` names.
        jobs: processes; None, one for short work and all cores for long work on files.
        slices: take convolutions as one matrix per kernel position.
        size: of `system:NAME`: L on lattices, else the number of spins or monomers.
        native: a state of the system, (*shape), or the path of a file that holds it; "none" hides the
            system's own.
        other: a second model of the architecture of a task's, to compare with.
        progress: called as progress(done, total, name of what is running), in CPU seconds, as estimated.

    Raises:
        BadInput: if the source cannot be read, or an argument is impossible.

    >>> import numpy as np
    >>> report = diagnose({"fc.weight": np.random.default_rng(0).normal(size=(64, 96))})
    >>> report["spectrum"].table("layers")["label"][0]
    'like noise'
    """
    return carry_out(
        plan(
            source,
            only=only,
            skip=skip,
            effort=effort,
            jobs=jobs,
            slices=slices,
            size=size,
            seed=seed,
            native=native,
            other=other,
        ),
        budget=budget,
        progress=progress,
        given={
            "only": list(only),
            "skip": list(skip),
            "slices": slices,
            "size": size,
            "native": str(native) if isinstance(native, str | Path | None) else "array",
        },
    )


def compare(task: Any, other: Any, **options: Any) -> Report:
    """Look at a task's model beside a second one of the same architecture: `diagnose(task, other=other)`.

    Args:
        task: a `Subject` with losses and data, or the path of a task, `FILE.py` or `FILE.py:name`.
        other: the second model: a path, a `torch.nn.Module`, a mapping of arrays, or another task.
        options: those of `diagnose`.

    Raises:
        BadInput: if either cannot be read, or the two differ in architecture.
    """
    return diagnose(task, other=other, **options)


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
    readings: dict[str, Seen] = {}
    deadline = None if budget is None else time.time() + budget
    alone = {one.name: one.cost(subject, plan.effort) for one in plan.instruments if _alone(one)}
    done, all_of_it = 0.0, sum(unit.cost for unit in units) + sum(alone.values())

    def tell(finished: float, total: float, name: str) -> None:
        nonlocal done
        done = finished
        if progress:
            progress(done, all_of_it, name)

    try:
        for index, result in run_units(units, jobs=plan.jobs, deadline=deadline, progress=tell):
            names = [piece.row_name for piece in chunks[index]]
            if isinstance(result, Failure):
                readings |= {
                    piece.row_name: dict.fromkeys(
                        [name for name in looking if _wants(instrument(name), piece)],
                        replace(result, where=piece.row_name),
                    )
                    for piece in chunks[index]
                }
            elif not isinstance(result, Skipped):
                readings |= dict(zip(names, result, strict=True))
    except KeyboardInterrupt:
        report.interrupted = True
    in_order = [piece.row_name for piece in plan.pieces if piece.row_name in readings]
    readings = {name: readings[name] for name in in_order}
    for one in plan.instruments:
        if one.name in alone and (report.interrupted or (deadline is not None and time.time() > deadline)):
            report.not_run.append(_not_run(one, ["time"], "raise --budget, or let the run finish"))
            continue
        try:
            if one.name in alone:
                tell(done, all_of_it, one.name)
            _conclude(report, one, plan, readings, budget, recipe)
        except KeyboardInterrupt:
            report.interrupted = True
            report.not_run.append(_not_run(one, ["time"], "it was interrupted: let the run finish"))
        if one.name in alone:
            tell(done + alone[one.name], all_of_it, one.name)
    shown = [name for name in NAMES if name in report.findings]
    return replace(
        report,
        findings={name: report.findings[name] for name in shown},
        verdicts={name: report.verdicts[name] for name in shown},
    )


def _keeps(plan: Plan) -> bool:
    return plan.seconds > LONG and plan.subject.origin is not None


def _chunks(plan: Plan) -> list[tuple[Piece, ...]]:
    """Put small matrices together where a unit has a price of its own (another process, a kept result)."""
    if plan.jobs == 1 and not _keeps(plan):
        return [(piece,) for piece in plan.pieces]
    chunks: list[tuple[Piece, ...]] = []
    chunk: tuple[Piece, ...] = ()
    for piece in plan.pieces:
        chunk = (*chunk, piece)
        if len(chunk) == 200 or sum(map(_seconds, chunk)) > 0.5 or not isinstance(piece, Part):
            chunks, chunk = [*chunks, chunk], ()
    return [*chunks, chunk] if chunk else chunks


def _unit(plan: Plan, pieces: tuple[Piece, ...], names: tuple[str, ...], fingerprint: str) -> Unit:
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
def _opened(source: str, size: int | None = None, seed: int = 0, native: str | None = None) -> Subject:
    return subject_of(source, size=size, seed=seed, native=native)


def look(
    source: Subject | tuple[Any, ...],
    pieces: tuple[Piece, ...],
    names: tuple[str, ...],
    seed: int,
    effort: Effort,
) -> list[Seen]:
    """Load matrices, one at a time, or make sets, and let the named instruments look that want to."""
    subject = _opened(*source) if isinstance(source, tuple) else source
    seen: list[Seen] = []
    for piece in pieces:
        wanting = tuple(name for name in names if _wants(instrument(name), piece))
        if isinstance(piece, Part):
            seen.append(_look(subject, piece, wanting, seed, effort))
        else:  # the instruments share what the set gives
            make = SETS[piece.need][1]
            seen.append(dict.fromkeys(wanting, make(subject.system, piece, seeds(seed, "samples"))))
    return seen


def _look(subject: Subject, part: Part, names: tuple[str, ...], seed: int, effort: Effort) -> Seen:
    seen: Seen = {}
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
    readings: dict[str, Seen],
    budget: float | None,
    recipe: dict[str, Any],
) -> None:
    """Gather what one instrument saw, judge it, and put both in the report; a crash becomes a row."""
    mine = [seen[one.name] for seen in readings.values() if one.name in seen]
    wanted = [piece for piece in plan.pieces if _wants(one, piece)] if _looks(one) else []
    left = len(wanted) - len(mine)
    lacking = [
        name for name in _joined(one) if f"{FINDING}{name}" in one.needs and name not in report.findings
    ]
    if lacking:
        how = f"{' and '.join(lacking)} did not get through, see there"
        report.not_run.append(_not_run(one, [f"{FINDING}{name}" for name in lacking], how))
        return
    failed = [reading for reading in mine if isinstance(reading, Failure)]
    good = [reading for reading in mine if not isinstance(reading, Failure)]
    if failed and not good and not isinstance(wanted[0], Part) and len({row.error for row in failed}) == 1:
        failed = [replace(failed[0], where=f"all sets of {SETS[wanted[0].need][2]}")]
    report.failed += [
        {"instrument": one.name, "where": reading.where, "error": reading.error} for reading in failed
    ]
    if _looks(one) and not good:
        if left:
            how = "raise --budget, or let the run finish"
            report.not_run.append(_not_run(one, ["time"], how))
        return
    try:
        with aside(), threadpool_limits(1):  # the same bits, however many cores there are
            finding = one.measure(
                plan.subject,
                findings=report.findings,
                seed=seeds(plan.seed, one.name),
                budget=budget,
                readings=good,
            )
        if _looks(one) and left:
            finding = replace(finding, doubts=(*finding.doubts, _cut_short(wanted, left)))
        finding = judge_rows(one, replace(finding, recipe=recipe))
        verdict = one.judge(finding)
    except Exception as error:
        report.failed.append({"instrument": one.name, "where": "", "error": said(error)})
        return
    report.findings[one.name], report.verdicts[one.name] = finding, verdict


def _cut_short(wanted: Sequence[Piece], left: int) -> str:
    if isinstance(wanted[0], Part):
        return f"{left} of {len(wanted)} matrices were not looked at: the run was cut short"
    kind = SETS[wanted[0].need][2]
    return f"{left} of {len(wanted)} sets of {kind} were not run, so errors are larger: the run was cut short"


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
    name: str,
    source: Any,
    *,
    seed: int = 0,
    effort: Effort = "normal",
    size: int | None = None,
    native: Array | Path | str | None = None,
) -> Finding:
    """Run one instrument on a source and give its finding; `sf.spectrum(W)` is `find("spectrum", W)`.

    Raises:
        BadInput: if the source cannot be read or does not supply what the instrument needs.
        RuntimeError: if the instrument failed; the message is its own.
    """
    report = diagnose(source, only=[name], seed=seed, effort=effort, size=size, native=native)
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
