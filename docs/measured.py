"""What was measured once and recorded: the calibration, and the benchmarks."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from tables import short, table

ROOT = Path(__file__).parents[1]


@cache
def recorded() -> dict[str, Any]:
    """The calibration that ships with the package; empty when none was recorded."""
    path = ROOT / "src" / "spinfunnel" / "data" / "calibration.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def calibration_rows(rows: list[dict[str, Any]]) -> str:
    """All rows of a calibration, as `spinfunnel calibrate` prints them."""
    cells = []
    for row in rows:
        error = f" ± {short(row['error'], 2)}" if row["error"] is not None else ""
        limit = row["limit"] if row["limit"] is not None else row["tolerance"]
        sigma = f"{row['sigma']:+.1f} σ" if row["sigma"] is not None else ""
        ok = "ok" if row["ok"] else "**failed**"
        measured = f"{short(row['value'])}{error}"
        cells.append([row["system"], row["quantity"], short(row["exact"]), measured, sigma, short(limit), ok])
    return table(["system", "quantity", "known", "measured", "deviation", "limit", ""], cells)


def maths_calibration() -> str:
    """The rows of the maths modules."""
    from spinfunnel.instruments import NAMES

    text = ""
    others = [row for row in recorded().get("rows", []) if row["of"] not in NAMES]
    for of in dict.fromkeys(row["of"] for row in others):
        text += f"## {of}\n\n{calibration_rows([row for row in others if row['of'] == of])}\n"
    return text.rstrip() + "\n" if text else "Not recorded yet.\n"


def pooled_rates() -> dict[str, list[list[str]]]:
    """The rates of each instrument, pooled over the systems that share a quantity and a limit."""
    from spinfunnel.instruments import NAMES

    groups: dict[tuple[str, str, str, float], list[tuple[int, int]]] = {}
    systems: dict[tuple[str, str, str, float], list[str]] = {}
    for row in recorded().get("rows", []):
        found = re.fullmatch(r"(.*) \((\d+) of (\d+), ([≤≥])\)", row["quantity"])
        if found and row["of"] in NAMES:
            key = (row["of"], found[1], found[4], row["limit"])
            groups.setdefault(key, []).append((int(found[2]), int(found[3])))
            systems.setdefault(key, []).append(row["system"])
    lines: dict[str, list[list[str]]] = {}
    for key, counts in groups.items():
        of, quantity, sign, limit = key
        on = list(dict.fromkeys(systems[key]))
        on_all = on[0] + (f", and {len(on) - 1} more" if len(on) > 1 else "")
        k, n = sum(c[0] for c in counts), sum(c[1] for c in counts)
        worst = (max if sign == "≤" else min)(counts, key=lambda c: c[0] / c[1])
        one = f"{worst[0]} of {worst[1]}" if len(counts) > 1 else ""
        many = f"{k} of {n} ({100 * k / n:.1f} %)"
        lines.setdefault(of, []).append([on_all, quantity, many, one, f"{sign} {100 * limit:.3g} %"])
    return lines


def calibration_table() -> str:
    """Every pooled rate of the instruments."""
    if not recorded():
        return "Not recorded yet: `make calibrate` does it.\n"
    lines = [[f"`{of}`", *line] for of, rates in pooled_rates().items() for line in rates]
    heads = ["instrument", "on", "how often", "in all", "the worst of them", "limit for each"]
    return f"{table(heads, lines)}\n{calibration_sums()}"


def calibration_sums() -> str:
    """How many rows there are, how many failed, and whether the set of deviations looks normal."""
    document = recorded()
    rows, made = document["rows"], document["versions"]
    return (
        f"{len(rows)} rows with those of the maths beneath ({sum(row['kind'] == 'exact' for row in rows)} of "
        f"them exact), {sum(not row['ok'] for row in rows)} failed. The deviations in σ look normal as a "
        f"set: chi-squared p = {document['chi2_p']:.2f}, Kolmogorov-Smirnov p = {document['ks_p']:.2f}. "
        f"Effort {document['effort']}, seed {document['seed']}, spinfunnel {made['spinfunnel']}, "
        f"numpy {made['numpy']}.\n"
    )


def calibration_summary() -> str:
    """One line an instrument: its rows, its largest deviation, and the first of its rates."""
    from spinfunnel.instruments import NAMES

    if not recorded():
        return "Not recorded yet: `make calibrate` does it.\n"
    rates, lines = pooled_rates(), []
    for name in [*NAMES, ""]:
        rows = [row for row in recorded()["rows"] if (row["of"] if row["of"] in NAMES else "") == name]
        if not rows:
            continue
        worst = max((abs(row["sigma"]) for row in rows if row["sigma"] is not None), default=None)
        on, what, many, _, limit = rates.get(name, [[""] * 5])[0]
        lines.append(
            [
                f"`{name}`" if name else "maths, systems, dynamics",
                f"{len(rows)}, {sum(not row['ok'] for row in rows) or 'none'} failed",
                "" if worst is None else f"{worst:.1f} σ",
                f"{on}: {what}, {many}; limit {limit}" if on else "",
            ]
        )
    heads = ["instrument", "rows", "largest deviation", "the first of its rates"]
    return f"{table(heads, lines)}\n{calibration_sums()}"


@cache
def benchmarks() -> list[dict[str, Any]]:
    """Every row of `make bench`; a rival called limit is a bound on our own cost."""
    path = ROOT / "benchmarks" / "results.json"
    document = json.loads(path.read_text()) if path.is_file() else []
    rows: list[dict[str, Any]] = document["rows"] if isinstance(document, dict) else document
    return rows


def benchmark_table() -> str:
    """Every benchmark, as it was measured."""
    if not benchmarks():
        return "Not recorded yet: `make bench` does it.\n"
    cells = [
        [
            row["bench"], row["work"], short(row["ours"]), row["rival_name"], short(row["rival"]),
            f"{row['ratio']:.2f}", "" if row["target"] is None else f"{row['target']:.2f}",
            "ok" if row["ok"] else "**missed**",
        ]
        for row in benchmarks()
    ]  # fmt: skip
    heads = ["bench", "work", "ours", "against", "theirs", "ratio", "at least", ""]
    return f"{table(heads, cells)}\n{machines()}"


def machines() -> str:
    """On what it was measured."""
    names = ", ".join(dict.fromkeys(str(row["machine"]) for row in benchmarks()))
    return f"Machine: {names}. Ratio = theirs / ours, so more is better for us.\n"


def benchmark_summary() -> str:
    """One line for each rival of each bench: the least and the largest ratio, and what was wanted."""
    if not benchmarks():
        return "Not recorded yet: `make bench` does it.\n"
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in benchmarks():
        groups.setdefault((row["bench"], row["rival_name"]), []).append(row)
    lines = []
    for (bench, rival), rows in groups.items():
        ratios = sorted(row["ratio"] for row in rows)
        ends = list(dict.fromkeys(short(ratio) for ratio in (ratios[0], ratios[-1])))
        wanted = min((row["target"] for row in rows if row["target"] is not None), default=None)
        missed = sum(not row["ok"] for row in rows)
        works = list(dict.fromkeys(row["work"].partition(" (ratio")[0] for row in rows))
        many = works[0] + (f", and {len(works) - 1} more" if len(works) > 1 else "")
        said = short(wanted) + (f", **{missed} missed**" if missed else "")
        lines.append([bench, many, rival, " to ".join(ends), said])
    return f"{table(['bench', 'work', 'against', 'ratio', 'at least'], lines)}\n{machines()}"
