from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from spinfunnel.instruments.untrained import calibration, cost, instrument, judge, measure
from spinfunnel.instruments.untrained.reading import each, judge_row, sample
from spinfunnel.matrices import Matrix
from spinfunnel.readers.layout import Part
from spinfunnel.subject import subject_of

ASSETS = Path(__file__).parents[3] / "shared" / "assets"


def labels(source):
    """Row name -> label, by the way a run takes."""
    subject = subject_of(source)
    readings = [each(subject.load(part), seed=0, effort="normal") for part in subject.parts]
    finding = measure(subject, findings={}, seed=0, budget=None, readings=readings)
    table = finding.tables["layers"]
    judged = [judge_row(row) for row in table.rows()]
    table.columns["verdict"] = np.array([one.outcome for one in judged])
    table.columns["label"] = np.array([one.label for one in judged])
    assert all(one.reason for one in judged)
    return dict(zip(table.row_names(), [one.label for one in judged], strict=True)), judge(finding), finding


def named(w, dtype="float32"):
    """Row and verdict of one matrix."""
    row = each(Matrix(Part("W", "", w.shape, w.shape), w, dtype), seed=0, effort="normal").row
    return judge_row({"problem": "", "init": "", **row})


def test_demo_checkpoints_are_called_what_they_are():
    demo = files("spinfunnel") / "data" / "demo"
    found, verdict, finding = labels(str(demo / "half-frozen.safetensors"))
    assert [name for name, label in found.items() if label == "bit-exact init"] == [
        "conv1.weight", "conv2.weight", "dense1.weight",
    ]  # fmt: skip
    assert set(found.values()) == {"bit-exact init", "trained"}
    assert verdict.outcome == "bad"
    assert "3 of 6 matrices, with 62 % of the parameters" in verdict.sentence
    assert finding.numbers["share of the parameters in these"].value == pytest.approx(86_672 / 139_472)

    found, verdict, _ = labels(str(demo / "untrained.safetensors"))
    assert set(found.values()) == {"bit-exact init"}
    for name in ("trained", "noisy-labels"):
        found, verdict, _ = labels(str(demo / f"{name}.safetensors"))
        assert verdict.outcome == "good"
        assert Counter(found.values()) == {"trained": 5, "indistinguishable from random": 1}


@pytest.mark.parametrize(
    ("w", "told"),
    [
        (np.zeros((20, 30)), "all zeros"),
        (np.ones((20, 30)), "all ones"),
        (np.full((20, 30), 0.1), "all 0.1"),
        (np.eye(20, 30), "identity"),
        (-0.5 * np.eye(30, 20), "-0.5 times the identity"),
    ],
)
def test_constants_and_identities_are_initialisations(w, told):
    verdict = named(w.astype(np.float32))
    assert (verdict.outcome, verdict.label) == ("bad", "bit-exact init")
    assert verdict.reason.startswith(told)


def test_orthogonal_is_named_and_never_called_bit_exact():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(80, 40)))[0].astype(np.float32)
    assert named(1.4 * q).label == "shape and bound of orthogonal"


def test_one_changed_entry_or_one_decay_is_no_longer_bit_exact():
    w = calibration.fresh(120, 80, np.random.default_rng(4))
    assert named(w).label == "bit-exact init"
    changed = w.copy()
    small = np.argwhere((np.abs(w) < 80**-0.5 / 5) & (np.abs(w) > 1e-3))[0]
    changed[tuple(small)] = np.nextafter(changed[tuple(small)], np.float32(1), dtype=np.float32)
    assert named(changed).label == "partly at init"
    assert named(w * np.float32(1 - 1e-5)).label.startswith("shape and bound of PyTorch default")
    assert named(w * np.float32(0.9)).label == "shape of a scaled init"


def test_untouched_columns_of_a_trained_matrix_are_seen():
    rng = np.random.default_rng(5)
    w = calibration.fresh(120, 80, rng)
    w[:, :30] += rng.normal(0, 0.05, (120, 30)).astype(np.float32)
    verdict = named(w)
    assert (verdict.outcome, verdict.label) == ("info", "partly at init")
    assert 45 < int(verdict.reason.split()[0]) < 80  # 62 % less the columns that left the tested range


@pytest.mark.parametrize("narrow", [np.float16, ml_dtypes.bfloat16])
def test_narrow_types_are_named_but_never_bit_exact(narrow):
    w = calibration.fresh(120, 80, np.random.default_rng(4)).astype(narrow).astype(np.float32)
    for dtype in (np.dtype(narrow).name, "float32"):
        verdict = named(w, dtype)
        if dtype != "float32" or narrow is np.float16:
            assert verdict.label in (
                "shape and bound of PyTorch default, fan 80",
                "shape of a scaled init",
            )
        assert verdict.label != "bit-exact init"


def test_padding_row_of_an_embedding_changes_nothing():
    rng = np.random.default_rng(6)
    w = (0.02 * rng.normal(size=(300, 64))).astype(np.float32)
    w[0] = 0
    assert named(w).label == "shape and bound of N(0, 0.02)"
    w = calibration.fresh(300, 64, rng)
    w[0] = 0
    assert named(w).label == "bit-exact init"


def test_small_matrices_are_not_claimed():
    rng = np.random.default_rng(7)
    found = Counter(named(rng.uniform(-1, 1, (rows, 9)).astype(np.float32)).outcome for rows in range(4, 40))
    assert found["bad"] == 0
    assert found["warning"] == 0


def test_what_cannot_be_judged_is_said_to_be_so():
    w = np.ones((20, 30), dtype=np.float32)
    w[3, 3] = np.nan
    assert (named(w).outcome, named(w).label) == ("unsure", "cannot tell")


def test_integers_are_noise_or_not_but_have_no_bits_and_no_bound():
    levels = np.round(40 * np.random.default_rng(8).normal(size=(128, 128))).astype(np.float32)
    assert named(levels, "int8").label == "indistinguishable from random"


def test_sample_takes_all_columns():
    w = np.arange(512 * 1024, dtype=np.float32).reshape(512, 1024)
    taken = sample(w, 8192)
    assert 4096 < len(taken) <= 8192
    assert len(np.unique(taken % 1024)) == 1024
    np.testing.assert_array_equal(sample(w.T, 8192), sample(np.ascontiguousarray(w.T), 8192))


def test_verdict_is_unsure_when_most_of_the_model_cannot_be_told():
    rng = np.random.default_rng(9)
    found, verdict, _ = labels({"a.weight": (0.3 * rng.normal(size=(64, 64))).astype(np.float32)})
    assert found == {"a.weight": "indistinguishable from random"}
    assert verdict.outcome == "unsure"
    assert "does not mean untrained" in verdict.advice


def test_fused_and_stacked_tensors_are_recognised_by_the_whole_tensor():
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        modules = {
            "lstm": torch.nn.LSTM(40, 32, num_layers=2, bidirectional=True),
            "gru": torch.nn.GRU(40, 32),
            "attention": torch.nn.MultiheadAttention(48, 4),
            "conv": torch.nn.Conv1d(12, 20, 5),
            "up": torch.nn.ConvTranspose2d(12, 20, 3),
            "linear": torch.nn.Linear(70, 30),
            "token_embedding": torch.nn.Embedding(90, 48, padding_idx=0),
        }
        module = torch.nn.ModuleDict(modules)
    found, _, _ = labels(module)
    assert len(found) > 25
    assert set(found.values()) == {"bit-exact init"}
    transposed = {"w": module["linear"].weight.detach().numpy().T.copy()}
    assert labels(transposed)[0] == {"w": "bit-exact init"}


def rates(seeds):
    """Train networks with every kind of part: how many frozen are found, how many trained are called so."""
    from nets import PARTS, train

    count = Counter()
    for seed in seeds:
        for rule in ("SGD", "AdamW"):
            for frozen in ((), (PARTS[seed % 5],), ("conv", "lstm"), ("embedding", "dense", "output")):
                for name, label in labels(train(rule, frozen, seed))[0].items():
                    state = "frozen" if name.split(".")[0] in frozen else "trained"
                    count[state] += 1
                    count[state, "exact"] += label == "bit-exact init"
    return count


def test_frozen_parts_of_every_kind_are_found_and_no_trained_one():
    pytest.importorskip("torch")
    count = rates([0])
    assert count["frozen", "exact"] == count["frozen"] > 25
    assert count["trained", "exact"] == 0 < count["trained"]


@pytest.mark.slow
def test_frozen_parts_of_every_kind_are_found_and_no_trained_one_20_seeds():
    pytest.importorskip("torch")
    count = rates(range(20))
    assert count["frozen", "exact"] == count["frozen"] > 500
    assert count["trained", "exact"] == 0 < count["trained"]


def test_calibration_networks_draw_as_torch_does():
    torch = pytest.importorskip("torch")
    bound = 80**-0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12)
        u = torch.rand(60, 80, dtype=torch.float32).numpy()
        torch.manual_seed(12)
        w = torch.empty(60, 80).uniform_(-bound, bound).numpy()

    class Same:
        def integers(self, low, high, size):
            return (u.astype(np.float64) * 2**24).astype(np.int64).reshape(size)

    made = calibration.fresh(60, 80, Same())
    same = np.mean(made == w)
    if same < 1:  # no fused multiply-add on this machine
        b = np.float32(bound)
        np.testing.assert_array_equal((u * (2 * b)).astype(np.float32) - b, w)


def test_calibration_networks_learn():
    rng = np.random.default_rng(0)
    weights = calibration.train("AdamW", (1,), rng)
    np.testing.assert_array_equal(
        weights[1], calibration.train("AdamW", (1,), np.random.default_rng(0), steps=1)[1]
    )
    assert all(np.isfinite(w).all() for w in weights)


def test_calibration_holds():
    for one in instrument.calibrations:
        if one.effort == "quick":
            assert all(row.ok for row in one.run(1)), one.name


def test_cost_is_small():
    subject = subject_of(str(files("spinfunnel") / "data" / "demo" / "trained.safetensors"))
    assert 0 < cost(subject, "normal") < 0.05


@pytest.mark.skipif(not ASSETS.exists(), reason="real weights are not on this machine")
@pytest.mark.parametrize(
    "path",
    [
        "models/silero-vad/silero_vad_16k.safetensors",
        "models/g2p-en/checkpoint20.npz",
        "models/digit-cnn/handwriting_model.pth",
        "derived/proteinmpnn_v_48_020-sharded",
    ],
)
def test_real_trained_models_hold_no_untouched_layer(path):
    found, verdict, _ = labels(str(ASSETS / path))
    assert verdict.outcome == "good"
    assert not any(label.startswith(("bit-exact", "shape")) for label in found.values())
