"""Records exported from Argilla: of 2.x, flat or not; feedback data sets of 1.x, also from the hub; records of 1.x."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable
from whet.data.shapes._annotators import Fields, Kind, Verdicts, text_kind
from whet.data.shapes._desk import plain
from whet.types import Example

__all__ = ["argilla"]

SUBMITTED = {"submitted", None}
HUB = {"user_id", "value", "status"}
OLD = ("inputs", "annotation", "prediction", "annotation_agent", "prediction_agent")
DISCARDED = "responses were discarded or are drafts, and do not count"


def argilla(table: Table, data: Data) -> Reading | None:
    """`fields` and `responses`, `QUESTION.responses`, `QUESTION-suggestion`, or `inputs` and `annotation` of Argilla.

    Labels, texts, ratings of a reply and rankings of fields are read, where they were submitted; suggestions and
    predictions never are. Where annotators choose differently, the record is left out and named. `data.columns` may
    name the fields (`text`, `prompt`, `completion`) and, as `label`, the question whose answers count.
    """
    form = next((made for make in (_nested, _flat, _hub, _old) if (made := make(table))), None)
    if form is None:
        return None
    said = [one for row in table.rows for one in form.answers(row)]
    items = [form.item(row) for row in table.rows]
    questions = list(dict.fromkeys(name for name, _, _ in said))
    wanted = data.columns.get("label")
    fields = Fields(items, data)
    for question in [wanted] if wanted else questions:
        values = [value for name, value, status in said if name == question and status in SUBMITTED]
        sort = _sort(question, values, fields, form.texts)
        replies = _ranked(values, fields) if sort == "order" else fields.replies(sort) if sort else ()
        asked = fields.asked
        if sort and asked and asked not in replies and (sort != "rating" or replies or _ends(items, asked)):
            return _reading(table, form, fields, question, Verdicts(sort, asked, replies, values, "records"))
    return None


class _Form:
    """One of the forms in which records are exported."""

    def __init__(
        self,
        columns: Sequence[str],
        item: Callable[[Row], Mapping[str, Any]],
        answers: Callable[[Row], list[tuple[str, Any, str | None]]],
        texts: Kind | None = None,
    ) -> None:
        self.columns, self.item, self.answers = tuple(columns), item, answers
        self.texts = texts  # what answers are that are texts, where the form says so


def _reading(table: Table, form: _Form, fields: Fields, question: str, verdicts: Verdicts) -> Reading:
    def convert(row: Row) -> list[Example]:
        given = [(value, status) for name, value, status in form.answers(row) if name == question]
        kept = [value for value, status in given if status in SUBMITTED]
        if len(kept) < len(given):
            verdicts.left[DISCARDED] += len(given) - len(kept)
        said = [_plain(value, verdicts.replies) for value in kept if value is not None]
        name = str(row.get("id") or row.get("external_id") or "?")
        return verdicts.examples(form.item(row), said, name)

    about = f", about {' and '.join(verdicts.replies)}" if verdicts.replies else ""
    how = f"{fields.asked} -> user, responses to {question} -> {verdicts.how}{about}"
    names = dict.fromkeys(name for row in table.rows for name, _, _ in form.answers(row))
    others = [name for name in names if name != question]
    if others:
        how += f"; questions not used: {', '.join(others)} (data.columns.label names the one that counts)"
    return Reading(f"read as argilla: {how}", form.columns, convert, told=verdicts.told, names=(*fields.names, *names))


def _nested(table: Table) -> _Form | None:
    """Read `fields` and `responses`, by question (2.x) or by annotator (feedback data sets of 1.x)."""
    fields, responses = table.find("fields"), table.find("responses")
    if fields is None or responses is None or table.kind(fields) != "an object":
        return None

    def answers(row: Row) -> list[tuple[str, Any, str | None]]:
        given = row.get(responses) or {}
        if isinstance(given, dict):
            return [(name, *_answer(one)) for name, ones in given.items() for one in _list(ones)]
        return [
            (name, one["value"], _state(response.get("status")))
            for response in _list(given)
            for name, one in _object(response.get("values")).items()
            if isinstance(one, dict) and "value" in one
        ]

    return _Form((fields, responses), lambda row: _object(row.get(fields)), answers)


def _flat(table: Table) -> _Form | None:
    """Read `QUESTION.responses` beside the fields: records of 2.x as data sets, or flattened."""
    questions = [name.removesuffix(".responses") for name in table.names if name.endswith(".responses")]
    if not questions or not any(f"{name}.responses.status" in table.names for name in questions):
        return None

    def answers(row: Row) -> list[tuple[str, Any, str | None]]:
        found = []
        for name in questions:
            values, states = row.get(f"{name}.responses"), row.get(f"{name}.responses.status")
            if isinstance(values, list):
                known = states if isinstance(states, list) else [None] * len(values)
                found += [(name, value, _state(state)) for value, state in zip(values, known, strict=False)]
        return found

    def item(row: Row) -> Mapping[str, Any]:
        return {name: value for name, value in row.items() if "." not in name and name not in ABOUT}

    return _Form((), item, answers)


ABOUT = {"id", "status", "_server_id", "metadata", "vectors", "external_id", "inserted_at", "updated_at"}


def _hub(table: Table) -> _Form | None:
    """Read the form on the hub of feedback data sets of 1.x: a list of responses in a column of the question's name."""
    questions = [name for name in table.names if f"{name}-suggestion" in table.names]
    if not questions:
        return None

    def answers(row: Row) -> list[tuple[str, Any, str | None]]:
        return [(name, *_answer(one)) for name in questions for one in _columns(row.get(name))]

    def item(row: Row) -> Mapping[str, Any]:
        taken = {*questions, *(f"{name}-suggestion" for name in questions), *ABOUT}
        return {name: value for name, value in row.items() if name not in taken}

    return _Form((), item, answers)


def _old(table: Table) -> _Form | None:
    """Read the records of 1.x: `inputs` (or `text`), `annotation` and the `status` of the whole record."""
    if not all(name in table.names for name in ("annotation", "prediction", "status")):
        return None
    if not any(name in table.names for name in OLD[3:]) or "tokens" in table.names:
        return None

    def item(row: Row) -> Mapping[str, Any]:
        inputs = row.get("inputs")
        if isinstance(inputs, dict) and any(isinstance(value, str) and value for value in inputs.values()):
            return inputs
        return {"text": row.get("text") or (inputs if isinstance(inputs, str) else None)}

    def answers(row: Row) -> list[tuple[str, Any, str | None]]:
        value = row.get("annotation")
        state = "discarded" if str(row.get("status")).casefold() == "discarded" else None
        return [] if value in (None, "", []) else [("annotation", value, state)]

    labels = any(name in table.names for name in ("inputs", "multi_label"))
    return _Form(("annotation",), item, answers, "label" if labels else "text")


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _columns(value: Any) -> list[dict[str, Any]]:
    """Return responses as rows, also where they are written as columns (an object of lists)."""
    if isinstance(value, dict) and set(value) == HUB and all(isinstance(one, list) for one in value.values()):
        return [dict(zip(value, one, strict=False)) for one in zip(*value.values(), strict=False)]
    return _list(value)


def _answer(one: dict[str, Any]) -> tuple[Any, str | None]:
    return one.get("value"), _state(one.get("status"))


def _state(status: Any) -> str | None:
    return None if status is None else str(status)


def _sort(question: str, values: list[Any], fields: Fields, texts: Kind | None) -> Kind | None:
    """Return what the answers to a question are; None if none of the shapes has a place for them."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "rating" if len(set(values)) > 1 else None
    if all(isinstance(value, str) for value in values):
        return texts or text_kind(question, values)
    if all(isinstance(value, list) and all(isinstance(one, str) for one in value) for value in values):
        return "label" if all(len(value) == 1 for value in values) else "labels"
    return "order" if _ranked(values, fields) else None


def _ranked(values: list[Any], fields: Fields) -> tuple[str, ...]:
    """Return the fields that rankings are of; none if they rank something else."""
    named = {plain(name): name for name in fields.names}
    found = dict.fromkeys(plain(str(one.get("value"))) for value in values for one in _list(value) if "rank" in one)
    return tuple(named[name] for name in found) if found and all(name in named for name in found) else ()


def _plain(value: Any, ranked: Sequence[str]) -> Any:
    """Return an answer so that answers that say the same are equal; a ranking names fields."""
    if not isinstance(value, list):
        return value
    if not any(isinstance(one, dict) for one in value):
        return tuple(sorted(map(str, value)))
    named = {plain(name): name for name in ranked}
    ranks = {named.get(plain(str(one.get("value")))): one.get("rank") for one in _list(value)}
    if None in ranks or not all(isinstance(rank, int) for rank in ranks.values()):
        raise Unusable("the ranking is not of fields with ranks; write [{'value': field, 'rank': 1}, ...]")
    return tuple(sorted(ranks.items()))


def _ends(items: Sequence[Mapping[str, Any]], asked: str) -> bool:
    """Say whether what is asked are conversations that end with the reply."""
    talks = [item[asked] for item in items if isinstance(item.get(asked), list)]
    return bool(talks) and all(talk and _object(talk[-1]).get("role") == "assistant" for talk in talks)
