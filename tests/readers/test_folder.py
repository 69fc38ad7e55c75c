import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from spinfunnel.core import BadInput
from spinfunnel.readers import digest, read
from spinfunnel.readers.folder import hints_of

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def shards(tmp_path):
    """A folder of two shards and their index, eleven layers deep."""
    folder = tmp_path / "model"
    folder.mkdir()
    tensors = {f"layers.{i}.w": np.full((2, 3), i, np.float32) for i in range(11)}
    home = {name: FIRST if i < 6 else SECOND for i, name in enumerate(tensors)}
    for file in (FIRST, SECOND):
        save_file({name: a for name, a in tensors.items() if home[name] == file}, folder / file)
    write_index(folder, dict(sorted(home.items())))
    return folder


def write_index(folder, weight_map):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("index", [True, False])
def test_shards_are_one_model_in_order_of_depth(shards, index):
    if not index:
        (shards / "model.safetensors.index.json").unlink()
    weights = read(shards)
    assert weights.format == "safetensors, 2 shards"
    assert [t.name for t in weights.tensors] == [f"layers.{i}.w" for i in range(11)]
    assert [t.load()[0, 0] for t in weights.tensors] == list(range(11))
    assert [t.name for t in read(weights.path).tensors] == [t.name for t in weights.tensors]


def test_an_index_may_be_given_itself(shards):
    assert read(shards / "model.safetensors.index.json").parameters == 66


@pytest.mark.parametrize("index", [True, False])
def test_an_absent_shard_is_named(shards, index):
    (shards / FIRST).unlink()
    if not index:
        (shards / "model.safetensors.index.json").unlink()
    with pytest.raises(BadInput, match=f"1 of 2 shards are absent .*{FIRST}"):
        read(shards)


PATHS = [
    "../evil.safetensors",
    "/etc/passwd",
    "..",
    "",
    "a/b.safetensors",
    "..\\evil.safetensors",
    "C:x",
    "a\0b",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_out_of_the_folder_is_refused(shards, path):
    save_file({"layers.0.w": np.ones((2, 2), np.float32)}, shards.parent / "evil.safetensors")
    write_index(shards, {"layers.0.w": path})
    with pytest.raises(BadInput, match="not a file of its folder"):
        read(shards)


@pytest.mark.parametrize("name", [FIRST, "model.safetensors.index.json"])
def test_a_link_out_of_the_folder_is_refused(shards, name):
    outside = shards.parent / name
    (shards / name).rename(outside)
    (shards / name).symlink_to(outside)
    with pytest.raises(
        BadInput, match="a link that leaves its folder; if you trust it, give the file itself"
    ):
        read(shards)


def test_a_link_inside_the_folder_and_one_given_by_name_are_followed(shards):
    (shards / FIRST).rename(shards / "real")
    (shards / FIRST).symlink_to("real")
    assert read(shards).parameters == 66
    link = shards.parent / "link.safetensors"
    link.symlink_to(shards / SECOND)
    assert read(link).parameters == 30


def test_the_layout_of_the_hugging_face_cache_is_read_and_nothing_more_of_its_surroundings(tmp_path):
    repo = tmp_path / "models--a--b"
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    save_file({"w": np.ones((4, 2), np.float32)}, repo / "blobs" / "123")
    (snapshot / "model.safetensors").symlink_to("../../blobs/123")
    assert read(snapshot).parameters == 8
    (repo / "refs").mkdir()
    (repo / "blobs" / "123").rename(repo / "refs" / "123")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to("../../refs/123")
    with pytest.raises(BadInput, match="leaves its folder"):
        read(snapshot)


def test_a_link_to_nothing_is_absent(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("gone")
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path)


INDEXES = {
    "not JSON": "{",
    "a list": "[]",
    "no map": "{}",
    "an empty map": '{"weight_map": {}}',
    "a list for a map": '{"weight_map": [1]}',
    "numbers for files": '{"weight_map": {"a": 1}}',
    "nested without end": "[" * 100_000,
}


@pytest.mark.parametrize("text", INDEXES.values(), ids=INDEXES)
def test_a_broken_index_is_one_clear_line(shards, text):
    (shards / "model.safetensors.index.json").write_text(text)
    with pytest.raises(BadInput) as caught:
        read(shards)
    assert "\n" not in str(caught.value)


def test_a_tensor_that_is_not_where_the_index_says_is_an_error(shards):
    write_index(shards, {f"layers.{i}.w": FIRST for i in range(11)})
    with pytest.raises(BadInput, match=r"'layers.6.w' is not in"):
        read(shards)


def test_a_tensor_the_index_forgot_is_accounted_for(shards):
    write_index(shards, {"layers.0.w": FIRST, "layers.10.w": SECOND})
    assert read(shards).parameters == 66


def test_a_tensor_in_two_shards_is_an_error_unless_the_index_decides(shards):
    save_file({"layers.0.w": np.full((2, 3), 7, np.float32)}, shards / SECOND)
    write_index(shards, {"layers.0.w": SECOND, "layers.1.w": FIRST})
    weights = read(shards)
    assert weights["layers.0.w"].load()[0, 0] == 7
    assert any("a second 'layers.0.w'" in note for note in weights.notes)
    (shards / "model.safetensors.index.json").unlink()
    with pytest.raises(BadInput, match=r"'layers.0.w' is in two shards"):
        read(shards)


def test_a_folder_without_weights_says_what_was_looked_for(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "training_args.bin").write_bytes(b"not a model")
    with pytest.raises(
        BadInput, match=r"holds no weights; looked for .*model\.safetensors.*pytorch_model\.bin"
    ):
        read(tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="there are some in 'unet'"):
        read(tmp_path)


def test_of_several_files_none_is_guessed(tmp_path):
    for name in ("a", "b"):
        save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(BadInput, match=r"holds 2 files of weights \('a.safetensors', 'b.safetensors'\)"):
        read(tmp_path)


def test_the_usual_name_wins_and_what_was_not_read_is_said(tmp_path):
    for name in ("model", "adapter"):
        save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / f"{name}.safetensors")
    weights = read(tmp_path)
    assert weights.files == (str(tmp_path / "model.safetensors"),)
    assert weights.notes == ("not read: 'adapter.safetensors'",)


def test_hints_come_from_the_config_and_code_beside_it_is_not_imported(tmp_path, canary):
    save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(
        '{"model_type": "x", "n_head": 4, "n_embd": 64, "auto_map": {"A": "modeling_x.A"}}'
    )
    (tmp_path / "modeling_x.py").write_text(f"open({str(canary)!r}, 'w')")
    assert read(tmp_path).hints == {"model_type": "x", "heads": 4, "hidden_size": 64}
    assert read(tmp_path / "model.safetensors").hints["heads"] == 4


@pytest.mark.parametrize("text", ["{", "[]", '{"n_head": "many", "hidden_size": [1], "model_type": 3}'])
def test_a_config_that_is_none_gives_no_hints(tmp_path, text):
    save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text)
    assert read(tmp_path).hints == {}


def test_hints_of_the_text_model_inside_a_larger_one():
    config = {
        "model_type": "vlm",
        "text_config": {"model_type": "llama", "num_attention_heads": 8, "num_key_value_heads": 2},
    }
    assert hints_of(config) == {"model_type": "vlm", "heads": 8, "key_value_heads": 2}


def test_the_digest_covers_every_shard(shards):
    before = digest(read(shards))
    data = bytearray((shards / SECOND).read_bytes())
    data[-1] ^= 1
    (shards / SECOND).write_bytes(data)
    assert digest(read(shards)) != before


def test_real_shards_have_the_parameters_their_authors_count(asset):
    weights = read(asset("derived/proteinmpnn_v_48_020-sharded"))
    assert (weights.format, len(weights.tensors)) == ("safetensors, 2 shards", 118)
    assert weights.parameters * 4 == 6_641_940  # the index's own total_size, in bytes
    assert weights.tensors[0].name == "features.embeddings.linear.weight"
