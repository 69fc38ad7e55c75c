"""Findings to terminal, JSON, CSV, figures and one self-contained HTML file.

Only this package draws, and it knows kinds of series, never instruments: what a new instrument finds is
shown without a change here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spinfunnel.core import BadInput, Finding, Outcome, Row, Verdict
from spinfunnel.report.layers import worst
from spinfunnel.report.writing import write

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Report"]


class Verdicts(dict[str, Verdict]):
    """The verdicts of a report, by instrument; one that is missing raises what the report raises."""

    def __init__(self, verdicts: Mapping[str, Verdict], report: Report) -> None:
        """Keep them, and where to ask why one is missing."""
        super().__init__(verdicts)
        self._report = report

    def __missing__(self, instrument: str) -> Verdict:
        raise self._report._lacks(instrument)


@dataclass
class Report:
    """What was found in one subject, and how to look at it.

    Attributes:
        subject: "source", "format", "parameters", "matrices", "digest", "notes".
        tensors: the tensor account: "name", "shape", "dtype", "parameters", "share", "status", "reason".
        findings: by instrument, in the order in which they are shown.
        verdicts: by instrument; asked for one that is missing, it says why, as the report itself does.
        failed: what crashed: "instrument", "where", "error".
        not_run: what lacked its input: "instrument", "question", "needs", "how".
        versions: of everything that can change a number.
        interrupted: whether the run was cut short, so that findings may be incomplete.
    """

    subject: dict[str, Any]
    tensors: list[Row]
    findings: dict[str, Finding] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    not_run: list[dict[str, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.verdicts = Verdicts(self.verdicts, self)

    def __getitem__(self, instrument: str) -> Finding:
        """Give the finding of one instrument.

        Raises:
            BadInput: if it found nothing; the message says why, or suggests the nearest name.
        """
        if instrument in self.findings:
            return self.findings[instrument]
        raise self._lacks(instrument)

    def _lacks(self, instrument: str) -> BadInput:
        """Say why there is nothing of an instrument."""
        for row in self.failed:
            if row["instrument"] == instrument:
                return BadInput(f"{instrument} failed: {row['error']}")
        for row in self.not_run:
            if instrument in row["instrument"].split(", "):
                return BadInput(f"{instrument} was not run: it needs {row['needs']}; {row['how']}")
        near = difflib.get_close_matches(str(instrument), self.findings, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"it has: {', '.join(self.findings) or 'none'}"
        )
        return BadInput(f"the report has no finding {instrument!r}; {hint}")

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of all verdicts; "unsure" when nothing could be judged."""
        return worst(verdict.outcome for verdict in self.verdicts.values()) or "unsure"

    def json(self, path: str | Path | None = None, *, force: bool = False) -> dict[str, Any]:
        """Give the report as JSON-ready data (schema 1), and write it to `path` if there is one.

        What is not finite is null, with a doubt that says where. Series are rounded to 6 digits.

        Raises:
            BadInput: if `path` cannot be written, or holds a file that is not ours and `force` is off.
        """
        from spinfunnel.report.schema import dumps, plain

        data = plain(self)
        if path is not None:
            write(path, dumps(data), ours=lambda old: b'"schema"' in old, force=force)
        return data

    def html(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the report as one HTML file that needs nothing else, and no network.

        Raises:
            BadInput: if `path` cannot be written, or holds a file that is not ours and `force` is off.
        """
        from spinfunnel.report.page import MARKER, page

        return write(path, page(self), ours=lambda old: MARKER.encode() in old, force=force)

    def csv(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write every table to `folder`/<instrument>-<table>.csv, safe to open in a spreadsheet.

        Raises:
            BadInput: if a file cannot be written, or holds a table that is not ours and `force` is off.
        """
        from spinfunnel.report.tables import ours, sheets

        return [
            write(Path(folder) / name, text, ours=partial(ours, text), force=force)
            for name, text in sheets(self).items()
        ]

    def figures(
        self, folder: str | Path, format: Literal["svg", "pdf"] = "svg", *, force: bool = False
    ) -> list[Path]:
        """Draw every panel as a single-column figure for a paper, one file each.

        Raises:
            BadInput: if matplotlib is absent, the format unknown, a file cannot be written, or a file
                that is not ours is in the way and `force` is off.
        """
        from spinfunnel.report.figures import MARKER, figures

        return [
            write(Path(folder) / name, data, ours=lambda old: MARKER.encode() in old, force=force)
            for name, data in figures(self.findings, format)
        ]

    def print(self, console: Console | None = None) -> None:
        """Print the summary and the worst rows to the terminal, as wide as it is."""
        from spinfunnel.report.terminal import show

        show(self, console)

    def __str__(self) -> str:
        from spinfunnel.report.terminal import text

        return text(self)

    def _repr_html_(self) -> str:
        from spinfunnel.report.page import card

        return card(self)
