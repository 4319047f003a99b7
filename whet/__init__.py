"""whet sharpens a language model on your data and proves that it got sharper."""

from typing import Any

_PLACES = {
    "Chat": "whet.types",
    "Config": "whet.config.tree",
    "Message": "whet.types",
    "Prompt": "whet.types",
    "Text": "whet.types",
    "WhetError": "whet.errors",
    "load": "whet.config.load",
    "open_model": "whet.engines.open",
    "read": "whet.data.read",
}

__all__ = sorted(_PLACES)  # noqa: PLE0605 - the one list of the shop window
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import whet` stays quick and free of torch."""
    import importlib  # noqa: PLC0415

    if name not in _PLACES:
        raise AttributeError(f"module 'whet' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
