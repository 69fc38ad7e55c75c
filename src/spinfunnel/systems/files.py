"""Couplings in files: rudy (the G-set), the spin-glass server's, and dimod's binary quadratic models.

Each format has a sign of its own: a rudy weight is a cost of agreeing (J = -w, so that the lowest energy is
the largest cut), the spin-glass server gives J itself, and dimod adds its biases (h = -a, J = -b). Constants
are left out of the energy, and named in the convention.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinfunnel.core import Array, BadInput
from spinfunnel.systems.protocols import Pairwise
from spinfunnel.systems.spins import Spins

#: The first key of a spin-glass server's header, and that of a dimod model in COO text.
SERVER, COO = "type:", "# vartype="

#: The convention of what a rudy file holds.
RUDY = "H = sum_{i<j} w_ij s_i s_j of a rudy file (J = -w)"


def holds_couplings(path: Path | str) -> bool:
    """Tell by its first line whether a file is one of couplings, broken or not, rather than of weights.

    A rudy file begins with numbers. JSON is a model of dimod, but for an index of weights.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip().lower()
    except (OSError, RuntimeError, ValueError):  # what reads weights says what is wrong with it
        return False
    words = start.partition(b"\n")[0].split()
    if start.startswith(b"{"):
        return not path.name.endswith((".index.json", ".safetensors"))
    return start.startswith((SERVER.encode(), COO.encode())) or (bool(words) and all(map(_number, words)))


def _number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def read_couplings(path: Path | str) -> Spins:
    """Read a system of spins from a file; its first line, or a JSON object, tells the format.

    Raises:
        BadInput: if the file cannot be read as any of them; the message names the line.
    """
    text = _text(path)
    start = text.lstrip()
    if start.startswith("{"):
        return _bqm(Path(path), text)
    if start.lower().startswith(COO):
        return _coo(Path(path), text)
    return read_server(path) if start.lower().startswith(SERVER) else read_rudy(path)


def read_rudy(path: Path | str) -> Spins:
    """Read a rudy file: the first line is `vertices edges`, the others are `i j w`, vertices counted from 1.

    A weight that is not given is 1.

    Raises:
        BadInput: if the file cannot be read as one; the message names the line.
    """
    path = Path(path)
    lines = _lines(_text(path))
    if not lines:
        raise BadInput(f"{path} is empty: a rudy file starts with 'vertices edges'")
    (first, header), body = lines[0], lines[1:]
    try:
        size, count = (int(word) for word in header)
    except ValueError:
        raise BadInput(f"{path}, line {first}: expected 'vertices edges', got {' '.join(header)!r}") from None
    if size < 1 or count != len(body):
        raise BadInput(f"{path} announces {size} vertices and {count} edges, but lists {len(body)} edges")
    edges, weights = _bonds(path, body, size)
    return _spins(path, edges, -weights, None, size, RUDY)


def read_server(path: Path | str) -> Spins:
    """Read a file of the spin-glass server: lines `type: t`, `size: N`, `name: x`, then `i j J` from 1.

    There are as many spins as the largest named: of a lattice, `size` is the side.
    Source: the server's description, http://spinglass.uni-bonn.de.

    Raises:
        BadInput: if the file cannot be read as one; the message names the line.
    """
    path = Path(path)
    lines = _lines(_text(path))
    body = [(number, words) for number, words in lines if not words[0].endswith(":")]
    if len(body) in (0, len(lines)):
        raise BadInput(
            f"{path} is no file of the spin-glass server: it needs 'type: size: name:' and 'i j J'"
        )
    size = max((int(word) for _, words in body for word in words[:2] if word.isdigit()), default=0)
    edges, couplings = _bonds(path, body, size)
    return _spins(path, edges, couplings, None, size, "H = -sum_{i<j} J_ij s_i s_j of the spin-glass server")


def _coo(path: Path, text: str) -> Spins:
    """Read dimod's COO text: `# vartype=SPIN`, then `i j bias`, counted from 0; i = j is a linear bias."""
    head = text.lstrip().splitlines()[0]
    lines = [line for line in _lines(text) if not line[1][0].startswith("#")]
    size = 1 + max((int(word) for _, words in lines for word in words[:2] if word.isdigit()), default=-1)
    edges, biases = _bonds(path, lines, size, first=0)
    alone = edges[:, 0] == edges[:, 1]
    linear = np.bincount(edges[alone, 0], weights=biases[alone], minlength=size)
    return _quadratic(path, head[len(COO) :].strip(), linear, edges[~alone], biases[~alone], 0.0)


def _bqm(path: Path, text: str) -> Spins:
    """Read dimod's JSON: what `json.dumps(bqm.to_serializable())` gives."""
    try:
        model: dict[str, Any] = json.loads(text)
        if model["use_bytes"]:
            raise BadInput(f"{path} holds its biases as bytes: write it with use_bytes=False")
        heads, tails = model["quadratic_head"], model["quadratic_tail"]
        linear = np.array(model["linear_biases"], dtype=np.float64)
        edges = np.array([heads, tails], dtype=np.int64).T
        biases, offset = np.array(model["quadratic_biases"], dtype=np.float64), float(model["offset"])
        kind = model["variable_type"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is JSON, but no binary quadratic model of dimod: {error!r}") from None
    return _quadratic(path, kind, linear, edges, biases, offset)


def _quadratic(path: Path, kind: str, linear: Array, edges: Array, biases: Array, offset: float) -> Spins:
    """Make spins of E = sum a_i v_i + sum b_ij v_i v_j + c; a BINARY v is (1 + s)/2."""
    if kind not in ("SPIN", "BINARY"):
        raise BadInput(f"{path} has variables of type {kind!r}: it must be SPIN or BINARY")
    if kind == "BINARY":
        offset += linear.sum() / 2 + biases.sum() / 4
        touched = np.bincount(edges.ravel(), weights=np.repeat(biases, 2), minlength=len(linear))
        linear, biases = linear / 2 + touched / 4, biases / 4
    constant = f", and a constant {offset:g} is left out" if offset else ""
    convention = f"H = sum a_i s_i + sum b_ij s_i s_j of dimod (h = -a, J = -b){constant}"
    return _spins(path, edges, -biases, -linear, len(linear), convention)


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as text: {error}") from None


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Give the lines that are not empty: their numbers and words."""
    rows = [line.split() for line in text.splitlines()]
    return [(number, words) for number, words in enumerate(rows, 1) if words]


def _bonds(
    path: Path, lines: Sequence[tuple[int, list[str]]], size: int, *, first: int = 1
) -> tuple[Array, Array]:
    """Read lines `i j w`, spins counted from `first`: bonds (bonds, 2) counted from 0, and weights."""
    edges, weights = np.empty((len(lines), 2), dtype=np.int64), np.ones(len(lines))
    for k, (number, words) in enumerate(lines):
        try:
            i, j, w = (*words, "1") if len(words) == 2 else words
            edges[k], weights[k] = (int(i) - first, int(j) - first), float(w)
        except (ValueError, OverflowError):
            raise BadInput(f"{path}, line {number}: expected 'i j w', got {' '.join(words)!r}") from None
        if not (edges[k].min() >= 0 and edges[k].max() < size):
            last = size - 1 + first
            raise BadInput(
                f"{path}, line {number}: vertices are counted from {first} to {last}, got {i} and {j}"
            )
        if not math.isfinite(weights[k]):
            raise BadInput(f"{path}, line {number}: a weight must be finite, not {w}")
    return edges, weights


def _spins(
    path: Path, edges: Array, couplings: Array, fields: Array | None, size: int, convention: str
) -> Spins:
    try:
        return Spins.of_edges(edges, couplings, fields, size=size, name=path.stem, convention=convention)
    except BadInput as error:
        raise BadInput(f"{path}, spins counted from 0: {error}") from None


def write_rudy(system: Pairwise, path: Path | str) -> None:
    """Write the couplings of a system to a rudy file, each to the last bit.

    Raises:
        BadInput: if it has fields, for which the format has no place.
    """
    if system.fields.any():
        raise BadInput(
            f"a rudy file has no place for fields, {system.name} has {np.count_nonzero(system.fields)}: "
            "write_bqm has"
        )
    bonds = list(_once(system))
    lines = [f"{system.size} {len(bonds)}"]
    for i, j, coupling in bonds:
        w = -coupling
        lines.append(f"{i + 1} {j + 1} {int(w) if w.is_integer() else repr(w)}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_bqm(system: Pairwise, path: Path | str) -> None:
    """Write a system as dimod's JSON, each number to the last bit.

    `dimod.BinaryQuadraticModel.from_serializable(json.load(file))` reads it.
    """
    heads, tails, couplings = zip(*_once(system), strict=True) if len(system.indices) else ((), (), ())
    model = {
        "type": "BinaryQuadraticModel",
        "version": {"bqm_schema": "3.0.0"},
        "use_bytes": False,
        "index_type": "int64",
        "bias_type": "float64",
        "num_variables": system.size,
        "num_interactions": len(couplings),
        "variable_labels": list(range(system.size)),
        "variable_type": "SPIN",
        "offset": 0.0,
        "info": {"system": system.name, "convention": system.convention},
        "linear_biases": (-system.fields).tolist(),
        "quadratic_biases": [-coupling for coupling in couplings],
        "quadratic_head": list(heads),
        "quadratic_tail": list(tails),
    }
    Path(path).write_text(json.dumps(model), encoding="utf-8")


def _once(system: Pairwise) -> Iterable[tuple[int, int, float]]:
    """Give each bond once, i < j, and its coupling."""
    rows = np.repeat(np.arange(system.size), np.diff(system.indptr))
    once = rows < system.indices
    bonds = (rows[once], system.indices[once], system.couplings[once])
    return zip(*(column.tolist() for column in bonds), strict=True)


def cut(system: Pairwise, x: Array) -> Array:
    """Give the weight (batch,) of the edges between up and down spins, (sum w - H) / 2 with w = -J.

    >>> from spinfunnel.systems import system
    >>> cut(system("ising1d", size=4), np.array([[1, 1, -1, -1]]))  # two edges of weight -1
    array([-2.])
    """
    total = -system.couplings.sum() / 2
    return np.asarray((total - system.energy(x) - np.asarray(x) @ system.fields) / 2)
