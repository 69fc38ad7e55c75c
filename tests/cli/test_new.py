import pytest
from tests.command import run

from spinfunnel import Subject
from spinfunnel.preflight import check
from spinfunnel.task_file import load


def test_the_task_that_is_written_runs_as_it_stands(tmp_path):
    done = run("new", "task", tmp_path / "sub" / "mine.py")
    assert done.returncode == 0, done.stderr
    assert f"spinfunnel diagnose {tmp_path}/sub/mine.py --out report" in done.stdout
    text = (tmp_path / "sub" / "mine.py").read_text()
    assert "spinfunnel diagnose mine.py" in text
    assert [f"HERE {i}:" in text for i in range(1, 6)] == [True] * 4 + [False]
    pytest.importorskip("sklearn")
    subject = load(tmp_path / "sub" / "mine.py", Subject)
    assert check(subject.model, subject.losses, subject.errors, subject.train, subject.build) == ()
    wrong = [subject.errors(subject.model, batch).mean() for batch in subject.certify]
    assert sum(wrong) / len(wrong) < 0.1


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path):
    (tmp_path / "task.py").write_text("mine")
    done = run("new", "task", tmp_path)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (tmp_path / "task.py").read_text() == "mine"
    assert run("new", "task", tmp_path, "--force").returncode == 0
    assert "Subject" in (tmp_path / "task.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paper"], "no template for 'paper'"),
        (["task", "FOLDER/task.txt"], "does not end in .py"),
        (["task", "FOLDER/file/task.py"], "cannot read or write"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path, arguments, said):
    (tmp_path / "file").write_text("")
    done = run("new", *[one.replace("FOLDER", str(tmp_path)) for one in arguments])
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_help_says_what_is_run_and_what_is_not():
    assert "the one thing whose code is run" in " ".join(
        run("diagnose", "--help").stdout.replace("│", " ").split()
    )
    said = " ".join(run("new", "--help").stdout.split())
    assert "Only a task that is named on the command line" in said
