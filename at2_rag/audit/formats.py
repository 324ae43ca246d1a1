"""Records as files: JSON lines, and Parquet with a column for each field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Literal

from at2_rag.audit.inputs import parquet
from at2_rag.audit.records import PREFIX, WHOLE

RecordFormat = Literal["jsonl", "parquet"]

#: Types of the columns that an audit adds, as Arrow calls them.
_TYPES = {
    "at2_row": "string",
    "at2_statements": "int32",
    "at2_supported": "int32",
    "at2_unsupported": "int32",
    "at2_supported_share": "float64",
    "at2_ungrounded": "int32",
    "at2_refused": "bool",
    "at2_citations": "int32",
    "at2_passages": "int32",
    "at2_used": "list",
    "at2_never_used": "list",
    "at2_enough": "int32",
    "at2_unused_tokens": "int32",
    "at2_prompt_tokens": "int32",
    "at2_answer_tokens": "int32",
    "at2_truncated": "bool",
    "at2_answer": "string",
    WHOLE: "string",
}


def encode(records: Sequence[dict[str, Any]], kind: RecordFormat, schema: Any = None) -> bytes:
    """Return records as a file.

    Args:
        records: What there is to keep, in order.
        kind: JSON lines or Parquet.
        schema: The Arrow schema of the rows' own columns, for Parquet; with ``None``, texts are
            kept as they are, and anything else as JSON.

    Raises:
        MissingExtraError: If Parquet is wanted, and pyarrow is not installed.
    """
    return _as_parquet(records, schema) if kind == "parquet" else as_json_lines(records)


def decode(data: bytes, kind: RecordFormat) -> list[dict[str, Any]]:
    """Return the records of a file; those from Parquet with the whole answer unpacked.

    Raises:
        MissingExtraError: If it is Parquet, and pyarrow is not installed.
        ValueError: If it is damaged.
    """
    if kind == "jsonl":
        return [json.loads(line) for line in data.splitlines()]
    rows = parquet().read_table(BytesIO(data)).to_pylist()
    return [{**row, WHOLE: json.loads(row[WHOLE])} for row in rows]


def as_json_lines(values: Iterable[dict[str, Any]]) -> bytes:
    """Return one JSON object a line, in ASCII; what JSON does not know, such as a date, as text."""
    return "".join(f"{json.dumps(value, default=str)}\n" for value in values).encode()


def _as_parquet(records: Sequence[dict[str, Any]], schema: Any) -> bytes:
    writer = parquet()
    import pyarrow

    fields = _carried(pyarrow, records, schema)
    own = pyarrow.list_(pyarrow.int32())
    fields += [
        pyarrow.field(name, own if kind == "list" else getattr(pyarrow, _CALLED.get(kind, kind))())
        for name, kind in _TYPES.items()
    ]
    rows = [_flat(record, as_text=schema is None) for record in records]
    sink = BytesIO()
    writer.write_table(pyarrow.Table.from_pylist(rows, pyarrow.schema(fields)), sink)
    return sink.getvalue()


_CALLED = {"bool": "bool_"}


def _carried(pyarrow: Any, records: Sequence[dict[str, Any]], schema: Any) -> list[Any]:
    """Return the fields of the rows' own columns."""
    if schema is not None:
        return [field for field in schema if not field.name.startswith(PREFIX)]
    names = dict.fromkeys(name for record in records for name in record if name not in _TYPES)
    return [pyarrow.field(name, pyarrow.string()) for name in names]


def _flat(record: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    return {
        name: _text(value) if name == WHOLE or (as_text and name not in _TYPES) else value
        for name, value in record.items()
    }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str)
