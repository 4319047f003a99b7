"""Right when the reply keeps to everything that its row asks of its form."""

from collections.abc import Mapping
from typing import Any

from whet.scorers._constraints import CONSTRAINTS
from whet.scorers._text import row, shortened
from whet.types import Prompt, Score

__all__ = ["instructions"]


def instructions(prompt: Prompt, reply: str) -> Score:
    """Return 1 if the reply keeps to every constraint of its row, else 0; `why` names those that it breaks.

    The row (`Prompt.item`) has `instruction_id_list`, names such as "punctuation:no_comma", and `kwargs`, the settings
    of each, as in IFEval. An empty reply keeps to none.

    Raises:
        ValueError: the row has no such constraints, one is not known, or its settings are not whole; the message names
            the row.

    Source: Zhou et al. 2023, arXiv:2311.07911 ("prompt-level strict accuracy").
    """
    names: Any = prompt.item.get("instruction_id_list")
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f'{row(prompt)}there are no constraints to keep to; add "instruction_id_list" and "kwargs"')
    settings: Any = prompt.item.get("kwargs") or [{}] * len(names)
    if len(settings) != len(names):
        raise ValueError(f'{row(prompt)}{len(names)} constraints and {len(settings)} "kwargs"; each needs its own')
    if strange := [str(name) for name in names if name not in CONSTRAINTS]:
        known = ", ".join(sorted(CONSTRAINTS))
        raise ValueError(f"{row(prompt)}{strange[0]!r} is no constraint that is known; known are {known}")
    broken = [name for name, asked in zip(names, settings, strict=True) if not _kept(prompt, name, asked or {}, reply)]
    why = f"{len(names) - len(broken)} of {len(names)} kept"
    return Score(float(not broken), shortened(f"{why}; not {', '.join(broken)}") if broken else why)


def _kept(prompt: Prompt, name: str, asked: Mapping[str, Any], reply: str) -> bool:
    try:
        kept = CONSTRAINTS[name](reply, asked)
    except KeyError as error:
        raise ValueError(f"{row(prompt)}{name} has no {error} in its settings") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{row(prompt)}{name}: {error}") from None
    return bool(reply.strip()) and kept
