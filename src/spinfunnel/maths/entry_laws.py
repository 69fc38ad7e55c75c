"""Noise matrices with the entries that layers have before training, float32, by the name of the law.

Each law is symmetric with light tails: spectra of all of them share the Wishart null.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri

from spinfunnel.core import Array, BadInput

Law = Callable[[int, int, np.random.Generator], Array]


def _rounded(rows: int, columns: int, rng: np.random.Generator) -> Array:
    entries = rng.standard_normal((rows, columns))
    step = np.abs(entries).max() / 127
    rounded: Array = step * np.round(entries / step)
    return rounded


#: Rows are outputs, columns inputs. Sources: torch.nn.Linear's default; He et al., ICCV 2015, eq. 10; Glorot
#: & Bengio, AISTATS 2010, eq. 12; the truncation at two standard deviations is that of most transformers.
LAWS: dict[str, Law] = {
    "gaussian": lambda rows, columns, rng: 0.02 * rng.standard_normal((rows, columns)),
    "uniform": lambda rows, columns, rng: rng.uniform(-1, 1, (rows, columns)) / columns**0.5,
    "truncated normal": lambda rows, columns, rng: (
        0.02 * ndtri(rng.uniform(ndtr(-2), ndtr(2), (rows, columns)))
    ),
    "kaiming uniform": lambda rows, columns, rng: rng.uniform(-1, 1, (rows, columns)) * (6 / columns) ** 0.5,
    "xavier normal": lambda rows, columns, rng: (
        rng.standard_normal((rows, columns)) * (2 / (rows + columns)) ** 0.5
    ),
    "int8-rounded": _rounded,
}


def draw_entries(law: str, rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Draw a float32 matrix (rows, columns), rows = outputs, with independent entries of this law.

    Raises:
        BadInput: if the law is unknown.

    >>> draw_entries("uniform", 2, 100, np.random.default_rng(0)).max() < .1
    np.True_
    """
    if law not in LAWS:
        raise BadInput(f"no law of entries is called {law!r}; these are: {', '.join(LAWS)}")
    return LAWS[law](rows, columns, rng).astype(np.float32)
