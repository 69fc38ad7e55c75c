"""The contracts everything else is written against: numbers with errors, findings, verdicts, instruments.

Floor 0: imports nothing of ours, and no torch. Three things are kept apart on purpose. A *measurement* is
numbers and data to draw (`Finding`); a *judgement* is a word and a sentence (`Verdict`); a *picture* is
made by `report/` alone. So a threshold can change without measuring again, and a figure without either.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Outcome: TypeAlias = Literal["good", "info", "warning", "bad", "unsure"]
Question: TypeAlias = Literal["learned", "landscape", "simpler", "bound", "training"]
Effort: TypeAlias = Literal["quick", "normal", "full"]
Array: TypeAlias = npt.NDArray[Any]
Row: TypeAlias = dict[str, Any]

#: Worst first: the order in which reports list what they found.
OUTCOMES: tuple[Outcome, ...] = ("bad", "warning", "unsure", "info", "good")

#: How much work to put in; each includes the one before.
EFFORTS: tuple[Effort, ...] = ("quick", "normal", "full")

#: The five chapters of every report, and the question each answers.
QUESTIONS: dict[Question, str] = {
    "learned": "What did it learn?",
    "landscape": "Glass or funnel?",
    "simpler": "Can it be simpler?",
    "bound": "How wrong can it be?",
    "training": "How did training get there?",
}


#: An error that begins behind more decimal places than these is written with an exponent.
LONGEST = 9


class SpinfunnelError(Exception):
    """Something the user can mend: one line that says what happened, the value, and what to do."""


class BadInput(SpinfunnelError):
    """The input cannot be used as given (a broken file, an unknown name, an impossible value)."""


class UnsafeFile(BadInput):
    """Reading this file would execute code stored in it; it was refused and nothing was executed."""


@dataclass(frozen=True, slots=True)
class Number:
    """A value and what is known of its uncertainty.

    `error` is one standard error, `low` and `high` an interval at `level` (one of them may be None: a
    one-sided bound). What is unknown is None, never 0.

    >>> print(Number(2.4789, low=2.31, high=2.66, level=.95, kind="bootstrap"))
    2.479 [2.310, 2.660]
    >>> print(Number(-13.1, error=.2))
    -13.1 ± 0.2
    """

    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.68
    error: float | None = None
    kind: str = "standard error"
    unit: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if not math.isfinite(self.value):
            return "unknown"
        if self.kind == "count":
            return f"{self.value:.0f}{unit}"
        if self.error is not None and self.error > 0 and math.isfinite(self.error):
            places = max(0, -math.floor(math.log10(self.error)))
            if places > LONGEST:
                return f"{significant(self.value)} ± {self.error:.0e}{unit}"
            return f"{self.value:.{places}f} ± {self.error:.{places}f}{unit}"
        text = significant(self.value)
        if self.low == self.value == self.high:
            return text + unit
        if self.low == self.value and self.high is None:
            return f"at least {text}{unit}"
        if self.low is not None and self.high is not None:
            text += f" [{significant(self.low)}, {significant(self.high)}]"
        elif self.low is not None:
            text += f" (at least {significant(self.low)})"
        elif self.high is not None:
            text += f" (at most {significant(self.high)})"
        return text + unit


def significant(value: float, digits: int = 4) -> str:
    """Write a number to `digits` significant places, without an exponent where it can be read.

    >>> significant(0.01234567), significant(22713216), significant(float("nan"))
    ('0.01235', '22713216', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude > 9:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - magnitude)}f}"


@dataclass(frozen=True)
class Table:
    """Named columns of equal length. A layer table has `name` first: the file's full tensor name.

    Once judged, it also has `verdict` (an outcome word), `label` (the instrument's word) and `reason`.

    Raises:
        ValueError: if the columns differ in length.
    """

    columns: dict[str, Array]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of a table must be equally long, these are not: {lengths}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Table:
        """Make a table of rows that share most of their keys; a number a row lacks is NaN, a text is "".

        >>> Table.of([{"name": "a", "alpha": 2.}, {"name": "b"}]).columns["alpha"]
        array([ 2., nan])
        """
        keys = list(dict.fromkeys(key for row in rows for key in row))
        texts = {key for key in keys if any(isinstance(row.get(key), str) for row in rows)}
        return cls(
            {key: np.array([row.get(key, "" if key in texts else np.nan) for row in rows]) for key in keys}
        )

    def rows(self) -> list[Row]:
        """Give the rows as dictionaries of Python scalars."""
        return [{key: column[i].item() for key, column in self.columns.items()} for i in range(len(self))]

    def row_names(self) -> list[str]:
        """Name every row as `Series.row` does: the tensor's name, and its part where it was split."""
        names = self.columns["name"]
        parts = self.columns.get("part", np.full(len(names), ""))
        return [row_name(str(name), str(part)) for name, part in zip(names, parts, strict=True)]


def row_name(name: str, part: str = "") -> str:
    """Name one matrix: the tensor's own name, followed by `[part]` when the tensor was split.

    >>> row_name("h.0.attn.c_attn.weight", "query")
    'h.0.attn.c_attn.weight[query]'
    """
    return f"{name}[{part}]" if part else name


@dataclass(frozen=True)
class Axis:
    """What an axis shows, with its unit, whether it is drawn logarithmically, and where it ends.

    An axis without a label has no ticks: only the order along it means something, as in a tree. Its ends
    are those of the data unless `low` and `high` fix them. Neighbouring panels with the same axes, all of
    fixed ends, are to be compared: they are drawn side by side.
    """

    label: str
    scale: Literal["linear", "log"] = "linear"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Data to draw, never a picture. All series of one `panel` (and one `row`) are drawn together.

    `row` names the table row it belongs to (`Table.row_names`); empty, it belongs to the whole subject.
    Shapes: x, y, low, high (n,); for a surface x (n,), y (m,), z (m, n), or all (m, n); a step has x (n + 1,)
    edges; a vline is drawn at every x, a hline, with its label on it, at every y; a line with z (n,) is a
    path in space, above a surface or alone. Around a line, `low` and `high` are bars, or a ribbon of its
    colour if there are many points; a band is grey, as of a null.
    `names` may name the n points (the table rows they stand for); where a line or tree breaks, y is NaN.
    A `null` is what chance gives, or what is expected: it is grey, and a line of it dashed. A `caption` says
    in a sentence or two how to read the panel; any one of its series has it.
    Basins and branches (scatter3d, tree) have six colours, in order; what is labelled "others" is grey.
    """

    x: Array
    y: Array
    z: Array | None = None
    low: Array | None = None
    high: Array | None = None
    label: str = ""
    axes: tuple[Axis, ...] = (Axis("x"), Axis("y"))
    kind: Literal["line", "step", "band", "scatter", "scatter3d", "surface", "tree", "vline", "hline"] = (
        "line"
    )
    panel: str = ""
    row: str = ""
    names: tuple[str, ...] = ()
    null: bool = False
    caption: str = ""


@dataclass(frozen=True)
class Image:
    """A picture that is itself data (a receptive field): array of shape (h, w) or (h, w, 3), in [0, 1]."""

    array: Array
    label: str


@dataclass(frozen=True)
class Reading:
    """What an instrument saw in one matrix: a table row and data to draw."""

    row: Row
    series: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What an instrument measured. It never judges; its `doubts` say why it may not be believed."""

    instrument: str
    question: Question
    numbers: dict[str, Number] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    images: tuple[Image, ...] = ()
    doubts: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)

    def table(self, name: str = "layers") -> Any:
        """Give one table as a `pandas.DataFrame`.

        Raises:
            BadInput: if there is no such table; the message lists those there are.
        """
        if name not in self.tables:
            known = ", ".join(self.tables) or "none"
            raise BadInput(f"{self.instrument} has no table {name!r}; it has: {known}")
        import pandas

        return pandas.DataFrame(self.tables[name].columns)


@dataclass(frozen=True)
class Verdict:
    """A judgement: `outcome` is for machines, `label` is the field's word, `sentence` is for people."""

    outcome: Outcome
    label: str
    sentence: str
    advice: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowVerdict:
    """A judgement of one table row: it becomes the columns `verdict`, `label` and `reason`."""

    outcome: Outcome
    label: str
    reason: str


@dataclass(frozen=True)
class CalibrationRow:
    """One comparison of an instrument with a known answer.

    `kind` is "value" (has a sigma), "exact" (has a tolerance) or "rate" (k of n against a one-sided
    limit). Use the three constructors: they work out `ok`, but for value rows, which are judged together
    (Bonferroni over all value rows of a run) by `judge_calibration` in `run.py`.
    """

    of: str
    system: str
    quantity: str
    kind: Literal["value", "exact", "rate"]
    exact: float | None
    value: float
    error: float | None = None
    sigma: float | None = None
    tolerance: float | None = None
    limit: float | None = None
    ok: bool = True

    @classmethod
    def measured(
        cls, of: str, system: str, quantity: str, *, exact: float, value: float, error: float, cap: float
    ) -> CalibrationRow:
        """Compare a measured value with the exact one, in its own error bars, which may not exceed `cap`."""
        sigma = (value - exact) / error if error > 0 else math.inf
        ok = math.isfinite(sigma) and error <= cap
        return cls(of, system, quantity, "value", exact, value, error, sigma, limit=cap, ok=ok)

    @classmethod
    def deterministic(
        cls, of: str, system: str, quantity: str, *, exact: float, value: float, tolerance: float
    ) -> CalibrationRow:
        """Compare a value that has no noise with the exact one: |value - exact| <= tolerance."""
        ok = abs(value - exact) <= tolerance
        return cls(of, system, quantity, "exact", exact, value, tolerance=tolerance, ok=ok)

    @classmethod
    def rate(
        cls,
        of: str,
        system: str,
        quantity: str,
        *,
        k: int,
        n: int,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> CalibrationRow:
        """Compare the share k/n with a one-sided limit; give exactly one of `at_most` and `at_least`."""
        if (at_most is None) == (at_least is None):
            raise ValueError("a rate needs exactly one of at_most and at_least")
        share = k / n
        sign, limit = ("≤", at_most) if at_most is not None else ("≥", at_least)
        assert limit is not None
        ok = share <= limit if sign == "≤" else share >= limit
        error = math.sqrt(max(share * (1 - share), 1 / n) / n)
        return cls(
            of, system, f"{quantity} ({k} of {n}, {sign})", "rate", None, share, error, limit=limit, ok=ok
        )


@dataclass(frozen=True)
class Calibration:
    """A check of something against systems on which its answer is known; `run(seed)` gives the rows."""

    name: str
    source: str
    run: Callable[[int], Iterable[CalibrationRow]]
    effort: Effort = "quick"


@dataclass(frozen=True)
class Instrument:
    """One way of looking at a subject, and the card that explains it.

    An instrument that looks at one matrix at a time gives `each(matrix, *, seed, effort) -> Reading`; the
    runner calls it matrix by matrix (several instruments share one loaded matrix) and hands the readings
    to `measure(subject, *, findings, seed, budget, readings) -> Finding`. `judge_row(row) -> RowVerdict`
    judges the rows of the table "layers"; `judge(finding) -> Verdict` sees them judged. A need is what the
    subject must supply, or "finding:NAME", what another instrument must have found ("finding:NAME?": used if
    it is there).
    `cost(subject, effort)` estimates its CPU seconds. With `default=False` it runs only when asked for.
    """

    name: str
    question: Question
    needs: frozenset[str]
    measure: Callable[..., Finding]
    judge: Callable[[Finding], Verdict]
    cost: Callable[[Any, Effort], float]
    source: str
    what: str
    why: str
    judged: str
    each: Callable[..., Reading] | None = None
    judge_row: Callable[[Row], RowVerdict] | None = None
    calibrations: tuple[Calibration, ...] = ()
    default: bool = True


@dataclass(frozen=True)
class Trace:
    """What a sampler, or a training run, left behind: T records of R replicas. k_B = 1.

    Shapes: times (T,), temperatures (T,), energies (T, R), final (R, ...).
    """

    times: Array
    temperatures: Array
    energies: Array
    final: Array
    best: Array
    best_energy: float
    accepted: float | None
    stopped: str
    seed: int
    states: Array | None = None
    stats: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A published statement that can be measured again: `passes(measure(seed, budget))`."""

    name: str
    source: str
    statement: str
    measure: Callable[[int, float], Number]
    passes: Callable[[Number], bool]
    controls: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Give the folder for what may be deleted at any time: spinfunnel in $XDG_CACHE_HOME or ~/.cache.

    It is never beside a subject, and it may not exist.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spinfunnel"


def seeds(seed: int, *names: object) -> int:
    """Derive a 64-bit seed by hashing, so that results do not depend on chunks, processes or order.

    >>> seeds(0, "spectrum", "layer.0") == seeds(0, "spectrum", "layer.0") != seeds(1, "spectrum", "layer.0")
    True
    """
    text = "\0".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
