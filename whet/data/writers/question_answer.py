"""A question and its answer."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import exchange
from whet.types import Example

__all__ = ["question_answer"]


def question_answer(example: Example) -> dict[str, Any]:
    """Return `question` and `answer`."""
    system, asked, said = exchange(example, "question_answer")
    if system:
        raise Unusable("question_answer has no place for a system message; set data.instruction when you read it")
    return {"question": asked, "answer": said}
