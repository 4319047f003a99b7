"""Text with places for what a row and a reply say: `{{ item.answer }}`, `{{ sample.output_text }}`.

A place names `item` or `sample` and then keys and numbers: `.key`, `[0]`. Only values of JSON are looked up, by key and
by number; nothing is called, and what is put in is not looked at again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

NAMESPACES = ("item", "sample")
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_KEY = r"[^\s.\[\]{}]+"
_PATH = re.compile(rf"\s*(\w+)((?:\.{_KEY}|\[\d{{1,9}}\])*)\s*")
_STEP = re.compile(rf"\.({_KEY})|\[(\d+)\]")

Path = tuple[str | int, ...]


class Missing(LookupError):
    """A place names what is not there; `path` is the place without its braces."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{{{{ {written(path)} }}}} is not there")


def filled(text: str, known: Mapping[str, Any]) -> str:
    """Return the text with every place filled in; what is no text is put in as JSON.

    Raises: Missing if a place names what is not there.
    """
    return _PLACE.sub(lambda found: _said(looked_up(_path(found[1]), known)), text)


def looked_up(path: Path, known: Mapping[str, Any]) -> Any:
    """Return what a path leads to.

    Raises: Missing if there is nothing.
    """
    value: Any = known
    for step in path:
        keyed = isinstance(step, str) and isinstance(value, Mapping) and step in value
        if not keyed and not (isinstance(step, int) and isinstance(value, list | tuple) and step < len(value)):
            raise Missing(path)
        value = value[step]
    return value


def paths(text: str) -> list[Path]:
    """Return the paths of all places in a text.

    Raises: ValueError if one is not a path of `item` or `sample`.
    """
    return [_path(inside) for inside in _PLACE.findall(text)]


def problems(text: str) -> Iterator[str]:
    """Yield what is wrong with each place of a text that is no path."""
    for inside in _PLACE.findall(text):
        try:
            _path(inside)
        except ValueError as error:
            yield str(error)


def written(path: Path) -> str:
    """Return a path as it is written in a template."""
    first, *rest = path
    return str(first) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def _path(inside: str) -> Path:
    found = _PATH.fullmatch(inside)
    if not found or found[1] not in NAMESPACES:
        shown = inside.strip()[:60]
        raise ValueError(f"{{{{ {shown} }}}} is not of the form {{{{ item.key }}}} or {{{{ sample.output_text }}}}")
    steps = (key or int(number) for key, number in _STEP.findall(found[2]))
    return (found[1], *steps)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
