"""Which settings have a say with which adapter."""

from typing import Any

from whet.config.tree import Adapter, Kind, Model

HEARD: dict[Kind, tuple[str, ...]] = {
    "lora": ("r", "alpha", "dropout", "rslora", "init", "lora_plus", "modules", "layers"),
    "dora": ("r", "alpha", "dropout", "rslora", "lora_plus", "modules", "layers"),
    "adalora": ("r", "alpha", "dropout", "modules", "layers"),
    "vera": ("r", "dropout", "modules", "layers"),
    "oft": ("block", "dropout", "modules", "layers"),
    "ia3": ("modules", "layers"),
    "prompt": ("virtual_tokens",),
    "prefix": ("virtual_tokens",),
    "full": ("layers", "parts"),
}
"""The settings of `adapter` that have a say with each kind."""

PACKED = ("lora", "prompt", "prefix")  # what trains beside weights in 4 bits
LINEAR = ("lora", "adalora")  # adds so much times its strength, so that it can be weakened
MOVED = ("pissa", "olora")  # ways to begin that train a part of the weight itself
VIRTUAL = ("prompt", "prefix")  # no change of the weights, so that nothing can be folded into them


def settled(adapter: Adapter) -> dict[str, Any]:
    """Return the settings that have a say, those left open as they then are where that is a number."""
    said = adapter.model_dump(include={"kind", *HEARD[adapter.kind]}, exclude_none=True)
    filled = {"r": adapter.rank, "virtual_tokens": adapter.ahead}
    return said | {name: value for name, value in filled.items() if name in HEARD[adapter.kind]}


def unheard(adapter: Adapter, model: Model) -> list[str]:
    """Return a sentence for every setting that an adapter of this kind would not hear."""
    plain, kind = Adapter(), adapter.kind
    told = [name for name in Adapter.model_fields if getattr(adapter, name) != getattr(plain, name)]
    told = [name for name in told if name != "r" or adapter.r != plain.rank]  # older runs wrote it for every kind
    said = [
        f"adapter.{name}: has no say with adapter.kind={kind}; leave it out"
        for name in told
        if name not in ("kind", *HEARD[kind])
    ]
    if model.quantize and kind == "full":
        said.append("model.quantize: packed weights cannot train; use adapter.kind=lora or leave it out")
    elif model.quantize and kind not in PACKED:
        said.append(f"model.quantize: {kind} needs weights that are not packed; use adapter.kind=lora or leave it out")
    elif model.quantize and adapter.init in MOVED:
        said.append(
            f"model.quantize: adapter.init={adapter.init} begins with weights that are not packed; leave it out"
        )
    return said
