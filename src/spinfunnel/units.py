"""Do units of work, in any order and in any process, and keep what is finished."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spinfunnel.core import SpinfunnelError, cache_folder

#: Called as progress(done, total, name) with the cost done so far, all of it, and what is running now; where
#: several processes run, what was finished last.
Progress = Callable[[float, float, str], None]

#: Kept results beyond this are deleted, those longest unused first.
KEPT_BYTES = 500_000_000


@dataclass(frozen=True)
class Failure:
    """A unit, or an instrument in it, that could not be done: it becomes a row, not a lost report."""

    where: str
    error: str


def said(error: BaseException) -> str:
    """Give what an error says in one line: our own say enough, of all others their type is told too."""
    return str(error) if isinstance(error, SpinfunnelError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Skipped:
    """A unit that was not begun: the budget was spent, or the run was interrupted."""

    why: str


@dataclass(frozen=True)
class Unit:
    """A piece of work that can be done anywhere and in any order: `work(*arguments)`.

    `key` identifies its result (instrument, version, data, arguments, seed); empty: it is not kept.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    cost: float
    key: str = ""


def run_units(
    units: Sequence[Unit],
    *,
    jobs: int = 1,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Any]]:
    """Do the units, each on one thread, and yield (index, result) as they finish.

    A unit that raises yields a `Failure`; one that `deadline` (a `time.time()`) forbids to begin yields
    `Skipped`. Results with a key are kept in the user's cache folder and not computed twice.
    """
    total, done = sum(unit.cost for unit in units), 0.0

    def tell(index: int) -> None:
        if progress:
            progress(done, total, units[index].name)

    for index, result in _results(units, jobs, deadline, tell):
        done += units[index].cost
        tell(index)
        yield index, result


def _results(
    units: Sequence[Unit], jobs: int, deadline: float | None, begins: Callable[[int], None]
) -> Iterator[tuple[int, Any]]:
    if jobs == 1 or len(units) == 1:
        for index, unit in enumerate(units):
            begins(index)
            yield _attempt(index, unit, deadline)
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    missing = set(range(len(units)))
    # The largest first: otherwise the last process may still be busy with it when all others are idle.
    order = sorted(missing, key=lambda i: -units[i].cost)
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
    try:
        for index, result in parallel(
            joblib.delayed(_elsewhere)(os.getpid(), i, units[i], deadline) for i in order
        ):
            missing.discard(index)
            yield index, result
    except TerminatedWorkerError:
        why = "a worker process was killed (out of memory?): try --jobs 1, or --skip the largest tensors"
        for index in sorted(missing):
            yield index, Failure(units[index].name, why)


def _elsewhere(parent: int, index: int, unit: Unit, deadline: float | None) -> tuple[int, Any]:
    _end_with(parent)
    return _attempt(index, unit, deadline)


@lru_cache
def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: killed outright, a parent cannot do that itself."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _attempt(index: int, unit: Unit, deadline: float | None) -> tuple[int, Any]:
    if deadline is not None and time.time() > deadline:
        return index, Skipped("the budget was spent before it")
    try:
        memory = _memory() if unit.key else None
        if not memory:
            return index, _do(unit.key, unit)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="joblib")  # a full or damaged cache costs time, no more
            return index, memory.cache(_do, ignore=["unit"], verbose=0)(unit.key, unit)
    except Exception as error:  # any fault of one unit must leave the rest of the report standing
        return index, Failure(unit.name, said(error))


def _do(key: str, unit: Unit) -> Any:
    with _threads().limit(limits=1):
        return unit.work(*unit.arguments)


@lru_cache
def _threads() -> Any:
    import scipy.linalg  # noqa: F401  # so that its BLAS is loaded and limited too
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@lru_cache
def _memory() -> Any:
    import joblib

    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        memory = joblib.Memory(cache_folder(), verbose=0)
        memory.reduce_size(bytes_limit=KEPT_BYTES)
    except OSError:
        return None  # no cache: a run that is cut short begins again, nothing else is lost
    logging.getLogger("joblib").addFilter(lambda record: "while loading results" not in record.getMessage())
    return memory
