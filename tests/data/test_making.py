"""Rows are made from rows by asking a model; what is poor is left out, what was made is kept, budgets hold."""

import json
import random
import re

import pytest
from conftest import Quiet

from whet.data.makers import Ask, Bench, Discard
from whet.data.making import Budget, Piece, Workshop, reasons
from whet.data.read import read
from whet.data.sieve import sieve
from whet.errors import EndpointError, RunError, UsageError
from whet.plugins import find, names
from whet.types import Chat, Message, Prompt, Reply, Text

PASSAGE = (
    "Parcels that weigh more than 12 kilograms travel by road. Lantern House sends them on Tuesdays and Fridays, and "
    "whoever is not at home finds a yellow card with the address of the depot."
)
OTHER = "The reading room of the library opens at nine. Coats, bags and umbrellas are left with the porter downstairs."


def chat(asked, said="fine", label=None, source="f.jsonl:1"):
    return Chat((Message("user", asked), Message("assistant", said)), source, label=label)


def made(kind, example, *replies, others=(), seed=0):
    """Return what comes of these replies, and what was asked for them."""
    making, asked, told = find("data.makers", kind)(example, Bench(random.Random(seed), others)), [], None
    for reply in (*replies, None):
        try:
            asked.append(making.send(told))
        except StopIteration as end:
            return end.value, asked
        told = reply
    raise AssertionError("it asks for more")


class Scripted:
    """An engine that answers with a function of what it is asked, and counts."""

    def __init__(self, answers, fails=()):
        self.answers, self.fails, self.prompts, self.batches = answers, set(fails), [], []

    def complete(self, prompts, sampling, *, log_loss=False):
        self.batches.append((len(prompts), sampling))
        for at, prompt in enumerate(prompts):
            self.prompts.append(prompt)
            if prompt.source.partition("#")[0] in self.fails:
                raise UsageError(f"{prompt.source}: longer than the context")
            text = self.answers(prompt.messages[-1].content)
            yield at, Reply(text, "stop", len(prompt.messages[-1].content.split()), len(text.split()))

    def stream(self, prompt, sampling):
        raise NotImplementedError


def test_a_question_about_a_passage_cites_it():
    (row,), asked = made(
        "questions", Text(PASSAGE), "Question: When does Lantern House send heavy parcels?", "On Tuesdays and Fridays."
    )
    assert row["question"] == "When does Lantern House send heavy parcels?"
    assert row["answer"] == "On Tuesdays and Fridays."
    assert row["cited"] == PASSAGE
    assert all(PASSAGE in ask.messages[0].content for ask in asked)


@pytest.mark.parametrize("before", ["- ", 'The question would be: "', "One person could ask: "])
def test_what_a_model_says_before_its_question_is_left_out(before):
    asked = "When does Lantern House send heavy parcels?"
    (row,), _ = made("questions", Text(PASSAGE), before + asked, "On Tuesdays and Fridays.")
    assert row["question"] == asked


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        (["What does the passage say about parcels?"], "speaks of the passage"),
        (["Who won the cup final?"], "not about the passage"),
        (["Parcels are heavy."], "was no question"),
        ([""], "empty"),
        (["When do parcels travel by road?", "After 15 kilograms."], "a number that the passage has not"),
        (["When do parcels travel by road?", "Whenever the moon shines on wild horses."], "says what the passage does"),
        (["Which parcels travel by road?", "Parcels"], "only repeats the question"),
        (["Which parcels travel by road?", "The text says they are heavy."], "speaks of the passage or of itself"),
        (["Which parcels travel by road?", "The answer is: heavy."], "speaks of the passage or of itself"),
    ],
)  # fmt: skip
def test_questions_that_are_none_and_answers_that_are_made_up_are_left_out(replies, why):
    with pytest.raises(Discard, match=why):
        made("questions", Text(PASSAGE), *replies)


def test_an_unanswerable_question_is_put_to_another_passage_and_the_judge_must_agree():
    others = [Text(PASSAGE), Text(OTHER)]
    asked = "When does Lantern House send heavy parcels?"
    (row,), asks = made("unanswerable", Text(PASSAGE), asked, "No.", others=others)
    assert (row["context"], row["question"]) == (OTHER, asked)
    assert asks[1].who == "judge"
    with pytest.raises(Discard, match="may answer it"):
        made("unanswerable", Text(PASSAGE), asked, "Yes, it does", others=others)
    with pytest.raises(Discard, match="no other passage"):
        made("unanswerable", Text(PASSAGE), asked, "No.", others=[Text(PASSAGE)])


def test_a_paraphrase_keeps_answer_label_and_every_number():
    (row,), _ = made(
        "paraphrase", chat("where is order 4711", "refunds", label="refunds"), '"Has my order 4711 been sent?"'
    )
    assert row == {"text": "Has my order 4711 been sent?", "label": "refunds"}
    (row,), _ = made("paraphrase", chat("where is order 4711", "It left."), "Has order 4711 been sent?")
    assert row["messages"][-1]["content"] == "It left."
    for reply, why in (
        ("where is my order", "number, code"),
        ("Where is order 4711", "the words are the same"),
        ("4711 4711 penguins dance", "nothing in common"),
        ("order 4711? " * 20, "far longer"),
    ):
        with pytest.raises(Discard, match=why):
            made("paraphrase", chat("where is order 4711"), reply)


def test_a_harder_task_and_a_new_one_are_answered_anew():
    (row,), asks = made("harder", chat("Name a fish."), "Name a fish of the North Sea.", "Cod.")
    assert [m["content"] for m in row["messages"]] == ["Name a fish of the North Sea.", "Cod."]
    assert asks[1].messages[-1].content == "Name a fish of the North Sea."
    seeds = [chat(f"Name a {what}.", source=f"f.jsonl:{n}") for n, what in enumerate(("bird", "tree", "river", "town"))]
    (row,), asks = made("self_instruct", seeds[0], "5. Name a mountain in Chile.", "Aconcagua is near.", others=seeds)
    assert row == {"prompt": "Name a mountain in Chile.", "completion": "Aconcagua is near."}
    assert all(f"Name a {what}." in asks[0].messages[0].content for what in ("bird", "tree", "river", "town"))
    with pytest.raises(Discard, match="one of those shown"):
        made("self_instruct", seeds[0], "Name a tree.", others=seeds)


def test_distilled_rows_keep_the_question_and_take_the_models_answer():
    (row,), _ = made("distil", chat("Name a fish.", "no"), "A cod.")
    assert [m["content"] for m in row["messages"]] == ["Name a fish.", "A cod."]
    (row,), _ = made("distil", Prompt((Message("user", "Name a fish."),)), "A cod.")
    assert row["messages"][-1] == {"role": "assistant", "content": "A cod."}


def test_a_preference_counts_only_if_the_judge_keeps_it_when_the_order_changes():
    (row,), asks = made("preference", chat("Name a fish."), "A cod.", "A cow.", "A", "B")
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("A cod.", "A cow.")
    assert [ask.who for ask in asks] == ["maker", "maker", "judge", "judge"]
    (row,), _ = made("preference", chat("Name a fish."), "A cow.", "A cod.", "Reply B", "A.")
    assert row["chosen"][0]["content"] == "A cod."
    for replies, why in (
        (("x", "x"), "both replies are the same"),
        (("x", "y", "A", "A"), "stands in one place"),
        (("x", "y", "hm"), "named neither"),
    ):
        with pytest.raises(Discard, match=why):
            made("preference", chat("Name a fish."), *replies)


def distilled(tmp_path, engine, source, *, per=1, rows=None, budget=None, seed=0):
    shop = Workshop(
        find("data.makers", "distil"), source, {"maker": engine, "judge": engine}, tmp_path / "out.part",
        settings={"kind": "distil", "maker": "m", "per": per, "temperature": 0.7, "seed": seed},
        budget=budget or Budget(), show=Quiet(),
    )  # fmt: skip
    shop.work(rows)
    return shop


SOURCE = [chat(f"say number {n} aloud", source=f"f.jsonl:{n + 1}") for n in range(100)]


def test_every_row_is_asked_once_in_batches_with_a_source_of_its_own(tmp_path):
    engine = Scripted(lambda text: f"I say {text}")
    shop = distilled(tmp_path, engine, SOURCE, per=2)
    assert shop.rows == 200
    assert len({prompt.source for prompt in engine.prompts}) == 200
    assert len(engine.batches) <= 5
    assert {sampling.temperature for _, sampling in engine.batches} == {0.7}


def test_no_more_is_made_than_rows_are_wanted(tmp_path):
    engine = Scripted(lambda text: "yes")
    assert distilled(tmp_path, engine, SOURCE, rows=7).rows == 7
    assert len(engine.prompts) == 7


def test_budgets_of_tokens_and_money_are_not_overrun(tmp_path):
    engine = Scripted(lambda text: "one two three four five six")  # 4 read, 6 written
    (tmp_path / "a").mkdir()
    shop = distilled(tmp_path / "a", engine, SOURCE, budget=Budget(tokens=205))
    assert shop.exhausted == "the budget is spent"
    assert 150 <= shop.spent.read + shop.spent.written <= 205
    (tmp_path / "b").mkdir()
    shop = distilled(tmp_path / "b", engine, SOURCE, budget=Budget(money=0.001, price=(10.0, 10.0)))
    assert 0.0005 <= shop.spent.money((10.0, 10.0)) <= 0.001


def test_what_was_made_is_not_asked_again_and_a_torn_line_is(tmp_path):
    first = distilled(tmp_path, Scripted(lambda text: f"1 {text}"), SOURCE, rows=30)
    journal = tmp_path / "out.part"
    journal.write_bytes(journal.read_bytes()[:-20])
    engine = Scripted(lambda text: f"2 {text}")
    shop = distilled(tmp_path, engine, SOURCE)
    assert shop.rows == 100
    assert len(engine.prompts) == 71
    answers = {p.key: p.rows[0]["messages"][-1]["content"] for p in shop.done.values()}
    assert sum(text.startswith("1") for text in answers.values()) == 29
    assert shop.spent.asks == 29 + 71
    assert first.rows == 30
    with pytest.raises(RunError, match="made with other settings"):
        distilled(tmp_path, engine, SOURCE, seed=1)


def test_a_row_that_cannot_be_asked_is_left_out_and_the_others_are_made(tmp_path):
    engine = Scripted(lambda text: "yes", fails={"f.jsonl:3", "f.jsonl:40"})
    shop = distilled(tmp_path, engine, SOURCE)
    assert shop.rows == 98
    assert len(reasons(list(shop.done.values()))) == 2
    assert all("longer than the context" in why for why in reasons(list(shop.done.values())))


def test_an_engine_that_answers_nothing_at_all_stops_the_work(tmp_path):
    engine = Scripted(lambda text: "yes", fails={row.source for row in SOURCE})
    with pytest.raises(UsageError, match="longer than the context"):
        distilled(tmp_path, engine, SOURCE)
    assert len(engine.prompts) <= 3


def test_a_server_that_is_gone_stops_the_work_and_loses_nothing(tmp_path):
    class Leaving(Scripted):
        def complete(self, prompts, sampling, *, log_loss=False):
            for at, reply in super().complete(prompts, sampling):
                if len(self.prompts) > 80:
                    raise EndpointError("connection refused", stopping=True)
                yield at, reply

    with pytest.raises(EndpointError):
        distilled(tmp_path, Leaving(lambda text: "yes"), SOURCE)
    engine = Scripted(lambda text: "yes")
    assert distilled(tmp_path, engine, SOURCE).rows == 100
    assert len(engine.prompts) == 20


def pieces(*rows):
    return [Piece(f"f:{n}#0", [row]) for n, row in enumerate(rows)]


def test_poor_rows_repeated_ones_and_those_of_the_test_are_sifted_out():
    rows = pieces(
        {"prompt": "Name a fish of the sea", "completion": "A cod lives there."},
        {"prompt": "Name a fish of the sea!", "completion": "An eel."},
        {"prompt": "Name a bird of the moor", "completion": "As an AI language model I cannot help with that."},
        {"prompt": "Name a tree of the hill", "completion": "n/a"},
        {"prompt": "What is the capital city of France", "completion": "Paris."},
        {"prompt": "Say this one thing", "completion": "It is well."},
        {"prompt": "  ", "completion": "x"},
    )
    kept, left = sieve(
        "self_instruct", rows, [chat("Say this one thing")], [chat("what is the capital city of France?")]
    )
    assert [row["prompt"] for _, row in kept] == ["Name a fish of the sea"]
    why = {row["prompt"]: why for _, row, why in left}
    assert "another made row" in why["Name a fish of the sea!"]
    assert why["Name a bird of the moor"] == "refusal"
    assert why["Name a tree of the hill"] == "empty"
    assert "must be apart from" in why["What is the capital city of France"]
    assert "its source asks" in why["Say this one thing"]
    assert "'prompt' is empty" in why["  "]


def test_every_kind_says_what_it_makes_and_from_what():
    for name in names("data.makers"):
        kind = find("data.makers", name)
        assert re.match(r"[A-Z].*\.$", kind.__doc__.strip().partition("\n")[0])
        assert __import__(kind.__module__, fromlist=["NEEDS"]).NEEDS
        with pytest.raises(Discard):
            next(
                kind(
                    Text("x") if "question" in __import__(kind.__module__, fromlist=["NEEDS"]).NEEDS else chat("q"),
                    Bench(random.Random(0), ()),
                )
            )
    assert Ask((Message("user", "x"),)).who == "maker"


def test_made_rows_are_read_as_what_they_are(tmp_path):
    (row,), _ = made("questions", Text(PASSAGE), "When are heavy parcels sent?", "On Tuesdays and Fridays.")
    file = tmp_path / "made.jsonl"
    file.write_text(json.dumps({**row, "made_by": "m", "made_from": "f.md:1"}) + "\n")
    dataset = read(file)
    assert dataset.shape == "question_answer"
    assert "cited" not in dataset.examples[0].messages[0].content
    assert dataset.examples[0].groups[0].startswith("passage_id=")
