import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.command import run
from typer.testing import CliRunner

from spinfunnel import cli


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, 60, 1))
    structured = rng.normal(size=(60, 60)) + 4 * 60**0.5 * u * v.T / np.linalg.norm(u) / np.linalg.norm(v)
    weights = {"a.weight": structured.astype(np.float32), "a.bias": np.zeros(60, np.float32)}
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_diagnose_prints_a_report_and_writes_it_where_told(model, tmp_path):
    done = run("diagnose", model, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "structured" in done.stdout
    assert {"report.html", "report.json", "spectrum-layers.csv"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }


def test_json_is_all_there_is_on_stdout_and_valid(model):
    done = run("diagnose", model, "--json", "--effort", "full")
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert [t["status"] for t in document["tensors"]] == ["skipped", "analysed"]
    assert document["findings"][0]["recipe"]["effort"] == "full"


def test_only_skip_and_columns_choose_instruments(model):
    def names(*arguments):
        return [
            f["instrument"]
            for f in json.loads(run("diagnose", model, "--json", *arguments).stdout)["findings"]
        ]

    assert names("--only", "traps,condition") == ["traps", "condition"]
    assert "traps" not in names("--skip", "traps")
    assert names("--columns", "weightwatcher")[-1] == "weightwatcher"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.safetensors"], "nothing.safetensors"),
        (["MODEL", "--only", "spectrm"], "did you mean 'spectrum'"),
        (["MODEL", "--effort", "high"], "quick, normal or full"),
        (["MODEL", "--budget", "soon"], "90s, 5m or 1h"),
        (["MODEL", "--budget", "-3s"], "90s, 5m or 1h"),
        (["MODEL", "--fail-on", "good"], "bad or warning"),
        (["MODEL", "--columns", "ww"], "only weightwatcher"),
        (["MODEL", "--jobs", "0"], "at least 1"),
        (["MODEL", "--only", "traps", "--skip", "traps"], "no instrument is left"),
        ([""], "path is empty"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(model, arguments, said):
    done = run("diagnose", *[model if a == "MODEL" else a for a in arguments])
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_gate_exits_1_only_when_asked(tmp_path):
    save_file({"w": np.zeros((30, 30), np.float32)}, tmp_path / "dead.safetensors")
    assert run("diagnose", tmp_path / "dead.safetensors").returncode == 0
    assert run("diagnose", tmp_path / "dead.safetensors", "--fail-on", "bad").returncode == 1


def test_the_gate_stays_open_for_less_than_its_level(model):
    assert run("diagnose", model, "--fail-on", "bad", "--only", "condition").returncode == 0


def test_a_report_that_is_not_ours_is_not_replaced(model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("my thesis")
    done = run("diagnose", model, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (tmp_path / "out" / "report.html").read_text() == "my thesis"
    assert run("diagnose", model, "--out", tmp_path / "out", "--force").returncode == 0


def test_a_folder_that_cannot_be_written_is_found_out_before_the_work(model, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("diagnose", model, "--out", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_list_names_every_instrument(model):
    from spinfunnel.instruments import NAMES

    listed = run("list").stdout
    assert all(name in listed for name in NAMES)
    assert [one["name"] for one in json.loads(run("list", "--json").stdout)] == list(NAMES)


def test_explain_prints_the_card_and_suggests_the_nearest():
    done = run("explain", "spectrum")
    for heading in ("What", "Why", "How it judges", "Source", "Calibration"):
        assert heading in done.stdout
    assert json.loads(run("explain", "traps", "--json").stdout)["question"] == "learned"
    missing = run("explain", "trap")
    assert missing.returncode == 2
    assert "did you mean 'traps'" in missing.stderr


def test_explain_tells_what_is_known_of_a_system():
    done = run("explain", "system:ising3d")
    assert done.returncode == 0, done.stderr
    for words in ("H = -sum_<ij> s_i s_j", "ground energy", "-1536", "4.511523", "literature: Ferrenberg"):
        assert words in done.stdout
    told = json.loads(run("explain", "system:ea4?law=gauss", "--json").stdout)
    assert told["parameters"]["law"] == "gauss"
    assert {fact["kind"] for fact in told["known"]} == {"exact", "literature"}
    missing = run("explain", "system:isin3d")
    assert missing.returncode == 2
    assert "did you mean 'ising3d'" in missing.stderr


def test_calibrate_prints_rows_and_exits_1_when_one_fails(monkeypatch):
    done = CliRunner().invoke(cli.app, ["calibrate", "condition", "--json"])
    rows = json.loads(done.stdout)["rows"]
    assert done.exit_code == 0
    assert {"of", "system", "quantity", "kind", "exact", "value", "error", "sigma", "limit", "ok"} <= set(
        rows[0]
    )
    from spinfunnel.instruments import condition

    monkeypatch.setattr(condition, "EXTREME", 1e9)
    assert CliRunner().invoke(cli.app, ["calibrate", "condition"]).exit_code == 1


def test_help_and_version_work():
    assert "diagnose" in run("--help").stdout
    version = subprocess.run(
        [sys.executable, "-m", "spinfunnel", "--version"], capture_output=True, check=True
    )
    assert version.stdout.startswith(b"spinfunnel 0.")


def test_figures_are_written(model, tmp_path):
    done = run("diagnose", model, "--only", "spectrum", "--figures", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "figures").glob("*.svg"))) >= 4


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    name = "evil\x1b[31m\n[red]x[/red]<script>"
    save_file({name: np.ones((20, 30), np.float32)}, tmp_path / "m.safetensors")
    done = run("diagnose", tmp_path / "m.safetensors", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "\x1b[31m" not in done.stdout
    assert "<script>\n" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_ctrl_c_keeps_finished_work_and_exits_130(tmp_path):
    import signal
    import time

    rng = np.random.default_rng(0)
    weights = {f"w{i}": rng.normal(size=(500, 500)).astype(np.float32) for i in range(160)}
    save_file(weights, tmp_path / "m.safetensors")
    process = subprocess.Popen(
        [*(sys.executable, "-m", "spinfunnel", "diagnose", tmp_path / "m.safetensors"), "--jobs", "1",
         "--out", tmp_path / "out"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr.readline().startswith("plan: 160 matrices")
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    assert process.returncode == 130
    document = json.loads((tmp_path / "out" / "report.json").read_text())
    assert document["interrupted"]
    assert 0 < len(document["findings"][0]["tables"]["layers"]["name"]) < 160


@pytest.mark.parametrize("arguments", [["list"], ["explain", "spectrum"], ["diagnose", "MODEL"]])
def test_a_terminal_without_greek_gets_question_marks(model, arguments):
    command = [sys.executable, "-m", "spinfunnel", *[model if a == "MODEL" else a for a in arguments]]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert b"?" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["list"], ["diagnose", "MODEL"], ["diagnose", "MODEL", "--json"]])
def test_a_full_device_is_one_line(model, arguments):
    command = [sys.executable, "-m", "spinfunnel", *[model if a == "MODEL" else a for a in arguments]]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr.splitlines()[0]


def test_what_cannot_be_written_is_still_printed(model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("my thesis")
    done = run("diagnose", model, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "spectral density" in done.stdout
    assert "written:" not in done.stdout


def test_force_replaces_tables_and_figures_too(model, tmp_path):
    assert run("diagnose", model, "--only", "spectrum", "--figures", tmp_path / "figures").returncode == 0
    (tmp_path / "out").mkdir()
    foreign = [tmp_path / "out" / "spectrum-layers.csv", next((tmp_path / "figures").glob("*.svg"))]
    for path in foreign:
        path.write_text("mine")
    arguments = ["--only", "spectrum", "--out", tmp_path / "out", "--figures", tmp_path / "figures"]
    assert run("diagnose", model, *arguments).returncode == 2
    assert run("diagnose", model, *arguments, "--force").returncode == 0
    assert all(path.read_text() != "mine" for path in foreign)


def test_an_error_shows_names_as_text(tmp_path):
    done = run("diagnose", tmp_path / "\x1b[31mred\n.pt")
    assert done.returncode == 2
    assert "\\x1b[31mred\\n.pt" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_only_may_be_given_twice(model):
    done = run("diagnose", model, "--only", "traps", "--only", "condition", "--json")
    found = json.loads(done.stdout)["findings"]
    assert {one["instrument"] for one in found} == {"traps", "condition"}
