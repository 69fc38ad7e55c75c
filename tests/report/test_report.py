"""Report: what it holds, and that it writes whole files, and only over its own."""

import json
import pickle
import re
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from report_example import HOSTILE, check_json_is_json, check_sheet_runs_nothing, make_report

import spinfunnel.report
from spinfunnel.core import BadInput, Finding, Series
from spinfunnel.report import Report


def valid(data):
    from jsonschema import Draft202012Validator

    schema = json.loads(files("spinfunnel").joinpath("data/report-schema-1.json").read_text())
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(data)]


def test_findings_by_name(report):
    assert list(report["spectra"].table("layers")["name"]) == HOSTILE
    with pytest.raises(BadInput, match="did you mean spectra"):
        report["spectre"]
    with pytest.raises(BadInput, match="ruggedness was not run: it needs data; give a task"):
        report["ruggedness"]
    with pytest.raises(BadInput, match="it has: spectra, entries"):
        report["zzz"]


def test_a_failed_instrument_says_so(report):
    failed = replace(report, findings={}, verdicts={})
    with pytest.raises(BadInput, match="entries failed: ZeroDivisionError"):
        failed["entries"]


def test_a_verdict_that_is_missing_says_why(report):
    row = {"instrument": "bent, straight", "question": "landscape", "needs": "loss", "how": "give a task.py"}
    left = replace(report, failed=[{"instrument": "broken", "where": "", "error": "no"}], not_run=[row])
    for _ in range(2):
        with pytest.raises(BadInput, match=r"^broken failed: no$"):
            left.verdicts["broken"]
        with pytest.raises(BadInput, match=r"^straight was not run: it needs loss; give a task.py$"):
            left.verdicts["straight"]
        with pytest.raises(BadInput, match="no finding 'entris'; did you mean entries"):
            left.verdicts["entris"]
        assert left.verdicts == report.verdicts
        assert left.verdicts.get("broken") is None
        left = pickle.loads(pickle.dumps(left))


def test_outcome_is_the_worst(report):
    assert report.outcome == "bad"
    assert replace(report, verdicts={"entries": report.verdicts["entries"]}).outcome == "info"
    assert Report(report.subject, []).outcome == "unsure"


def test_json_follows_its_schema_and_comes_back(report, tmp_path):
    data = report.json(tmp_path / "new" / "report.json")
    assert valid(data) == []
    assert json.loads((tmp_path / "new" / "report.json").read_text()) == data
    check_json_is_json(report)
    column = report["spectra"].tables["layers"].columns["largest"]
    assert data["findings"][0]["tables"]["layers"]["largest"] == column.tolist(), "tables are not rounded"
    assert data["findings"][0]["tables"]["layers"]["name"] == HOSTILE


def test_the_schema_refuses_what_is_wrong(report):
    data = report.json()
    for spoil in (
        lambda d: d.update(schema=2),
        lambda d: d.update(extra=1),
        lambda d: d["findings"][0]["verdict"].update(outcome="fine"),
        lambda d: d["findings"][0]["series"][0].update(kind="pie"),
        lambda d: d["findings"][0]["tables"]["layers"]["alpha"].append([1]),
        lambda d: d["tensors"][0].update(share=1.5),
        lambda d: d["not_run"][0].pop("how"),
    ):
        wrong = json.loads(json.dumps(data))
        spoil(wrong)
        assert valid(wrong), spoil


def test_json_of_numpy_scalars_everywhere(report):
    subject = {**report.subject, "parameters": np.int64(3), "notes": [np.str_("n")]}
    finding = Finding(
        "odd", "bound", recipe={"flag": np.bool_(True), "rate": np.float32(0.5), "path": Path("a")}
    )
    data = replace(report, subject=subject, findings={"odd": finding}, verdicts={}).json()
    assert valid(data) == []
    assert data["findings"][0]["recipe"] == {"flag": True, "rate": 0.5, "path": "a"}
    assert data["findings"][0]["verdict"] is None


def test_an_empty_report_can_be_shown_in_every_way(tmp_path):
    empty = Report(
        {"source": "x", "format": "dict", "parameters": 0, "matrices": 0, "digest": "", "notes": []}, []
    )
    assert valid(empty.json()) == []
    assert "dict" in str(empty)
    assert "x" in empty._repr_html_()
    assert "Nothing could be judged" in empty.html(tmp_path / "x.html").read_text()
    assert empty.csv(tmp_path / "tables") == []


def test_csv(report, tmp_path):
    paths = report.csv(tmp_path / "tables")
    assert [path.name for path in paths] == ["spectra-layers.csv", "spectra-pairs.csv", "entries-layers.csv"]
    check_sheet_runs_nothing(paths[0].read_text())
    import pandas

    frame = pandas.read_csv(paths[0])
    assert len(frame) == len(HOSTILE)
    assert frame["largest"].to_numpy() == pytest.approx(report["spectra"].tables["layers"].columns["largest"])
    assert "'=HYPERLINK" in frame["name"][4]


@pytest.mark.parametrize("write", ["html", "json", "csv", "figures"])
def test_only_our_own_files_are_replaced(report, tmp_path, write):
    small = replace(report, findings={"entries": report.findings["entries"]}) if write == "csv" else report
    if write == "figures":
        one = replace(report["spectra"], series=report["spectra"].series[-2:], images=())
        small = replace(report, findings={"spectra": one})
    target = tmp_path / {"html": "r.html", "json": "r.json", "csv": "", "figures": ""}[write]
    file = (
        target
        if target != tmp_path
        else tmp_path / {"csv": "entries-layers.csv", "figures": "spectra-against-depth.svg"}[write]
    )
    getattr(small, write)(target)
    ours = file.read_bytes()
    getattr(small, write)(target)  # our own: replaced without a word
    file.write_text("my thesis")
    with pytest.raises(BadInput, match="was not written by spinfunnel: add --force"):
        getattr(small, write)(target)
    assert file.read_text() == "my thesis"
    getattr(small, write)(target, force=True)
    assert file.read_bytes() == ours, "the same report is the same bytes"
    assert [path.name for path in tmp_path.iterdir()] == [file.name], "no temporary file is left"


def test_what_cannot_be_written_is_one_line(report, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "r.json", tmp_path, Path("/proc/r.json")):
        with pytest.raises(BadInput, match=r"^cannot write [^\n]*$"):
            report.json(path)


def test_a_crash_while_writing_leaves_the_old_report(report, tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    report.json(path)
    old = path.read_bytes()

    def full(self, data):
        with self.open("xb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match="no space left on device"):
        report.json(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_the_report_knows_kinds_never_instruments():
    from spinfunnel.instruments import NAMES

    folder = Path(spinfunnel.report.__file__).parent
    sources = [path for path in folder.rglob("*") if path.suffix in {".py", ".js", ".css", ".html"}]
    assert len(sources) >= 12
    for path in sources:
        for name in NAMES:
            assert not re.search(rf"""["'`.]{name}["'`]""", path.read_text()), (path.name, name)


def test_nothing_heavy_is_loaded_with_the_report():
    import subprocess

    heavy = {"torch", "plotly", "pandas", "matplotlib", "jinja2"}
    code = f"import sys, spinfunnel.report; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_sparks_are_on_the_scale_of_their_axis():
    from spinfunnel.report.layers import heights

    x, y = np.arange(5), np.array([1.0, 10.0, 0.0, 10000.0])
    log = Series(x, y, kind="step", axes=(spinfunnel.core.Axis("x"), spinfunnel.core.Axis("y", "log")))
    assert heights(log, 4) == [1, 3, 0, 8]
    assert heights(replace(log, axes=Series(x, y).axes), 4) == [1, 1, 0, 8]
    assert heights(replace(log, y=np.zeros(4)), 4) == [0, 0, 0, 0]
    assert len(heights(make_report(["a"])["spectra"].series[0])) == 16
