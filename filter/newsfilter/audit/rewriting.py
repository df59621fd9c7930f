"""Shards written again: the articles' rows as they were, but for what a policy decides, and the new records beside them."""

import hashlib
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import newsfilter
from newsfilter.audit.reapply import Reapplied
from newsfilter.dumps.outputs_jsonl import ZSTD_LEVEL, open_packed
from newsfilter.dumps.outputs_marker import ARTICLES, RECORDS
from newsfilter.dumps.outputs_rows import OURS, encode_json, stem
from newsfilter.dumps.outputs_store import Store
from newsfilter.dumps.readers.opening import open_binary
from newsfilter.dumps.results import Row, Run
from newsfilter.dumps.writing import stopped_by
from newsfilter.errors import RecordError

CHANGED = ("text", "language", "status", "reasons")  # our columns of articles that a policy decides


class Rewriter(Protocol):
    """Takes what became of a shard's documents, in order, and writes its files."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def take(self, new: Reapplied, row: Row | None) -> None:
        """Take a document, and its row of articles. Rows of which nothing is taken are left out."""

    def finish(self) -> dict[str, Any]:
        """Write the files and return what the marker says of them."""


def rewriter_of(run: Run, store: Store, number: int, settings: str) -> Rewriter:
    """Return the rewriter of one shard; `settings` is the digest of the policy's."""
    if run.format == "files":
        return _Files()
    return (_Parquet if run.format == "parquet" else _Jsonl)(run, store, number, settings)


class _Files:
    """Of ``--to files``, where each document's files are written by themselves."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def take(self, _new: Reapplied, _row: Row | None) -> None:
        return

    def finish(self) -> dict[str, Any]:
        return {}


class _Shard:
    """What both formats have in common: two files under temporary names, put in their places at the end."""

    def __init__(self, run: Run, store: Store, number: int, settings: str) -> None:
        self.run, self.settings, self._store = run, settings, store
        self.names = [f"{folder}/{stem(number)}.{run.format}" for folder in (ARTICLES, RECORDS)]
        self.paths = [store.scratch(name) for name in self.names]
        self.rows = 0
        self.files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def put(self) -> dict[str, Any]:
        """Put the complete files in their places."""
        outputs = {}
        try:
            for name, path in zip(self.names, self.paths, strict=True):
                outputs[name] = {"rows": self.rows, **_digest(path)}
                self._store.put(path, name)
        except OSError as error:
            raise stopped_by(error, Path(self._store.name(self.names[0]))) from error
        return outputs


class _Jsonl(_Shard):
    """Writes each row as it comes."""

    def __enter__(self) -> Self:
        packed = self.run.format == "jsonl.zst"
        self._streams = [self.files.enter_context(open_packed(path, packed=packed)) for path in self.paths]
        return self

    def take(self, new: Reapplied, row: Row | None) -> None:
        if row is None:
            raise RecordError("the article's row is missing")
        names = dict(zip(OURS, row, strict=False))
        changed = {names[name]: value for name, value in _columns(new).items()}
        self._streams[0].write(encode_json({**row, **changed}) + b"\n")
        self._streams[1].write(encode_json({"id": new.line["id"], "record": new.record.decode().rstrip("\n")}) + b"\n")
        self.rows += 1

    def finish(self) -> dict[str, Any]:
        self.files.close()
        return self.put()


class _Parquet(_Shard):
    """Holds what changes, texts among it, until it has all of a shard, whose size is bounded; then goes through the row groups."""

    def __init__(self, run: Run, store: Store, number: int, settings: str) -> None:
        super().__init__(run, store, number, settings)
        self._new: dict[str, deque[_Change]] = {}

    def take(self, new: Reapplied, _row: Row | None) -> None:
        self._new.setdefault(new.line["id"], deque()).append(_Change(_columns(new), new.record.decode().rstrip("\n")))

    def finish(self) -> dict[str, Any]:
        with self.files:
            self._write()
        return self.put()

    def _write(self) -> None:
        """Write row groups of the same rows as before, all columns but ours as Arrow has them."""
        import pyarrow as pa  # noqa: PLC0415 - an extra, and 100 ms
        import pyarrow.parquet as pq  # noqa: PLC0415

        old = [pq.ParquetFile(self.files.enter_context(open_binary(self.run.store.name(name)))) for name in self.names]
        made = {b"newsfilter.version": newsfilter.__version__.encode(), b"newsfilter.settings": self.settings.encode()}
        schemas = [file.schema_arrow.with_metadata({**(file.schema_arrow.metadata or {}), **made}) for file in old]
        writers = [
            self.files.enter_context(pq.ParquetWriter(path, schema, compression="zstd", compression_level=ZSTD_LEVEL))
            for path, schema in zip(self.paths, schemas, strict=True)
        ]
        for number in range(old[0].num_row_groups):
            table = old[0].read_row_group(number)
            changes = [self._change(str(identity)) for identity in table.column(0).to_pylist()]
            if not all(changes):
                table = table.filter(pa.array([change is not None for change in changes]))
            found = [change for change in changes if change is not None]
            if not found:
                continue
            self.rows += len(found)
            for name in CHANGED:
                place = OURS.index(name)
                field = schemas[0].field(place)
                table = table.set_column(place, field, pa.array([change.columns[name] for change in found], field.type))
            records = pa.table([table.column(0), pa.array([change.record for change in found], pa.string())], schema=schemas[1])
            for writer, group in zip(writers, (pa.table(table.columns, schema=schemas[0]), records), strict=True):
                writer.write_table(group, row_group_size=len(found))

    def _change(self, identity: str) -> "_Change | None":
        """What becomes of the next row of that id; None: it is left out."""
        waiting = self._new.get(identity)
        return waiting.popleft() if waiting else None


def _columns(new: Reapplied) -> dict[str, Any]:
    line = new.line
    text = None if line["status"] == "rejected" else new.body
    return {"text": text, "language": line["language"], "status": line["status"], "reasons": [reason["code"] for reason in line["reasons"]]}


class _Change(NamedTuple):
    columns: dict[str, Any]  # the values of `CHANGED`
    record: str


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
