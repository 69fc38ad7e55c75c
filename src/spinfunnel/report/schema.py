"""A report as JSON, schema 1 (`data/report-schema-1.json`): only what JSON can say, and it says the rest."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from spinfunnel.core import Array, Finding, Series, Verdict

if TYPE_CHECKING:
    from spinfunnel.report import Report

SCHEMA = 1


def dumps(data: Any) -> str:
    """Write JSON in ASCII, refusing what JSON cannot hold (NaN)."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")) + "\n"


def plain(report: Report) -> dict[str, Any]:
    """Give a report as dictionaries, lists, texts, finite numbers, booleans and None."""
    return {
        "schema": SCHEMA,
        "generator": "spinfunnel",
        "subject": finite(report.subject),
        "outcome": report.outcome,
        "interrupted": report.interrupted,
        "tensors": finite(report.tensors),
        "findings": [_finding(found, report.verdicts.get(name)) for name, found in report.findings.items()],
        "failed": finite(report.failed),
        "not_run": finite(report.not_run),
        "versions": finite(report.versions),
    }


def _finding(found: Finding, verdict: Verdict | None) -> dict[str, Any]:
    lost: dict[str, int] = {}
    numbers = {name: finite(asdict(number), lost, name) for name, number in found.numbers.items()}
    tables = {
        name: {key: finite(column, lost, f"{name}.{key}") for key, column in table.columns.items()}
        for name, table in found.tables.items()
    }
    series = [_series(one, lost) for one in found.series]
    images = [
        {"label": one.label, "array": finite(rounded(one.array, 3), lost, one.label)} for one in found.images
    ]
    doubts = list(found.doubts)
    if lost:
        where = ", ".join(f"{place} ({count})" for place, count in lost.items())
        doubts.append(f"not finite, and written as null: {where}")
    return {
        "instrument": found.instrument,
        "question": found.question,
        "numbers": numbers,
        "tables": tables,
        "series": series,
        "images": images,
        "doubts": doubts,
        "verdict": finite(asdict(verdict)) if verdict else None,
        "recipe": finite(found.recipe),
    }


def _series(one: Series, lost: dict[str, int]) -> dict[str, Any]:
    arrays = {
        key: None
        if (array := getattr(one, key)) is None
        else finite(rounded(array, 6), lost, f"{one.panel}.{key}")
        for key in ("x", "y", "z", "low", "high")
    }
    return {
        **arrays,
        "label": one.label,
        "axes": [finite(asdict(axis)) for axis in one.axes],
        "kind": one.kind,
        "panel": one.panel,
        "row": one.row,
        "names": list(one.names),
        "null": one.null,
        "caption": one.caption,
    }


def rounded(array: Array, digits: int) -> Any:
    """Round to significant digits, as lists: what is drawn needs no more.

    >>> rounded(np.array([3.14159265, np.nan, 1e-12 / 3]), 3)
    [3.14, nan, 3.33e-13]
    """
    array = np.asarray(array)
    if array.ndim > 1:
        return [rounded(row, digits) for row in array]
    if array.dtype.kind != "f":
        return array.tolist()
    return [float(f"{value:.{digits}g}") for value in array.tolist()]


def finite(value: Any, lost: dict[str, int] | None = None, place: str = "") -> Any:
    """Give any value as JSON can hold it; what is not finite becomes None and is counted in `lost`.

    >>> lost = {}
    >>> finite({"a": np.array([1., np.nan]), "b": np.bool_(True)}, lost, "here"), lost
    ({'a': [1.0, None], 'b': True}, {'here': 1})
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): finite(one, lost, place) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [finite(one, lost, place) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        if lost is not None:
            lost[place] = lost.get(place, 0) + 1
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)
