import pytest

from spinfunnel.calibrate import judge_calibration
from spinfunnel.core import BadInput
from spinfunnel.dynamics import fixing
from spinfunnel.dynamics.fixing import fix, fixed, held
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.testing import check_system


@pytest.mark.parametrize("name", ["sk", "sk?field=0.5", "ea?dimension=2&law=gauss"])
def test_narrowed_energies_are_those_of_the_whole(name):
    whole = system(name, size=4 if "ea" in name else 14, seed=2)
    states = whole.random(3, 5)
    few = fixed(whole, states)
    check_system(few.system)
    x = few.system.random(20, 1)
    assert few.system.energy(x) + few.constant == pytest.approx(whole.energy(few.lifted(x)), abs=1e-10)


def test_what_agreed_is_within_reach_and_rigid():
    """The states that agreed can be written in blocks, up to one sign for all; bonds within keep theirs."""
    glass = system("ea?dimension=2", size=8, seed=3)
    states = fix(glass, sweeps=20, anneals=32, rounds=1).final[:3]
    few = fixed(glass, states)
    assert 1 < few.system.size < glass.size
    for state in states:
        spins = [state[few.block == b] * few.sign[few.block == b] for b in range(few.system.size)]
        assert all((one == one[0]).all() for one in spins)


def test_one_state_alone_leaves_one_block():
    glass = system("sk", size=10, seed=0)
    few = fixed(glass, glass.random(1, 0))
    assert few.system.size == 1
    assert few.constant == pytest.approx(glass.energy(glass.random(1, 0))[0])


def test_a_field_is_kept_by_the_blocks():
    glass = system("sk?field=1.0", size=12, seed=1)
    assert fix(glass, sweeps=50).best_energy == pytest.approx(enumerate_states(glass).ground_energy)


def test_all_states_of_a_small_glass():
    for seed in range(4):
        glass = system("sk", size=16, seed=seed)
        found = fix(glass, sweeps=10, anneals=16, seed=seed)
        assert found.best_energy == pytest.approx(enumerate_states(glass).ground_energy)
        assert glass.energy(found.best[None])[0] == pytest.approx(found.best_energy)


def test_held_contacts_of_a_chain():
    chain = system("hp", size=20)
    states = chain.random(2, 0)
    same = held(chain, states[:1])
    made = chain.contacts(states)
    shared = (made & made[:1]).sum(axis=1)
    assert (same.energy(states) == chain.energy(states) - shared).all()
    assert fix(chain, sweeps=300, seed=1).best_energy <= -8


def test_the_same_seed_gives_the_same_bits():
    glass = system("ea?law=gauss", size=4, seed=1)
    one, two = (fix(glass, sweeps=20, anneals=16, seed=4) for _ in range(2))
    assert (one.energies == two.energies).all()
    assert (one.best == two.best).all()
    assert (one.stats["sizes"] == two.stats["sizes"]).all()
    assert len(one.times) == len(one.energies) == len(one.stats["asked"])


def test_it_ends_at_the_deadline_and_when_interrupted():
    glass = system("sk", size=64)
    assert fix(glass, sweeps=50, deadline=0.0).stopped == "deadline"
    calls = []

    def pressed(*_):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    found = fix(glass, sweeps=50, progress=pressed)
    assert found.stopped == "interrupted"
    assert found.best_energy == pytest.approx(glass.energy(found.best[None])[0])


def test_bad_input():
    with pytest.raises(BadInput, match="neither couplings between pairs"):
        fix(system("rem", size=8))
    with pytest.raises(BadInput, match="rounds must be at least 1"):
        fix(system("sk", size=8), rounds=0)


def test_calibrations_hold():
    for one in fixing.calibrations:
        rows = judge_calibration(one.run(0)).rows
        assert rows
        assert all(row.ok for row in rows)
