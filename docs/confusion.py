"""The verdict on systems whose class is known: the tables of what `make confusion` found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATH, FIRST = (
    ROOT / "src" / "spinfunnel" / "data" / "confusion.json",
    ROOT / "benchmarks" / "held-out-first.json",
)
WORDS = ("funnel", "glass", "golf course", "multi-funnel", "cannot tell")
MISSING = "Not recorded yet: `make confusion` does it.\n"


def recorded() -> dict[str, Any]:
    """Give what was recorded; empty when nothing was."""
    found: dict[str, Any] = json.loads(PATH.read_text()) if PATH.is_file() else {}
    return found


def matrix(table: Any) -> str:
    """Write the confusion matrix of the held-out systems, and how often the word was right."""
    found = recorded()
    if not found:
        return MISSING
    lines, shares, wrong = [], [], 0
    for family in found["families"]:
        words = said(found, family["name"])
        if not family["truth"]:
            continue
        counts, all_of_them = Counter(words), len(words)
        shares.append(counts[family["truth"]] / all_of_them)
        wrong += sum(counts[word] for word in WORDS if word not in (family["truth"], "cannot tell"))
        sizes = sorted({row["size"] for row in found["rows"] if row["family"] == family["name"]})
        listed = [
            f"**{counts[w]}**" if w == family["truth"] and counts[w] else str(counts[w] or "") for w in WORDS
        ]
        lines.append([family["name"], ", ".join(map(str, sizes)), family["truth"], *listed])
    total = sum(len(said(found, family["name"])) for family in found["families"] if family["truth"])
    return (
        table(["family", "sizes", "known to be", *WORDS], lines)
        + f"\n{total} systems, of sizes and seeds on which no threshold was set: {wrong} wrong words, "
        f"{100 * sum(shares) / len(shares):.1f} % right with families weighted equally, "
        f"{100 * min(shares):.0f} % in the worst family; the rest is *cannot tell*. {nulls(found)} "
        f"The thresholds are those of commit `{found['thresholds']}`. {before(found)}\n"
    )


def classes(table: Any) -> str:
    """Write the same with all families of a class together."""
    found = recorded()
    if not found:
        return MISSING
    lines = []
    for truth in WORDS:
        families = [family["name"] for family in found["families"] if family["truth"] == truth]
        counts = Counter(word for name in families for word in said(found, name))
        listed = [f"**{counts[w]}**" if w == truth else str(counts[w] or "") for w in WORDS]
        lines += [[truth, "; ".join(families), *listed]] if families else []
    return table(["known to be", "systems", *WORDS], lines)


def before(found: dict[str, Any]) -> str:
    """Say how a first held-out set went, after which a threshold was changed."""
    first = json.loads(FIRST.read_text())
    truth = {family["name"]: family["truth"] for family in found["families"] if family["truth"]}
    rows = [row for row in first["rows"] if row["family"] in truth and not row["null"]]
    wrong = [row["family"] for row in rows if row["word"] not in (truth[row["family"]], "cannot tell")]
    worst = min(truth, key=lambda name: _right(rows, name, truth[name]))
    return (
        f"They had been fixed before, in commit `{first['thresholds']}`, and a first held-out set of "
        f"{len(rows)} systems had {len(wrong)} wrong words ({', '.join(sorted(set(wrong)))}), and "
        f"{100 * _right(rows, worst, truth[worst]):.0f} % right in the worst family ({worst}). What was "
        "changed then is that a few groups of ends with high barriers between them are no glass; and larger "
        "Sherrington-Kirkpatrick glasses were taken, for every anneal finds the one ground state of many "
        "small ones. The table is of a second set, of other seeds and other sizes (clusters: other seeds)."
    )


def _right(rows: list[dict[str, Any]], family: str, truth: str) -> float:
    words = [row["word"] for row in rows if row["family"] == family]
    return words.count(truth) / len(words)


def nulls(found: dict[str, Any]) -> str:
    """Say how often a shuffled system was called anything but a glass, or cannot tell."""
    words = [row["word"] for row in found["rows"] if row["null"] and row["word"] != "none"]
    kept = sum(word in ("glass", "cannot tell") for word in words)
    return (
        f"With energies or couplings shuffled, {kept} of {len(words)} ({100 * kept / len(words):.1f} %) are "
        f"called glass ({words.count('glass')}) or *cannot tell* ({words.count('cannot tell')})."
    )


def published(table: Any) -> str:
    """Write the words for systems by which the rule is not judged: new to it, hard, or along a dial."""
    found = recorded()
    if not found:
        return MISSING
    lines = []
    for family in found["families"]:
        rows = [row for row in found["rows"] if row["family"] == family["name"] and not row["null"]]
        if family["truth"] or not rows:
            continue
        for system in dict.fromkeys(row["system"] for row in rows):
            counts = Counter(row["word"] for row in rows if row["system"] == system)
            sizes = ", ".join(sorted({str(row["size"]) for row in rows if row["system"] == system}))
            listed = [str(counts[word] or "") for word in WORDS]
            lines.append([family["name"], f"`{system}`", sizes, *listed])
    return table(["family", "system", "size", *WORDS], lines)


def said(found: dict[str, Any], family: str) -> list[str]:
    """Give the words of a family's systems, without their nulls."""
    return [row["word"] for row in found["rows"] if row["family"] == family and not row["null"]]
