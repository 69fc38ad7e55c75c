import numpy as np
import pytest

from spinfunnel.dynamics import bit_kernels, metropolis, multispin_calibration, replicas, temper
from spinfunnel.dynamics.bit_kernels import COSTS, DIGITS, TOGETHER, WORDS
from spinfunnel.dynamics.engines import replicas_of
from spinfunnel.dynamics.lanes import Lanes
from spinfunnel.dynamics.multispin import FEWEST, MultiSpin, packed, unit_bonds, unpacked
from spinfunnel.maths.compiling import compiled
from spinfunnel.systems import system
from spinfunnel.systems.spins import Spins

GLASS = system("ea", size=4, seed=2)
#: Couplings and fields of one, two and three units of 0.3.
MIXED = Spins.of_edges(
    np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [4, 5]]),
    0.3 * np.array([1, -2, 3, 1, -1, 2.0]),
    0.3 * np.array([0, 1, -2, 0, 0, 3.0]),
    size=6,
)


def sample(system=GLASS, temperature=1.2, **options):
    usual = {"sweeps": 60, "replicas": 1200, "seed": 4, "keep_states": True, "order": "sequential"}
    return metropolis(system, temperature, **(usual | options))


def same(a, b):
    return (a.energies == b.energies).all() and (a.states == b.states).all() and (a.final == b.final).all()


def test_bits_depend_on_nothing_but_the_seed(monkeypatch):
    one = sample()
    assert same(one, sample(threads=2))
    for few in (40, 64, 65, 500, 1024):  # blocks of 1, 8 and 16 words
        assert (sample(replicas=few).states == one.states[:, :few]).all()
    monkeypatch.setattr(replicas, "PIECE", 1)  # a sweep at a time
    assert same(one, sample())
    assert not (sample(seed=5).energies == one.energies).all()
    lanes = one.states.reshape(-1, 1200, 64).transpose(1, 0, 2).reshape(1200, -1)
    assert len(np.unique(lanes, axis=0)) == 1200


@pytest.mark.parametrize("given", [GLASS, MIXED], ids=["+-1", "mixed"])
def test_records_are_what_they_say(given):
    trace = sample(given, record_every=7, burn_in=5)
    assert trace.times.tolist() == list(range(7, 60, 7))
    assert trace.states.shape == (8, 1200, given.size)
    assert trace.states.dtype == np.int8
    for states, energies in zip(trace.states, trace.energies, strict=True):
        assert np.allclose(given.energy(states), energies, atol=1e-12)
    assert trace.best_energy == pytest.approx(trace.energies.min(), rel=1e-12)
    assert given.energy(trace.best[None])[0] == trace.best_energy
    them = replicas_of(given, 200, 1)
    energies, _ = them.sweep(1.0, np.ones(30), every=3)
    best, lowest = them.lowest()
    assert np.allclose(lowest, energies.min(axis=0))
    assert np.allclose(given.energy(best), lowest)


def test_cold_sweeps_are_those_of_one_spin_after_the_other():
    """Where nothing costly is accepted, a sweep is deterministic: costs of zero are, and gains."""
    for given in (GLASS, MIXED, system("tiles2d", size=4), system("ea?field=1", size=3)):
        them = MultiSpin(given, 70, 3, unit_bonds(given))
        x = them.final
        turned = 0
        for _ in range(3):
            for i in range(given.size):
                flip = given.flip_cost(x)[:, i] < 1e-9
                x[flip, i] *= -1
                turned += int(flip.sum())
        them.sweep(1e9, np.ones(3), every=1)
        assert (them.final == x).all()
    assert them.accepted > turned  # the last block's padding is moved too


def test_hot_sweeps_turn_everything_over():
    them = MultiSpin(GLASS, 1100, 3, unit_bonds(GLASS))
    start = them.final
    them.sweep(1e-12, np.ones(1), every=1)
    assert (them.final == -start).all()
    assert them.share_accepted() == 1


def test_replicas_have_their_own_temperatures():
    them = MultiSpin(GLASS, 300, 3, unit_bonds(GLASS))
    beta = np.repeat([1e-12, 1e9, 0.5], 100)
    start = them.final
    them.sweep(beta, np.ones(1), every=1)
    assert (them.final[:100] == -start[:100]).all()
    cold = MultiSpin(GLASS, 300, 3, unit_bonds(GLASS))
    cold.sweep(1e9, np.ones(1), every=1)
    assert (them.final[100:200] == cold.final[100:200]).all()
    assert 0.1 < (them.final[200:] != start[200:]).mean() < 0.9


def test_tempering_is_the_same_by_one_loop_or_by_many_sweeps():
    """The compiled loop does what `Replicas.temper` does with sweeps and exchanges one by one."""
    places, found = [], []
    for way in (MultiSpin.temper, replicas.Replicas.temper):
        them = MultiSpin(GLASS, 5 * 30, 3, unit_bonds(GLASS))
        places.append(replicas.Ladders.of(np.array([3.0, 2.0, 1.5, 1.0, 0.7]), 30, 8))
        found.append(way(them, places[-1], 40, every=4, kept=2))
    assert (found[0][0] == found[1][0]).all()
    assert (found[0][1] == found[1][1]).all()
    assert (places[0].at == places[1].at).all()
    assert 0 < places[0].swapped.sum() == places[1].swapped.sum()


def test_replicas_take_the_places_of_others():
    them = MultiSpin(GLASS, 1100, 3, unit_bonds(GLASS))
    start, indices = them.final, np.random.default_rng(0).permutation(1100)
    indices[:50] = 1099
    them.take(indices)
    assert (them.final == start[indices]).all()


def test_which_systems_are_moved_a_bit_each():
    for name, size in (("ea", 4), ("nishimori", 6), ("tiles2d", 6), ("tiles3d", 4), ("ising2d?field=2", 6)):
        assert isinstance(replicas_of(system(name, size=size), FEWEST, 0), MultiSpin), name
    for name in ("ea?law=gauss", "sk", "ea?field=0.7", "ea?field=3", "hopfield", "ising2d?field=0.1"):
        assert isinstance(replicas_of(system(name, size=12), 100, 0), Lanes), name
    assert isinstance(replicas_of(GLASS, FEWEST - 1, 0), Lanes)
    assert isinstance(replicas_of(GLASS, 100, 0, order="random"), Lanes)
    assert isinstance(replicas_of(GLASS, 100, 0, rule="heat bath"), Lanes)
    assert unit_bonds(Spins.of_edges(np.array([[0, 1]]), np.zeros(1), size=2)) is None


def test_a_bond_of_zero_is_none():
    loose = Spins.of_edges(np.array([[0, 1], [1, 2]]), np.array([0.0, -2.0]), size=3)
    trace = sample(loose, 1.0)
    assert np.allclose(loose.energy(trace.states[-1]), trace.energies[-1])


def test_bits_and_spins():
    spins = system("sk", size=7).random(128, 0)
    words = packed(spins)
    assert words.shape == (7, 2)
    assert (unpacked(words) == spins).all()
    assert ((words[3, 1] >> np.uint64(5)) & np.uint64(1)) == (spins[69, 3] > 0)


def test_the_adder_knows_every_sum():
    values = np.arange(256, dtype=np.uint64)
    digits = bit_kernels.count(*((values >> np.uint64(k)) & np.uint64(1) for k in range(8)))
    assert (sum(d << np.uint64(k) for k, d in enumerate(digits)) == bit_kernels.bit_count(values)).all()
    assert bit_kernels.bit_count(np.array([2**64 - 1], np.uint64)) == [64]


def test_the_generator_gives_its_published_numbers():
    """Xoshiro256++ from the state (1, 2, 3, 4): the reference implementation's first numbers."""
    state, drawn = tuple(np.array([k], np.uint64) for k in (1, 2, 3, 4)), []
    for _ in range(6):
        bits, *state = bit_kernels.draw(*(word.copy() for word in state))
        drawn.append(int(bits[0]))
    assert drawn == [
        41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205, 9973669472204895162,
    ]  # fmt: skip


def test_digits_are_those_of_the_boltzmann_factor():
    betas, rungs = np.array([0.1, 0.5, 2.0]), np.random.default_rng(0).integers(0, 3, size=2 * 64)
    weights = np.array([3, 6])
    digits = np.zeros((2, DIGITS * COSTS * WORDS), np.uint64)
    compiled(bit_kernels.set_digits)(betas, rungs, 0.7, weights, digits)
    rows = digits.reshape(2, DIGITS, COSTS, WORDS)[..., :2]
    bits = np.unpackbits(rows.copy().view(np.uint8), axis=-1, bitorder="little")
    value = (bits.transpose(0, 2, 3, 1) * 2.0 ** -np.arange(1, DIGITS + 1)).sum(
        axis=-1
    )  # (kinds, costs, lanes)
    for kind, weight in enumerate(weights):
        for m in range(COSTS):
            exact = np.exp(-2 * 0.7 * betas[rungs] * (weight - 2 * m)) if 2 * m < weight else 0
            assert (np.abs(value[kind, m] - exact) < 2.0**-DIGITS).all()


def test_rare_digits_settle_what_is_left_open():
    """Of those equal in the first digits, as many are accepted as the rest of the probability says."""
    rest = 0.3
    digits = np.zeros(DIGITS * COSTS * WORDS, np.uint64)
    for k in range(TOGETHER, DIGITS):
        one = int(rest * 2.0 ** (k + 1 - TOGETHER)) & 1
        digits[(COSTS * k + 2) * WORDS + 5] = (2**64 - 1) * one
    rng = np.random.default_rng(1)
    accepted = 0
    for _ in range(1000):
        work = rng.integers(0, 2**64, size=bit_kernels.ROWS * WORDS, dtype=np.uint64)
        room = work.reshape(-1, WORDS)
        room[bit_kernels.COUNTED :] = 0
        room[bit_kernels.COUNTED + 2] = room[bit_kernels.OPEN] = 2**64 - 1
        room[bit_kernels.ACCEPTED] = 0
        compiled(bit_kernels.finish)(digits, 5, work)
        accepted += int(room[bit_kernels.ACCEPTED, 5]).bit_count()
        assert not room[bit_kernels.ACCEPTED, 4]
    assert abs(accepted / 64_000 - rest) < 5 * (rest * (1 - rest) / 64_000) ** 0.5


def test_tempering_gives_what_metropolis_gives():
    trace = temper(GLASS, [3.0, 2.0, 1.5], sweeps=400, ladders=100, burn_in=100, record_every=4, seed=2)
    hot = metropolis(GLASS, 3.0, sweeps=400, replicas=100, burn_in=100, record_every=4, seed=3)
    one, two = (e.mean(axis=0) for e in (trace.stats["energies"][:, 0], hot.energies))
    assert abs(one.mean() - two.mean()) < 5 * np.hypot(one.std(), two.std()) / 10


@pytest.mark.parametrize("given", range(len(multispin_calibration.calibrations)))
def test_calibrations(given):
    rows = list(multispin_calibration.calibrations[given].run(0))
    assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows)
