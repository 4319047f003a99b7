"""Tasks exported from Label Studio as JSON, with all that its annotators said."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._annotators import Fields, Kind, Verdicts
from whet.types import Example

__all__ = ["label_studio"]

KINDS = {"choices": "choices", "textarea": "text", "rating": "rating", "pairwise": "selected"}


def label_studio(table: Table, data: Data) -> Reading | None:
    """`data` (an object) and `annotations` (lists with `result`), as Label Studio exports JSON.

    Choices are labels, text areas answers, ratings feedback on a reply, pairwise choices preferences. Annotations that
    were skipped do not count; where one is marked as ground truth, only that does. Where annotators choose differently,
    the task is left out and named. `data.columns` may name the fields of `data` (`text`, `prompt`, `completion`) and,
    as `label`, whose results count.
    """
    items, tasks = table.find("data"), table.find("annotations")
    if items is None or tasks is None:
        return None
    rows = [row for row in table.rows if isinstance(row.get(items), dict)]
    results = [one for row in rows for annotation in _annotations(row, tasks) for one in _results(annotation)]
    control = _control(results, data.columns.get("label"))
    if control is None:
        return None
    of_it = [one for one in results if one.get("from_name") == control and str(one.get("type")) in KINDS]
    fields = Fields([row[items] for row in rows], data, *(str(one.get("to_name")) for one in of_it[:1]))
    sort = _sort(control, of_it)
    replies = fields.replies(sort)
    if fields.asked is None or (sort in ("rating", "side") and not replies):
        return None
    values = [value for one in of_it if (value := _value(one)) is not None]
    verdicts = Verdicts(sort, fields.asked, replies, values, "tasks")
    if sort == "rating" and not verdicts.scaled:
        return None

    def convert(row: Row) -> list[Example]:
        item = row.get(items)
        if not isinstance(item, dict):
            raise Unusable(f"{items!r} is {kind(item)}, not an object; export the task again")
        return verdicts.examples(item, _said(row, tasks, control, verdicts.left), str(row.get("id", "?")))

    how = f"{items}.{fields.asked} -> user, results of {control} -> {verdicts.how}"
    how += f", about {' and '.join(replies)}" if replies else ""
    others = sorted({str(one.get("from_name")) for one in results} - {control})
    if others:
        how += f"; results not used: {', '.join(others)} (data.columns.label names those that count)"
    names = (*fields.names, *(str(one.get("from_name")) for one in results))
    return Reading(f"read as label_studio: {how}", (items, tasks), convert, told=verdicts.told, names=names)


def _annotations(row: Row, column: str) -> list[dict[str, Any]]:
    value = row.get(column)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _results(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = annotation.get("result")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _control(results: list[dict[str, Any]], wanted: str | None) -> str | None:
    """Return the name of the control whose results count: the one that is wanted, else the most frequent."""
    readable = (one.get("from_name") for one in results if str(one.get("type")) in KINDS)
    names = Counter(name for name in readable if isinstance(name, str))
    if wanted is not None:
        return wanted if wanted in names else None
    return names.most_common(1)[0][0] if names else None


def _sort(control: str, results: list[dict[str, Any]]) -> Kind:
    sorts: dict[str, Kind] = {"textarea": "text", "rating": "rating", "pairwise": "side"}
    if results[0]["type"] in sorts:
        return sorts[results[0]["type"]]
    return "labels" if any(isinstance(_value(one), tuple) for one in results) else "label"


def _value(result: Mapping[str, Any]) -> Any:
    """Return what a result says: a text, a number, or a tuple of several choices; None if nothing."""
    value = result.get("value")
    said = value.get(KINDS.get(str(result.get("type")), "")) if isinstance(value, dict) else None
    if isinstance(said, list):
        texts = [str(one) for one in said if str(one).strip()]
        if result.get("type") == "textarea":
            return "\n\n".join(texts) or None
        return texts[0] if len(texts) == 1 else tuple(sorted(texts)) or None
    return said if said != "" else None


def _said(row: Row, column: str, control: str, left: Counter[str]) -> list[Any]:
    """Return what each annotator said, of those that count."""
    given = _annotations(row, column)
    kept = [one for one in given if not one.get("was_cancelled")]
    if len(kept) < len(given):
        left["annotations were skipped by their annotators and do not count"] += len(given) - len(kept)
    return list(_sayings([one for one in kept if one.get("ground_truth")] or kept, control))


def _sayings(annotations: list[dict[str, Any]], control: str) -> Iterator[Any]:
    for annotation in annotations:
        values = [_value(one) for one in _results(annotation) if one.get("from_name") == control]
        values = [value for value in values if value is not None]
        if len(values) == 1:
            yield values[0]
        elif values and all(isinstance(value, str) for value in values):
            yield "\n\n".join(values)
        elif values:
            raise Unusable(f"an annotation has {len(values)} results of {control!r}; keep one of them")
