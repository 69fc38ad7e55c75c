"""Reads one configuration of a system, such as its native state: numbers in numpy's files, text or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.readers.source import read_file
from spinfunnel.readers.tensors import quoted


def read_configuration(path: Path | str) -> Array:
    """Read one array of finite numbers from `.npy`, `.npz`, JSON lists, or text with one row a line.

    Nothing stored in a file is executed. In text, numbers stand apart by blanks or commas, and what follows
    a # is left out.

    Raises:
        BadInput: if there is no such file, or it does not hold one array of finite numbers.
        UnsafeFile: if it could be read only by executing code.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith((b"PK", b"\x93NUMPY")):
            return _numbers(path, _stored(path))
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(
            f"{path} is neither numpy's .npy or .npz nor text: write the state as one of them"
        ) from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from None
    return _numbers(path, _listed(path, text) if text.lstrip().startswith(("[", "{")) else _rows(path, text))


def _stored(path: Path) -> Array:
    _, tensors, _ = read_file(path)
    if len(tensors) != 1:
        names = ", ".join(quoted(one.name, 40) for one in tensors[:5])
        raise BadInput(f"{path} must hold one array, the state; it holds {len(tensors)}: {names}")
    return tensors[0].load()


def _listed(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is broken JSON ({error}): write the state as nested lists") from None


def _rows(path: Path, text: str) -> list[list[float]]:
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        try:
            row = [float(word) for word in words]
        except ValueError:
            raise BadInput(
                f"{path}, line {number}: expected numbers, got {quoted(line.strip(), 60)}"
            ) from None
        if rows and row and len(row) != len(rows[0]):
            raise BadInput(
                f"{path}, line {number}: {len(row)} numbers, where the lines before have {len(rows[0])}"
            )
        rows += [row] if row else []
    return rows


def _numbers(path: Path, found: object) -> Array:
    try:
        array = np.asarray(found)
        if array.dtype.kind not in "bui":
            array = array.astype(np.float64, casting="same_kind")
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{path} must hold one array of numbers: {error}") from None
    if not array.size:
        raise BadInput(f"{path} holds no numbers: write the state as one row a line")
    if not np.isfinite(array).all():
        raise BadInput(f"{path}: a state is made of finite numbers, {(~np.isfinite(array)).sum()} are not")
    return array
