"""What is known of each system before anything is measured: numbers that the oracles compute, with sources.

One file a family; the pages of the documentation are made from these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal

from spinfunnel.core import BadInput

FAMILIES = ("magnets", "glasses", "planted", "networks", "molecules", "surfaces")


@dataclass(frozen=True)
class Fact:
    """A quantity that is known: its value, where it holds, and who found it or which function computes it.

    `form` is its closed form, or an identity where there is no one value; in `source`, names between
    backticks are functions of `spinfunnel.systems`. What is not computed here is of kind `literature`.

    >>> print(Fact("Tc", 2.0, "N to infinity", "somebody", form="4/2"))
    Tc: 4/2 = 2
    """

    quantity: str
    value: float | None
    where: str
    source: str
    form: str = ""
    digits: int = 10
    kind: Literal["exact", "literature"] = "exact"

    @property
    def text(self) -> str:
        """The value as it is printed, after its closed form."""
        if self.value is None or self.kind == "literature":
            return self.form
        number = f"{self.value + 0.0:.{self.digits}g}"
        return number if self.form in ("", number) else f"{self.form} = {number}"

    def __str__(self) -> str:
        return f"{self.quantity}: {self.text}"


def literature(quantity: str, text: str, where: str, source: str) -> Fact:
    """Make a fact of a number as it was printed, such as 1.1019(29).

    >>> literature("Tc", "1.1019(29)", "3D, J +-1", "somebody").value
    1.1019
    """
    return Fact(quantity, float(text.partition("(")[0]), where, source, form=text, kind="literature")


def families() -> dict[str, Mapping[str, Callable[[], Iterator[Fact]]]]:
    """Give, family by family and by the name of a system, what computes its facts."""
    return {family: import_module(f"{__name__}.{family}").FACTS for family in FAMILIES}


def table() -> dict[str, Callable[[], Iterator[Fact]]]:
    """Give, by the name of a system, what computes its facts."""
    return {name: of for family in families().values() for name, of in family.items()}


@cache
def facts(name: str) -> tuple[Fact, ...]:
    """Compute all that is known of the system of this name.

    >>> print(facts("ising2d")[0])
    Tc: 2/ln(1 + √2) = 2.269185314

    Raises:
        BadInput: if nothing is known of it.
    """
    known = table()
    if name not in known:
        raise BadInput(f"no facts are written down for the system {name!r}: there are {', '.join(known)}")
    return tuple(known[name]())


def looked_through(spelled: str, size: int, temperature: float) -> Iterator[Fact]:
    """Look at all states of a small system of seed 0: its ground state, and its energy at one temperature."""
    import numpy as np

    from spinfunnel.systems import system
    from spinfunnel.systems.enumeration import enumerate_states
    from spinfunnel.systems.known import known

    name, mark, query = spelled.partition("?")
    it, source = system(spelled, size, seed=0), "all states: `enumeration.enumerate_states`"
    where = f"system:{name}{size}{mark}{query}, seed 0"
    found = enumerate_states(it)
    (curve, *_) = known(it, np.array([temperature]))
    assert curve.exact
    yield Fact("ground energy", found.ground_energy, where, source)
    yield Fact("degeneracy", found.degeneracy, where, source)
    yield Fact(f"u at T = {temperature:g}", float(curve.u[0]), where, source)
