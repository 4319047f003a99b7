"""Two replies and which of them a judge prefers, asked in both orders (Zheng et al. 2023, arXiv:2306.05685)."""

import re

from whet.data.makers import Ask, Bench, Discard, Making, ask, exchange_of, said
from whet.types import Example, Message, Prompt

__all__ = ["preference"]

NEEDS = "questions, with answers or without"
_LETTER = re.compile(r"\b([AB])\b")


def preference(example: Example, bench: Bench) -> Making:
    """Two replies to each question, the one that the judge prefers in both orders first."""
    before = example.messages if isinstance(example, Prompt) else exchange_of(example)[0]
    one = said((yield Ask(before, 384)))
    other = said((yield Ask(before, 384)))
    if one == other:
        raise Discard("both replies are the same")
    asked = "\n".join(f"{message.role}: {message.content}" for message in before)
    votes = []
    for first, second in ((one, other), (other, one)):
        heard = yield ask(
            f"Conversation:\n{asked}\n\nReply A:\n{first}\n\nReply B:\n{second}\n\n"
            "Which reply is more helpful and correct? Answer with A or B only.",
            8,
            "judge",
        )
        found = _LETTER.search(heard)
        if not found:
            raise Discard("the judge named neither reply")
        votes.append(found[1])
    if votes[0] == votes[1]:
        raise Discard("the judge prefers whichever reply stands in one place")
    chosen, rejected = (one, other) if votes[0] == "A" else (other, one)
    replies = {
        name: [Message("assistant", text).as_dict()] for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    return [{"prompt": [message.as_dict() for message in before], **replies}]
