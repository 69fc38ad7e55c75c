import io
import warnings
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spinfunnel.core import BadInput, UnsafeFile
from spinfunnel.readers import read

numeric = st.one_of(
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.floating_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.boolean_dtypes(),
)


def npy(header, version=b"\x01\x00"):
    """A `.npy` stream made by hand."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(numeric, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)), st.booleans()
)
def test_what_numpy_saves_is_read_bit_for_bit(tmp_path_factory, array, compressed):
    path = tmp_path_factory.mktemp("round") / "model.npz"
    (np.savez_compressed if compressed else np.savez)(path, 重み=array, b=np.ones(2))
    tensor = read(path)["重み"]
    assert (tensor.shape, tensor.dtype, tensor.skipped) == (array.shape, array.dtype.name, "")
    assert tensor.load().tobytes() == array.tobytes()


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.array(3.0), np.zeros((0, 3))], ids=str)
def test_a_single_array_is_named_like_its_file(tmp_path, array):
    np.save(tmp_path / "head.npy", array)
    (tensor,) = read(tmp_path / "head.npy").tensors
    assert tensor.name == "head"
    assert np.array_equal(tensor.load(), array)


def test_an_authors_order_is_kept_and_an_alphabetical_one_becomes_depth(tmp_path):
    np.savez(tmp_path / "a.npz", **{name: np.ones(2) for name in ("enc", "dec", "fc")})
    assert [t.name for t in read(tmp_path / "a.npz").tensors] == ["enc", "dec", "fc"]
    np.savez(tmp_path / "b.npz", **{f"w{i}": np.ones(2) for i in sorted(range(12), key=str)})
    assert [t.name for t in read(tmp_path / "b.npz").tensors] == [f"w{i}" for i in range(12)]


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_pickled_objects_are_refused_and_nothing_is_executed(tmp_path, bomb, name):
    array = np.array([bomb, None], dtype=object)
    if name.endswith("z"):
        np.savez(tmp_path / name, w=np.ones((3, 3)), history=array)
    else:
        np.save(tmp_path / name, array)
    with pytest.raises(UnsafeFile, match=r"pickled Python objects.* nothing was executed"):
        read(tmp_path / name)


def test_an_object_inside_a_structure_is_refused_too(tmp_path, bomb):
    np.save(tmp_path / "a.npy", np.array([(1.0, bomb)], dtype=[("x", "f8"), ("y", "O")]))
    with pytest.raises(UnsafeFile):
        read(tmp_path / "a.npy")


def test_what_is_not_a_number_is_accounted_for(tmp_path):
    bfloat = np.ones(3, ml_dtypes.bfloat16)  # numpy writes it as two raw bytes, its type is lost
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)), words=np.array(["a", "b"]), raw=bfloat)
    weights = read(tmp_path / "a.npz")
    assert [bool(tensor.skipped) for tensor in weights.tensors] == [False, True, True]
    assert "not numbers (<U1)" in weights["words"].skipped


HEADERS = {
    "cut": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }")[:30],
    "no magic": b"hello, world, this is no array at all",
    "code": npy("__import__('os').system('true')"),
    "negative": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-2, 3), }"),
    "unknown type": npy("{'descr': '<q99', 'fortran_order': False, 'shape': (2, 3), }"),
    "shorter than its shape": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }") + bytes(40),
    "far too long": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000, 9000000000), }")
    + bytes(40),
    "a version of the future": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", b"\x09\x00")
    + bytes(8),
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_broken_array_is_one_clear_line(tmp_path, data, zipped):
    if zipped:
        path = archive(tmp_path / "a.npz", w=data)
    else:
        path = tmp_path / "a.npy"
        path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert "a.np" in str(caught.value)


def test_a_truncated_archive_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((20, 20)))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="broken zip archive"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_flipped_bit_is_found_by_the_checksum_when_the_array_is_loaded(tmp_path, rng, compressed):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", w=rng.standard_normal((200, 200)))
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    whole[len(whole) // 2] ^= 4
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(BadInput, match=r"'w.npy' is damaged"):
        read(tmp_path / "a.npz")["w"].load()


def test_two_arrays_of_one_name_are_refused(tmp_path):
    data = io.BytesIO()
    np.save(data, np.ones(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the second
        file.writestr("w.npy", data.getvalue())
        file.writestr("w.npy", data.getvalue())
    with pytest.raises(BadInput, match="two arrays of one name"):
        read(tmp_path / "a.npz")


def test_a_real_archive_has_the_parameters_its_authors_count(asset):
    weights = read(asset("models/g2p-en/checkpoint20.npz"))
    assert (len(weights.tensors), weights.parameters) == (12, 834_890)
    assert [t.name for t in weights.tensors][:2] == ["enc_emb", "enc_w_ih"]
