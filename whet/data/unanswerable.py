"""Rows to learn from with questions beside them that their passage does not answer (`whet data unanswerable`)."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from whet.config.tree import Data
from whet.data.beside import Act, Beside, chats, writable, write_beside
from whet.data.strangers import UNSAID, Strangers, asked, parts
from whet.errors import UsageError
from whet.types import Chat, Progress

SHARE = 0.1
PASSAGES = 20_000  # of which strangers are taken at most


def write_unanswerable(
    path: str,
    out: Path,
    data: Data,
    *,
    share: float = SHARE,
    answer: str = UNSAID,
    show: Progress | None = None,
) -> Beside:
    """Write every row and, after a share of those with a passage, their question with a stranger's passage.

    The answer there is that the passage does not say, so that a model learns to abstain where it has nothing to go by.

    Raises:
        UsageError: a share that is none, or an empty answer. And whatever `write_beside` raises.
    Source: Rajpurkar et al. 2018, arXiv:1806.03822, for questions without an answer beside those with one.
    """
    if not 0 < share <= 1:
        raise UsageError(f"--share {share:g}: a share of the rows lies above 0 and is at most 1")
    if not answer.strip():
        raise UsageError("--answer: it is empty; say what a model should answer where the passage does not say")
    writable(out)
    passages: dict[str, None] = {}
    for row in chats(path, data, "looking at", show, [])[1]:
        found = parts(row.messages[:-1])
        if found and len(passages) < PASSAGES:
            passages[found.passage] = None
    strangers = Strangers(passages)

    def made(row: Chat) -> Iterator[tuple[str, Chat]]:
        before, said = row.messages[:-1], row.messages[-1]
        found = parts(before)
        if found is None or row.label is not None or _draw(found.passage + found.question) >= share:
            return
        stranger = strangers.find(*found, [said.spoken])
        if stranger is not None:
            unsaid = replace(said, content=answer, tool_calls=(), reasoning="")
            yield "stranger", replace(row, messages=(*asked(before, stranger, found.question), unsaid))

    act = Act("unanswerable", {"share": share, "answer": answer}, "passage", "no passage could be exchanged")
    return write_beside(path, made, act, out, data, show)


def _draw(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[8:16], "big") / 2**64
