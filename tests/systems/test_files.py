"""Files of couplings: what is written is read, and what is broken is explained."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.files import cut, read_rudy, write_rudy
from spinfunnel.testing import check_system


@pytest.mark.parametrize("name", ["ea", "ea?law=gauss", "sk", "wishart"])
def test_what_is_written_is_read_to_the_last_bit(tmp_path, name):
    made = system(name, size=4, seed=3)
    write_rudy(made, tmp_path / "made.txt")
    again = read_rudy(tmp_path / "made.txt")
    assert again.name == "made"
    for array in ("indptr", "indices", "couplings", "fields"):
        assert (getattr(made, array) == getattr(again, array)).all()
    check_system(again)


def test_the_lowest_energy_is_the_largest_cut(tmp_path):
    """The bow tie: two triangles that share a vertex; the larger cut takes two edges of each."""
    path = tmp_path / "tie"
    path.write_text("5 6\n1 2 3\n2 3 1\n\n1 3 2\n3 4\n4 5 1\n5 3 1\n")
    made = read_rudy(path)
    found = enumerate_states(made)
    assert cut(made, found.ground_state[None]).tolist() == [5 + 2]
    assert found.ground_energy == 9 - 2 * 7
    assert cut(made, np.ones((1, 5))).tolist() == [0]
    sides = np.array([[1, -1, 1, 1, 1]])
    assert cut(made, sides).tolist() == [3 + 1]


def test_a_cut_leaves_fields_out():
    made = system("ising1d?field=.7", size=4)
    assert cut(made, np.array([[1, 1, 1, -1]])) == pytest.approx([-2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("3\n", "line 1: expected 'vertices edges', got '3'"),
        ("3 x\n1 2 1\n", "expected 'vertices edges'"),
        ("3 3\n1 2 1\n2 3 1\n", "announces 3 vertices and 3 edges, but lists 2"),
        ("3 1\n1 2 1\n2 3 1\n", "lists 2"),
        ("3 2\n1 2 1\n2 4 1\n", "line 3: vertices are counted from 1 to 3, got 2 and 4"),
        ("3 2\n0 1 1\n1 2 1\n", "line 2: vertices are counted from 1"),
        ("3 2\n1 2 1\n2 3 one\n", "line 3: expected 'i j w', got '2 3 one'"),
        ("3 2\n1 2 1\n\n2 3 1 1\n", "line 4: expected 'i j w'"),
        ("3 2\n1 2 1\n99999999999999999999 3 1\n", "line 3: expected 'i j w'"),
        ("3 2\n1 2 1\n2 2 1\n", "spin 1 is coupled to itself"),
        ("3 3\n1 2 1\n2 1 1\n2 3 1\n", "given twice"),
        ("3 2\n1 2 1\n2 3 nan\n", "finite"),
        ("4 2\n1 2 1\n3 4 1\n", "2 parts"),
        ("0 0\n", "announces 0 vertices"),
    ],
)
def test_broken_files_are_explained_in_one_line(tmp_path, text, says):
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        read_rudy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_or_is_not_there(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("binary", "absent"):
        with pytest.raises(BadInput, match="cannot be read as text"):
            read_rudy(tmp_path / name)


def test_fields_have_no_place(tmp_path):
    with pytest.raises(BadInput, match="no place for fields, ising1d has 5"):
        write_rudy(system("ising1d?field=1", size=5), tmp_path / "x")
