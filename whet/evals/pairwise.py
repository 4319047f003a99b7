"""Which of two replies a judge prefers, asked in both orders: a preference for a place is none for a reply.

Source: Zheng et al. 2023, arXiv:2306.05685, section 3.4, for the swap and for agreement with people.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whet.evals.bias.columns import Column, Sure, figure
from whet.types import Message, Prompt

LETTERS = ("A", "B")
WORDS = 8  # tokens of a vote
_VOTE = re.compile(r"\b([AB])\b")

Letter = Literal["A", "B"] | None


@dataclass(frozen=True, slots=True)
class Votes:
    """What a judge said when ours stood first, and when it stood second; None: it named neither.

    `same`: the replies are equal, so nobody was asked.
    """

    first: Letter = None
    second: Letter = None
    same: bool = False

    @property
    def outcome(self) -> float | None:
        """1 if ours is preferred in both orders, 0 if the other is, 0.5 if they are equal, None if it is unsure."""
        if self.same:
            return 0.5
        if self.first is None or self.second is None or self.first == self.second:
            return None
        return float(self.first == "A")


def questions(asked: Sequence[Message], ours: str, other: str, criterion: str) -> tuple[Prompt, Prompt]:
    """Return what the judge is asked: ours first, then ours second."""
    conversation = "\n".join(f"{message.role}: {message.content}" for message in asked)

    def put(one: str, two: str) -> Prompt:
        text = (
            f"Conversation:\n{conversation}\n\nReply A:\n{one}\n\nReply B:\n{two}\n\n"
            f"Which reply is {criterion}? Answer with A or B only."
        )
        return Prompt((Message("user", text),))

    return put(ours, other), put(other, ours)


def vote(text: str) -> Letter:
    """Return the reply that a judge names, if it names one alone."""
    found = set(_VOTE.findall(text))
    return None if len(found) != 1 else "A" if "A" in found else "B"


def win_rate(votes: Sequence[Votes], groups: Sequence[Hashable] | None, sure: Sure) -> dict[str, Any]:
    """Return how often ours is preferred, an unsure judge counting as a tie, with interval and p-value of one half.

    `unsure` are the pairs on which the judge named neither reply, or another one in the other order; `place` is how
    often it chose what stood first: one half of a judge who reads.
    """
    outcomes = [one.outcome for one in votes]
    values = tuple(0.5 if one is None else one for one in outcomes)
    column = Column("win_rate", "ours is preferred", values, 0.5, tuple(groups) if groups else None)
    return {
        **figure(column, sure),
        "pairs": len(votes),
        "wins": outcomes.count(1.0),
        "losses": outcomes.count(0.0),
        "same": sum(one.same for one in votes),
        "unsure": outcomes.count(None),
        "place": _place(votes),
    }


def agreement(votes: Sequence[Votes], preferred: Sequence[bool | None], sure: Sure) -> dict[str, Any]:
    """Return how often a judge prefers what people preferred, over the pairs on which both are decided.

    `preferred`: whether people prefer ours, None for a tie. `decided` is the share of pairs that people decided where
    the judge is sure; `kappa` is agreement beyond chance (Cohen 1960), None where one side always says the same.
    """
    people = [(one.outcome, other) for one, other in zip(votes, preferred, strict=True) if other is not None]
    both = [(float(said), float(other)) for said, other in people if said in {0.0, 1.0}]
    right = [float(said == other) for said, other in both]
    found = figure(Column("agreement", "the judge agrees", tuple(right), 0.5), sure)
    share = [sum(side[at] for side in both) / len(both) if both else 0.0 for at in (0, 1)]
    chance = share[0] * share[1] + (1 - share[0]) * (1 - share[1])
    kappa = (sum(right) / len(right) - chance) / (1 - chance) if both and chance < 1 else None
    return {
        "agreement": found,
        "kappa": kappa,
        "pairs": len(votes),
        "ties": len(votes) - len(people),
        "decided": len(both) / len(people) if people else 0.0,
        "place": _place(votes),
    }


def _place(votes: Sequence[Votes]) -> float | None:
    """Return how often a judge chose what stood first."""
    letters = [letter for one in votes for letter in (one.first, one.second) if letter is not None]
    return letters.count("A") / len(letters) if letters else None
