"""Reads the folder that a Recorder wrote; torch is not needed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput, Table
from spinfunnel.maths.random_walks import inner_products
from spinfunnel.readers.safetensors import read_safetensors
from spinfunnel.readers.tensors import Tensor

#: The file that makes a folder a history, and what its first line says it is.
INDEX, FORMAT = "history.jsonl", "spinfunnel history 1"
#: Bytes of weights that are looked at together.
BLOCK = 64_000_000


def is_history(path: str | Path) -> bool:
    """Tell whether a path is a folder that a Recorder wrote.

    >>> is_history("/")
    False
    """
    return (Path(path) / INDEX).is_file()


def snapshot(step: int) -> str:
    """Name the file of a snapshot."""
    return f"step-{step:09d}.safetensors"


@dataclass(frozen=True)
class History:
    """What a Recorder wrote: T snapshots of P trained weights, and R >= T records of losses and gradients.

    Attributes:
        folder: where it is.
        shapes: of every trained parameter, by name, in the order of the flat vector of all.
        steps: of the snapshots, (T,), ascending.
        records: a table with a row a record: step, loss (the mean since the record before), lr, seconds.
        gradients: a table with a row a record and parameter: step, name, over its elements mean and variance
            of the gradient; over steps: length of the mean gradient, root of the total variance, steps.
        doubts: what was found broken, and left out.
    """

    folder: Path
    shapes: Mapping[str, tuple[int, ...]]
    steps: Array
    records: Table
    gradients: Table
    doubts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The trained parameters, in the order of the flat vector."""
        return tuple(self.shapes)

    @property
    def size(self) -> int:
        """How many weights are trained, P."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def losses(self) -> Array:
        """The loss at every snapshot, (T,): between records it is interpolated; nan where none is known."""
        return self._at("loss")

    @property
    def rates(self) -> Array:
        """The learning rate at every snapshot, (T,); nan where none is known."""
        return self._at("lr")

    def _at(self, column: str) -> Array:
        values = self.records.columns[column]
        known = np.isfinite(values)
        if not known.any():
            return np.full(len(self.steps), np.nan)
        return np.asarray(np.interp(self.steps, self.records.columns["step"][known], values[known]))

    @property
    def last(self) -> Path:
        """The file of the last snapshot."""
        return self.folder / snapshot(int(self.steps[-1]))

    @cached_property
    def _tensors(self) -> list[dict[str, Tensor]]:
        return [
            {tensor.name: tensor for tensor in read_safetensors(self.folder / snapshot(int(step)))}
            for step in self.steps
        ]

    def mapping(self, index: int) -> dict[str, Array]:
        """Give all of one snapshot, frozen parameters and buffers too, mapped from disk, read-only."""
        return {name: tensor.load() for name, tensor in self._tensors[index].items()}

    def flat(self, index: int) -> Array:
        """Give the trained weights of one snapshot as one vector, (P,)."""
        there = self._tensors[index]
        return np.concatenate([np.ravel(there[name].load()) for name in self.names])

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[str, Array]]:
        """Stream the trained weights of all snapshots: name of a parameter, and (T, p) of its elements.

        A block takes `size` bytes at most, in double precision; a large parameter is several blocks.
        """
        wide = max(1, size // (8 * len(self.steps)))
        for name in self.names:
            each = [np.ravel(there[name].load()) for there in self._tensors]
            for start in range(0, max(each[0].size, 1), wide):
                yield name, np.array([values[start : start + wide] for values in each], dtype=np.float64)

    def weights(self) -> Array:
        """Give the trained weights of all snapshots at once, (T, P); `blocks` is for what is too large."""
        return np.array([self.flat(i) for i in range(len(self.steps))])

    def inner_products(self) -> dict[str, Array]:
        """Give the inner products of the steps between snapshots, (T - 1, T - 1), by parameter."""
        count = len(self.steps) - 1
        found = {name: np.zeros((count, count)) for name in self.names}
        for name, block in self.blocks():
            found[name] += inner_products(block)
        return found


def read(folder: str | Path) -> History:
    """Read what a Recorder wrote, also of a run that was killed or goes on; torch is not needed.

    Raises:
        BadInput: if it is no such folder, or no snapshot in it is complete.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}: a history is one that a spinfunnel Recorder wrote")
    if not is_history(folder):
        raise BadInput(f"{folder} is no history: it has no {INDEX}, which a spinfunnel Recorder writes")
    first, *lines = (folder / INDEX).read_text(errors="replace").split("\n")
    shapes, doubts, records = _trained(folder, first), list[str](), list[dict[str, Any]]()
    for line in filter(None, lines):
        try:
            record = json.loads(line)
            record["step"] = int(record["step"])
            records.append(record)
        except (ValueError, TypeError, KeyError):
            doubts.append(f"a line of {INDEX} is cut off, as of a run that was killed; it is left out")
    steps = []
    for path in sorted(folder.glob("step-*.safetensors")):
        step = re.fullmatch(r"step-(\d{9,})\.safetensors", path.name)
        if step is None or path.is_symlink():
            continue
        try:
            there = {tensor.name: tensor.shape for tensor in read_safetensors(path)}
            if any(there.get(name) != shape for name, shape in shapes.items()):
                raise BadInput("it has other parameters than the run began with")
            steps.append(int(step[1]))
        except BadInput as error:
            doubts.append(f"{path.name} is left out: {error}")
    if not steps:
        raise BadInput(f"{folder} has no complete snapshot: {doubts[0] if doubts else 'none was written'}")
    records.sort(key=lambda record: record["step"])
    return History(
        folder, shapes, np.array(sorted(steps)), _records(records), _gradients(records, shapes),
        tuple(dict.fromkeys(doubts)),
    )  # fmt: skip


def _trained(folder: Path, line: str) -> dict[str, tuple[int, ...]]:
    try:
        told = json.loads(line)
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {str(told['format'])[:40]!r}")
        return {str(name): tuple(int(size) for size in shape) for name, shape in told["trained"]}
    except (ValueError, TypeError, KeyError) as error:
        why = str(error)[:80]
        raise BadInput(f"{folder / INDEX} is not of this version, or damaged: {why}") from None


def _records(records: list[dict[str, Any]]) -> Table:
    columns = {"step": np.array([record["step"] for record in records], dtype=np.int64)}
    for name in ("loss", "lr", "seconds"):
        columns[name] = np.array([_number(record.get(name)) for record in records], dtype=np.float64)
    return Table(columns)


def _gradients(records: list[dict[str, Any]], shapes: Mapping[str, tuple[int, ...]]) -> Table:
    keys = ("mean", "variance", "length_of_mean", "spread", "steps")
    rows = []
    for record in records:
        told = record.get("gradients")
        for name, values in told.items() if isinstance(told, dict) else ():
            if name in shapes and isinstance(values, list) and len(values) == len(keys):
                numbers = dict(zip(keys, map(_number, values), strict=True))
                rows.append({"name": name, "step": record["step"], **numbers})
    columns: dict[str, Array] = {
        "name": np.array([row["name"] for row in rows], dtype=str),
        "step": np.array([row["step"] for row in rows], dtype=np.int64),
    }
    return Table(columns | {key: np.array([row[key] for row in rows], dtype=np.float64) for key in keys})


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
