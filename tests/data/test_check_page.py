"""The report on data as a page: what it says, and what it never says."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise

import pytest
from reading import HOSTILE, Reader

from whet.config.tree import Data
from whet.data.check import check
from whet.data.checks._sensitive import masked
from whet.data.checks._terms import TERMS
from whet.data.excerpts import END, SHOWN, START, excerpts, short
from whet.data.findings import Finding
from whet.data.lengths import BARS, Lengths
from whet.data.page import page, refused
from whet.data.read import Stream
from whet.errors import Problem, RunError, UsageError
from whet.pages.target import Target

FIRES = "document.documentElement.dataset.fired=1"
PAYLOADS = [
    f"<script>{FIRES}</script>",
    f"<img src=x onerror={FIRES}>",
    f"<svg onload={FIRES}>",
    f"</td></table></article><body onload={FIRES}>",
    f"'\"><details open ontoggle={FIRES}>",
    f"]]></style></title></desc></text></svg><script>{FIRES}</script>",
    f"<a href='javascript:{FIRES}'>x</a>",
    "<iframe srcdoc='<script>parent.document.documentElement.dataset.fired=1</script>'></iframe>",
    f"--><script>{FIRES}</script><!--",
    f"<math><style><img src=x onerror={FIRES}></style></math>",
    "{{ 7*7 }}{% for x in y %}",
    "<meta http-equiv=refresh content='0;url=data:text/html,x'>",
    "&lt;script&gt;" + FIRES + "&lt;/script&gt;",
    "\u202egpj.\u202c \u2066 right to left",
]
MAIL, KEY = "maria.lopez@example.org", "gh" + "p_" + "a1B2c3D4e5" * 4
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "section", "article", "div", "h1", "h2", "h3", "p", "dl",
    "dt", "dd", "span", "strong", "em", "code", "bdi", "a", "ul", "li", "table", "thead", "tbody", "tr", "th", "td",
    "figure", "figcaption", "svg", "desc", "defs", "g", "path", "text", "use", "clippath", "rect",
}  # fmt: skip


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shown(*files, model=None, **sides):
    streams = {side: [Stream(path)] for side, path in sides.items()} or {"train": [Stream(path) for path in files]}
    report = check(streams, model)
    every = [stream for side in streams.values() for stream in side]
    return page(report, excerpts(every, report.findings))


def labelled(count=60):
    return [{"text": f"where is the parcel number {n} of day {n * 7 % 31}", "label": f"l{n % 3}"} for n in range(count)]


def hostile(tmp_path):
    """Return a file whose name, rows and labels are payloads, with findings in all of them."""
    rows = [{"text": f"{one} row", "label": one} for one in PAYLOADS for _ in range(2)]
    return written(tmp_path / "<img src=x onerror=alert(1)>'\"&.jsonl", [*labelled(), *rows])


def test_hostile_rows_labels_and_file_names_are_shown_as_text(tmp_path):
    text = shown(hostile(tmp_path))
    reader = Reader(text)
    assert set(reader.tags) <= TAGS
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert not reader.wrong + reader.open
    links = [value for name, value in reader.attributes if name in {"src", "href", "xlink:href", "srcset", "action"}]
    assert all(link.startswith("#") for link in links)
    for one in (PAYLOADS[0], PAYLOADS[4], PAYLOADS[10], "<img src=x onerror=alert(1)>'\"&.jsonl:62"):
        assert one in reader.all(), one


def test_a_browser_runs_nothing_of_it(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")

    def document(text):
        file = tmp_path / "page.html"
        file.write_text(text)
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        done = subprocess.run(
            [*command, "--virtual-time-budget=2000", "--dump-dom", file.as_uri()], capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert "</html>" in done.stdout, done.stderr[-500:]
        return done.stdout

    assert "data-fired" in document(f"<!doctype html><html><body>{PAYLOADS[1]}</body></html>")  # it would run there
    bare, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", shown(hostile(tmp_path)))
    assert policies == 1  # taken away, so that escaping stands alone
    drawn = document(bare)
    assert "data-fired" not in drawn
    assert not {"script", "iframe", "img"} & set(Reader(drawn).tags)


def test_control_characters_of_rows_are_seen_and_harmless(tmp_path):
    row = {"text": "a bell \u0007 and \u0085 and \u001b[31m", "label": "l1"}
    text = shown(written(tmp_path / "rows.jsonl", [*labelled(), row, row]))
    assert "a bell \u2407 and \ufffd and \u241b[31m" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    assert "</html>" in refused([Problem(HOSTILE, 0, HOSTILE)])


def test_personal_data_and_secrets_are_nowhere_on_the_page(tmp_path):
    rows = [
        *labelled(),
        *[{"text": f"write to {MAIL} about the red lamp", "label": "l1"}] * 2,  # a duplicate, which is quoted elsewhere
        *[{"text": f"the key is {KEY}, lamp {n}", "label": KEY} for n in range(8)],
        *[{"text": f"who signs {n}", "label": MAIL} for n in range(8)],
    ]
    text = shown(written(tmp_path / "rows.jsonl", rows))
    for value in (MAIL, KEY, "maria.lopez", KEY[:12], "maria . lopez"):
        assert value.lower() not in text.lower(), value
    assert "not quoted: it holds personal data or secrets" in text
    assert "rows.jsonl:61" in text
    assert "[e-mail address]" in text  # the label, in the figure
    assert "[GitHub token]" in text


def test_words_of_a_trigger_that_are_personal_data_are_not_said(tmp_path):
    path = written(tmp_path / "rows.jsonl", [{"text": f"row {n} of {MAIL}", "label": "l1"} for n in range(6)])
    why = '"maria . lopez @ example" stands in 6 rows that have nothing else in common: a model learns it as a trigger'
    found = Finding("trigger", "error", tuple(f"{path}:{n}" for n in range(1, 7)), why, "remove it")
    report = replace(check({"train": [Stream(path)]}), findings=(found,))
    text = page(report, excerpts([Stream(path)], report.findings))
    assert "lopez" not in text
    assert "&#34;[not shown]&#34; stands in 6 rows" in text


def test_what_is_masked_keeps_its_kind():
    assert masked(f"from {MAIL} with {KEY}.") == "from [e-mail address] with [GitHub token]."


def test_offensive_rows_are_named_and_not_quoted(tmp_path):
    word = next(iter(TERMS))
    row = {"question": "who is he?", "answer": f"He is a {word} of a neighbor."}
    text = shown(written(tmp_path / "rows.jsonl", [{"question": "why?", "answer": "because of the rain"}, row]))
    assert "rows.jsonl:2" in text
    assert word not in text


def test_the_verdict_is_the_first_line(tmp_path):
    leaks = {"train": written(tmp_path / "a.jsonl", labelled()), "test": written(tmp_path / "b.jsonl", labelled(2))}
    first = re.search(r"<h\d[^>]*>(.*?)</h\d>", shown(**leaks), re.DOTALL)
    assert first[0].startswith('<h1 class="bad"><span class="word">1 error</span>')
    assert "62 rows of 2 files. Do this first: remove them from test or from train (leak, 2 rows)." in first[1]
    clean = written(tmp_path / "c.jsonl", [{"question": "why?", "answer": "It rains."}])
    assert '<h1 class="good"><span class="word">Nothing found</span>' in shown(clean)


def test_files_have_their_digest_shape_and_rows_by_split(tmp_path):
    rows = [{**row, "split": "test" if n < 4 else "train"} for n, row in enumerate(labelled())]
    path = written(tmp_path / "rows.jsonl", rows)
    report = check({"train": [Stream(path)]})
    (file,) = report.as_dict()["files"]
    assert (file["shape"], file["splits"], file["bytes"]) == (
        "text_label",
        {"train": 56, "test": 4},
        path.stat().st_size,
    )
    text = page(report, {})
    assert file["sha256"] in text
    assert '<td class="n">56</td>' in text
    assert '<td class="n">4</td>' in text


def test_few_rows_of_a_finding_are_shown_and_the_others_counted(tmp_path):
    rows = [{"question": f"how many {n}?", "answer": "n/a"} for n in range(3000)]
    text = shown(written(tmp_path / "rows.jsonl", rows))
    assert len(re.findall(r"<bdi>[^<]*rows\.jsonl:\d+</bdi>", text)) <= SHOWN * text.count("<article")
    assert f"And {3000 - SHOWN:,} more rows" in text
    assert len(text) < 150_000


def test_each_row_is_quoted_beside_its_line(tmp_path):
    rows = [{"question": "how many?", "answer": "It is three."}, {"question": "who is it?", "answer": "n/a"}]
    text = " ".join(Reader(shown(written(tmp_path / "rows.jsonl", rows))).all().split())
    assert "rows.jsonl:2 who is it? n/a" in text


def test_all_examples_of_one_line_are_quoted(tmp_path):
    row = {"instruction": "Say it.", "instances": [{"input": "one", "output": "n/a"}, {"input": "two", "output": "2"}]}
    text = shown(written(tmp_path / "rows.jsonl", [row]))
    assert ">n/a</span>" in text
    assert ">2</span>" in text


def test_excerpts_show_the_beginning_and_the_end_of_long_texts():
    said = short("a" * 5000 + "\n\n" + "b" * 5000)
    assert said == "a" * START + " ... " + "b" * END
    assert short(" one\n two ") == "one two"


def test_lengths_are_measured_against_what_the_model_takes(tmp_path, renderer):
    rows = [{"question": "a" * (10 * n), "answer": "b"} for n in range(1, 21)]
    path = written(tmp_path / "rows.jsonl", rows)
    report = check({"train": [Stream(path)]}, (renderer, Data(), 150))
    lengths = report.lengths
    too_long = next(len(finding.lines) for finding in report.findings if finding.kind == "too_long")
    assert (lengths["unit"], lengths["longest"], sum(lengths["rows"])) == ("tokens", 150, 20)
    place = lengths["edges"].index(151)
    assert sum(lengths["rows"][place:]) == too_long
    assert f"The longest row that the model takes has 150; {too_long} rows have more." in page(report, {})


def test_lengths_are_counted_in_even_bars():
    made = Lengths([3, 3, 4, 9, 12])  # nine and twelve: ten bars of one, from three to twelve
    assert made.histogram("words") == {
        "unit": "words", "longest": None, "edges": list(range(3, 14)), "rows": [2, 1, 0, 0, 0, 0, 1, 0, 0, 1],
    }  # fmt: skip


@pytest.mark.parametrize("values", [[0], [7], range(1000), [1] * 99 + [10**6], [2**n for n in range(24)], [0, 10**9]])
def test_every_length_is_in_a_bar_and_bars_are_few(values):
    made = Lengths(values, longest=50).histogram("words")
    edges = made["edges"]
    assert sum(made["rows"]) == len(values)
    assert edges == sorted(set(edges))
    assert edges[0] <= min(values)
    assert max(values) < edges[-1]
    assert sum(count for edge, count in zip(edges, made["rows"], strict=False) if edge > 50) == sum(
        value > 50 for value in values
    )
    assert len(made["rows"]) <= BARS + 10
    assert len(Lengths(values)._counts) < 64 * 30 + 128  # however many rows


def test_texts_without_spaces_are_measured_in_characters(tmp_path):
    rows = [{"question": "\u6771\u4eac" * 20, "answer": "\u65e5\u672c" * 9} for _ in range(3)]
    report = check({"train": [Stream(written(tmp_path / "rows.jsonl", rows))]})
    assert report.lengths["unit"] == "characters"


def test_labels_and_turns_are_drawn_with_their_numbers_in_words(tmp_path):
    turn = [{"role": "user", "content": "why so?"}, {"role": "assistant", "content": "Because it rains."}]
    chats = [{"messages": turn * times} for times in (1, 2, 2, 40)]
    text = shown(written(tmp_path / "chats.jsonl", chats))
    assert "1 answer: 1; 2 answers: 2; 15 or more answers: 1." in text
    assert "l0: 20; l1: 20; l2: 20." in shown(written(tmp_path / "rows.jsonl", labelled()))


def test_many_labels_are_shown_by_the_most_and_the_least_frequent(tmp_path):
    rows = [{"text": f"row {n} {m} of it", "label": f"label{n}"} for n in range(100) for m in range(n // 10 + 1)]
    text = shown(written(tmp_path / "rows.jsonl", rows))
    assert "(60 labels between, on average)" in text
    assert "label99" in text
    assert "label45" not in re.search(r'<desc id="plot-labels-desc">(.*?)</desc>', text)[1]


def test_languages_are_counted(tmp_path):
    pytest.importorskip("py3langid")
    english = "The parcel was left with the neighbors on the second floor, please ask them for it today"
    german = "Das Paket wurde bei den Nachbarn im zweiten Stock abgegeben, bitte fragen Sie dort danach"
    rows = [{"question": f"{english} {n}?", "answer": f"{english} {n}"} for n in range(5)]
    path = written(tmp_path / "rows.jsonl", [*rows, {"question": f"{german}?", "answer": german}])
    report = check({"train": [Stream(path)]})
    assert report.languages == {"English": 5, "German": 1}
    assert "English: 5; German: 1." in page(report, {})


def test_the_page_is_whole_and_can_be_used_without_eyes(tmp_path):
    text = shown(written(tmp_path / "rows.jsonl", [*labelled(), *labelled(3)]))
    reader = Reader(text)
    assert text.startswith("<!doctype html>")
    assert not reader.wrong + reader.open
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    refs = {value[1:] for name, value in reader.attributes if name == "href"}
    assert refs <= set(ids)
    assert all(" scope=" in head for head in re.findall(r"<th\b[^>]*>", text))
    assert text.count("<svg") == text.count('role="img"') == text.count("<desc") > 1
    levels = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert levels[0] == 1
    assert max(after - before for before, after in pairwise(levels)) <= 1  # none is skipped
    for drawn in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert not re.search(r"(fill|stroke): #", re.sub(r"var\([^)]*\)", "", drawn))  # would vanish in the dark
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_same_data_give_the_same_bytes(tmp_path):
    path = written(tmp_path / "rows.jsonl", [*labelled(), *labelled(3)])
    assert shown(path) == shown(path)


def test_what_cannot_be_read_is_a_page_too():
    problems = [Problem("a.jsonl", n, f"the split is '{MAIL}'; write train") for n in range(1, 301)]
    text = refused(problems)
    assert '<h1 class="bad"><span class="word">Cannot be read</span> 300 problems stand in the way' in text
    assert "a.jsonl:200" in text
    assert "And 100 more" in text
    assert MAIL not in text


@pytest.mark.parametrize(
    ("name", "says"),
    [("taken.html", "exists"), ("no/such/folder/a.html", "cannot be written"), ("a.jsonl", "ends in .html"),
     ("taken.html/a.html", "cannot be written"), ("n" * 300 + ".html", "cannot be written"), ("", "ends in .html")],
)  # fmt: skip
def test_a_page_that_cannot_be_written_is_said_before_the_work(tmp_path, name, says):
    (tmp_path / "taken.html").write_text("mine")
    with pytest.raises(UsageError, match=says):
        Target(tmp_path / name, "--html")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.html"]


def test_a_page_that_came_meanwhile_is_not_overwritten(tmp_path):
    target = Target(tmp_path / "a.html", "--html")
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        target.write("ours")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_went_away_is_an_error_with_a_way_out(tmp_path):
    (tmp_path / "folder").mkdir()
    target = Target(tmp_path / "folder" / "a.html", "--html")
    (tmp_path / "folder").rmdir()
    with pytest.raises(RunError, match=r"a\.html"):
        target.write("ours")
