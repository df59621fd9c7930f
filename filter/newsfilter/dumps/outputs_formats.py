"""What packs documents for the spool, and what writes a shard's files from it, by format; and which columns a run's outputs have."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from newsfilter.dumps.outputs_jsonl import JsonlPacker, jsonl_shard
from newsfilter.dumps.outputs_rows import Facts, InputColumns, Kind, Target, joined_kind
from newsfilter.dumps.outputs_spool import Item
from newsfilter.errors import OutputError

Write = Callable[[Item], None]


class Packer(Protocol):
    """Turns documents into what the spool keeps of them."""

    def pack(self, facts: Facts, columns: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return an article's row, and what of its columns the row does not hold."""

    def record(self, identity: str, record: bytes) -> bytes:
        """Return a row of records."""


class _Loose:
    """Of ``--to files``, where each document's files are written before it comes here: the spool keeps its ledger line alone."""

    def pack(self, _facts: Facts, _columns: Mapping[str, Any]) -> tuple[bytes, bytes]:
        return b"", b""

    def record(self, _identity: str, _record: bytes) -> bytes:
        return b""


def packer(target: Target) -> Packer:
    """Return what packs documents for a format. Raises OutputError when its library is missing."""
    if target.format == "files":
        return _Loose()
    packed: Packer = JsonlPacker(target) if target.format != "parquet" else _parquet().ParquetPacker(target)
    return packed


def writer(target: Target, files: list[Path]) -> AbstractContextManager[Write]:
    """Open a shard's files of articles and records; what it gives is called with each document. They are whole when it is left without an error."""
    if target.format == "files":
        return _nothing()
    opened: AbstractContextManager[Write] = (_parquet().parquet_shard if target.format == "parquet" else jsonl_shard)(target, *files)
    return opened


@contextmanager
def _nothing() -> Iterator[Write]:
    yield lambda _item: None


def merge_columns(each: Iterable[InputColumns]) -> InputColumns:
    """Return the columns of a run from those of its inputs: all names, in the order in which they come, each with a type that holds what is in all.

    >>> merge_columns([InputColumns((("a", "int64"),)), InputColumns((("b", "null"), ("a", "string")))]).types
    (('a', 'mixed'), ('b', 'null'))
    """
    types: dict[str, Kind | bytes] = {}
    for columns in each:
        for name, new in columns.types:
            old = types.get(name, "null")
            types[name] = joined_kind(old, new) if isinstance(old, str) and isinstance(new, str) else _parquet().joined(name, old, new)
    return InputColumns(tuple(types.items()))


def _parquet() -> Any:
    try:
        from newsfilter.dumps import outputs_parquet  # noqa: PLC0415 - pyarrow: an extra, and 100 ms
    except ImportError as error:
        raise OutputError(f"a library for Parquet is missing ({error}); pip install 'newsfilter[parquet]', or use --to jsonl") from None
    return outputs_parquet
