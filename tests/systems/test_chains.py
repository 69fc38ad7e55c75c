"""Lattice proteins: energies pair by pair, overlaps modulo symmetry, and the laws they are drawn from."""

import math
from collections import Counter

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems.chain_enumeration import enumerate_chains
from spinfunnel.systems.chains import SEQUENCES, Chain, compact, designed, go, heteropolymer, hp
from spinfunnel.testing import check_system

SQUARE = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
LINE = np.stack([np.arange(4), np.zeros(4, dtype=int)], axis=1)
TURNS = [np.array(m) for m in ([[0, 1], [-1, 0]], [[1, 0], [0, -1]], [[0, 1], [1, 0]], [[-1, 0], [0, -1]])]


def touching(x):
    """Count contacts the slow way."""
    n = len(x)
    return [(i, j) for i in range(n) for j in range(i + 2, n) if sum(abs(x[i] - x[j])) == 1]


@pytest.mark.parametrize("make", [lambda: hp(24), lambda: go(23, 2), lambda: heteropolymer(30, 1, mean=0.5)])
def test_an_energy_is_the_sum_over_contacts(make):
    chain = make()
    x = chain.random(20, 3)
    expected = [sum(chain.strengths[i, j] for i, j in touching(one)) for one in x]
    assert any(expected)
    assert chain.energy(x) == pytest.approx(expected)


@pytest.mark.parametrize("size", SEQUENCES)
def test_benchmark_sequences_have_their_length(size):
    assert hp(size).size == size
    assert set(SEQUENCES[size]) == {"H", "P"}


def test_only_h_attracts_h():
    x = SQUARE[None]
    energies = {
        s: float(hp(4, sequence=s).energy(x)[0]) for s in ("HHHH", "HPPH", "hpph", "PHHH", "HHHP", "PPPP")
    }
    assert energies == {"HHHH": -1, "HPPH": -1, "hpph": -1, "PHHH": 0, "HHHP": 0, "PPPP": 0}
    assert hp(4, sequence="HHHH").energy(LINE[None]) == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hp(21), "no standard HP sequence has 21 letters: give sequence=..., or a size of 20, 24"),
        (lambda: hp(4, sequence="HPXH"), "letters H and P, not 'X'"),
        (lambda: hp(5, sequence="HPPH"), "has 4 letters, but the size is 5"),
        (lambda: hp(3, sequence="HPH"), "4 to 100 monomers, not 3"),
        (lambda: go(101), "4 to 100 monomers, not 101"),
        (lambda: heteropolymer(10, mean=math.inf), "must be finite, not inf"),
        (lambda: Chain("chain", "E", np.triu(np.ones((5, 5)), 2)), "symmetric"),
        (lambda: Chain("chain", "E", np.ones((5, 5))), "make no contact: their energies must be zero"),
        (lambda: Chain("chain", "E", np.full((5, 5), np.nan)), "finite"),
    ],
)
def test_what_cannot_be_a_chain_is_explained(make, says):
    with pytest.raises(BadInput, match=says):
        make()


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (SQUARE, r"shape \(batch, 4, 2\), got \(4, 2\)"),
        (SQUARE[None] * 2, "broken"),
        (SQUARE[None] + 0.5, "broken"),
        (SQUARE[None][:, [0, 1, 3, 2]], "broken"),
        (LINE[None][:, [0, 1, 2, 1]], "crosses itself"),
    ],
)
def test_what_is_no_conformation_is_explained(x, says):
    with pytest.raises(BadInput, match=says):
        hp(4, sequence="HHHH").energy(x)


@pytest.mark.parametrize("turn", TURNS)
def test_overlaps_do_not_see_rotations_reflections_and_shifts(turn):
    chain = heteropolymer(20, 4)
    x, y = chain.random(50, 1), chain.random(50, 2)
    assert (chain.overlap(x, x @ turn + (7, -3)) == 1).all()
    assert (chain.overlap(x, y) == chain.overlap(x @ turn, y + 5)).all()


def test_a_palindrome_reads_the_same_from_either_end():
    """Both conformations of lowest energy of the HP 20-mer are one: its sequence is a palindrome."""
    palindrome, other = hp(20), hp(25)
    x, y = palindrome.random(100, 5), palindrome.random(100, 6)
    assert (palindrome.energy(x) == palindrome.energy(x[:, ::-1])).all()
    assert (palindrome.overlap(x, x[:, ::-1]) == 1).all()
    assert (palindrome.overlap(x, y) == palindrome.overlap(x[:, ::-1], y)).all()
    x = other.random(100, 5)
    assert other.overlap(x, x[:, ::-1]).min() < 1


def test_overlaps_where_there_are_no_contacts():
    chain = hp(4, sequence="HHHH")
    x, y = np.stack([SQUARE, LINE, SQUARE, LINE]), np.stack([SQUARE, LINE, LINE, SQUARE])
    assert chain.overlap(x, y).tolist() == [1, 1, 0, 0]


def test_random_chains_have_all_shapes_as_often():
    x = hp(6, sequence="HPPHPH").random(14_200, 1)
    counts = Counter(one.tobytes() for one in x)
    assert len(counts) == 284 / 4  # walks with the first bond to the right
    chi2 = sum((k - 200) ** 2 / 200 for k in counts.values())
    assert abs(chi2 - 70) < 4 * math.sqrt(2 * 70)


def test_long_random_chains_do_not_cross_themselves():
    chain = heteropolymer(100)
    assert len(chain.checked(chain.random(2, 1))) == 2
    check_system(chain, batch=2)


@pytest.mark.parametrize("size", range(4, 41))
def test_compact_chains_have_all_contacts_there_can_be(size):
    x = compact(size, 7)
    assert len(touching(x)) == size + 1 - math.ceil(2 * math.sqrt(size))
    assert go(size, 7).energy(go(size, 7).native[None]) == go(size, 7).ground_energy == -len(touching(x))


def test_all_compact_chains_are_drawn():
    seen = Counter(compact(9, seed).tobytes() for seed in range(1000))
    assert len(seen) == 40  # directed Hamiltonian paths of the 3 x 3 grid
    assert max(seen.values()) < 60  # of 25 each


def test_contact_energies_have_the_law_that_is_stated():
    chain = heteropolymer(100, 3, mean=-2.0)
    i, j = chain.pairs.T
    eps = chain.strengths[i, j]
    assert len(eps) == sum(1 for a in range(100) for b in range(a + 3, 100, 2))
    assert eps.mean() == pytest.approx(-2, abs=4 / math.sqrt(len(eps)))
    assert eps.std() == pytest.approx(1, abs=4 / math.sqrt(2 * len(eps)))
    assert (heteropolymer(20, 1).strengths != heteropolymer(20, 2).strengths).any()


def test_a_design_of_no_strength_is_the_random_heteropolymer():
    chain = designed(16, 3, mean=-0.5, strength=0)
    assert (chain.strengths == heteropolymer(16, 3, mean=-0.5).strengths).all()
    assert (chain.native == go(16, 3).native).all()


def test_a_design_lowers_the_contacts_of_the_native_state_and_no_others():
    chain, random, native = designed(20, 5, strength=1.5), heteropolymer(20, 5), go(20, 5)
    assert (chain.strengths - random.strengths) == pytest.approx(1.5 * native.strengths)
    lower = random.energy(native.native[None]) + 1.5 * native.ground_energy
    assert chain.energy(chain.native[None]) == pytest.approx(lower)


def test_a_strong_design_has_its_native_state_lowest():
    strong, weak = ([designed(14, seed, strength=strength) for seed in range(8)] for strength in (6.0, 0.0))

    def lowest(chain):
        return enumerate_chains(chain).ground_energy == pytest.approx(chain.energy(chain.native[None])[0])

    assert all(map(lowest, strong))
    assert not any(map(lowest, weak))


@pytest.mark.parametrize("strength", [-0.1, math.inf, math.nan])
def test_a_design_of_impossible_strength_is_explained(strength):
    with pytest.raises(BadInput, match="zero or above"):
        designed(10, strength=strength)
