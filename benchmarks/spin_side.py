"""One side of the comparisons of spin codes, in an environment of its own: `python spin_side.py NAME`.

A job is a line of JSON, and so is its answer: CPU seconds, without imports and without building the model
where the code allows it, and the energies reached. Energies are H = -sum J s s of the instance, whatever sign
the code itself prefers. Instances are npz files: members and orders of terms, couplings, sides.
"""

import json
import os
import sys
import time
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4)
def instance(path):
    with np.load(path) as data:
        ends = np.cumsum(data["orders"])
        terms = [tuple(map(int, term)) for term in np.split(data["members"], ends[:-1])]
        return terms, data["couplings"], tuple(data["sides"]), int(data["size"])


def timed(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


class Ours:
    def __init__(self):
        from spinfunnel import dynamics
        from spinfunnel.systems.many_body import ManyBody
        from spinfunnel.systems.spins import Spins

        self.dynamics, self.Spins, self.ManyBody = dynamics, Spins, ManyBody

    @lru_cache(maxsize=4)  # noqa: B019  # a side lives as long as its process
    def model(self, path):
        terms, couplings, sides, size = instance(path)
        if all(len(term) == 2 for term in terms):
            return self.Spins.of_edges(np.array(terms), couplings, size=size, sides=sides)
        orders = sorted({len(term) for term in terms})
        chosen = [[k for k, term in enumerate(terms) if len(term) == order] for order in orders]
        return self.ManyBody.of_terms(
            [np.array([terms[k] for k in own]) for own in chosen],
            [couplings[own] for own in chosen],
            size=size,
        )

    def anneal(self, path, reads, sweeps, seed, betas=None):
        given = {} if betas is None else {"hot": 1 / betas[0], "cold": 1 / betas[1], "schedule": "linear"}
        model = self.model(path)
        seconds, trace = timed(
            lambda: self.dynamics.anneal(model, sweeps=sweeps, anneals=reads, seed=seed, **given)
        )
        cooled = trace.energies[trace.temperatures > 0][-1]  # before it goes straight downhill
        return {"seconds": seconds, "lowest": trace.stats["lowest"], "cooled": cooled}

    def temper(self, path, sweeps, seed, temperatures, ladders):
        model = self.model(path)
        seconds, trace = timed(
            lambda: self.dynamics.temper(
                model, temperatures, sweeps=sweeps * 3 // 4, burn_in=sweeps // 4, ladders=ladders, seed=seed,
                record_every=4,
            )
        )  # fmt: skip
        energies = trace.stats["energies"].mean(axis=0)[::-1]
        return {
            "seconds": seconds,
            "energies": energies.mean(axis=1),
            "errors": energies.std(axis=1) / ladders**0.5,
            "trips": trace.stats["round_trips"],
        }

    def enumerate(self, path):
        from spinfunnel.systems.enumeration import enumerate_states

        seconds, found = timed(lambda: enumerate_states(self.model(path)))
        return {"seconds": seconds, "lowest": [found.ground_energy]}


class Dwave:
    def __init__(self):
        import dimod
        from dwave.samplers import SimulatedAnnealingSampler

        self.dimod, self.sampler = dimod, SimulatedAnnealingSampler()

    @lru_cache(maxsize=4)  # noqa: B019  # a side lives as long as its process
    def model(self, path):
        terms, couplings, _, _ = instance(path)
        return self.dimod.BinaryQuadraticModel(
            {}, {term: -float(j) for term, j in zip(terms, couplings, strict=True)}, "SPIN"
        )

    def anneal(self, path, reads, sweeps, seed, betas=None):
        given = {} if betas is None else {"beta_range": betas, "beta_schedule_type": "linear"}
        model = self.model(path)
        seconds, found = timed(
            lambda: self.sampler.sample(model, num_reads=reads, num_sweeps=sweeps, seed=seed, **given)
        )
        energies = found.record.energy
        return {"seconds": seconds, "lowest": energies, "cooled": energies}


class OpenJij:
    def __init__(self):
        import openjij

        self.sampler = openjij.SASampler()

    @lru_cache(maxsize=4)  # noqa: B019  # a side lives as long as its process
    def model(self, path):
        terms, couplings, _, _ = instance(path)
        return {term: -float(j) for term, j in zip(terms, couplings, strict=True)}

    def anneal(self, path, reads, sweeps, seed, betas=None):
        given = {} if betas is None else {
            "beta_min": betas[0], "beta_max": betas[1], "temperature_schedule": "LINEAR"
        }  # fmt: skip
        model = self.model(path)
        if all(len(term) == 2 for term in model):
            if betas is not None:  # only its own geometric schedule for pairs
                given = {"beta_min": betas[0], "beta_max": betas[1]}
            work = lambda: self.sampler.sample_ising(  # noqa: E731
                {}, model, num_reads=reads, num_sweeps=sweeps, seed=seed, **given
            )
        else:
            work = lambda: self.sampler.sample_hubo(  # noqa: E731
                model, "SPIN", num_reads=reads, num_sweeps=sweeps, seed=seed, **given
            )
        seconds, found = timed(work)
        energies = found.record.energy
        return {"seconds": seconds, "lowest": energies, "cooled": energies}


class Peapods:
    def __init__(self):
        os.environ["RAYON_NUM_THREADS"] = "1"
        import peapods

        self.peapods = peapods

    def temper(self, path, sweeps, seed, temperatures, ladders):
        terms, couplings, sides, size = instance(path)
        forward = np.zeros((size, len(sides)))
        places = np.array(np.unravel_index(np.arange(size), sides))
        for (i, j), coupling in zip(terms, couplings, strict=True):
            step = (places[:, j] - places[:, i]) % np.array(sides)
            axis = int(np.flatnonzero(step)[0])
            forward[i if step[axis] == 1 else j, axis] = coupling
        model = self.peapods.Ising(
            sides, couplings=forward.reshape(*sides, -1).astype(np.float32),
            temperatures=np.array(temperatures, dtype=np.float32), n_replicas=ladders,
        )  # fmt: skip
        seconds, found = timed(lambda: model.sample(sweeps, pt_interval=1, sequential=True))
        return {"seconds": seconds, "energies": -np.asarray(found["energies"]) * size}


SIDES = {"ours": Ours, "dwave-samplers": Dwave, "openjij": OpenJij, "peapods": Peapods}

if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a rival prints is not an answer
    side = SIDES[sys.argv[1]]()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        answer = getattr(side, job.pop("job"))(**job)
        print(json.dumps({k: np.asarray(v).tolist() for k, v in answer.items()}), file=answers, flush=True)
