"""Checks of the verdict on systems whose class is known: sizes and seeds not used elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from spinfunnel.core import Calibration, CalibrationRow
from spinfunnel.instruments.funnel.rule import Evidence, Word, classify

#: What was seen, about, on systems of each class, and the word for it.
SEEN: tuple[tuple[str, Evidence, Word], ...] = (
    ("ferromagnet", Evidence(32, 1.0, 1.0, 1.0, 0.86, 1.0, 1.3, 1.0, 1.0, 1.0), "funnel"),
    ("SK glass", Evidence(32, 0.55, 0.48, 0.62, 0.41, 8.0, 14.0, 0.6, 0.65, 0.58), "glass"),
    (
        "SK glass whose ground state is always found",
        Evidence(32, 1.0, 1.0, 1.0, 0.8, 1.0, 2.0, 1.0, 0.9, 0.8),
        "cannot tell",
    ),
    (
        "double funnel",
        Evidence(32, 0.48, 0.45, 0.52, 0.49, 2.0, 2.5, 0.5, 1.0, 1.0, barrier=0.2),
        "multi-funnel",
    ),
    ("half-cooled funnel", Evidence(32, 0.49, 0.45, 0.55, 0.16, 3.0, 20.0, 1.0, 1.0, 1.0), "cannot tell"),
    (
        "hole",
        Evidence(32, 0.05, 0.04, 0.07, 0.05, 30.0, 31.0, 1.0, 0.3, 0.2, None, 0.03, 0.0, 0.9, -0.1),
        "golf course",
    ),
    (
        "broad funnel with a glassy bottom",
        Evidence(32, 0.5, 0.45, 0.55, 0.4, 26.0, 30.0, 0.6, 0.8, 0.7, None, 0.1, 0.0, 0.9, -0.9),
        "glass",
    ),
)


def _words(seed: int) -> Iterable[CalibrationRow]:
    """The rule gives each kind of evidence its word."""
    for name, seen, word in SEEN:
        yield CalibrationRow.deterministic(
            "funnel",
            name,
            f"is called {word}",
            exact=1.0,
            value=float(classify(seen)[0] == word),
            tolerance=0.0,
        )


calibrations = (Calibration("the rule", "evidence as measured on known systems", _words),)
