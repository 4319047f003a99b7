"""Find a method, scorer or row shape by name. The file name is the registry."""

import difflib
import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

from whet.errors import UsageError

TAKES = {"scorers": ("prompt", "reply"), "data.shapes": ("table", "data")}
"""What the functions of a kind are called with."""


def names(kind: str) -> list[str]:
    """Return every name `find` accepts for this kind, sorted, without importing any of them."""
    package = importlib.import_module(f"whet.{kind}")
    built_in = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return sorted(built_in | {entry.name for entry in _installed(f"whet.{kind}")})


def find(kind: str, name: str) -> Any:
    """Return the plugin called `name`.

    Three spellings: "rouge_l" is whet/scorers/rouge_l.py, or the entry point "rouge_l" of an installed
    package; "my_pkg.tone:polite" is that object in any importable module.

    Raises:
        UsageError: nothing has that name; the message lists the nearest ones.
    """
    if ":" in name:
        module_name, attribute = name.split(":", 1)
        try:
            found = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
            raise UsageError(f"cannot import {name!r} as one of the {kind}: {error}") from None
        if not callable(found) or not _takes(found, TAKES.get(kind)):
            known = f" of {' and '.join(TAKES[kind])}" if kind in TAKES else ""
            raise UsageError(f"{name!r} is not one of the {kind}: it should be a function{known}")
        return found
    for entry in _installed(f"whet.{kind}").select(name=name):
        return entry.load()
    if name not in names(kind):
        near = difflib.get_close_matches(name, names(kind)) or names(kind)
        raise UsageError(f"no {kind} named {name!r}; did you mean {', '.join(near)}?")
    module = importlib.import_module(f"whet.{kind}.{name}")
    (only,) = module.__all__  # a plugin module exports exactly one name
    return getattr(module, only)


@cache
def _installed(group: str) -> EntryPoints:
    """Return what installed packages add to a kind; asking all of them anew for each name takes a tenth of a second."""
    return entry_points(group=group)


def _takes(found: Any, wanted: tuple[str, ...] | None) -> bool:
    try:
        inspect.signature(found).bind(*(wanted or ()))
    except TypeError:
        return wanted is None
    except ValueError:  # of some built-in functions nothing is known
        pass
    return True
