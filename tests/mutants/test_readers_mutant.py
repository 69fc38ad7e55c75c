"""Planted bugs: each must turn a check of the readers red."""

import json

import numpy as np
import pytest
import torch

from spinfunnel.core import BadInput, UnsafeFile
from spinfunnel.readers import checkpoint, folder, read, rules, safetensors, source
from spinfunnel.readers import layout as layouts
from spinfunnel.readers.layout import cut, layout


def overlapping(path):
    """A file in which two names claim the same bytes."""
    one = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    text = json.dumps({"a": one, "b": one}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(24))
    return path


def refuses(error, path):
    try:
        read(path)
    except error:
        return True
    return False


def test_offsets_that_nobody_checks(monkeypatch, tmp_path):
    path = overlapping(tmp_path / "a.safetensors")
    assert refuses(BadInput, path)
    monkeypatch.setattr(safetensors, "check_offsets", lambda *_: None)
    assert not refuses(BadInput, path)


def test_links_that_nobody_follows_up(monkeypatch, tmp_path):
    (tmp_path / "in").mkdir()
    np.savez(tmp_path / "out.npz", w=np.ones((2, 2)))
    (tmp_path / "in" / "a.npz").symlink_to(tmp_path / "out.npz")
    assert refuses(BadInput, tmp_path / "in")
    monkeypatch.setattr(folder, "inside", lambda _, file: file)
    assert not refuses(BadInput, tmp_path / "in")


def test_a_door_left_open_to_pickles_runs_the_bomb(monkeypatch, tmp_path):
    canary = tmp_path / "canary"

    class Bomb:
        def __reduce__(self):
            return canary.touch, ()

    torch.save({"w": torch.ones(2, 2), "extra": Bomb()}, tmp_path / "a.pt")
    assert refuses(UnsafeFile, tmp_path / "a.pt")
    assert not canary.exists()
    monkeypatch.setattr(checkpoint, "_load", lambda torch, path: torch.load(path, weights_only=False))
    assert not refuses(UnsafeFile, tmp_path / "a.pt")
    assert canary.exists()


def lstm_steps_as_pytorchs():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        cell = torch.nn.LSTMCell(4, 3, bias=False)
        x, c = torch.randn(4), torch.randn(3)
    weights = read(cell)
    gate = {
        part.part: cut(part, weights[part.name].load()) @ x.numpy()
        for part in layout(weights).parts
        if part.name == "weight_ih"
    }
    on = {name: 1 / (1 + np.exp(-value)) for name, value in gate.items()}
    after = on["forget gate"] * c.numpy() + on["input gate"] * np.tanh(gate["cell gate"])
    expected = cell(x.view(1, 4), (torch.zeros(1, 3), c.view(1, 3)))[1]
    return np.allclose(after, expected.detach().numpy()[0], atol=1e-6)


def test_gates_in_another_order(monkeypatch):
    assert lstm_steps_as_pytorchs()
    wrong = ("forget gate", "input gate", "cell gate", "output gate")
    monkeypatch.setattr(rules, "TORCH_GATES", {4: wrong})
    assert not lstm_steps_as_pytorchs()


def neox_query_is_found():
    heads, width, columns = 4, 2, 8
    blocks = np.arange(heads * 3 * width * columns, dtype=float).reshape(heads, 3, width, columns)
    weights = read({"query_key_value.weight": blocks.reshape(-1, columns)})
    weights.hints.update(model_type="gpt_neox", heads=heads, hidden_size=columns)
    query = next(part for part in layout(weights).parts if part.part == "query")
    found = cut(query, weights[query.name].load())
    return np.array_equal(found, blocks[:, 0].reshape(-1, columns))


def test_heads_taken_one_after_the_other_where_they_are_interleaved(monkeypatch):
    assert neox_query_is_found()
    monkeypatch.setattr(rules, "GROUPED", set())
    monkeypatch.setattr(rules, "UNORDERED", rules.re.compile("$^"))
    assert not neox_query_is_found()


def shares_sum_to_one():
    w = np.ones((3, 4))
    return sum(
        row["share"] for row in layout(read({"a": w, "tied": w, "b": np.ones(5)})).account
    ) == pytest.approx(1)


def test_tied_tensors_counted_twice(monkeypatch):
    assert shares_sum_to_one()
    total = property(lambda weights: sum(tensor.parameters for tensor in weights.tensors))
    monkeypatch.setattr("spinfunnel.readers.tensors.Weights.parameters", total)
    assert not shares_sum_to_one()


def test_a_rule_that_forgets_part_of_a_tensor(monkeypatch):
    def covered():
        found = layout(read({"qkv.weight": np.ones((12, 4))}))
        return sum(np.prod(part.shape) for part in found.parts) == 48

    assert covered()
    monkeypatch.setattr(layouts, "parts_of", lambda seen: rules.parts_of(seen)[:2])
    assert not covered()


def test_a_format_told_by_its_name(monkeypatch, tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((2, 2)))
    (tmp_path / "a.npz").rename(tmp_path / "a.pt")
    assert not refuses(BadInput, tmp_path / "a.pt")
    monkeypatch.setattr(source, "sniff", lambda path: {".pt": "torch"}[path.suffix])
    assert refuses(BadInput, tmp_path / "a.pt")
