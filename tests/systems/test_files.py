"""Files of couplings: what is written is read, and what is broken is explained."""

import numpy as np
import pytest

from spinfunnel.core import BadInput
from spinfunnel.systems import system
from spinfunnel.systems.enumeration import enumerate_states
from spinfunnel.systems.files import cut, read_couplings, read_rudy, write_bqm, write_rudy
from spinfunnel.testing import check_system


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ea", write_rudy),
        ("ea?law=gauss", write_rudy),
        ("sk", write_rudy),
        ("wishart", write_bqm),
        ("ea?law=gauss&field=.3", write_bqm),
        ("sk?field=-.1", write_bqm),
    ],
)
def test_what_is_written_is_read_to_the_last_bit(tmp_path, name, write):
    made = system(name, size=4, seed=3)
    write(made, tmp_path / "made.txt")
    again = read_couplings(tmp_path / "made.txt")
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


#: E = .5 v0 - v2 + .25 v3 - v0 v1 + .5 v0 v3 + 2 v1 v2 - 1.5 v2 v3 + 1.5, as dimod 0.12 writes it; its exact
#: solver finds -4.75 for spins and -.75 for bits (v2 = v3 = 1, the others down).
MODEL = (
    '{"type": "BinaryQuadraticModel", "version": {"bqm_schema": "3.0.0"}, "use_bytes": false, "index_type": '
    '"int32", "bias_type": "float64", "num_variables": 4, "num_interactions": 4, "variable_labels": '
    '[0, 1, 2, 3], "variable_type": "KIND", "offset": 1.5, "info": {}, "linear_biases": '
    '[0.5, 0.0, -1.0, 0.25], "quadratic_biases": [-1.0, 0.5, 2.0, -1.5], "quadratic_head": [0, 0, 1, 2], '
    '"quadratic_tail": '
    "[1, 3, 2, 3]}"
)
TEXT = "# vartype=KIND\n0 0 0.5\n0 1 -1\n0 3 .5\n1 2 2.0\n2 2 -1.0\n2 3 -1.5\n3 3 .25\n"


@pytest.mark.parametrize("text", [MODEL, TEXT])
@pytest.mark.parametrize(("kind", "lowest"), [("SPIN", -4.75 - 1.5), ("BINARY", -0.75 - 1.375)])
def test_models_of_dimod_have_the_energies_dimod_finds(tmp_path, text, kind, lowest):
    """The constant that is left out is 1.5 of spins, and of bits 1.5 - .25 / 2 + 0 / 4."""
    path = tmp_path / "model"
    path.write_text(text.replace("KIND", kind))
    made = read_couplings(path)
    found = enumerate_states(made)
    assert found.ground_state.tolist() == [-1, -1, 1, 1]
    assert found.ground_energy == pytest.approx(lowest)
    if text == MODEL:
        assert f"a constant {1.5 if kind == 'SPIN' else 1.375} is left out" in made.convention


def test_the_spin_glass_server_gives_couplings_themselves(tmp_path):
    path = tmp_path / "server"
    path.write_text("type: pm\nsize: 2\nname: ring\n1 2 1\n2 3 1\n3 4 1\n4 1 -1\n")
    made = read_couplings(path)
    assert made.size == 4
    assert made.energy(np.ones((1, 4))) == [-2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "no binary quadratic model of dimod: KeyError"),
        ('{"use_bytes": 1}', "use_bytes=False"),
        (MODEL, "variables of type 'KIND'"),
        ("# vartype=SPIN\n0 1\n0 -1 2\n", "counted from 0 to 1, got 0 and -1"),
        ("# vartype=SPIN\n", "at least one spin"),
        ("type: pm size: 3 name: x\n", "no file of the spin-glass server"),
        ("type: pm\n1 2 inf\n", "line 2: a weight must be finite"),
        ("# vartype=SPIN\n0 1 1\n2 2 1\n", "2 parts"),
    ],
)
def test_broken_models_are_explained_in_one_line(tmp_path, text, says):
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as caught:
        read_couplings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
