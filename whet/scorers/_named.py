"""From a name in a recipe to a scorer, and many replies to their scores."""

from collections.abc import Sequence
from dataclasses import replace

from whet.plugins import find
from whet.scorers._apart import Apart
from whet.scorers._grading.grade import Ask
from whet.scorers._grading.program import LIMITS
from whet.scorers._grading.scorer import Grading, from_file, is_file
from whet.types import Prompt, Score, Scorer


def scorer_named(name: str, ask: Ask | None = None, patience_s: float | None = None) -> Scorer:
    """Return a scorer by name: built in, `module:function`, a file with a grader, or "grader" for each row's own.

    `ask` puts what graders ask to models. `patience_s` is how long a reply may take: a function of the user's then runs
    in a process of its own, and a grader's program has no longer either.

    Raises:
        UsageError: nothing has that name, or the file holds no grader.
    """
    limits = LIMITS
    if patience_s is not None:
        limits = replace(LIMITS, wall_s=min(patience_s, LIMITS.wall_s))
    if is_file(name):
        return Grading(from_file(name), ask, limits)
    if name == "grader":
        return Grading(None, ask, limits)
    found: Scorer = find("scorers", name)
    built_in = getattr(found, "__module__", "") == f"whet.scorers.{name}"
    return found if built_in or patience_s is None else Apart(name, patience_s)


def scored(scorer: Scorer, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
    """Return the score of each reply, all at once where the scorer can (`many`)."""
    many = getattr(scorer, "many", None)
    if many is not None:
        return list(many(prompts, replies))
    return [scorer(prompt, reply) for prompt, reply in zip(prompts, replies, strict=True)]
