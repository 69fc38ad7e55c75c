"""Give the verdict on systems whose class is known, and on their nulls; keep it for the documentation.

    python benchmarks/confusion.py [--set development] [--only FAMILY] [--jobs 2] [--fresh]

The held-out set goes to src/spinfunnel/data/confusion.json. The thresholds were fixed by what the development
set showed, and once more by a first held-out set (held-out-first.json); its seeds, and its sizes but those of
clusters, are others. Resumable: what was done is in .cache/, and not done again (--fresh: everything is).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import joblib

from spinfunnel import diagnose
from spinfunnel.core import BadInput
from spinfunnel.systems import system
from spinfunnel.systems.shuffled import shuffled

ROOT = Path(__file__).parents[1]
RULE = "src/spinfunnel/instruments/funnel/rule.py"


@dataclass(frozen=True)
class Family:
    """Systems of one kind. `truth` is None where a class is published, not judged; `dial` orders a family."""

    name: str
    systems: tuple[str, ...]
    sizes: tuple[int, ...]
    truth: str | None
    seeds: tuple[int, ...]
    null: bool = True
    dial: bool = False


def family(name, systems, sizes, truth, seeds, **more):
    return Family(name, (systems,) if isinstance(systems, str) else systems, sizes, truth, seeds, **more)


DEVELOPMENT = (1, 2)
HELD_OUT = (201, 202, 203, 204)


def families(which):
    """List the families of a set: the sizes of one are not those of the other."""
    held = which == "held-out"
    seeds = HELD_OUT if held else DEVELOPMENT

    # Shuffled, a glass is another of its kind: a null tells something of the others.
    def one(name, systems, development, held_out, truth, **more):
        sizes = held_out if held else development
        return family(name, systems, sizes, truth, more.pop("seeds", seeds), **more)

    hopfield = tuple(f"hopfield?patterns={p}" for p in (2, 3, 4, 5))
    listed = [
        one("ferromagnet 2D", "ising2d", (16,), (18, 22), "funnel"),
        one("ferromagnet 3D", "ising3d", (6,), (9, 10), "funnel"),
        one("Mattis, dense", "mattis", (100,), (80, 160), "funnel"),
        one("Mattis 2D", "nishimori?p=1", (16,), (18, 22), "funnel"),
        one("Mattis 3D", "nishimori?p=1&dimension=3", (6,), (9, 10), "funnel"),
        one("Go chain", "go", (20,), (19, 24), "funnel"),
        one("Wishart, alpha 1.2", "wishart?alpha=1.2", (64,), (60, 72), "funnel"),
        one("Hopfield, P = 1", "hopfield?patterns=1", (96,), (104, 152), "funnel"),
        one("LJ13", "lj", (13,), (13,), "funnel"),
        one("SK", "sk", (192,), (512, 768), "glass", null=False),
        one("EA 3D, +-J", "ea", (6,), (8, 10), "glass", null=False),
        one("EA 3D, Gaussian", "ea?law=gauss", (6,), (8, 10), "glass", null=False),
        one("3-spin", "pspin?p=3", (50,), (42, 52), "glass", null=False),
        one("REM", "rem", (16,), (14, 18), "glass", null=False),
        one("random heteropolymer", "heteropolymer", (25,), (24, 29), "glass", null=False),
        one("REM with native", "rem-native", (16,), (14, 18), "golf course"),
        one("3-XORSAT", "xorsat", (48,), (54, 66), "golf course"),
        one("Wishart, alpha 0.3", "wishart?alpha=0.3", (48,), (44, 60), "golf course"),
        one("LJ38", "lj", (38,), (38,), "multi-funnel"),
        one("Hopfield, P = 2..5", hopfield, (96,), (104, 152), "multi-funnel", seeds=seeds[:1]),
    ]
    if not held:
        return listed
    small = {"mattis": 16, "hopfield?patterns=1": 18, "wishart?alpha=1.2": 16, "xorsat": 15, "pspin?p=3": 14}
    cubic = tuple(f"spherical-pspin?p=3&degree=3&eps={eps}" for eps in (0, 1, 2, 3, 4, 6))
    dial = tuple(f"multiscale?bias={bias}" for bias in (0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0))
    linear, count = (
        tuple(f"teacher?alpha={alpha}&loss={loss}" for alpha in (1.35, 2.0, 3.0))
        for loss in ("linear", "count")
    )
    few = HELD_OUT[:2]

    def shown(name, systems, sizes, seeds=few, **more):
        return family(name, systems, sizes, None, seeds, null=False, **more)

    return [
        *listed,
        *(family(f"{text}, N = {size}", text, (size,), None, HELD_OUT) for text, size in small.items()),
        shown("LJ19", "lj", (19,)),
        shown("LJ55", "lj", (55,), few[:1]),
        shown("designed heteropolymer", "designed", (23, 28)),
        shown("spherical p = 2", "spherical-pspin?p=2", (100,)),
        shown("spherical p = 3", "spherical-pspin?p=3", (100,)),
        shown("spherical p = 3, cubic pull", cubic, (64,), dial=True),
        shown("multiscale glass", dial, (32,), HELD_OUT, dial=True),
        shown("teacher-student, linear energy", linear, (101,)),
        shown("teacher-student, errors counted", count, (101,)),
        shown("Hopfield, alpha 0.25", "hopfield?patterns=32", (128,)),
        shown("SK, small", "sk", (64,)),
        shown("EA 3D, small", "ea", (4,)),
    ]


def instances(which, only):
    """List all that is to be run: (family, system, size, seed, whether it is a null)."""
    for one in families(which):
        if only in ("", one.name):
            for text in one.systems:
                for size in one.sizes:
                    for seed in one.seeds:
                        if one.truth is not None or not one.null:
                            yield one.name, text, size, seed, False
                        if one.null:
                            yield one.name, text, size, seed, True


def run(name, text, size, seed, null):
    """Give the row of one instance; a null that cannot be made, or moved, has the word "none"."""
    began = time.process_time()
    row = {"family": name, "system": text, "size": size, "seed": seed, "null": null}
    try:
        made = system(text, size, seed)
        source = shuffled(made, seed) if null else made
        report = diagnose(source, only=["funnel"], effort="quick", seed=seed)
        numbers = report["funnel"].numbers
        row |= {"word": report.verdicts["funnel"].label, "evidence": {k: n.value for k, n in numbers.items()}}
        row["evidence"] |= {"A low": numbers["A"].low, "A high": numbers["A"].high}
    except BadInput as error:
        row |= {"word": "none", "evidence": {}, "why": str(error)}
    return row | {"seconds": round(time.process_time() - began, 1)}


def identity(row):
    return tuple(row[key] for key in ("family", "system", "size", "seed", "null"))


def main():
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # of the processes to come
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("development", "held-out"), default="held-out")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args()
    kept = ROOT / ".cache" / f"confusion-{asked.set}.jsonl"
    kept.parent.mkdir(exist_ok=True)
    if asked.fresh:
        kept.unlink(missing_ok=True)
    lines = kept.read_text().splitlines() if kept.exists() else []
    done = {identity(row): row for row in map(json.loads, lines)}
    wanted = list(instances(asked.set, asked.only))
    left = [one for one in wanted if one not in done]
    parallel = joblib.Parallel(n_jobs=asked.jobs, return_as="generator_unordered")
    began = time.time()
    for count, row in enumerate(parallel(joblib.delayed(run)(*one) for one in left), 1):
        done[identity(row)] = row
        with kept.open("a") as file:
            file.write(json.dumps(row) + "\n")
        eta = (time.time() - began) / count * (len(left) - count)
        print(
            f"{count}/{len(left)} {row['system']} {row['size']} seed {row['seed']}{' null' * row['null']}: "
            f"{row['word']} ({row['seconds']} s), {eta / 60:.0f} min left", file=sys.stderr, flush=True,
        )  # fmt: skip
    rows = [done[one] for one in wanted if one in done]
    show(rows, asked.set)
    if asked.set == "held-out" and not asked.only:
        write(rows)


def show(rows, which):
    """Print the words of every family."""
    words = ("funnel", "glass", "golf course", "multi-funnel", "cannot tell", "none")
    for one in families(which):
        for null in (False, True):
            mine = [row["word"] for row in rows if row["family"] == one.name and row["null"] == null]
            if mine:
                counts = "  ".join(f"{word} {mine.count(word)}" for word in words if word in mine)
                print(f"{one.name + ' (null)' * null:40s} {'' if null else one.truth or '':14s} {counts}")


def write(rows):
    """Keep the rows for the documentation, with the commit that fixed the thresholds."""
    log = ["git", "log", "-1", "--format=%h %cs", "--", RULE]
    commit = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    listed = [{"name": one.name, "truth": one.truth, "dial": one.dial} for one in families("held-out")]
    text = json.dumps({"thresholds": commit, "families": listed, "rows": rows}, indent=1)
    (ROOT / "src" / "spinfunnel" / "data" / "confusion.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
