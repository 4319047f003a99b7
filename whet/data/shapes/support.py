"""Threads of a support desk, one message in each row: Zendesk, Intercom, Freshdesk, Help Scout and the like."""

from collections import Counter
from collections.abc import Iterable, Iterator

from whet.config.tree import Data
from whet.data.documents.html import plain_text
from whet.data.documents.tags import unescaped
from whet.data.scan import Line
from whet.data.shapes import ROWS, Reading, Report, Row, Table, Unusable
from whet.data.shapes import _desk as desk
from whet.data.shapes._turns import text_of
from whet.data.threads import COLUMNS, Threads, store, time_of
from whet.types import Chat, Message, Role

__all__ = ["support"]


def support(table: Table, data: Data) -> Reading | None:
    """A conversation's id (`ticket_id`, `conversation_id`, ...), whose message it is (`author_role`, ...), its `body`.

    `created_at` puts the messages of a conversation in order, wherever their rows are; without it they stay as they
    lie. Customers are users, agents (and their bots) the assistant; what one side says in a row is one turn. Internal
    notes, events and empty messages are left out, and so is what customers say last, and threads that nobody answers.
    Messages in HTML (half of the first hundred have its tags) lose their markup.
    """
    roles = data.columns
    told = bool({"thread", "side"} & set(roles)) or data.shape is not None
    if roles and not told:
        return None
    thread = roles.get("thread") or next(iter(desk.column(table, *desk.THREAD)), None)
    text = roles.get("text") or next(iter(desk.column(table, *desk.TEXT)), None)
    if thread is None or text is None or (not told and _single(table, thread, text)):
        return None
    author, asker = (next(iter(desk.column(table, name)), None) for name in ("authorid", "requesterid"))
    named = [name for name in desk.column(table, *desk.SIDE) if name not in (thread, text)]
    side = roles.get("side") or next((name for name in named if desk.Speakers(table, name).known), None)
    if side is None and not (author and asker):
        return None
    people = (side,) if side else (str(author), str(asker))
    return _Desk(table, thread, text, people, roles.get("time")).reading()


def _single(table: Table, thread: str, text: str) -> bool:
    """Say whether rows may be whole examples: no thread has two of the first, or a reply stands beside the message."""
    ids = [str(value) for value in table.values(thread)]
    replied = table.find("answer", "response", "reply", "completion", "output", "label", "intent")
    return table.kind(text) not in ("text", "null") or bool(replied) or len(set(ids)) == len(ids) > 1


class _Desk:
    """How one file's messages become conversations, and what was left out of them."""

    def __init__(self, table: Table, thread: str, text: str, people: tuple[str, ...], time: str | None) -> None:
        self._table, self._thread, self._text, self._people = table, thread, text, people
        self._speakers = desk.Speakers(table, people[0])
        self._hidden = desk.Hidden(table, people[0])
        times = [time] if time else desk.column(table, *desk.TIME)
        self._untimed = times[0] if times else None
        values = table.values(times[0]) if times else []
        timed = bool(values) and all(time_of(value) is not None for value in values)
        self._time = self._untimed if timed else None
        self._html = desk.in_html(table.values(text))
        self._left = Counter[str]()

    def reading(self) -> Reading:
        """Return how the rows are read."""
        whose = " and ".join(self._people)
        order = f"{self._time} their order" if self._time else "their order is that of the file"
        how = f"{self._text} -> a message, {whose} says whose, {self._thread} -> the conversation, {order}"
        if self._untimed and not self._time:
            how += f" ({self._untimed} is not read as a time: it can mean several days, or is none)"
        if self._html:
            how += f"; {self._text} is HTML, of which the words are read"
        how += "; rows are put together in a temporary file, so they may lie anywhere"
        used = (self._thread, self._text, self._time, *self._people, *self._hidden.columns)
        required = (self._thread, self._text, *self._people)
        return Reading(
            self._table.say("support", how, *used), required, self._chat, gather=self._gather, told=self._told
        )

    def _gather(self, rows: Iterable[Line], report: Report) -> Iterator[Line]:
        with store(COLUMNS) as database:
            threads = Threads(database)
            for line in rows:
                try:
                    self._put(line, threads)
                except Unusable as error:
                    for what in error.whats:
                        report(line.number, what)
            for lines in threads.each(report):
                yield Line(lines[0].number, {**lines[0].row, ROWS: lines})

    def _put(self, line: Line, threads: Threads) -> None:
        row = line.row
        side, said, thread = self._whose(row), self._said(row), text_of(row, self._thread).strip()
        if row in self._hidden or side == "aside":
            self._left["internal notes and events were left out"] += 1
        elif not said:
            self._left["empty messages were left out"] += 1
        elif not thread:
            raise Unusable(f"{self._thread!r} is empty; say to which conversation the message belongs, or remove it")
        elif side is None:
            name = self._people[0]
            raise Unusable(f"{name!r} is {str(row.get(name))[:40]!r}; write customer, agent or note")
        else:
            threads.put(thread, self._when(row), line)

    def _said(self, row: Row) -> str:
        text = text_of(row, self._text)
        if self._html:  # line breaks mean nothing in a message with tags, and something in one without
            text = plain_text(text) if desk.marked_up(text) else unescaped(text)
        return text.strip()

    def _whose(self, row: Row) -> desk.Side | None:
        if len(self._people) == 1:
            return self._speakers.side_of(row.get(self._people[0]))
        author, asker = (text_of(row, name) for name in self._people)
        return "user" if author == asker else "assistant"

    def _when(self, row: Row) -> float:
        if self._time is None:
            return 0.0
        time = time_of(row.get(self._time))
        if time is None:
            found = str(row.get(self._time))[:40]
            raise Unusable(f"{self._time!r} is {found!r}, not a time; write 2024-05-31T12:00:00Z")
        return time

    def _chat(self, row: Row) -> list[Chat]:
        turns: list[Message] = []
        for line in row[ROWS]:
            side, said = self._whose(line.row), self._said(line.row)
            role: Role = "assistant" if side == "assistant" else "user"
            if turns and turns[-1].role == role:
                turns[-1] = Message(role, f"{turns[-1].content}\n\n{said}")
            else:
                turns.append(Message(role, said))
        answered = turns[:-1] if turns[-1].role == "user" else turns
        if len({turn.role for turn in answered}) < 2:
            self._left["conversations without a question and its answer were left out"] += 1
            return []
        if len(answered) < len(turns):
            self._left["conversations end with the customer, whose last turn was left out"] += 1
        return [Chat(tuple(answered))]

    def _told(self) -> list[str]:
        return [f"{count:,} {what}" for what, count in self._left.items()]
