"""Which layers of a model, and which linear maps in them, a recipe speaks of."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from whet.config.tree import Adapter
from whet.errors import UsageError

LAST_OF_LAYER = r"(.*\.)?(down_proj|fc2|fc_out|dense_4h_to_h|mlp\.c_proj|wo|w2)"
"""Names of the map that leaves a feed-forward block, which IA3 scales before instead of after."""


def blocks(inner: Any) -> tuple[str, nn.ModuleList]:
    """Return the layers of a causal model and what they are called.

    Raises:
        UsageError: nothing in the model is a list of as many layers as it says that it has.
    """
    count = getattr(inner.config.get_text_config(), "num_hidden_layers", None)
    for name, module in inner.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    raise UsageError(f"adapter.layers: {type(inner).__name__} does not say which its layers are; leave it out")


def chosen_layers(layers: Iterable[str], count: int) -> list[int]:
    """Return the numbers that `adapter.layers` stands for in a model of so many layers.

    Raises:
        UsageError: the model has no such layer.
    """
    found = set[int]()
    for part in layers:
        end, colon, many = part.partition(":")
        if colon:
            every = range(count)
            found |= set(every[: int(many)] if end == "first" else every[-int(many) :])
            begin, last = int(many) - 1, int(many) - 1
        else:
            begin, last = (int(one) for one in (*part.split("-"), part)[:2]) if "-" in part else (int(part), int(part))
            found |= set(range(begin, last + 1))
        if begin > last or last >= count:
            raise UsageError(
                f"adapter.layers: {part} asks for layers that are not there; the model has {count}, from 0"
            )
    return sorted(found)


def linear_maps(inner: Any) -> list[str]:
    """Return the names of all linear maps of a causal model but its head."""
    head = inner.get_output_embeddings()
    return [name for name, m in inner.named_modules() if isinstance(m, nn.Linear | Conv1D) and m is not head]


def targets(inner: Any, adapter: Adapter, usual: Iterable[str] | None = None) -> list[str] | str:
    """Return what PEFT is to be told of which linear maps are adapted.

    `usual` are the ends of the names that this kind of adapter takes where the recipe names none; None for all.

    Raises:
        UsageError: a name or a number that the model does not have.
    """
    ends = adapter.modules or (None if usual is None else tuple(usual))
    if ends is None and adapter.layers is None:
        return "all-linear"
    every = linear_maps(inner)
    for end in ends or ():
        if not any(_ends(name, end) for name in every):
            known = sorted({name.rpartition(".")[2] for name in every})
            raise UsageError(f"adapter.modules: nothing is called {end}; this model has {', '.join(known)}")
    if adapter.layers is None:
        return sorted(ends or ())
    place, layers = blocks(inner)
    numbers = chosen_layers(adapter.layers, len(layers))
    among = re.compile(rf"{re.escape(place)}\.({'|'.join(map(str, numbers))})\.")
    return [name for name in every if among.match(name) and (ends is None or any(_ends(name, end) for end in ends))]


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")


def unfreeze(model: nn.Module, adapter: Adapter) -> None:
    """Mark what trains of a model whose own weights train.

    Raises:
        UsageError: a layer that is not there; embeddings and head that are one and should train apart.
    """
    inner: Any = model
    place, layers = blocks(inner) if adapter.layers else ("", nn.ModuleList())
    numbers = chosen_layers(adapter.layers or (), len(layers))
    parts = adapter.parts if adapter.parts is not None else ("norms",) if numbers else ("embeddings", "norms", "head")
    embeddings = [id(weight) for module in _embeddings(inner) for weight in module.parameters()]
    head = inner.get_output_embeddings()
    heads = [id(weight) for weight in head.parameters()] if head is not None else []
    if set(embeddings) & set(heads) and ("embeddings" in parts) != ("head" in parts):
        raise UsageError(
            "adapter.parts: this model's head is its embeddings, so they train together; name both or none"
        )
    among = tuple(f"{place}.{number}." for number in numbers)
    matrices = {
        id(weight)
        for module in model.modules()
        if isinstance(module, nn.Linear | Conv1D | nn.Embedding)
        for weight in module.parameters()
    }
    for name, weight in model.named_parameters():
        if id(weight) in heads or id(weight) in embeddings:
            weight.requires_grad_(
                (id(weight) in heads and "head" in parts) or (id(weight) in embeddings and "embeddings" in parts)
            )
            continue
        here = not numbers or name.startswith(among)
        weight.requires_grad_(here and (id(weight) in matrices or weight.ndim > 1 or "norms" in parts))


def _embeddings(inner: Any) -> list[nn.Module]:
    """Return every table that tokens or places are looked up in."""
    return [module for module in inner.modules() if isinstance(module, nn.Embedding)]
