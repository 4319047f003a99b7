"""HTML as a reader sees it: headings, paragraphs, lists, tables row by row, without menus, scripts and hidden parts."""

import codecs
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from whet.data.documents.blocks import Block, code, row
from whet.data.documents.tags import Token, attributes_of, tokens
from whet.data.documents.text import MAX_LINES
from whet.data.scan import Findings, not_text

MAX_TAGS = 2_000_000
_SKIPPED = {
    *("script", "style", "template", "noscript", "nav", "aside", "iframe", "svg", "canvas", "audio", "video", "object"),
    *("button", "select", "datalist", "textarea"),
}
_OUTER = {"header", "footer"}  # of the page; those of an article belong to its text
_ROLES = {"navigation", "banner", "contentinfo", "search"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div", "dl"),
    *("dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend", "li"),
    *("main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th"),
    *("thead", "title", "tr", "ul", *_HEADINGS),
}
_WITHIN_HEADING = {"div", "section", "hgroup"}  # these do not end one
_CLOSED_BY_NEXT = {"p", "li", "td", "th", "tr", "dt", "dd", "option"}
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAY_HIDE = re.compile(r"hidden|role|none", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_LONG, _MANY = 1000, 8  # characters and paragraphs; what has more than a cell has is a page laid out as a table

_CHARSET = re.compile(rb"<meta[^>]{1,1000}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"\s{0,9}<\?xml[^>]{1,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})", re.IGNORECASE)
_READ_AS = {  # browsers take these names for a larger set
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "utf-8"),
    **{"shift_jis": "cp932", "euc_kr": "cp949", "iso8859-9": "cp1254"},
}
_KNOWN = re.compile(
    r"utf-8|iso8859-\d+|cp125\d|cp866|cp874|cp932|cp949|koi8-[ru]|mac-\w+|gb18030|big5|euc_jp|iso2022_jp"
)


def html_blocks(path: Path, found: Findings, notes: list[str]) -> Iterator[Block]:
    """Yield headings, paragraphs, list items, table rows and lines of code of a page, in the order they stand in.

    Left out are scripts, menus, asides, buttons, what is hidden, the header and footer of the page and, if it has a
    main part, what stands around that. The page's title is its first heading if no h1 is in it.
    """
    if why_not := not_text(path):
        raise found.stop(0, why_not)
    text = _decoded(path.read_bytes(), found)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise found.stop(line, "a NUL byte; remove it, or convert the file to UTF-8 if it is UTF-16")
    if text.count("\n") >= MAX_LINES:
        raise found.stop(MAX_LINES + 1, f"has more than {MAX_LINES:,} lines; split the document")
    titled = not re.search(r"<h1[\s>]", text, re.IGNORECASE)
    if re.search(r"<main[\s>]", text, re.IGNORECASE):
        inside = _read(text, _Page(titled, main=True), found)
        first: list[Block] = []
        while (not first or first[-1].level) and (block := next(inside, None)):
            first.append(block)
        if first and not first[-1].level:
            notes.append("only what the page marks as its main part (<main>) was read")
            yield from itertools.chain(first, inside)
            return
    yield from _read(text, _Page(titled, main=False), found)


def plain_text(markup: str) -> str:
    """Return a piece of HTML, such as a message, as its reader sees it: paragraphs, lines, items; of links, words."""
    page = _Page(titled=False, main=False)
    for token in tokens(markup):
        page.take(token)
    page.end()
    said = ""
    for block in page.given():
        said += f"{'' if not said else chr(10) if block.tight else 2 * chr(10)}{block.text}"
    return said


def _read(text: str, page: "_Page", found: Findings) -> Iterator[Block]:
    for count, token in enumerate(tokens(text)):
        if count > MAX_TAGS:
            raise found.stop(token.line, f"has more than {MAX_TAGS:,} tags; split the page")
        page.take(token)
        yield from page.given()
    page.end()
    yield from page.given()


def _decoded(content: bytes, found: Findings) -> str:
    declared = _CHARSET.search(content[:4096]) or _XML_CHARSET.match(content[:300])
    name = "utf-8"
    if declared and not content.startswith(codecs.BOM_UTF8):
        written = declared[1].decode("ascii", "replace")
        try:
            name = codecs.lookup(written).name
        except LookupError:
            name = ""
        name = _READ_AS.get(name, name)
        if not _KNOWN.fullmatch(name):  # codecs has some that are no encodings of text, or that hide it
            way = "save the page as UTF-8 and say so"
            raise found.stop(0, f"its charset {written!r} is not one that pages are written in; {way}")
    try:
        return content.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        says = "as its charset says" if declared else "which a page without a charset must be"
        what = f"not valid {name.upper()}, {says}, at byte column {column} (0x{content[error.start]:02x})"
        raise found.stop(line, f"{what}; name the right charset in a <meta> tag, or save the page as UTF-8") from None


class _Page:
    """What is open while tags go by. Elements are kept on a list: no depth of nesting is too much."""

    def __init__(self, titled: bool, *, main: bool) -> None:
        self._titled = titled  # the title is wanted as a heading
        self._main = main  # only the main part is wanted
        self._open: list[tuple[str, bool]] = []  # name, and whether it was seen or stood in what is skipped
        self._counts: Counter[str] = Counter()
        self._skip = 0  # how many elements are open down to the one that is skipped
        self._parts: list[str] = []
        self._place = 0
        self._level = 0
        self._pre = 0
        self._marker = ""
        self._numbers: list[int] = []  # of the lists that are open: the last number, -1 where items have none
        self._row: list[list[str]] | None = None
        self._row_place = 0
        self._below_row = False
        self._blocks: list[Block] = []

    def given(self) -> list[Block]:
        """Return the blocks that are complete, and forget them."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def end(self) -> None:
        """Complete what is still open."""
        self._flush()
        self._end_row()

    def take(self, token: Token) -> None:
        """Go on by a tag or a text."""
        if token.kind == "open":
            self._opens(token.value, token.attributes)
        elif token.kind == "close":
            self._closes(token.value)
        elif self._wanted() and (self._pre or not token.value.isspace() or self._parts):
            if not self._parts:
                space = len(token.value) - len(token.value.lstrip())
                self._place = token.line + token.value.count("\n", 0, space)
            self._parts.append(token.value if self._pre else _SPACES.sub(" ", token.value))

    def _wanted(self) -> bool:
        return not self._skip and bool(not self._main or self._counts["main"] or self._counts["title"])

    def _opens(self, name: str, attributes: str) -> None:
        while self._open and (
            (self._open[-1][0] == name and name in _CLOSED_BY_NEXT) or (self._open[-1][0] == "p" and name in _BLOCKS)
        ):
            self._pop()
        if name in _VOID:
            if not self._skip and name == "br":
                self._parts += ["\n"] if self._parts else []
            elif not self._skip and name == "hr":
                self._flush()
            return
        seen = not self._skip
        self._open.append((name, seen))
        self._counts[name] += 1
        if not seen:
            return
        if self._level and name in _WITHIN_HEADING:
            self._parts += [" "] if self._parts else []
        elif name in _BLOCKS:
            self._flush()
            self._level = 0
        if self._hides(name, attributes):
            self._skip = len(self._open)
        else:
            self._begin(name)

    def _begin(self, name: str) -> None:
        if name in _HEADINGS:
            self._end_row()
            self._level, self._marker = _HEADINGS[name], ""
        elif name == "title":
            self._level = 1
        elif name == "pre":
            self._end_row()
            self._pre += 1
        elif name in ("ol", "ul", "menu"):
            self._numbers.append(0 if name == "ol" else -1)
        elif name == "li":
            if self._numbers and self._numbers[-1] >= 0:
                self._numbers[-1] += 1
                self._marker = f"{self._numbers[-1]}. "
            else:
                self._marker = "- "
        elif name in ("tr", "table"):
            self._end_row()
            self._row = [] if name == "tr" else None
            self._below_row = self._below_row and name == "tr"
        elif name in ("td", "th") and self._row is not None:
            self._row.append([])

    def _closes(self, name: str) -> None:
        if self._counts[name]:  # else it closes nothing, and looking for it would take as long as the page is deep
            while self._pop() != name:
                pass

    def _pop(self) -> str:
        name, seen = self._open.pop()
        self._counts[name] -= 1
        if len(self._open) < self._skip:
            self._skip = 0
        elif seen and name in _BLOCKS and not (self._level and name in _WITHIN_HEADING):
            self._flush()
            if name in _HEADINGS or name == "title":
                self._level = 0
            elif name == "pre":
                self._pre -= 1
            elif name == "li":
                self._marker = ""
            elif name in ("ol", "ul", "menu"):
                self._numbers.pop()
            elif name in ("tr", "table"):
                self._end_row()
                self._below_row = self._below_row and name == "tr"
        return name

    def _hides(self, name: str, attributes: str) -> bool:
        if name in _SKIPPED or (name == "title" and not self._titled):
            return True
        if name in _OUTER and not (self._counts["article"] or self._counts["main"] or self._counts["section"]):
            return True
        if not _MAY_HIDE.search(attributes):
            return False
        has = attributes_of(attributes)
        hidden = "hidden" in has or has.get("aria-hidden", "").lower() == "true" or _HIDING.search(has.get("style", ""))
        return bool(hidden) or has.get("role", "").lower() in _ROLES

    def _flush(self) -> None:
        """Complete the open paragraph."""
        written = "".join(self._parts)
        self._parts = []
        if not written.strip():
            return
        if self._pre:
            first = self._place - written[: len(written) - len(written.lstrip())].count("\n")
            self._blocks += code(list(enumerate(written.split("\n"), first)))
            return
        text = "\n".join(line for line in (" ".join(line.split()) for line in written.split("\n")) if line)
        if self._level:
            self._blocks.append(Block(text.replace("\n", " ").strip("\u00b6\u00a7 "), self._place, self._level))
        elif self._row:
            self._row_place = self._row_place or self._place
            self._row[-1].append(self._marker + text)
            self._marker = ""
            if len(text) > _LONG or len(self._row[-1]) > _MANY:
                self._end_row()
        else:
            self._blocks.append(Block(self._marker + text, self._place, 0, bool(self._marker)))
            self._marker = ""

    def _end_row(self) -> None:
        """Complete the open row; what is still to come of it counts as paragraphs."""
        text = row(" ".join(cell) for cell in self._row or ())
        self._row = None
        if text:
            self._blocks.append(Block(text, self._row_place, 0, self._below_row))
            self._below_row = True
        self._row_place = 0
