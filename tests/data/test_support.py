"""Messages that lie in rows of their own become conversations."""

import json
import random
import tracemalloc

import pytest

from whet.config.tree import Data
from whet.data.fix import Wanted, each, plan
from whet.data.read import read
from whet.data.scan import Line
from whet.data.threads import COLUMNS, Threads, store, time_of
from whet.errors import DataError, UsageError

HEADER = "ticket_id,author_role,created_at,body\n"
TALK = [
    "7,customer,2024-05-01T10:00:00Z,It is broken.",
    "8,end-user,2024-05-01T10:01:00Z,Where is it?",
    "7,agent,2024-05-01T10:05:00Z,Which one?",
    "7,customer,2024-05-01T10:06:00Z,The red one.",
    "7,customer,2024-05-01T10:07:00Z,With the lid.",
    "8,admin,2024-05-01T10:08:00Z,On its way.",
    "7,agent,2024-05-01T10:09:00Z,We send another.",
]
SEVEN = ["It is broken.", "Which one?", "The red one.\n\nWith the lid.", "We send another."]


@pytest.fixture
def table(tmp_path):
    def table(*rows, header=HEADER, name="desk.csv"):
        path = tmp_path / name
        path.write_text(header + "".join(f"{row}\n" for row in rows))
        return path

    return table


def said(chat):
    return [message.content for message in chat.messages]


def jsonl(tmp_path, *rows):
    path = tmp_path / "desk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_of_a_ticket_become_a_conversation_wherever_they_lie(table):
    path = table(*TALK)
    dataset = read(path)
    assert dataset.shape == "support"
    assert [said(chat) for chat in dataset.examples] == [SEVEN, ["Where is it?", "On its way."]]
    assert [chat.source for chat in dataset.examples] == [f"{path}:2", f"{path}:3"]
    assert [message.role for message in dataset.examples[0].messages] == ["user", "assistant", "user", "assistant"]
    assert "rows are put together in a temporary file" in dataset.notes[0]


def test_the_time_puts_messages_in_order_and_the_first_one_names_the_row(table):
    rows = list(TALK)
    random.Random(3).shuffle(rows)
    path = table(*rows)
    chats = {chat.source: said(chat) for chat in read(path).examples}
    assert chats == {f"{path}:{rows.index(TALK[0]) + 2}": SEVEN, f"{path}:{rows.index(TALK[1]) + 2}": [
        "Where is it?", "On its way.",
    ]}  # fmt: skip


def test_a_date_of_two_meanings_is_no_order_and_that_is_said(table):
    rows = [row.replace("2024-05-01T10:", "01/05/2024 10:").replace("00Z", "00") for row in TALK]
    dataset = read(table(*rows))
    assert said(dataset.examples[0]) == SEVEN
    assert "their order is that of the file (created_at is not read as a time" in dataset.notes[0]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2024-05-01T10:00:00Z", 1714557600.0),
        ("2024-05-01 12:00:00+02:00", 1714557600.0),
        ("2024-05-01 10:00:00 UTC", 1714557600.0),
        (1714557600, 1714557600.0),
        ("1714557600000", 1714557600.0),
        ("Wed May 01 10:00:00 +0000 2024", 1714557600.0),
        ("Wed, 01 May 2024 10:00:00 GMT", 1714557600.0),
        ("01/05/2024 10:00", None),
        ("soon", None),
        ("", None),
        (True, None),
        (12, None),
        ("9e400", None),
    ],
)
def test_times_are_read_where_they_have_one_meaning(written, seconds):
    assert time_of(written) == seconds


def test_notes_events_and_empty_messages_are_left_out_and_counted(tmp_path):
    def part(author, kind, body, **more):
        return {"conversation_id": "c1", "author": {"type": author}, "part_type": kind, "body": body, **more}

    path = jsonl(
        tmp_path,
        part("lead", "comment", "It hurts."),
        part("admin", "assignment", None),
        part("admin", "note", "He is a VIP."),
        part("bot", "comment", "We are on it."),
    )
    dataset = read(path)
    assert [said(chat) for chat in dataset.examples] == [["It hurts.", "We are on it."]]
    assert set(dataset.notes[1:]) == {"1 internal notes and events were left out", "1 empty messages were left out"}


DESKS = {
    "zendesk": ("id,Ticket ID,Author ID,Requester ID,Public,Plain body,Created at",
                "{n},5,{who},11,{public},{text},{at}", {"customer": 11, "agent": 22}, {"yes": "true", "no": "false"}),
    "freshdesk": ("id,ticket_id,incoming,private,body_text,created_at", "{n},5,{who},{public},{text},{at}",
                  {"customer": "true", "agent": "false"}, {"yes": "false", "no": "true"}),
    "help scout": ("conversationId,createdBy.type,type,body,createdAt", "5,{who},{public},{text},{at}",
                   {"customer": "customer", "agent": "user"}, {"yes": "message", "no": "note"}),
    "direction": ("Case ID,Direction,Is Internal,Message,Date", "5,{who},{public},{text},{at}",
                  {"customer": "Inbound", "agent": "Outbound"}, {"yes": "0", "no": "1"}),
}  # fmt: skip


@pytest.mark.parametrize("desk", DESKS)
def test_desks_call_things_differently_and_are_read_alike(table, desk):
    header, form, who, public = DESKS[desk]
    talk = [
        ("customer", "yes", "Help"),
        ("agent", "no", "Secret"),
        ("agent", "yes", "Gladly"),
        ("customer", "yes", "Ta"),
    ]
    rows = [
        form.format(n=number, who=who[side], public=public[seen], text=text, at=f"2024-05-01T10:0{number}:00Z")
        for number, (side, seen, text) in enumerate(talk)
    ]
    dataset = read(table(*rows, header=header + "\n"))
    assert [said(chat) for chat in dataset.examples] == [["Help", "Gladly"]]
    assert "1 internal notes and events were left out" in dataset.notes
    assert "1 conversations end with the customer, whose last turn was left out" in dataset.notes


def test_a_note_that_comes_after_the_first_hundred_rows_is_no_less_private(tmp_path):
    rows = [
        {"ticket_id": n // 2, "role": ("customer", "agent")[n % 2], "type": "comment", "text": f"t{n}"}
        for n in range(300)
    ]
    rows.append({"ticket_id": 149, "role": "agent", "type": "note", "text": "secret"})
    dataset = read(jsonl(tmp_path, *rows))
    assert len(dataset.examples) == 150
    assert not any("secret" in message.content for chat in dataset.examples for message in chat.messages)


def test_threads_that_nobody_answers_are_counted(table):
    dataset = read(table(*TALK, "9,customer,2024-05-01T11:00:00Z,Hello?", "10,agent,2024-05-01T11:00:00Z,Our news."))
    assert len(dataset.examples) == 2
    assert "2 conversations without a question and its answer were left out" in dataset.notes


def test_a_file_in_which_nobody_answers_is_an_error_that_says_why(table):
    rows = ["1,customer,2024-05-01,a", "1,customer,2024-05-02,b", "2,agent,2024-05-01,c"]
    with pytest.raises(DataError, match="2 conversations without a question") as caught:
        read(table(*rows))
    assert len(caught.value.problems) == 1


def test_every_message_that_cannot_be_placed_is_an_error_on_its_line(table):
    good = [f"{n},{who},2024-05-01,x" for n in range(60) for who in ("customer", "agent")]
    bad = [",customer,2024-05-01,lost", "3,wizard,2024-05-01,x", "4,agent,yesterday,x"]
    with pytest.raises(DataError) as caught:
        read(table(*good, *bad))
    found = {problem.line: problem.what for problem in caught.value.problems}
    assert list(found) == [122, 123, 124]
    assert "say to which conversation" in found[122]
    assert "write customer, agent or note" in found[123]
    assert "not a time" in found[124]


def test_columns_with_other_names_are_told(table):
    path = table("a,Kunde,Hallo", "a,agent,Ja?", "a,Kunde,Gut", "a,agent,Ok", header="faden,wer,was\n")
    with pytest.raises(DataError, match="cannot tell"):
        read(path)
    columns = {"thread": "faden", "side": "wer", "text": "was"}
    with pytest.raises(DataError, match="write customer, agent or note"):
        read(path, Data(columns=columns))
    path.write_text(path.read_text().replace("Kunde", "customer"))
    assert said(read(path, Data(columns=columns)).examples[0]) == ["Hallo", "Ja?", "Gut", "Ok"]


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"ticket_id": 1, "type": "Incident", "body": "b", "question": "q", "answer": "a"}, "question_answer"),
        ({"conversation_id": 1, "text": "t", "label": "l"}, "text_label"),
        ({"ticket_id": 1, "role": "user", "prompt": "q", "response": "a"}, "prompt_completion"),
    ],
)
def test_rows_that_are_whole_examples_are_no_threads(tmp_path, row, shape):
    assert read(jsonl(tmp_path, row, row)).shape == shape


MAIL = (
    '<div dir="auto"><p>Hello,</p><p>I can&#39;t log in &amp; the <a href="https://x.example/?q=1">help page</a> is '
    "empty:<br>nothing\n there</p><ul><li>phone</li><li>laptop</li></ul><style>p {color: red}</style>"
    '<div style="display:none">preview</div></div>'
)


def test_messages_in_html_lose_their_markup_and_keep_words_and_lines(tmp_path):
    bodies = [MAIL, "<p>Try <b>again</b></p>", "Two &lt; three\n\nlines", "Solved<br />"]
    rows = [{"ticket_id": 1, "role": ("customer", "agent")[n % 2], "body": body} for n, body in enumerate(bodies)]
    dataset = read(jsonl(tmp_path, *rows))
    assert said(dataset.examples[0]) == [
        "Hello,\n\nI can't log in & the help page is empty:\nnothing there\n- phone\n- laptop",
        "Try again",
        "Two < three\n\nlines",  # it has no tags, so its line breaks are meant
        "Solved",
    ]
    assert "body is HTML, of which the words are read" in dataset.notes[0]


def test_a_message_of_markup_alone_is_empty(tmp_path):
    bodies = ["<p>Why?</p>", '<p><img src="x.png"></p>', "<p>So.</p>"]
    rows = [{"ticket_id": 1, "role": who, "body": b} for who, b in zip(("lead", "lead", "admin"), bodies, strict=True)]
    dataset = read(jsonl(tmp_path, *rows))
    assert said(dataset.examples[0]) == ["Why?", "So."]
    assert "1 empty messages were left out" in dataset.notes


def test_tags_that_a_customer_speaks_of_are_text_where_most_messages_are_plain(tmp_path):
    bodies = ["Why is <b>this</b> not bold? a < b > c", "Write <b> around it", "I did, jo <jo@example.org>", "So."]
    rows = [{"ticket_id": 1, "role": ("customer", "agent")[n % 2], "body": body} for n, body in enumerate(bodies)]
    dataset = read(jsonl(tmp_path, *rows))
    assert said(dataset.examples[0]) == bodies
    assert "HTML" not in dataset.notes[0]


def test_a_split_is_that_of_the_first_message(table):
    rows = [f"{row},{'test' if row.startswith('8') else 'train'}" for row in TALK]
    dataset = read(table(*rows, header=HEADER.replace("\n", ",split\n")))
    assert [chat.split for chat in dataset.examples] == ["train", "test"]


def test_rows_are_put_together_without_being_in_memory():
    tracemalloc.start()
    with store(COLUMNS) as database:
        threads = Threads(database)
        for n in range(600):  # 6 MB; the two messages of a ticket are 300 rows apart
            threads.put(str(n % 300), n, Line(n, {"body": str(n) * 3500}))
        sizes = [len(lines) for lines in threads.each(lambda line, what: None)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sizes == [2] * 300
    assert peak < 2**20


def test_a_ticket_of_more_than_a_row_may_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("whet.data.threads.MAX_LINE_BYTES", 2**10)
    rows = [{"ticket_id": 1, "role": role, "text": "x" * 300} for role in ("customer", "agent") * 3]
    with pytest.raises(DataError, match="of thread '1' together have over"):
        read(jsonl(tmp_path, *rows))


def test_rows_of_a_conversation_are_not_dropped_one_by_one(table):
    with pytest.raises(UsageError, match="write conversations first"):
        plan(table(*TALK), Data(), Wanted(drop=("empty",)))
    assert len(list(each(plan(table(*TALK), Data(), Wanted(redact=True))))) == len(TALK)


TWEETS = "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id\n"


def test_tweets_become_conversations_back_to_where_they_began(table):
    path = table(
        '1,shop,False,Tue Oct 31 22:10:47 +0000 2017,"@11 Sorry, which?","2,7",3.0',
        "2,11,True,Tue Oct 31 22:11:45 +0000 2017,@shop The red one,6,1.0",
        "3,11,True,Tue Oct 31 22:08:27 +0000 2017,@shop It is broken,1,",
        "6,shop,False,Tue Oct 31 22:12:00 +0000 2017,@11 @12 Sent!,,2.0",
        "7,12,True,Tue Oct 31 22:13:00 +0000 2017,@shop Mine too,8,1.0",
        "8,shop,False,Tue Oct 31 22:14:00 +0000 2017,@12 Hm!,9,7.0",
        "9,12,True,Tue Oct 31 22:15:00 +0000 2017,@shop Thanks,,8.0",
        "20,shop,False,Tue Oct 31 22:15:00 +0000 2017,@13 Hello,,19.0",
        header=TWEETS,
    )
    dataset = read(path)
    assert dataset.shape == "tweets"
    assert [said(chat) for chat in dataset.examples] == [
        ["It is broken", "Sorry, which?", "The red one", "Sent!"],
        ["It is broken", "Sorry, which?", "Mine too", "Hm!"],
    ]
    weights = [[m.weight for m in chat.messages if m.role == "assistant"] for chat in dataset.examples]
    assert weights == [[1.0, 1.0], [0.0, 1.0]]  # the shared answer trains once
    assert [chat.source for chat in dataset.examples] == [f"{path}:4", f"{path}:4"]
    assert set(dataset.notes[1:]) == {
        "1 conversations end with the customer, whose last tweets were left out",
        "1 tweets of companies that answer nobody in the file were left out",
    }


def test_tweets_that_answer_each_other_in_a_circle_end(table):
    circle = ["1,a,True,d,q,,2", "2,s,False,d,a,,1", "3,a,True,d,q,,", "4,s,False,d,a,,3"]
    dataset = read(table(*circle, header=TWEETS))
    assert [said(chat) for chat in dataset.examples] == [["q", "a"]]
    assert "1 tweets of companies that answer nobody in the file were left out" in dataset.notes


def test_a_tweet_that_is_there_twice_is_an_error_on_its_line(table):
    with pytest.raises(DataError, match=r"desk.csv:3: the tweet '1' is there twice"):
        read(table("1,a,True,d,q,,", "1,a,True,d,q,,", header=TWEETS))
