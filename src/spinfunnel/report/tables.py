"""The tables of a report as CSV that a spreadsheet may open: no cell of a weight file becomes a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from spinfunnel.report.words import scalar

if TYPE_CHECKING:
    from spinfunnel.report import Report


def sheets(report: Report) -> dict[str, str]:
    """Give every table of every finding as CSV text, by file name."""
    return {
        f"{slug(instrument)}-{slug(name)}.csv": _sheet(table.columns)
        for instrument, found in report.findings.items()
        for name, table in found.tables.items()
    }


def ours(text: str, old: bytes) -> bool:
    """Tell by its first line whether an old file is ours: nothing else in CSV can say so.

    It has the columns of the new one, or those that every judged layer table has (other versions have
    other columns between them).
    """
    line = old.split(b"\n", 1)[0]
    judged = line.startswith(b"name,") and line.endswith(b",verdict,label,reason")
    return judged or line == text.split("\n", 1)[0].encode("utf-8", "backslashreplace")


def _sheet(columns: dict[str, Any]) -> str:
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow([harmless(key) for key in columns])
    for row in zip(*columns.values(), strict=True):
        sheet.writerow([harmless(scalar(value)) for value in row])
    return out.getvalue()


def harmless(value: Any) -> Any:
    r"""Put an apostrophe before a text that a spreadsheet would run; numbers stay numbers.

    >>> harmless('=HYPERLINK("x")'), harmless(-1.5), harmless("-1.5e-3"), harmless("-1+cmd")
    ('\'=HYPERLINK("x")', -1.5, '-1.5e-3', "'-1+cmd")
    """
    if not isinstance(value, str) or re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", value, re.I):
        return value
    return f"'{value}" if value.lstrip(" ")[:1] in tuple("=+-@\t\r\n") and value.strip(" ") else value


def slug(text: str, longest: int = 40) -> str:
    """Make a text fit for a file name on any system.

    >>> slug("../Spectral density?"), slug("α")
    ('spectral-density', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-") or "x"
