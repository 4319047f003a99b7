"""Judged replies as token rows."""

import pytest
from conftest import make_tokenizer

from whet.config.tree import Data
from whet.data.judged import pairs, render_judged
from whet.data.render import Renderer
from whet.errors import DataError
from whet.types import Feedback, Message, Preference


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("renderer")
    make_tokenizer(folder)
    return Renderer(folder)


def reply(text):
    return (Message("assistant", text),)


def preference(at, *replies, grades=(1.0, 0.0)):
    before = (Message("user", "hi"), Message("assistant", "hello"), Message("user", f"ask {at}"))
    return Preference(before, tuple(map(reply, replies)), grades, f"rows.jsonl:{at}")


def feedback(at, text, value):
    return Feedback((Message("user", f"ask {at}"),), reply(text), value, f"rows.jsonl:{at}")


def test_only_the_reply_trains_to_its_end_and_earlier_answers_are_context(renderer):
    (group,) = render_judged([preference(1, "yes", "")], renderer, Data(), 999, single=False).groups
    shown = [[text for trains, text in renderer.spans(row) if trains] for row in group.rows]
    assert shown == [["yes<|im_end|>"], ["<|im_end|>"]]


def test_with_single_replies_the_best_is_good_the_others_bad_and_each_has_a_strangers_reply(renderer):
    rows = [preference(1, "a", "b", "c", grades=(2.0, 1.0, 1.0)), preference(2, "d", "e")]
    found = render_judged(rows, renderer, Data(), 999, single=True).groups
    assert [group.grades for group in found] == [(1.0,), (0.0,), (0.0,), (1.0,), (0.0,)]
    for group in found:
        own, other = group.rows[0], group.other
        start = own.weights.index(1.0)
        assert other.ids[:start] == own.ids[:start]
        assert other.ids != own.ids
    assert "d<" in renderer.spans(found[0].other)[-1][1]  # of another prompt, not the next reply to its own


def test_ties_and_neither_good_nor_bad_are_left_out_and_counted(renderer):
    tied = preference(2, "a", "b", grades=(1.0, 1.0))
    found = render_judged([preference(1, "a", "b"), tied], renderer, Data(), 999, single=False)
    assert (len(found.groups), found.tied) == (1, 1)
    thumbs = [feedback(1, "a", 1.0), feedback(2, "b", 0.5), feedback(3, "c", 0.2)]
    found = render_judged(thumbs, renderer, Data(), 999, single=True)
    assert [group.grades for group in found.groups] == [(1.0,), (0.0,)]
    assert "1 rows were left out because no reply is better" in found.notes()[0]


def test_a_reply_that_is_too_long_takes_its_whole_prompt_with_it_or_is_named(renderer):
    rows = [preference(7, "a", "b" * 300), preference(8, "a", "b")]
    with pytest.raises(DataError, match=r"rows\.jsonl:7") as told:
        render_judged(rows, renderer, Data(), 200, single=False)
    assert "a reply with its prompt may have 200" in str(told.value)
    found = render_judged(rows, renderer, Data(overlong="drop"), 200, single=False)
    assert (len(found.groups), found.dropped) == (1, 1)


def test_single_replies_cannot_be_paired(renderer):
    with pytest.raises(DataError, match=r"method\.name=kto"):
        render_judged([feedback(1, "a", 1.0)], renderer, Data(), 200, single=False)


def test_pairs_are_all_replies_with_a_higher_grade_before_a_lower_one():
    assert pairs((2.0, 1.0, 1.0, 0.0)) == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]
