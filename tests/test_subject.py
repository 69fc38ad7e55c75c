"""What a subject is made of: files of couplings, native states and users' own systems."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.command import run

import spinfunnel as sf
from spinfunnel import samples
from spinfunnel.core import BadInput
from spinfunnel.run import plan
from spinfunnel.subject import subject_of
from spinfunnel.systems import system
from spinfunnel.systems.files import holds_couplings, write_bqm, write_rudy
from spinfunnel.systems.protocols import Metric, Smooth, System


@pytest.fixture(autouse=True)
def little_work(monkeypatch):
    monkeypatch.setitem(samples.WORK, "quick", (3, 400, 1.0))


@pytest.fixture
def glass(tmp_path):
    path = tmp_path / "glass.rud"
    write_rudy(system("sk", size=12, seed=3), path)
    return path


def said(source, **given):
    return subject_of(source, **given).describe()["notes"][1]


def test_the_systems_own_native_state_is_used_unless_hidden_or_replaced(tmp_path):
    own = subject_of("system:wishart", size=16, seed=2)
    assert (own.native == own.system.native).all()
    assert said("system:wishart", size=16).startswith("native state: planted, the lowest: H is a sum of")
    assert said("system:lj13") == "native state: the system's own; its energy is -44.32680142"
    assert said("system:sk", size=16) == "native state: none; --native FILE gives one"
    assert said("system:sk", size=16, native="none") == "native state: none"
    hidden = subject_of("system:wishart", size=16, seed=2, native="none")
    assert hidden.native is None
    assert "native" not in hidden.supplies
    assert hidden.describe()["notes"][1] == "native state: hidden by --native none"
    other = np.ones(16)
    np.savetxt(tmp_path / "other.txt", other)
    given = subject_of("system:wishart", size=16, seed=2, native=tmp_path / "other.txt")
    assert (given.native == other).all()
    assert given.native.dtype == np.int8
    assert f"given in {tmp_path / 'other.txt'}; its energy is" in given.describe()["notes"][1]
    array = subject_of("system:wishart", size=16, seed=2, native=other)
    assert array.digest == given.digest
    assert len({own.digest, hidden.digest, given.digest}) == 3
    again = subject_of(own, native="none")
    assert (again.native, again.digest, again.origin) == (None, hidden.digest, hidden.origin)


def test_what_another_process_makes_is_the_same_subject(tmp_path, glass):
    np.save(tmp_path / "native.npy", np.ones(12, dtype=np.int8))
    made = [
        subject_of("system:wishart", size=16, seed=2),
        subject_of("system:wishart", size=16, seed=2, native="none"),
        subject_of(str(glass)),
        subject_of(glass, native=str(tmp_path / "native.npy")),
    ]
    for one in made:
        source, size, seed, *native = pickle.loads(pickle.dumps(one.origin))
        again = subject_of(source, size=size, seed=seed, native=native[0] if native else None)
        assert again.digest == one.digest
    assert subject_of(glass, native=np.ones(12)).origin is None


@pytest.mark.parametrize(
    ("native", "said"),
    [
        ("0 1 0 1", "of x = 0 and 1, give 2 x - 1"),
        ("1 -1 1", "of shape (1, 3), and a state of sk of (4,)"),
        ("1 -1 1 up", "line 1: expected numbers"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_native_state_that_is_none_is_one_line_and_exit_2(tmp_path, native, said):
    path = tmp_path / "native.txt"
    if native:
        path.write_text(native)
    done = run("diagnose", "system:sk", "--size", 4, "--native", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_model_has_no_native_state(tmp_path):
    save_file({"w": np.eye(20, dtype=np.float32)}, tmp_path / "model.safetensors")
    done = run("diagnose", tmp_path / "model.safetensors", "--native", "none")
    assert done.returncode == 2
    assert "--native is a state of a system" in done.stderr


def test_a_hidden_native_state_is_told_of_nowhere():
    def text(**given):
        report = sf.diagnose(
            "system:wishart", size=12, effort="quick", only=["thermodynamics"], jobs=1, **given
        )
        return json.dumps(report.json(), ensure_ascii=False)

    assert "planted" in text()
    assert "planted" not in text(native="none")
    assert '"native": "none"' in text(native="none")


@pytest.mark.parametrize(("name", "write"), [("sk", write_rudy), ("ea", write_bqm)])
def test_a_file_of_couplings_is_diagnosed_as_the_system_in_it(tmp_path, name, write):
    made = system(name, size=3 if name == "ea" else 12, seed=3)
    write(made, tmp_path / "couplings")
    report = sf.diagnose(tmp_path / "couplings", effort="quick", only=["thermodynamics"], jobs=1)
    same = sf.thermodynamics(made, effort="quick")
    assert report["thermodynamics"].table("temperatures")["u"].equals(same.table("temperatures")["u"])
    assert report.subject["system"]["N"] == made.size
    assert report.subject["source"] == str(tmp_path / "couplings")


def test_a_file_of_couplings_goes_through_processes_and_the_command(glass):
    two = sf.diagnose(str(glass), effort="quick", only=["thermodynamics"], jobs=2)
    done = run("diagnose", glass, "--effort", "quick", "--only", "thermodynamics", "--json", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)["findings"][0]["tables"]["temperatures"]
    assert table["u"] == two["thermodynamics"].table("temperatures")["u"].tolist()
    assert "--size is for system:NAME" in run("diagnose", glass, "--size", 5).stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("g.rud", "3 2\n1 2 1\n", "announces 3 vertices and 2 edges, but lists 1"),
        ("g.rud", "1 2 1\n2 3 1\n", "line 1: expected 'vertices edges'"),
        ("g.rud", "0.5 0.25\n0.1 0.2\n", "line 1: expected 'vertices edges'"),
        ("g.rud", "4 2\n1 2 1\n3 4 1\n", "falls into 2 parts"),
        ("server", "type: gauss\n1 2 x\n", "line 2: expected 'i j w'"),
        ("m.json", '{"hidden_size": 768}', "no binary quadratic model of dimod"),
        ("m.json", '{"quadratic_head": [', "no binary quadratic model of dimod"),
        ("notes.txt", "Dear diary\n", "unknown format"),
        ("empty", "", "is empty"),
        ("m.safetensors", '{"a": 1}', "m.safetensors"),
        ("m.index.json", '{"weight_map": {}}', "m.index.json"),
    ],
)
def test_a_broken_file_is_one_line_and_exit_2(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    done = run("diagnose", tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_weights_are_not_taken_for_couplings(tmp_path):
    save_file({"w": np.eye(20, dtype=np.float32)}, tmp_path / "a")
    np.savez(tmp_path / "b", w=np.eye(20))
    np.save(tmp_path / "c", np.eye(20))
    for name in ("a", "b.npz", "c.npy"):
        assert not holds_couplings(tmp_path / name)
        assert subject_of(tmp_path / name).supplies == {"weights"}
    assert not holds_couplings(tmp_path)
    assert not holds_couplings("a\0b")


class Least(System):
    """A user's system with the least there must be: states and energies."""

    name, convention, size = "least", "H = x^2", 1

    def energy(self, x):
        return (x**2).sum(axis=1)

    def random(self, batch, seed):
        return np.random.default_rng(seed).normal(size=(batch, 1))


class Slope(Least, Smooth, Metric):
    def gradient(self, x):
        return 2 * x

    def hvp(self, x, v):
        return 2 * v

    def overlap(self, x, y):
        return np.exp(-np.abs(x - y)[:, 0])


def test_what_a_users_system_states_decides_what_it_supplies():
    assert subject_of(Least()).supplies == {"system"}
    assert subject_of(Slope()).supplies == {"system", "anneals", "gradient", "overlap"}
    assert subject_of(Slope(), native=np.zeros(1)).supplies >= {"native"}
    ising = {"system", "moves", "overlap", "anneals", "couplings", "native"}
    assert subject_of("system:mattis", size=8).supplies == ising


def test_what_the_least_system_cannot_have_is_a_row_that_says_how():
    planned = plan(Least(), only=["thermodynamics", "overlaps"])
    assert [row["instrument"] for row in planned.not_run] == ["thermodynamics", "overlaps"]
    assert all("as Pairwise or Moves" in row["how"] for row in planned.not_run)
    assert planned.pieces == ()


def test_the_digest_of_a_users_system_is_of_its_energies():
    class Steeper(Least):
        def energy(self, x):
            return 2 * super().energy(x)

    assert subject_of(Least()).digest == subject_of(Least()).digest != subject_of(Steeper()).digest


def test_a_users_system_that_breaks_its_promises_is_one_line_before_anything_runs():
    class Broken(Least):
        def energy(self, x):
            return np.where(x[:, 0] > 0, np.nan, 0.0)

    with pytest.raises(BadInput, match=r"system least: energies must be finite, but .* have nan"):
        sf.diagnose(Broken())


@pytest.mark.parametrize(
    ("method", "gives", "said"),
    [
        ("overlap", lambda *given: np.full(len(given[0]), np.nan), r"overlap\(x, y\) .* finite numbers"),
        ("gradient", lambda x: x[:, 0], r"gradient\(x\) .* of shape \(64, 1\)"),
        ("gradient", lambda x: x / 0, r"gradient\(x\) .* finite numbers"),
        ("gradient", lambda x: x.none, r"gradient\(x\) failed when first asked: AttributeError"),
    ],
)
def test_overlaps_and_gradients_are_looked_at_too(monkeypatch, method, gives, said):
    monkeypatch.setattr(Slope, method, lambda self, *given: gives(*given))
    with pytest.raises(BadInput, match=said):
        subject_of(Slope())
