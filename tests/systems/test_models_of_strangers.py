"""Models as they come, wrapped, compiled, with sparse gradients, shared modules, old tensors."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spinfunnel.core import BadInput
from spinfunnel.networks.batch_statistics import renormalised
from spinfunnel.networks.symmetry import symmetry
from spinfunnel.systems.network_loss import NetworkLoss
from spinfunnel.systems.network_loss.batches import rows_of, taken
from spinfunnel.systems.network_loss.cost import counted
from spinfunnel.systems.network_loss.modules import loaded, unwrapped


def crossed(model, batch):
    return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def points(n=24, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=generator, dtype=dtype)
    y = torch.randint(3, (n,), generator=generator)
    return list(zip(x.split(10), y.split(10), strict=True))


def words(n=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(9, (n, 5), generator=generator)
    return list(zip(x.split(10), torch.randint(3, (n,), generator=generator).split(10), strict=True))


def network(hidden=8):
    return nn.Sequential(nn.Linear(6, hidden), nn.Tanh(), nn.Linear(hidden, 3)).double()


def direct(model, losses, batches, v):
    """The mean loss, its gradient, and the Hessian times v, by torch alone."""
    free = [p for p in model.parameters() if p.requires_grad]
    found = [losses(model, batch) for batch in batches]
    pairs = [one if isinstance(one, tuple) else (one, torch.ones_like(one)) for one in found]
    mean = sum((a * w).sum() for a, w in pairs) / sum(w.sum() for _, w in pairs)
    slopes = torch.autograd.grad(mean, free, create_graph=True, materialize_grads=True)
    slope = torch.cat([one.reshape(-1) for one in slopes])
    bends = torch.autograd.grad(slope, free, torch.from_numpy(v), materialize_grads=True)
    return mean.item(), slope.detach().numpy(), torch.cat([one.reshape(-1) for one in bends]).numpy()


def agrees(model, losses, batches, plain=None):
    """All of them agree to rounding, one point at a time and several together."""
    system = NetworkLoss(model, losses, batches)
    v = np.random.default_rng(0).normal(size=system.size)
    known = direct((unwrapped(model) if plain is None else plain).eval(), losses, batches, v)
    w = system.trained
    stack = system.energy_and_gradient(np.stack([w, w]))
    alone = system.energy_and_gradient(w[None])
    for energy, slope in ((alone[0][0], alone[1][0]), (stack[0][1], stack[1][1])):
        assert energy == pytest.approx(known[0], rel=1e-12)
        assert np.abs(slope - known[1]).max() <= 1e-10 * np.abs(known[1]).max()
    assert np.abs(system.hessian() @ v - known[2]).max() <= 1e-9 * np.abs(known[2]).max()
    return system


# -- models ------------------------------------------------------------------------------------------------


class Twice(nn.Module):
    """One module under two names: torch's own exchange of parameters leaves such a one changed behind."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)
        self.again = self.first

    def forward(self, x):
        return self.last(self.again(self.first(x).tanh()).tanh())


class Keeps(nn.Module):
    """Keeps what it computed, and counts, as many models do."""

    def __init__(self):
        super().__init__()
        self.body, self.seen = network(), {}
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.calls += 1
        self.seen = {"hidden": [self.body[1](self.body[0](x))]}
        self.body[0].last = self.seen["hidden"][0]
        return self.body[2](self.seen["hidden"][0])


class Scaled(nn.Module):
    def forward(self, w):
        return w + w.T


def parametrised():
    square = nn.Linear(8, 8)
    nn.utils.parametrize.register_parametrization(square, "weight", Scaled())
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 8))
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 3))
    return nn.Sequential(normed, nn.Tanh(), square, nn.ReLU(inplace=True), spectral).double().eval()


def mixed():
    model = network()
    model[0].register_parameter("spare", nn.Parameter(torch.zeros(5, dtype=torch.float64)))
    model[2].bias.requires_grad_(False)
    return model


MODELS = {
    "one module twice": lambda: Twice().double(),
    "parametrised": parametrised,
    "a spare and a frozen parameter": mixed,
    "wrapped": lambda: nn.DataParallel(network()),
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(network()),
    "ReLU in place": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)).double(),
}


@pytest.mark.parametrize("kind", MODELS)
def test_derivatives_are_those_of_torch(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        agrees(MODELS[kind](), crossed, points())


def test_sparse_gradients_become_dense_ones_in_the_copy():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(20, 3)).double()
    plain = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3)).double()
    plain.load_state_dict(model.state_dict())
    agrees(model, crossed, words(), plain)
    assert model[0].sparse


def test_tensors_of_an_earlier_pass_are_cut_off_in_the_copy():
    model = Keeps()
    crossed(model, points()[0]).sum().backward()
    kept, last = model.seen["hidden"][0], model.body[0].last
    system = NetworkLoss(model, crossed, points())
    system.hessian() @ system.energy_and_gradient(system.trained[None])[1][0]
    assert model.seen["hidden"][0] is kept is last is model.body[0].last
    assert kept.grad_fn is not None
    assert int(model.calls) == 1
    assert all(p.grad is not None for p in model.parameters())


def test_a_compiled_model_is_looked_at_as_it_was_written():
    model = network()
    losses = torch.compile(crossed, backend="eager")
    agrees(torch.compile(model, backend="eager"), crossed, points(), model)
    outer = nn.Sequential(torch.compile(model, backend="eager"))
    system = NetworkLoss(outer, losses, points())
    assert system.blocks[0].name == "0._orig_mod.0.weight"
    assert system.flat({f"0.{name}": p.detach().numpy() for name, p in model.named_parameters()}).shape == (
        83,
    )
    system.hessian() @ system.trained


def test_complex_weights_are_refused_and_complex_buffers_stay_complex():
    class Wave(nn.Module):
        def __init__(self, dtype):
            super().__init__()
            self.w = nn.Parameter(torch.ones(4, 3, dtype=dtype))
            self.register_buffer("turn", torch.polar(torch.ones(4), torch.arange(4.0)))

        def forward(self, x):
            return (torch.fft.rfft(x) * self.turn @ (self.w + 0j)).abs()

    with pytest.raises(BadInput, match=r"w is complex, .*make two real parameters"):
        NetworkLoss(Wave(torch.complex64), crossed, points(dtype=torch.float32))
    for dtype in (None, "float64"):
        system = NetworkLoss(Wave(torch.float32), crossed, points(dtype=torch.float32), dtype=dtype)
        assert system.module.turn.is_complex()
        assert np.isfinite(system.losses_at(system.trained)).all()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_scripted_models_are_refused():
    scripted = torch.jit.script(network())
    for model in (scripted, nn.Sequential(scripted)):
        with pytest.raises(BadInput, match=r"compiled by torch.jit: give the module that it was made of"):
            NetworkLoss(model, crossed, points())
    with pytest.raises(BadInput, match="the model has no parameters"):
        NetworkLoss(nn.Tanh(), crossed, points())


def test_losses_may_differentiate_by_their_inputs():
    def losses(model, batch):
        x = batch[0].detach().clone().requires_grad_(True)
        out = model(x)
        return ((torch.autograd.grad(out[:, 0].sum(), x, create_graph=True)[0] + out[:, :1]) ** 2).sum(1)

    def functional_losses(model, batch):
        slopes = torch.vmap(torch.func.grad(lambda one: model(one[None])[0, 0]))(batch[0])
        return ((slopes + model(batch[0])[:, :1]) ** 2).sum(1)

    model = network()
    system = agrees(model, losses, points())
    other = agrees(model, functional_losses, points())
    assert other.energy(other.trained[None]) == pytest.approx(system.energy(system.trained[None]))
    for one in (system, other):
        assert one.seconds > 0
        assert min(one.kept_bytes("hessian")) > 0
    with pytest.raises(BadInput, match="more of the model than its outputs"):
        NetworkLoss(model, lambda m, b: losses(m, b)[:, None][:, 0], points()).ggn() @ system.trained


def test_nothing_of_the_users_is_touched():
    model = nn.DataParallel(Keeps()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    whole = torch._C._get_mkldnn_enabled()
    system = NetworkLoss(model, crossed, points())
    system.few(5, 0).energy_and_gradient(np.stack([system.trained] * 2))
    assert system.divisible
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert states[1:] == (random.getstate(), str(np.random.get_state()))  # noqa: NPY002
    assert torch.equal(states[0], torch.get_rng_state())
    assert torch._C._get_mkldnn_enabled() == whole
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_priced_by_their_steps(layer):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.read = layer(6, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.read(self.layer(x)[0][:, -1])

    def priced(length):
        x = torch.randn(8, length, 6, generator=torch.Generator().manual_seed(0))
        return NetworkLoss(Last(), crossed, [(x, torch.zeros(8, dtype=torch.long))]).seconds

    assert priced(40) / priced(20) == pytest.approx(2, rel=0.2)
    work = counted(lambda: Last()(torch.zeros(1, 4, 6)))
    assert 4 < work.steps < work.operations
    assert counted(lambda: network()(torch.zeros(2, 6).double())).steps == 0


# -- files of weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "net.body."])
def test_weights_may_be_behind_the_prefix_of_a_trainer(prefix):
    model, other = network(), network()
    named = {f"{prefix}{name}": value.numpy() for name, value in other.state_dict().items()} | {
        "step": np.ones(1)
    }
    filled = loaded(nn.DataParallel(model), named, "a file")
    assert torch.equal(filled.module[0].weight, other[0].weight)
    system = NetworkLoss(model, crossed, points())
    assert (system.flat(named) == NetworkLoss(other, crossed, points()).trained).all()


def test_of_two_sets_of_weights_none_is_meant():
    state = {name: value.numpy() for name, value in network().state_dict().items()}
    named = {f"{who}.{name}": value for who in ("student", "teacher") for name, value in state.items()}
    with pytest.raises(BadInput, match=r"a file: 0.weight is missing, the model has \(8, 6\)"):
        loaded(network(), named, "a file")
    with pytest.raises(BadInput, match="another architecture"):
        NetworkLoss(network(), crossed, points()).flat(named)


def test_shared_weights_may_be_stored_under_either_name():
    model = Twice().double()
    system = NetworkLoss(model, crossed, points())
    state = {name: value.numpy() for name, value in model.state_dict().items() if "first" not in name}
    assert (system.flat(state) == system.trained).all()


# -- batches -----------------------------------------------------------------------------------------------


def test_lists_of_examples_are_cut_and_lists_of_arrays_are_not():
    images = [torch.zeros(2, n, 2) for n in (4, 5, 6)]
    batch = {"images": images, "y": torch.arange(3), "pair": [torch.arange(3), torch.ones(3)]}
    cut = taken(batch, np.array([0, 2]), 3)
    assert [one.shape[1] for one in cut["images"]] == [4, 6]
    assert cut["y"].tolist() == cut["pair"][0].tolist() == [0, 2]
    assert rows_of(images, 3) == 3
    assert len(taken([torch.arange(2), torch.arange(2)], np.array([0]), 2)) == 2


def graphs(sizes=(4, 6, 5), nodes=3):
    generator = torch.Generator().manual_seed(0)
    for n in sizes:
        x = torch.randn(n * nodes, 6, generator=generator, dtype=torch.float64)
        y = torch.randint(3, (n,), generator=generator)
        yield {"x": x, "graph": torch.arange(n).repeat_interleave(nodes), "y": y}


def of_graphs(model, batch):
    out = model(batch["x"])
    summed = torch.zeros(len(batch["y"]), 3, dtype=out.dtype).index_add(0, batch["graph"], out)
    return functional.cross_entropy(summed, batch["y"], reduction="none")


def test_of_batches_that_cannot_be_cut_whole_ones_are_taken():
    system = agrees(network(), of_graphs, list(graphs()))
    assert not system.divisible
    few = system.few(4, 0)
    assert few.counts in ([4], [6], [5])
    assert set(few.losses_at(few.trained)) <= set(system.losses_at(system.trained))
    assert system.few(9, 0).examples in (9, 10, 11)
    assert NetworkLoss(network(), crossed, points()).divisible


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_sparse_tensors_may_be_in_a_batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, 6, generator=generator, dtype=torch.float64)
    near = (torch.rand(9, 9, generator=generator, dtype=torch.float64) < 0.3).double()

    def losses(model, batch):
        return functional.cross_entropy(
            torch.sparse.mm(batch[1], model(batch[0])), batch[2], reduction="none"
        )

    for sparse in (near.to_sparse(), near.to_sparse_csr()):
        system = NetworkLoss(network(), losses, [(x, sparse, torch.arange(9) % 3)])
        assert not system.divisible
        assert min(system.kept_bytes("hessian")) > 0 < system.seconds
        system.hessian() @ system.energy_and_gradient(system.trained[None])[1][0]


def test_examples_that_are_compared_with_each_other_are_not_parted():
    def contrasted(model, batch):
        z = functional.normalize(model(batch[0]), dim=1)
        return functional.cross_entropy(z @ z.T, torch.arange(len(z)), reduction="none")

    assert not NetworkLoss(network(), contrasted, points()).divisible
    one = NetworkLoss(network(), lambda m, b: contrasted(m, b).mean()[None], points())
    assert one.counts == [1, 1, 1]
    assert not one.divisible
    assert one.few(2, 0).examples == 2


# -- any shapes at all -------------------------------------------------------------------------------------


def anything(seed):
    """A random network, its losses, and batches of a random structure."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    acts = (nn.Tanh, nn.GELU, nn.Softplus, nn.SiLU, lambda: nn.ELU(inplace=True))
    depth, classes = rng.integers(1, 4), int(rng.integers(2, 5))
    images = bool(rng.integers(2))
    widths = [int(rng.integers(1, 4)), *(2 * int(rng.integers(1, 5)) for _ in range(depth))]
    layers, side = [], int(rng.integers(4, 8))
    for a, b in pairwise(widths):
        if images:
            groups = int(rng.choice([g for g in (1, 2, a) if a % g == b % g == 0]))
            layers.append(nn.Conv2d(a, b, 3, padding=1, stride=int(rng.integers(1, 3)), groups=groups))
            layers.append(
                (nn.BatchNorm2d, lambda c: nn.GroupNorm(1, c), lambda c: nn.Identity())[rng.integers(3)](b)
            )
        else:
            layers.append(nn.Linear(a, b, bias=bool(rng.integers(2))))
            layers.append((nn.LayerNorm, nn.BatchNorm1d, lambda c: nn.Identity())[rng.integers(3)](b))
        layers.append(acts[rng.integers(len(acts))]())
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if images else []
    model = nn.Sequential(*layers, nn.Linear(widths[-1], classes)).double().eval()
    form, weighted = rng.integers(4), bool(rng.integers(2))

    def losses(model, batch):
        x, y, c = (
            (batch["x"], *batch["rest"])
            if isinstance(batch, dict)
            else (batch[0], batch[-1][0], batch[-1][1])
        )
        found = functional.cross_entropy(model(x), y, reduction="none")
        return (found, c) if weighted else found

    batches = []
    for n in rng.integers(1, 7, size=rng.integers(1, 5)):
        shape = (int(n), widths[0], side, side) if images else (int(n), widths[0])
        x, y = torch.randn(shape, dtype=torch.float64), torch.randint(classes, (int(n),))
        rest = [y, torch.rand(int(n), dtype=torch.float64) + 0.01]
        batches.append(({"x": x, "rest": rest}, (x, rest), [x, "label", rest], (x, None, tuple(rest)))[form])
    return model, losses, batches


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(k, marks=pytest.mark.slow) for k in range(12, 120))]
)
def test_any_network_and_batches_have_the_derivatives_of_torch_and_copies_that_are_the_same(seed):
    with torch.random.fork_rng(devices=[]):
        model, losses, batches = anything(seed)
    system = agrees(model, losses, batches)
    few = system.few(max(1, system.examples // 2), seed)
    assert set(np.round(few.losses_at(few.trained), 9)) <= set(np.round(system.losses_at(system.trained), 9))
    if system.examples > 1:  # batch normalisation has no statistics of one
        system = renormalised(system)
        copy = symmetry(system, seed).copy(system, system.trained, seed)
        both = system.energy(np.stack([system.trained, copy]))
        assert both[1] == pytest.approx(both[0], rel=1e-9)
