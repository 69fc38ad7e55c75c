from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.coolings import Cooling, Coolings, cool
from spinfunnel.core import Finding, Number, Table
from spinfunnel.instruments import instrument
from spinfunnel.instruments.folding import half_order, judge, measure
from spinfunnel.instruments.folding.calibration import exact
from spinfunnel.instruments.folding.measuring import (
    compared,
    decoys,
    owners,
    random_energies,
    rank_correlation,
    times,
)
from spinfunnel.subject import subject_of
from spinfunnel.systems import system


def readings(one, sets=2, seed=0):
    return [cool(one, Cooling(i, (10, 100, 1000), 0.0, 0), seed) for i in range(sets)]


def found(subject, findings=None, sets=2):
    made = readings(subject.system, sets)
    return measure(subject, findings=findings or {}, seed=0, budget=None, readings=made)


@pytest.fixture(scope="module")
def glass():
    one = system("sk", size=32, seed=1)
    return one, Coolings.of(readings(one))


@pytest.fixture(scope="module")
def chain():
    return subject_of("system:go", size=16)


def test_a_go_chain_is_deeper_than_random_and_the_sentence_says_what_that_does_not_mean(chain):
    told = found(chain)
    said = judge(told)
    assert (said.outcome, said.label) == ("info", "measured")
    assert said.sentence.startswith("Tf/Tg = ")
    assert "skewed" in said.sentence
    assert "does not vote" in said.sentence
    assert told.numbers["native u"].value == -9 / 16
    assert told.numbers["rank correlation of energy and overlap"].value == pytest.approx(-1)
    assert {one.panel for one in told.series} == {
        "Energy and overlap of minima, N = 16", "Random states, decoys, and the gap, N = 16",
    }  # fmt: skip


def test_levinthal_zwanzig_and_anneals_disagree_as_they_should(chain):
    numbers = found(chain).numbers
    every, biased = "log10 of Levinthal's time", "log10 of Zwanzig's time at T90"
    once = "log10 of the anneals' time until one hits"
    assert numbers[once].value < numbers[every].value - 3
    assert numbers[biased].value < numbers[every].value - 3
    golf = found(subject_of("system:rem-native", size=14)).numbers
    assert once not in golf or golf[once].value > golf[biased].value + 1.3


def test_what_ladders_found_is_put_beside_the_formulas(chain):
    log = np.geomspace(2, 0.5, 5)
    findings = {
        "density_of_states": Finding(
            "density_of_states",
            "landscape",
            {"T where half of the weight is native": Number(0.4, error=0.01)},
        ),
        "thermodynamics": Finding(
            "thermodynamics",
            "landscape",
            {"T of the peak of c": Number(0.5, error=0.01)},
            tables={
                "temperatures": Table(
                    {"T": log, "m": np.array([0, 0.2, 0.4, 0.6, 0.8]), "m_error": np.full(5, 0.02)}
                )
            },
        ),
    }
    numbers = found(chain, findings).numbers
    ratio = numbers["Tf/Tg, Tf of the ladders"]
    assert ratio.value == pytest.approx(0.4 / numbers["Tg"].value)
    assert ratio.error > 0.01 / numbers["Tg"].value
    assert numbers["T of the peak of c"].value == 0.5
    half = numbers["Tf, half of the native order"]
    assert half.value == pytest.approx(np.sqrt(log[2] * log[3]))
    assert half.error == pytest.approx(half.value * 0.02 / 0.2 * np.log(log[2] / log[3]))
    flat = Table({"T": log, "m": np.full(5, 0.3), "m_error": np.full(5, 0.02)})
    assert half_order(Finding("thermodynamics", "landscape", tables={"temperatures": flat})) is None


def test_a_state_below_the_native_one_and_a_native_one_that_is_no_minimum_are_doubts():
    one = subject_of("system:sk", size=16, native=np.ones(16))
    told = found(one)
    assert len(told.doubts) == 2
    assert "below the native state's" in told.doubts[0]
    assert "no minimum" in told.doubts[1]
    assert judge(told).outcome == "unsure"


def test_the_replica_that_found_the_best_is_compared_with_the_best_of_others(glass):
    one, made = glass
    energies = made.energies.copy()
    energies[-1, 5] = -1000.0
    told = compared(one, replace(made, energies=energies), None)
    assert told.energy == -1000
    best = made.ends[-1, 5]
    q = one.overlap(made.structures, np.broadcast_to(best, made.structures.shape))
    mine = owners(made) == 5
    assert (told.overlaps[~mine] == q[~mine]).all()
    energies[:, 5] = 0.0
    second = compared(one, replace(made, energies=energies), None)
    assert (told.overlaps[mine] == second.overlaps[mine]).all()
    assert told.tries.tolist() == [32, 32, 31]


def test_structures_belong_to_the_replica_that_met_them():
    one = system("ising1d", size=12)
    made = Coolings.of(readings(one, 2))
    who = owners(made)
    assert np.bincount(who).tolist() == [10] * 32
    assert (who[:160] < 16).all()
    # the last snapshot is nearly the end of the same anneal, and of no other
    same = one.overlap(made.structures[144:160], made.ends[1, :16])
    assert who[144:160].tolist() == list(range(16))
    assert same.mean() > 0.9


def test_where_there_are_no_decoys_or_all_is_alike_there_is_no_z_and_no_slope():
    one = subject_of("system:mattis", size=24)
    told = found(one)
    assert "Z" not in told.numbers
    assert "no decoys" in judge(told).sentence
    made = Coolings.of(readings(one.system))
    flat = replace(compared(one.system, made, one.native), overlaps=np.full(len(made.structures), 0.5))
    assert rank_correlation(flat, made.structure_energies) is None
    assert decoys(flat, np.full(len(made.structures), -3.0)) is None


def test_without_a_number_of_states_there_is_no_tf(glass):
    one, made = glass
    assert random_energies(system("lj13"), np.arange(5.0), -44.3) is None
    assert random_energies(one, np.zeros(5), -1.0) is None
    shallow = random_energies(one, made.random_energies, float(made.random_energies.min()))
    assert shallow.depth.value < 1
    assert shallow.ratio is None
    told = compared(one, made, None)
    assert "log10 of Levinthal's time" not in times(one, made, told, None, 1.0)
    assert "log10 of Zwanzig's time at T90" not in times(
        one, made, told, 720.0, 1e-9
    )  # beyond what a float holds


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("go", 14), ("rem-native", 16)])
def test_the_ratio_with_tf_of_the_ladders_agrees_with_all_states(name, size):
    only = ["density_of_states", "folding"]
    one = system(name, size=size, seed=1)
    number = sf.diagnose(one, only=only, effort="quick", seed=2).findings["folding"].numbers
    model, half = exact(name, size)
    tf = number["Tf, half of the weight native"]
    assert abs(tf.value - half) < max(4 * tf.error, 0.005 * half)
    ratio = number["Tf/Tg, Tf of the ladders"]
    assert abs(ratio.value - half / model.glass_temperature) < 4 * ratio.error
    assert ratio.error < 0.05 * ratio.value


@pytest.mark.parametrize("name", ["random energies", "Go chain", "decoys", "no funnel"])
def test_the_calibrations_hold(name):
    (one,) = [c for c in instrument("folding").calibrations if c.name == name]
    assert all(row.ok and abs(row.sigma) < 4 for row in one.run(1))


def test_the_limit_of_random_energies_is_near():
    model, half = exact("rem-native", 16)
    assert half == pytest.approx((1.6 + np.sqrt(1.6**2 - 2 * np.log(2))) / (2 * np.log(2)), rel=0.01)
    assert model.glass_temperature == pytest.approx(1 / np.sqrt(2 * np.log(2)), rel=0.01)
    assert model.folding_temperature == pytest.approx(half, rel=0.005)
