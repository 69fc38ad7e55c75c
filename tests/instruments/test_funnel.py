from dataclasses import replace

import numpy as np
import pytest

import spinfunnel as sf
from spinfunnel.coolings import Cooling, cool
from spinfunnel.instruments import instrument
from spinfunnel.instruments.funnel import evidence, judge
from spinfunnel.instruments.funnel.calibration import SEEN
from spinfunnel.instruments.funnel.rule import Evidence, classify
from spinfunnel.run import diagnose
from spinfunnel.subject import subject_of
from spinfunnel.systems import system

FUNNEL = Evidence(32, 1.0, 1.0, 1.0, 0.5, 1.0, 9.0, 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def reports():
    named = {"mattis": 40, "sk": 128, "hopfield?patterns=3": 96}
    return {
        name: diagnose(f"system:{name}", size=size, only=["funnel"], effort="quick", seed=1)
        for name, size in named.items()
    }


def test_three_landscapes_get_their_words(reports):
    words = {name: report.verdicts["funnel"].label for name, report in reports.items()}
    assert words["mattis"] == "funnel"
    assert words["sk"] in ("glass", "cannot tell")
    assert words["hopfield?patterns=3"] in ("multi-funnel", "cannot tell")


def test_only_funnel_runs_what_it_joins(reports):
    assert {"funnel", "cooling", "fork"} <= set(reports["sk"].findings)
    assert "overlaps" not in reports["sk"].findings
    assert next(iter(reports["sk"].findings)) == "funnel"  # shown first, though it is found last


def test_the_sentence_quotes_time_replicas_and_size(reports):
    sentence = reports["mattis"].verdicts["funnel"].sentence
    assert "10,000 sweeps, N = 40 and 32 replicas" in sentence
    assert "at a tenth of the time" in sentence


def test_skipping_what_it_joins_says_so():
    report = diagnose("system:mattis", size=16, only=["funnel"], skip=["fork"], effort="quick")
    (row,) = [row for row in report.not_run if row["instrument"] == "funnel"]
    assert row["needs"] == "finding:fork"
    assert "do not skip" in row["how"]


def test_what_did_not_get_through_is_a_row_not_a_crash(monkeypatch):
    def broken(subject, **rest):
        raise ValueError("no")

    module = "spinfunnel.instruments.fork.instrument"
    monkeypatch.setattr(module, replace(instrument("fork"), measure=broken))
    report = diagnose("system:mattis", size=16, only=["funnel"], effort="quick")
    assert [row["instrument"] for row in report.failed] == ["fork"]
    assert [row["instrument"] for row in report.not_run] == ["funnel"]
    assert "cooling" in report.findings


@pytest.mark.parametrize(("name", "seen", "word"), SEEN)
def test_the_rule(name, seen, word):
    assert classify(seen)[0] == word


FEW = {"a": 0.4, "a_low": 0.3, "a_high": 0.5, "a_tenth": 0.4, "groups": 2, "groups_tenth": 2, "a_best": 0.4}
HOLE = {"native_gap": 0.1, "native_hits": 0.0, "native_radius": 0.9}
LOST = {"f": 0.89, "f_mild": 0.96}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"a_low": 0.9}, "cannot tell"),
        ({"f": 0.92}, "cannot tell"),
        ({"f_mild": 0.96}, "cannot tell"),
        ({"a_low": 0.5, "a_high": 0.79} | LOST, "glass"),
        ({"a_low": 0.5, "a_high": 0.81} | LOST, "cannot tell"),
        ({"a_low": 0.5, "a_high": 0.79, "f": 0.91, "f_mild": 0.96}, "cannot tell"),
        (FEW, "multi-funnel"),
        (FEW | {"f": 0.5}, "multi-funnel"),
        (FEW | {"a_tenth": 0.2}, "cannot tell"),
        (FEW | {"groups": 7, "groups_tenth": 7}, "cannot tell"),
        (FEW | {"groups": 5, "replicas": 12}, "cannot tell"),
        (FEW | {"a_best": 0.95}, "cannot tell"),
        (FEW | {"barrier": 0.05}, "cannot tell"),
        (FEW | {"barrier": 0.2}, "multi-funnel"),
        (HOLE, "golf course"),
        (HOLE | {"native_gap": -0.01}, "funnel"),
        (HOLE | {"native_hits": 0.6}, "funnel"),
        (HOLE | {"native_radius": 0.5}, "funnel"),
        (HOLE | {"slope": -0.8}, "funnel"),
    ],
)
def test_every_threshold_of_the_rule(change, word):
    said, advice = classify(replace(FUNNEL, **change))
    assert said == word
    assert bool(advice) == (word == "cannot tell")


def test_a_doubtful_number_is_unknown_not_zero(reports):
    finding = reports["mattis"]["funnel"]
    numbers = finding.numbers | {"B": sf.Number(float("nan")), "slope": sf.Number(float("nan"))}
    seen = evidence(replace(finding, numbers=numbers))
    assert seen.barrier is None
    assert seen.slope is None
    assert judge(replace(finding, numbers=numbers)).label == "funnel"


def test_cooling_and_fork_of_one_minimum(reports):
    cooling, fork = reports["mattis"]["cooling"], reports["mattis"]["fork"]
    assert cooling.numbers["A"].value == pytest.approx(1)
    assert cooling.numbers["groups"].value == 1
    assert np.isnan(cooling.numbers["slope"].value) or cooling.numbers["slope"].value <= 0
    assert (fork.tables["forks"].columns["F"] == 1).all()
    assert reports["mattis"].verdicts["cooling"].label == "one end"
    assert reports["mattis"].verdicts["fork"].label == "survives"


def test_energies_that_are_all_equal_are_a_doubt():
    flat = system("rem", size=8)
    object.__setattr__(flat, "table", np.zeros_like(flat.table))
    report = diagnose(flat, only=["funnel"], effort="quick")
    assert any("nothing to anneal" in row["error"] for row in report.failed)


def test_all_calibrations_hold():
    for name in ("funnel", "cooling", "fork"):
        for calibration in instrument(name).calibrations:
            rows = list(calibration.run(1))
            assert rows
            assert all(row.ok and abs(row.sigma or 0) < 4 for row in rows), rows


def test_ends_alike_but_for_rounding_are_one_end():
    well = system("double-well")
    made = cool(well, Cooling(0, (1, 2, 4), 1.0, 0), seed=0)
    made = replace(made, ends=np.ones_like(made.ends) + 1e-10 * made.ends)
    made = replace(made, energies=well.energy(made.ends.reshape(-1, 2)).reshape(made.energies.shape))
    given = {"findings": {}, "seed": 0, "budget": None}
    assert instrument("cooling").measure(subject_of(well), readings=[made], **given).doubts == ()
    made.ends[:, ::2, 1] += 1
    (doubt,) = instrument("cooling").measure(subject_of(well), readings=[made], **given).doubts
    assert "one energy, but not one state" in doubt
