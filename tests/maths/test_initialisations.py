from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import truncnorm

from spinfunnel.maths.initialisations import (
    ACCIDENT,
    CUT,
    FULL_COHERENCE,
    Entries,
    Initialisation,
    box_muller_coherence,
    equal_norms_p_value,
    initialisations,
    is_rounded,
    lattice_share,
    match_p_value,
    scaled_uniform_p_value,
)

torch = pytest.importorskip("torch")
init = torch.nn.init


def drawn(shape, fill, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tensor = torch.empty(shape)
        fill(tensor)
    return tensor.numpy()


def uniform_bounds(shape, part=None):
    unfolded = (shape[0], math.prod(shape[1:]))
    return [i for i in initialisations(shape, part or unfolded) if i.law == "uniform"]


@pytest.mark.parametrize(
    ("shape", "fill", "name"),
    [
        ((96, 40), lambda t: init.kaiming_uniform_(t, a=5**0.5), "PyTorch default, fan 40"),
        ((96, 40), init.xavier_uniform_, "Xavier uniform, fan 68"),
        ((96, 40), init.kaiming_uniform_, "Kaiming uniform, fan 40"),
        ((98, 40), lambda t: init.kaiming_uniform_(t, mode="fan_out"), "Kaiming uniform, fan 98"),
        ((96, 40), lambda t: init.xavier_uniform_(t, gain=5 / 3), "Xavier uniform for tanh, fan 68"),
        ((32, 20, 3, 3), lambda t: init.kaiming_uniform_(t, a=5**0.5), "PyTorch default, fan 180"),
        ((32, 20, 3, 3), init.xavier_uniform_, "Xavier uniform, fan 234"),
    ],
)
def test_torch_leaves_its_grid_at_the_listed_bound_and_at_no_other(shape, fill, name):
    w = drawn(shape, fill).reshape(shape[0], -1)
    shares = {str(i): lattice_share(w, i.bound)[0] for i in uniform_bounds(shape)}
    assert shares.pop(name) == 1.0
    assert max(share for other, share in shares.items() if not math.isnan(share)) < 0.5


def test_torch_layers_are_at_their_default_fan():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        lstm, attention = torch.nn.LSTM(24, 40), torch.nn.MultiheadAttention(32, 4)
    gate = lstm.weight_ih_l0.detach().numpy()[40:80]
    bounds = {str(i): i.bound for i in uniform_bounds((160, 24), (40, 24))}
    assert lattice_share(gate, bounds["PyTorch default, fan 40"])[0] == 1.0
    query = attention.in_proj_weight.detach().numpy()[:32]
    bounds = {str(i): i.bound for i in uniform_bounds((96, 32), (32, 32))}
    assert lattice_share(query, bounds["Xavier uniform, fan 64"])[0] == 1.0


@pytest.mark.parametrize("bound", [0.05, 0.1, 1 / 16, 0.29, 0.99, 1.6])
def test_each_arithmetic_is_recognised_and_the_smallest_decay_is_not(bound):
    b = np.float32(bound)
    u = np.random.default_rng(0).integers(0, 2**24, 4000) / 2.0**24
    once = (u * (2 * float(b)) - float(b)).astype(np.float32)
    twice = (u * (2 * float(b))).astype(np.float32) - b
    scaled = ((np.floor(u * 2**23) / 2**22 - 1) * float(b)).astype(np.float32)
    for w in (once, twice, scaled):
        share, tested = lattice_share(w, bound)
        assert share == 1.0
        assert 900 < tested < 1100
        assert lattice_share(w * np.float32(1 - 1e-5), bound)[0] < 0.2


def test_smooth_laws_meet_the_grid_as_often_as_stated():
    rng = np.random.default_rng(1)
    shares = [
        lattice_share(draw.astype(np.float32), bound)[0]
        for bound in rng.uniform(0.02, 1.5, 30)
        for draw in (rng.normal(size=8000) * bound / 2, rng.uniform(-bound, bound, 8000))
    ]
    error = np.std(shares) / len(shares) ** 0.5
    assert error < 0.003
    assert abs(np.mean(shares) - ACCIDENT) < 0.01
    assert max(shares) < 0.15


def test_entries_that_passed_through_half_precision_are_not_tested():
    w = drawn((64, 64), lambda t: t.uniform_(-0.125, 0.125))
    for narrow in (torch.float16, torch.bfloat16):
        stored = torch.from_numpy(w).to(narrow).float().numpy()
        assert lattice_share(stored, 0.125)[1] == 0


def test_ladders_of_levels_are_rounded_and_generators_are_not():
    rng = np.random.default_rng(2)
    w = rng.normal(size=(40, 40)).astype(np.float32)
    step = np.abs(w).max() / 127
    assert is_rounded(step * np.round(w / step))
    assert not is_rounded(drawn((90, 90), lambda t: t.uniform_(-1, 1)))


@pytest.mark.parametrize("sd", [0.02, 1.0])
@pytest.mark.parametrize(
    "fill", [lambda t, sd: t.normal_(0, sd), lambda t, sd: init.trunc_normal_(t, std=sd, a=-50, b=50)]
)
def test_torch_normal_pairs_keep_their_angles_and_lose_them_by_any_step(fill, sd):
    w = drawn((128, 96), lambda t: fill(t, sd))
    coherence, pairs = box_muller_coherence(w)
    assert pairs > 400
    assert abs(coherence - FULL_COHERENCE) < 0.02
    scaled, _ = box_muller_coherence(w * np.float32(0.7))
    assert scaled > 0.9  # a constant factor is not seen, as documented
    step = np.random.default_rng(0).choice([-1e-5, 1e-5], w.shape).astype(np.float32) * np.float32(sd)
    moved, _ = box_muller_coherence(w + step)
    assert abs(moved) < 5 / (2 * pairs) ** 0.5
    other, _ = box_muller_coherence(np.random.default_rng(0).normal(size=w.shape).astype(np.float32))
    assert abs(other) < 5 / (2 * pairs) ** 0.5


def test_columns_of_a_wider_tensor_are_cut_in_blocks_of_its_memory():
    w = drawn((64, 96), lambda t: t.normal_())
    assert box_muller_coherence(w[:, 32:64])[0] > 0.9
    assert abs(box_muller_coherence(w[:, 8:72])[0]) < 0.5


def test_laws_have_their_bounds_and_distributions():
    x = np.linspace(-0.9, 0.9, 7)
    cut = Initialisation("t", "truncated normal", 0.5)
    assert cut.bound == pytest.approx(2 * 0.5 / CUT)
    np.testing.assert_allclose(cut.cdf(x), truncnorm(-2, 2, scale=0.5 / CUT).cdf(x), rtol=1e-12)
    assert truncnorm(-2, 2, scale=0.5 / CUT).std() == pytest.approx(0.5)
    np.testing.assert_allclose(Initialisation("n", "normal", 0.5).cdf(x), stats.norm(0, 0.5).cdf(x))
    np.testing.assert_allclose(Initialisation("u", "uniform", 0.9).cdf(x), (x / 0.9 + 1) / 2)


def entries_of(w):
    return Entries(w.size, float(np.abs(w).max()), float(w.mean()), float(w.std()), w)


LAWS = {
    "uniform": (Initialisation("u", "uniform", 0.3), lambda rng, n: rng.uniform(-0.3, 0.3, n)),
    "normal": (Initialisation("n", "normal", 0.3), lambda rng, n: rng.normal(0, 0.3, n)),
    "truncated normal": (
        Initialisation("t", "truncated normal", 0.3),
        lambda rng, n: truncnorm(-2, 2, scale=0.3 / CUT).rvs(n, random_state=rng),
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_rejected_at_its_level_and_no_other_passes(law):
    start, draw = LAWS[law]
    rng = np.random.default_rng(7)
    draws = [entries_of(draw(rng, 3000)) for _ in range(300)]
    rejected = np.mean([match_p_value(seen, start) < 0.05 for seen in draws])
    assert 0.01 < rejected < 0.09  # Bonferroni is conservative: nominal .05, binomial error .013
    for other, (init_, _) in LAWS.items():
        if other != law:
            assert all(match_p_value(seen, init_) < 1e-4 for seen in draws[:20])
    off = Initialisation("off", start.law, start.scale * 1.08)
    assert all(match_p_value(seen, off) < 1e-3 for seen in draws[:20])


def test_shrunken_uniform_is_recognised_until_its_edge_is_smeared():
    rng = np.random.default_rng(8)
    draws = [rng.uniform(-0.3, 0.3, 20_000) for _ in range(200)]
    rejected = np.mean([scaled_uniform_p_value(entries_of(w)) < 0.05 for w in draws])
    assert 0.01 < rejected < 0.09
    smeared = [w + rng.normal(0, 0.003, w.size) for w in draws[:20]]
    assert all(scaled_uniform_p_value(entries_of(w)) < 1e-3 for w in smeared)


@pytest.mark.parametrize(("k", "length"), [(16, 9), (30, 64), (400, 100)])
@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_equal_norms_hold_their_level(k, length, law):
    rng = np.random.default_rng(9)
    draw = rng.normal if law == "normal" else (lambda size: rng.uniform(-1, 1, size))
    kurtosis = 3.0 if law == "normal" else 1.8
    p = [
        equal_norms_p_value(np.linalg.norm(draw(size=(k, length)), axis=1), length, kurtosis)
        for _ in range(1000)
    ]
    assert np.mean(np.array(p) < 0.01) < 0.025
    uneven = np.linspace(0.7, 1.3, k)[:, None]
    seen = [
        equal_norms_p_value(np.linalg.norm(uneven * draw(size=(k, length)), axis=1), length, kurtosis)
        for _ in range(50)
    ]
    assert np.mean(np.array(seen) < 0.01) > (0.9 if k > 16 else 0.02)
