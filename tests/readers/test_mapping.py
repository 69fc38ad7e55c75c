import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spinfunnel.core import BadInput
from spinfunnel.readers import digest, read

names = st.text(st.characters(exclude_categories=[]), max_size=12)


@given(
    st.dictionaries(
        names, arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0)), min_size=1
    )
)
def test_any_dictionary_of_arrays_is_read_as_it_is(source):
    weights = read(source)
    assert [t.name for t in weights.tensors] == [
        n.encode("utf-8", "backslashreplace").decode() for n in source
    ]
    assert [t.shape for t in weights.tensors] == [a.shape for a in source.values()]
    for tensor, array in zip(weights.tensors, source.values(), strict=True):
        assert tensor.load().tobytes() == array.tobytes()


def test_nested_dictionaries_and_both_libraries():
    weights = read({"dense": {"kernel": np.ones((2, 3)), "bias": torch.ones(3, dtype=torch.bfloat16)}})
    assert [(t.name, t.dtype) for t in weights.tensors] == [
        ("dense.kernel", "float64"),
        ("dense.bias", "bfloat16"),
    ]
    assert (weights.source, weights.path, weights.files) == ("dict", None, ())


def test_views_of_the_same_memory_are_tied_and_only_those():
    big = np.arange(12.0).reshape(3, 4)
    weights = read({"a": big, "same": big[:], "copy": big.copy(), "half": big[:2], "t": big.T})
    assert [t.tied_to for t in weights.tensors] == ["", "a", "", "", ""]


def test_empty_arrays_are_not_tied():
    assert [t.tied_to for t in read({"a": np.zeros((0, 3)), "b": np.zeros((0, 3))}).tensors] == ["", ""]


def test_the_callers_arrays_cannot_be_written_through_us():
    array = np.ones((2, 2))
    with pytest.raises(ValueError, match="read-only"):
        read({"w": array})["w"].load()[0, 0] = 2
    array[0, 0] = 3  # theirs still can


def test_what_is_not_a_number_is_accounted_for():
    weights = read(
        {"w": np.ones((2, 2)), "name": "resnet", "none": None, "objects": np.array([{}, []], object)}
    )
    assert [bool(t.skipped) for t in weights.tensors] == [False, True, True, True]


def test_nothing_to_read_and_two_of_one_name():
    with pytest.raises(BadInput, match="holds no tensors"):
        read({})
    with pytest.raises(BadInput, match=r"two arrays are named 'a\.b'"):
        read({"a.b": np.ones(2), "a": {"b": np.ones(2)}})


def test_the_digest_follows_names_types_shapes_and_values():
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    other = [{"v": w}, {"w": w.reshape(3, 2)}, {"w": w.view(np.int32)}, {"w": w + 1}, {"w": w, "b": w}]
    assert len({digest(read(source)) for source in [{"w": w}, *other]}) == 6
    assert digest(read({"w": np.asfortranarray(w)})) == digest(read({"w": w}))


def test_a_dictionary_that_holds_itself():
    endless = {}
    endless["self"] = endless
    with pytest.raises(BadInput, match="without end"):
        read(endless)
