"""Every reason not to train is found before the first step, all at once, with file and line."""

import pytest

from whet.config.tree import Data
from whet.data.preflight import render_all, reply_length
from whet.errors import DataError
from whet.types import Chat, Message, Text


def chat(asked: str, said: str, line: int, weight: float = 1.0) -> Chat:
    return Chat((Message("user", asked), Message("assistant", said, weight)), f"f.jsonl:{line}")


def test_over_long_rows_are_an_error_that_names_all_of_them(renderer):
    rows = [chat("a", "b", 1), chat("a" * 200, "b", 2), chat("a", "b" * 200, 3)]
    with pytest.raises(DataError) as caught:
        render_all(rows, renderer, Data(), 100)
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert "data.overlong" in str(caught.value)


def test_over_long_rows_are_dropped_or_cut_only_on_request_and_counted(renderer):
    rows = [chat("a", "b", 1), chat("a" * 200, "bcd", 2)]
    dropped = render_all(rows, renderer, Data(overlong="drop"), 100)
    assert (len(dropped.rows), dropped.dropped) == (1, 1)
    cut = render_all(rows, renderer, Data(overlong="truncate_left"), 100)
    assert (len(cut.rows[1].ids), cut.rows[1].trained, cut.truncated) == (100, 4, 1)
    assert cut.notes() == ["1 rows were truncated on the left to data.max_tokens"]


def test_split_pieces_cover_every_trained_token(renderer):
    row = Text("x" * 250, "t.txt:1")
    whole = render_all([row], renderer, Data(), 500)
    pieces = render_all([row], renderer, Data(overlong="split"), 100)
    assert pieces.split == 1
    assert sum(len(piece.ids) for piece in pieces.rows) == len(whole.rows[0].ids)
    assert [token for piece in pieces.rows for token in piece.ids] == list(whole.rows[0].ids)


def test_rows_on_which_nothing_would_train_are_refused_by_line(renderer):
    with pytest.raises(DataError, match=r"f\.jsonl:7: no token of this row would train"):
        render_all([chat("a", "b", 1), chat("a", "b", 7, weight=0.0)], renderer, Data(), 100)


def test_when_every_row_is_dropped_training_is_refused(renderer):
    with pytest.raises(DataError, match="no row is left"):
        render_all([chat("a" * 200, "b", 1)], renderer, Data(overlong="drop"), 100)


def test_an_untrained_end_token_is_refused(renderer, monkeypatch):
    monkeypatch.setattr(renderer, "stops", frozenset({0}))
    with pytest.raises(DataError, match="end token"):
        render_all([chat("a", "b", 1)], renderer, Data(), 100)


def test_reply_length_covers_nearly_all_answers(renderer):
    rows = render_all([chat("a", "b" * n, n) for n in range(1, 101)], renderer, Data(), 300).rows
    assert reply_length(rows) == 104


def test_every_token_may_train_around_a_turn_that_does_not(renderer):
    turns = (Message("user", "a"), Message("assistant", "b", 0.0), Message("user", "c"), Message("assistant", "d"))
    for last in (turns, turns[:2]):
        rendered = render_all([Chat((Message("user", "z"), Message("assistant", "y"), *last), "f.jsonl:1")], renderer,
                              Data(train_on="all"), 500)  # fmt: skip
        assert rendered.trained
