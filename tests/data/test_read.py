"""Files to examples."""

import hashlib
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.config.tree import Data
from whet.data import formats, json_rows
from whet.data.formats import rows_of
from whet.data.read import read
from whet.data.scan import Findings
from whet.errors import DataError, UsageError
from whet.types import Text

ROWS = [{"question": f"q{n}", "answer": f"a{n}"} for n in range(5)]


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def lines_of(dataset):
    return [int(example.source.rpartition(":")[2]) for example in dataset.examples]


def test_the_same_rows_in_every_format_are_the_same_examples(write, tmp_path):
    write("a.jsonl", jsonl(ROWS))
    write("a.ndjson", jsonl(ROWS))
    write("a.json", json.dumps(ROWS, indent=2))
    write("b.json", json.dumps({"version": 1, "data": ROWS}))
    write("c.json", jsonl(ROWS))
    write("a.csv", "question,answer\n" + "".join(f"{row['question']},{row['answer']}\n" for row in ROWS))
    write("a.tsv", "question\tanswer\n" + "".join(f"{row['question']}\t{row['answer']}\n" for row in ROWS))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    read_as = {path.name: [example.messages for example in read(path).examples] for path in tmp_path.iterdir()}
    assert len(read_as) == 8
    assert all(messages == read_as["a.jsonl"] for messages in read_as.values())


def test_a_row_knows_its_file_and_line(write):
    path = write("a.jsonl", "\n" + jsonl(ROWS[:1]) + "\n\n" + jsonl(ROWS[1:2]))
    assert [example.source for example in read(path).examples] == [f"{path}:2", f"{path}:5"]


def test_rows_of_pretty_printed_json_know_the_line_they_start_on(write):
    assert lines_of(read(write("a.json", json.dumps(ROWS, indent=1)))) == [2, 6, 10, 14, 18]
    assert lines_of(read(write("b.json", json.dumps({"n": [1, 2], "rows": ROWS}, indent=1)))) == [
        7,
        11,
        15,
        19,
        23,
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.just("text"), st.text(alphabet='a"\\\n[]{},\u00e9\U0001f600', min_size=1), min_size=1)),
    st.integers(1, 9),
    st.sampled_from([None, 0, 2]),
)
def test_json_read_in_small_pieces_is_what_a_parser_of_the_whole_reads(tmp_path_factory, rows, size, indent):
    path = tmp_path_factory.mktemp("json") / "a.json"
    rows = [{"text": row["text"] + "."} for row in rows] or [{"text": "x"}]
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8", newline="\r\n")
    old, json_rows.CHUNK_BYTES = json_rows.CHUNK_BYTES, size
    try:
        assert [example.text for example in read(path).examples] == [row["text"] for row in rows]
    finally:
        json_rows.CHUNK_BYTES = old


def test_an_object_whose_lists_belong_to_its_one_row_is_a_row(write):
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert len(read(write("a.json", json.dumps(row, indent=1))).examples) == 1
    assert len(read(write("b.json", json.dumps(row))).examples) == 1


def test_a_long_json_row_spanning_many_pieces_is_read(write):
    text = "word " * 600_000  # 3 MB, three pieces
    dataset = read(write("a.json", json.dumps([{"text": text}, {"text": "b"}])))
    assert [len(example.text) for example in dataset.examples] == [3_000_000, 1]


def test_a_csv_row_with_line_breaks_is_named_by_its_first_line(write):
    path = write("a.csv", 'text,label\n"a\n\nb",x\n\nc,y\n')
    dataset = read(path)
    assert lines_of(dataset) == [2, 6]
    assert dataset.examples[0].messages[0].content == "a\n\nb"


def test_a_semicolon_table_is_announced(write):
    assert any("semicolon" in note for note in read(write("a.csv", "text;label\na;b\n")).notes)


def test_parquet_rows_are_numbered_and_other_columns_are_announced(tmp_path):
    table = pa.table(
        {
            "conversations": [[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]] * 2,
            "when": pa.array([0, 1], pa.timestamp("s")),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    dataset = read(tmp_path / "a.parquet")
    assert (dataset.shape, lines_of(dataset)) == ("sharegpt", [1, 2])
    assert "columns of a type that is not read: when" in dataset.notes


def test_fields_that_parquet_fills_with_null_are_as_good_as_absent(tmp_path):
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "weight": 1, "note": "n"},
    ]
    pq.write_table(pa.Table.from_pylist([{"messages": turns}]), tmp_path / "a.parquet")
    assert [message.weight for message in read(tmp_path / "a.parquet").examples[0].messages] == [1.0, 1.0]


def test_paragraphs_are_packed_and_keep_their_lines(write):
    path = write("a.txt", "one\ntwo\n\n\n" + "x" * 1995 + "\n\nthree\n\nfour\n")
    dataset = read(path)
    assert [example.text[:8] for example in dataset.examples] == ["one\ntwo", "xxxxxxxx", "three\n\nf"]
    assert lines_of(dataset) == [1, 5, 7]
    assert "plain text was cut at blank lines: paragraphs packed up to 2,000 characters, 3 pieces" in dataset.notes
    assert isinstance(dataset.examples[0], Text)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab \n", max_size=300))
def test_packing_text_loses_nothing_but_space(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("start " + text)
    old, formats.PIECE_CHARACTERS = formats.PIECE_CHARACTERS, 20
    try:
        texts = [example.text for example in read(path).examples]
    finally:
        formats.PIECE_CHARACTERS = old
    assert "".join("".join(texts).split()) == "".join(("start " + text).split())
    assert all(len(piece) <= 20 for piece in texts)


def test_a_long_line_is_cut_at_a_space(write):
    texts = [example.text for example in read(write("a.txt", "word " * 1000)).examples]
    assert [len(text) for text in texts] == [2000, 2000, 1000]


def test_the_digest_is_that_of_the_file(write):
    path = write("a.jsonl", jsonl(ROWS))
    assert read(path).digests == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}
    assert read(str(path)).digests == read(path).digests


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", "train"),
        ("validation", "validation"),
        ("dev", "validation"),
        ("valid", "validation"),
        ("Val", "validation"),
        ("eval", "validation"),
        ("test", "test"),
        ("", None),
    ],
)
def test_a_split_column_says_where_rows_go(write, word, split):
    dataset = read(write("a.csv", f"text,label,split\na,b,train\nc,d,{word}\n"))
    assert [example.split for example in dataset.examples] == ["train", split]
    assert any("'split'" in note for note in dataset.notes)


def test_a_split_column_that_says_something_else_is_an_ordinary_column(write):
    dataset = read(write("a.csv", "text,label,split\na,b,fold1\n"))
    assert dataset.examples[0].split is None
    assert "columns not used: split" in dataset.notes[0]


def test_the_limit_is_left_to_the_split(write):
    assert len(read(write("a.jsonl", jsonl(ROWS)), Data(limit=1)).examples) == 5


def test_an_instruction_is_put_before_rows_without_a_system_message(write):
    own = {"messages": [{"role": m, "content": m} for m in ("system", "user", "assistant")]}
    none = {"messages": [{"role": m, "content": m} for m in ("user", "assistant")]}
    dataset = read(write("a.jsonl", jsonl([own, none])), Data(instruction="Be kind."))
    assert [example.messages[0].content for example in dataset.examples] == ["system", "Be kind."]


def test_an_instruction_replaces_the_derived_one_and_an_empty_one_removes_it(write):
    path = write("a.jsonl", jsonl([{"document": "d", "summary": "s"}]))
    assert read(path).examples[0].messages[0].content == "Given the document, write the summary."
    assert read(path, Data(instruction="Sum up.")).examples[0].messages[0].content == "Sum up."
    assert read(path, Data(instruction="")).examples[0].messages[0].role == "user"


def test_named_columns_decide(write):
    path = write("a.csv", "foo,bar,baz\np,c,x\n")
    dataset = read(path, Data(columns={"prompt": "foo", "completion": "bar", "context": "baz", "system": "bar"}))
    assert [message.content for message in dataset.examples[0].messages] == ["c", "x\n\np", "c"]
    assert read(path, Data(columns={"text": "foo"})).examples[0].text == "p"
    assert read(path, Data(columns={"text": "foo", "label": "bar"})).labels == ("c",)


def test_named_columns_of_messages_decide(write):
    rows = [{"dialog": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]
    assert read(write("a.jsonl", jsonl(rows)), Data(columns={"messages": "dialog"})).shape == "messages"
    rows = [{"dialog": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}]
    assert read(write("b.jsonl", jsonl(rows)), Data(columns={"messages": "dialog"})).shape == "sharegpt"


def test_the_chosen_side_of_preference_pairs_can_be_learned(write):
    rows = [{"prompt": [{"role": "user", "content": "q"}], "chosen": "good", "rejected": "bad"}]
    dataset = read(write("a.jsonl", jsonl(rows)), Data(columns={"prompt": "prompt", "completion": "chosen"}))
    assert [message.content for message in dataset.examples[0].messages] == ["q", "good"]


def test_every_column_that_does_not_exist_is_named_with_those_that_do(write):
    path = write("a.csv", "foo,bar\np,c\n")
    with pytest.raises(DataError) as caught:
        read(path, Data(columns={"prompt": "fo", "completion": "br", "wizard": "foo"}))
    whats = [problem.what for problem in caught.value.problems]
    assert len(whats) == 3
    assert "the columns are foo, bar" in whats[0]
    assert "the roles are" in whats[2]


def test_a_forced_shape_decides_and_says_what_it_needs(write):
    path = write("a.jsonl", jsonl([{"text": "t", "label": "l"}]))
    assert read(path, Data(shape="text")).shape == "text"
    with pytest.raises(DataError, match=r"alpaca, which needs `instruction` and `output`.*the columns are text, label"):
        read(path, Data(shape="alpaca"))
    with pytest.raises(UsageError, match="did you mean alpaca"):
        read(path, Data(shape="alpacca"))


def test_a_forced_shape_takes_its_columns_from_the_roles(write):
    path = write("a.csv", "q,a,passage\nwho,me,story\n")
    data = Data(shape="question_answer", columns={"prompt": "q", "completion": "a"})
    assert read(path, data).examples[0].messages[0].content == "story\n\nQuestion: who"


def test_drift_is_reported_for_every_row_that_drifts(write):
    rows = [
        {"text": "a", "label": "x"},
        {"text": "b", "label": 1},
        {"text": "c", "label": 2},
        {"text": 5, "label": "x"},
    ]
    with pytest.raises(DataError) as caught:
        read(write("a.jsonl", jsonl(rows)))
    assert [(problem.line, problem.what.split(";")[0]) for problem in caught.value.problems] == [
        (2, "'label' is a number here and text on line 1"),
        (3, "'label' is a number here and text on line 1"),
        (4, "'text' is a number here and text on line 1"),
    ]


def test_reading_needs_no_torch(write):
    path = write("a.jsonl", jsonl(ROWS))
    code = f"import sys; from whet.data.read import read; read({str(path)!r}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_parquet_gives_no_number_that_json_cannot_hold(tmp_path):
    said = {"question": ["a", "b"], "answer": ["x", "y"], "scores": [[1.0, float("nan")], [2.0]]}
    pq.write_table(pa.table(said), tmp_path / "rows.parquet")
    rows = [row for _, row in rows_of(tmp_path / "rows.parquet", Findings("rows"), [])]
    assert [row["scores"] for row in rows] == [[1.0, None], [2.0]]
    said["scores"][1] = [float("inf")]
    pq.write_table(pa.table(said), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"rows\.parquet:2: a number is infinite"):
        read(tmp_path / "rows.parquet")
