"""Spectral densities of Hessians side by side, and points of a slice and of a path against forward passes.

Two networks on 2,000 examples, in float32. All sides make as many Lanczos steps for as many probes, each
basis fully orthogonal, so their errors are alike. curvlinops' own density, whose basis is not, is a row for
the smaller network: the bounds it asks ARPACK for take minutes for the other. "given matrices" is its product
with all probes at once, under an orthogonal Lanczos of our writing. The top of the spectrum must agree before
the clock counts: otherwise there is no row.

As a script, `python curvature.py NAME FOLDER`, this is one side, in an environment of its own.
"""

import json
import statistics
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import serve

DENSITY, POINT = "spectral density, CPU s", "a point of the loss, CPU s"
BENCHES = (DENSITY, POINT)
EXAMPLES, BATCH, POINTS = 2000, 250, 24
#: Layers, Lanczos steps and probes of each network.
NETWORKS = {"85k weights": ((64, 256, 256, 10), 80, 4), "1M weights": ((64, 960, 960, 10), 20, 2)}
EIGENTHINGS, CURVLINOPS = "hessian-eigenthings", "curvlinops"
#: Who makes the same density: (side, its job) -> its name in the row, least ratio.
COMPARED = {
    (EIGENTHINGS, "density"): ("hessian-eigenthings spectral_density", 1.3),
    (CURVLINOPS, "given matrices"): ("curvlinops given matrices", 1.2),
    (CURVLINOPS, "density"): ("curvlinops lanczos_approximate_spectrum", 3.0),
    ("ours", "products"): ("its products alone", 1 / 1.15),
}
RIVALS = {
    net: [who for who in COMPARED if who != (CURVLINOPS, "density") or "85k" in net] for net in NETWORKS
}
PASSES = {"slice": "a slice", "path": "a path"}


def network(sizes):
    from torch import nn

    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*layers[:-1])


def losses(model, batch):
    from torch.nn.functional import cross_entropy

    return cross_entropy(model(batch[0]), batch[1], reduction="none")


def written(folder):
    """Write the examples, and each network a little trained, so that its spectrum has outliers."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(EXAMPLES, 64)
    y = (x @ torch.randn(64, 10)).argmax(dim=1)
    torch.save((x, y), folder / "examples.pt")
    for name, (sizes, _, _) in NETWORKS.items():
        model = network(sizes)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(20):
            optimiser.zero_grad()
            losses(model, (x, y)).mean().backward()
            optimiser.step()
        torch.save(model.state_dict(), folder / f"{name}.pt")


def rows(repeats, side, rival_python, row, folder):
    """Measure; give the rows as `row` makes them, of the sides that agree."""
    folder = Path(folder)
    written(folder)
    pythons = {"ours": sys.executable, **{name: rival_python(name) for name in (EIGENTHINGS, CURVLINOPS)}}
    sides = {name: side(python, "curvature.py", name, folder) for name, python in pythons.items()}
    tops, times = {}, {}
    for net in NETWORKS:
        jobs = dict.fromkeys((name, f"{job} {net}") for name, job in [("ours", "density"), *RIVALS[net]])
        jobs |= dict.fromkeys(("ours", f"{job} {net}") for job in (*PASSES, "passes"))
        for repeat in range(repeats):
            for name, job in jobs:
                seconds = sides[name].seconds(job)
                times.setdefault((name, job), []).append(seconds)
                print(f"{repeat + 1}/{repeats} {seconds:9.4f} s  {name}: {job}", flush=True)
    for name, one in sides.items():
        one.seconds("answer")
        one.close()
        tops[name] = json.loads((folder / f"{name}.json").read_text())
    took = {key: statistics.median(found) for key, found in times.items()}
    for net, (_, steps, probes) in NETWORKS.items():
        work = f"{net}, {steps} steps x {probes} probes"
        mine, known = took["ours", f"density {net}"], tops["ours"][f"density {net}"]
        for name, job in RIVALS[net]:
            (shown, target), top = COMPARED[name, job], tops[name].get(f"{job} {net}")
            if top is not None and abs(top / known - 1) > 1e-2:
                print(f"no row: the top of the spectrum is {known:g} for us, {top:g} for {shown}", flush=True)
                continue
            yield row(DENSITY, work, mine, took[name, f"{job} {net}"], shown, target)
        passes = took["ours", f"passes {net}"] / POINTS
        for job, shown in PASSES.items():
            mine = took["ours", f"{job} {net}"] / POINTS
            yield row(POINT, f"{shown}, {net}", mine, passes, "a forward pass alone", 1 / 1.2)


class Ours:
    def __init__(self, model, batches, steps, probes):
        import torch

        from spinfunnel.systems.network_loss import NetworkLoss

        self.system, self.sizes = NetworkLoss(model, losses, batches), (steps, probes)
        self.model, self.batches = model, batches
        self.vector = torch.randn(self.system.size)
        rng = np.random.default_rng(0)
        self.ends = self.system.native, self.system.native + 0.01 * rng.standard_normal(self.system.size)
        self.system.hessian() @ self.vector  # what is imported, and allocated, when first used
        self.passes()
        self.slice()
        self.path()

    def density(self):
        from spinfunnel.maths.lanczos import slq

        steps, probes = self.sizes
        return float(slq(self.system.hessian(), steps=steps, probes=probes).nodes.max())

    def products(self):
        hessian, (steps, probes) = self.system.hessian(), self.sizes
        for _ in range(steps * probes):
            hessian @ self.vector

    def slice(self):
        from spinfunnel.instruments.slices.lines import losses

        w, other = self.ends
        losses(self.system, w, (other - w)[None], np.linspace(0, 1, POINTS)[:, None])

    def path(self):
        from spinfunnel.instruments.paths.measuring import profile
        from spinfunnel.instruments.paths.ways import straight

        profile(self.system, straight("", *self.ends), POINTS)

    def passes(self):
        import torch

        with torch.inference_mode():
            for _ in range(POINTS):
                sum(float(losses(self.model, batch).sum()) for batch in self.batches)


class Eigenthings:
    def __init__(self, model, batches, steps, probes):
        import torch
        from hessian_eigenthings.operators import HessianOperator

        self.operator = HessianOperator(model, batches, lambda model, batch: losses(model, batch).mean())
        self.sizes = {"lanczos_steps": steps, "num_runs": probes}
        self.operator.matvec(torch.randn(self.operator.size))

    def density(self):
        from hessian_eigenthings.algorithms.spectral_density import spectral_density

        return float(spectral_density(self.operator, seed=0, **self.sizes).raw_eigenvalues.max())


class Curvlinops:
    def __init__(self, model, batches, steps, probes):
        import torch
        from curvlinops import HessianLinearOperator

        parameters = [p for p in model.parameters() if p.requires_grad]
        given = (model, torch.nn.CrossEntropyLoss(), parameters, batches)
        self.operator = HessianLinearOperator(*given, check_deterministic=False)
        self.sizes = steps, probes
        for shape in ((), (probes,)):
            self.operator @ torch.randn(self.operator.shape[0], *shape)

    def density(self):
        from curvlinops.papyan2020traces.spectrum import lanczos_approximate_spectrum

        steps, probes = self.sizes
        lanczos_approximate_spectrum(self.operator, steps, num_repeats=probes)

    def matrices(self):
        """Lanczos with all probes together; each basis is kept orthogonal as ours is."""
        import torch

        (steps, probes), n = self.sizes, self.operator.shape[0]
        basis = torch.empty(probes, steps + 1, n)
        projected = torch.zeros(probes, steps, steps)
        torch.manual_seed(0)
        basis[:, 0] = torch.nn.functional.normalize(torch.randn(probes, n))
        for j in range(steps):
            left = (self.operator @ basis[:, j].T.contiguous()).T[:, :, None]
            for known in (basis[:, max(j - 1, 0) : j + 1], basis[:, : j + 1]):
                share = known @ left
                left = left - known.transpose(1, 2) @ share
                projected[:, j + 1 - known.shape[1] : j + 1, j] += share[:, :, 0]
            basis[:, j + 1] = torch.nn.functional.normalize(left[:, :, 0])
        return float(torch.linalg.eigvalsh(projected, UPLO="U").max())


def jobs_of(name, folder):
    import torch

    x, y = torch.load(folder / "examples.pt")
    batches, jobs, tops = list(zip(x.split(BATCH), y.split(BATCH), strict=True)), {}, {}

    def kept(job, function):
        tops[job] = function()

    for net, (sizes, steps, probes) in NETWORKS.items():
        model = network(sizes).eval()
        model.load_state_dict(torch.load(folder / f"{net}.pt"))
        one = {"ours": Ours, EIGENTHINGS: Eigenthings, CURVLINOPS: Curvlinops}[name](
            model, batches, steps, probes
        )
        for job in ("density", "products", "slice", "path", "passes", "matrices"):
            if hasattr(one, job):
                shown = f"{'given matrices' if job == 'matrices' else job} {net}"
                jobs[shown] = partial(kept, shown, getattr(one, job))
    jobs["answer"] = lambda: (folder / f"{name}.json").write_text(json.dumps(tops))
    return jobs


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    serve.serve(jobs_of(sys.argv[1], Path(sys.argv[2])))
