"""Rows of Parquet, numbered from 1. A file's own claims about its sizes are not trusted."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from whet.data.scan import MAX_DEPTH, MAX_LINE_BYTES, Findings, Line, Refused, refuse_odd

MAX_GROUP_BYTES = 2**29
MAX_TABLE_BYTES = 2**32
MAX_RATIO = 200
FREE_BYTES = 2**26
ROW_BYTES = 100  # what an empty row costs
BATCH_ROWS = 256


def parquet_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the rows; only columns of text, numbers, lists and structs are read.

    Text stays dictionary-encoded until its row's turn comes, so that a value repeated a million times is held
    once, and what has been decoded is counted against caps on the total and on its ratio to the file.
    """
    try:
        yield from _rows(path, found, notes)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError) as error:
        first = str(error).partition("\n")[0][:200]
        raise found.stop(0, f"not a Parquet file that can be read ({first}); write it again") from None


def _rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    with pq.ParquetFile(path) as plain:
        schema, metadata = plain.schema, plain.metadata
        leaves = [schema.column(index) for index in range(len(schema))]
        columns = [field.name for field in plain.schema_arrow if _plain(field.type)]
        left = [field.name for field in plain.schema_arrow if not _plain(field.type)]
        for index in range(metadata.num_row_groups):
            size = metadata.row_group(index).total_byte_size
            if not 0 <= size <= MAX_GROUP_BYTES:
                what = f"row group {index + 1} claims {size:,} bytes; write row groups of at most"
                raise found.stop(0, f"{what} {MAX_GROUP_BYTES // 2**20} MiB")
    if len({*columns, *left}) < len(columns) + len(left):
        raise found.stop(0, "two columns have one name; give every column its own name")
    if left:
        notes.append(f"columns of a type that is not read: {', '.join(left)}")
    if not columns:
        raise found.stop(0, "no column of text, numbers, lists or structs; write one row per example")
    encoded = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    limit = min(MAX_TABLE_BYTES, max(FREE_BYTES, MAX_RATIO * path.stat().st_size))
    total, number = 0, 0
    with pq.ParquetFile(path, read_dictionary=encoded) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            for index in range(batch.num_rows):
                number += 1
                row = {name: _value(batch.column(name)[index].as_py()) for name in columns}
                size = ROW_BYTES + sum(map(_size, row.values()))
                total += size
                if total > limit:
                    what = f"the rows so far hold over {limit // 2**20} MiB of text, far more than the file"
                    raise found.stop(number, f"{what}; split the file")
                if size > MAX_LINE_BYTES:
                    found.add(number, f"the row is over {MAX_LINE_BYTES // 2**20} MiB; split it or remove it")
                    continue
                try:
                    refuse_odd(row)
                except Refused as error:
                    found.add(number, str(error))
                    continue
                yield Line(number, row)


def _plain(kind: pa.DataType, depth: int = 0) -> bool:
    """Return whether a column holds only text, numbers, true/false, lists and structs."""
    if depth > MAX_DEPTH:
        return False
    if types.is_list(kind) or types.is_large_list(kind):
        return _plain(kind.value_type, depth + 1)
    if types.is_struct(kind):
        return all(_plain(kind.field(index).type, depth + 1) for index in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _plain(kind.value_type, depth + 1)
    text = types.is_string(kind) or types.is_large_string(kind)
    return bool(
        text or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)
    )


def _value(value: Any) -> Any:
    """Return a cell as JSON would hold it: NaN, which writers use for a missing number, is null."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {name: _value(part) for name, part in value.items()}
    return [_value(part) for part in value] if isinstance(value, list) else value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 8
