"""The documentation tells the truth: its examples run, its outputs are true, and its pages are complete."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from safetensors.numpy import save_file

import spinfunnel as sf

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import blocks as blocks_module  # noqa: E402
import generate  # noqa: E402
import instrument_pages  # noqa: E402

from spinfunnel.core import OUTCOMES  # noqa: E402
from spinfunnel.instruments import NAMES, instrument  # noqa: E402
from spinfunnel.systems import MAKERS, facts  # noqa: E402
from spinfunnel.task_file import load  # noqa: E402

FENCE = re.compile(
    r'^```(?P<language>\w*)(?: title="(?P<title>[^"]*)")?\n(?P<code>.*?)^```', re.DOTALL | re.MULTILINE
)
PAGES = generate.pages()


def blocks(path: Path, *languages: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [
        found["code"]
        for found in FENCE.finditer(text)
        if found["language"] in languages and not found["title"]
    ]


def files_told(path: Path) -> dict[str, str]:
    """The files that a page tells the reader to write, by the path in their title."""
    text = path.read_text(encoding="utf-8")
    return {found["title"]: found["code"] for found in FENCE.finditer(text) if found["title"]}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(generate.sandbox(tmp_path))
    return tmp_path


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, "python")], ids=ids)
def test_python_examples_run(path: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "__example__"}
    for code in blocks(path, "python"):
        capsys.readouterr()
        try:
            exec(compile(code, str(path), "exec"), names)
        except Exception as error:
            if isinstance(report := names.get("report"), sf.Report):  # why a finding is not in it
                error.add_note(f"failed: {report.failed}; not run: {report.not_run}")
            raise
        # a comment after a print says what it prints
        promised = re.findall(r"^print\(.*\)\s+# (.+)$", code, re.MULTILINE)
        printed = capsys.readouterr().out.splitlines()
        if promised:
            assert printed == promised, f"{ids(path)} promises what it does not print"


def shown_commands() -> list[tuple[str, str, str]]:
    """Every `$ spinfunnel` of every page that is not generated, with the output the page shows."""
    found = []
    for path in PAGES:
        text = generate.MARK.sub("", path.read_text(encoding="utf-8"))
        for fence in FENCE.finditer(text):
            if fence["language"] in ("console", "bash") and fence["code"].startswith("$ spinfunnel"):
                command, _, output = fence["code"].partition("\n")
                found.append((ids(path), command.removeprefix("$ "), output))
    return found


@pytest.mark.parametrize(("page", "command", "output"), shown_commands())
def test_commands_run(page: str, command: str, output: str, here: Path) -> None:
    printed = generate.command_output(command, here)
    assert printed
    assert not output or generate.alike(output, printed)


@pytest.mark.slow
def test_shell_examples_of_readme_run(here: Path) -> None:
    """All of them in one folder, one after the other; the files they take as given are made when needed."""
    code = "".join(blocks(ROOT / "README.md", "bash"))
    lines = [shlex.split(line, comments=True) for line in code.splitlines() if line.startswith("spinfunnel ")]
    assert len(lines) > 5
    (here / "task.py").unlink()
    (here / "couplings.txt").write_text("4 5\n1 2 1\n2 3 1\n3 4 1\n4 1 -1\n1 3 1\n")
    for _, *words in lines:
        if "other.safetensors" in words:
            second = load("task.py:train", FunctionType)(1).state_dict()
            save_file({name: value.numpy() for name, value in second.items()}, here / "other.safetensors")
        done = subprocess.run(
            [sys.executable, "-c", "from spinfunnel.cli import main; main()", *words], cwd=here,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def test_the_instrument_of_contributing_works(tmp_path: Path) -> None:
    """Do what CONTRIBUTING says, literally, in a copy: four files, and everything else follows."""
    files = files_told(ROOT / "CONTRIBUTING.md")
    assert list(files) == [
        "src/spinfunnel/instruments/balance.py",
        "tests/instruments/test_balance.py",
        "tests/mutants/test_balance_mutant.py",
    ]
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, code in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    register = tmp_path / "src" / "spinfunnel" / "instruments" / "__init__.py"
    line = "NAMES: tuple[str, ...] = (\n"
    register.write_text(register.read_text().replace(line, f'{line}    "balance",\n'), encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=generate.sandbox(tmp_path), capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "src")}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tests = list(files)[1:]
    assert "4 passed" in run("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *tests)
    run("-m", "doctest", next(iter(files)))
    shown = run(
        "-c",
        "import spinfunnel as sf, spinfunnel.cli, sys\n"
        "assert 'src' in sf.__file__ and sf.__file__.startswith(sys.argv[1])\n"
        "report = sf.diagnose('model.safetensors', only=['balance'])\n"
        "print(report)\n"
        "sys.argv[1:] = ['explain', 'balance']\n"
        "spinfunnel.cli.main()",
        str(tmp_path),
    )
    assert "matrices have more entries of one sign" in shown
    assert "Initialisations are symmetric" in shown


def test_generated_parts_are_current() -> None:
    assert [ids(path) for path in generate.stale()] == [], "run `make docs`"


def test_a_stale_part_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: questions -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(generate, "pages", lambda: [page])
    text = generate.stale()[page]
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "What did it learn?" in text
    page.write_text(text, encoding="utf-8")
    assert generate.stale() == {}
    page.write_text(text.replace("What did", "What has"), encoding="utf-8")
    assert page in generate.stale()


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("alpha 2.31 of 12", "alpha 2.32 of 12", True),  # a last digit
        ("alpha 2.31 of 12", "alpha 2.61 of 12", False),
        ("alpha 2.31 of 12", "alpha 2.31 of 13", False),  # a count must be exact
        ("structured 2.31", "like noise 2.31", False),
    ],
)
def test_only_last_digits_may_differ(old: str, new: str, same: bool) -> None:
    assert generate.alike(old, new) is same


def test_every_column_is_explained_and_none_that_is_not_there(here: Path) -> None:
    text = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(\w+)`", text.split("## Columns of the table")[1])) - {"spectrum"}
    rng = np.random.default_rng(0)
    odd = {
        "heavy": rng.standard_t(2.5, size=(100, 120)),
        "orthogonal": np.linalg.qr(rng.normal(size=(64, 64)))[0],
        "broken": np.full((30, 30), np.nan),
    }
    given = set()
    for source in ("trained.safetensors", odd):
        found = sf.diagnose(source, only=["spectrum"], effort="full")["spectrum"]
        given |= set(found.tables["layers"].columns)
    assert given - {"name", "part"} == explained


def test_every_system_has_a_page_and_facts_with_sources() -> None:
    assert generate.lacking() == []
    assert set(facts.table()) == set(MAKERS)
    for name in MAKERS:
        exact = [fact for fact in facts.facts(name) if fact.kind == "exact"]
        assert exact, f"nothing exact is known of {name}"
        assert all(fact.quantity and fact.text and fact.where and fact.source for fact in exact), name


def test_a_new_system_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spinfunnel.systems.MAKERS", {**MAKERS, "new": MAKERS["sk"]})
    said = generate.lacking()
    assert said[0] == "new has no facts: write them in systems/facts/"
    assert said[1] == "docs/systems/new.md lacks card of new, checks of new, facts of new, an example"
    with pytest.raises(sf.BadInput, match="no facts are written down for the system 'new'"):
        facts.facts("new")


def test_a_page_of_an_instrument_lacks_what_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instrument_pages, "OF_A_TASK", ("slices", "spectrum"))
    monkeypatch.setattr(instrument_pages, "SECTIONS", (*instrument_pages.SECTIONS, "Another"))
    said = generate.lacking()
    assert said[0] == 'docs/instruments/slices.md lacks "Another"'
    assert said[1].startswith("docs/instruments/spectrum.md lacks card of spectrum, checks of spectrum, ")
    assert said[1].endswith('"Another", an example, a picture')


def test_every_instrument_of_a_task_has_a_page() -> None:
    needs = {name: instrument(name).needs for name in NAMES}
    of_a_task = [name for name in NAMES if needs[name] & {"loss", "history", "gradient"}]
    assert sorted(instrument_pages.OF_A_TASK) == sorted(of_a_task)
    for name in of_a_task:
        supplied = {need.rstrip("?") for need in needs[name]}
        said = section(name, "What it needs")
        assert {need for need in supplied if f"`{need}`" not in said} == set(), name


def section(name: str, heading: str) -> str:
    text = instrument_pages.page_of(name).read_text(encoding="utf-8")
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def spelled(value: ast.expr) -> set[str]:
    """All texts that an expression may give: a constant, either side of an if, or an f-string of these."""
    if isinstance(value, ast.Constant):
        return {str(value.value)} if isinstance(value.value, str) else set()
    if isinstance(value, ast.IfExp):
        return spelled(value.body) | spelled(value.orelse)
    if isinstance(value, ast.FormattedValue):
        return spelled(value.value)
    if isinstance(value, ast.JoinedStr):
        texts = {""}
        for part in value.values:
            texts = {text + more for text in texts for more in spelled(part)}
        return texts
    return set()


def assigned(target: ast.expr, value: ast.expr) -> set[str]:
    """All texts that an assignment may give to `label`."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.IfExp):
        return assigned(target, value.body) | assigned(target, value.orelse)
    if isinstance(target, ast.Tuple):
        pairs = zip(target.elts, getattr(value, "elts", ()), strict=False)
        return set().union(*(assigned(*pair) for pair in pairs))
    return spelled(value) if isinstance(target, ast.Name) and target.id == "label" else set()


def labels_of(name: str) -> set[str]:
    """The labels an instrument may give: what is assigned to `label`, or is the second of a Verdict's."""
    folder, found = ROOT / "src" / "spinfunnel" / "instruments" / name, set[str]()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign):
                found |= assigned(node.targets[0], node.value)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict":
                found |= set().union(*map(spelled, node.args[1:2]))
    return found


@pytest.mark.parametrize("name", instrument_pages.OF_A_TASK)
def test_every_label_is_explained_and_none_that_is_not_given(name: str) -> None:
    row = re.compile(rf"^\| ([^|]+) \| (?:{'|'.join(OUTCOMES)}) \|", re.MULTILINE)
    told = row.findall(section(name, "What the verdicts mean"))
    given = labels_of(name)
    if name == "trajectory":  # there the words of every motion are a table
        from spinfunnel.instruments.trajectory import WORDS

        given |= {words[0] for words in WORDS.values()}
    assert sorted(set(told)) == sorted(given)


def test_a_table_shows_what_looks_like_a_tag() -> None:
    assert "`<m>` &lt;q²>" in blocks_module.table(["a"], [["`<m>` <q²>"]])


@pytest.mark.parametrize("name", MAKERS)
def test_labels_of_calibrations_find_rows_of_their_system_only(name: str) -> None:
    """Each system is matched by its own spelling, and by none of another system's."""
    others = {
        "rem": "rem-native, N 12", "rem-native": "REM, N 12", "tiles2d": "tiles, first cube F2",
        "tiles3d": "tiles F1, 4 x 4", "perceptron": "binary perceptron, taught", "hp": "hopping",
        "teacher": "perceptron, N 11", "ising2d": "4 x 4 triangular", "sk": "skip, N 3",
        "pspin": "spherical p-spin, p 3",
    }  # fmt: skip
    label = blocks_module.label(name)
    assert label.match(f"{name}, N 12, T 1")
    assert label.match(f"{name}?field=1, L 4")
    assert not label.match(others.get(name, "Gaussian entries"))


def test_pictures_are_there_and_small() -> None:
    for path in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            picture = path.parent / target
            assert picture.is_file(), f"{ids(path)} shows {target}, which is not there"
            assert 10_000 < picture.stat().st_size < (120_000 if "/task" in target else 300_000)


def test_links_between_pages_lead_somewhere() -> None:
    for path in PAGES:
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{ids(path)} links to {target}"


def test_the_site_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    built = list(tmp_path.rglob("*.html"))
    assert len(built) >= len(PAGES) - 2
    fetched = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    for page in built:
        assert fetched.findall(page.read_text(encoding="utf-8")) == [], page.name


def test_readme_names_what_a_newcomer_types() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for words in ("make demo", "make test", "pip install spinfunnel", "download.pytorch.org/whl/cpu"):
        assert words in text
