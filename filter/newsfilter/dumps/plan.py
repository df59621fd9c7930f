"""How a dump is cut into shards: loose files by count, containers by ranges of bytes or row groups, streams by what their one reader has read."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import groupby, islice
from typing import Any

from newsfilter.dumps.documents import Document, Failed, Item, Oversized, weight
from newsfilter.dumps.failures import AWAY, MissingLibraryError, ReadError
from newsfilter.dumps.names import Namer
from newsfilter.dumps.outputs_rows import SAMPLE_FILES, SAMPLE_ROWS, InputColumns, columns_of_rows
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.readers.columns import Columns
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.dumps.writing import StoppedError
from newsfilter.errors import InputError
from newsfilter.records import Source, document_id

SUFFIXES = {
    "warc": (".warc", ".warc.gz", ".warc.zst"),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".jsonlines", ".jsonlines.gz", ".jsonlines.zst"),
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst"),
    "zip": (".zip",),
    "tar": (".tar", ".tar.gz", ".tgz", ".tar.zst"),
}
"""Names by which files that hold many documents are known."""

SMALLEST, PARTS = 16, 64  # loose files of a shard at least; shards that a small dump is cut into, so that many workers have some
SMALLEST_BYTES = 4_000_000  # of a container's range at least, for the same reason
GIVEN_BYTES = 8_000_000  # bytes in memory that a shard of a stream carries to its worker at most
TABLES = frozenset({"jsonl", "csv", "parquet"})
_ARCHIVES = frozenset({"zip", "tar"})  # whose documents have names
_STREAMED = frozenset({"csv"}) | _ARCHIVES
_PACKED = (".gz", ".zst")


def format_of(uri: str) -> str | None:
    """Tell the format of a file that holds many documents, by its name; None for a document.

    >>> [format_of(name) for name in ("a/crawl.warc.gz", "news.JSONL", "page.html.gz")]
    ['warc', 'jsonl', None]
    """
    name = uri.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def place_of(uri: str, member: str | None, offset: int | None) -> str:
    """Say where in its file a document stands, in the unit of the file's format; "" for a file of its own.

    >>> place_of("a.warc.gz", None, 1024), place_of("rows.jsonl.gz#2", None, 3), place_of("a.zip", "b/c.html", None)
    ('byte 1024', 'row 3', 'b/c.html')
    """
    name = re.sub(r"#\d+$", "", uri)
    by_rows = format_of(name) in ("csv", "parquet") or (format_of(name) == "jsonl" and is_streamed(name, "jsonl"))
    return member or ("" if offset is None else f"{'row' if by_rows else 'byte'} {offset}")


def container_uri(uri: str, copy: int) -> str:
    """Return what a file of many documents is called in the ledger: its URI, and of a second file of that URI which one it is."""
    return uri if copy == 1 else f"{uri}#{copy}"


def is_streamed(uri: str, kind: str) -> bool:
    """Whether a file has one reader, which feeds the workers, because it can only be read from its beginning on."""
    return kind in _STREAMED or (kind == "jsonl" and uri.lower().endswith(_PACKED))


def columns_of(entries: Sequence[Entry], options: ReadOptions) -> list[InputColumns]:
    """Look into the first tables among the inputs for the columns that they have; faults are left to the reading."""
    found = []
    for entry in [entry for entry in entries if format_of(entry.uri) in TABLES][:SAMPLE_FILES]:
        kind = format_of(entry.uri) or ""
        with suppress(InputError, OSError):  # MissingLibraryError was met before: `check_libraries`
            if kind == "parquet":
                from newsfilter.dumps.outputs_parquet import columns_of_file  # noqa: PLC0415 - pyarrow: an extra, and 100 ms

                found.append(columns_of_file(entry.path))
            else:
                records = islice(reader_of(kind).read(entry.path, entry.uri, 0, None, options), SAMPLE_ROWS)
                found.append(columns_of_rows(item.columns for item in records if isinstance(item, Document) and item.columns is not None))
    return found


@dataclass(frozen=True, slots=True)
class Planned:
    """A shard, and what its records are to be called."""

    shard: Shard
    stems: tuple[str, ...]  # output names without suffix: of loose files and of an archive's members one each
    below: str = ""  # where there are no `stems`: the folder of a container's records, which are named by their places
    said: str = ""  # which columns of a table were guessed, for people
    fatal: bool = False  # reading it ends one process after the other
    unread: bool = False  # storage failed while it was planned: when it is back, there may be other shards from here on


def container_failed(uri: str, error: InputError | OSError) -> Failed:
    """Return a container, or the rest of one, that cannot be read, as the one document that fails for it."""
    if isinstance(error, ReadError):
        reason, detail = error.reason, error.detail
    elif isinstance(error, OSError):
        reason, detail = "unreadable", error.strerror or str(error)
    else:
        reason, detail = "unreadable-container", str(error).removeprefix(f"{uri}: ")
    return Failed(document_id(Source(b"", uri=uri)), uri, reason, detail)


def check_libraries(entries: Iterable[Entry]) -> None:
    """See that the readers that the inputs' names ask for can be loaded, before anything is written.

    Raises
    ------
    MissingLibraryError
        Names the extra to install.
    """
    names = [entry.uri.lower() for entry in entries]
    for kind in sorted({kind for name in names if (kind := format_of(name))}):
        reader_of(kind)
    needed = {"pyarrow": ("parquet", SUFFIXES["parquet"]), "zstandard": ("zstd", (".zst",))}
    for library, (extra, suffixes) in needed.items():
        name = next((name for name in names if format_of(name) and name.endswith(suffixes)), None)
        if name is not None and find_spec(library) is None:
            raise MissingLibraryError(f"{name}: the library {library} is missing; pip install 'newsfilter[{extra}]'")


def plan(entries: Sequence[Entry], options: ReadOptions, *, named: bool = True) -> Iterator[Planned]:
    """Yield all shards in source order. The same for the same inputs, whatever the number of workers; containers are looked into as they come up.

    Parameters
    ----------
    named
        Whether an archive's members need output names, which are held in memory.
    """
    namer, number = Namer(), 0
    loose = sum(format_of(entry.uri) is None for entry in entries)
    size = min(max(loose // PARTS, SMALLEST), options.shard_documents)
    packed = sum(entry.size or 0 for entry in entries if format_of(entry.uri) is not None)
    options = replace(options, shard_bytes=min(max(packed // PARTS, SMALLEST_BYTES), options.shard_bytes))
    for kind, group in groupby(entries, key=lambda entry: format_of(entry.uri) or "files"):
        for planned in _loose(group, size, namer) if kind == "files" else _containers(group, kind, options, namer if named else None):
            yield replace(planned, shard=replace(planned.shard, number=number))
            number += 1


def _loose(entries: Iterable[Entry], size: int, namer: Namer) -> Iterator[Planned]:
    left = iter(entries)
    while group := tuple(islice(left, size)):
        shard = Shard(0, group[0].uri, group[0].path, "files", entries=group, size=sum(entry.size or 0 for entry in group))
        yield Planned(shard, tuple(namer.stem(entry.uri) for entry in group))


def _containers(entries: Iterable[Entry], kind: str, options: ReadOptions, namer: Namer | None) -> Iterator[Planned]:
    for entry in entries:
        shard = Shard(0, container_uri(entry.uri, entry.copy), entry.path, kind, size=entry.size)
        below, said = "", ""
        if namer:
            below = namer.stem(shard.uri) if kind in _ARCHIVES else namer.container(shard.uri)
        try:
            if entry.fault:
                raise ReadError(shard.uri, entry.fault)
            said = guessed(shard, options) if kind in TABLES else ""
            if is_streamed(entry.uri, kind):
                yield from (replace(planned, said=said) for planned in _streamed(shard, kind, options, below, namer))
            else:
                for start, stop in reader_of(kind).split(shard.path, shard.uri, options):
                    yield Planned(replace(shard, start=start, stop=stop), (), below, said)
        except MissingLibraryError as error:
            raise StoppedError(f"{error}, and run the same command again with --resume") from None
        except (InputError, OSError) as error:
            failed = container_failed(shard.uri, error)
            yield Planned(replace(shard, format="given", given=(failed,)), (), below, said, unread=failed.reason in AWAY)


def guessed(shard: Shard, options: ReadOptions) -> str:
    """Say which columns of a table were guessed by their names. Raises what the reader's `columns_of` raises."""
    reader: Any = reader_of(shard.format)
    columns: Columns = reader.columns_of(shard.path, shard.uri, options)
    return columns.said


def _streamed(shard: Shard, kind: str, options: ReadOptions, below: str, namer: Namer | None) -> Iterator[Planned]:
    first, shard = 0, replace(shard, format="given")
    for records in _portions(reader_of(kind).read(shard.path, shard.uri, 0, None, options), options.shard_documents):
        stems = tuple(_member_stem(item, below, namer) for item in records) if namer and kind in _ARCHIVES else ()
        unread = any(isinstance(item, Failed) and item.reason in AWAY for item in records)
        yield Planned(replace(shard, given=tuple(records), first=first), stems, below, unread=unread)
        first += len(records)
    if not first:
        yield Planned(shard, (), below)  # for its row in run.json


def _member_stem(item: Item, below: str, namer: Namer) -> str:
    return namer.stem(f"{below}/{item.source.member}") if isinstance(item, Document | Oversized) else ""


def _portions(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += weight(item)
        if len(portion) == most or size >= GIVEN_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
