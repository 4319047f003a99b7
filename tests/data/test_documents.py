"""Documents in every format give the same passages, and those made to break readers are refused in words."""

import io
import itertools
import os
import re
import sys
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.data.documents import KINDS, Block, Document, document, passages
from whet.data.documents import pdf as pdf_file
from whet.data.documents.passages import LEAST
from whet.data.documents.sentences import sentences
from whet.errors import DataError, UsageError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}><w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>
<w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift2"/></w:style>
<w:style w:styleId="Outline"><w:name w:val="Chapter"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>
<w:style w:styleId="Verzeichnis1"><w:name w:val="toc 1"/></w:style></w:styles>"""


def para(text: str, style: str = "", more: str = "") -> str:
    kind = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{kind}{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{para(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def docx(body: str, head: str = "", styles: str = STYLES, **parts: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"{head}<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", styles)
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return sink.getvalue()


def pdf(*pages: list[str], objects: dict[int, str] | None = None, trailer: str = "", font: str = "5 0 R") -> bytes:
    """Write a PDF by hand: 1 is the catalog, 2 the page tree, 5 the font, and from 10 on pages and their content."""
    made: dict[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    }
    kids = " ".join(f"{10 + 2 * at} 0 R" for at in range(len(pages)))
    made[2] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    for at, lines in enumerate(pages):
        shown = "".join("({}) Tj T* ".format(re.sub(r"([()\\])", r"\\\1", line)) for line in lines)
        stream = f"BT /F1 10 Tf 12 TL 40 800 Td {shown}ET".encode("cp1252") if lines else b""
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {11 + 2 * at} 0 R "
        made[10 + 2 * at] = f"{page}/Resources << /Font << /F1 {font} >> >> >>".encode()
        made[11 + 2 * at] = b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream)
    made |= {number: body.encode("latin-1") for number, body in (objects or {}).items()}
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in sorted(made.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start, size = len(out), max(made) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n".encode()
    for number in range(1, size):
        out += b"%010d %05d %c \n" % (places.get(number, 0), 0, b"n" if number in places else b"f")
    return bytes(out + f"trailer << /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode())


def told(tmp_path: Path, name: str, content: bytes | str, most: int = 1200) -> list[tuple[str, str]]:
    """Return the (heading, text) of each passage."""
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [(passage.heading, passage.text) for passage in passages(tmp_path / name, most)]


def letters(text: str) -> str:
    return "".join(text.split())


GUIDE = [("Guide", "Welcome to the shop."), ("Guide > Refunds", "Thirty days.\n\nKeep the receipt.")]
SAME = {  # the same guide in every format that has headings
    "a.md": "# Guide\n\nWelcome to the shop.\n\nRefunds\n---\nThirty days.\n\nKeep the receipt.\n",
    "a.html": "<h1>Guide</h1>Welcome to the shop.<h2>Refunds</h2><p>Thirty days.<p>Keep the receipt.",
    "a.docx": docx(
        para("Guide", "Titel")
        + para("Welcome to the shop.")
        + para("Refunds", "berschrift1")
        + para("Thirty days.")
        + para("Keep the receipt.")
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_guide_gives_the_same_passages_in_every_format(tmp_path, name):
    assert told(tmp_path, name, SAME[name]) == GUIDE


@pytest.mark.parametrize("name", SAME)
def test_the_one_heading_of_the_highest_rank_is_the_title(tmp_path, name):
    told(tmp_path, name, SAME[name])
    assert document(tmp_path / name).title == "Guide"


def test_chapters_of_equal_rank_are_no_title(tmp_path):
    told(tmp_path, "shop.md", "# One\na\n# Two\nb\n")
    assert document(tmp_path / "shop.md").title == "shop"


@pytest.mark.parametrize("name", KINDS)
def test_a_capital_ending_is_read_too(tmp_path, name):
    content = {".pdf": pdf(["hello"]), ".docx": docx(para("hello"))}.get(name, b"hello")
    assert told(tmp_path, f"A{name.upper()}", content) == [("", "hello")]


# Cutting


def test_a_passage_names_the_line_it_begins_on_and_its_document(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n\ntwo\nthree\n")
    first, second = passages(Document(str(tmp_path / "a.txt"), "a", (Block("x" * 99, 1), Block("two", 4, 1)), ()), 100)
    assert (first.source, second.source) == (f"{tmp_path}/a.txt:1", f"{tmp_path}/a.txt:4")
    assert [block.place for block in document(tmp_path / "a.txt").blocks] == [1, 4]
    assert second.document == f"{tmp_path}/a.txt"


SENTENCE = "The quick brown fox jumps over the lazy dog number {}."  # 52 characters with one digit


def test_a_long_paragraph_is_cut_between_sentences(tmp_path):
    text = " ".join(SENTENCE.format(at) for at in range(9))
    cut = [said for _, said in told(tmp_path, "a.txt", text, 120)]  # 2 x 52 + 1 = 105, 3 x 52 + 2 = 158
    assert [said.count("fox") for said in cut] == [2, 2, 2, 2, 1]
    assert all(said.endswith(".") for said in cut)


def test_a_sentence_is_cut_only_if_it_is_longer_than_a_passage(tmp_path):
    text = "Short one. " + "Word " * 30 + "end. Short two."  # 10 + 154 + 10 characters
    assert [len(said) for _, said in told(tmp_path, "a.txt", text, 100)] == [10, 99, 65]  # 20 words, 10 and the end


@pytest.mark.parametrize(
    "text",
    [
        "Ask Dr. Smith about it",
        "See e.g. Section 3 for more",
        "It is by J. R. Tolkien",
        "1. Press the button",
        "Wait ... then go",
        "Version 3.5 is out",
        "It cost 5 vs. Nine in May",
    ],
)
def test_what_only_looks_like_the_end_of_a_sentence_is_none(text):
    assert [said for _, said in sentences(text)] == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("It was in 2019. Then it ended.", ["It was in 2019.", "Then it ended."]),
        ("\u4eca\u65e5\u306f\u3002\u306f\u3044\u3002", ["\u4eca\u65e5\u306f\u3002", "\u306f\u3044\u3002"]),
        ("One.\nTwo.", ["One.", "Two."]),
    ],
)
def test_sentences_end_where_a_reader_says_so(text, parts):
    assert [said for _, said in sentences(text)] == parts


def test_a_list_is_parted_only_if_it_is_longer_than_a_passage(tmp_path):
    text = "x" * 60 + "\n\nChoose:\n- " + "a" * 30 + "\n- " + "b" * 30 + "\n"
    assert [len(said) for _, said in told(tmp_path, "a.md", text, 100)] == [60, 73]  # 7 + 1 + 32 + 1 + 32


def test_a_heading_with_nothing_below_it_counts_as_text(tmp_path):
    text = "# A\n## B\n## C\n### D\ntext\n## E\n"
    assert told(tmp_path, "a.md", text) == [("A", "B"), ("A > C > D", "text"), ("A", "E")]


def test_what_is_too_long_for_a_heading_is_text(tmp_path):
    assert told(tmp_path, "a.md", "# Top\n\n## " + "word " * 100 + "\n\nmore")[0][0] == "Top"


def test_a_passage_of_few_characters_is_not_asked_for(tmp_path):
    with pytest.raises(UsageError, match="at least 100"):
        told(tmp_path, "a.txt", "x", 99)


WORDS = st.text(st.sampled_from("ab.!? \n\u3002\u00e9"), max_size=300)
BLOCKS = st.lists(st.tuples(WORDS, st.integers(0, 3), st.booleans()), max_size=20)


@settings(max_examples=200, deadline=None)
@given(BLOCKS, st.integers(LEAST, 400))
def test_every_letter_of_a_document_is_in_its_passages_in_order_and_none_is_too_long(rows, most):
    blocks = [Block(text, at, level, tight) for at, (text, level, tight) in enumerate(rows, 1) if text.strip()]
    cut = passages(Document("a.md", "a", tuple(blocks), ()), most)
    assert all(0 < len(passage.text) <= most for passage in cut)
    leads = {one for one, below in itertools.pairwise(blocks) if not below.level or below.level > one.level}
    shown = [one for one in blocks if not one.level or one not in leads]  # places make them differ
    assert letters("".join(passage.text for passage in cut)) == letters("".join(one.text for one in shown))


@pytest.mark.parametrize("most", [100, 300, 1200])
@pytest.mark.parametrize("ending", KINDS)
def test_the_words_of_a_document_are_those_of_its_passages(tmp_path, ending, most):
    said = [" ".join(f"word{at}x{one}" for one in range(40)) + "." for at in range(12)]
    content = {
        ".pdf": pdf(*([text[:200], text[200:]] for text in said)),
        ".docx": docx("".join(map(para, said))),
        ".html": "".join(f"<p>{text}</p>" for text in said).encode(),
        ".htm": "<br><br>".join(said).encode(),
    }.get(ending, "\n".join(said[at] + "\n" for at in range(12)).encode())
    cut = told(tmp_path, f"a{ending}", content, most)
    assert letters("".join(text for _, text in cut)) == letters("".join(said))
    assert all(len(text) <= most for _, text in cut)


# Markdown


def test_number_signs_in_code_are_no_headings(tmp_path):
    text = "# A\n\n```python\n# not a heading\n\nx = 1\n```\n\n    # nor this\n\nafter\n"
    code = "```python\n# not a heading\n\nx = 1\n```\n\n    # nor this\n\nafter"
    assert told(tmp_path, "a.md", text) == [("A", code)]


def test_rows_of_a_table_are_one_line_each_without_the_rule(tmp_path):
    text = "| a | b |\n|---|:-:|\n| 1 | 2 \\| 3 |\n| 4 |\n\nafter"
    assert told(tmp_path, "a.md", text) == [("", "a | b\n1 | 2 \\| 3\n4\n\nafter")]


def test_items_of_a_list_are_blocks_with_their_lines(tmp_path):
    (tmp_path / "a.md").write_text("Buy:\n- milk\n  and eggs\n- bread\n\n  fresh\n1. one\n")
    blocks = document(tmp_path / "a.md").blocks
    assert [(block.text, block.place, block.tight) for block in blocks] == [
        ("Buy:", 1, False),
        ("- milk\nand eggs", 2, True),
        ("- bread", 4, True),
        ("fresh", 6, False),
        ("1. one", 7, True),
    ]


def test_a_year_at_the_beginning_of_a_line_is_no_item(tmp_path):
    assert told(tmp_path, "a.md", "It began in\n1986. It went on.") == [("", "It began in\n1986. It went on.")]


def test_front_matter_is_left_out_and_said_so(tmp_path):
    told(tmp_path, "a.md", "---\ntitle: A\ntags:\n  - b\n---\n# A\ntext\n")
    read = document(tmp_path / "a.md")
    assert [block.text for block in read.blocks] == ["A", "text"]
    assert read.notes == ("front matter was left out (lines 1 to 5)",)


@pytest.mark.parametrize(
    "text", ["---\nOnce upon a time\n---\nthe end", "---\n\ntext\n---\n", "---\ntitle: never closed"]
)
def test_text_between_rules_is_no_front_matter(tmp_path, text):
    said = "".join(heading + said for heading, said in told(tmp_path, "a.md", text))
    assert letters(said) == letters(text.replace("---", ""))


@pytest.mark.parametrize("line", ["## Refunds ##", "  ## Refunds", "## Refunds", "Refunds\n-------"])
def test_a_heading_is_known_however_it_is_written(tmp_path, line):
    assert told(tmp_path, "a.md", f"{line}\ntext") == [("Refunds", "text")]


@pytest.mark.parametrize("line", ["#hash", "    # code", "####### seven", "\\# no"])
def test_what_only_looks_like_a_heading_is_text(tmp_path, line):
    assert told(tmp_path, "a.md", f"{line}")[0][0] == ""


def test_html_in_markdown_stays_text(tmp_path):
    assert told(tmp_path, "a.md", "<b>bold</b> &amp; so") == [("", "<b>bold</b> &amp; so")]


# HTML


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>x</script>",
        "<style>x</style>",
        "<nav><ul><li>x</ul></nav>",
        "<header>x</header>",
        "<footer>x</footer>",
        "<aside>x</aside>",
        "<template>x</template>",
        "<noscript>x</noscript>",
        "<p hidden>x</p>",
        "<p hidden>x",
        '<div aria-hidden="true"><div>x</div></div>',
        '<div style="color: red; Display : NONE">x</div>',
        "<div role=navigation>x</div>",
        "<!-- x -->",
        "<svg><text>x</text></svg>",
        "<select><option>x<option>x</select>",
        "<SCRIPT>'</b>' x</SCRIPT >",
    ],
)
def test_what_a_reader_does_not_see_is_left_out(tmp_path, hidden):
    page = f"<p>before</p>{hidden}<p>after</p>"
    assert told(tmp_path, "a.html", page) == [("", "before\n\nafter")]


def test_the_header_of_an_article_is_part_of_it(tmp_path):
    page = "<header>shop</header><article><header><h1>Guide</h1></header>text</article>"
    assert told(tmp_path, "a.html", page) == [("Guide", "text")]


def test_the_main_part_of_a_page_is_all_that_is_read_of_it(tmp_path):
    told(tmp_path, "a.html", "<div>menu</div><main><h1>A</h1><p>text</p></main><div>imprint</div>")
    read = document(tmp_path / "a.html")
    assert [block.text for block in read.blocks] == ["A", "text"]
    assert "<main>" in read.notes[0]


def test_a_main_part_without_text_does_not_hide_the_page(tmp_path):
    assert told(tmp_path, "a.html", "<main></main><p>text</p>") == [("", "text")]


def test_the_title_is_the_first_heading_where_there_is_no_h1(tmp_path):
    page = "<title>Guide &amp; more</title><h2>Refunds</h2>text"
    assert told(tmp_path, "a.html", page) == [("Guide & more > Refunds", "text")]
    assert told(tmp_path, "a.html", page + "<h1>Top</h1>text")[0][0] == "Refunds"


def test_tables_lists_and_code_of_a_page_keep_their_lines(tmp_path):
    page = (
        "<p>Do:</p><ol start=1><li>one<li><p>two</p></ol><ul><li>a<ul><li>b</ul></ul>"
        "<table><tr><th>Name<th>Price</tr><tr><td>Tea</td><td>3&nbsp;<b>EUR</b></td></tr><tr><td></td></tr></table>"
        "<pre>\ndef f():\n\n    return 1\n</pre>"
    )
    text = "Do:\n1. one\n2. two\n- a\n- b\n\nName | Price\nTea | 3 EUR\n\ndef f():\n\n    return 1"
    assert told(tmp_path, "a.html", page) == [("", text)]


def test_a_page_laid_out_as_a_table_keeps_its_headings(tmp_path):
    page = "<table><tr><td>menu</td><td><h1>A</h1><p>text</p><table><tr><td>1<td>2</table>more</td></tr></table>"
    assert told(tmp_path, "a.html", page) == [("", "menu"), ("A", "text\n\n1 | 2\n\nmore")]


def test_a_list_in_a_cell_stays_in_its_row(tmp_path):
    page = "<table><tr><td>Tea<td><ul><li>green<li>black</ul><td>3</table><p>after"
    assert told(tmp_path, "a.html", page) == [("", "Tea | - green - black | 3\n\nafter")]


def test_words_are_parted_where_a_browser_parts_them(tmp_path):
    page = "<p>a<b>b</b>c\n  d<br>e &lt;f&gt; &#8364; &#x20ac; 1 < 2</p><div>g</div>h"
    assert told(tmp_path, "a.html", page) == [("", "abc d\ne <f> \u20ac \u20ac 1 < 2\n\ng\n\nh")]


@pytest.mark.parametrize(
    ("charset", "head"),
    [
        ("cp1252", b'<meta charset="iso-8859-1">'),
        ("cp1252", b'<meta http-equiv="Content-Type" content="text/html; charset=Windows-1252">'),
        ("shift_jis", b"<META CHARSET=Shift_JIS>"),
        ("koi8-r", b"<?xml version='1.0' encoding='koi8-r'?>"),
        ("utf-8", b""),
        ("utf-8-sig", b""),
        ("utf-8", b"<meta charset=utf-16>"),  # as browsers have it: it could not have been read up to there
    ],
)
def test_a_page_is_read_in_the_charset_it_declares(tmp_path, charset, head):
    text = {"koi8-r": "\u0434\u0430", "shift_jis": "\u65e5\u672c"}.get(charset, "caf\u00e9 \u2013 ok")
    content = (head + b"<p>").decode("latin-1").encode(charset) + text.encode(charset.replace("-sig", ""))
    assert told(tmp_path, "a.html", content) == [("", text)]


def test_a_block_of_a_page_names_its_line(tmp_path):
    told(
        tmp_path,
        "a.html",
        "<html>\n<p>\n one\n<p>two\n<!-- \n\n --><pre>\n\na\nb</pre><table><tr>\n<td>1<td>\n2</table>",
    )
    assert [block.place for block in document(tmp_path / "a.html").blocks] == [3, 4, 9, 10, 11]


BOMBS = {  # pages that take some readers minutes
    "100,000 nested elements": "<div>" * 100_000 + "text" + "</div>" * 100_000,
    "30,000 nested tables": "<table><tr><td>x" * 30_000 + "text",
    "closing tags of what is not open": "<b>" * 50_000 + "</i>" * 100_000 + "text",
    "comments never closed": "text" + "<!--" * 200_000,
    "tags never closed": "text" + "<a " * 200_000,
    "quotes never closed": "text" + "<a x='" * 100_000 + '<b y="' * 100_000,
    "quotes closed in turn": "text" + "<a x='\"" * 100_000 + ">",
    "signs of equality": "text<a " + "= " * 200_000,
    "declarations": "text" + "<!" * 200_000,
    "brackets": "text" + "< " * 200_000,
    "ampersands": "text" + "&" * 200_000 + "&#" + "9" * 100_000 + ";",
    "scripts never closed": "text" + "<script>" * 200_000,
    "titles never closed": "text" + "</title" * 100_000 + "<title>" * 200_000,
    "headings": "<h1>" * 50_000 + "text",
    "attributes": "text<p " + "a " * 100_000 + "hidden=" * 10 + ">text",
    "paragraphs in a cell": "<table><tr><td>" + "<p>text" * 30_000,
    "lists": "<ol><li>" * 30_000 + "text",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_page_is_read_in_linear_time(tmp_path, name):
    begin = time.perf_counter()
    assert "text" in told(tmp_path, "a.html", BOMBS[name])[0 if name != "30,000 nested tables" else -1][1]
    assert time.perf_counter() - begin < 4.0


# DOCX


def test_headings_are_known_by_what_a_style_is_called_or_based_on(tmp_path):
    body = para("A", "Mine") + para("a") + para("B", "Outline") + para("b") + para("C", "Loop") + para("D", "Unknown")
    assert told(tmp_path, "a.docx", docx(body)) == [("A", "a"), ("B", "b\n\nC\n\nD")]


def test_headings_are_known_without_styles(tmp_path):
    level = '<w:outlineLvl w:val="1"/>'
    body = para("A", "Heading1") + para("a") + para("B", more=level) + para("b")
    assert told(tmp_path, "a.docx", docx(body, styles=f"<w:styles {W}/>")) == [("A", "a"), ("A > B", "b")]


def test_lists_and_tables_of_a_docx_keep_their_lines(tmp_path):
    listed = '<w:numPr><w:numId w:val="3"/></w:numPr>'
    body = para("Do:") + para("one", more=listed) + para("two", more=listed) + table(("Name", "Price"), ("Tea", "3"))
    assert told(tmp_path, "a.docx", docx(body)) == [("", "Do:\n- one\n- two\n\nName | Price\nTea | 3")]


def test_a_table_in_a_table_is_in_its_cell(tmp_path):
    body = (
        f"<w:tbl><w:tr><w:tc>{table(('a', 'b'), ('c', 'd'))}{para('e')}</w:tc><w:tc>{para('f')}</w:tc></w:tr></w:tbl>"
    )
    assert told(tmp_path, "a.docx", docx(body)) == [("", "a | b c | d e | f")]


def test_what_was_deleted_or_moved_away_is_left_out_and_said_so(tmp_path):
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:p>{run.format('kept ')}<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        f"<w:moveFrom>{run.format('moved')}</w:moveFrom><w:ins>{run.format('added')}</w:ins></w:p>"
    )
    assert told(tmp_path, "a.docx", docx(body)) == [("", "kept added")]
    assert "tracked changes" in document(tmp_path / "a.docx").notes[0]


def test_a_text_box_is_read_once_and_fields_and_contents_are_not(tmp_path):
    box = f"<w:txbxContent>{para('box')}</w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = (
        f"<mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    )
    body = (
        para("Refunds 7", "Verzeichnis1")
        + f"<w:p><w:r>{both}<w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t>"
        + "<w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert told(tmp_path, "a.docx", docx(body)) == [("", "box\n\na b\nc")]


def test_footnotes_follow_the_text(tmp_path):
    notes = f"<w:footnotes {W}><w:footnote>{para('a note')}</w:footnote></w:footnotes>"
    assert told(tmp_path, "a.docx", docx(para("text"), footnotes=notes)) == [("", "text\n\na note")]


def test_a_block_of_a_docx_names_its_paragraph(tmp_path):
    told(tmp_path, "a.docx", docx(para("one") + para("") + table(("a", "b"), ("c", "d")) + para("two")))
    assert [block.place for block in document(tmp_path / "a.docx").blocks] == [1, 3, 5, 7]


# PDF

WIDE = "This line of the text goes on from the left margin to the right one {}"


def test_lines_of_a_pdf_are_joined_to_paragraphs_and_words_parted_at_their_ends(tmp_path):
    lines = [
        WIDE.format("inter-"),
        "national and on to the end.",
        WIDE.format("and"),
        "well-known (well-",
        "known) too.",
    ]
    assert told(tmp_path, "a.pdf", pdf(lines)) == [
        ("", f"{WIDE.format('international')} and on to the end.\n\n{WIDE.format('and')} well-known (well-known) too.")
    ]


def test_headers_footers_and_page_numbers_are_left_out_and_said_so(tmp_path):
    pages = [["ACME Manual", f"Fact number {one} is here.", f"More of {one}.", f"Page {at} of 4"]
             for at, one in enumerate(("one", "two", "three", "four"), 1)]  # fmt: skip
    text = " ".join(said for _, said in told(tmp_path, "a.pdf", pdf(*pages)))
    assert "ACME" not in text
    assert "Page" not in text
    assert text.count("Fact number") == text.count("More of") == 4
    assert "'ACME Manual'" in document(tmp_path / "a.pdf").notes[0]


def test_a_line_that_stands_on_two_pages_of_three_is_text(tmp_path):
    text = told(tmp_path, "a.pdf", pdf(["Note:", "a."], ["Note:", "b."], ["c."]))[0][1]
    assert text.count("Note:") == 2


def test_a_paragraph_that_a_page_cuts_is_one_and_names_the_first_page(tmp_path):
    pages = [["First."], [WIDE.format("goes")], ["over the end of the page.", "Then."]]
    told(tmp_path, "a.pdf", pdf(*pages))
    blocks = document(tmp_path / "a.pdf").blocks
    assert [(block.text, block.place) for block in blocks] == [
        ("First.", 1), (f"{WIDE.format('goes')} over the end of the page.", 2), ("Then.", 3),
    ]  # fmt: skip


def test_bookmarks_name_the_headings_of_a_pdf(tmp_path):
    pages = [["1 Guide", "Welcome.", "1.1 Refunds", "Thirty days."], ["1.2 Guide", "More."]]
    outline = {
        1: "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
        6: "<< /First 7 0 R /Last 7 0 R >>",
        7: "<< /Title (Guide) /Parent 6 0 R /Dest [10 0 R /Fit] /First 8 0 R /Last 8 0 R >>",
        8: "<< /Title (1.1 Refunds) /Parent 7 0 R /Dest [10 0 R /Fit] >>",
    }
    cut = told(tmp_path, "a.pdf", pdf(*pages, objects=outline))
    assert cut[:1] == [("1 Guide", "Welcome.")]
    assert cut[1] == ("1 Guide > 1.1 Refunds", "Thirty days.\n\n1.2 Guide\nMore.")


def test_pages_without_text_among_others_are_said(tmp_path):
    told(tmp_path, "a.pdf", pdf(["text"], [], []))
    assert document(tmp_path / "a.pdf").notes == ("2 of 3 pages have no text (page 2, 3); pictures are not read",)


def test_a_table_of_contents_is_left_out(tmp_path):
    text = told(
        tmp_path, "a.pdf", pdf(["Contents", "1 Guide . . . . . . . . . 3", "2 Refunds ........ iv"], ["Welcome."])
    )
    assert text == [("", "Contents\n\nWelcome.")]


def test_a_pdf_without_pypdf_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'whet-llm[documents]'")):
        told(tmp_path, "a.pdf", pdf(["text"]))


def test_nothing_but_pdf_needs_pypdf(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    for name in ("a.md", "a.html", "a.docx"):
        assert told(tmp_path, name, SAME[name])


def test_a_damaged_pdf_is_repaired_without_a_word_on_the_screen(tmp_path, capfd):
    broken = pdf(["text"]).replace(b"startxref\n", b"startxref\n9")
    assert told(tmp_path, "a.pdf", broken) == [("", "text")]
    assert capfd.readouterr() == ("", "")


def test_a_page_that_takes_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf_file, "SECONDS", -2.0)
    with pytest.raises(DataError, match="pdf:1: takes longer"):
        told(tmp_path, "a.pdf", pdf(["text"]))


# Refused

LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {b} '&{a};&{a};'>" for a, b in zip("abcd", "bcde", strict=True)
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
DEEP = "<w:tbl><w:tr><w:tc>"
LOCKED = "/Encrypt << /Filter /Standard /V {0} /R {1} /Length 128 /P -4 /O <{2}> /U <{2}> >> /ID [<{3}> <{3}>]"


def locked(version: int, revision: int) -> bytes:
    return pdf(["text"], trailer=LOCKED.format(version, revision, "41" * 32, "42" * 16))


def utf16(content: bytes) -> bytes:
    """Write the main part of a DOCX in UTF-16, where "<!DOCTYPE" cannot be found as bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(sink, "w") as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name).decode().encode("utf-16"))
    return sink.getvalue()


def packed(*names: str, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", kind) as archive:
        for name in names:
            archive.writestr(name, f"<w:document {W}/>")
    return sink.getvalue()


def flagged(content: bytes) -> bytes:
    """Say that every file in an archive is encrypted."""
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content = content[: place + at] + b"\x01" + content[place + at + 1 :]
            place = content.find(mark, place + 4)
    return content


KIDS = "<< /Type /Pages /Kids [{}] /Count 1 >>"
REFUSED = {  # what it is: (file name, content, line or page, words of the message)
    "empty": ("a.md", b"", 0, "name a document"),
    "blank": ("a.txt", b" \n\n", 0, "no words"),
    "no ending": ("a", b"x", 0, "without an ending"),
    "old Word": ("a.doc", b"x", 0, "save it as .docx"),
    "unknown": ("a.xyz", b"x", 0, ".md, .markdown, .txt"),
    "compressed": ("a.md.gz", b"x", 0, "ending in .gz"),
    "latin-1 in Markdown": ("a.md", b"ok\n\xe9", 2, "UTF-8"),
    "UTF-16 in text": ("a.txt", "a".encode("utf-16"), 0, "UTF-16"),
    "NUL in text": ("a.txt", b"a\n\0", 2, "NUL"),
    "PDF in text": ("a.txt", pdf(["x"]), 0, "PDF"),
    "zip in Markdown": ("a.md", packed("x"), 0, "zip"),
    "latin-1 in HTML": ("a.html", b"<p>ok\n\xe9", 2, "byte column 1"),
    "a charset that lies": ("a.html", b"<meta charset=utf-8>\xe9", 1, "as its charset says"),
    "a charset of no text": ("a.html", b"<meta charset=zlib>x", 0, "charset 'zlib'"),
    "a charset that hides": ("a.html", b"<meta charset=utf-7>x", 0, "charset 'utf-7'"),
    "an unknown charset": ("a.html", b"<meta charset=klingon>x", 0, "charset 'klingon'"),
    "UTF-16 in HTML": ("a.html", "<p>a".encode("utf-16"), 0, "UTF-16"),
    "NUL in HTML": ("a.html", b"<p>\n\0", 2, "NUL"),
    "PDF in HTML": ("a.html", pdf(["x"]), 0, "PDF"),
    "nothing but a script": ("a.html", b"<script>load()</script><div id=app></div>", 0, "no words"),
    "text in DOCX": ("a.docx", b"hello", 0, "is not a DOCX"),
    "old Word or password": ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), 0, "password"),
    "DOCX cut off": ("a.docx", docx(para("x"))[:-30], 0, "cannot be unpacked"),
    "DOCX of its first bytes": ("a.docx", b"PK\x03\x04", 0, "cannot be unpacked"),
    "DOCX locked": ("a.docx", flagged(docx(para("x"))), 0, "without a password"),
    "DOCX that is a spreadsheet": ("a.docx", packed("xl/workbook.xml"), 0, "without a Word document"),
    "DOCX packed otherwise": ("a.docx", packed("word/document.xml", kind=zipfile.ZIP_LZMA), 0, "no DOCX is"),
    "DOCX of many files": ("a.docx", packed(*map(str, range(10_001))), 0, "10,000 files"),
    "DOCX without words": ("a.docx", docx(para("")), 0, "no words"),
    "DOCX of broken XML": ("a.docx", docx("<w:p>"), 0, "XML in it is damaged"),
    "DOCX of broken styles": ("a.docx", docx(para("x"), styles="<w:styles"), 0, "XML in it is damaged"),
    "DOCX of endless entities": ("a.docx", docx(para("&e;"), LAUGHS + "]>"), 0, "document type"),
    "DOCX of foreign entities": ("a.docx", docx(para("&a;"), OUTSIDE), 0, "document type"),
    "DOCX of entities in UTF-16": ("a.docx", utf16(docx(para("&a;"), OUTSIDE)), 0, "document type"),
    "DOCX of an undeclared entity": ("a.docx", docx(para("&a;")), 0, "XML in it is damaged"),
    "DOCX nested deep": ("a.docx", docx(DEEP * 100_000), 0, "300 deep"),
    "DOCX bomb": ("a.docx", docx(para(" " * 30_000_000)), 0, "200 times"),
    "DOCX bomb in its styles": ("a.docx", docx(para("x"), styles=" " * 30_000_000), 0, "200 times"),
    "text in PDF": ("a.pdf", b"hello", 0, "is not a PDF"),
    "PDF of its first bytes": ("a.pdf", b"%PDF-1.7\n", 0, "cannot be read as PDF"),
    "PDF cut off": ("a.pdf", pdf(["x"])[:60], 0, "cannot be read as PDF"),
    "PDF without pages": ("a.pdf", pdf(), 0, "no text"),
    "PDF of pictures": ("a.pdf", pdf([], []), 0, "a scan"),
    "PDF locked": ("a.pdf", locked(2, 3), 0, "encrypted"),
    "PDF locked with AES": ("a.pdf", locked(5, 6), 0, "encrypted"),
    "PDF locked otherwise": ("a.pdf", locked(9, 9), 0, "encrypted"),
    "PDF whose tree is its own child": ("a.pdf", pdf(["x"], objects={2: KIDS.format("2 0 R")}), 0, "cyclic"),
    "PDF whose tree goes round": (
        "a.pdf", pdf(["x"], objects={2: KIDS.format("3 0 R"), 3: KIDS.format("2 0 R")}), 0, "cyclic",
    ),
    "PDF of many pages": ("a.pdf", pdf(["x"], objects={2: KIDS.format("10 0 R " * 5001)}), 0, "5,001 pages"),
    "PDF of pages without end": (
        "a.pdf", pdf(["x"], objects={2: KIDS.format("3 0 R " * 999), 3: KIDS.format("4 0 R " * 999),
                                     4: KIDS.format("10 0 R " * 999)}), 0, "cannot be read as PDF",
    ),
    "PDF whose root is missing": ("a.pdf", pdf(["x"], objects={1: "null"}), 0, "cannot be read as PDF"),
    "PDF nested deep": ("a.pdf", pdf(["x"], objects={2: "[" * 100_000}), 0, "cannot be read as PDF"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name):
    file, content, line, words = REFUSED[name]
    path = tmp_path / file
    path.write_bytes(content)
    begin = time.perf_counter()
    with pytest.raises(DataError) as caught:
        passages(path)
    assert time.perf_counter() - begin < 3.0
    problem = caught.value.problems[0]
    assert (problem.path, problem.line) == (str(path), line)
    assert words in problem.what
    assert "\n" not in problem.what
    assert "; " in problem.what or "cannot" in problem.what  # what is wrong, and the way out


def test_every_problem_of_a_text_is_reported(tmp_path):
    (tmp_path / "a.md").write_bytes(b"ok\n\xe9\nok\n\0\n")
    with pytest.raises(DataError) as caught:
        document(tmp_path / "a.md")
    assert [problem.line for problem in caught.value.problems] == [2, 4]


@pytest.mark.parametrize("ending", KINDS)
def test_a_document_of_more_than_64_mib_is_not_opened(tmp_path, ending):
    with (tmp_path / f"a{ending}").open("wb") as file:
        file.write(b"x")
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(DataError, match="larger than 64 MiB"):
        document(tmp_path / f"a{ending}")


def test_a_document_of_a_million_paragraphs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("whet.data.documents.readers.MAX_BLOCKS", 1000)
    for name, content in {"a.txt": "a\n\n", "a.html": "<p>a", "a.md": "# a\n"}.items():
        with pytest.raises(DataError, match="more than 1,000 paragraphs"):
            told(tmp_path, name, content * 1001)


@pytest.mark.parametrize("ending", KINDS)
def test_what_is_no_file_is_refused_without_opening_it(tmp_path, ending):
    os.mkfifo(tmp_path / f"pipe{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    for name, words in {"pipe": "a pipe", "folder": "is a folder", "none": "no such file"}.items():
        with pytest.raises(DataError, match=words):
            document(tmp_path / f"{name}{ending}")


def test_a_name_with_control_characters_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="control character") as caught:
        document(tmp_path / "a\nb.md")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "a.md").chmod(0)
    with pytest.raises(DataError, match="permissions"):
        document(tmp_path / "a.md")


WELL = {**SAME, "a.txt": "text", "a.pdf": pdf(["Guide", "text"], ["more"])}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WELL)), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=5))
def test_damage_anywhere_gives_passages_or_problems_and_nothing_else(tmp_path_factory, name, damage):
    content = WELL[name] if isinstance(WELL[name], bytes) else WELL[name].encode()
    for place, extra in damage:
        at = place % (len(content) or 1)
        content = content[:at] + extra + content[at + 1 :]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        assert passages(path)
    except DataError as error:
        assert error.problems  # noqa: PT017
