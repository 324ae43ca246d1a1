"""Records on disk, one a line, beside what they were measured with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from at2_rag.errors import FileFormatError, InputError
from at2_rag.estimators.fingerprints import record_fingerprint
from at2_rag.reader import Reader
from at2_rag.runs.manifest import differences, reader_manifest

from at2_rag_experiments.base import ExperimentConfig, Item, Record

_CONFIG = "config.json"
_RECORDS = "records.jsonl"


def identity(name: str, config: ExperimentConfig, reader: Reader) -> dict[str, Any]:
    """Return what the records of an experiment depend on, as plain JSON types.

    The number of examples is not in it: more of them add to the records that there are.
    """
    told = {key: value for key, value in asdict(config).items() if key != "examples"}
    found = {
        "experiment": name,
        "config": told,
        "estimator": {
            "kind": reader.estimator.kind,
            "content": record_fingerprint(reader.estimator.record),
        },
        **reader_manifest(reader),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


class RecordStore:
    """The records of one experiment in a folder; what was begun there goes on.

    A line that was cut off while it was written is forgotten, and its item measured again.

    Args:
        folder: Folder of the records; made if it is not there.
        config: What the records depend on, as :func:`identity` returns it.

    Raises:
        InputError: If the folder belongs to another experiment, config, model or estimator.
        FileFormatError: If it cannot be read or written.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._path = folder / _RECORDS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check_config(folder, config)
            self._records = _read(self._path)
        except OSError as error:
            raise FileFormatError(
                f"{folder} cannot be used as a folder of results: {error.strerror or error}."
            ) from error

    def get(self, item: Item) -> Record | None:
        """Return an item's record, or ``None`` if it was not measured yet.

        Raises:
            InputError: If an item of this id was measured, and was another one.
        """
        line = self._records.get(item.id)
        if line is None:
            return None
        if line["fingerprint"] != item.fingerprint:
            raise InputError(
                f"{self._path}: the item {item.id!r} was measured on other data of that id; "
                "expected the same. Choose another folder, or bring the old data back."
            )
        record: Record = line["record"]
        return record

    def add(self, item: Item, record: Record) -> Record:
        """Write an item's record, and return it as it will be read again."""
        line = {"id": item.id, "fingerprint": item.fingerprint, "record": record}
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text + "\n")
        self._records[item.id] = json.loads(text)
        written: Record = self._records[item.id]["record"]
        return written


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    path = folder / _CONFIG
    if not path.exists():
        if (folder / _RECORDS).exists():
            raise InputError(f"{folder} holds {_RECORDS} without {_CONFIG}; choose another folder.")
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileFormatError(f"{path}: malformed JSON: {error}.") from error
    if found := differences(stored, config):
        raise InputError(
            f"{folder} holds results of another run: {'; '.join(found)}. Choose another folder, or "
            "give what it was begun with."
        )


def _read(path: Path) -> dict[str, Record]:
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        # Whoever wrote it was stopped within a line, and may append only behind whole ones.
        path.write_bytes(whole)
    found: dict[str, Record] = {}
    for number, text in enumerate(whole.decode("utf-8", "replace").split("\n")[:-1], start=1):
        try:
            line = json.loads(text)
            found[line["id"]] = {name: line[name] for name in ("fingerprint", "record")}
        except (ValueError, KeyError, TypeError) as error:
            raise FileFormatError(
                f"{path}:{number}: no record of an experiment: {error}. Remove the line, and its "
                "item is measured again."
            ) from error
    return found
