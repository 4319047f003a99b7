"""What a support desk's exports call things, and whose a message is."""

import re
from collections.abc import Iterable
from typing import Any, Literal

from whet.data.shapes import Row, Table

Side = Literal["user", "assistant", "aside"]

THREAD = (
    "ticketid", "conversationid", "threadid", "caseid", "chatid", "ticketnumber", "conversationnumber", "casenumber",
    "ticket", "conversation", "thread",
)  # fmt: skip
SIDE = (  # the plainest first
    "authorrole", "authortype", "sendertype", "senderrole", "usertype", "userrole", "fromtype", "createdbytype", "role",
    "direction", "inbound", "incoming", "isinbound", "isincoming", "outbound", "outgoing", "isagent", "iscustomer",
    "fromagent", "fromcustomer", "sender", "author", "from", "speaker", "createdby", "type", "messagetype",
)  # fmt: skip
TEXT = (
    "plainbody", "bodytext", "body", "message", "messagebody", "messagetext", "text", "content", "comment",
    "commentbody",
)  # fmt: skip
TIME = (
    "createdat", "created", "timestamp", "sentat", "createdtime", "createddate", "datetime", "date", "time", "postedat",
)  # fmt: skip
PRIVATE = ("private", "isprivate", "internal", "isinternal", "isnote", "internalnote")
PUBLIC = ("public", "ispublic")
SORT = ("parttype", "messagetype", "threadtype", "eventtype", "type", "visibility", "kind")

CUSTOMER = {
    "customer", "user", "enduser", "requester", "client", "contact", "lead", "visitor", "guest", "consumer", "buyer",
    "inbound", "incoming", "in", "received",
}  # fmt: skip
AGENT = {
    "agent", "admin", "operator", "staff", "support", "rep", "representative", "employee", "team", "teammate",
    "company", "assistant", "bot", "outbound", "outgoing", "out", "sent", "message", "reply",
}  # fmt: skip
NOTES = {"note", "notes", "internal", "internalnote", "privatenote", "private", "internalcomment", "privatecomment"}
EVENTS = {"system", "automation", "workflow", "trigger", "event", "lineitem", "bulkaction", "activity"}
TRUE, FALSE = {"true", "1", "yes", "t", "y"}, {"false", "0", "no", "f", "n"}
CUSTOMERS_TRUE = {"inbound", "incoming", "isinbound", "isincoming", "iscustomer", "fromcustomer"}
AGENTS_TRUE = {"outbound", "outgoing", "isagent", "fromagent"}
_ODD = re.compile(r"[^a-z0-9]+")
_TAG = re.compile(
    r"<(?:br|/(?:p|div|span|a|b|i|u|em|strong|li|ul|ol|td|tr|h[1-6]|pre|font|body))\b[^<>]*>", re.IGNORECASE
)


def plain(name: str) -> str:
    """Return a name as these lists have it: "Ticket ID", ticketId and ticket_id are one."""
    return _ODD.sub("", name.casefold())


def column(table: Table, *wanted: str) -> list[str]:
    """Return the columns that have one of these names, in the order of the names."""
    named: dict[str, str] = {}
    for name in table.names:
        named.setdefault(plain(name), name)
    return [named[name] for name in wanted if name in named]


def marked_up(text: str) -> bool:
    """Say whether a text has tags of HTML that messages are written with."""
    return bool(_TAG.search(text))


def in_html(values: Iterable[Any]) -> bool:
    """Say whether messages are written in HTML: half of those that say something have its tags."""
    said = [value for value in values if isinstance(value, str) and value.strip()]
    return bool(said) and 2 * sum(map(marked_up, said)) >= len(said)


def word(value: Any) -> str:
    """Return what a cell says, plainly; an author that is an object says its type or role."""
    if isinstance(value, dict):
        value = value.get("type") or value.get("role") or ""
    return plain(str(value)) if value is not None else ""


class Speakers:
    """Says whose a message is from what a column holds."""

    def __init__(self, table: Table, name: str) -> None:
        self.name, self._plain = name, plain(name)
        self._said = {word(value) for value in table.values(name)} - {""}
        # Help Scout calls those who answer users, and those who ask customers
        self._staffed = {"user", "customer"} <= self._said and not self._said & AGENT

    def side_of(self, value: Any) -> Side | None:
        """Return whose a message is, "aside" for notes and events, None if that cannot be told."""
        return self._side(word(value))

    def _side(self, said: str) -> Side | None:
        if said in TRUE | FALSE and self._plain in CUSTOMERS_TRUE | AGENTS_TRUE:
            return "user" if (said in TRUE) == (self._plain in CUSTOMERS_TRUE) else "assistant"
        if said in AGENT or (said == "user" and self._staffed):
            return "assistant"
        if said in CUSTOMER:
            return "user"
        return "aside" if said in NOTES | EVENTS else None

    @property
    def known(self) -> bool:
        """Whether all that the column holds is sides, and both are there."""
        sides = {self._side(said) for said in self._said}
        return None not in sides and {"user", "assistant"} <= sides


class Hidden:
    """Finds the messages that customers never saw."""

    def __init__(self, table: Table, side: str) -> None:
        self._private = [name for name in column(table, *PRIVATE) if _yes_or_no(table, name)]
        self._public = [name for name in column(table, *PUBLIC) if _yes_or_no(table, name)]
        self._sorts = [name for name in column(table, *SORT) if name != side]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say so."""
        return (*self._private, *self._public, *self._sorts)

    def __contains__(self, row: Row) -> bool:
        return (
            any(word(row.get(name)) in TRUE for name in self._private)
            or any(word(row.get(name)) in FALSE for name in self._public)
            or any(word(row.get(name)) in NOTES | EVENTS for name in self._sorts)
        )


def _yes_or_no(table: Table, name: str) -> bool:
    return {word(value) for value in table.values(name)} <= TRUE | FALSE | {""}
