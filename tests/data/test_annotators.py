"""What annotators said in Label Studio and Argilla is read as what it is, and nobody is outvoted in silence."""

import json
from contextlib import suppress

import pytest

from whet.config.tree import Data
from whet.data.read import read
from whet.errors import DataError
from whet.types import Chat, Feedback, Preference


@pytest.fixture
def read_rows(tmp_path):
    def read_rows(*rows, name="export.json", **data):
        path = tmp_path / name
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(json.dumps(list(rows), indent=1) if name.endswith(".json") else lines)
        return read(path, Data(**data))

    return read_rows


def result(control, sort, value, to="text"):
    return {"from_name": control, "to_name": to, "type": sort, "value": value, "id": "x", "origin": "manual"}


def task(number, data, *annotations, **more):
    return {"id": number, "data": data, "annotations": list(annotations), "predictions": [], "drafts": [], **more}


def annotation(*results, **more):
    return {"id": 1, "completed_by": 3, "result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def choice(*names, **more):
    return annotation(result("sentiment", "choices", {"choices": list(names)}), **more)


def answers(dataset):
    return [chat.messages[-1].content for chat in dataset.examples]


def test_choices_are_labels(read_rows):
    dataset = read_rows(
        task(1, {"text": "good"}, choice("Positive")), task(2, {"text": "bad"}, choice("Negative"), choice("Negative"))
    )
    assert (dataset.shape, dataset.labels) == ("label_studio", ("Negative", "Positive"))
    assert [[m.content for m in chat.messages] for chat in dataset.examples] == [
        ["good", "Positive"],
        ["bad", "Negative"],
    ]
    assert dataset.examples[1].source.endswith("export.json:32")


def test_annotators_who_disagree_are_named_and_nobody_is_picked(read_rows):
    dataset = read_rows(
        task(1, {"text": "a"}, choice("Positive")),
        task(7, {"text": "b"}, choice("Positive"), choice("Positive"), choice("Negative")),
        task(8, {"text": "c"}, choice("Positive"), choice("Negative", ground_truth=True)),
    )
    assert answers(dataset) == ["Positive", "Negative"]
    assert dataset.notes[1].startswith("1 tasks on which annotators disagree were left out (id 7)")


def test_skipped_annotations_and_tasks_that_nobody_answered_are_counted(read_rows):
    dataset = read_rows(
        task(1, {"text": "a"}, choice("Positive")),
        task(2, {"text": "b"}, choice("Negative", was_cancelled=True)),
        task(3, {"text": "c"}),
    )
    assert answers(dataset) == ["Positive"]
    assert set(dataset.notes[1:]) == {
        "1 annotations were skipped by their annotators and do not count",
        "2 tasks that nobody answered were left out",
    }


def test_several_choices_are_an_answer_and_no_label(read_rows):
    dataset = read_rows(task(1, {"text": "a"}, choice("B", "A")), task(2, {"text": "b"}, choice("A")))
    assert (answers(dataset), dataset.labels) == (["A, B", "A"], ())


def test_text_areas_are_answers_and_several_are_rows(read_rows):
    def wrote(*texts):
        return annotation(result("reply", "textarea", {"text": list(texts)}, "prompt"))

    dataset = read_rows(task(1, {"prompt": "q"}, wrote("one", "two"), wrote("three"), wrote("three")))
    assert answers(dataset) == ["one\n\ntwo", "three"]
    assert dataset.notes[1] == "1 tasks have several answers, and each is a row"


def test_a_side_selected_is_a_preference(read_rows):
    data = {"prompt": "q", "answer1": "a", "answer2": "b"}
    pick = [annotation(result("pw", "pairwise", {"selected": side}, "x,y")) for side in ("right", "left")]
    dataset = read_rows(task(1, data, pick[0]), task(2, data, pick[1]))
    assert [[reply[0].content for reply in one.replies] for one in dataset.examples] == [["b", "a"], ["a", "b"]]
    assert isinstance(dataset.examples[0], Preference)


def test_ratings_are_feedback_on_a_reply(read_rows):
    def rated(*stars):
        return [annotation(result("stars", "rating", {"rating": star}, "response")) for star in stars]

    data = {"prompt": "q", "response": "a"}
    dataset = read_rows(task(1, data, *rated(1)), task(2, data, *rated(5)), task(3, data, *rated(2, 4)))
    assert [one.value for one in dataset.examples] == [0.0, 1.0, 0.5]
    assert isinstance(dataset.examples[0], Feedback)
    assert "1 tasks were rated differently, and their mean counts" in dataset.notes
    with pytest.raises(DataError, match="cannot tell"):
        read_rows(task(1, {"text": "t"}, *rated(1)), task(2, {"text": "t"}, *rated(5)))


def test_a_person_may_say_which_field_is_asked_and_which_results_count(read_rows):
    both = annotation(
        result("topic", "choices", {"choices": ["x"]}), result("tone", "choices", {"choices": ["warm"]}), id=2
    )
    row = task(1, {"headline": "h", "lead": "l"}, both)
    with pytest.raises(DataError, match="cannot tell"):
        read_rows(row)
    dataset = read_rows(row, columns={"text": "lead", "label": "tone"})
    assert [message.content for message in dataset.examples[0].messages] == ["l", "warm"]
    assert "results not used: topic" in dataset.notes[0]
    with pytest.raises(DataError, match=r"data.columns.text is 'led'.*headline, lead"):
        read_rows(row, columns={"text": "led", "label": "tone"})


def test_spans_are_no_labels(read_rows):
    spans = annotation(result("ner", "labels", {"start": 0, "end": 1, "labels": ["X"]}))
    with pytest.raises(DataError, match="cannot tell"):
        read_rows(task(1, {"text": "a"}, spans))


def small(number, data, more, annotator=1):
    times = {"created_at": "2024", "updated_at": "2024", "lead_time": 1.5}
    return {**data, "id": number, **more, "annotator": annotator, "annotation_id": number * 10 + annotator, **times}


def test_json_min_has_its_answers_after_the_id(read_rows):
    dataset = read_rows(
        small(1, {"text": "a"}, {"sentiment": "Positive"}),
        small(2, {"text": "b"}, {"sentiment": "Positive"}, 1),
        small(2, {"text": "b"}, {"sentiment": "Negative"}, 2),
        small(3, {"text": "c"}, {"sentiment": "Negative"}),
        small(4, {"text": "d"}, {"sentiment": []}),
    )
    assert (dataset.shape, answers(dataset)) == ("label_studio_min", ["Positive", "Negative"])
    assert dataset.labels == ("Negative", "Positive")
    assert any("1 tasks on which annotators disagree were left out (id 2)" in note for note in dataset.notes)
    assert "1 tasks that nobody answered were left out" in dataset.notes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([{"choices": ["B", "A"]}, "A"], ["A, B", "A"]),
        (
            ["A long answer to the question.", {"text": ["one", "two"]}],
            ["A long answer to the question.", "one\n\ntwo"],
        ),
    ],
)
def test_json_min_writes_several_choices_and_texts_as_objects(read_rows, values, expected):
    rows = [small(number, {"question": "q"}, {"out": value}) for number, value in enumerate(values)]
    assert answers(read_rows(*rows)) == expected


def test_json_min_ratings_and_sides(read_rows):
    rated = [small(n, {"prompt": "q", "response": "a"}, {"stars": [{"rating": n}]}) for n in (1, 5)]
    assert [one.value for one in read_rows(*rated).examples] == [0.0, 1.0]
    pair = {"prompt": "q", "text1": "a", "text2": "b"}
    (one,) = read_rows(small(1, pair, {"pw": [{"selected": "right"}]})).examples
    assert [reply[0].content for reply in one.replies] == ["b", "a"]


def record(name, fields, responses, **more):
    return {"id": name, "fields": fields, "metadata": {}, "suggestions": {}, "responses": responses, "vectors": {},
            "status": "completed", "_server_id": "s", **more}  # fmt: skip


def given(value, status="submitted"):
    return {"value": value, "user_id": "u", "status": status}


SENTIMENT = {  # every form in which the same three records are exported
    "2.x": [record(str(n), {"text": t}, {"sentiment": [given(v) for v in values] + [given("x", "discarded")]})
            for n, t, values in ((1, "a", ["pos"]), (2, "b", ["pos", "neg"]), (3, "c", []))],
    "flat": [{"id": str(n), "status": "completed", "_server_id": "s", "text": t,
              "sentiment.responses": [*values, "x"], "sentiment.responses.users": ["u"] * (len(values) + 1),
              "sentiment.responses.status": ["submitted"] * len(values) + ["discarded"],
              "sentiment.suggestion": "neg", "sentiment.suggestion.score": None, "sentiment.suggestion.agent": None}
             for n, t, values in ((1, "a", ["pos"]), (2, "b", ["pos", "neg"]), (3, "c", []))],
    "feedback": [{"fields": {"text": t}, "metadata": {}, "suggestions": [], "external_id": str(n), "responses":
                  [{"values": {"sentiment": {"value": v}}, "user_id": "u", "status": s}
                   for v, s in [*((v, "submitted") for v in values), ("x", "discarded")]]}
                 for n, t, values in ((1, "a", ["pos"]), (2, "b", ["pos", "neg"]), (3, "c", []))],
    "hub": [{"text": t, "sentiment": [given(v) for v in values] + [given("x", "discarded")],
             "sentiment-suggestion": "neg", "sentiment-suggestion-metadata": {"score": None, "type": None},
             "external_id": str(n), "metadata": "{}"}
            for n, t, values in ((1, "a", ["pos"]), (2, "b", ["pos", "neg"]), (3, "c", []))],
    "hub columns": [{"text": t, "sentiment": {"user_id": ["u"] * (len(values) + 1), "value": [*values, "x"],
                                              "status": ["submitted"] * len(values) + ["discarded"]},
                     "sentiment-suggestion": "neg", "external_id": str(n), "metadata": "{}"}
                    for n, t, values in ((1, "a", ["pos"]), (2, "b", ["pos", "neg"]), (3, "c", []))],
}  # fmt: skip


@pytest.mark.parametrize("name", ["export.json", "export.jsonl"])
@pytest.mark.parametrize("form", SENTIMENT)
def test_every_form_of_argilla_says_the_same(read_rows, form, name):
    dataset = read_rows(*SENTIMENT[form], name=name)
    assert (dataset.shape, answers(dataset), dataset.labels) == ("argilla", ["pos"], ("pos",))
    assert dataset.examples[0].messages[0].content == "a"
    assert dataset.notes[0].startswith("read as argilla: text -> user, responses to sentiment -> one of the labels")
    assert set(dataset.notes[1:]) == {
        "3 responses were discarded or are drafts, and do not count",
        "1 records that nobody answered were left out",
        "1 records on which annotators disagree were left out (id 2); settle them there and export again",
    }


def old(annotation, status="Validated", **more):
    agents = {"prediction_agent": "m", "annotation_agent": "u"}
    predicted = {"prediction": [{"label": "neg", "score": 0.9}], "annotation": annotation}
    return {**agents, **predicted, "id": "1", "metadata": {}, "status": status, "event_timestamp": None, **more}


def test_records_of_argilla_1_are_read_and_predictions_are_not(read_rows):
    dataset = read_rows(
        old("pos", text=None, inputs={"text": "a"}, multi_label=False),
        old(None, "Default", text="b", inputs={"text": "b"}, multi_label=False),
        old("neg", "Discarded", text="c", inputs={"text": "c"}, multi_label=False),
    )
    assert (answers(dataset), dataset.labels) == (["pos"], ("pos",))
    written = read_rows(old("Ein Satz.", text="A sentence."))
    assert isinstance(written.examples[0], Chat)
    assert (answers(written), written.labels) == (["Ein Satz."], ())


def test_rankings_of_fields_are_preferences(read_rows):
    def ranked(*ranks):
        values = [{"value": f"response-{n}", "rank": rank} for n, rank in enumerate(ranks, 1)]
        return record("1", {"prompt": "q", "response-1": "a", "response-2": "b"}, {"order": [given(values)]})

    dataset = read_rows(ranked(2, 1), ranked(1, 1))
    assert [[reply[0].content for reply in one.replies] for one in dataset.examples] == [["b", "a"], ["a", "b"]]
    assert [one.grades for one in dataset.examples] == [(-1.0, -2.0), (-1.0, -1.0)]


def test_ratings_in_argilla_are_feedback_on_a_field_or_on_the_end_of_a_chat(read_rows):
    rows = [record(str(n), {"prompt": "q", "response": "a"}, {"quality": [given(n)]}) for n in (1, 3)]
    assert [one.value for one in read_rows(*rows).examples] == [0.0, 1.0]
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [record(str(n), {"chat": chat}, {"quality": [given(n)]}) for n in (1, 3)]
    (one, _) = read_rows(*rows).examples
    assert ([m.content for m in one.messages], [m.content for m in one.reply]) == (["q"], ["a"])


def test_texts_in_argilla_are_answers(read_rows):
    dataset = read_rows(record("1", {"instruction": "q"}, {"response": [given("An answer."), given("Another.")]}))
    assert answers(dataset) == ["An answer.", "Another."]


def test_a_record_that_lacks_its_field_is_an_error_on_its_line(read_rows):
    rows = [record("1", {"text": "a"}, {"label": [given("x")]}), record("2", {"text": ""}, {"label": [given("x")]})]
    with pytest.raises(DataError, match=r"export.jsonl:2: 'text' is empty"):
        read_rows(*rows, name="export.jsonl")


ODD = [None, 1, "x", [], {}, [1], [{}], {"x": 1}, [[["x"]]], [{"value": {}, "type": []}]]


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("place", ["data", "annotations", "result", "value", "type", "from_name"])
def test_a_task_of_another_form_ends_in_a_sentence(read_rows, odd, place):
    rows = []
    for broken in (False, True):
        one = result("sentiment", "choices", {"choices": ["a"]}) | ({place: odd} if broken else {})
        some = annotation(one) | ({place: odd} if broken and place == "result" else {})
        rows.append(
            task(1, {"text": "t"}, some) | ({place: odd} if broken and place in ("data", "annotations") else {})
        )
    for file in (rows, rows[::-1], rows[1:]):
        with suppress(DataError):
            read_rows(*file)


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("place", ["fields", "responses", "question", "value", "status"])
def test_a_record_of_another_form_ends_in_a_sentence(read_rows, odd, place):
    for value in ("yes", 3, [{"value": "text", "rank": 1}]):
        one = record("1", {"text": "t"}, {"label": [given(value)]})
        broken = {
            "question": record("2", {"text": "t"}, {"label": odd}),
            "value": record("2", {"text": "t"}, {"label": [given(odd)]}),
            "status": record("2", {"text": "t"}, {"label": [given(value, odd)]}),
        }.get(place) or {**one, place: odd}
        for rows in ([one, broken], [broken, one], [broken]):
            with suppress(DataError):
                read_rows(*rows)
