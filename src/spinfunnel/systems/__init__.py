"""Systems with an energy and, where there is one, a known answer. `system:NAME?key=value` names one.

Digits behind a name are the size: `system:lj38`.

>>> system("system:ea?dimension=2&law=gauss", size=4, seed=1).size
16
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from spinfunnel.core import BadInput
from spinfunnel.systems.chains import designed, go, heteropolymer, hp
from spinfunnel.systems.committees import committee, perceptron, teacher
from spinfunnel.systems.lattices import ea, ising1d, ising2d, ising3d, ising_triangular
from spinfunnel.systems.lennard_jones import lj
from spinfunnel.systems.mean_field import hopfield, mattis, sk
from spinfunnel.systems.multiscale import multiscale
from spinfunnel.systems.planted import nishimori, tiles2d, tiles3d, wishart
from spinfunnel.systems.protocols import System
from spinfunnel.systems.pspin import pspin
from spinfunnel.systems.rem import rem, rem_native
from spinfunnel.systems.sphere import spherical_pspin
from spinfunnel.systems.surfaces import curvy_valley, double_well, mueller_brown
from spinfunnel.systems.xorsat import xorsat

#: Name -> what makes it of a size (L on lattices, else the number of spins), a seed and named parameters.
MAKERS: Mapping[str, Callable[..., System]] = {
    "ising1d": ising1d,
    "ising2d": ising2d,
    "ising-triangular": ising_triangular,
    "ising3d": ising3d,
    "mattis": mattis,
    "ea": ea,
    "sk": sk,
    "hopfield": hopfield,
    "pspin": pspin,
    "multiscale": multiscale,
    "rem": rem,
    "rem-native": rem_native,
    "wishart": wishart,
    "tiles2d": tiles2d,
    "tiles3d": tiles3d,
    "nishimori": nishimori,
    "xorsat": xorsat,
    "spherical-pspin": spherical_pspin,
    "hp": hp,
    "go": go,
    "heteropolymer": heteropolymer,
    "designed": designed,
    "lj": lj,
    "perceptron": perceptron,
    "committee": committee,
    "teacher": teacher,
    "mueller-brown": mueller_brown,
    "curvy-valley": curvy_valley,
    "double-well": double_well,
}

#: Size when none is given.
SIZES: Mapping[str, int] = {
    "ising1d": 64,
    "ising2d": 16,
    "ising-triangular": 12,
    "ising3d": 8,
    "ea": 8,
    "multiscale": 32,
    "rem": 16,
    "rem-native": 16,
    "tiles2d": 16,
    "tiles3d": 8,
    "nishimori": 16,
    "hp": 20,
    "go": 25,
    "heteropolymer": 25,
    "designed": 25,
    "lj": 38,
    "perceptron": 101,
    "committee": 99,
    "teacher": 101,
    "mueller-brown": 2,
    "curvy-valley": 2,
    "double-well": 2,
}
SIZE = 64


def parameters(name: str) -> dict[str, object]:
    """Give the parameters of a system and their defaults.

    >>> parameters("ea")
    {'dimension': 3, 'law': 'pm', 'field': 0.0}
    """
    signature = inspect.signature(MAKERS[name])
    return {key: p.default for key, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}


def system(text: str, size: int | None = None, seed: int = 0) -> System:
    """Make the system that `system:NAME?key=value&...` names; the prefix may be left out.

    `size` is L on lattices, else the number of spins; it may stand behind the name. One seed, one system.

    >>> system("system:lj38").size
    38

    Raises:
        BadInput: if the name or a parameter is unknown, a value cannot be used, or two sizes are given; the
            message suggests the nearest name, or lists the parameters.
    """
    name, size, chosen = spelled(text, size)
    return MAKERS[name](size, seed, **chosen)


def spelled(text: str, size: int | None = None) -> tuple[str, int, dict[str, object]]:
    """Give the name, the size and all parameters that `system:NAME?key=value&...` stands for.

    >>> spelled("system:ea4?law=gauss")
    ('ea', 4, {'dimension': 3, 'law': 'gauss', 'field': 0.0})

    Raises:
        BadInput: as `system`.
    """
    asked, _, query = text.removeprefix("system:").partition("?")
    name = asked.rstrip("0123456789")
    if name != asked:
        behind = int(asked[len(name) :])
        if size not in (None, behind):
            raise BadInput(
                f"{asked} is of size {behind}, but a size of {size} is asked for: give one of them"
            )
        size = behind
    if name not in MAKERS:
        near = difflib.get_close_matches(asked, MAKERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MAKERS)}"
        raise BadInput(f"no system is called {asked!r}: {hint}")
    known = parameters(name)
    chosen = dict(known)
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            listed = ", ".join(f"{k} ({v})" for k, v in known.items()) or "none"
            raise BadInput(f"{name} has no parameter {key!r}; it has: {listed}")
        read, kind = _KINDS[type(known[key])]
        try:
            chosen[key] = read(value)
        except ValueError:
            raise BadInput(f"{key} of {name} takes {kind}, not {value!r}") from None
    size = SIZES.get(name, SIZE) if size is None else size
    if size < 1:
        raise BadInput(f"a size must be positive, not {size}")
    return name, size, chosen


_KINDS: dict[type, tuple[Callable[[str], object], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    str: (str, "a word"),
}
