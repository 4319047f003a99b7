"""Answers that are there already are never asked for again."""

import pytest

from whet.engines.open import open_model
from whet.evals.evaluate import ask
from whet.types import Message, Prompt, Reply, Sampling

ASKED = [Prompt((Message("user", text),), ("yes",), f"f:{at}") for at, text in enumerate(["a", "bb", "ccc", "dddd"])]
SAMPLING = Sampling(max_tokens=6)


class Quiet:
    def begin(self, name, total): ...
    def skip(self, amount): ...
    def advance(self, steps=1, note=""): ...
    def say(self, text): ...


class Counting:
    """A real engine that remembers what it was asked."""

    def __init__(self, engine):
        self._engine, self.asked = engine, []

    def complete(self, prompts, sampling, *, log_loss=False):
        self.asked += [prompt.source for prompt in prompts]
        return self._engine.complete(prompts, sampling, log_loss=log_loss)


@pytest.fixture(scope="module")
def engine(tiny):
    return open_model(str(tiny)).engine


@pytest.mark.parametrize("torn", [0, 1, 25])
def test_only_missing_and_torn_answers_are_asked_again(engine, tmp_path, torn):
    file = tmp_path / "replies" / "tuned.jsonl"
    first = ask(Counting(engine), ASKED, SAMPLING, Quiet(), file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]) + lines[4][:torn])  # the head and three answers
    again = Counting(engine)
    assert [reply.text for reply in ask(again, ASKED, SAMPLING, Quiet(), file)] == [reply.text for reply in first]
    assert len(again.asked) == 1
    assert [reply.text for reply in ask(again, ASKED, SAMPLING, Quiet(), file)] == [reply.text for reply in first]
    assert len(again.asked) == 1


def test_answers_to_other_questions_are_not_taken_over(engine, tmp_path):
    file = tmp_path / "replies" / "tuned.jsonl"
    ask(Counting(engine), ASKED, SAMPLING, Quiet(), file)
    again = Counting(engine)
    ask(again, ASKED[:3], SAMPLING, Quiet(), file)
    assert len(again.asked) == 3


def test_an_answer_with_a_line_separator_is_kept_whole(tmp_path):
    class Says:
        asked = 0

        def complete(self, prompts, sampling, *, log_loss=False):
            self.asked += len(prompts)
            yield from ((at, Reply("one\u2028two\x85three", "stop", 1, 1, 0.1)) for at in range(len(prompts)))

    engine, file = Says(), tmp_path / "tuned.jsonl"
    first = ask(engine, ASKED, SAMPLING, Quiet(), file)
    assert ask(engine, ASKED, SAMPLING, Quiet(), file) == first
    assert engine.asked == len(ASKED)
