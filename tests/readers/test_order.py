from hypothesis import given
from hypothesis import strategies as st

from spinfunnel.readers.order import by_depth, natural, stage

BERT = [
    "embeddings.LayerNorm.weight",
    "embeddings.word_embeddings.weight",
    *(f"encoder.layer.{i}.output.dense.weight" for i in range(12)),
    "pooler.dense.weight",
]
T5 = [
    "shared.weight",
    "encoder.block.0.w",
    "encoder.block.1.w",
    "decoder.block.0.w",
    "decoder.block.1.w",
    "lm_head.weight",
]
LLAMA = [
    "model.embed_tokens.weight",
    *(f"model.layers.{i}.mlp.up_proj.weight" for i in range(11)),
    "model.norm.weight",
    "lm_head.weight",
]
GPT = ["wpe.weight", "wte.weight", *(f"h.{i}.attn.c_attn.weight" for i in range(11)), "ln_f.weight"]
VISION = ["conv1.weight", *(f"layer{i}.0.conv1.weight" for i in range(1, 5)), "fc.weight"]


def test_real_families_come_out_in_order_of_depth():
    for depth in (BERT, T5, LLAMA, GPT, VISION):
        assert by_depth(sorted(depth)) == depth


def test_an_authors_order_is_kept():
    for depth in (T5, LLAMA, ["stft", "conv1", "lstm"]):
        assert by_depth(depth) == depth


def test_alphabetical_within_each_type_is_still_the_writers_order():
    assert by_depth(["b.10", "b.9", "a"], ["F32", "F32", "F16"]) == ["a", "b.9", "b.10"]


def test_a_blocks_own_output_and_embedding_stay_in_the_block():
    assert stage("encoder.layer.3.output.dense.weight") == 1
    assert stage("h.3.rel_embed.weight") == 2


@given(st.lists(st.text(max_size=12), unique=True))
def test_any_names_can_be_ordered_and_none_is_lost(names):
    assert sorted(by_depth(sorted(names))) == sorted(names)


@given(st.lists(st.integers(0, 10**30)))
def test_numbers_compare_as_numbers_even_absurd_ones(numbers):
    small = [n for n in numbers if n < 10**18]
    assert sorted((f"h.{n}.w" for n in small), key=natural) == [f"h.{n}.w" for n in sorted(small)]
    sorted((f"h.{n}.w" for n in numbers), key=natural)
