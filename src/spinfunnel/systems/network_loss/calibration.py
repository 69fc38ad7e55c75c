"""Networks whose derivatives are known: regressions in closed form, deep ones by differences and identities.

Everything is float64 and must agree to 1e-8 of the largest entry. The batches are ragged, and their rows of
different scales: a mean over batches, instead of over examples, would be far off.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from spinfunnel.core import Array, Calibration, CalibrationRow, seeds

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

#: Sizes of the batches; what is rounding, in units of the largest entry; the step of numerical derivatives.
RAGGED, ROUNDING, STEP = (8, 6, 3), 1e-8, 1e-3
INPUTS, CLASSES = 4, 3


def regressions(seed: int) -> Iterator[CalibrationRow]:
    """Linear, logistic and softmax regression: every derivative is a sum of Kronecker products."""
    if not _torch():
        return
    for name, outputs, given in (
        ("linear regression, tuples", 2, _tuple),
        ("logistic regression, dictionaries", 1, _dict),
        ("softmax regression, dictionaries", CLASSES, _dict),
        ("softmax regression, tokens with weights", CLASSES, _tokens),
    ):
        x, y, shares = _examples(seed, name, outputs, weighted=given is _tokens)
        batches = [given(*(_tensor(a[cut]) for a in (x, y, shares))) for cut in _cuts(len(x))]
        system = _loss(_model("regression", seed, outputs), _regression(name), batches)
        known = _solved(system, name, x, y, shares / shares.sum())
        found = {
            "energy": system.energy(system.native[None]),
            "gradient": system.gradient(system.native[None])[0],
            "Hessian": system.hessian() @ np.eye(system.size),
            "GGN": system.ggn() @ np.eye(system.size),
            "Fisher": system.fisher() @ np.eye(system.size),
        }
        for quantity, value in found.items():
            yield _same(name, quantity, value, known[quantity])


def identities(seed: int) -> Iterator[CalibrationRow]:
    """Relations that hold in any network, on one of tanh units."""
    if not _torch():
        return
    name = f"{INPUTS}-6-{CLASSES} tanh network"
    x, y, _ = _examples(seed, "softmax", CLASSES)
    model = _model("tanh", seed)
    batches = [_tuple(_tensor(x[cut]), _tensor(y[cut]), None) for cut in _cuts(len(x))]
    loss = _regression("softmax")
    system = _loss(model, loss, batches)
    w, every = system.native, np.eye(system.size)
    hessian, ggn = system.hessian() @ every, system.ggn() @ every

    alone = [system.over([_tuple(_tensor(x[[i]]), _tensor(y[[i]]), None)]) for i in range(len(x))]
    slopes = np.concatenate([one.gradient(w[None]) for one in alone])
    yield _same(name, "Fisher of single gradients", system.fisher() @ every, slopes.T @ slopes / len(x))
    yield _same(name, "gradient of single gradients", system.gradient(w[None])[0], slopes.mean(axis=0))

    outputs = [_outputs(system, v, x) for v in _around(w)]
    jacobian = np.stack([_differences(outputs[k]) for k in range(system.size)], axis=-1)
    p = _softmax(_outputs(system, w, x))
    bends = p[:, :, None] * np.eye(CLASSES) - p[:, :, None] * p[:, None, :]
    yield _same(name, "GGN = J^T L J", ggn, np.einsum("nap,nab,nbq->pq", jacobian, bends, jacobian) / len(x))

    few = system.over(batches[-1:])
    eigenvalues = np.linalg.eigvalsh(few.ggn() @ every)
    beyond = eigenvalues[: system.size - few.examples * CLASSES]
    yield _same(name, "eigenvalues of GGN beyond N x classes", beyond / eigenvalues[-1], 0.0)

    taught = [{"x": batch[0], "y": _tensor(_outputs(system, w, batch[0].numpy()))} for batch in batches]
    solved = _loss(model, _squared, taught)
    yield _same(name, "Hessian = GGN at zero residual", solved.hessian() @ every, solved.ggn() @ every)

    chosen = [block for block in system.blocks if block.name in ("0.bias", "2.weight")]
    inside = np.concatenate([np.arange(block.start, block.stop) for block in chosen])
    part = system.hessian(blocks=[block.name for block in chosen]) @ np.eye(len(inside))
    yield _same(name, "Hessian of two blocks", part, hessian[np.ix_(inside, inside)])
    frozen = _frozen(model, "0.weight", "2.bias")
    yield _same(
        name, "Hessian, others frozen", _loss(frozen, loss, batches).hessian() @ np.eye(len(inside)), part
    )

    streamed = _loss(model, loss, batches, memory=1)
    for kind, known in (("Hessian", hessian), ("GGN", ggn)):
        products = streamed.hessian() if kind == "Hessian" else streamed.ggn()
        yield _same(name, f"{kind}, data streamed, no graph kept", products @ every, known)
    rebuilt = _loss(model, loss, batches, memory=batches[0][0].nbytes * 8)
    yield _same(name, "Hessian, data kept, no graph kept", rebuilt.hessian() @ every, hessian)


def architectures(seed: int) -> Iterator[CalibrationRow]:
    """Gradients and Hessians against differences, and stacked replicas against single ones."""
    if not _torch():
        return
    for name in ("tanh", "attention", "encoder", "convolutions", "recurrent", "tied"):
        rng = np.random.default_rng(seeds(seed, name))
        shape = (17, 6) if name == "tied" else (17, 6, INPUTS)
        x = rng.integers(0, 7, shape) if name == "tied" else rng.standard_normal(shape)
        if name == "tanh":
            x = x[:, 0]
        y = rng.integers(0, 7 if name == "tied" else CLASSES, 17)
        batches = [_tuple(_tensor(x[cut]), _tensor(y[cut]), None) for cut in _cuts(17)]
        system = _loss(_model(name, seed), _regression("softmax"), batches)
        w, v = system.native, rng.standard_normal(system.size)
        steps = STEP / np.linalg.norm(v) * np.array([-2, -1, 1, 2])
        near = w + steps[:, None] * v
        energies, slopes = system.energy_and_gradient(near)
        alone = [system.energy_and_gradient(one[None]) for one in near]
        yield _same(name, "energies of stacked replicas", energies, np.concatenate([e for e, _ in alone]))
        yield _same(name, "gradients of stacked replicas", slopes, np.concatenate([g for _, g in alone]))
        slope, bend = _differences(energies), _differences(slopes)
        unit = v / np.linalg.norm(v)
        yield _same(name, "gradient against differences", system.gradient(w[None])[0] @ unit, slope)
        yield _same(name, "Hessian against differences", system.hessian() @ unit, bend)
    yield _same("tied", "Hessian: that of the untied, folded", *_folded(seed))


def _folded(seed: int) -> tuple[Array, Array]:
    """Give the Hessian where embedding and output are one matrix, and that where they only are equal."""
    rng = np.random.default_rng(seeds(seed, "folded"))
    x, y = rng.integers(0, 7, (17, 6)), rng.integers(0, 7, 17)
    batches = [_tuple(_tensor(x[cut]), _tensor(y[cut]), None) for cut in _cuts(17)]
    tied, untied = (_loss(_model(name, seed), _regression("softmax"), batches) for name in ("tied", "untied"))
    fold = np.zeros((untied.size, tied.size))
    own = {block.name: block for block in tied.blocks}
    for block in untied.blocks:
        to = own.get(block.name, tied.blocks[0])  # the output, where it is not one of its own
        fold[range(block.start, block.stop), range(to.start, to.stop)] = 1
    return tied.hessian() @ np.eye(tied.size), fold.T @ (untied.hessian() @ fold)


# -- what is known ---------------------------------------------------------------------------------------


def _solved(system: NetworkLoss, name: str, x: Array, y: Array, shares: Array) -> dict[str, Array]:
    """Derivatives of a regression at its weights (out, in) and bias (out,), each example with its share."""
    named = system.mapping(system.native)
    z = x @ named["weight"].T + named["bias"]
    if name.startswith("linear"):
        losses, slopes, bends = ((z - y) ** 2).sum(1), 2 * (z - y), np.tile(2 * np.eye(2), (len(x), 1, 1))
    elif name.startswith("logistic"):
        p = 1 / (1 + np.exp(-z))
        losses, slopes = np.logaddexp(0, z[:, 0]) - y * z[:, 0], p - y[:, None]
        bends = (p * (1 - p))[:, :, None]
    else:
        p, right = _softmax(z), np.eye(CLASSES)[y]
        losses, slopes = -np.log(p[right == 1]), p - right
        bends = p[:, :, None] * np.eye(CLASSES) - p[:, :, None] * p[:, None, :]
    wide, outputs = np.column_stack([x, np.ones(len(x))]), z.shape[1]
    order = np.arange(outputs * wide.shape[1]).reshape(outputs, -1)
    order = np.concatenate([order[:, :-1].ravel(), order[:, -1]])
    each = np.einsum("na,ni->nai", slopes, wide).reshape(len(x), -1)[:, order]
    curved = np.einsum("n,nab,ni,nj->aibj", shares, bends, wide, wide).reshape(2 * (order.size,))
    curved = curved[np.ix_(order, order)]
    return {
        "energy": shares @ losses,
        "gradient": shares @ each,
        "Hessian": curved,
        "GGN": curved,
        "Fisher": (each * shares[:, None]).T @ each,
    }


def _softmax(z: Array) -> Array:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _differences(values: Array) -> Array:
    """Give the derivative of values at -2, -1, 1 and 2 steps, to fourth order."""
    return np.asarray((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP))


def _around(w: Array) -> Iterator[Array]:
    """Give, for every weight, the weights at -2, -1, 1 and 2 steps along it (4, P)."""
    for along in np.eye(len(w)):
        yield w + STEP * np.array([-2, -1, 1, 2])[:, None] * along


def _outputs(system: NetworkLoss, w: Array, x: Array) -> Array:
    """Give what the network puts out, in plain numpy: a tanh layer and a linear one; for some w, or one."""
    if w.ndim == 2:
        return np.stack([_outputs(system, one, x) for one in w])
    named = system.mapping(w)
    hidden = np.tanh(x @ named["0.weight"].T + named["0.bias"])
    return np.asarray(hidden @ named["2.weight"].T + named["2.bias"])


def _same(system: str, quantity: str, found: Array | float, known: Array | float) -> CalibrationRow:
    """Give the largest difference, in units of the largest entry that is known."""
    found, known = np.asarray(found), np.asarray(known)
    scale = float(np.abs(known).max()) or 1.0
    worst = float(np.abs(found - known).max()) / scale
    return CalibrationRow.deterministic(
        "network_loss", system, f"{quantity}: largest difference", exact=0, value=worst, tolerance=ROUNDING
    )


# -- models and data -------------------------------------------------------------------------------------


def _torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _tensor(values: Array) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values))


def _cuts(examples: int) -> list[slice]:
    ends = [0, *np.cumsum(RAGGED)]
    assert ends[-1] == examples
    return [slice(a, b) for a, b in pairwise(ends)]


def _examples(seed: int, name: str, outputs: int, *, weighted: bool = False) -> tuple[Array, Array, Array]:
    """Draw inputs (17, 4) whose rows grow, labels or targets, and weights, which are 1 unless asked for."""
    rng = np.random.default_rng(seeds(seed, "examples", name))
    n = sum(RAGGED)
    x = rng.standard_normal((n, INPUTS)) * np.linspace(0.2, 3, n)[:, None]
    labels = rng.integers(0, max(2, outputs), n)
    y = rng.standard_normal((n, outputs)) if name.startswith("linear") else labels
    return x, y, rng.uniform(0.1, 2, n) if weighted else np.ones(n)


def _tuple(x: Any, y: Any, shares: Any) -> Any:
    return x, y


def _dict(x: Any, y: Any, shares: Any) -> Any:
    return {"features": {"x": x}, "y": y, "name": "a batch"}


def _tokens(x: Any, y: Any, shares: Any) -> Any:
    return {"features": {"x": x}, "y": y, "shares": shares}


def _regression(name: str) -> Callable[[Any, Any], Any]:
    def losses(model: Any, batch: Any) -> Any:
        import torch.nn.functional as F

        x, y = batch if isinstance(batch, tuple) else (batch["features"]["x"], batch["y"])
        z = model(x)
        if name.startswith("linear"):
            return ((z - y) ** 2).sum(dim=1)
        if name.startswith("logistic"):
            return F.binary_cross_entropy_with_logits(z[:, 0], y.double(), reduction="none")
        each = F.cross_entropy(z, y, reduction="none")
        return (each, batch["shares"]) if "tokens" in name else each

    return losses


def _squared(model: Any, batch: Any) -> Any:
    return ((model(batch["x"]) - batch["y"]) ** 2).sum(dim=1)


def _loss(model: Any, losses: Callable[[Any, Any], Any], batches: list[Any], **given: Any) -> NetworkLoss:
    from spinfunnel.systems.network_loss import NetworkLoss

    return NetworkLoss(model, losses, batches, **given)


def _frozen(model: Any, *names: str) -> Any:
    import copy

    other = copy.deepcopy(model)
    for name in names:
        other.get_parameter(name).requires_grad_(False)
    return other


def _model(kind: str, seed: int, outputs: int = CLASSES) -> Any:
    """Make a small network in float64, left in train mode, as a user may."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(INPUTS, 8), nn.Linear(8, CLASSES)
            self.attention = nn.MultiheadAttention(8, 2, dropout=0.3, batch_first=True)

        def forward(self, x: Any) -> Any:
            h = self.into(x)
            h = h + self.attention(h, h, h, need_weights=False)[0]
            fused = nn.functional.scaled_dot_product_attention(h, h, h, is_causal=True)
            return self.out((h + fused).mean(dim=1))

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 12, 0.3, activation="gelu", batch_first=True)
            self.into, self.out = nn.Linear(INPUTS, 8), nn.Linear(8, CLASSES)
            self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

        def forward(self, x: Any) -> Any:
            padded = (torch.arange(6) >= 4).expand(len(x), 6)
            return self.out(self.layers(self.into(x), src_key_padding_mask=padded)[:, :4].mean(dim=1))

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.out = nn.LSTM(INPUTS, 5, 2, batch_first=True, dropout=0.3), nn.Linear(5, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.out(self.cells(x)[0][:, -1])

    class Tied(nn.Module):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.embedding, self.between, self.output = nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7)
            with torch.no_grad():
                self.output.weight.copy_(self.embedding.weight)
            if tied:
                self.output.weight = self.embedding.weight

        def forward(self, x: Any) -> Any:
            return self.output(torch.tanh(self.between(self.embedding(x).mean(dim=1))))

    def convolutions() -> Any:
        norm = nn.BatchNorm1d(5)
        norm.register_buffer("running_mean", torch.linspace(-0.5, 0.5, 5))
        norm.register_buffer("running_var", torch.linspace(0.5, 2, 5))
        into, out = nn.Conv1d(6, 5, 3), nn.Linear(10, CLASSES)
        return nn.Sequential(into, norm, nn.Tanh(), nn.Dropout(0.3), nn.Flatten(), out)

    makers: dict[str, Callable[[], Any]] = {
        "regression": lambda: nn.Linear(INPUTS, outputs),
        "tanh": lambda: nn.Sequential(nn.Linear(INPUTS, 6), nn.Tanh(), nn.Linear(6, CLASSES)),
        "attention": Attention,
        "encoder": Encoder,
        "convolutions": convolutions,
        "recurrent": Recurrent,
        "tied": lambda: Tied(True),
        "untied": lambda: Tied(False),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds(seed, "model") % 2**63)
        return makers[kind]().double().train()


calibrations = (
    Calibration("regressions", "closed forms: Kronecker products", regressions),
    Calibration("identities", "derivatives of sums and of compositions", identities),
    Calibration("architectures", "differences to fourth order", architectures),
)
