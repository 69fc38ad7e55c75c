import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

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


def test_grouped_convolutions_are_left_in_place_but_not_those_of_one_filter_a_channel():
    def network():
        depthwise = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU()]
        grouped = [nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1, groups=2), nn.ReLU(), nn.Conv2d(6, 5, 1)]
        return nn.Sequential(*depthwise, *grouped, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))

    found = symmetry(images(network))
    assert sizes(found) == [(8,), (5,)]


def test_what_torch_does_in_one_piece_is_not_followed_and_that_is_said():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.cell, self.hidden = (
                nn.Embedding(9, 8),
                nn.LSTM(8, 5, batch_first=True),
                nn.Linear(5, 6),
            )
            self.read = nn.Linear(6, 9)

        def forward(self, x):
            return self.read(self.hidden(self.cell(self.embed(x))[0]).relu())

    found = symmetry(tokens(Recurrent))
    assert sizes(found) == [(6,)]
    assert "rnn" in found.doubts[0]


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
