import numpy as np

import spinfunnel as sf
from spinfunnel.instruments import instrument


def noise(rows=120, columns=160, seed=0):
    return 0.05 * np.random.default_rng(seed).normal(size=(rows, columns))


def row(array, effort="normal"):
    return sf.traps(array, effort=effort).table("layers").iloc[0]


def test_a_large_entry_is_predicted_and_survives_shuffling():
    array = noise()
    array[3, 9] = -2.5 * 0.05 * array.size**0.25
    seen = row(array)
    assert seen["label"] == "trap"
    assert seen["predicted"] == seen["shuffled_spikes"] == 1
    assert sf.diagnose(array, only=["traps"]).verdicts["traps"].outcome == "warning"


def test_a_learned_direction_is_no_trap():
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=120), rng.normal(size=160)
    array = noise() + 4 * 0.05 * (120 * 160) ** 0.25 * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    assert sf.spectrum(array).table("layers")["above_edge"][0] == 1
    assert row(array, effort="full")["shuffled_spikes"] == 0


def test_quiet_entries_are_not_shuffled_unless_asked():
    assert np.isnan(row(noise())["shuffled_spikes"])
    assert row(noise())["label"] == "no trap"
    assert row(noise(), effort="full")["shuffled_spikes"] <= 1


def test_what_has_no_entries_to_shuffle_says_so():
    assert row(np.full((30, 30), 0.5))["reason"] == "all entries are equal"
    assert row(np.full((30, 30), np.nan))["label"] == "cannot tell"
    assert "only 3 eigenvalues" in row(noise(3, 400))["reason"]


def test_the_calibrations_hold():
    rows = [row for c in instrument("traps").calibrations for row in c.run(11)]
    assert rows
    assert all(row.ok for row in rows), rows


def test_matrices_too_small_for_an_edge_are_not_called_free_of_traps():
    rng = np.random.default_rng(0)
    small = {f"w{i}": rng.normal(size=(5, 5)) for i in range(3)}
    assert sf.diagnose(small).verdicts["traps"].label == "cannot tell"
    verdict = sf.diagnose({**small, "large": rng.uniform(size=(40, 40)) - 0.5}).verdicts["traps"]
    assert "of the 1 matrices" in verdict.sentence
