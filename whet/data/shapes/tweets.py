"""Conversations on Twitter between customers and companies, as in Kaggle's "Customer Support on Twitter"."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from sqlite3 import Connection

from whet.config.tree import Data
from whet.data.scan import Line
from whet.data.shapes import ROWS, Reading, Report, Row, Table, Unusable
from whet.data.shapes._desk import FALSE, TRUE, word
from whet.data.shapes._turns import needed, text_of
from whet.data.threads import store
from whet.types import Chat, Message, Role

__all__ = ["tweets"]

COLUMNS = ("tweet_id", "inbound", "text", "in_response_to_tweet_id")
LONGEST = 500  # tweets of a conversation
_TABLE = "tweet TEXT UNIQUE, parent TEXT, inbound INTEGER, line INTEGER, said TEXT, trained INTEGER"
_TO = re.compile(r"\A(?:\.?@\w+\s+)+")


def tweets(table: Table, data: Data) -> Reading | None:
    """`tweet_id`, `inbound`, `text` and `in_response_to_tweet_id`: one tweet in each row.

    Every tweet that nobody answers ends a conversation with all that it goes back to; where conversations part, what
    they share trains once. A conversation goes from a customer's tweet to a company's: what is before and after is left
    out, and so are the names of those a tweet is addressed to, at its start.
    """
    tweet, inbound, text, parent = (table.find(name) for name in COLUMNS)
    if tweet is None or inbound is None or text is None or parent is None or (data.columns and data.shape is None):
        return None
    left = Counter[str]()

    def gather(rows: Iterable[Line], report: Report) -> Iterator[Line]:
        with store(_TABLE) as database:
            for number, row in rows:
                try:
                    _put(database, number, _id(row, tweet), _id(row, parent), _inbound(row, inbound), needed(row, text))
                except Unusable as error:
                    for what in error.whats:
                        report(number, what)
            yield from _conversations(database, left)

    def told() -> list[str]:
        return [f"{count:,} {what}" for what, count in left.items()]

    how = f"{text} -> a message, {inbound} says whose, {parent} leads to the one before; names at the start left out"
    how += "; rows are put together in a temporary file, so they may lie anywhere"
    note = table.say("tweets", how, tweet, inbound, text, parent)
    return Reading(note, (tweet, inbound, text, parent), _chat, gather=gather, told=told)


def _id(row: Row, column: str) -> str:
    """Return an id as whole numbers are written: tables that were once read as floats have 3.0 for 3."""
    return text_of(row, column).strip().removesuffix(".0")


def _inbound(row: Row, column: str) -> bool:
    said = word(row.get(column))
    if said not in TRUE | FALSE:
        raise Unusable(f"{column!r} is {str(row.get(column))[:40]!r}; write true where the customer speaks, else false")
    return said in TRUE


def _put(database: Connection, number: int, tweet: str, parent: str, inbound: bool, said: str) -> None:
    if not tweet:
        raise Unusable("'tweet_id' is empty; give the tweet its id or remove the row")
    values = (tweet, parent or None, inbound, number, said)
    done = database.execute("INSERT OR IGNORE INTO rows VALUES (NULL, ?, ?, ?, ?, ?, 0)", values)
    if not done.rowcount:
        raise Unusable(f"the tweet {tweet[:40]!r} is there twice; remove one of them")


def _conversations(database: Connection, left: Counter[str]) -> Iterator[Line]:
    """Yield, for each tweet that nobody answers, the tweets that lead to it, from a question to an answer."""
    database.execute("CREATE INDEX by_parent ON rows (parent)")
    tips = database.execute(
        "SELECT tweet FROM rows AS tip WHERE NOT EXISTS (SELECT 1 FROM rows WHERE parent = tip.tweet) ORDER BY place"
    )
    for (tip,) in tips:
        lines = _path(database, tip)
        if lines[-1].row["inbound"]:
            left["conversations end with the customer, whose last tweets were left out"] += 1
        while lines and lines[-1].row["inbound"]:
            lines.pop()
        while lines and not lines[0].row["inbound"]:
            del lines[0]
        new = [(line.row["tweet"],) for line in lines if not line.row["inbound"] and not line.row["trained"]]
        if new:
            database.executemany("UPDATE rows SET trained = 1 WHERE tweet = ?", new)
            yield Line(lines[0].number, {ROWS: lines})
    (unheard,) = database.execute("SELECT COUNT(*) FROM rows WHERE NOT inbound AND NOT trained").fetchone()
    if unheard:
        left["tweets of companies that answer nobody in the file were left out"] = unheard


def _path(database: Connection, tip: str) -> list[Line]:
    """Return a tweet after those that lead to it, the last LONGEST of them."""
    lines: list[Line] = []
    at: str | None = tip
    while at is not None and len(lines) < LONGEST:
        found = database.execute("SELECT line, parent, inbound, said, trained FROM rows WHERE tweet = ?", (at,))
        row = found.fetchone()
        if row is None:
            break
        number, parent, inbound, said, trained = row
        lines.append(Line(number, {"tweet": at, "inbound": inbound, "said": said, "trained": trained}))
        at = parent
    return lines[::-1]


def _chat(row: Row) -> list[Chat]:
    turns: list[Message] = []
    for _, one in row[ROWS]:
        role: Role = "user" if one["inbound"] else "assistant"
        said = _TO.sub("", one["said"]).strip() or one["said"].strip()
        weight = 0.0 if one["trained"] else 1.0
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].content}\n\n{said}", max(weight, turns[-1].weight))
        else:
            turns.append(Message(role, said, weight))
    return [Chat(tuple(replace(turn, weight=1.0) if turn.role == "user" else turn for turn in turns))]
