"""What a reply can be asked to keep to that a program can see: the 25 constraints of IFEval.

Source: Zhou et al. 2023, arXiv:2311.07911, table 1, with the reading of its code. Each takes the reply and the
constraint's own settings, in the names of that data set. Sentences, words in capitals and the language are found by
other means than there (punctuation, py3langid), so that these may differ on a reply at the border.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from whet.scorers.grounded import sentences

__all__ = ["CONSTRAINTS"]

Check = Callable[[str, Mapping[str, Any]], bool]
OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_HIGHLIGHT, _DOUBLE = re.compile(r"\*[^\n*]*\*"), re.compile(r"\*\*[^\n*]*\*\*")
_STARRED, _DASHED = re.compile(r"^\s*\*[^*].*$", re.MULTILINE), re.compile(r"^\s*-.*$", re.MULTILINE)
_FIRST = re.compile(r"[^.,?!'\"]*")


def _related(count: int, relation: str, wanted: int) -> bool:
    if relation not in ("less than", "at least"):
        raise ValueError(f"the relation is {relation!r}; it should be 'less than' or 'at least'")
    return count < wanted if relation == "less than" else count >= wanted


def _tokens(reply: str) -> list[str]:
    """Return words as they stand, a hyphen within a word being part of it, and every other mark."""
    return re.findall(r"[\w]+(?:[-'\u2019][\w]+)*|[^\w\s]", reply)


def _language(reply: str) -> str:
    if not any(map(str.isalpha, reply)):
        return ""
    return str(_langid().classify(reply)[0])


@cache
def _langid() -> Any:
    try:
        return import_module("py3langid")
    except ImportError:
        raise ValueError("a constraint on the language needs py3langid: pip install 'whet-llm[eval]'") from None


def _paragraphs(reply: str, wanted: int) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", reply)
    return all(part.strip() for part in parts[1:-1]) and sum(bool(part.strip()) for part in parts) == wanted


def _nth_first_word(reply: str, asked: Mapping[str, Any]) -> bool:
    parts = reply.split("\n\n")
    nth = asked["nth_paragraph"]
    if not sum(bool(part.strip()) for part in parts) == asked["num_paragraphs"] >= nth:
        return False
    said = parts[nth - 1].split()
    word = _FIRST.match(said[0].lstrip("'").lstrip('"')) if said else None
    return word is not None and word[0].lower() == asked["first_word"].lower()


def _highlights(reply: str) -> int:
    once = sum(bool(found.strip("*").strip()) for found in _HIGHLIGHT.findall(reply))
    return once + sum(bool(found[2:-2].strip()) for found in _DOUBLE.findall(reply))


def _json(reply: str) -> bool:
    text = reply.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _two(reply: str) -> bool:
    parts = reply.split("******")
    said = [part.strip() for part in parts if part.strip()]
    return all(part.strip() for part in parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def _postscript(reply: str, marker: str) -> bool:
    spaced = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}
    return bool(re.search(spaced.get(marker, rf"\s*{re.escape(marker.lower())}.*$"), reply.lower(), re.MULTILINE))


def _found(word: str, reply: str) -> int:
    return len(re.findall(re.escape(word), reply, re.IGNORECASE))


def _sections(reply: str, name: str) -> int:
    return len(re.split(rf"\s?{re.escape(name)}\s?\d+\s?", reply)) - 1


CONSTRAINTS: Mapping[str, Check] = {
    "keywords:existence": lambda reply, asked: all(_found(word, reply) for word in asked["keywords"]),
    "keywords:frequency": lambda reply, asked: _related(
        _found(asked["keyword"].strip(), reply), asked["relation"], asked["frequency"]
    ),
    "keywords:forbidden_words": lambda reply, asked: (
        not any(re.search(rf"\b{re.escape(word)}\b", reply, re.IGNORECASE) for word in asked["forbidden_words"])
    ),
    "keywords:letter_frequency": lambda reply, asked: _related(
        reply.lower().count(asked["letter"].strip().lower()), asked["let_relation"], asked["let_frequency"]
    ),
    "language:response_language": lambda reply, asked: _language(reply) == asked["language"],
    "length_constraints:number_sentences": lambda reply, asked: _related(
        len(sentences(reply)), asked["relation"], asked["num_sentences"]
    ),
    "length_constraints:number_paragraphs": lambda reply, asked: _paragraphs(reply, asked["num_paragraphs"]),
    "length_constraints:number_words": lambda reply, asked: _related(
        len(re.findall(r"\w+", reply)), asked["relation"], asked["num_words"]
    ),
    "length_constraints:nth_paragraph_first_word": _nth_first_word,
    "detectable_content:number_placeholders": lambda reply, asked: (
        len(re.findall(r"\[.*?\]", reply)) >= asked["num_placeholders"]
    ),
    "detectable_content:postscript": lambda reply, asked: _postscript(reply, asked["postscript_marker"].strip()),
    "detectable_format:number_bullet_lists": lambda reply, asked: (
        len(_STARRED.findall(reply)) + len(_DASHED.findall(reply)) == asked["num_bullets"]
    ),
    "detectable_format:constrained_response": lambda reply, _: any(option in reply for option in OPTIONS),
    "detectable_format:number_highlighted_sections": lambda reply, asked: _highlights(reply) >= asked["num_highlights"],
    "detectable_format:multiple_sections": lambda reply, asked: (
        _sections(reply, asked["section_spliter"].strip()) >= asked["num_sections"]
    ),
    "detectable_format:json_format": lambda reply, _: _json(reply),
    "detectable_format:title": lambda reply, _: any(
        found.strip("<>").strip() for found in re.findall(r"<<[^\n]+>>", reply)
    ),
    "combination:two_responses": lambda reply, _: _two(reply),
    "combination:repeat_prompt": lambda reply, asked: (
        reply.strip().lower().startswith(asked["prompt_to_repeat"].strip().lower())
    ),
    "startend:end_checker": lambda reply, asked: (
        reply.strip().strip('"').lower().endswith(asked["end_phrase"].strip().lower())
    ),
    "startend:quotation": lambda reply, _: len(reply.strip()) > 1 and reply.strip()[0] == reply.strip()[-1] == '"',
    "change_case:capital_word_frequency": lambda reply, asked: _related(
        sum(map(str.isupper, _tokens(reply))), asked["capital_relation"], asked["capital_frequency"]
    ),
    "change_case:english_capital": lambda reply, _: reply.isupper() and _language(reply.lower()) == "en",
    "change_case:english_lowercase": lambda reply, _: reply.islower() and _language(reply) == "en",
    "punctuation:no_comma": lambda reply, _: "," not in reply,
}
"""By the name that rows give it in `instruction_id_list`."""
