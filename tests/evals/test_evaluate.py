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


@pytest.mark.parametrize("torn", [0, 1, 25, -1])
def test_only_missing_and_torn_answers_are_asked_again(engine, tmp_path, torn):
    file = tmp_path / "replies" / "tuned.jsonl"
    first = ask(Counting(engine), ASKED, SAMPLING, Quiet(), file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4]) + lines[4][:torn])  # the head and three answers
    again = Counting(engine)
    assert [reply.text for reply in ask(again, ASKED, SAMPLING, Quiet(), file)] == [reply.text for reply in first]
    asked = 0 if torn == -1 else 1  # a line that lacks but its end is whole
    assert len(again.asked) == asked
    assert [reply.text for reply in ask(again, ASKED, SAMPLING, Quiet(), file)] == [reply.text for reply in first]
    assert len(again.asked) == asked


def test_what_is_drawn_after_a_stop_is_what_would_have_been_drawn(engine, tmp_path):
    sampling = Sampling(1.0, max_tokens=12, seed=4)
    asked = [Prompt((Message("user", "say"),), source=f"f:{at}") for at in range(8)]
    file = tmp_path / "part"
    first = ask(engine, asked, sampling, Quiet(), file)
    assert len({reply.text for reply in first}) > 4
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:4]))
    assert [reply.text for reply in ask(engine, asked, sampling, Quiet(), file)] == [reply.text for reply in first]


def test_answers_to_other_questions_are_not_taken_over(engine, tmp_path):
    file = tmp_path / "replies" / "tuned.jsonl"
    ask(Counting(engine), ASKED, SAMPLING, Quiet(), file)
    again = Counting(engine)
    ask(again, ASKED[:3], SAMPLING, Quiet(), file)
    assert len(again.asked) == 3


def test_answers_of_another_model_are_not_taken_over(engine, tmp_path):
    file = tmp_path / "part"
    ask(Counting(engine), ASKED, SAMPLING, Quiet(), file, about="one")
    again = Counting(engine)
    ask(again, ASKED, SAMPLING, Quiet(), file, about="another")
    assert len(again.asked) == 4


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
