"""How a dump is cut into shards: loose files by count, containers by ranges of bytes or row groups, streams by what their one reader has read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice

from newsfilter.dumps.documents import Document, Failed, Item
from newsfilter.dumps.ledger import entry_id
from newsfilter.dumps.names import Namer
from newsfilter.dumps.outputs_rows import SAMPLE_FILES, SAMPLE_ROWS, InputColumns, columns_of_rows
from newsfilter.dumps.readers import ReadOptions, reader_of
from newsfilter.dumps.reading import ReadError
from newsfilter.dumps.shards import Shard
from newsfilter.dumps.sources import Entry
from newsfilter.errors import InputError

SUFFIXES = {
    "warc": (".warc", ".warc.gz", ".warc.zst"),
    "jsonl": (".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".jsonlines", ".jsonlines.gz"),
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz"),
    "zip": (".zip",),
    "tar": (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"),
}
"""Names by which files that hold many documents are known."""

SMALLEST, PARTS = 16, 64  # loose files of a shard at least; shards that a small dump is cut into, so that many workers have some
GIVEN_BYTES = 16_000_000  # raw bytes that a shard of a stream carries to its worker at most
_TABLES = frozenset({"jsonl", "csv", "parquet"})
_STREAMED = frozenset({"csv", "zip", "tar"})
_PACKED = (".gz", ".zst")


def format_of(uri: str) -> str | None:
    """Tell the format of a file that holds many documents, by its name; None for a document.

    >>> [format_of(name) for name in ("a/crawl.warc.gz", "news.JSONL", "page.html.gz")]
    ['warc', 'jsonl', None]
    """
    name = uri.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def is_streamed(uri: str, kind: str) -> bool:
    """Whether a file has one reader, which feeds the workers, because it can only be read from its beginning on."""
    return kind in _STREAMED or (kind == "jsonl" and uri.lower().endswith(_PACKED))


def columns_of(entries: Sequence[Entry], options: ReadOptions) -> list[InputColumns]:
    """Look into the first tables among the inputs for the columns that they have; faults are left to the reading."""
    found = []
    for entry in [entry for entry in entries if format_of(entry.uri) in _TABLES][:SAMPLE_FILES]:
        kind = format_of(entry.uri) or ""
        with suppress(InputError, OSError):
            if kind == "parquet":
                from newsfilter.dumps.outputs_parquet import columns_of_file  # noqa: PLC0415 - pyarrow: an extra, and 100 ms

                found.append(columns_of_file(entry.path))
            else:
                records = islice(reader_of(kind).read(entry.path, entry.uri, 0, None, options), SAMPLE_ROWS)
                found.append(columns_of_rows(item.columns for item in records if isinstance(item, Document) and item.columns is not None))
    return found


@dataclass(frozen=True, slots=True)
class Planned:
    """A shard, and the output names of what it holds."""

    shard: Shard
    stems: tuple[str, ...]  # of loose files, one each; of a container, its own: its records are named below it


def plan(entries: Sequence[Entry], options: ReadOptions) -> Iterator[Planned]:
    """Yield all shards in source order. The same for the same inputs, whatever the number of workers; containers are looked into as they come up."""
    namer, number = Namer(), 0
    loose = sum(format_of(entry.uri) is None for entry in entries)
    size = min(max(loose // PARTS, SMALLEST), options.shard_documents)
    for kind, group in groupby(entries, key=lambda entry: format_of(entry.uri) or "files"):
        for planned in _loose(group, size, namer) if kind == "files" else _containers(group, kind, options, namer):
            yield Planned(_numbered(planned.shard, number), planned.stems)
            number += 1


def _numbered(shard: Shard, number: int) -> Shard:
    return Shard(number, shard.uri, shard.path, shard.format, shard.start, shard.stop, shard.entries, shard.given, shard.first)


def _loose(entries: Iterable[Entry], size: int, namer: Namer) -> Iterator[Planned]:
    left = iter(entries)
    while group := tuple(islice(left, size)):
        shard = Shard(0, group[0].uri, group[0].path, "files", entries=group)
        yield Planned(shard, tuple(namer.stem(entry.uri) for entry in group))


def _containers(entries: Iterable[Entry], kind: str, options: ReadOptions, namer: Namer) -> Iterator[Planned]:
    for entry in entries:
        stem = (namer.stem(entry.uri),)
        try:
            if entry.fault:
                raise ReadError(entry.uri, entry.fault)
            for shard in _ranges(entry, kind, options):
                yield Planned(shard, stem)
        except (InputError, OSError) as error:
            reason = error.reason if isinstance(error, ReadError) else "unreadable-container"
            failed = Failed(entry_id(entry), entry.uri, reason, str(error))
            yield Planned(Shard(0, entry.uri, entry.path, "given", given=(failed,)), stem)


def _ranges(entry: Entry, kind: str, options: ReadOptions) -> Iterator[Shard]:
    reader = reader_of(kind)
    if not is_streamed(entry.uri, kind):
        for start, stop in reader.split(entry.path, entry.uri, options):
            yield Shard(0, entry.uri, entry.path, kind, start, stop)
        return
    first = 0
    for records in _portions(reader.read(entry.path, entry.uri, 0, None, options), options.shard_documents):
        yield Shard(0, entry.uri, entry.path, "given", given=tuple(records), first=first)
        first += len(records)


def _portions(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    portion: list[Item] = []
    size = 0
    for item in items:
        portion.append(item)
        size += len(item.source.raw) if isinstance(item, Document) else 0
        if len(portion) == most or size >= GIVEN_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
