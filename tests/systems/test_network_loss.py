"""A network's loss as an energy: exact means and derivatives, of any model and batches."""

import os
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spinfunnel.core import BadInput
from spinfunnel.systems.network_loss import CALLING, TOGETHER, NetworkLoss
from spinfunnel.systems.network_loss.calibration import _model, calibrations
from spinfunnel.systems.network_loss.modules import loaded
from spinfunnel.testing import check_system


def crossed(model, batch):
    return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def drawn(*shape, classes=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=dtype)
    return x, torch.randint(classes, shape[:1], generator=generator)


def cut(x, y, *sizes):
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def tanh_network(sizes=(4, 6, 3), dtype=torch.float64, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
        return nn.Sequential(*layers[:-1]).to(dtype)


@pytest.fixture
def system():
    return NetworkLoss(tanh_network(), crossed, cut(*drawn(17, 4), 8, 6, 3))


@pytest.mark.parametrize("calibration", calibrations, ids=lambda one: one.name)
def test_derivatives_are_those_that_are_known(calibration):
    rows = list(calibration.run(3))
    assert len(rows) >= 10
    assert [row for row in rows if not row.ok] == []
    assert max(row.value for row in rows) < 1e-8


@pytest.mark.parametrize("kind", ["tanh", "convolutions"])
def test_a_network_keeps_what_every_system_promises(kind):
    x, y = drawn(9, 4) if kind == "tanh" else drawn(9, 6, 4)
    check_system(NetworkLoss(_model(kind, 0), crossed, cut(x, y, 6, 3)), batch=5)


def flags(model):
    """Everything of a user's model, and of torch, that could be changed behind his back."""
    here = torch.backends.cuda
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        [(name, module.training, len(module._forward_hooks)) for name, module in model.named_modules()],
        [(name, p.requires_grad, p.grad is None, id(p)) for name, p in model.named_parameters()],
        torch.get_rng_state().tolist(),
        (here.flash_sdp_enabled(), here.mem_efficient_sdp_enabled(), here.math_sdp_enabled()),
        (torch.backends.mha.get_fastpath_enabled(), torch.is_grad_enabled()),
        torch._C._functorch._is_vmap_fallback_enabled(),
    )


@pytest.mark.parametrize("kind", ["convolutions", "encoder"])
def test_a_model_in_train_mode_is_evaluated_in_eval_mode_and_not_touched(kind):
    model = _model(kind, 0).train()
    next(model.parameters()).requires_grad_(False)
    list(model.modules())[-1].eval()
    before = flags(model)
    found = NetworkLoss(model, crossed, cut(*drawn(17, 6, 4), 8, 6, 3), build=lambda: _model(kind, 1))
    x = found.random(3, 0)
    first = found.energy_and_gradient(x)
    for products in (found.hessian(), found.ggn(), found.fisher(x[0])):
        products @ found.native
    with found.put(x[1]) as module:
        assert not any(one.training for one in module.modules())
    second = found.energy_and_gradient(x)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert found.bytes(1.0, 10) > 0 < found.seconds
    found.few(4, 0).losses_at(x[0])
    state, *others = flags(model)
    assert all(torch.equal(value, before[0][name]) for name, value in state.items())
    assert tuple(others) == before[1:]
    assert not found.native.flags.writeable or (found.native == found.flat(found.mapping(found.native))).all()


def test_the_mean_is_over_examples_not_over_batches(system):
    losses = system.losses_at(system.native)
    assert losses.shape == (system.examples,) == (17,)
    assert system.counts == [8, 6, 3]
    assert system.energy(system.native[None])[0] == pytest.approx(losses.mean(), rel=1e-14)
    assert system.total_weight == 17
    assert system.errors_at(system.native) is None


def test_weights_of_tokens_are_those_of_the_mean():
    x, y = drawn(12, 4)
    shares = torch.arange(12.0)

    def losses(model, batch):
        return crossed(model, batch), batch[2]

    weighted = NetworkLoss(tanh_network(), losses, [(x[:9], y[:9], shares[:9]), (x[9:], y[9:], shares[9:])])
    w = weighted.native
    assert (weighted.weights_of_examples == np.arange(12)).all()
    known = np.average(weighted.losses_at(w), weights=np.arange(12))
    assert weighted.energy(w[None])[0] == pytest.approx(known, rel=1e-14)
    never = NetworkLoss(tanh_network(), crossed, [(x[1:], y[1:])])
    ones = NetworkLoss(tanh_network(), lambda m, b: (crossed(m, b), (b[1] >= 0).double()), [(x[1:], y[1:])])
    assert ones.energy(w[None])[0] == pytest.approx(never.energy(w[None])[0], rel=1e-14)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_a_float32_copy_and_its_inputs_follow_wherever_they_come_from(half):
    x, y = drawn(8, 4, dtype=half)
    model = tanh_network(dtype=half)
    found = NetworkLoss(model, crossed, [(x, y)])
    known = NetworkLoss(tanh_network(dtype=half).float(), crossed, [(x.float(), y)])
    assert found.dtype == np.float32
    assert found.doubts == (f"the model is in {str(half)[6:]}; it was looked at as a float32 copy",)
    assert (found.energy(found.native[None]) == known.energy(known.native[None])).all()
    assert (found.over([(x, y)]).losses_at(found.native) == known.losses_at(known.native)).all()
    assert (found.few(5, 1).losses_at(found.native) == known.few(5, 1).losses_at(known.native)).all()
    assert next(model.parameters()).dtype == half
    assert not known.doubts


def test_another_precision_may_be_asked_for():
    x, y = drawn(8, 4, dtype=torch.float32)
    found = NetworkLoss(tanh_network(dtype=torch.float32), crossed, [(x, y)], dtype="float64")
    assert found.native.dtype == found.gradient(found.native[None]).dtype == np.float64
    assert found.over([(x, y)]).hessian().dtype == np.float64


def test_frozen_parameters_are_left_out_and_shared_ones_counted_once():
    model = _model("tied", 0)
    model.between.requires_grad_(False)
    x, y = torch.randint(7, (9, 6), generator=torch.Generator().manual_seed(1)), torch.arange(9) % 7
    found = NetworkLoss(model, crossed, [(x, y)])
    assert [(block.name, block.shape, block.kind) for block in found.blocks] == [
        ("embedding.weight", (7, 4), "embedding"),
        ("output.bias", (7,), "bias"),
    ]
    assert found.doubts == ("20 frozen parameters are left out: the loss is a function of the others",)
    with found.put(found.native + 1) as module:
        assert torch.equal(module.output.weight, model.output.weight + 1)
    model.requires_grad_(False)
    with pytest.raises(BadInput, match="all parameters of the model are frozen"):
        NetworkLoss(model, crossed, [(x, y)])


def test_kinds_of_parameters_are_known():
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 2, 3), nn.LayerNorm(4), nn.Linear(4, 2),
    )  # fmt: skip
    found = NetworkLoss(model, crossed, [()])
    assert {block.name: block.kind for block in found.blocks} == {
        "0.weight": "conv", "0.bias": "bias", "1.weight": "norm", "1.bias": "norm", "2.weight": "other",
        "2.bias": "bias", "3.weight": "norm", "3.bias": "norm", "4.weight": "linear", "4.bias": "bias",
    }  # fmt: skip
    assert found.blocks[-1].stop == found.size == sum(p.numel() for p in model.parameters())


def test_weights_flat_and_named_are_the_same(system):
    named = {name: p.detach().numpy() for name, p in tanh_network().named_parameters()}
    assert (system.flat(named) == system.trained).all()
    w = np.arange(system.size) / 10
    assert (system.flat(system.mapping(w)) == w).all()
    with system.put(w) as module:
        assert (module[0].weight.detach().numpy() == system.mapping(w)["0.weight"]).all()
        direct = crossed(module, drawn(17, 4)).detach().numpy()
    assert np.abs(system.losses_at(w) - direct).max() < 1e-12
    with pytest.raises(BadInput, match=r"0.weight is missing, the model has \(6, 4\)"):
        system.flat({})


class Several(nn.Module):
    """Two inputs, one by name; puts out hidden units and logits, as dictionaries or tuples."""

    def __init__(self, form=tuple):
        super().__init__()
        self.network, self.form = tanh_network(), form

    def forward(self, x, *, scale):
        hidden = self.network[1](self.network[0](x * scale))
        logits = self.network[2](hidden)
        return (
            (hidden, logits) if self.form is tuple else {"hidden": hidden, "logits": logits, "kind": "both"}
        )


@pytest.mark.parametrize("form", [tuple, dict])
def test_several_inputs_and_outputs_make_the_same_products(system, form):
    def losses(model, batch):
        out = model(batch["x"], scale=batch["scale"])
        return functional.cross_entropy(out["logits" if form is dict else 1], batch["y"], reduction="none")

    batches = [{"x": x / 2, "y": y, "scale": torch.tensor(2.0)} for x, y in system.batches]
    found = NetworkLoss(Several(form), losses, batches)
    v = np.random.default_rng(0).standard_normal(system.size)
    for kind in ("hessian", "ggn", "fisher"):
        assert np.abs(getattr(found, kind)() @ v - getattr(system, kind)() @ v).max() < 1e-12


def test_what_the_loss_sees_of_two_outputs_is_what_bends_it():
    """E = mean of z1^2 z2^2: the Gauss-Newton matrix has the mixed derivative of the loss in its outputs."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.7, -1.3], dtype=torch.float64))

        def forward(self, x):
            return self.w[0] * x, self.w[1] * x

    x = torch.tensor([1.0, 2.0, -1.5], dtype=torch.float64)
    found = NetworkLoss(Two(), lambda m, b: (lambda z: z[0] ** 2 * z[1] ** 2)(m(b)), [x])
    a, b = found.native
    fourth = float((x**4).mean())
    known = fourth * np.array([[2 * b * b, 4 * a * b], [4 * a * b, 2 * a * a]])
    assert np.abs(found.ggn() @ np.eye(2) - known).max() < 1e-12
    assert np.abs(found.hessian() @ np.eye(2) - known).max() < 1e-12


def test_gauss_newton_needs_one_call_of_the_model_and_tensors_put_out(system):
    twice = NetworkLoss(tanh_network(), lambda m, b: crossed(m, b) + crossed(m, b), system.batches)
    with pytest.raises(BadInput, match="the losses call the model 2 times a batch"):
        twice.ggn() @ twice.native
    assert twice.kept_bytes("ggn") == (0, 0)
    assert np.abs(twice.hessian() @ twice.native - 2 * (system.hessian() @ system.native)).max() < 1e-12

    class Odd(nn.Sequential):
        def forward(self, x):
            return type("Out", (), {"logits": super().forward(x)})

    odd = NetworkLoss(
        Odd(*tanh_network()),
        lambda m, b: functional.cross_entropy(m(b[0]).logits, b[1], reduction="none"),
        system.batches,
    )
    with pytest.raises(BadInput, match="the model puts out no tensor"):
        odd.ggn() @ odd.native


def test_float64_losses_of_a_float32_model():
    x, y = drawn(8, 4, dtype=torch.float32)
    model = tanh_network(dtype=torch.float32)
    found = NetworkLoss(model, lambda m, b: crossed(m, b).double(), [(x, y)])
    plain = NetworkLoss(model, crossed, [(x, y)])
    v = np.ones(found.size, dtype=np.float32)
    for kind in ("hessian", "ggn", "fisher"):
        a, b = getattr(found, kind)() @ v, getattr(plain, kind)() @ v
        assert a.dtype == np.float32
        assert np.abs(a - b).max() < 1e-5 * np.abs(b).max()
    stack = np.stack([found.native, found.native])
    assert found.energy_and_gradient(stack)[1].dtype == np.float32
    assert found.vectorised


def test_products_take_vectors_and_matrices_of_numpy_and_torch(system):
    products, v = system.hessian(), np.random.default_rng(0).standard_normal((system.size, 3))
    of_matrix, of_tensor = products @ v, products @ torch.from_numpy(v)
    assert products.shape == (system.size, system.size)
    assert isinstance(of_matrix, np.ndarray)
    assert isinstance(of_tensor, torch.Tensor)
    assert (of_tensor.numpy() == of_matrix).all()
    assert (of_matrix[:, 1] == products @ v[:, 1]).all()
    x = np.stack([system.native, system.native + 0.1])
    assert (system.hvp(x, v.T[:2])[1] == system.hessian(x[1]) @ v[:, 1]).all()
    with pytest.raises(BadInput, match=r"there is no parameter 'fc'; there are 0\.weight, 0\.bias"):
        system.hessian(blocks=["fc"])


def test_a_loss_that_does_not_bend_has_products_of_zero(system):
    flat = NetworkLoss(nn.Linear(4, 1).double(), lambda m, b: m(b[0])[:, 0], system.batches)
    for kind in ("hessian", "ggn"):
        assert not (getattr(flat, kind)() @ flat.native).any()
    assert (flat.fisher() @ flat.native).any()
    apart = NetworkLoss(tanh_network(), lambda m, b: (m(b[0]) * 0 + b[0][:, :1]).sum(1), system.batches)
    assert not (apart.ggn() @ apart.native).any()


# -- replicas together -------------------------------------------------------------------------------------


def test_graphs_are_kept_of_one_matrix_at_a_time_and_built_again_where_they_are_needed(system):
    v = np.random.default_rng(0).standard_normal(system.size)
    hessian = system.hessian()
    expected = hessian @ v
    few = system.few(6, 0).ggn()
    assert hessian.kept is None
    assert few.kept is not None
    assert (hessian @ v == expected).all()
    assert hessian.kept is not None
    assert few.kept is None


@pytest.mark.parametrize("kind", ["tanh", "attention", "encoder", "convolutions", "recurrent"])
def test_what_can_be_evaluated_together_is_and_what_cannot_is_not(kind, recwarn):
    x, y = drawn(17, 4) if kind == "tanh" else drawn(17, 6, 4)
    found = NetworkLoss(_model(kind, 0), crossed, cut(x, y, 8, 6, 3))
    replicas = found.random(TOGETHER + 3, 0)
    assert found.vectorised
    energies = found.energy(replicas)
    assert found.vectorised == (kind != "recurrent")  # which torch cannot
    assert np.abs(energies - [found.energy(w[None])[0] for w in replicas]).max() < 1e-14
    assert not recwarn.list


def test_replicas_of_large_batches_or_little_memory_are_not_evaluated_together(system):
    x, y = drawn(400, 128, dtype=torch.float32)
    large = NetworkLoss(tanh_network((128, 256, 3), dtype=torch.float32), crossed, [(x, y)])
    operations = 2 * 400 * 131 * 256
    assert operations > CALLING
    assert not large.vectorised
    assert large.over([(x[:10], y[:10])]).vectorised
    assert system.together == TOGETHER
    data = sum(x.nbytes + y.nbytes for x, y in system.batches)
    small = NetworkLoss(tanh_network(), crossed, system.batches, memory=data + 10_000)
    assert 1 <= small.together < TOGETHER
    w = system.random(5, 0)
    assert np.abs(small.energy(w) - system.energy(w)).max() < 1e-14


# -- data --------------------------------------------------------------------------------------------------


class Reader:
    """A loader that reads anew each time, and counts how often."""

    def __init__(self, batches):
        self.batches, self.read = batches, 0

    def __iter__(self):
        self.read += 1
        return iter(self.batches)


def test_data_are_read_once_if_they_fit_and_else_every_time(system):
    reader = Reader(system.batches)
    held = NetworkLoss(tanh_network(), crossed, reader)
    held.gradient(held.native[None])
    assert (reader.read, held.in_memory) == (1, True)
    streamed = NetworkLoss(tanh_network(), crossed, reader, memory=100)
    before = reader.read
    assert not streamed.in_memory
    assert (streamed.gradient(held.native[None]) == held.gradient(held.native[None])).all()
    assert reader.read > before
    products = streamed.hessian()
    assert products.kept is None
    assert (products @ held.native == held.hessian() @ held.native).all()
    assert (streamed.few(9, 1).losses_at(held.native) == held.few(9, 1).losses_at(held.native)).all()
    rebuilt = NetworkLoss(tanh_network(), crossed, system.batches, memory=2000)
    assert rebuilt.in_memory
    assert rebuilt.hessian().kept is None
    assert (rebuilt.hessian() @ held.native == held.hessian() @ held.native).all()


def test_data_that_are_none_or_can_be_read_only_once_are_refused(system):
    with pytest.raises(BadInput, match="the data hold no batch"):
        NetworkLoss(tanh_network(), crossed, [])
    with pytest.raises(BadInput, match="the batches can be read only once"):
        NetworkLoss(tanh_network(), crossed, iter(system.batches), memory=100)


def test_what_a_gradient_costs_does_not_depend_on_what_was_asked_before():
    asked, fresh = (NetworkLoss(tanh_network(), crossed, cut(*drawn(300, 4), 200, 100)) for _ in range(2))
    assert asked.examples == 300
    assert fresh.seconds == asked.seconds


def test_where_time_is_short_fewer_examples_are_looked_at():
    whole = NetworkLoss(tanh_network(), crossed, cut(*drawn(300, 4), 200, 100))
    assert whole.within(100 * whole.seconds, 99, 0) is whole
    fewer = whole.within(0.7 * whole.seconds, 1, 0)
    assert fewer.examples in (64, 128, 256)
    assert fewer.seconds <= 0.7 * whole.seconds or fewer.examples == 64
    assert whole.within(0.0, 1, 0).examples == 64


def test_a_few_examples_are_the_same_for_one_seed_and_all_equally_likely(system):
    assert system.few(17, 0) is system
    few = system.few(5, 0)
    assert few.examples == 5
    assert (few.losses_at(few.native) == system.few(5, 0).losses_at(few.native)).all()
    every = {round(float(value), 12): i for i, value in enumerate(system.losses_at(system.native))}
    seen = np.zeros(17)
    for seed in range(300):
        chosen = system.few(5, seed).losses_at(system.native)
        np.add.at(seen, [every[round(float(value), 12)] for value in chosen], 1)
    assert seen.sum() == 1500
    share = 5 / 17
    assert np.abs(seen - 300 * share).max() < 4 * np.sqrt(300 * share * (1 - share))


def test_of_tokens_whole_sequences_are_drawn():
    x, y = drawn(10, 7, 4)
    y = torch.randint(3, (10, 7), generator=torch.Generator().manual_seed(0))

    def tokens(model, batch):
        z = model(batch["x"]).flatten(0, 1)
        return functional.cross_entropy(z, batch["y"].flatten(), reduction="none")

    batches = [
        {"x": x[:6], "y": y[:6], "table": torch.eye(7)},
        {"x": x[6:], "y": y[6:], "table": torch.eye(7)},
    ]
    found = NetworkLoss(tanh_network(), tokens, batches)
    assert found.examples == 70
    few = found.few(21, 3)
    assert few.examples == 21
    rows = found.losses_at(found.native).reshape(10, 7)
    for row in few.losses_at(found.native).reshape(3, 7):
        assert (np.abs(rows - row).max(axis=1) < 1e-14).any()
    assert all(batch["table"].shape == (7, 7) for batch in few.batches)


def test_random_weights_are_those_of_fresh_models_or_as_large_as_the_trained(system):
    before = torch.get_rng_state()
    built = NetworkLoss(tanh_network(), crossed, system.batches, build=lambda: tanh_network(seed=1))
    assert (built.random(2, 0)[0] == built.random(2, 5)[1]).all()
    fresh = NetworkLoss(
        tanh_network(),
        crossed,
        system.batches,
        build=lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)),
    )
    x = fresh.random(3, 0)
    assert (x == fresh.random(3, 0)).all()
    assert (x[0] != x[1]).any()
    assert torch.equal(before, torch.get_rng_state())
    many = system.random(4000, 0)
    for block in system.blocks:
        part = slice(block.start, block.stop)
        wide, known = np.sqrt((many[:, part] ** 2).mean()), np.sqrt((system.native[part] ** 2).mean())
        assert abs(wide / known - 1) < 5 / np.sqrt(2 * 4000 * len(system.native[part]))


def test_overlaps_are_cosines(system):
    x, y = system.random(4, 0), system.random(4, 1)
    known = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, y, strict=True)]
    assert np.abs(system.overlap(x, y) - known).max() < 1e-14
    assert system.overlap(x, -2 * x) == pytest.approx(-1)


# -- models that cannot be used, and files -----------------------------------------------------------------


def test_a_model_that_cannot_be_copied_is_one_line(system):
    model = tanh_network()
    model.lock = threading.Lock()
    with pytest.raises(BadInput, match=r"the model cannot be copied \(.*lock.*\): let it hold no") as told:
        NetworkLoss(model, crossed, system.batches)
    assert "\n" not in str(told.value)


def test_weights_of_a_file_go_into_a_copy():
    model, other = tanh_network(), tanh_network(seed=2)
    named = {name: value.numpy() for name, value in other.state_dict().items()}
    filled = loaded(model, named, "other.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(filled.parameters(), other.parameters(), strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), tanh_network().parameters(), strict=True)
    )
    for wrong, said in (({}, "missing"), ({**named, "0.weight": np.zeros((2, 2))}, r"\(2, 2\)")):
        with pytest.raises(BadInput, match=rf"a.bin: 0.weight is {said}, the model has \(6, 4\)"):
            loaded(model, wrong, "a.bin")


def test_a_hugging_face_model_on_dictionaries():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        num_labels=3,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.BertForSequenceClassification(config).double()
    ids = torch.randint(1, 30, (7, 5), generator=torch.Generator().manual_seed(1))
    given = [{"input_ids": part, "attention_mask": (part > 4).long()} for part in ids.split((4, 3))]
    batches = [transformers.BatchEncoding(one | {"labels": one["input_ids"][:, 0] % 3}) for one in given]

    def losses(model, batch):
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        out = model(**inputs, output_hidden_states=True)
        return functional.cross_entropy(out.logits, batch["labels"], reduction="none")

    found = NetworkLoss(model, losses, batches)
    assert type(found.batches[0]) is transformers.BatchEncoding
    w, v = found.native, np.random.default_rng(0).standard_normal(found.size)
    v /= np.linalg.norm(v)
    ahead, behind = (found.gradient((w + step * v)[None])[0] for step in (1e-5, -1e-5))
    bend = found.hessian() @ v
    assert np.abs(bend - (ahead - behind) / 2e-5).max() < 1e-7 * np.abs(bend).max() + 1e-9

    def near(w):
        with found.put(w) as module, torch.no_grad():
            return np.concatenate([module(**one).logits.numpy() for one in given])

    z, pushed = near(w), (near(w + 1e-5 * v) - near(w - 1e-5 * v)) / 2e-5
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    known = ((p * pushed**2).sum(1) - (p * pushed).sum(1) ** 2).mean()
    assert v @ (found.ggn() @ v) == pytest.approx(known, rel=1e-6)
    stack = np.stack([w, w + 0.01 * v])
    assert np.abs(found.energy(stack) - [found.energy(one[None])[0] for one in stack]).max() < 1e-14


# -- memory ------------------------------------------------------------------------------------------------


def test_graphs_of_batches_of_any_shape_add_up():
    x, y = drawn(60, 4)
    kinds = ("hessian", "ggn", "fisher")
    sizes = (20, 20, 15, 5)
    model = tanh_network((4, 300, 3))
    together = NetworkLoss(model, crossed, cut(x, y, *sizes))
    alone = [NetworkLoss(model, crossed, [batch]) for batch in cut(x, y, *sizes)]
    for kind in kinds:
        own = [one.kept_bytes(kind) for one in alone]
        assert together.kept_bytes(kind) == (sum(total for total, _ in own), own[0][0])
    double = NetworkLoss(model, crossed, cut(x, y, *sizes) * 2)
    assert double.kept_bytes("hessian")[0] == 2 * together.kept_bytes("hessian")[0]
    hidden = 20 * 300 * 8  # what a layer puts out in the largest batch
    assert 2 * hidden < together.kept_bytes("hessian")[1] < 6 * hidden


MEASURED = """
import sys

import torch
from torch import nn

from spinfunnel import Subject, run
from spinfunnel.systems import network_loss

def build():
    if kind == "small":
        return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
    if kind == "wide":
        return nn.Sequential(nn.Linear(784, 1200), nn.Tanh(), nn.Linear(1200, 10))
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))

def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")

torch.manual_seed(0)
kind = sys.argv[1].removesuffix(", rebuilt")
network_loss.SHARE = 1e-4 if kind != sys.argv[1] else network_loss.SHARE
shape = {"small": (64,), "wide": (784,)}.get(kind, (3, 16, 16))
sizes = [100, 100, 37] if len(shape) > 1 else [250] * 4
train = [(torch.randn(n, *shape), torch.randint(10, (n,))) for n in sizes]
task = Subject(model=build(), losses=losses, train=train, build=build)
planned = run.plan(task, effort="quick", only=["curvature", "evidence"])
report = run.carry_out(planned)
report.html(sys.argv[2])
assert not report.failed, report.failed
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(planned.memory, 1024 * int(peak.split()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
@pytest.mark.parametrize("kind", ["small", "wide", "convolutions", "convolutions, rebuilt"])
def test_a_process_takes_no_more_memory_than_was_said_and_at_least_half_of_it(kind, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, kind, str(tmp_path / "report.html")],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said, peak = map(int, done.stdout.split()[-2:])
    assert said / 2 <= peak <= said, f"{peak / said:.2f}"
