"""Nulls keep what they say they keep, and no order: energies, sizes of couplings, the graph."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import blocks, enumerate_states
from spinfunnel.systems.protocols import Native
from spinfunnel.systems.rem import RandomEnergies
from spinfunnel.systems.shuffled import shuffled, shuffled_couplings
from spinfunnel.testing import check_system

FEW = [
    "mattis",
    "sk?field=0.3",
    "pspin",
    "xorsat",
    "rem-native",
    "perceptron",
    "wishart",
    "multiscale?levels=1",
]
MORE = [
    "mattis",
    "ising2d?field=.2",
    "wishart",
    "xorsat",
    "multiscale20",
    "ea?law=gauss",
    "go",
    "hp",
    "designed",
]


def energies(it):
    states = np.arange(2**it.size)[:, None] >> np.arange(it.size) & 1
    return it.energy((2 * states - 1).astype(np.int8))


@pytest.mark.parametrize("name", FEW)
def test_of_few_spins_every_energy_stays_and_goes_elsewhere(name):
    it = system(name, size=11, seed=2)
    null = shuffled(it, 1)
    assert isinstance(null, RandomEnergies)
    assert not isinstance(null, Native)
    before, after = energies(it), energies(null)
    np.testing.assert_allclose(np.sort(after), np.sort(before), atol=1e-12)
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.15
    check_system(null)


def test_a_large_table_is_dealt_out_too():
    table, null = system("rem", size=19), shuffled(system("rem", size=19))
    assert (np.sort(null.table) == np.sort(table.table)).all()
    assert (null.table != table.table).any()


@pytest.mark.parametrize("name", MORE)
def test_the_null_of_many_is_a_system_that_keeps_its_promises(name):
    it = system(name, seed=3)
    null = shuffled(it, 4)
    assert not isinstance(null, Native)
    assert null.name == f"shuffled {it.name}"
    assert null.convention.startswith(it.convention)
    assert (null.random(3, 5) == it.random(3, 5)).all()
    check_system(null)


@pytest.mark.parametrize("name", ["mattis", "ising2d?field=.2", "wishart", "ea?law=gauss"])
def test_couplings_stay_on_the_graph_and_keep_their_sizes(name):
    it = system(name, seed=3)
    null = shuffled(it, 4)
    assert (null.indptr == it.indptr).all()
    assert (null.indices == it.indices).all()
    assert null.sides == it.sides
    for mine, theirs in ((null.couplings, it.couplings), (null.fields, it.fields)):
        np.testing.assert_array_equal(np.sort(np.abs(mine)), np.sort(np.abs(theirs)))
    assert abs(np.sign(null.bonds[1]).mean()) < 5 / np.sqrt(len(null.bonds[1]))
    assert null.symmetric == it.symmetric


def test_terms_keep_their_order_and_sizes():
    it = system("multiscale20", seed=3)
    null = shuffled(it, 4)
    assert (null.members == it.members).all()
    for where, _ in it.orders:
        np.testing.assert_array_equal(np.sort(abs(null.couplings[where])), np.sort(abs(it.couplings[where])))
        assert abs(np.sign(null.couplings[where]).mean()) < 5 / np.sqrt(len(null.couplings[where]))


def test_contact_energies_stay_the_same_and_stay_where_monomers_can_touch():
    it = system("designed", seed=3)
    null = shuffled(it, 4)
    i, j = it.pairs.T
    np.testing.assert_array_equal(np.sort(null.strengths[i, j]), np.sort(it.strengths[i, j]))
    assert not np.delete(null.strengths.ravel(), np.r_[i * 25 + j, j * 25 + i]).any()
    assert it.energy(it.native[None])[0] < null.energy(it.native[None])[0] - 20


def test_a_magnet_in_any_gauge_becomes_a_glass():
    """Its lowest energy is what signs drawn at random leave of it, whatever signs there were."""
    for name in ("mattis", "ising2d"):
        it = system(name, size=20 if name == "mattis" else 5, seed=1)
        null = enumerate_states(shuffled(it, 1)).ground_energy
        assert null > 0.85 * -abs(it.bonds[1]).sum()


def test_one_seed_gives_one_null_and_another_another():
    it = system("sk", size=30)
    one, again, other = (shuffled(it, seed) for seed in (1, 1, 2))
    assert (one.couplings == again.couplings).all()
    assert (one.couplings != other.couplings).any()


def test_couplings_of_few_spins_can_be_shuffled_too():
    null = shuffled_couplings(system("sk", size=8))
    assert len(np.concatenate([block for _, block in blocks(null)])) == 2**7


@pytest.mark.parametrize("name", ["lj13", "perceptron101", "mueller-brown", "spherical-pspin10"])
def test_what_has_no_null_is_explained(name):
    with pytest.raises(BadInput, match="no null of its shape"):
        shuffled(system(name))
