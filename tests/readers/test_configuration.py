"""A state in a file: every way of writing one gives the same numbers, and nothing else is taken for one."""

import json

import numpy as np
import pytest

from spinfunnel.core import BadInput, UnsafeFile
from spinfunnel.readers.configuration import read_configuration

SPINS = np.array([1, -1, -1, 1, 1], dtype=np.int8)


def test_every_way_of_writing_a_state_gives_it(tmp_path):
    places = np.random.default_rng(0).normal(size=(5, 3))
    for state in (SPINS, places):
        np.save(tmp_path / "a.npy", state)
        np.savez(tmp_path / "a.npz", x=state)
        np.savez_compressed(tmp_path / "b.npz", x=state)
        (tmp_path / "a.json").write_text(json.dumps(state.tolist()))
        np.savetxt(tmp_path / "a.txt", state, fmt="%.17g", header="one a line")
        np.savetxt(tmp_path / "a.csv", state, fmt="%.17g", delimiter=",")
        for name in ("a.npy", "a.npz", "b.npz", "a.json", "a.txt", "a.csv"):
            read = np.squeeze(read_configuration(tmp_path / name))
            assert read.shape == state.shape, name
            assert (read == state).all(), name


def test_what_decides_is_what_is_in_the_file_not_its_name(tmp_path):
    np.save(tmp_path / "a.npy", SPINS)
    (tmp_path / "a.npy").rename(tmp_path / "a.txt")
    assert (read_configuration(str(tmp_path / "a.txt")) == SPINS).all()


def test_pickles_are_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("run").touch, ())

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "trap.npz", np.array([Trap()], dtype=object))
    for name in ("trap.npy", "trap.npz"):
        with pytest.raises(UnsafeFile, match="nothing was executed"):
            read_configuration(tmp_path / name)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no numbers"),
        (b"# only a comment\n", "holds no numbers"),
        (b"1\n-1\nup\n", "line 3: expected numbers, got 'up'"),
        (b"1 2 3\n1 2\n", "line 2: 2 numbers, where the lines before have 3"),
        (b"1\nnan\n", "finite numbers, 1 are not"),
        (b"[1, -1", "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b"[[1], [1, 2]]", "one array of numbers"),
        (b'["up", "down"]', "one array of numbers"),
        (b'{"x": [1]}', "one array of numbers"),
        (b"[1" + b"0" * 400 + b"]", "one array of numbers"),
        (b"[]", "holds no numbers"),
        (b"\x80\x04\x95", "neither numpy's"),
        (b"\x93NUMPY\x01\x00", "broken header"),
        (b"PK\x03\x04nothing", "broken zip"),
    ],
)
def test_what_is_no_state_is_one_line(tmp_path, content, says):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        read_configuration(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_files_that_hold_several_arrays_or_none_that_can_be_read(tmp_path):
    np.savez(tmp_path / "two.npz", a=SPINS, b=SPINS)
    with pytest.raises(BadInput, match="it holds 2: 'a', 'b'"):
        read_configuration(tmp_path / "two.npz")
    np.save(tmp_path / "complex.npy", SPINS * 1j)
    with pytest.raises(BadInput, match="one array of numbers"):
        read_configuration(tmp_path / "complex.npy")
    for path in (tmp_path / "nothing.npy", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_configuration(path)
