"""The parts are checked by what they do: layers rebuilt from them must give what PyTorch's own give."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spinfunnel.readers import Weights, read
from spinfunnel.readers.layout import cut, layout


def parts(source, name, hints=None, **options):
    """All parts of one tensor, cut: name of the part -> matrix; and the parts themselves."""
    weights = read(source)
    weights = Weights(weights.source, weights.format, weights.tensors, hints=hints or {})
    found = [part for part in layout(weights, **options).parts if part.name == name]
    return {part.part: cut(part, weights[name].load()) for part in found}, found


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


def numpy(value):
    return value.detach().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("projection", [0, 3])
def test_an_lstm_rebuilt_from_its_gates_steps_as_pytorchs_does(projection):
    layer = torch.nn.LSTM(7, 5, proj_size=projection, bidirectional=True)
    torch.nn.init.zeros_(layer.bias_ih_l0), torch.nn.init.zeros_(layer.bias_hh_l0)
    x, h, c = torch.randn(7), torch.randn(projection or 5), torch.randn(5)
    both = torch.zeros(2, 1, 5)
    _, (_, after) = layer(x.view(1, 1, 7), (torch.stack([h, h]).unsqueeze(1), both + c))
    inputs, found = parts(layer, "weight_ih_l0")
    hidden, _ = parts(layer, "weight_hh_l0")
    assert (len(parts(layer, "weight_hh_l0_reverse")[0]), found[0].gates, found[0].kind) == (
        4,
        4,
        "recurrent",
    )
    gate = {name: inputs[name] @ numpy(x) + hidden[name] @ numpy(h) for name in inputs}
    cell = sigmoid(gate["forget gate"]) * numpy(c) + sigmoid(gate["input gate"]) * np.tanh(gate["cell gate"])
    assert np.allclose(cell, numpy(after)[0, 0], atol=1e-6)
    output = sigmoid(gate["output gate"]) * np.tanh(cell)
    expected = layer(x.view(1, 1, 7), (torch.stack([h, h]).unsqueeze(1), both + c))[0][
        0, 0, : projection or 5
    ]
    output = numpy(layer.weight_hr_l0) @ output if projection else output
    assert np.allclose(output, numpy(expected), atol=1e-6)


def test_a_gru_rebuilt_from_its_gates_steps_as_pytorchs_does():
    cell = torch.nn.GRUCell(7, 5, bias=False)
    x, h = torch.randn(7), torch.randn(5)
    inputs, found = parts(cell, "weight_ih")
    hidden, _ = parts(cell, "weight_hh")
    assert found[0].gates == 3
    reset = sigmoid(inputs["reset gate"] @ numpy(x) + hidden["reset gate"] @ numpy(h))
    update = sigmoid(inputs["update gate"] @ numpy(x) + hidden["update gate"] @ numpy(h))
    new = np.tanh(inputs["new gate"] @ numpy(x) + reset * (hidden["new gate"] @ numpy(h)))
    assert np.allclose(
        (1 - update) * new + update * numpy(h), numpy(cell(x.view(1, 7), h.view(1, 5)))[0], atol=1e-6
    )


def test_a_plain_recurrent_layer_has_no_gates():
    found, (part,) = parts(torch.nn.RNN(7, 5), "weight_ih_l0")
    assert (list(found), part.gates, part.kind) == ([""], 1, "recurrent")


def test_the_gates_of_keras_are_columns_in_an_order_of_their_own(rng):
    lstm = {"lstm/kernel": rng.random((7, 20)), "lstm/recurrent_kernel": rng.random((5, 20))}
    found, _ = parts(lstm, "lstm/kernel")
    assert list(found) == ["input gate", "forget gate", "cell gate", "output gate"]
    assert np.array_equal(found["cell gate"], lstm["lstm/kernel"][:, 10:15].T)
    gru = {"kernel": rng.random((7, 15)), "recurrent_kernel": rng.random((5, 15))}
    found, (part, *_) = parts(gru, "recurrent_kernel")
    assert np.array_equal(found["update gate"], gru["recurrent_kernel"][:, :5].T)
    assert np.array_equal(found["reset gate"], gru["recurrent_kernel"][:, 5:10].T)
    assert "stored 5 x 15" in part.layout


def test_weights_with_the_names_of_gates_but_other_shapes_stay_whole():
    found, (part,) = parts({"weight_ih": np.ones((10, 7)), "weight_hh": np.ones((10, 5))}, "weight_ih")
    assert (list(found), part.kind) == ([""], "linear")


def test_attention_rebuilt_from_query_key_and_value_gives_what_pytorchs_gives():
    layer = torch.nn.MultiheadAttention(12, 1, bias=False)
    layer.out_proj.weight.data = torch.eye(12)
    x = torch.randn(6, 12)
    found, _ = parts(layer, "in_proj_weight")
    query, key, value = (numpy(x) @ found[name].T for name in ("query", "key", "value"))
    weight = np.exp(query @ key.T / np.sqrt(12))
    assert np.allclose(weight / weight.sum(1, keepdims=True) @ value, numpy(layer(x, x, x)[0]), atol=1e-6)


HEADS, WIDTH, COLUMNS = 4, 3, 12


@pytest.fixture
def qkv(rng):
    """Query, key and value: as many heads of keys and values as are asked for."""

    def make(keys=HEADS, heads=HEADS, columns=COLUMNS):
        return [rng.standard_normal((n * WIDTH, columns)) for n in (heads, keys, keys)]

    return make


def by_group(query, key, value, groups):
    """Store them group by group of heads, as GPT-NeoX, BLOOM, Falcon and InternLM2 do."""
    blocks = [matrix.reshape(groups, -1, matrix.shape[1]) for matrix in (query, key, value)]
    return np.concatenate(blocks, axis=1).reshape(-1, query.shape[1])


def check(name, fused, expected, hints):
    found, cuts = parts({name: fused}, name, hints)
    assert list(found) == ["query", "key", "value"]
    for word, matrix in zip(found, expected, strict=True):
        assert np.array_equal(found[word], matrix), word
    assert all("fused" in part.layout for part in cuts)


@pytest.mark.parametrize(
    "name",
    [
        "attn.qkv.weight",
        "attn.Wqkv.weight",
        "h.0.attn.qkv_proj.weight",
        "in_proj_weight",
        "to_qkv.weight",
        "attn.c_attn.weight",
    ],
)
@pytest.mark.parametrize("hints", [{}, {"heads": HEADS, "hidden_size": COLUMNS}])
def test_one_after_the_other(qkv, name, hints):
    expected = qkv()
    check(name, np.concatenate(expected), expected, hints)


@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "falcon"])
def test_head_by_head(qkv, family):
    expected = qkv()
    hints = {"model_type": family, "heads": HEADS, "hidden_size": COLUMNS, "multi_query": 0}
    check("h.0.query_key_value.weight", by_group(*expected, HEADS), expected, hints)


def test_grouped_queries_one_after_the_other(qkv):
    expected = qkv(keys=2)
    check(
        "qkv_proj.weight",
        np.concatenate(expected),
        expected,
        {"heads": HEADS, "key_value_heads": 2, "model_type": "phi3"},
    )


def test_heads_of_a_width_of_their_own(qkv):
    expected = qkv(keys=2, columns=20)
    check(
        "qkv_proj.weight",
        np.concatenate(expected),
        expected,
        {"heads": HEADS, "key_value_heads": 2, "head_dim": WIDTH},
    )


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("query_key_value.weight", {"model_type": "falcon", "new_decoder_architecture": 1}),
        ("wqkv.weight", {"model_type": "internlm2"}),
    ],
)
def test_grouped_queries_group_by_group(qkv, name, hints):
    expected = qkv(keys=2)
    check(name, by_group(*expected, 2), expected, {**hints, "heads": HEADS, "key_value_heads": 2})


@pytest.mark.parametrize(
    ("name", "family"), [("query_key_value.weight", "falcon"), ("c_attn.weight", "gpt_bigcode")]
)
def test_many_queries_and_one_key(qkv, name, family):
    expected = qkv(keys=1)
    check(name, np.concatenate(expected), expected, {"model_type": family, "heads": HEADS, "multi_query": 1})


UNKNOWN = {
    "order, without a config": ("query_key_value.weight", (36, 12), {}, "order unknown without a config"),
    "order of this family": (
        "qkv_proj.weight",
        (36, 12),
        {"model_type": "codegen"},
        "order unknown for codegen",
    ),
    "heads": ("qkv_proj.weight", (24, 12), {}, "number of heads unknown"),
    "heads that do not fit": (
        "query_key_value.weight",
        (36, 12),
        {"model_type": "bloom", "heads": 5},
        "heads unknown",
    ),
}


@pytest.mark.parametrize(("name", "shape", "hints", "says"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_stays_whole_and_says_so(name, shape, hints, says):
    found, (part,) = parts({name: np.ones(shape)}, name, hints)
    assert list(found) == [""]
    assert "fused, not split" in part.layout
    assert says in part.layout


def test_gpt2_stores_inputs_first(rng):
    source = {"h.0.attn.c_attn.weight": rng.random((6, 18)), "h.0.attn.c_proj.weight": rng.random((6, 6))}
    source["h.0.mlp.c_fc.weight"] = rng.random((6, 24))
    found, _ = parts(source, "h.0.attn.c_attn.weight")
    assert np.array_equal(found["key"], source["h.0.attn.c_attn.weight"][:, 6:12].T)
    for name in ("h.0.attn.c_proj.weight", "h.0.mlp.c_fc.weight"):
        found, (part,) = parts(source, name)
        assert np.array_equal(found[""], source[name].T)
        assert "stored 6 x" in part.layout


def test_gate_and_up_and_key_and_value(rng):
    w = rng.random((8, 3))
    found, _ = parts({"mlp.gate_up_proj.weight": w}, "mlp.gate_up_proj.weight")
    assert np.array_equal(found["up"], w[4:])
    found, _ = parts({"attn.to_kv.weight": w}, "attn.to_kv.weight")
    assert np.array_equal(found["key"], w[:4])


def test_a_convolution_is_its_unfolded_matrix():
    layer = torch.nn.Conv2d(3, 8, 5, bias=False)
    x = torch.randn(1, 3, 9, 9)
    found, (part,) = parts(layer, "weight")
    by_matrix = torch.from_numpy(found[""].copy()) @ F.unfold(x, 5)[0]
    assert torch.allclose(by_matrix.view(8, 5, 5), layer(x)[0], atol=1e-5)
    assert (part.layout, part.kind) == ("8 x 75, unfolded from 8 x 3 x 5 x 5", "convolution")


@pytest.mark.parametrize("layer", [torch.nn.Conv1d(3, 8, 5), torch.nn.Conv3d(3, 8, (2, 3, 4))])
def test_convolutions_of_other_dimensions(layer):
    found, _ = parts(layer, "weight")
    assert np.array_equal(found[""], numpy(layer.weight).reshape(8, -1))


def test_slices_are_one_matrix_per_position_of_the_kernel():
    layer = torch.nn.Conv2d(3, 8, (2, 5))
    found, cuts = parts(layer, "weight", slices=True)
    assert len(found) == 10
    assert np.array_equal(found["slice 1,3"], numpy(layer.weight)[:, :, 1, 3])
    assert cuts[0].layout == "8 x 3, one of 10 positions of 8 x 3 x 2 x 5"


def test_a_depthwise_convolution_is_unfolded_even_where_slices_are_wanted():
    found, _ = parts(torch.nn.Conv2d(8, 8, 3, groups=8), "weight", slices=True)
    assert [w.shape for w in found.values()] == [(8, 9)]


def test_a_transposed_convolution_is_told_by_its_bias():
    layer = torch.nn.ConvTranspose2d(3, 8, 5)
    found, (part,) = parts(layer, "weight")
    assert np.array_equal(found[""], numpy(layer.weight).transpose(1, 0, 2, 3).reshape(8, -1))
    assert "transposed convolution stored inputs first" in part.layout
    found, (part,) = parts({"weight": numpy(layer.weight)}, "weight")
    assert np.array_equal(found[""], numpy(layer.weight).reshape(3, -1))


def test_a_convolution_of_keras_stores_outputs_last(rng):
    kernel = rng.random((5, 5, 3, 8))
    found, (part,) = parts({"conv/kernel:0": kernel}, "conv/kernel:0")
    assert np.array_equal(found[""], kernel.transpose(3, 2, 0, 1).reshape(8, -1))
    assert "stored outputs last" in part.layout


def test_dense_layers_of_keras_and_a_bias_as_long_as_the_last_side(rng):
    w = rng.random((4, 7))
    for source in ({"kernel": w}, {"fc.weight": w, "fc.bias": np.ones(7)}, {"fc_w": w, "fc_b": np.ones(7)}):
        found, (part,) = parts(source, next(iter(source)))
        assert np.array_equal(found[""], w.T)
        assert part.layout == "7 x 4, stored 4 x 7"
    found, (part,) = parts({"fc.weight": w, "fc.bias": np.ones(4)}, "fc.weight")
    assert np.array_equal(found[""], w)


def test_experts_are_one_matrix_each(rng):
    w = rng.random((3, 4, 5))
    found, cuts = parts({"mlp.experts.down_proj": w}, "mlp.experts.down_proj")
    assert list(found) == ["expert 0", "expert 1", "expert 2"]
    assert np.array_equal(found["expert 2"], w[2])
    assert cuts[0].kind == "expert"


def test_gate_and_up_of_experts_need_the_hidden_size(rng):
    w, name = rng.random((2, 6, 8)), "experts.gate_up_proj"
    found, _ = parts({name: w}, name, {"hidden_size": 6})
    assert list(found) == ["expert 0, gate", "expert 0, up", "expert 1, gate", "expert 1, up"]
    assert np.array_equal(found["expert 1, up"], w[1, :, 4:].T)
    found, _ = parts({name: w}, name, {"hidden_size": 6, "model_type": "gpt_oss"})
    assert np.array_equal(found["expert 1, up"], w[1, :, 1::2].T)
    found, _ = parts({name: w}, name, {"hidden_size": 8})
    assert np.array_equal(found["expert 0, gate"], w[0, :3])
    found, cuts = parts({name: w}, name)
    assert list(found) == ["expert 0", "expert 1"]
    assert "not split" in cuts[0].layout


def test_a_bilinear_layer_is_a_stack_and_a_long_filter_is_not():
    found, _ = parts(torch.nn.Bilinear(40, 33, 5), "weight")
    assert [w.shape for w in found.values()] == [(40, 33)] * 5
    found, _ = parts({"pos_conv.weight": np.ones((64, 48, 128))}, "pos_conv.weight")
    assert [w.shape for w in found.values()] == [(64, 48 * 128)]


EMBEDDINGS = {
    "embeddings.word_embeddings.weight": True,
    "model.embed_tokens.weight": True,
    "transformer.wte.weight": True,
    "enc_emb": True,
    "pos_embed": True,
    "patch_embed.proj.weight": False,
    "features.embeddings.linear.weight": False,
    "embed_out.weight": False,
    "member.weight": False,
}


@pytest.mark.parametrize(("name", "is_one"), EMBEDDINGS.items())
def test_embeddings_are_known_by_name(name, is_one):
    _, (part,) = parts({name: np.ones((9, 4))}, name)
    assert (part.kind == "embedding") == is_one


def test_a_linear_layer_with_the_name_of_an_embedding_is_known_by_its_bias():
    _, (part,) = parts(
        {"time_embedding.weight": np.ones((9, 4)), "time_embedding.bias": np.ones(9)}, "time_embedding.weight"
    )
    assert part.kind == "linear"


def test_an_embedding_with_a_leading_side_of_one():
    found, (part,) = parts({"pos_embed": np.arange(20.0).reshape(1, 5, 4)}, "pos_embed")
    assert (found[""].shape, part.kind, part.layout) == ((5, 4), "embedding", "stored as 1 x 5 x 4")
