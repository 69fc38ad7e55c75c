import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spinfunnel.networks.alignment import aligned
from spinfunnel.networks.axes import (
    Axis,
    concatenation,
    leaves,
    part_of,
    places,
    product,
    regroup,
    split,
    tie,
)
from spinfunnel.networks.batch_statistics import renormalised
from spinfunnel.networks.symmetry import symmetry
from spinfunnel.systems.network_loss import NetworkLoss


class Residual(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.stem, self.first, self.second = (
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.Conv2d(12, 8, 1),
        )
        self.norms = nn.ModuleList([norm(8), norm(12), norm(8)])
        self.read = nn.Linear(8 * 9, 4)

    def forward(self, x):
        x = self.norms[0](self.stem(x)).relu_()
        x = x + self.norms[2](self.second(self.norms[1](self.first(x)).relu()))
        return self.read(functional.max_pool2d(x, 2).flatten(1))


class Attention(nn.Module):
    def __init__(self, style):
        super().__init__()
        self.style, self.embed, self.place = style, nn.Embedding(9, 16), nn.Embedding(7, 16)
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.read = nn.Linear(16, 9, bias=False)
        self.read.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
        n, t, d = x.shape
        y = self.qkv(self.norm(x))
        if self.style == "split":
            q, k, v = (one.view(n, t, 4, 4).transpose(1, 2) for one in y.split(d, dim=2))
        elif self.style == "fused":
            q, k, v = y.reshape(n, t, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = y.view(n, t, 4, 12).transpose(1, 2).chunk(3, dim=-1)
        z = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.read(x + self.out(z.transpose(1, 2).reshape(n, t, d)))


def entropy(model, batch):
    return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def images(model):
    torch.manual_seed(0)
    return NetworkLoss(model(), entropy, [(torch.randn(40, 3, 8, 8), torch.randint(4, (40,)))])


def tokens(model):
    torch.manual_seed(0)
    x = torch.randint(9, (20, 7))
    return NetworkLoss(
        model(), lambda net, b: functional.cross_entropy(net(b).mT, b, reduction="none").mean(1), [x]
    )


def sizes(found):
    return [(group.leaf.size, *(one.size for one in group.inner)) for group in found.groups]


def energies(system, *ws):
    return [float(renormalised(system).energy(w[None])[0]) for w in ws]


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (nn.BatchNorm2d, [(8,), (12,)]),
        (nn.InstanceNorm2d, [(8,), (12,)]),
        (lambda c: nn.GroupNorm(1, c), [(8,), (12,)]),
        (lambda c: nn.GroupNorm(4, c), [(4, 2), (4, 3)]),
        (lambda c: nn.Identity(), [(8,), (12,)]),
    ],
)
def test_channels_of_a_residual_network_change_places_together(norm, expected):
    system = images(lambda: Residual(norm))
    found = symmetry(system)
    assert sizes(found) == expected
    assert found.doubts == ()
    copy = found.copy(system, system.native, seed=1)
    assert np.linalg.norm(copy - system.native) > 0.3 * np.linalg.norm(system.native)
    assert np.ptp(energies(system, system.native, copy)) < 1e-6


@pytest.mark.parametrize(
    ("style", "inner"),
    [("split", (4, 4)), ("fused", (4,)), ("interleaved", (4, 4))],
    ids=lambda one: str(one),
)
def test_heads_change_places_as_wholes_and_what_is_in_them_within(style, inner):
    system = tokens(lambda: Attention(style))
    found = symmetry(system)
    assert sizes(found) == [(16,), (4, *inner)]
    assert found.doubts == ()
    copy = found.copy(system, system.native, seed=1)
    assert np.ptp(energies(system, system.native, copy)) < 1e-6


def test_groups_of_a_convolution_change_places_as_wholes_and_what_goes_into_each_stays():
    def network():
        depthwise = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Hardswish()]
        grouped = [nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1, groups=2), nn.ReLU(), nn.Conv2d(6, 5, 1)]
        return nn.Sequential(*depthwise, *grouped, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))

    found = symmetry(images(network))
    assert sizes(found) == [(8,), (2, 3), (5,)]
    assert found.doubts == ("units that meet a convolution in groups were left in place",)


class Recurrent(nn.Module):
    def __init__(self, layer, **given):
        super().__init__()
        self.embed, self.layer = nn.Embedding(9, 8), layer(8, 5, batch_first=True, **given)
        self.read = nn.Linear(10 if given.get("bidirectional") else 5, 9)

    def forward(self, x):
        return self.read(self.layer(self.embed(x))[0].relu())


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("given", [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3}])
def test_states_of_recurrent_layers_change_places_with_all_their_gates(layer, given):
    system = tokens(lambda: Recurrent(layer, **given))
    found = symmetry(system)
    layers = given.get("num_layers", 1) * (2 if "bidirectional" in given else 1)
    assert sizes(found) == [(8,), *[(5,)] * layers]
    assert found.doubts == ()
    assert np.ptp(energies(system, system.native, found.copy(system, system.native, seed=1))) < 1e-6


def test_packed_sequences_are_followed():
    class Packed(Recurrent):
        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(
                self.embed(x), 2 + x[:, 0] % 5, batch_first=True, enforce_sorted=False
            )
            out = self.layer(packed)[0]
            return self.read(nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=7)[0])

    found = symmetry(tokens(lambda: Packed(nn.GRU)))
    assert sizes(found) == [(8,), (5,)]
    assert found.doubts == ()


def test_rows_that_are_added_up_by_an_index_are_followed():
    class Graph(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(6, 5), nn.Linear(5, 4)

        def forward(self, x):
            edges = torch.arange(len(x)) // 2
            h = self.a(x.mean((2, 3))).relu()
            h = torch.zeros_like(h).index_add(0, edges, h)
            h = self.b(h).tanh()
            index = edges[:, None].expand_as(h)
            return self.c(torch.zeros_like(h).scatter_add(0, index, h)[edges])

    found = symmetry(images(Graph))
    assert sizes(found) == [(6,), (5,)]
    assert found.doubts == ()


def test_experts_that_few_examples_do_not_reach_are_followed_on_more():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.read = nn.Linear(3, 6), nn.Linear(6, 4)
            self.experts = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])

        def forward(self, x):
            kind = (x.mean((1, 2, 3)) * 12).long().clamp(-1, 1) + 1
            h = self.first(x.mean((2, 3))).relu()
            out = h
            for k, expert in enumerate(self.experts):
                if len(rows := (kind == k).nonzero()[:, 0]):
                    out = out.index_add(0, rows, expert(h[rows]))
            return self.read(out)

    system = images(Experts)
    kinds = (system.batches[0][0].mean((1, 2, 3)) * 12).long()
    assert sorted(kinds.clamp(-1, 1).unique().tolist()) == [-1, 0, 1]
    found = symmetry(system)
    assert sizes(found) == [(6,)]
    copy = found.copy(system, system.native, seed=1)
    assert np.ptp(energies(system, system.native, copy)) < 1e-6
    for w in aligned(system, system.native, copy, 0, found).values():
        assert np.ptp(energies(system, system.native, w)) < 1e-6


def test_what_has_no_rule_is_not_followed_and_that_is_said():
    class Distances(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 6), nn.Linear(5, 7), nn.Linear(7, 4)
            self.places = nn.Parameter(torch.randn(5, 6))

        def forward(self, x):
            return self.c(self.b(torch.cdist(self.a(x.mean((2, 3))), self.places)).relu())

    found = symmetry(images(Distances))
    assert sizes(found) == [(7,)]
    assert found.doubts[0] == "units that meet _cdist_forward were left in place"
    assert found.doubts[1] == "no units of places, a.weight may change places"


def test_units_that_are_looked_at_behind_the_back_of_the_trace_are_dropped():
    class Secret(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 6), nn.Linear(6, 4)

        def forward(self, x):
            hidden = self.a(x.mean((2, 3))).relu()
            order = float(np.arange(6) @ self.a.bias.detach().numpy().copy())
            return self.b(hidden) * (1 + order)

    found = symmetry(images(Secret))
    assert found.groups == ()
    assert "exchanging them changes the losses" in found.doubts[0]


def test_frozen_parameters_keep_their_units_in_place():
    def network():
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(192, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)
        )
        net[1].weight.requires_grad_(False)
        return net

    assert sizes(symmetry(images(network))) == [(5,)]


def test_the_axes_of_a_reshaped_and_cut_tensor():
    heads, inner = Axis(3), Axis(4)
    q, k = product([heads, inner]), Axis(12)
    both = concatenation([q, k])
    assert part_of(both, 12, 24) is k
    tie(k, q)
    assert leaves(both) == [heads, inner, heads, inner]
    assert [len(leaves(axis)) for axis in regroup([Axis(5), both], (5, 2, 3, 4))] == [1, 1, 1, 1]
    odd = Axis(7)
    assert split(odd, (2, 3)) is None
    assert odd.fixed
    moves = {heads: np.array([2, 0, 1]), inner: np.array([3, 2, 1, 0])}
    assert places(q, moves).tolist() == [11, 10, 9, 8, 3, 2, 1, 0, 7, 6, 5, 4]


def test_contradictory_ties_fix_what_they_contradict():
    a, b = product([Axis(4), Axis(3)]), product([Axis(3), Axis(4)])
    tie(a, b)
    assert all(leaf.fixed for leaf in [*leaves(a), *leaves(b)])


def test_batches_are_put_together_for_their_statistics():
    torch.manual_seed(0)
    data = [(torch.randn(n, 3, 8, 8), torch.randint(4, (n,))) for n in (10, 10, 3)]
    system = NetworkLoss(Residual(nn.BatchNorm2d), entropy, data)
    whole = NetworkLoss(
        system.module, entropy, [tuple(torch.cat(parts) for parts in zip(*data, strict=True))]
    )
    assert renormalised(system).counts == [23]
    assert energies(system, system.native) == pytest.approx(energies(whole, system.native))
    plain = NetworkLoss(Residual(nn.Identity), entropy, data)
    assert renormalised(plain) is plain


def test_batches_that_mean_something_else_together_are_not_put_together():
    """Nodes say to which graph of their batch they belong."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4)).eval()

    def losses(model, batch):
        summed = torch.zeros(len(batch["y"]), 4).index_add(0, batch["graph"], model(batch["x"]))
        return functional.cross_entropy(summed, batch["y"], reduction="none")

    batches = [
        {"x": torch.randn(3 * n, 3), "graph": torch.arange(n).repeat_interleave(3), "y": torch.arange(n) % 4}
        for n in (5, 5, 4)
    ]
    system = renormalised(NetworkLoss(net, losses, batches))
    assert system.counts == [5, 5, 4]
    assert system.module[1].running_mean is None
    found = symmetry(system)
    assert sizes(found) == [(5,)]
