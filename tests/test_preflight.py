import numpy as np
import pytest
import torch
from torch import nn

from spinfunnel.core import BadInput
from spinfunnel.preflight import check


def data(batches=4, size=32, seed=0):
    """Points in the plane; the class says on which side of a line they lie."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batches * size, 6, generator=generator)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return list(zip(x.split(size), y.split(size), strict=True))


def network(*between, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 16), *between, nn.ReLU(), nn.Linear(16, 2))


def trained(model, batches, losses, steps=60):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(steps):
        optimiser.zero_grad()
        losses(model, batches[step % len(batches)]).mean().backward()
        optimiser.step()
    return model.eval()


def losses(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def errors(model, batch):
    return (model(batch[0]).argmax(1) != batch[1]).float()


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained(network(), data(), losses)


def test_a_sound_task_has_no_doubts_and_is_not_touched(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    assert check(model, losses, errors, data(), network) == ()
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()


class Once:
    """Looks like a loader, but its second reading is empty."""

    def __init__(self, batches):
        self.left = iter(batches)

    def __iter__(self):
        return (batch for batch in self.left)


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        raise FileNotFoundError("no image 0.png")


class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(16))

    def forward(self, x):
        self.mean += 0.1 * (x.detach().mean(0) - self.mean)
        return x - self.mean


class Listed(nn.Module):
    """Reads its weights from a list, where torch puts no others."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.weights = [self.a.weight]

    def forward(self, x):
        return x @ self.weights[0].T + self.a.bias


def other_model(batch, forever=network()):  # noqa: B008
    return losses(forever, batch)


REFUSED = {
    "no losses": ({"losses": None}, "no losses"),
    "not a module": ({"model": {"w": 1}}, "model is of type dict"),
    "mean": ({"losses": lambda m, b: losses(m, b).mean()}, 'one number for a batch of 32.*reduction="none"'),
    "column": ({"losses": lambda m, b: losses(m, b)[:, None]}, r"of shape \(32, 1\).*last axis, \[:, 0\]"),
    "pairs": (
        {"losses": lambda m, b: (m(b[0])[:, :1] - b[1].float()) ** 2},
        r"of shape \(32, 32\).*every pair of examples",
    ),
    "pixels": ({"losses": lambda m, b: m(b[0]) ** 2}, r"of shape \(32, 2\).*take the mean over"),
    "a tuple for a list": ({"train": data(1)[0]}, r"train is a tuple of arrays, .* put it in a list"),
    "an array for a list": ({"train": data(1)[0][0]}, r"train is one array, .* put it in a list"),
    "examples for batches": (
        {"train": list(zip(*data(1)[0], strict=True))},
        "is a tuple of .* one example. train must hold batches",
    ),
    "numpy": (
        {"train": [(x.numpy(), y.numpy()) for x, y in data()]},
        "holds arrays of numpy: make tensors of them in losses",
    ),
    "another precision": ({"train": [(x.double(), y) for x, y in data()]}, "to the dtype of the model"),
    "once only": (
        {
            "losses": lambda m, b: nn.functional.ctc_loss(
                m(b[0])[None].expand(4, -1, -1).log_softmax(2),
                torch.ones(len(b[1]), 1).long(),
                torch.full((len(b[1]),), 4),
                torch.ones(len(b[1])).long(),
                reduction="none",
            )
        },
        "cannot be differentiated twice: .*ctc_loss.*look at the weights alone",
    ),
    "a model that writes to itself": (
        {"model": network(Running())},
        "change with every call, .* forward writes to 1.mean: let it do so in training only",
    ),
    "weights in a list": (
        {"model": nn.Sequential(Listed(), nn.Linear(6, 2))},
        "do not follow weights that are handed to the model: it reads them from somewhere else",
    ),
    "no running statistics": (
        {"model": network(nn.BatchNorm1d(16, track_running_stats=False))},
        r"depend on the batch.*\(1 without running statistics\)",
    ),
    "compared with each other": (
        {
            "losses": lambda m, b: nn.functional.cross_entropy(
                m(b[0]) @ m(b[0]).T, torch.arange(len(b[0])), reduction="none"
            )
        },
        r"compared with each other, let a batch be one example: one loss, of shape \(1,\)",
    ),
    "a list": ({"losses": lambda m, b: losses(m, b).tolist()}, "gave a list"),
    "weights": ({"losses": lambda m, b: (losses(m, b), torch.ones(3))}, r"their weights \(3,\)"),
    "negative weights": ({"losses": lambda m, b: (losses(m, b), -torch.ones(32))}, "not be negative"),
    "other data": (
        {"train": [(torch.zeros(8, 10), torch.zeros(8).long())]},
        r"failed on a tuple of \(8, 10\) float32 and \(8,\) int64: test_preflight.py, line \d+: "
        r"RuntimeError: mat1 and mat2 shapes cannot be multiplied \(8x10 and 6x16\).*do the data fit",
    ),
    "nan": (
        {"losses": lambda m, b: torch.where(b[1] == 1, torch.nan, losses(m, b))},
        "losses are not finite at these weights, such as nan",
    ),
    "frozen": ({"model": network().requires_grad_(False)}, "frozen"),
    "empty": ({"train": []}, "train holds no batch"),
    "no data": ({"train": None}, "no data"),
    "a number": ({"train": 3}, "train is of type int"),
    "a generator": ({"train": (batch for batch in data())}, "generator and can be read only once"),
    "read once": ({"train": Once(data(1))}, "empty when it is read a second time"),
    "broken loader": (
        {"train": torch.utils.data.DataLoader(Broken())},
        r"test_preflight.py, line \d+, reading train: FileNotFoundError: no image",
    ),
    "dropout called": (
        {"losses": lambda m, b: losses(m, (nn.functional.dropout(b[0], 0.5), b[1]))},
        r"random.*\(\w*(dropout|bernoulli)\w* in losses\)",
    ),
    "dropout in train mode": (
        {"model": network(nn.Dropout(0.5)), "losses": lambda m, b: losses(m.train(), b)},
        r"random.*\(\w*(dropout|bernoulli)\w* in 1\)",
    ),
    "numpy noise": ({"losses": lambda m, b: losses(m, b) + np.random.rand()}, "random: computed twice"),  # noqa: NPY002
    "batch statistics": (
        {"model": network(nn.BatchNorm1d(16)), "losses": lambda m, b: losses(m.train(), b)},
        r"depend on the batch.*\(1 in train mode\)",
    ),
    "divided by the batch": (
        {"losses": lambda m, b: losses(m, b) / len(b[0])},
        "depend on the batch.*divide by no batch size",
    ),
    "no gradient": ({"losses": lambda m, b: losses(m, b).detach()}, "do not depend on the weights"),
    "another model": ({"losses": lambda m, b: other_model(b)}, "depend on none of the weights"),
    "errors of another shape": (
        {"errors": lambda m, b: errors(m, b).mean()},
        r"errors are of shape .*\(32,\)",
    ),
    "errors out of range": ({"errors": lambda m, b: errors(m, b) + 2}, r"an error is \d: it must lie in"),
    "build fails": ({"build": lambda: [][1]}, r"line \d+, build\(\): IndexError"),
    "build of another size": ({"build": lambda: nn.Sequential(nn.Linear(6, 9))}, "another architecture"),
    "losses raise": ({"losses": lambda m, b: b["x"]}, "losses failed on a tuple .* TypeError"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_an_energy_is_refused_in_one_line(case, model):
    change, said = REFUSED[case]
    given = {"model": model, "losses": losses, "errors": errors, "train": data(), "build": network} | change
    if "model" in change:
        given["build"] = None
    with pytest.raises(BadInput, match=said) as caught:
        check(given["model"], given["losses"], given["errors"], given["train"], given["build"])
    assert "\n" not in str(caught.value)


def names_and_dicts(model, batch):
    return losses(model, (batch["in"]["x"], batch["y"]))


def test_batches_of_any_structure_are_cut_in_half(model):
    nested = [{"in": {"x": x, "scale": torch.ones(())}, "y": y, "name": "a"} for x, y in data()]
    assert check(model, names_and_dicts, None, nested) == ()
    with pytest.raises(BadInput, match="depend on the batch"):
        check(model, lambda m, b: names_and_dicts(m, b) - names_and_dicts(m, b).mean(), None, nested)


def test_a_batch_that_cannot_be_cut_is_a_doubt(model):
    class Graph:
        x, y = data(1, 80)[0]

    doubts = check(model, lambda m, b: losses(m, (b.x, b.y)), None, [Graph(), Graph()])
    assert any("could not be checked: the batch, a Graph of no tensors" in doubt for doubt in doubts)


def test_losses_of_tokens_may_come_in_any_order():
    model = nn.Embedding(5, 5)
    batch = torch.arange(60).reshape(20, 3) % 5

    def tokens(model, batch):  # (time, batch) flattened, with the last token of each left out
        each = nn.functional.cross_entropy(model(batch).transpose(1, 2), batch, reduction="none")
        weights = torch.ones_like(each)
        weights[:, -1] = 0
        return each.T.reshape(-1), weights.T.reshape(-1)

    model.weight.data = 5 * torch.eye(5)
    assert check(model, tokens, None, [batch, batch[:13]]) == ()


def test_an_untrained_model_is_doubted_and_a_trained_one_is_not(model):
    assert any("seems untrained" in doubt for doubt in check(network(seed=3), losses, errors, data()))
    assert not any("seems untrained" in doubt for doubt in check(model, losses, errors, data()))


@pytest.mark.slow
def test_untrained_models_are_told_at_the_rate_stated():
    trials = 200
    told = sum(
        "seems untrained" in " ".join(check(network(seed=s), losses, None, data(2))) for s in range(trials)
    )
    assert abs(told / trials - 19 / 20) < 3 * (0.05 * 0.95 / trials) ** 0.5 + 1 / trials


def test_what_may_be_meant_so_is_a_doubt(model):
    def doubts(**change):
        given = {"model": model, "losses": losses, "errors": errors, "train": data()} | change
        return " ".join(check(given["model"], given["losses"], given["errors"], given["train"]))

    double = [(x.double(), y) for x, y in data()]
    assert "float64" in doubts(model=network().double(), train=double)
    assert "only 32 examples" in doubts(train=data(1))
    fair = trained(network(), data(), losses, steps=6)
    assert "does errors give 1 for what is right" in doubts(model=fair, errors=lambda m, b: 1 - errors(m, b))
    assert "does errors" not in doubts(model=fair)
    spare = nn.ModuleList([*model, nn.Linear(3, 3)])
    assert "12 parameters have no part in the losses (3.weight, 3.bias)" in doubts(
        model=spare, losses=lambda m, b: losses(nn.Sequential(*m[:3]), b), errors=None
    )
    assert "exactly zero" in doubts(losses=lambda m, b: 0 * losses(m, b), errors=None)


def test_half_precision_and_saturated_losses_are_no_reason_to_refuse(model):
    import copy

    check(copy.deepcopy(model).half(), losses, errors, data())
    sure = copy.deepcopy(model)
    sure[-1].weight.data *= 40
    sure[-1].bias.data *= 40
    easy = [(x[(x[:, 0] + x[:, 1]).abs() > 1], y[(x[:, 0] + x[:, 1]).abs() > 1]) for x, y in data(8, 64)]
    check(sure, losses, errors, easy)


def test_batches_that_cannot_be_cut_are_doubted_not_refused(model):
    """Words of all texts in a row, and where each text begins."""

    def texts(model, batch):
        words, begins, y = batch
        text = torch.bucketize(torch.arange(len(words)), begins, right=True).sub(1).clamp(0)
        summed = torch.zeros(len(begins), 6).index_add(0, text, words)
        return nn.functional.cross_entropy(model(summed), y, reduction="none")

    rng = torch.Generator().manual_seed(0)
    batches = [(torch.randn(90, 6, generator=rng), torch.arange(0, 90, 3), torch.arange(30) % 2)] * 3
    said = [doubt for doubt in check(model, texts, None, batches) if "influence" in doubt]
    assert len(said) == 1
    assert (
        "half of a tuple of (90, 6) float32 and (30,) int64 and (30,) int64 has losses that differ" in said[0]
    )


def test_half_precision_inside_of_the_losses_is_a_doubt(model):
    def cast(model, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return losses(model, batch)

    assert any("computed in half precision (" in doubt for doubt in check(model, cast, None, data()))
    rounded = check(model, lambda m, b: losses(m, b).half(), None, data())
    assert any("half precision (_to_copy in losses)" in doubt for doubt in rounded)
