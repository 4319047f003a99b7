"""Where a text may be cut: between sentences, and only where that cannot be, at a line end, a space or a character."""

import re
from collections.abc import Iterator

# Possessive, so that a long row of dots costs one pass.
_END = re.compile(r"[.!?\u2026]++[\"'\u2019\u201d)\]\u00bb]*+(?=\s)|[\u3002\uff01\uff1f]++[\u300d\u300f\u201d\uff09]*+")
_SPACE = re.compile(r"\s*+")
_SHORT = {
    *("mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "no", "nr", "vs", "fig", "figs", "eq", "sec", "ch", "vol"),
    *("pp", "cf", "al", "approx", "dept", "ca", "resp", "incl", "art", "abs", "tel"),
}
_BEFORE = 24  # characters looked at before a full stop


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a text as (what stands between it and the one before: "", " " or a line break, sentence).

    In doubt two sentences are taken for one: after "e.g.", "Dr.", a single letter, the number of a list item, and
    before a small letter.
    """
    joint, start = "", 0
    for found in _END.finditer(text):
        end = found.end()
        space = _SPACE.match(text, end)
        follows = space.end() if space else end
        if follows >= len(text):
            break
        if text[follows].islower() or _goes_on(text, start, found.start(), found.group()):
            continue
        yield joint, text[start:end]
        joint = "\n" if "\n" in text[end:follows] else text[end:follows][:1]
        start = follows
    if start < len(text):
        yield joint, text[start:]


def cut(text: str, most: int) -> Iterator[tuple[str, str]]:
    """Yield pieces of at most `most` characters, as `sentences` does; a sentence is cut only if it is longer."""
    for joint, sentence in sentences(text):
        place, before = 0, joint
        while len(sentence) - place > most:
            end = _last_gap(sentence, place, place + most)
            if piece := sentence[place:end].rstrip():
                yield before, piece
            space = _SPACE.match(sentence, end)
            place = space.end() if space else end
            before = "\n" if "\n" in sentence[end:place] else sentence[end:place][:1]
        if place < len(sentence):
            yield before, sentence[place:]


def _goes_on(text: str, start: int, stop: int, end: str) -> bool:
    """Return whether a full stop belongs to the word before it."""
    if end != ".":
        return False
    before = text[max(start, stop - _BEFORE) : stop]
    word = before.split()[-1].lstrip("([\"'") if before.split() else ""
    if word.isdecimal():  # the number of an item, not a year at the end of a sentence
        return not before[: -len(word)].rpartition("\n")[2].strip()
    return len(word) == 1 or "." in word or word.lower() in _SHORT


def _last_gap(text: str, start: int, stop: int) -> int:
    """Return where to cut a text that has no sentence end: as late as may be, within a word only where it must."""
    gap = text.rfind("\n", (start + stop) // 2, stop + 1)
    if gap < 0:
        gap = max(text.rfind(" ", start + 1, stop + 1), text.rfind("\t", start + 1, stop + 1))
    return gap if gap > 0 else stop
