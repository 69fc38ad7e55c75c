import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinfunnel import units
from spinfunnel.units import Failure, Skipped, Unit, run_units


def test_finished_units_are_kept_and_not_done_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    units._memory.cache_clear()
    work = [Unit(str(i), _count, (str(tmp_path / f"{i}"),), 1.0, f"key {i}") for i in range(3)]
    first = dict(run_units(work[:2]))
    again = dict(run_units(work))
    units._memory.cache_clear()
    assert first == {0: 1, 1: 1}
    assert again == {0: 1, 1: 1, 2: 1}


def _count(path):
    """Count how often this was called, in a file, since other processes may call it too."""
    with Path(path).open("a") as file:
        file.write("x")
    return len(Path(path).read_text())


def _halve(number):
    return 1 / number


def test_a_unit_that_raises_is_a_failure_and_the_others_are_done():
    work = [Unit(str(i), _halve, (i,), 1.0) for i in (2, 0, 4)]
    for jobs in (1, 2):
        results = dict(run_units(work, jobs=jobs))
        assert results == {0: 0.5, 1: Failure("0", "ZeroDivisionError: division by zero"), 2: 0.25}


def test_after_the_deadline_nothing_is_begun():
    work = [Unit("late", _halve, (2,), 1.0)]
    assert isinstance(dict(run_units(work, deadline=time.time() - 1))[0], Skipped)


def _die(number):
    import os

    os._exit(number)


def test_a_process_that_is_killed_leaves_rows_that_say_so():
    work = [Unit(str(i), _die, (i,), 1.0) for i in (1, 2)]
    results = dict(run_units(work, jobs=2))
    assert set(results) == {0, 1}
    assert all("was killed" in result.error for result in results.values())


@pytest.mark.parametrize("fault", ["a file in the way", "damaged results"])
def test_a_cache_that_cannot_be_used_costs_time_and_nothing_else(tmp_path, monkeypatch, caplog, fault):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = [Unit(str(i), _halve, (i + 1,), 1.0, f"{fault} {i}") for i in range(3)]
    units._memory.cache_clear()
    if fault == "damaged results":
        dict(run_units(work))
        kept = list((tmp_path / "cache").rglob("output.pkl"))
        assert len(kept) == 3
        for path in kept:
            path.write_bytes(path.read_bytes()[:9])
    else:
        (tmp_path / "cache").write_text("")
    units._memory.cache_clear()
    assert dict(run_units(work)) == {0: 1.0, 1: 0.5, 2: 1 / 3}
    assert not caplog.records
    units._memory.cache_clear()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks Linux whether a process is there")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import os, pathlib, sys, time\n"
        "from spinfunnel.units import Unit, run_units\n"
        "def work(i):\n"
        "    pathlib.Path(sys.argv[1], str(os.getpid())).touch()\n"
        "    time.sleep(.5)\n"
        "list(run_units([Unit(str(i), work, (i,), 1.0) for i in range(200)], jobs=2))\n"
    )
    code = code.replace("sys.argv[1]", repr(str(tmp_path)))
    parent = subprocess.Popen([sys.executable, "-c", code])
    workers = _within(30, lambda: [path.name for path in tmp_path.iterdir()])
    parent.kill()
    parent.wait()
    assert _within(20, lambda: not any(Path("/proc", worker).exists() for worker in workers))


def _within(seconds, asked):
    end = time.time() + seconds
    while not (answer := asked()) and time.time() < end:
        time.sleep(0.1)
    return answer
