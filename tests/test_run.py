import numpy as np
import pytest
from safetensors.numpy import save_file

import spinfunnel as sf
from spinfunnel import run
from spinfunnel.core import BadInput, Finding, Instrument, Reading, Table, Verdict


@pytest.fixture
def model():
    rng = np.random.default_rng(1)
    return {f"layer.{i}.weight": rng.normal(size=(48, 40 + 8 * i)).astype(np.float32) for i in range(5)}


@pytest.fixture
def file(model, tmp_path):
    save_file(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def layers(report, name="spectrum"):
    return report[name].table("layers")


def test_every_matrix_has_a_row_in_every_instrument(file):
    report = sf.diagnose(file)
    assert set(report.findings) >= {"spectrum", "untrained", "traps", "condition"}
    for name in report.findings:
        assert list(layers(report, name)["name"]) == [f"layer.{i}.weight" for i in range(5)]
        assert {"verdict", "label", "reason"} <= set(layers(report, name).columns)
    assert not report.failed
    assert {row["needs"] for row in report.not_run if row["instrument"]} <= {"loss", "history", "gradient"}


def test_the_number_of_processes_does_not_change_a_bit(file):
    one = layers(sf.diagnose(file, jobs=1))
    two = layers(sf.diagnose(file, jobs=2))
    assert one.equals(two)


def test_the_seed_changes_what_is_random_and_nothing_else(file):
    one, same, other = (layers(sf.diagnose(file, seed=seed, only=["spectrum"])) for seed in (3, 3, 4))
    assert one.equals(same)
    assert (one["alpha"] == other["alpha"]).all()
    assert (one["alpha_low"] != other["alpha_low"]).any()


def test_only_and_skip(file):
    assert list(sf.diagnose(file, only=["traps"]).findings) == ["traps"]
    assert list(sf.diagnose(file, only="traps").findings) == ["traps"]
    assert "traps" not in sf.diagnose(file, skip=["traps"]).findings
    with pytest.raises(BadInput, match="did you mean 'spectrum'"):
        sf.diagnose(file, only=["spektrum"])


@pytest.mark.parametrize("bad", [{"effort": "much"}, {"jobs": 0}])
def test_impossible_arguments_are_refused(file, bad):
    with pytest.raises(BadInput, match="must be"):
        sf.diagnose(file, **bad)


def test_an_instrument_is_callable_on_an_array_and_gives_its_finding():
    finding = sf.spectrum(np.random.default_rng(0).normal(size=(64, 64)))
    assert finding.table("layers")["label"][0] == "like noise"
    with pytest.raises(BadInput, match="no spectrum"):
        sf.spectrum(np.zeros(5))


def test_a_crash_in_one_matrix_is_a_row_and_the_rest_stands(file, monkeypatch):
    whole = run.instrument

    def broken(name):
        one = whole(name)
        if name != "traps":
            return one

        def each(matrix, *, seed, effort):
            if matrix.part.name == "layer.2.weight":
                raise RuntimeError("planted")
            return one.each(matrix, seed=seed, effort=effort)

        return Instrument(**{**vars(one), "each": each})

    monkeypatch.setattr(run, "instrument", broken)
    report = sf.diagnose(file)
    assert report.failed == [
        {"instrument": "traps", "where": "layer.2.weight", "error": "RuntimeError: planted"}
    ]
    assert len(layers(report, "traps")) == 4
    assert len(layers(report, "spectrum")) == 5


def test_a_spent_budget_leaves_what_was_finished_and_says_so(file):
    report = sf.diagnose(file, budget=1e-9)
    assert not report.findings
    assert {row["needs"] for row in report.not_run if row["question"] == "learned"} == {"time"}


def test_an_interrupt_keeps_finished_work(file):
    def stop(done, total, name):
        if done > total / 2:
            raise KeyboardInterrupt

    report = sf.diagnose(file, progress=stop)
    assert report.interrupted
    assert 0 < len(layers(report)) < 5
    assert any("cut short" in doubt for doubt in report["spectrum"].doubts)


def test_progress_reaches_the_total(file):
    seen = []
    sf.diagnose(file, progress=lambda done, total, name: seen.append((name, done, total)))
    names, done, total = zip(*seen, strict=True)
    assert names[::2] == names[1::2], "told when it begins, and when it is done"
    assert len(set(names)) == 5
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, pytest.approx(total[-1]))


def test_a_file_without_matrices_tells_what_is_missing(tmp_path):
    save_file({"bias": np.zeros(4, np.float32)}, tmp_path / "m.safetensors")
    report = sf.diagnose(tmp_path / "m.safetensors")
    assert not report.findings
    assert {"spectrum", "condition"} <= set(report.not_run[0]["instrument"].split(", "))
    assert "no matrix" in report.not_run[0]["how"]


def test_importing_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, spinfunnel; "
        "heavy = {'torch', 'plotly', 'pandas', 'numba', 'scipy.stats'}; "
        "assert not heavy & set(sys.modules); "
        "import spinfunnel.cli; "
        "assert not (heavy | {'scipy'}) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_judging_sees_a_new_threshold_without_measuring_again():
    finding = Finding(
        "x", "learned", tables={"layers": Table({"name": np.array(["a"]), "v": np.array([3.0])})}
    )
    one = Instrument(
        "x", "learned", frozenset(), lambda *a, **k: finding, lambda f: Verdict("good", "g", "s"),
        lambda s, e: 0.0, "", "", "", "", each=lambda *a, **k: Reading({}),
        judge_row=lambda row: sf.core.RowVerdict("bad" if row["v"] > 2 else "good", "w", "r"),
    )  # fmt: skip
    assert run.judge_rows(one, finding).tables["layers"].columns["verdict"][0] == "bad"


def test_the_plan_is_told_before_the_work(file):
    planned = run.plan(file)
    text = str(planned)
    assert "5 matrices" in text
    assert "process" in text
    assert planned.seconds > 0


@pytest.mark.parametrize("kind", ["numpy", "torch", "parameter", "pandas"])
def test_an_instrument_is_callable_on_any_array(kind):
    import pandas
    import torch

    array = np.random.default_rng(0).normal(size=(64, 48)).astype(np.float32)
    make = {
        "numpy": np.asarray,
        "torch": lambda a: torch.tensor(a, requires_grad=True) * 1,
        "parameter": lambda a: torch.nn.Parameter(torch.tensor(a)),
        "pandas": pandas.DataFrame,
    }[kind]
    assert sf.condition(make(array)).table("layers")["median_norm"][0] == pytest.approx(
        np.median(np.linalg.norm(array, axis=1))
    )
    with pytest.raises(BadInput, match="no spectrum"):
        sf.condition(make(array)[0] if kind != "pandas" else pandas.Series(array[0]))


def test_a_source_without_matrices_says_why():
    with pytest.raises(BadInput, match="W: complex numbers are not analysed"):
        sf.spectrum(np.ones((20, 30), complex))
    with pytest.raises(BadInput, match="object of type list"):
        sf.spectrum([[1.0, 2.0], [3.0, 4.0]])


#: Matrices that a trained model should not hold, and what the instruments call them, where that is certain.
STRANGE = {
    "constant": (lambda rng: np.full((50, 60), 0.3, np.float32), "cannot tell"),
    "ones": (lambda rng: np.ones((50, 60)), "cannot tell"),
    "one number": (lambda rng: np.eye(50, 60) * (np.arange(60) == 7), "cannot tell"),
    "equal rows": (lambda rng: np.tile(rng.normal(size=60), (50, 1)), "cannot tell"),
    "rank one": (lambda rng: np.outer(rng.normal(size=50), rng.normal(size=60)).astype("f4"), "cannot tell"),
    "rank three": (lambda rng: rng.normal(size=(50, 3)) @ rng.normal(size=(3, 60)), "cannot tell"),
    "projection": (lambda rng: np.diag(np.arange(60.0) % 3 > 0).astype("f8"), ""),
    "three rows alive": (
        lambda rng: np.vstack([rng.normal(size=(3, 60)), np.zeros((47, 60))]),
        "cannot tell",
    ),
    "subnormal": (lambda rng: rng.normal(size=(50, 60)).astype("f4") * np.float32(1e-40), "like noise"),
    "near the largest float32": (lambda rng: rng.uniform(-3e38, 3e38, (50, 60)).astype("f4"), "like noise"),
    "one huge entry": (lambda rng: rng.normal(size=(50, 60)) + 1e30 * np.eye(50, 60), ""),
}


@pytest.mark.parametrize("effort", ["normal", "full"])
@pytest.mark.parametrize("name", STRANGE)
def test_strange_matrices_neither_crash_nor_warn_nor_are_called_what_they_are_not(name, effort):
    make, label = STRANGE[name]
    report = sf.diagnose(make(np.random.default_rng(5)), effort=effort)
    assert not report.failed
    assert label in ("", layers(report)["label"][0])
    assert "nan" not in layers(report)["reason"][0]
    assert str(report)
    assert report.json()


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e300])
def test_numbers_without_squares_are_told_once_and_the_rest_stands(scale):
    rng = np.random.default_rng(1)
    report = sf.diagnose({"far": rng.normal(size=(40, 50)) * scale, "near": rng.normal(size=(40, 50))})
    assert list(layers(report)["name"]) == ["near"]
    assert list(layers(report, "condition")["label"]) == ["sound"]
    shown = " ".join(str(report).split())
    assert shown.count("multiply the weights by a constant") == 1
    assert "failed: spectrum, untrained, traps, condition · far · entries of" in shown
