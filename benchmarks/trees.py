"""Disconnectivity graphs side by side: which minima saddles join up to every level, and the lines to draw.

One random database for all: minima from a normal law, as many saddles as are wanted between distinct pairs,
each above its ends by an exponential law. The tree comes before the clock counts: at every level both sides
must put the same minima together; otherwise there is no row.

As a script, `python trees.py NAME DATABASE ANSWER`, this is one side, in an environment of its own: told
"tree", it builds tree and lines, and writes what the levels join to the file ANSWER.
"""

import statistics
import sys
from pathlib import Path

import numpy as np
import serve

BENCH = "disconnectivity, CPU s"
BENCHES = (BENCH,)
MINIMA, SADDLES, LEVELS = 2000, 100_000, 20


def database(path):
    """Write a database, and the levels, as topsearch chooses them for its own figures."""
    rng = np.random.default_rng(0)
    pairs = rng.choice(MINIMA * (MINIMA - 1) // 2, SADDLES, replace=False)
    one, other = np.triu_indices(MINIMA, 1)
    joined = np.stack([one[pairs], other[pairs]], axis=1)
    minima = rng.normal(size=MINIMA)
    saddles = minima[joined].max(axis=1) + rng.exponential(size=SADDLES)
    high, low = saddles.max(), minima.min()
    ends = high + 0.05 * (high - low), low - 0.1 * (high - low)
    np.savez(path, minima=minima, saddles=saddles, joined=joined, ends=ends)


def rows(repeats, side, rival_python, row, folder):
    """Measure; give the row as `row` makes it, if the two sides agree."""
    path = Path(folder) / "database.npz"
    database(path)
    answers = {name: Path(folder) / f"{name}.npy" for name in ("ours", "topsearch")}
    pythons = {"ours": sys.executable, "topsearch": rival_python("topsearch")}
    sides = {name: side(pythons[name], "trees.py", name, path, answers[name]) for name in answers}
    times = {name: [] for name in sides}
    for repeat in range(repeats + 1):
        for name, one in sides.items():
            seconds = one.seconds("tree")
            if repeat:  # the first call of each is not counted
                times[name].append(seconds)
    for one in sides.values():
        one.seconds("answer")
        one.close()
    mine, other = (np.load(answers[name]) for name in sides)
    if mine.shape != (LEVELS + 1, MINIMA) or not (mine == other).all():
        print("no row: topsearch and we do not join the same minima", flush=True)
        return
    work = f"{SADDLES:,} saddles, {MINIMA:,} minima, {LEVELS} levels"
    yield row(BENCH, work, *(statistics.median(times[name]) for name in sides), "topsearch", 100.0)


class Ours:
    def __init__(self, data):
        from spinfunnel.maths import merge_trees

        self.code, self.data = merge_trees, data

    def tree(self):
        data, (high, low) = self.data, self.data["ends"]
        found = self.code.merge_tree(data["minima"], data["saddles"], data["joined"])
        self.joined = [found.superbasins(level) for level in np.linspace(high, low, LEVELS + 1)]
        self.lines = self.code.layout(found, levels=LEVELS, most=MINIMA)

    def answer(self):
        return self.joined


class Topsearch:
    def __init__(self, data):
        from topsearch.data.kinetic_transition_network import KineticTransitionNetwork
        from topsearch.plotting import disconnectivity

        self.code, self.data, self.network = disconnectivity, data, KineticTransitionNetwork()
        for energy in data["minima"]:
            self.network.add_minimum(np.zeros(1), energy)
        for energy, (one, other) in zip(data["saddles"], data["joined"].tolist(), strict=True):
            self.network.add_ts(np.zeros(1), energy, one, other)

    def tree(self):
        given = (*self.data["ends"], LEVELS)
        self.graph = self.code.get_connectivity_graph(self.network, *given)
        lines = self.code.get_line_collection(self.graph, *given)
        self.lines = self.code.cut_line_collection(self.network, self.graph, lines, *given)

    def answer(self):
        lowest = np.zeros((LEVELS + 1, MINIMA), dtype=int)
        for _, node in self.graph.nodes(data=True):
            members = np.array(list(node["members"]))
            lowest[node["level"], members] = members[self.data["minima"][members].argmin()]
        return lowest


if __name__ == "__main__":
    import os

    name, path, answer = sys.argv[1:]
    os.chdir(Path(answer).parent)  # topsearch writes a log where it is started
    with np.load(path) as read:
        one = {"ours": Ours, "topsearch": Topsearch}[name](dict(read))
    serve.serve({"tree": one.tree, "answer": lambda: np.save(answer, np.array(one.answer()))})
