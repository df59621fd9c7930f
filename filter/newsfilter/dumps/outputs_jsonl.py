"""Shards as JSONL, plain or packed with zstd. The spool holds the lines as they will be."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from newsfilter.dumps.outputs_rows import OURS, Facts, Target, encode_json
from newsfilter.dumps.outputs_spool import Item
from newsfilter.errors import OutputError

ZSTD_LEVEL = 3  # zstd's own default, and Parquet's here


class JsonlPacker:
    """Turns one document into its two lines, without their line breaks."""

    def __init__(self, target: Target) -> None:
        if target.format == "jsonl.zst":
            _zstandard()  # that it is missing is said before the first document
        self._names = target.names()
        self._known = {name for name, _ in target.columns.types}
        self._reserved = {name.casefold() for name in self._names.values()}
        self._out_field = target.out_field

    def pack(self, facts: Facts, columns: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return an article's line: our columns, then the input's as they were; and nothing beside it.

        A column of the input that was not known before the run and would take the place of one of ours goes into ``columns``.
        """
        beside: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        for name, value in columns.items():
            if name != self._out_field:
                (beside if name not in self._known and name.casefold() in self._reserved else theirs)[name] = value
        ours = {self._names[name]: facts.get(name) for name in OURS}
        ours[self._names["columns"]] = encode_json(beside).decode() if beside else None
        return encode_json({**ours, **theirs}), b""

    def record(self, identity: str, record: bytes) -> bytes:
        """Return a record's line: its JSON as a string, so that a reader of tables need not know its shape."""
        return encode_json({"id": identity, "record": record.decode().rstrip("\n")})


@contextmanager
def jsonl_shard(target: Target, articles: Path, records: Path) -> Iterator[Callable[[Item], None]]:
    """Open a shard's two files; what it gives is called with each document."""
    packed = target.format == "jsonl.zst"
    with open_packed(articles, packed=packed) as rows, open_packed(records, packed=packed) as beside:

        def write(item: Item) -> None:
            rows.write(item.article + b"\n")
            beside.write(item.record + b"\n")

        yield write


@contextmanager
def open_packed(path: Path, *, packed: bool) -> Iterator[BinaryIO]:
    """Open a shard's file for writing; `packed` packs it with zstd."""
    with path.open("wb") as stream:
        if not packed:
            yield stream
            return
        with _zstandard().ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).stream_writer(stream, closefd=False) as packer:
            yield packer


def _zstandard() -> Any:
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise OutputError("zstandard is missing, which packs JSONL; pip install 'newsfilter[zstd]', or ask for plain JSONL") from None
    return zstandard
