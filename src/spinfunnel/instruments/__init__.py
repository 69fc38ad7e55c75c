"""The instruments, in the order in which reports show them. A new one is its file and a line here."""

from __future__ import annotations

import difflib
from importlib import import_module

from spinfunnel.core import BadInput, Instrument

NAMES: tuple[str, ...] = (
    "spectrum",
    "untrained",
    "traps",
    "condition",
    "precision",
    "weightwatcher",
    "funnel",
    "cooling",
    "fork",
    "minima",
    "barriers",
    "disconnectivity",
    "native",
    "frustration",
    "thermodynamics",
    "overlaps",
    "density_of_states",
    "folding",
    "curvature",
    "criticality",
    "slices",
    "sharpness",
    "paths",
    "evidence",
    "trajectory",
)


def instrument(name: str) -> Instrument:
    """Give one instrument by name.

    Raises:
        BadInput: if there is none of that name; the message suggests the nearest.

    >>> instrument("spectrum").question
    'learned'
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(NAMES)}"
        raise BadInput(f"no instrument is called {name!r}: {hint}")
    module = import_module(f"spinfunnel.instruments.{name}")
    found: Instrument = module.instrument
    return found
