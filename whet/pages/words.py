"""What every page does with text: nothing in it is markup, everything in it can be seen.

Whatever came from users or models is escaped by the templates, and characters that a page cannot hold are replaced by
ones that can be seen.
"""

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_UNSEEN = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
_UNSEEN |= dict.fromkeys((*range(0x80, 0xA0), 0xFFFE, 0xFFFF), 0xFFFD)
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(value: Any) -> Any:
    """Return the JSON value with all its text fit for a page: unseen characters become visible ones.

    Control characters become their pictures (U+2400 ...), what has none U+FFFD; tabs and line ends stay.
    A key whose value is null is left out.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\r\n", "\n")).translate(_UNSEEN)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def number(value: Any, digits: int = 3) -> str:
    """Return a number with fixed digits, or "-" if it is none."""
    if not finite(value):
        return "-"
    return f"{round(float(value), digits) + 0.0:,.{digits}f}"  # adding 0 turns -0.0 into 0.0


def finite(value: Any) -> bool:
    """Say whether a value is a number that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@cache
def template(file: Path) -> Template:
    """Return a page's template; what it extends or imports lies beside it or in this room."""
    folders = (file.parent, Path(__file__).parent)
    surroundings = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return surroundings.get_template(file.name)
