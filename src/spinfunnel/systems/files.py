"""Couplings in text files: the rudy format of the G-set and of most max-cut benchmarks.

The first line is `vertices edges`, the others `i j w`, vertices counted from 1, and w being 1 where it is not
given. A weight is a cost of agreeing: J = -w, H = sum w s s, so that the lowest energy is the largest cut.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.protocols import Pairwise
from spinfunnel.systems.spins import Spins


def read_rudy(path: Path | str) -> Spins:
    """Read a system from a rudy file.

    Raises:
        BadInput: if the file cannot be read as one; the message names the line.
    """
    path = Path(path)
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as text: {error}") from None
    lines = [(number, words) for number, words in enumerate(rows, 1) if words]
    if not lines:
        raise BadInput(f"{path} is empty: a rudy file starts with 'vertices edges'")
    (first, header), body = lines[0], lines[1:]
    try:
        size, count = (int(word) for word in header)
    except ValueError:
        raise BadInput(f"{path}, line {first}: expected 'vertices edges', got {' '.join(header)!r}") from None
    if size < 1 or count != len(body):
        raise BadInput(f"{path} announces {size} vertices and {count} edges, but lists {len(body)} edges")
    edges, weights = np.empty((count, 2), dtype=np.int64), np.ones(count)
    for k, (number, words) in enumerate(body):
        try:
            i, j, w = (*words, "1") if len(words) == 2 else words
            edges[k], weights[k] = (int(i) - 1, int(j) - 1), float(w)
        except (ValueError, OverflowError):
            raise BadInput(f"{path}, line {number}: expected 'i j w', got {' '.join(words)!r}") from None
        if not (edges[k].min() >= 0 and edges[k].max() < size):
            raise BadInput(f"{path}, line {number}: vertices are counted from 1 to {size}, got {i} and {j}")
    try:
        return Spins.of_edges(
            edges,
            -weights,
            size=size,
            name=path.stem,
            convention="H = sum_{i<j} w_ij s_i s_j of a rudy file (J = -w)",
        )
    except BadInput as error:
        raise BadInput(f"{path}, spins counted from 0: {error}") from None


def write_rudy(system: Pairwise, path: Path | str) -> None:
    """Write the couplings of a system to a rudy file, each to the last bit.

    Raises:
        BadInput: if it has fields, for which the format has no place.
    """
    if system.fields.any():
        raise BadInput(
            f"a rudy file has no place for fields, {system.name} has {np.count_nonzero(system.fields)}"
        )
    rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
    once = rows < system.indices
    lines = [f"{system.size} {int(once.sum())}"]
    for i, j, coupling in zip(rows[once], system.indices[once], system.couplings[once], strict=True):
        w = -float(coupling)
        lines.append(f"{i + 1} {j + 1} {int(w) if w.is_integer() else repr(w)}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def cut(system: Pairwise, x: Array) -> Array:
    """Give the weight (batch,) of the edges between up and down spins, (sum w - H) / 2 with w = -J.

    >>> from spinfunnel.systems import system
    >>> cut(system("ising1d", size=4), np.array([[1, 1, -1, -1]]))  # two edges of weight -1
    array([-2.])
    """
    total = -system.couplings.sum() / 2
    return np.asarray((total - system.energy(x) - np.asarray(x) @ system.fields) / 2)
