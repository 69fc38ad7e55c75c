"""`diagnose` on systems: what runs, what is told of the subject, and that nothing depends on how it runs."""

import importlib.resources
import json

import numpy as np
import pytest
from tests.command import run

import spinfunnel as sf
from spinfunnel import samples
from spinfunnel.core import BadInput
from spinfunnel.run import plan
from spinfunnel.systems import system


@pytest.fixture(autouse=True)
def little_work(monkeypatch):
    monkeypatch.setitem(samples.WORK, "quick", (3, 400, 1.0))


def table(report):
    return report["thermodynamics"].table("temperatures")


def test_a_system_runs_the_landscape_and_nothing_of_weights():
    usual = {one.name for one in plan("system:sk", size=12, effort="quick").instruments}
    assert {"thermodynamics", "overlaps"} <= usual
    assert not usual & {one.name for one in plan({"w": np.eye(20)}).instruments}
    only = ["thermodynamics", "overlaps"]
    report = sf.diagnose("system:sk", size=12, effort="quick", only=only)
    assert list(report.findings) == only
    assert report.tensors == []
    assert report.not_run == []
    assert report.subject["system"] == {"name": "sk", "N": 12, "law": "gauss", "field": 0.0, "seed": 0}
    assert "variance 1" in report.subject["notes"][0]
    assert {one.question for one in report.findings.values()} == {"landscape"}


def test_a_model_is_told_of_the_landscape_in_a_row_for_each_thing_it_lacks():
    report = sf.diagnose({"w": np.random.default_rng(0).normal(size=(30, 40))})
    rows = {one["needs"]: one for one in report.not_run if one["question"] == "landscape"}
    assert rows.keys() == {"loss", "gradient"}
    assert "slices" in rows["loss"]["instrument"]
    assert "spinfunnel new task" in rows["loss"]["how"]
    assert "task.py" in rows["gradient"]["how"]
    with pytest.raises(BadInput, match="give system:NAME"):
        sf.thermodynamics(np.ones((30, 40)))
    with pytest.raises(BadInput, match="spectrum needs what this source lacks"):
        sf.spectrum("system:sk", size=8)


def test_an_instrument_is_callable_on_a_system():
    it = system("sk", size=10, seed=3)
    one, two = sf.thermodynamics(it, effort="quick"), sf.thermodynamics(it, effort="quick")
    assert (one.table("temperatures")["u"] == two.table("temperatures")["u"]).all()
    assert one.recipe["digest"] == two.recipe["digest"]
    assert (
        one.recipe["digest"]
        != sf.thermodynamics(system("sk", size=10, seed=4), effort="quick").recipe["digest"]
    )


def test_the_number_of_processes_does_not_change_a_bit():
    one = table(sf.diagnose("system:sk", size=12, effort="quick", jobs=1))
    two = table(sf.diagnose("system:sk", size=12, effort="quick", jobs=2))
    assert one.equals(two)


def test_the_seed_makes_the_system_too():
    one, same, other = (sf.diagnose("system:sk", size=10, effort="quick", seed=s) for s in (1, 1, 2))
    assert table(one).equals(table(same))
    assert one.subject["digest"] == same.subject["digest"] != other.subject["digest"]
    assert table(one)["u_exact"].iloc[0] != table(other)["u_exact"].iloc[0]


def test_an_interrupt_keeps_finished_ladders_and_says_so():
    def stop(done, total, name):
        assert name.startswith("ladders")
        if done > total / 2:
            raise KeyboardInterrupt

    only = ["thermodynamics", "overlaps"]
    report = sf.diagnose("system:sk", size=10, effort="quick", only=only, progress=stop)
    assert report.interrupted
    assert report["thermodynamics"].numbers["ladders"].value == 4
    assert any("2 of 3 sets of ladders were not run" in doubt for doubt in report["thermodynamics"].doubts)
    assert report.verdicts["thermodynamics"].outcome == "unsure"
    spent = sf.diagnose("system:sk", size=10, effort="quick", only=only, budget=1e-9)
    assert {row["needs"] for row in spent.not_run} == {"time"}


def test_the_plan_tells_what_will_be_run():
    planned = plan("system:sk", size=24, effort="quick", only=["thermodynamics", "overlaps"])
    assert "system:sk, N = 24, 3 sets of ladders; thermodynamics, overlaps" in str(planned)
    assert planned.seconds > 0
    assert plan("system:mueller-brown", only=["overlaps"]).pieces == ()


def test_what_is_written_of_a_system_is_complete_and_valid(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    done = run(
        "diagnose",
        "system:sk",
        "--size",
        12,
        "--effort",
        "quick",
        "--only",
        "thermodynamics,overlaps",
        "--out",
        tmp_path,
        "--figures",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "N = 12 · law gauss" in done.stdout
    assert "matrices" not in done.stdout
    document = json.loads((tmp_path / "report.json").read_text())
    schema = importlib.resources.files("spinfunnel") / "data" / "report-schema-1.json"
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert document["tensors"] == []
    page = (tmp_path / "report.html").read_text()
    assert "Can it be simpler?" not in page
    assert "Tensors:" not in page
    assert "N = 12" in page
    assert (tmp_path / "thermodynamics-temperatures.csv").read_text().startswith("T,u,u_error,c,")
    assert (tmp_path / "thermodynamics-heat-capacity-per-spin-n-12.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["system:wishrt"], "did you mean 'wishart'"),
        (["system:sk?low=pm"], "no parameter 'low'"),
        (["system:sk", "--size", "0"], "size must be positive"),
        (["MODEL", "--size", "5"], "--size is for system:NAME"),
        (["system:sk", "--only", "thermodynamic"], "did you mean 'thermodynamics'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, arguments, said):
    np.savez(tmp_path / "model.npz", w=np.eye(20))
    done = run("diagnose", *[tmp_path / "model.npz" if a == "MODEL" else a for a in arguments])
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_cannot_be_run_is_one_line_a_kind_and_exit_2(tmp_path):
    (tmp_path / "zero.rud").write_text("4 3\n1 2 0\n2 3 0\n3 4 0\n")
    done = run("diagnose", tmp_path / "zero.rud", "--effort", "quick")
    assert done.returncode == 2
    failed = " ".join(done.stdout.split()).partition("failed:")[2].partition("not run:")[0]
    assert failed.count("has no move that costs energy") == 2
    assert failed.count("all sets of ") == 2
    for asked in (["--only", "criticality"], ["--only", "funnel", "--skip", "fork"]):
        done = run("diagnose", "system:sk", "--size", 8, "--effort", "quick", *asked)
        assert done.returncode == 2
        assert "not run:" in done.stdout
