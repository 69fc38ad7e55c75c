"""Planted bugs in `untrained`: each must turn one of its calibrations red."""

import numpy as np
import pytest

from spinfunnel.instruments.untrained import calibration, reading
from spinfunnel.maths import initialisations


def red(kind, *size):
    return [row.quantity for row in kind(5, *size) if not row.ok]


def nets():
    return red(calibration.own_nets, 1)


def noise():
    return red(calibration.noise, 8)


def test_the_originals_are_green():
    assert nets() == []
    assert noise() == []


def test_another_denominator_misses_every_frozen_layer(monkeypatch):
    right = initialisations.lattice_share

    def wrong(w, bound):
        return right(w * np.float32(2**24 / (2**24 - 1)), bound)

    monkeypatch.setattr(reading, "lattice_share", wrong)
    assert any("frozen" in quantity for quantity in nets())


def test_a_bound_from_the_largest_entry_misses_every_frozen_layer(monkeypatch):
    right = initialisations.lattice_share
    monkeypatch.setattr(reading, "lattice_share", lambda w, bound: right(w, float(np.abs(w).max())))
    assert any("frozen" in quantity for quantity in nets())


def test_a_tolerance_that_hides_one_decay_is_seen(monkeypatch):
    def tolerant(w, bound):
        small = w[np.abs(w) < bound / 4].astype(np.float64)
        k = (small + bound) / (2 * bound) * 2.0**24
        return float(np.mean(np.abs(k - np.rint(k)) <= 0.5)), small.size

    monkeypatch.setattr(reading, "lattice_share", tolerant)
    assert any("called bit-exact" in quantity for quantity in nets())


def test_candidates_without_fan_in_miss_frozen_layers(monkeypatch):
    right = initialisations.initialisations
    monkeypatch.setattr(
        reading, "initialisations", lambda *shapes: [i for i in right(*shapes) if "PyTorch" not in i.name]
    )
    assert any("frozen" in quantity for quantity in nets())


def test_candidates_without_the_sides_of_a_gate_miss_recurrent_layers(monkeypatch):
    torch = pytest.importorskip("torch")
    from spinfunnel.subject import subject_of

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        subject = subject_of({k: v.detach().numpy() for k, v in torch.nn.LSTM(40, 32).state_dict().items()})

    def exact():
        return sum(
            reading.each(subject.load(part), seed=0, effort="quick").row.get("exact", 0)
            for part in subject.parts
        )

    assert exact() == len(subject.parts) == 8
    right = initialisations.fans
    monkeypatch.setattr(initialisations, "fans", lambda tensor, shape: right(tensor, tensor[:2]))
    assert exact() < 8


def test_ladders_of_levels_not_left_out_are_called_bit_exact(monkeypatch):
    levels = np.round(np.random.default_rng(0).normal(size=(64, 64)) * 60).astype(np.float32)
    bounds = [i.bound for i in initialisations.initialisations((64, 64), (64, 64)) if i.law == "uniform"]
    most = int(2**23 / np.abs(levels).max())
    # the largest level just inside the bound, the step a multiple of the grid's spacing
    scales = [np.float32(b * (most - k) / 2**23) for b in bounds[:6] for k in range(1, 20)]

    def called():
        return sum("exact" in reading.each(_matrix(levels * s), seed=0, effort="quick").row for s in scales)

    assert called() == 0
    monkeypatch.setattr(reading, "is_rounded", lambda w: False)
    assert called() > 0


def test_row_norms_tested_without_the_kurtosis_call_noise_trained(monkeypatch):
    right = initialisations.equal_norms_p_value
    monkeypatch.setattr(
        reading, "equal_norms_p_value", lambda norms, length, kurtosis: right(norms, length, 1.5)
    )
    assert any("called trained" in quantity for quantity in noise())


def test_a_bound_test_without_its_power_names_noise_by_accident(monkeypatch):
    monkeypatch.setattr(reading, "match_p_value", lambda entries, init: 0.5)
    assert any("rescaled" in quantity for quantity in noise())


def test_spikes_ignored_miss_small_changes(monkeypatch):
    right = reading.against_noise
    monkeypatch.setattr(reading, "against_noise", lambda matrix: right(matrix) | {"like_noise": 1})
    assert red(calibration.changes, 10)


def _matrix(w):
    from spinfunnel.matrices import Matrix
    from spinfunnel.readers.layout import Part

    return Matrix(Part("W", "", w.shape, w.shape), w, "float32")
