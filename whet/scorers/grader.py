"""What the row's own grader says of a reply."""

from whet.scorers._grading.scorer import Grading
from whet.types import Prompt, Score

__all__ = ["grader"]


def grader(prompt: Prompt, reply: str) -> Score:
    """Return what the grader in the row's `grader` column, an object as OpenAI writes them, says of the reply.

    Its templates read `{{ item.column }}`, any other column of the row, and `{{ sample.output_text }}`, the reply
    (`output_json`, `output_tools`, `choices` too). A grader that asks a model can do so where scorers are named in a
    recipe, not where this function is called by itself.

    Raises:
        ValueError: the row has no grader, or one that is none; the message names the row.
    """
    return Grading()(prompt, reply)
