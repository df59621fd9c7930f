"""Readers of files that hold many documents. Each module has `split` and `read`, as `Reader` says."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from newsfilter.dumps.documents import Item
from newsfilter.dumps.failures import MissingLibraryError


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How containers are read."""

    max_bytes: int  # of one document, unpacked; 0: no limit
    text_field: str | None = None  # columns by name; None: guessed from the usual names
    html_field: str | None = None
    url_field: str | None = None
    id_field: str | None = None
    shard_bytes: int = 64_000_000  # of a WARC or a plain JSONL that one shard covers
    shard_documents: int = 500  # loose files in a shard, and records of a stream that cannot be split


class Reader(Protocol):
    """What each reader module offers. A record belongs to the range that its first byte, or its row group, lies in."""

    def split(self, path: str, uri: str, options: ReadOptions) -> Iterator[tuple[int, int | None]]:
        """Yield the ranges (start, stop) that can be read by themselves, cheaply; one (0, None) where the format cannot be split.

        Raises
        ------
        InputError
            When the file as a whole cannot be read, such as one without the column that was asked for.
        """

    def read(self, path: str, uri: str, start: int, stop: int | None, options: ReadOptions) -> Iterator[Item]:
        """Yield the records of a range in order. One bad record is a `Failed` and the rest goes on; nothing is lost and nothing is raised for it."""


FORMATS = {"warc": "warc", "jsonl": "jsonl", "csv": "csv_rows", "parquet": "parquet", "zip": "archives", "tar": "archives"}
"""Format -> its module here."""


def reader_of(kind: str) -> Reader:
    """Import the reader of a format, and no other: each brings a library of its own.

    Raises
    ------
    MissingLibraryError
        When that library is not there; names the extra to install.
    """
    try:
        return cast(Reader, import_module(f"newsfilter.dumps.readers.{FORMATS[kind]}"))
    except ImportError as error:
        raise MissingLibraryError(f"a library for {kind} files is missing ({error}); pip install 'newsfilter[{kind}]'") from None
