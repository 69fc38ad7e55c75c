"""A weight file as a torch module, for tools that take nothing else; runs in a rival's environment."""

import re
from pathlib import Path

import torch
from torch import nn


def read(path):
    """Give the named tensors of a safetensors or PyTorch file."""
    if Path(path).suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def leaf(name, tensor):
    """Give the layer a weight belongs to, or None: Linear, Embedding or Conv2d, by its name and shape."""
    if name.rpartition(".")[2] != "weight" or tensor.ndim not in (2, 4):
        return None
    if tensor.ndim == 4:
        layer = nn.Conv2d(tensor.shape[1], tensor.shape[0], tensor.shape[2:], bias=False)
    elif re.search(r"embeddings?\.weight$", name):
        layer = nn.Embedding(*tensor.shape)
    else:
        layer = nn.Linear(tensor.shape[1], tensor.shape[0], bias=False)
    layer.weight = nn.Parameter(tensor.float(), requires_grad=False)
    return layer


def module_of(*paths):
    """Nest the layers of weight files by the dots of their names; give the module and the names."""
    root, names = nn.Module(), []
    for path in paths:
        for name, tensor in read(path).items():
            layer = leaf(name, tensor)
            if layer is None:
                continue
            node, parts = root, name.removesuffix(".weight").split(".")
            for part in parts[:-1]:
                if not hasattr(node, part):
                    node.add_module(part, nn.Module())
                node = getattr(node, part)
            node.add_module(parts[-1], layer)
            names.append(name)
    return root, names
