import io
import json
import math
from contextlib import contextmanager

import numpy as np
import pytest
from tests.command import run

from spinfunnel.anneal import Round, anneal, lowest_known, spins_text, success_share, tts99
from spinfunnel.cli import annealing
from spinfunnel.core import BadInput
from spinfunnel.systems import MAKERS, system
from spinfunnel.systems.enumeration import enumerate_states


@pytest.mark.parametrize("method", ["sa", "pt", "auto"])
def test_each_method_finds_what_was_planted(method):
    planted = system("wishart", size=32, seed=6)
    found = anneal("system:wishart", size=32, method=method, seed=6, budget=20)
    assert found.reached
    assert found.stopped == "reached"
    assert found.energy == pytest.approx(planted.ground_energy, rel=1e-12)
    assert abs(planted.overlap(found.best[None], planted.native[None])[0]) == 1
    assert {one.method for one in found.rounds} <= ({"sa", "pt"} if method == "auto" else {method})
    assert found.rounds[-1].successes > 0


def test_a_glass_is_solved_but_nothing_is_claimed():
    glass = system("sk", size=18, seed=3)
    found = anneal(glass, budget=0.5, seed=1)
    assert found.energy == pytest.approx(enumerate_states(glass).ground_energy, rel=1e-12)
    assert found.reached is None
    assert found.stopped == "budget"
    assert found.best_round() is None
    assert found.energy == pytest.approx(glass.energy(found.best[None])[0], rel=1e-12)


@pytest.mark.parametrize("method", ["sa", "pt"])
def test_any_system_with_moves_is_searched(method):
    glass = system("rem", size=10, seed=2)
    found = anneal(glass, method=method, budget=0.5, seed=1)
    assert found.energy == glass.table.min()
    assert (found.reached, found.stopped) == (None, "budget")
    assert found.compile_seconds > 0


def test_coordinates_are_written_in_rows_that_can_be_read_back():
    atoms = system("lj", size=5)
    found = anneal(atoms, method="sa", budget=0.3)
    rows = np.loadtxt(io.StringIO(spins_text(found)))
    assert rows.shape == (5, 3)
    assert (rows == found.best).all()
    assert atoms.energy(rows[None])[0] == pytest.approx(found.energy, rel=1e-12)


def test_rounds_depend_on_the_seed_alone():
    one, two = (anneal("system:sk", size=40, budget=budget, seed=5).rounds for budget in (0.4, 0.8))
    for a, b in zip(one[:3], two, strict=False):
        assert (a.method, a.sweeps, a.lowest, a.round_trips) == (b.method, b.sweeps, b.lowest, b.round_trips)
    assert one[0].lowest != anneal("system:sk", size=40, budget=0.2, seed=6).rounds[0].lowest


def test_successes_are_anneals_that_met_the_planted_energy():
    found = anneal("system:tiles2d", size=12, method="sa", budget=20, seed=2)
    from spinfunnel.core import seeds
    from spinfunnel.dynamics import anneal as cool

    first = found.rounds[0]
    again = cool(
        system("tiles2d", size=12, seed=2), sweeps=first.sweeps, anneals=first.tries, hot=found.hot,
        cold=found.cold, seed=seeds(2, "round", "sa", 0),
    )  # fmt: skip
    assert first.successes == (again.stats["lowest"] <= found.ground_energy + 1e-9).sum()


def test_time_to_solution():
    half = Round("sa", 64, 1000, 500, 0.0, 10.0)
    assert tts99(half).value == pytest.approx(0.01 * math.log(0.01) / math.log(0.5))
    assert tts99(half).low < tts99(half).value < tts99(half).high
    assert tts99(Round("sa", 64, 1000, 1000, 0.0, 10.0)).value == 0.01
    assert success_share(Round("sa", 1, 10, 0, 0.0, 1.0)).low == 0


def test_the_interval_of_the_success_share_covers():
    """Binomial draws at p = 0.1: the 95 % interval holds p in 90 to 99 % of 400 cases."""
    draws = np.random.default_rng(0).binomial(60, 0.1, size=400)
    shares = [success_share(Round("sa", 1, 60, int(k), 0.0, 1.0)) for k in draws]
    assert 0.9 < np.mean([one.low <= 0.1 <= one.high for one in shares]) < 0.99


def test_the_command_prints_the_certificate_and_writes_the_spins(tmp_path):
    out = tmp_path / "new" / "spins.txt"
    done = run("anneal", "system:tiles2d", "--size", 12, "--seed", 4, "--method", "sa", "--out", out)
    assert done.returncode == 0
    assert "it is the ground state: every bond is in one tile" in done.stdout
    assert "time to solution with 99 %" in done.stdout
    assert "plan: system:tiles2d, 144 spins" in done.stderr
    planted, spins = system("tiles2d", size=12, seed=4), np.loadtxt(out)
    assert planted.energy(spins[None])[0] == planted.ground_energy
    before = out.read_bytes()
    refused = run("anneal", "system:sk", "--budget", "1s", "--out", out)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "add --force" in refused.stderr
    assert out.read_bytes() == before
    assert (
        run("anneal", "system:sk", "--size", 12, "--budget", "0.2s", "--out", out, "--force").returncode == 0
    )
    assert len(np.loadtxt(out)) == 12
    assert [path.name for path in out.parent.iterdir()] == ["spins.txt"]


def test_a_ground_state_that_was_not_reached_leaves_a_residual():
    done = run("anneal", "system:wishart?alpha=0.2", "--size", 90, "--budget", "0.2s", "--method", "sa")
    assert done.returncode == 0
    assert "it is not the ground state" in done.stdout
    assert "residual" in done.stdout


def test_json_is_the_whole_result():
    done = run("anneal", "system:wishart?alpha=0.9", "--size", 24, "--seed", 3, "--json")
    result = json.loads(done.stdout)
    assert result["source"] == "system:wishart?alpha=0.9"
    assert result["reached"] is True
    assert result["rounds"][0]["tries"] > 0
    assert "plan" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["system:wishrt"], "did you mean 'wishart'"),
        (["wishart"], "did you mean system:wishart"),
        (["nothing"], "list systems"),
        ([__file__], "expected 'vertices edges'"),
        (["missing.rudy"], "there is no file missing.rudy"),
        (["."], "cannot be read as text"),
        (["system:sk", "--size", "-4"], "positive, not -4"),
        (["system:sk", "--budget", "-3s"], "positive time"),
        (["system:sk", "--budget", "soon"], "positive time"),
        (["system:sk", "--budget", ""], "--budget is empty"),
        (["system:sk", "--method", "qa"], "sa, pt, pa, bh"),
        (["system:sk", "--method", "bh"], "no gradient, which basin hopping needs"),
        (["system:mueller-brown", "--method", "sa"], "take bh or auto"),
        (["system:mueller-brown", "--fix"], "neither pairs of spins nor contacts"),
        (["system:sk", "--fix", "--method", "pt"], "it goes with method sa, not pt"),
        (["system:tiles2d", "--size", "5"], "even side of at least 4, not 5"),
        (["system:tiles3d", "--size", "7"], "even side of at least 4, not 7"),
        (["system:hp?sequence=HPX"], "the letters H and P, not 'X'"),
        (["system:hp?sequence=HPPH", "--size", "5"], "the sequence has 4 letters, but the size is 5"),
        (["system:hp", "--size", "21"], "no standard HP sequence has 21 letters"),
        (["system:lj38", "--size", "13"], "lj38 is of size 38"),
        (["system:wishart?beta=2"], "no parameter 'beta'"),
        (["system:sk", "--size", "1"], "nothing to anneal"),
    ],
)
def test_bad_input_is_one_line(arguments, says):
    done = run("anneal", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    last = [line for line in done.stderr.splitlines() if line.startswith("spinfunnel: ")]
    assert len(last) == 1
    assert says in last[0]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("5 6\n1 2 1\n2 3 1\n", "announces 5 vertices and 6 edges, but lists 2"),
        ("4 2\n1 2 1\n3 4 1\n", "falls into 2 parts"),
        ("3 3\n1 2 1\n2 1 1\n2 3 1\n", "is given twice"),
        ("3 3\n1 2 1\n2 2 1\n2 3 1\n", "coupled to itself"),
        ("3 3\n1 2 nan\n2 3 1\n1 3 1\n", "a weight must be finite, not nan"),
        ("3 3\n1 2 1\n2 9 1\n1 3 1\n", "vertices are counted from 1 to 3"),
        ("3\n", "expected 'vertices edges'"),
        ("", "is empty"),
        ("{}", "no binary quadratic model"),
        ("type: 2d\n", "no file of the spin-glass server"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, lines, says):
    path = tmp_path / "broken.rudy"
    path.write_text(lines)
    done = run("anneal", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_files_are_read_and_the_cut_is_printed(tmp_path):
    ring = tmp_path / "ring.rudy"
    ring.write_text("5 5\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n5 1 1\n")
    done = run("anneal", ring, "--budget", "0.2s", "--method", "sa")
    assert done.returncode == 0
    assert "best energy -3" in done.stdout
    assert "\ncut 4\n" in done.stdout
    assert "nothing was planted" in done.stdout
    refused = run("anneal", ring, "--size", 5)
    assert refused.returncode == 2
    assert "leave out --size" in refused.stderr
    server = tmp_path / "server.txt"
    server.write_text("type: x\nsize: 3\nname: x\n1 2 0.5\n2 3 -1\n3 1 1\n")
    triangle = json.loads(run("anneal", server, "--budget", "0.2s", "--json").stdout)
    assert (triangle["energy"], triangle["cut"], triangle["size"]) == (-1.5, None, 3)


def test_a_population_gives_the_free_energy():
    ring = system("ising1d", size=12)
    found = anneal(ring, method="pa", budget=0.5)
    exact = enumerate_states(ring, [found.cold]).thermal.log_z[0]
    assert abs(found.log_z.value - exact) < 0.5
    assert found.energy == -12
    assert {one.method for one in found.rounds} == {"pa"}
    assert anneal("system:lj5", method="pa", budget=0.3).log_z is None


def test_fixing_finds_what_was_planted():
    done = run("anneal", "system:wishart?alpha=.9", "--size", 32, "--fix", "--budget", "20s")
    assert "annealing and fixing" in done.stdout
    assert "it is the ground state" in done.stdout
    chain = anneal("system:hp", fix=True, budget=1.0)
    assert (chain.method, chain.energy <= -8) == ("fix", True)


def test_smooth_systems_hop_and_claim_nothing():
    cluster = run("anneal", "system:lj13", "--budget", "1s")
    assert "it is the lowest known, -44.326801 (literature: Wales & Doye" in cluster.stdout
    assert "is not certified" in cluster.stdout
    assert "per atom" in cluster.stdout
    surface = anneal("system:mueller-brown", budget=0.3)
    assert surface.energy == pytest.approx(-146.6995, abs=1e-4)
    assert (surface.reached, surface.lowest_known, surface.hot) == (None, None, None)
    sphere = anneal("system:spherical-pspin", size=32, budget=0.5)
    assert -1.8 < sphere.u < -1.4
    assert "lowest energy" in run("anneal", "system:mueller-brown", "--budget", "0.2s").stdout


def test_what_is_known_belongs_to_the_standard_sequence():
    assert lowest_known(system("hp", size=36))[0] == -14
    assert lowest_known(system("hp?sequence=HPPHHPHPPHHPPHPHHPPH", size=20)) is None
    assert lowest_known(system("lj", size=7)) is None


@pytest.mark.parametrize("options", [["--method", "pa"], ["--fix"], ["--method", "bh"]])
def test_an_interruption_keeps_the_best_of_every_method(monkeypatch, options):
    calls = []

    @contextmanager
    def pressed(wanted):
        def progress(done, total, name):
            calls.append(name)
            if len(calls) == 4:
                raise KeyboardInterrupt

        yield progress

    monkeypatch.setattr(annealing, "progress_bar", pressed)
    done = run("anneal", "system:lj20" if "bh" in options else "system:ea", *options, "--budget", "600s")
    assert done.returncode == 130
    assert "best energy -" in done.stdout
    assert "interrupted" in done.stdout


def test_bad_input_to_the_function():
    with pytest.raises(BadInput, match="positive number of seconds"):
        anneal("system:sk", budget=math.nan)
    with pytest.raises(BadInput, match="did you mean auto"):
        anneal("system:sk", method="autos")


def test_an_interruption_keeps_the_best(tmp_path, monkeypatch):
    """Ctrl-C arrives in the middle of the third round: exit 130, the best printed and written."""
    calls = []

    @contextmanager
    def pressed(wanted):
        def progress(done, total, name):
            calls.append(name)
            if len(calls) == 6:
                raise KeyboardInterrupt

        yield progress

    monkeypatch.setattr(annealing, "progress_bar", pressed)
    out = tmp_path / "spins.txt"
    done = run("anneal", "system:ea", "--size", "6", "--budget", "600s", "--out", out)
    assert done.returncode == 130
    assert "best energy -3" in done.stdout
    assert "interrupted" in done.stdout
    assert calls[-1].startswith("u = -1.")
    assert system("ea", size=6).energy(np.loadtxt(out)[None])[0] < -360


def test_list_systems():
    listed = run("list", "systems")
    assert all(name in listed.stdout for name in MAKERS)
    rows = json.loads(run("list", "systems", "--json").stdout)
    assert [row["name"] for row in rows] == list(MAKERS)
    assert all("=" in row["convention"] or "energies" in row["convention"] for row in rows)
    assert run("list", "planets").returncode == 2
