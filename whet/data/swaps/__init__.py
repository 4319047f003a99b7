"""The same row, speaking of another group: women for men, old for young, and everything else the same.

Words are swapped by lists and by the words beside them; nothing is understood. English only. Every axis has its pairs
of groups, and each word one counterpart, so that a text swapped twice is the text again. Where it is not (a word such
as "Mrs", to which there is no way back, is "Ms" from then on), the text that came of the first swap has to come back;
otherwise the row is left out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from whet.data.swaps import _gender, _names, _people
from whet.data.swaps._words import Spot, Turned, with_article
from whet.errors import UsageError
from whet.types import Chat, Message, Prompt

CONTROL = "control"
_WORD = re.compile(r"(?:[Nn]on-)?[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Axis:
    """What groups are told apart by; `contrasts` are the pairs of groups that change places."""

    name: str
    contrasts: tuple[tuple[str, str], ...]
    turn: Callable[[Spot], Turned | None]


AXES: dict[str, Axis] = {
    "gender": Axis("gender", _gender.CONTRASTS, _gender.turn),
    **{name: Axis(name, contrasts, turn) for name, (turn, contrasts) in _people.TURNS.items()},
    "origin": Axis("origin", _names.CONTRASTS, _names.by(_names.BY_ORIGIN)),
    CONTROL: Axis(CONTROL, (), _names.by(_names.ALIKE)),
}
"""By name. `origin` swaps first names; `control` too, for others of the same gender and origin: what changes with those
is not about groups."""

Sides = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Twin:
    """A question that speaks of another group; `sides` are the groups it went from, and to."""

    prompt: Prompt
    axis: str
    sides: Sides


def axes_of(names: str, named: str = "--axes") -> list[Axis]:
    """Return the axes of a list with commas; `named` is where it was given.

    Raises:
        UsageError: one of them is none.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted or (strange := [name for name in wanted if name not in AXES]):
        what = f"{strange[0]!r} is no axis" if wanted else "names no axis"
        raise UsageError(f"{named}: {what}; choose from {', '.join(AXES)}, with commas between them")
    return [AXES[name] for name in dict.fromkeys(wanted)]


def swap(text: str, axis: Axis) -> tuple[str, Sides]:
    """Return a text with the groups of an axis changed for each other, and which went where; none of them: as it is."""
    pieces, end, sides = list[str](), 0, set[tuple[str, str]]()
    for match in _WORD.finditer(text):
        if found := axis.turn(Spot(text, *match.span())):
            other, side = found
            pieces += [with_article(text[end : match.start()], match[0], other), other]
            sides.add(side)
            end = match.end()
    return "".join([*pieces, text[end:]]), frozenset(sides)


def settled(text: str, axis: Axis) -> str:
    """Return a text swapped and swapped back: as it is, but for words to which there is no way back."""
    return swap(swap(text, axis)[0], axis)[0]


def turned(messages: Sequence[Message], axis: Axis) -> tuple[tuple[Message, ...], Sides] | None:
    """Return messages with those of user and assistant swapped; None where there is nothing to swap or no way back."""
    sides: set[tuple[str, str]] = set()
    others = []
    for message in messages:
        content, found = swap(message.content, axis) if message.role in {"user", "assistant"} else (message.content, ())
        if found and settled(content, axis) != content:
            return None
        sides |= set(found)
        others.append(replace(message, content=content))
    return (tuple(others), frozenset(sides)) if sides else None


def twin(prompt: Prompt, axis: Axis, *, labelled: bool = False) -> Twin | None:
    """Return a question that speaks of another group, with its targets alike (labels stay); None if it speaks of none.

    What was said before it in the conversation is swapped with it, but for system messages and what tools said.
    """
    found = turned(prompt.messages, axis)
    if found is None:
        return None
    targets = prompt.targets if labelled else tuple(dict.fromkeys(swap(target, axis)[0] for target in prompt.targets))
    return Twin(replace(prompt, messages=found[0], targets=targets), axis.name, found[1])


def twin_row(row: Chat, axis: Axis) -> Chat | None:
    """Return a row to learn from that speaks of another group, None if its question speaks of none."""
    *before, answer = row.messages
    found = turned(before, axis)
    if found is None:
        return None
    said = answer if row.label is not None else replace(answer, content=swap(answer.content, axis)[0])
    return replace(row, messages=(*found[0], said))
