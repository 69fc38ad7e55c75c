"""Lattice proteins: self-avoiding chains on the square lattice whose monomers attract where they touch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spinfunnel.core import Array, BadInput, seeds
from spinfunnel.maths.compiling import compiled
from spinfunnel.maths.random_numbers import streams
from spinfunnel.systems import pull_moves
from spinfunnel.systems.protocols import Metric, Moves, Native, Planted

#: The shortest chain with a contact, and the longest whose random states are drawn in milliseconds.
SHORTEST, LONGEST = 4, 100

#: Two-dimensional HP benchmarks. Source: Unger & Moult, J. Mol. Biol. 231 (1993) 75.
SEQUENCES = {
    20: "HPHPPHHPHPPHPHHPPHPH",
    24: "HHPPHPPHPPHPPHPPHPPHPPHH",
    25: "PPHPPHHPPPPHHPPPPHHPPPPHH",
    36: "PPPHHPPHHPPPPPHHHHHHHPPHHPPPPHHPPHPP",
    48: "PPHPPHHPPHHPPPPPHHHHHHHHHHPPPPPPHHPPHHPPHPPHHHHH",
    50: "HHPHPHPHPHHHHPHPPPHPPPHPPPPHPPPHPPPHPHHHHPHPHPHPHH",
    60: "PPHHHPHHHHHHHHPPPHHHHHHHHHHPHPPPHHHHHHHHHHHHPPPPHHHHHHPHHPHP",
    64: "HHHHHHHHHHHHPHPHPPHHPPHHPPHPPHHPPHHPPHPPHHPPHHPPHPHPHHHHHHHHHHHH",
}


@dataclass(frozen=True, eq=False)
class Chain(Moves, Metric):
    """E = sum of eps_ij over contacts: monomers i and j that are neighbours on the lattice, not on the chain.

    A configuration (N, 2) int64 gives the places of the monomers in order. It moves by pull moves.

    Attributes:
        strengths: eps, (N, N), symmetric, negative where monomers attract; zero along the chain.

    Raises:
        BadInput: if the chain is too short or too long, or eps is not finite, not symmetric, or not zero
            between neighbours along the chain.
    """

    name: str
    convention: str
    strengths: Array

    def __post_init__(self) -> None:
        eps, n = self.strengths, len(self.strengths)
        if not SHORTEST <= n <= LONGEST:
            raise BadInput(f"a chain has {SHORTEST} to {LONGEST} monomers, not {n}")
        if eps.shape != (n, n) or not np.isfinite(eps).all() or (eps != eps.T).any():
            raise BadInput(f"contact energies must be finite and symmetric, (N, N); shape {eps.shape}")
        if np.tril(np.triu(eps, -1), 1).any():
            raise BadInput("neighbours along the chain make no contact: their energies must be zero")

    @property
    def size(self) -> int:
        """N, the number of monomers."""
        return len(self.strengths)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 2): the place of every monomer."""
        return (self.size, 2)

    @cached_property
    def pairs(self) -> Array:
        """All i < j that can touch, (pairs, 2): an odd number of bonds, at least three, lies between them."""
        i, j = np.triu_indices(self.size, 3)
        return np.asarray(np.stack([i, j], axis=1)[(j - i) % 2 == 1])

    def checked(self, x: Array) -> Array:
        """Give x (batch, N, 2) as whole numbers.

        Raises:
            BadInput: if a chain is broken, or crosses itself.
        """
        places = np.asarray(x)
        if places.ndim != 3 or places.shape[1:] != self.shape:
            raise BadInput(f"chains must have shape (batch, {self.size}, 2), got {places.shape}")
        whole = places.astype(np.int64)
        if (whole != places).any() or (np.abs(np.diff(whole, axis=1)).sum(axis=2) != 1).any():
            raise BadInput("neighbours along a chain must be neighbours on the lattice: a chain is broken")
        offsets = whole - whole[:, :1]
        sites = np.sort(offsets[:, :, 0] * 2 * self.size + offsets[:, :, 1], axis=1)
        if not np.diff(sites, axis=1).all():
            raise BadInput("two monomers are on one site: a chain crosses itself")
        return whole

    def contacts(self, x: Array) -> Array:
        """Say which of the pairs touch, bool (batch, pairs)."""
        x = self.checked(x)
        i, j = self.pairs.T
        return np.asarray(np.abs(x[:, i] - x[:, j]).sum(axis=2) == 1)

    def energy(self, x: Array) -> Array:
        """Give the energies (batch,) of chains x (batch, N, 2)."""
        i, j = self.pairs.T
        return np.asarray(np.einsum("bp,p->b", self.contacts(x), self.strengths[i, j]))

    def random(self, batch: int, seed: int) -> Array:
        """Draw chains (batch, N, 2) int64 at infinite temperature: all shapes are as likely."""
        x = np.zeros((batch, *self.shape), dtype=np.int64)
        grow = compiled(pull_moves.grow)
        for chain, rng in zip(x, streams(seed, "random chain", batch), strict=True):
            grow(chain, rng)
        return x

    @cached_property
    def _backwards(self) -> Array:
        """Where each of the pairs stands when the chain is numbered from its other end."""
        number = np.zeros((self.size, self.size), dtype=np.int64)
        i, j = self.pairs.T
        number[i, j] = np.arange(len(i))
        return np.asarray(number[self.size - 1 - j, self.size - 1 - i])

    def overlap(self, x: Array, y: Array) -> Array:
        """Give the contacts that x and y share over those of the richer one, (batch,); 1 if there are none.

        Rotations, reflections and shifts change no contact. Where the energies are the same read from
        either end (a palindrome), so is the overlap: that of the better direction.
        """
        own, other = self.contacts(x), self.contacts(y)
        shared = (own & other).sum(axis=1)
        if (self.strengths == self.strengths[::-1, ::-1]).all():
            shared = np.maximum(shared, (own & other[:, self._backwards]).sum(axis=1))
        most = np.maximum(own.sum(axis=1), other.sum(axis=1))
        return np.where(most == 0, 1.0, shared / np.maximum(most, 1))

    @property
    def data(self) -> tuple[Array, ...]:
        """The contact energies."""
        return (self.strengths,)

    @property
    def memory(self) -> int:
        """What pull moves remember."""
        return pull_moves.memory_size(self.size)

    prepare = staticmethod(pull_moves.prepare)
    propose = staticmethod(pull_moves.propose)
    accept = staticmethod(pull_moves.accept)


@dataclass(frozen=True, eq=False, kw_only=True)
class NativeChain(Chain, Native):
    """A chain built around a conformation that need not be of lowest energy (see `Native`)."""

    native: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class PlantedChain(Chain, Planted):
    """A chain with a known conformation of lowest energy (see `Planted`)."""

    native: Array
    ground_energy: float
    certificate: str


def hp(size: int, seed: int = 0, *, sequence: str = "") -> Chain:
    """HP model: H attracts H. `sequence` is N letters; the benchmark sequence of its length is the default.

    Sources: Dill, Biochemistry 24 (1985) 1501; Lau & Dill, Macromolecules 22 (1989) 3986.

    Raises:
        BadInput: if the sequence has not N letters, or others than H and P, or none is known.

    >>> hp(4, sequence="HPPH").energy(np.array([[[0, 0], [0, 1], [1, 1], [1, 0]]]))
    array([-1.])
    """
    if not sequence and size not in SEQUENCES:
        known = ", ".join(map(str, SEQUENCES))
        raise BadInput(f"no standard HP sequence has {size} letters: give sequence=..., or a size of {known}")
    letters = (sequence or SEQUENCES[size]).upper()
    if wrong := set(letters) - {"H", "P"}:
        raise BadInput(f"an HP sequence has the letters H and P, not {min(wrong)!r}")
    if len(letters) != size:
        raise BadInput(f"the sequence has {len(letters)} letters, but the size is {size}: they must agree")
    sticky = np.array([letter == "H" for letter in letters])
    law = f"E = -(H-H contacts), square lattice, {letters}"
    return Chain("hp", law, _attracting(np.outer(sticky, sticky)))


def _touching(x: Array) -> Array:
    """Say which monomers of one chain (N, 2) are neighbours on the lattice, bool (N, N)."""
    return np.asarray(np.abs(x[:, None] - x).sum(axis=2) == 1)


def _attracting(who: Array) -> Array:
    """Give energies -1 to all pairs (i, j) of `who` (N, N) that are not neighbours along the chain."""
    along = np.abs(np.subtract.outer(np.arange(len(who)), np.arange(len(who))))
    return np.where(who & (along > 1), -1.0, 0.0)


def compact(size: int, seed: int = 0) -> Array:
    """Draw a chain (N, 2) with as many contacts as N monomers can have, N + 1 - ceil(2 sqrt N).

    It fills the rows of a square (the last in part), starting as a snake; then bonds are moved: an end
    bites into the chain beside it, which opens on the other side.
    Source: Oberdorf, Ferguson, Jacobsen & Kondev, Phys. Rev. E 74 (2006) 051801.

    >>> chain = compact(25)
    >>> print(len(chain), chain.min(axis=0), chain.max(axis=0))
    25 [0 0] [4 4]
    """
    rng = np.random.default_rng(seeds(seed, "compact", size))
    width = math.ceil(math.sqrt(size))
    row, column = np.divmod(np.arange(size), width)
    x = np.stack([np.where(row % 2, width - 1 - column, column), row], axis=1)
    path = [(int(a), int(b)) for a, b in x]
    for step, end in rng.integers([4, 2], size=(4 * size**2, 2)):
        a, b = path[0]
        beside = ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1))[step]
        if beside in path:
            bitten = path.index(beside)
            path[:bitten] = path[:bitten][::-1]
        if end:
            path.reverse()
    return np.array(path, dtype=np.int64)


def go(size: int, seed: int = 0) -> PlantedChain:
    """Go chain: only the contacts of a native state, compact and drawn at random, count: -1 each.

    Source: Taketomi, Ueda & Go, Int. J. Pept. Protein Res. 7 (1975) 445.

    >>> go(25).ground_energy
    -16.0
    """
    native = compact(size, seed)
    strengths = _attracting(_touching(native))
    return PlantedChain(
        "go",
        "E = -(native contacts made), square lattice, compact native state",
        strengths,
        native=native,
        ground_energy=float(strengths.sum() / 2),
        certificate="every contact that counts is made",
    )


def heteropolymer(size: int, seed: int = 0, *, mean: float = -1.0) -> Chain:
    """Random heteropolymer: contact energies eps_ij normal, of standard deviation 1 about `mean`.

    Source: Shakhnovich & Gutin, Biophys. Chem. 34 (1989) 187.

    Raises:
        BadInput: if the mean is not finite.
    """
    law = f"E = sum of eps_ij over contacts, eps normal, mean {mean:g}, sd 1, square lattice"
    return Chain("heteropolymer", law, _normal(size, seed, mean))


def _normal(size: int, seed: int, mean: float) -> Array:
    """Draw contact energies, normal of standard deviation 1, (N, N)."""
    if not math.isfinite(mean):
        raise BadInput(f"the mean contact energy must be finite, not {mean:g}")
    rng = np.random.default_rng(seeds(seed, "heteropolymer", size))
    upper = np.triu(rng.normal(mean, size=(size, size)), 2)
    return upper + upper.T


def designed(size: int, seed: int = 0, *, mean: float = -1.0, strength: float = 2.0) -> NativeChain:
    """Designed heteropolymer: random, but contacts of a compact native state are `strength` lower on average.

    That is what a choice of contact energies with the weight exp(-strength E(native)) makes of random ones:
    a design at the temperature 1/strength. There the native state is a compact one like others;
    far below, it is the lowest. At strength 0 it is `heteropolymer`, and as strength grows, `go`: of one seed
    with the noise of the one, and the native state of the other.
    Sources: Bryngelson & Wolynes, PNAS 84 (1987) 7524; Shakhnovich & Gutin, PNAS 90 (1993) 7195.

    Raises:
        BadInput: if the mean is not finite, or the strength not finite or negative.

    >>> chain = designed(9, strength=100.0)
    >>> round(float(chain.energy(chain.native[None])[0] / go(9).ground_energy), 1)
    101.0
    """
    if not 0 <= strength < math.inf:
        raise BadInput(f"the strength of a design is zero or above, not {strength:g}")
    native = compact(size, seed)
    law = f"E = sum of eps_ij over contacts, eps normal, mean {mean:g}, sd 1, {strength:g} lower in contacts "
    return NativeChain(
        "designed",
        law + "of a compact native state, square lattice",
        _normal(size, seed, mean) + strength * _attracting(_touching(native)),
        native=native,
    )
